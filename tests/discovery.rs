//! DNS messages, lookups and searches: bytes in, what they say out.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use proptest::prelude::*;
use volact::discovery::{
    Arrival, Class, Edns, EdnsOption, Flags, HEADER_LEN, Lookup, Lookups, MAX_MESSAGE, MAX_SERVERS,
    MAX_UPDATES, Message, Name, Opcode, Origin, Outcome, Question, Rcode, Record, RecordData, RecordType,
    Resolver, Search, Searches, Section, Transport,
};
use volact::wire::{Error, ErrorKind, Hex, parse_hex};

const SERVICE: &str = "_vlmcs._tcp.corp.example";
const SECOND: i64 = 1_000_000_000;

const A: u16 = 1;
const NS: u16 = 2;
const CNAME: u16 = 5;
const SOA: u16 = 6;
const PTR: u16 = 12;
const TXT: u16 = 16;
const AAAA: u16 = 28;
const SRV: u16 = 33;
const OPT: u16 = 41;
const NSEC: u16 = 47;
const ANY: u16 = 255;

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

/// A name of plain labels, on the wire.
fn wire(text: &str) -> Vec<u8> {
    let labels = text.split('.').filter(|label| !label.is_empty());
    let mut bytes: Vec<u8> =
        labels.flat_map(|label| [&[u8::try_from(label.len()).unwrap()], label.as_bytes()].concat()).collect();
    bytes.push(0);
    bytes
}

/// A message that is built section by section.
#[derive(Clone)]
struct Build {
    bytes: Vec<u8>,
}

impl Build {
    fn new(id: u16, flags: u16) -> Self {
        let mut bytes = [id.to_be_bytes(), flags.to_be_bytes()].concat();
        bytes.resize(HEADER_LEN, 0);
        Self { bytes }
    }

    fn count(&mut self, section: usize) {
        let at = 4 + 2 * section;
        let count = u16::from_be_bytes([self.bytes[at], self.bytes[at + 1]]) + 1;
        self.bytes[at..at + 2].copy_from_slice(&count.to_be_bytes());
    }

    fn question_of(mut self, name: &[u8], rtype: u16, class: u16) -> Self {
        self.count(0);
        self.bytes.extend_from_slice(name);
        self.bytes.extend([rtype.to_be_bytes(), class.to_be_bytes()].concat());
        self
    }

    fn question(self, name: &str, rtype: u16) -> Self {
        self.question_of(&wire(name), rtype, 1)
    }

    fn record_of(
        mut self,
        section: usize,
        name: &[u8],
        rtype: u16,
        class: u16,
        ttl: u32,
        data: &[u8],
    ) -> Self {
        self.count(section);
        self.bytes.extend_from_slice(name);
        self.bytes.extend([rtype.to_be_bytes(), class.to_be_bytes()].concat());
        self.bytes.extend(ttl.to_be_bytes());
        self.bytes.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        self.bytes.extend_from_slice(data);
        self
    }

    fn record(self, section: usize, name: &str, rtype: u16, data: &[u8]) -> Self {
        self.record_of(section, &wire(name), rtype, 1, 60, data)
    }

    fn answer(self, name: &str, rtype: u16, data: &[u8]) -> Self {
        self.record(1, name, rtype, data)
    }

    fn parse(&self) -> Message {
        Message::parse(&self.bytes).unwrap()
    }
}

fn srv(priority: u16, weight: u16, port: u16, target: &str) -> Vec<u8> {
    let words = [priority, weight, port].map(u16::to_be_bytes).concat();
    [words, wire(target)].concat()
}

fn soa(minimum: u32) -> Vec<u8> {
    let numbers = [2026, 900, 600, 86400, minimum].map(u32::to_be_bytes).concat();
    [wire("ns1.corp.example"), wire("hostmaster.corp.example"), numbers].concat()
}

fn query(id: u16, name: &str, rtype: u16) -> Message {
    Build::new(id, 0x0100).question(name, rtype).parse()
}

fn response(id: u16, flags: u16, name: &str, rtype: u16) -> Build {
    Build::new(id, 0x8180 | flags).question(name, rtype)
}

fn host_of(port: u16) -> Vec<u8> {
    srv(0, 0, port, "kms.corp.example")
}

mod messages {
    use super::*;

    /// A response byte by byte: RFC 1035 4.1, RFC 2782; the target is compressed, which RFC 2782 forbids and servers do.
    #[test]
    fn a_response_is_read_to_its_last_byte() {
        let bytes = [
            &b"\x12\x34"[..], // ID
            b"\x85\x80",      // QR, QUERY, AA, RD, RA, NOERROR
            b"\x00\x01",      // QDCOUNT
            b"\x00\x01",      // ANCOUNT
            b"\x00\x00",      // NSCOUNT
            b"\x00\x01",      // ARCOUNT
            // 12: _vlmcs._tcp.corp.example; "corp" begins at 24
            b"\x06_vlmcs\x04_tcp\x04corp\x07example\x00",
            b"\x00\x21\x00\x01", // SRV, IN
            b"\xc0\x0c",         // NAME: a pointer to 12
            b"\x00\x21\x00\x01", // SRV, IN
            b"\x00\x00\x0e\x10", // TTL 3600
            b"\x00\x0c",         // RDLENGTH 12
            b"\x00\x0a\x00\x05", // priority 10, weight 5
            b"\x06\x98",         // port 1688
            b"\x03kms\xc0\x18",  // kms. and a pointer to 24; this begins at 60
            b"\xc0\x3c",         // NAME: a pointer to 60, which goes on to 24
            b"\x00\x01\x00\x01", // A, IN
            b"\x00\x00\x00\x3c", // TTL 60
            b"\x00\x04",         // RDLENGTH 4
            b"\xc0\x00\x02\x0a", // 192.0.2.10
            b"\xee\xee\xee",     // behind the last record
        ]
        .concat();
        let service = name(SERVICE);
        let class = Class::IN;
        let expected = Message {
            id: 0x1234,
            flags: Flags(0x8580),
            counts: [1, 1, 0, 1],
            questions: vec![Question {
                name: service.clone(),
                rtype: RecordType::SRV,
                class,
                unicast_response: false,
            }],
            answers: vec![Record {
                name: service,
                rtype: RecordType::SRV,
                class,
                cache_flush: false,
                ttl: 3600,
                data: RecordData::Srv {
                    priority: 10,
                    weight: 5,
                    port: 1688,
                    target: name("kms.corp.example"),
                },
                error: None,
            }],
            authorities: Vec::new(),
            additionals: vec![Record {
                name: name("kms.corp.example"),
                rtype: RecordType::A,
                class,
                cache_flush: false,
                ttl: 60,
                data: RecordData::A([192, 0, 2, 10].into()),
                error: None,
            }],
            edns: None,
            length: bytes.len(),
            excess: 3,
            error: None,
        };
        let message = Message::parse(&bytes).unwrap();
        assert_eq!(message, expected);
        assert!(message.is_response());
        assert_eq!((message.opcode(), message.rcode()), (Opcode::QUERY, Rcode::NOERROR));
        assert_eq!(
            message.records().map(|(section, _)| section.name()).collect::<Vec<_>>(),
            ["answer", "additional"]
        );
    }

    /// Messages that dnspython 2.9.2 wrote (`Message.to_wire`), and what it reads of them (`from_wire`, `to_text`); the
    /// record of a type that is not read here is given as RFC 3597 writes it. Of the update, what is expected is written by
    /// hand.
    #[test]
    fn messages_of_dnspython_say_what_it_says_of_them() {
        for (title, hex, expected) in ORACLE {
            let bytes = parse_hex(&hex.replace(['\n', ' '], "")).unwrap();
            let message = Message::parse(&bytes).unwrap();
            assert_eq!(message.errors().next(), None, "{title}");
            assert_eq!((message.length, message.excess), (bytes.len(), 0), "{title}");
            assert_eq!(told(&message), *expected, "{title}");
        }
    }

    #[test]
    fn less_than_a_header_is_no_message() {
        let bytes = Build::new(7, 0).bytes;
        for length in 0..HEADER_LEN {
            let error = Message::parse(&bytes[..length]).unwrap_err();
            assert_eq!(error.to_string(), format!("DNS: header at offset 0: needed 12 bytes, got {length}"));
        }
        assert_eq!(Message::parse(&bytes).unwrap().error, None);
    }

    #[test]
    fn counts_that_promise_more_than_there_is_are_an_error_where_it_ends() {
        for (section, field) in
            ["question QNAME", "answer NAME", "authority NAME", "additional NAME"].into_iter().enumerate()
        {
            let mut build = Build::new(7, 0x8180).question(SERVICE, SRV);
            if section == 0 {
                build.count(0);
            } else {
                build = build.record(section, SERVICE, SRV, &host_of(1688));
                build.count(section);
            }
            let message = build.parse();
            let error = Error {
                layer: "DNS",
                field,
                offset: build.bytes.len(),
                kind: ErrorKind::Truncated { needed: 1, got: 0 },
            };
            assert_eq!(message.error, Some(error));
            assert_eq!(message.questions.len() + message.records().count(), 1 + usize::from(section > 0));
            assert_eq!(message.excess, 0);
        }
    }

    /// What is wrong with the message `bytes`, as a line.
    fn wrong(bytes: &[u8]) -> String {
        let message = Message::parse(bytes).unwrap();
        let errors: Vec<String> = message.errors().map(ToString::to_string).collect();
        errors.join("; ")
    }

    #[test]
    fn a_damaged_name_is_placed_where_it_is_damaged() {
        let long: Vec<u8> = (0..4).flat_map(|_| [&[63][..], &[b'a'; 63]].concat()).collect();
        for (bytes, expected) in [
            (&b"\x03co"[..], "question QNAME at offset 12: needed 4 bytes, got 3"),
            (b"\x02co", "question QNAME at offset 15: needed 1 bytes, got 0"),
            (b"\x02co\xc0", "question QNAME at offset 15: needed 2 bytes, got 1"),
            (b"\x40a\0", "question QNAME at offset 12: expected a label or a pointer, got 64 (0x40)"),
            (b"\x80a\0", "question QNAME at offset 12: expected a label or a pointer, got 128 (0x80)"),
            // To itself, forward, and into a loop of two.
            (
                b"\xc0\x0c\0",
                "question QNAME at offset 12: expected a pointer to something in front of it, got 12 (0xc)",
            ),
            (
                b"\xc0\x20\0",
                "question QNAME at offset 12: expected a pointer to something in front of it, got 32 (0x20)",
            ),
            (
                b"\x01a\xc0\x0e\0",
                "question QNAME at offset 14: expected a pointer to something in front of it, got 14 (0xe)",
            ),
            (&long, "question QNAME at offset 204: length 257 is not within 1..=255"),
        ] {
            let mut build = Build::new(7, 0);
            build.count(0);
            build.bytes.extend_from_slice(bytes);
            assert_eq!(wrong(&build.bytes), format!("DNS: {expected}"), "{}", Hex(bytes));
        }
        // The pointer is good, and what it points to is not: QTYPE's 33 as a label's length.
        let build = Build::new(7, 0).question(SERVICE, SRV).question_of(b"\xc0\x27", SRV, 1);
        assert_eq!(wrong(&build.bytes), "DNS: question QNAME at offset 39: needed 34 bytes, got 9");
    }

    #[test]
    fn a_loop_of_pointers_ends() {
        // 12: "a", then back to 12: the pointer at 14 is to something in front of it, and the name never ends.
        let build = Build::new(7, 0).question_of(b"\x01a\xc0\x0c", SRV, 1);
        assert_eq!(wrong(&build.bytes), "DNS: question QNAME at offset 12: length 257 is not within 1..=255");
        // 255 pointers, each to the one in front of it, can be followed; one more cannot.
        for (count, is_fine) in [(255, true), (256, false)] {
            let mut chain = b"\0".to_vec();
            let data_at = HEADER_LEN + 5 + 11;
            for i in 0..count - 1 {
                let target = if i == 0 { data_at } else { data_at + 1 + 2 * (i - 1) };
                chain.extend((0xc000 | u16::try_from(target).unwrap()).to_be_bytes());
            }
            let last = data_at + chain.len() - 2;
            let build = Build::new(7, 0x8000).question("", A).answer("", 4711, &chain).record_of(
                1,
                &(0xc000 | u16::try_from(last).unwrap()).to_be_bytes(),
                A,
                1,
                0,
                &[192, 0, 2, 1],
            );
            let message = build.parse();
            assert_eq!(message.error.is_none(), is_fine, "{count}: {:?}", message.error);
            if let Some(error) = message.error {
                assert_eq!(error.kind, ErrorKind::Malformed { what: "a name of more than 255 pointers" });
                assert_eq!((error.field, message.answers.len()), ("answer NAME", 1));
            }
        }
    }

    #[test]
    fn each_field_that_is_cut_is_named_in_each_section() {
        let question = Build::new(7, 0).question("a", SRV).bytes;
        for (cut, field) in [(13, "QNAME"), (15, "QTYPE"), (16, "QTYPE"), (17, "QCLASS"), (18, "QCLASS")] {
            let error = Message::parse(&question[..cut]).unwrap().error.unwrap();
            assert_eq!(error.field, format!("question {field}"), "{cut}");
        }
        for section in [Section::Answer, Section::Authority, Section::Additional] {
            let number = section as usize;
            let bytes = Build::new(7, 0x8000).record(number, "a", A, &[192, 0, 2, 1]).bytes;
            for (length, field, offset, needed) in [
                (0, "NAME", 12, 1),
                (2, "NAME", 14, 1),
                (4, "TYPE", 15, 2),
                (6, "CLASS", 17, 2),
                (10, "TTL", 19, 4),
                (12, "RDLENGTH", 23, 2),
                (16, "RDATA", 25, 4),
            ] {
                let cut = 12 + length;
                let error = Message::parse(&bytes[..cut]).unwrap().error.unwrap();
                assert_eq!(error.field, format!("{} {field}", section.name()));
                let kind = ErrorKind::Truncated { needed, got: cut - offset };
                assert_eq!((error.offset, error.kind), (offset, kind), "{field}");
            }
        }
    }

    #[test]
    fn data_that_is_not_what_its_type_says_is_kept_and_the_next_record_is_read() {
        for (rtype, data, expected) in [
            (A, vec![192, 0, 2], "A ADDRESS at offset 28: needed 4 bytes, got 3"),
            (A, vec![192, 0, 2, 1, 9], "A RDATA at offset 28: length 5 is not within 4..=4"),
            (A, vec![], "A ADDRESS at offset 28: needed 4 bytes, got 0"),
            (AAAA, vec![0; 15], "AAAA ADDRESS at offset 28: needed 16 bytes, got 15"),
            (AAAA, vec![0; 17], "AAAA RDATA at offset 28: length 17 is not within 16..=16"),
            (SRV, vec![0], "SRV Priority at offset 28: needed 2 bytes, got 1"),
            (SRV, vec![0; 3], "SRV Weight at offset 30: needed 2 bytes, got 1"),
            (SRV, vec![0; 5], "SRV Port at offset 32: needed 2 bytes, got 1"),
            (SRV, vec![0; 6], "SRV Target at offset 34: needed 1 bytes, got 0"),
            (SRV, vec![0; 8], "SRV RDATA at offset 28: length 8 is not within 7..=7"),
            (
                SRV,
                b"\0\0\0\0\x06\x98\xc0\x22".to_vec(),
                "SRV Target at offset 34: expected a pointer to something in front of it, got 34 (0x22)",
            ),
            // The label runs into the next record.
            (SRV, b"\0\0\0\0\x06\x98\x03km".to_vec(), "SRV Target at offset 34: needed 4 bytes, got 3"),
            (CNAME, b"\x01".to_vec(), "CNAME CNAME at offset 28: needed 2 bytes, got 1"),
            (NS, b"\x01a".to_vec(), "NS NSDNAME at offset 30: needed 1 bytes, got 0"),
            (PTR, b"\0\0".to_vec(), "PTR RDATA at offset 28: length 2 is not within 1..=1"),
            (TXT, b"\x02a".to_vec(), "TXT TXT-DATA at offset 28: needed 3 bytes, got 2"),
            (TXT, b"\x01a\x01".to_vec(), "TXT TXT-DATA at offset 30: needed 2 bytes, got 1"),
            (SOA, b"\x01".to_vec(), "SOA MNAME at offset 28: needed 2 bytes, got 1"),
            (SOA, b"\0\x01".to_vec(), "SOA RNAME at offset 29: needed 2 bytes, got 1"),
            (SOA, vec![0; 5], "SOA SERIAL at offset 30: needed 4 bytes, got 3"),
            (SOA, vec![0; 9], "SOA REFRESH at offset 34: needed 4 bytes, got 3"),
            (SOA, vec![0; 13], "SOA RETRY at offset 38: needed 4 bytes, got 3"),
            (SOA, vec![0; 17], "SOA EXPIRE at offset 42: needed 4 bytes, got 3"),
            (SOA, vec![0; 21], "SOA MINIMUM at offset 46: needed 4 bytes, got 3"),
            (SOA, vec![0; 23], "SOA RDATA at offset 28: length 23 is not within 22..=22"),
        ] {
            let build = Build::new(7, 0x8000).question("", SRV).answer("", rtype, &data).answer(
                "",
                A,
                &[192, 0, 2, 1],
            );
            let message = build.parse();
            assert_eq!(message.error, None);
            let [damaged, good] = &message.answers[..] else { panic!("{expected}: {message:?}") };
            assert_eq!(damaged.error.as_ref().unwrap().to_string(), format!("DNS: {expected}"));
            assert_eq!(damaged.data, RecordData::Other(data));
            assert_eq!(good.data, RecordData::A([192, 0, 2, 1].into()));
            assert_eq!(good.error, None);
        }
    }

    #[test]
    fn data_is_read_by_its_type_in_its_class_only() {
        let chaos = [1, b'a', 0, 1, 2];
        let message = Build::new(7, 0x8000)
            .record_of(1, &wire("a"), A, 3, 0, &chaos)
            .record_of(1, &wire("a"), SRV, 255, 0, &[])
            .record_of(1, &wire("a"), A, 254, 0, &[192, 0, 2, 1])
            .record_of(1, &wire("a"), TXT, 3, 0, b"\x04test")
            .record_of(1, &wire("a"), TXT, 1, 0, b"")
            .parse();
        let data: Vec<&RecordData> = message.answers.iter().map(|record| &record.data).collect();
        assert_eq!(message.errors().next(), None);
        assert_eq!(
            data,
            [
                &RecordData::Other(chaos.to_vec()),
                &RecordData::Other(Vec::new()),
                &RecordData::A([192, 0, 2, 1].into()),
                &RecordData::Txt(vec![b"test".to_vec()]),
                &RecordData::Txt(Vec::new()),
            ]
        );
        let addresses: Vec<_> = message.answers.iter().filter_map(|record| record.data.address()).collect();
        assert_eq!(addresses, [IpAddr::from([192, 0, 2, 1])]);
    }

    #[test]
    fn edns_is_taken_apart_and_extends_the_code() {
        let options = b"\x00\x0f\x00\x06\x00\x17text\x00\x0a\x00\x00";
        let build = Build::new(7, 0x8001)
            .record_of(3, b"\0", OPT, 1232, 0x0100_8000, options)
            .record_of(3, b"\0", OPT, 512, 0, b"");
        let message = build.parse();
        let options = vec![
            EdnsOption { code: 15, data: b"\x00\x17text".to_vec() },
            EdnsOption { code: 10, data: Vec::new() },
        ];
        let edns =
            Edns { payload_size: 1232, extended_rcode: 1, version: 0, flags: 0x8000, options, error: None };
        assert_eq!(message.edns, Some(edns));
        assert!(message.edns.as_ref().unwrap().dnssec_ok());
        assert_eq!(message.rcode(), Rcode(17));
        assert_eq!(message.flags.rcode(), Rcode::FORMERR);
        // A second one is a record like others.
        assert_eq!(message.additionals.len(), 1);
        assert_eq!(message.additionals[0].class, Class(512));
        // And so is one in another section.
        assert_eq!(Build::new(7, 0).record_of(1, b"\0", OPT, 1232, 0, b"").parse().edns, None);
        for (data, expected) in [
            (&b"\x00\x0a\x00"[..], "OPTION-LENGTH at offset 25: needed 2 bytes, got 1"),
            (b"\x00", "OPTION-CODE at offset 23: needed 2 bytes, got 1"),
            (b"\x00\x0a\x00\x00\x00\x0f\x00\x02a", "OPTION-DATA at offset 31: needed 2 bytes, got 1"),
        ] {
            let build = Build::new(7, 0).record_of(3, b"\0", OPT, 1232, 0, data);
            assert_eq!(wrong(&build.bytes), format!("DNS: {expected}"));
            assert_eq!(build.parse().edns.unwrap().options.len(), usize::from(data.len() > 4));
        }
    }

    #[test]
    fn the_bit_that_multicast_dns_keeps_in_front_of_the_class_is_set_apart() {
        let message = Build::new(0, 0x8400)
            .question_of(&wire("host.local"), A, 0x8001)
            .record_of(1, &wire("host.local"), A, 0x8001, 120, &[192, 0, 2, 1])
            .parse();
        let (question, record) = (&message.questions[0], &message.answers[0]);
        assert_eq!((question.class, question.unicast_response), (Class::IN, true));
        assert_eq!((record.class, record.cache_flush), (Class::IN, true));
        assert_eq!(record.data, RecordData::A([192, 0, 2, 1].into()));
    }

    #[test]
    fn labels_of_any_bytes_are_escaped() {
        let message = Build::new(7, 0).question_of(b"\x05a.b\\c\x03\x00 \xff\x00", A, 1).parse();
        assert_eq!(message.questions[0].name.as_str(), "a\\.b\\\\c.\\000\\032\\255");
        assert_eq!(message.questions[0].name, name("a\\.b\\\\c.\\000\\032\\255"));
    }

    #[test]
    fn nothing_is_read_behind_the_longest_message() {
        let build = Build::new(7, 0x8000).answer("", 4711, &[0; 65_000]).answer("", 4711, &[0; 600]);
        assert!(build.bytes.len() > MAX_MESSAGE);
        let message = build.parse();
        assert_eq!((message.answers.len(), message.length), (1, build.bytes.len()));
        assert_eq!(message.error.as_ref().unwrap().field, "answer RDATA");
        assert_eq!(message.excess, build.bytes.len() - HEADER_LEN - 65_011);
    }

    /// A message of every kind of record that is read.
    fn full() -> Vec<u8> {
        Build::new(7, 0x8180)
            .question(SERVICE, SRV)
            .record_of(1, b"\xc0\x0c", SRV, 1, 60, &[&srv(0, 0, 1688, "kms")[..10], b"\xc0\x18"].concat())
            .answer("kms.corp.example", CNAME, &wire("host7.corp.example"))
            .answer("host7.corp.example", A, &[192, 0, 2, 7])
            .answer("host7.corp.example", AAAA, &[0x20; 16])
            .record(2, "corp.example", NS, &wire("ns1.corp.example"))
            .record(2, "corp.example", SOA, &soa(3600))
            .record(3, "7.2.0.192.in-addr.arpa", PTR, &wire("host7.corp.example"))
            .record(3, "corp.example", TXT, b"\x0etest payload 7\x00")
            .record_of(3, b"\0", OPT, 1232, 0, b"\x00\x0a\x00\x02ab")
            .bytes
    }

    #[test]
    fn a_message_of_every_type_is_whole() {
        let message = Message::parse(&full()).unwrap();
        assert_eq!(message.errors().next(), None);
        assert_eq!(message.records().count(), 8);
        assert!(message.records().all(|(_, record)| !matches!(record.data, RecordData::Other(_))));
        assert!(
            matches!(&message.answers[0].data, RecordData::Srv { target, .. } if *target == name("kms.corp.example"))
        );
    }

    proptest! {
        #[test]
        fn a_cut_anywhere_keeps_what_is_in_front_of_it(cut in HEADER_LEN..300) {
            let bytes = full();
            let whole = Message::parse(&bytes).unwrap();
            let cut = cut.min(bytes.len());
            let part = Message::parse(&bytes[..cut]).unwrap();
            prop_assert!(whole.questions.starts_with(&part.questions));
            prop_assert!(whole.answers.starts_with(&part.answers));
            prop_assert!(whole.authorities.starts_with(&part.authorities));
            prop_assert!(whole.additionals.starts_with(&part.additionals));
            prop_assert_eq!(part.error.is_none(), cut == bytes.len());
            if let Some(error) = &part.error {
                prop_assert!(error.offset <= cut);
                prop_assert!(matches!(error.kind, ErrorKind::Truncated { .. }), "{}", error);
            }
        }

        #[test]
        fn a_changed_byte_is_survived(at in 0usize..300, value: u8) {
            let mut bytes = full();
            let at = at % bytes.len();
            bytes[at] = value;
            let message = Message::parse(&bytes).unwrap();
            prop_assert!(message.errors().all(|error| error.offset <= bytes.len()));
            prop_assert_eq!(Message::parse(&bytes), Ok(message));
        }

        #[test]
        fn any_name_is_read_from_its_text(labels in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..20), 0..8)) {
            let mut bytes: Vec<u8> =
                labels.iter().flat_map(|label| [&[u8::try_from(label.len()).unwrap()], &label[..]].concat()).collect();
            bytes.push(0);
            let read = Build::new(7, 0).question_of(&bytes, A, 1).parse().questions[0].name.clone();
            prop_assert_eq!(read.labels().count(), labels.len());
            prop_assert_eq!(Name::parse(read.as_str()), Ok(read.clone()));
            let upper = Build::new(7, 0).question_of(&bytes.to_ascii_uppercase(), A, 1).parse();
            // A length can be a letter, too.
            if labels.iter().all(|label| label.len() < 65) && bytes.len() < 90 {
                prop_assert_eq!(&upper.questions[0].name, &read);
            }
        }
    }

    /// A message in lines.
    fn told(message: &Message) -> Vec<String> {
        let mut lines = vec![format!(
            "{} {} {} {}",
            message.id,
            message.opcode(),
            message.rcode(),
            message.flags.to_string().to_lowercase()
        )];
        for question in &message.questions {
            lines.push(format!("question {} {}", question.name, question.rtype));
        }
        for (section, record) in message.records() {
            let data = match &record.data {
                RecordData::Srv { priority, weight, port, target } => {
                    format!("{priority} {weight} {port} {target}.")
                }
                RecordData::A(address) => address.to_string(),
                RecordData::Aaaa(address) => address.to_string(),
                RecordData::Cname(name) | RecordData::Ptr(name) | RecordData::Ns(name) => format!("{name}."),
                RecordData::Soa { mname, rname, serial, refresh, retry, expire, minimum } => {
                    format!("{mname}. {rname}. {serial} {refresh} {retry} {expire} {minimum}")
                }
                RecordData::Txt(strings) => {
                    let quoted =
                        strings.iter().map(|string| format!("{:?}", String::from_utf8_lossy(string)));
                    quoted.collect::<Vec<_>>().join(" ")
                }
                RecordData::Other(data) => format!("\\# {} {}", data.len(), Hex(data)),
            };
            lines.push(format!("{} {} {} {} {data}", section.name(), record.name, record.ttl, record.rtype));
        }
        if let Some(edns) = &message.edns {
            let mut line = format!(
                "edns {} {} {}",
                edns.version,
                edns.payload_size,
                if edns.dnssec_ok() { "do" } else { "-" }
            );
            for option in &edns.options {
                write!(line, " {}:{}", option.code, Hex(&option.data)).unwrap();
            }
            lines.push(line);
        }
        lines
    }

    const ORACLE: &[(&str, &str, &[&str])] = &[
        (
            "a query with EDNS, a cookie and DO",
            "111101000001000000000001065f766c6d6373045f74637004636f7270076578616d706c650000210001000029
             04d000008000000c000a00080001020304050607",
            &[
                "4369 QUERY NOERROR rd",
                "question _vlmcs._tcp.corp.example SRV",
                "edns 0 1232 do 10:0001020304050607",
            ],
        ),
        (
            "two services and their addresses",
            "222285800001000200000002065f766c6d6373045f74637004636f7270076578616d706c650000210001c00c00
             21000100000e10001a000000000698056b6d732d6104636f7270076578616d706c6500c00c0021000100000e10
             001a000a00050699054b4d532d4204636f7270076578616d706c6500056b6d732d61c018000100010000003c00
             04c000020ac076001c00010000003c001020010db8000000000000000000000010",
            &[
                "8738 QUERY NOERROR qr aa rd ra",
                "question _vlmcs._tcp.corp.example SRV",
                "answer _vlmcs._tcp.corp.example 3600 SRV 0 0 1688 kms-a.corp.example.",
                "answer _vlmcs._tcp.corp.example 3600 SRV 10 5 1689 KMS-B.corp.example.",
                "additional kms-a.corp.example 60 A 192.0.2.10",
                "additional kms-a.corp.example 60 AAAA 2001:db8::10",
            ],
        ),
        (
            "no such name",
            "333381030001000000010000065f766c6d6373045f74637004636f7270076578616d706c650000210001c01800
             060001000003840027036e7331c0180a686f73746d6173746572c01878c404c900000384000002580001518000
             000e10",
            &[
                "13107 QUERY NXDOMAIN qr rd",
                "question _vlmcs._tcp.corp.example SRV",
                "authority corp.example 900 SOA ns1.corp.example. hostmaster.corp.example. 2026112201 900 600 86400 3600",
            ],
        ),
        (
            "an alias and two addresses",
            "444481000001000300010000036b6d7304636f7270076578616d706c650000010001c00c000500010000001e00
             0b05686f737437026463c010c02e000100010000001e0004c0000207c02e000100010000001e0004c0000208c0
             10000200010000001e0006036e7331c010",
            &[
                "17476 QUERY NOERROR qr rd",
                "question kms.corp.example A",
                "answer kms.corp.example 30 CNAME host7.dc.corp.example.",
                "answer host7.dc.corp.example 30 A 192.0.2.7",
                "answer host7.dc.corp.example 30 A 192.0.2.8",
                "authority corp.example 30 NS ns1.corp.example.",
            ],
        ),
        (
            "text, a pointer, another type, an extended code",
            "55558107000100030000000104636f7270076578616d706c650000100001c00c001000010000000500150e7465
             7374207061796c6f61642037000462225c630137013201300331393207696e2d61646472046172706100000c00
             0100000005000b08686f737424372e78c00cc00c010100010000000500110005697373756563612e6578616d70
             6c650000292000010000000000",
            &[
                "21845 QUERY BADCOOKIE qr rd",
                "question corp.example TXT",
                "answer corp.example 5 TXT \"test payload 7\" \"\" \"b\\\"\\\\c\"",
                "answer 7.2.0.192.in-addr.arpa 5 PTR host\\$7\\.x.corp.example.",
                "answer corp.example 5 CAA \\# 17 0005697373756563612e6578616d706c65",
                "edns 0 8192 -",
            ],
        ),
        (
            "an update: a service is deleted and published",
            "66662800000100000002000004636f7270076578616d706c650000060001065f766c6d6373045f746370c00c00
             2100ff000000000000c01e0021000100000e100018000000000698036b6d7304636f7270076578616d706c6500",
            &[
                "26214 UPDATE NOERROR ",
                "question corp.example SOA",
                "authority _vlmcs._tcp.corp.example 0 SRV \\# 0 ",
                "authority _vlmcs._tcp.corp.example 3600 SRV 0 0 1688 kms.corp.example.",
            ],
        ),
    ];
}

/// What goes through [`Lookups`], and what comes out.
struct Network {
    lookups: Lookups<SocketAddr, u32>,
    told: Vec<Lookup<SocketAddr, u32>>,
    /// Stamp of the next message.
    stamp: u32,
}

impl Network {
    fn new() -> Self {
        Self { lookups: Lookups::default(), told: Vec::new(), stamp: 0 }
    }

    /// A message at a time in seconds.
    fn send(&mut self, time: i64, way: (Transport, &str, &str), message: &Message) -> &mut Self {
        let (transport, source, destination) = way;
        let (source, destination) = (source.parse().unwrap(), destination.parse().unwrap());
        let told = &mut self.told;
        let time = Some(time * SECOND);
        let arrival = Arrival { source, destination, transport, stamp: self.stamp, time };
        self.lookups.message(arrival, message.clone(), &mut |it| told.push(it));
        self.stamp += 1;
        self
    }

    fn finish(&mut self) -> Vec<Lookup<SocketAddr, u32>> {
        let told = &mut self.told;
        self.lookups.finish(&mut |lookup| told.push(lookup));
        assert_eq!(self.lookups.open(), 0);
        std::mem::take(told)
    }

    fn outcomes(&mut self) -> Vec<Outcome> {
        self.finish().iter().map(|lookup| lookup.outcome).collect()
    }
}

const CLIENT: &str = "192.0.2.50:50000";
const SERVER: &str = "192.0.2.53:53";
const OTHER_SERVER: &str = "192.0.2.54:53";
const ASK: (Transport, &str, &str) = (Transport::Udp, CLIENT, SERVER);
const TELL: (Transport, &str, &str) = (Transport::Udp, SERVER, CLIENT);
const GROUP: &str = "224.0.0.251:5353";

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

mod lookups {
    use super::*;

    #[test]
    fn a_query_and_its_answer_are_a_lookup() {
        let mut network = Network::new();
        let answer =
            response(7, 0, &SERVICE.to_uppercase(), SRV).answer(SERVICE, SRV, &host_of(1688)).parse();
        let told = network.send(1, ASK, &query(7, SERVICE, SRV)).send(2, TELL, &answer).finish();
        let [lookup] = &told[..] else { panic!("{told:?}") };
        assert_eq!((lookup.outcome, lookup.origin, lookup.id), (Outcome::Answered, Origin::Query, 7));
        assert_eq!((lookup.client, lookup.transport), (address(CLIENT), Transport::Udp));
        assert_eq!(lookup.name(), Some(&name(SERVICE)));
        let queries = lookup.queries.as_ref().unwrap();
        assert_eq!((queries.count, queries.first, queries.last), (1, 0, 0));
        assert_eq!(queries.servers, [address(SERVER)]);
        assert!(queries.flags.rd() && !queries.is_probe && !lookup.after_truncation && !lookup.given_up);
        let reply = lookup.answer.as_ref().unwrap();
        assert_eq!((reply.server, reply.stamp, reply.time), (address(SERVER), 1, Some(2 * SECOND)));
        assert_eq!(*reply.message, answer);
        assert_eq!((lookup.first_time(), lookup.last_time()), (Some(SECOND), Some(2 * SECOND)));
        assert!(!lookup.is_answered_by_another());
        let counts = network.lookups.counts();
        assert_eq!((counts.queries, counts.responses, counts.lookups), (1, 1, 1));
    }

    /// The outcome of a response to a question for the service.
    fn outcome(answer: &Build) -> Outcome {
        let mut network = Network::new();
        network.send(0, ASK, &query(7, SERVICE, SRV)).send(0, TELL, &answer.parse());
        let outcomes = network.outcomes();
        assert_eq!(outcomes.len(), 1);
        outcomes[0]
    }

    #[test]
    fn each_response_has_its_outcome() {
        let to = |flags| response(7, flags, SERVICE, SRV);
        let alias = to(0).answer(SERVICE, CNAME, &wire("_vlmcs._tcp.other.example"));
        let cut = |mut build: Build| {
            build.count(1);
            build
        };
        for (answer, expected, hresult) in [
            (to(0).answer(SERVICE, SRV, &host_of(1688)), Outcome::Answered, None),
            (to(0), Outcome::NoData, Some(0x8007_251d)),
            (to(0).record(2, "corp.example", SOA, &soa(60)), Outcome::NoData, Some(0x8007_251d)),
            (to(0).answer(SERVICE, TXT, b""), Outcome::NoData, Some(0x8007_251d)),
            (to(0).answer("other.example", SRV, &host_of(1)), Outcome::NoData, Some(0x8007_251d)),
            (alias.clone(), Outcome::NoData, Some(0x8007_251d)),
            (alias.answer("_VLMCS._tcp.OTHER.example", SRV, &host_of(1688)), Outcome::Answered, None),
            (to(3).record(2, "corp.example", SOA, &soa(60)), Outcome::NameError, Some(0x8007_232b)),
            (to(2), Outcome::ServerFailure, Some(0x8007_232a)),
            (to(5), Outcome::Refused, Some(0x8007_232d)),
            (to(1), Outcome::OtherError(Rcode::FORMERR), Some(0x8007_2329)),
            (to(4), Outcome::OtherError(Rcode::NOTIMP), Some(0x8007_232c)),
            (to(0).record_of(3, b"\0", OPT, 512, 0x0100_0000, b""), Outcome::OtherError(Rcode(16)), None),
            (to(0x200), Outcome::Truncated, None),
            (to(0x200).answer(SERVICE, SRV, &host_of(1688)), Outcome::Truncated, None),
            (to(0x203), Outcome::NameError, Some(0x8007_232b)),
            (to(0).record(2, "example", NS, &wire("ns.example")), Outcome::Referral, None),
            (
                to(0).record(2, "example", NS, &wire("ns.example")).record(2, "example", SOA, &soa(60)),
                Outcome::NoData,
                Some(0x8007_251d),
            ),
            (cut(to(0)), Outcome::Unreadable, None),
            (cut(to(0).answer(SERVICE, SRV, &host_of(1688))), Outcome::Answered, None),
            (cut(to(2)), Outcome::ServerFailure, Some(0x8007_232a)),
        ] {
            let outcome = outcome(&answer);
            assert_eq!(outcome, expected, "{:?}", answer.parse());
            assert_eq!(outcome.hresult(), hresult, "{outcome:?}");
        }
        assert_eq!(Outcome::Unanswered.hresult(), None);
    }

    #[test]
    fn aliases_are_followed_and_a_loop_of_them_is_not() {
        let looped = response(7, 0, "a", A)
            .answer("b", CNAME, &wire("A"))
            .answer("a", CNAME, &wire("b"))
            .answer("x", A, &[192, 0, 2, 1])
            .parse();
        let mut network = Network::new();
        let told = network.send(0, ASK, &query(7, "a", A)).send(0, TELL, &looped).finish();
        assert_eq!(told[0].outcome, Outcome::NoData);
        assert_eq!(told[0].aliases(), [&name("a"), &name("b")]);
        // A question for an alias itself, and for anything.
        for rtype in [CNAME, ANY] {
            let answer = response(7, 0, "a", rtype).answer("a", CNAME, &wire("b")).parse();
            network.send(0, ASK, &query(7, "a", rtype)).send(0, TELL, &answer);
            assert_eq!(network.outcomes(), [Outcome::Answered]);
        }
    }

    #[test]
    fn how_long_nothing_lasts_is_the_lesser_of_two_numbers() {
        for (ttl, minimum, expected) in [(900, 3600, 900), (3600, 60, 60)] {
            let answer = response(7, 3, SERVICE, SRV)
                .record_of(2, &wire("corp.example"), SOA, 1, ttl, &soa(minimum))
                .parse();
            let mut network = Network::new();
            let told = network.send(0, ASK, &query(7, SERVICE, SRV)).send(0, TELL, &answer).finish();
            assert_eq!(told[0].negative_ttl(), Some(expected));
        }
    }

    #[test]
    fn queries_that_come_again_are_one_lookup() {
        let mut network = Network::new();
        let asked = query(7, SERVICE, SRV);
        let again = (Transport::Udp, "192.0.2.50:50001", OTHER_SERVER);
        let told = network
            .send(0, ASK, &asked)
            .send(1, ASK, &asked)
            .send(3, again, &query(7, "_VLMCS._tcp.corp.example", SRV))
            .send(4, (Transport::Udp, "192.0.2.99:53", CLIENT), &response(7, 2, SERVICE, SRV).parse())
            .finish();
        let [lookup] = &told[..] else { panic!("{told:?}") };
        let queries = lookup.queries.as_ref().unwrap();
        assert_eq!((queries.count, queries.first, queries.last), (3, 0, 2));
        assert_eq!(queries.servers, [address(SERVER), address(OTHER_SERVER)]);
        assert_eq!(lookup.outcome, Outcome::ServerFailure);
        assert!(lookup.is_answered_by_another());
    }

    #[test]
    fn another_id_question_client_or_transport_is_another_lookup() {
        let mut network = Network::new();
        let asked = query(7, SERVICE, SRV);
        network
            .send(0, ASK, &asked)
            .send(0, ASK, &query(8, SERVICE, SRV))
            .send(0, ASK, &query(7, SERVICE, A))
            .send(0, ASK, &query(7, "corp.example", SRV))
            .send(0, (Transport::Udp, "192.0.2.51:50000", SERVER), &asked)
            .send(0, (Transport::Tcp, CLIENT, SERVER), &asked);
        let told = network.finish();
        assert_eq!(told.iter().map(|lookup| lookup.number).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
        assert!(told.iter().all(|lookup| lookup.outcome == Outcome::Unanswered && lookup.answer.is_none()));
    }

    #[test]
    fn an_answer_to_another_question_is_not_the_answer() {
        let mut network = Network::new();
        let told = network
            .send(0, ASK, &query(7, SERVICE, SRV))
            .send(0, TELL, &response(7, 0, "other.example", SRV).parse())
            .send(0, TELL, &response(8, 0, SERVICE, SRV).parse())
            .finish();
        let origins: Vec<_> = told.iter().map(|lookup| (lookup.origin, lookup.outcome)).collect();
        assert_eq!(
            origins,
            [
                (Origin::Unseen, Outcome::NoData),
                (Origin::Unseen, Outcome::NoData),
                (Origin::Query, Outcome::Unanswered)
            ]
        );
        assert!(told[0].queries.is_none() && told[0].first() == Some(1));
    }

    #[test]
    fn a_response_without_its_question_is_matched_by_its_id() {
        let mut network = Network::new();
        network
            .send(0, ASK, &query(6, SERVICE, SRV))
            .send(0, ASK, &query(7, SERVICE, A))
            .send(0, ASK, &query(7, SERVICE, SRV))
            .send(0, ASK, &query(8, SERVICE, SRV))
            .send(0, TELL, &Build::new(7, 0x8185).parse());
        assert_eq!(
            network.outcomes(),
            [Outcome::Refused, Outcome::Refused, Outcome::Unanswered, Outcome::Unanswered]
        );
        // And so is one whose question is damaged.
        let mut damaged = Build::new(7, 0x8180);
        damaged.count(0);
        network.send(0, ASK, &query(7, SERVICE, SRV)).send(0, TELL, &damaged.parse());
        assert_eq!(network.outcomes(), [Outcome::Unreadable]);
        let told = network.send(0, TELL, &Build::new(9, 0x8185).parse()).finish();
        assert_eq!((told[0].question.as_ref(), told[0].name()), (None, None));
    }

    #[test]
    fn a_second_answer_is_one_and_no_lookup_of_its_own() {
        let mut network = Network::new();
        let answer = response(7, 0, SERVICE, SRV).answer(SERVICE, SRV, &host_of(1688)).parse();
        let told = network
            .send(0, ASK, &query(7, SERVICE, SRV))
            .send(1, TELL, &answer)
            .send(1, (Transport::Udp, OTHER_SERVER, CLIENT), &answer)
            .send(2, ASK, &query(7, SERVICE, SRV))
            .send(3, TELL, &answer)
            .finish();
        let origins: Vec<_> = told.iter().map(|lookup| lookup.origin).collect();
        assert_eq!(origins, [Origin::Query, Origin::Repeated, Origin::Query]);
    }

    #[test]
    fn a_lookup_waits_for_a_while_and_what_comes_then_is_late() {
        let wait = Lookups::<SocketAddr, u32>::WAIT / SECOND;
        let answer = response(7, 0, SERVICE, SRV).answer(SERVICE, SRV, &host_of(1688)).parse();
        let mut network = Network::new();
        network.send(0, ASK, &query(7, SERVICE, SRV)).send(10, ASK, &query(7, SERVICE, SRV));
        network.send(9 + wait, ASK, &query(8, "corp.example", SRV));
        assert!(network.told.is_empty());
        network.send(10 + wait, TELL, &answer);
        let told: Vec<_> = network.told.iter().map(|lookup| (lookup.origin, lookup.outcome)).collect();
        assert_eq!(told, [(Origin::Query, Outcome::Unanswered), (Origin::Late, Outcome::Answered)]);
        network.told.clear();
        let told = &mut network.told;
        network.lookups.expire((8 + 2 * wait) * SECOND, &mut |lookup| told.push(lookup));
        assert!(told.is_empty());
        network.lookups.expire((9 + 2 * wait) * SECOND, &mut |lookup| told.push(lookup));
        assert_eq!(network.outcomes(), [Outcome::Unanswered]);
    }

    #[test]
    fn without_times_nothing_expires() {
        let mut lookups: Lookups<IpAddr, ()> = Lookups::default();
        let (client, server) = (IpAddr::from([192, 0, 2, 50]), IpAddr::from([192, 0, 2, 53]));
        let mut told = Vec::new();
        let mut emit = |lookup: Lookup<_, _>| told.push(lookup.outcome);
        let transport = Transport::Udp;
        let asks = Arrival { source: client, destination: server, transport, stamp: (), time: None };
        lookups.message(asks, query(7, SERVICE, SRV), &mut emit);
        lookups.expire(i64::MAX, &mut emit);
        let answers = Arrival { source: server, destination: client, ..asks };
        lookups.message(answers, response(7, 3, SERVICE, SRV).parse(), &mut emit);
        assert_eq!(told, [Outcome::NameError]);
    }

    #[test]
    fn too_many_open_lookups_cost_the_oldest() {
        let most = Lookups::<SocketAddr, u32>::MAX_OPEN;
        let mut network = Network::new();
        for id in 0..=u16::try_from(most).unwrap() {
            network.send(0, ASK, &query(id, SERVICE, SRV));
            assert!(network.lookups.open() <= most);
        }
        let [lookup] = &network.told[..] else { panic!("{}", network.told.len()) };
        assert_eq!(
            (lookup.number, lookup.id, lookup.outcome, lookup.given_up),
            (0, 0, Outcome::Unanswered, true)
        );
        assert_eq!(network.lookups.counts().given_up, 1);
        let told = network.finish();
        assert_eq!(told.len(), most + 1);
        assert!(told[1..].iter().all(|lookup| !lookup.given_up));
    }

    #[test]
    fn the_servers_of_a_lookup_are_bounded_and_counted() {
        let mut network = Network::new();
        for last in 1..=20 {
            let server = format!("192.0.2.{last}:53");
            network.send(0, (Transport::Udp, CLIENT, &server), &query(7, SERVICE, SRV));
        }
        let told = network.finish();
        let queries = told[0].queries.as_ref().unwrap();
        assert_eq!((queries.count, queries.servers.len(), queries.left_out), (20, MAX_SERVERS, 4));
    }

    #[test]
    fn tcp_after_a_truncated_answer_says_so_once() {
        let asked = query(7, SERVICE, SRV);
        let truncated = response(7, 0x200, SERVICE, SRV).parse();
        let answer = response(8, 0, SERVICE, SRV).answer(SERVICE, SRV, &host_of(1688)).parse();
        let (ask, tell) =
            ((Transport::Tcp, "192.0.2.50:50009", SERVER), (Transport::Tcp, SERVER, "192.0.2.50:50009"));
        let mut network = Network::new();
        let told = network
            .send(0, ASK, &asked)
            .send(1, TELL, &truncated)
            .send(2, ask, &query(8, SERVICE, SRV))
            .send(3, tell, &answer)
            .send(4, ask, &query(9, SERVICE, SRV))
            .finish();
        let after: Vec<_> = told.iter().map(|lookup| (lookup.outcome, lookup.after_truncation)).collect();
        assert_eq!(
            after,
            [(Outcome::Truncated, false), (Outcome::Answered, true), (Outcome::Unanswered, false)]
        );
        // Long after, for another question, or of another client, it is a coincidence.
        for (time, who, what) in
            [(40, "192.0.2.50:1", SERVICE), (2, "192.0.2.50:1", "corp.example"), (2, "192.0.2.51:1", SERVICE)]
        {
            network.send(0, ASK, &asked).send(1, TELL, &truncated);
            network.send(time, (Transport::Tcp, who, SERVER), &query(8, what, SRV));
            assert!(network.finish().iter().all(|lookup| !lookup.after_truncation), "{time} {who} {what}");
            network = Network::new();
        }
    }

    #[test]
    fn an_update_has_its_records_and_its_end() {
        let zone = Build::new(7, 0x2800).question("corp.example", SOA);
        let update = zone
            .clone()
            .record_of(2, &wire(SERVICE), SRV, 255, 0, b"")
            .record(2, SERVICE, SRV, &host_of(1688))
            .record(2, SERVICE, TXT, b"\x0etest payload 7")
            .parse();
        let mut done = zone.clone();
        done.bytes[2..4].copy_from_slice(&0xa800_u16.to_be_bytes());
        let mut refused = done.clone();
        refused.bytes[3] = 5;
        let mut network = Network::new();
        let told = network
            .send(0, ASK, &update)
            .send(0, TELL, &refused.parse())
            .send(1, ASK, &update)
            .send(1, TELL, &done.parse())
            .finish();
        assert_eq!([told[0].outcome, told[1].outcome], [Outcome::Refused, Outcome::Updated]);
        assert_eq!(told[0].opcode, Opcode::UPDATE);
        let queries = told[0].queries.as_ref().unwrap();
        assert_eq!((queries.updates.len(), queries.left_out), (2, 1));
        assert_eq!(queries.updates[0].data, RecordData::Other(Vec::new()));
        let many = (0..20).fold(zone, |zone, _| zone.record(2, SERVICE, SRV, &host_of(1688)));
        let told = network.send(2, ASK, &many.parse()).finish();
        let queries = told[0].queries.as_ref().unwrap();
        assert_eq!((queries.updates.len(), queries.left_out), (MAX_UPDATES, 4));
    }

    #[test]
    fn what_is_neither_a_query_nor_an_update_is_counted() {
        let mut network = Network::new();
        let notify = Build::new(7, 0x2000).question("corp.example", SOA).parse();
        let notified = Build::new(7, 0xa000).question("corp.example", SOA).parse();
        network.send(0, ASK, &notify).send(0, TELL, &notified).send(0, ASK, &Build::new(7, 0).parse());
        assert!(network.finish().is_empty());
        let counts = network.lookups.counts();
        assert_eq!((counts.other_opcodes, counts.without_question, counts.lookups), (2, 1, 0));
    }
}

mod multicast {
    use super::*;

    const MULTI_ASK: (Transport, &str, &str) = (Transport::Mdns, "192.0.2.50:5353", GROUP);
    const MULTI_TELL: (Transport, &str, &str) = (Transport::Mdns, "192.0.2.60:5353", GROUP);
    const LOCAL: &str = "_vlmcs._tcp.local";

    fn asks(rtype: u16) -> Message {
        Build::new(0, 0).question(LOCAL, rtype).parse()
    }

    fn tells() -> Message {
        Build::new(0, 0x8400)
            .record_of(1, &wire(LOCAL), SRV, 0x8001, 120, &srv(0, 0, 1688, "host7.local"))
            .parse()
    }

    #[test]
    fn an_answer_to_the_group_answers_all_who_asked() {
        let mut network = Network::new();
        let other = (Transport::Mdns, "192.0.2.51:5353", GROUP);
        let unrelated = Build::new(0, 0).question("other.local", SRV).parse();
        let told = network
            .send(0, MULTI_ASK, &asks(SRV))
            .send(0, other, &asks(ANY))
            .send(0, other, &unrelated)
            .send(0, other, &asks(A))
            .send(1, MULTI_TELL, &tells())
            .finish();
        let outcomes: Vec<_> = told.iter().map(|lookup| (lookup.number, lookup.outcome)).collect();
        assert_eq!(
            outcomes,
            [
                (0, Outcome::Answered),
                (1, Outcome::Answered),
                (2, Outcome::Unanswered),
                (3, Outcome::Unanswered)
            ]
        );
    }

    #[test]
    fn an_answer_to_one_client_answers_that_one() {
        let mut network = Network::new();
        let unicast = Build::new(0, 0).question_of(&wire(LOCAL), SRV, 0x8001).parse();
        let other = (Transport::Mdns, "192.0.2.51:5353", GROUP);
        let told = network
            .send(0, MULTI_ASK, &unicast)
            .send(0, other, &asks(SRV))
            .send(1, (Transport::Mdns, "192.0.2.60:5353", "192.0.2.50:5353"), &tells())
            .finish();
        assert_eq!([told[0].outcome, told[1].outcome], [Outcome::Answered, Outcome::Unanswered]);
        assert_eq!(told[0].client, address("192.0.2.50:5353"));
        assert!(told[0].question.as_ref().unwrap().unicast_response);
    }

    #[test]
    fn what_nobody_asked_for_is_announced_and_a_second_answer_repeated() {
        let mut network = Network::new();
        let told = network
            .send(0, MULTI_TELL, &tells())
            .send(1, MULTI_ASK, &asks(SRV))
            .send(2, MULTI_TELL, &tells())
            .send(2, (Transport::Mdns, "192.0.2.61:5353", GROUP), &tells())
            .finish();
        let seen: Vec<_> = told.iter().map(|lookup| (lookup.origin, lookup.outcome)).collect();
        assert_eq!(
            seen,
            [
                (Origin::Unseen, Outcome::Announced),
                (Origin::Query, Outcome::Answered),
                (Origin::Repeated, Outcome::Answered)
            ]
        );
        assert_eq!((told[0].question.as_ref(), told[0].name()), (None, Some(&name(LOCAL))));
        assert_eq!(told[0].client, address(GROUP));
    }

    #[test]
    fn nsec_says_that_there_is_no_such_record() {
        let mut network = Network::new();
        let none = Build::new(0, 0x8400).record_of(1, &wire(LOCAL), NSEC, 0x8001, 120, &wire(LOCAL)).parse();
        let told = network.send(0, MULTI_ASK, &asks(SRV)).send(1, MULTI_TELL, &none).finish();
        assert_eq!(told[0].outcome, Outcome::NoData);
    }

    #[test]
    fn known_answers_and_probes_are_no_failures() {
        let known = Build::new(0, 0x0200)
            .question(LOCAL, SRV)
            .answer(LOCAL, SRV, &srv(0, 0, 1688, "host7.local"))
            .answer("other.local", SRV, &srv(0, 0, 1688, "host7.local"));
        let probe =
            Build::new(0, 0).question("host7.local", ANY).record(2, "host7.local", A, &[192, 0, 2, 7]);
        let mut network = Network::new();
        let told = network.send(0, MULTI_ASK, &known.parse()).send(0, MULTI_ASK, &probe.parse()).finish();
        let of =
            |at: usize| told[at].queries.as_ref().map(|queries| (queries.known_answers, queries.is_probe));
        assert_eq!((of(0), of(1)), (Some((1, false)), Some((0, true))));
        // In unicast DNS, these records have no such meaning.
        let told = network.send(0, ASK, &known.parse()).send(0, ASK, &probe.parse()).finish();
        assert!(
            told.iter()
                .filter_map(|lookup| lookup.queries.as_ref())
                .all(|q| q.known_answers == 0 && !q.is_probe)
        );
    }

    #[test]
    fn llmnr_is_answered_by_whoever_knows() {
        let mut network = Network::new();
        let (group, client, host) = ("224.0.0.252:5355", "192.0.2.50:51000", "192.0.2.70:5355");
        let answer = Build::new(7, 0x8000).question("host7", A).answer("host7", A, &[192, 0, 2, 70]).parse();
        let told = network
            .send(0, (Transport::Llmnr, client, group), &Build::new(7, 0).question("host7", A).parse())
            .send(0, (Transport::Llmnr, host, client), &answer)
            .finish();
        assert_eq!((told.len(), told[0].outcome), (1, Outcome::Answered));
        assert_eq!(told[0].answer.as_ref().unwrap().server, address(host));
    }
}

mod searches {
    use super::*;

    /// When it is asked, for which domain, and when what is answered.
    type Planned<'a> = (i64, &'a str, Option<(i64, Build)>);

    /// Lookups of the service below domains, each with the time of the query and of the answer, as searches in text.
    fn searches(plan: &[Planned<'_>]) -> Vec<String> {
        let mut events: Vec<(i64, bool, Message)> = Vec::new();
        for (id, (asked, domain, answer)) in (0..).zip(plan) {
            events.push((*asked, true, query(id, &service(domain), SRV)));
            if let Some((time, build)) = answer {
                let mut build = build.clone();
                build.bytes[..2].copy_from_slice(&id.to_be_bytes());
                events.push((*time, false, build.parse()));
            }
        }
        events.sort_by_key(|(time, ..)| *time);
        let mut network = Network::new();
        let mut searches: Searches<IpAddr, u32> = Searches::default();
        let mut told = Vec::new();
        let mut emit = |search: Search<IpAddr, u32>| told.push(text(&search));
        for (time, is_query, message) in events {
            network.send(time, if is_query { ASK } else { TELL }, &message);
            for lookup in network.told.drain(..) {
                searches.take(&lookup, &mut emit);
            }
            searches.expire(time * SECOND, &mut emit);
        }
        for lookup in network.finish() {
            searches.take(&lookup, &mut emit);
        }
        searches.finish(&mut emit);
        told
    }

    fn service(domain: &str) -> String {
        format!("_vlmcs._tcp.{domain}")
    }

    fn text(search: &Search<IpAddr, u32>) -> String {
        let attempts =
            search.attempts.iter().map(|attempt| format!("{} {}", attempt.domain, attempt.outcome.name()));
        let found = search.answered().map_or("none", |attempt| attempt.domain.as_str());
        format!("{} -> {found}", attempts.collect::<Vec<_>>().join(", "))
    }

    fn missing(domain: &str) -> Build {
        response(0, 3, &service(domain), SRV)
    }

    fn found(domain: &str) -> Build {
        response(0, 0, &service(domain), SRV).answer(&service(domain), SRV, &host_of(1688))
    }

    #[test]
    fn the_suffixes_that_a_client_tries_are_one_search() {
        let told = searches(&[
            (0, "a.b.example", Some((1, missing("a.b.example")))),
            (1, "b.example", Some((2, response(0, 2, &service("b.example"), SRV)))),
            (2, "example", Some((3, found("example")))),
        ]);
        assert_eq!(told, ["a.b.example name-error, b.example server-failure, example answered -> example"]);
    }

    #[test]
    fn what_was_waited_for_in_vain_stands_where_it_was_tried() {
        let told = searches(&[
            (0, "a.example", None),
            (12, "b.example", Some((13, found("b.example")))),
            (200, "c.example", Some((201, missing("c.example")))),
        ]);
        assert_eq!(
            told,
            ["a.example unanswered, b.example answered -> b.example", "c.example name-error -> none"]
        );
        let told = searches(&[(0, "a.example", None), (12, "b.example", None), (60, "www.example", None)]);
        assert_eq!(told[0], "a.example unanswered, b.example unanswered -> none");
    }

    #[test]
    fn a_gap_ends_a_search_and_so_does_what_was_found() {
        let told = searches(&[
            (0, "a.example", Some((1, missing("a.example")))),
            (31, "a.example", Some((32, missing("a.example")))),
            (63, "a.example", Some((64, missing("a.example")))),
        ]);
        assert_eq!(
            told,
            ["a.example name-error, a.example name-error -> none", "a.example name-error -> none"]
        );
        let told = searches(&[
            (0, "a.example", Some((0, found("a.example")))),
            (1, "b.example", Some((1, found("b.example")))),
            (2, "A.example", Some((2, found("a.example")))),
        ]);
        assert_eq!(
            told,
            ["a.example answered, b.example answered -> a.example", "A.example answered -> A.example"]
        );
    }

    #[test]
    fn an_attempt_has_its_services_in_order() {
        let mut network = Network::new();
        let answer = response(7, 0, SERVICE, SRV)
            .answer(SERVICE, SRV, &srv(10, 5, 1689, "b.example"))
            .answer(SERVICE, SRV, &srv(0, 0, 1688, "a.example"));
        let many = (0..70).fold(answer, |answer, _| answer.answer(SERVICE, SRV, &host_of(1688))).parse();
        let lookups = network.send(0, ASK, &query(7, SERVICE, SRV)).send(1, TELL, &many).finish();
        let mut searches: Searches<IpAddr, u32> = Searches::default();
        let mut told = Vec::new();
        searches.take(&lookups[0], &mut |search| told.push(search));
        searches.finish(&mut |search| told.push(search));
        let attempt = &told[0].attempts[0];
        assert_eq!((attempt.services.len(), attempt.left_out), (64, 8));
        let first = &attempt.services[0];
        assert_eq!((first.priority, first.weight, first.port, first.ttl), (10, 5, 1689, 60));
        assert_eq!(first.target, name("b.example"));
        assert_eq!((attempt.first, attempt.queries, told[0].client), (0, 1, address(CLIENT).ip()));
    }

    #[test]
    fn a_truncated_attempt_and_its_lookup_over_tcp_are_one() {
        let mut network = Network::new();
        let (ask, tell) = ((Transport::Tcp, CLIENT, SERVER), (Transport::Tcp, SERVER, CLIENT));
        let answer = response(8, 0, SERVICE, SRV).answer(SERVICE, SRV, &host_of(1688)).parse();
        let lookups = network
            .send(0, ASK, &query(7, SERVICE, SRV))
            .send(1, TELL, &response(7, 0x200, SERVICE, SRV).parse())
            .send(2, ask, &query(8, SERVICE, SRV))
            .send(3, tell, &answer)
            .finish();
        let mut searches: Searches<IpAddr, u32> = Searches::default();
        let mut told = Vec::new();
        lookups.iter().for_each(|lookup| searches.take(lookup, &mut |search| told.push(search)));
        searches.finish(&mut |search| told.push(search));
        let [search] = &told[..] else { panic!("{told:?}") };
        let [attempt] = &search.attempts[..] else { panic!("{search:?}") };
        assert!(attempt.is_over_tcp);
        assert_eq!(
            (attempt.outcome, attempt.transport, attempt.queries),
            (Outcome::Answered, Transport::Tcp, 2)
        );
        assert_eq!((attempt.number, attempt.first, attempt.services.len()), (0, 0, 1));
        assert_eq!((search.number(), search.last_time()), (0, Some(3 * SECOND)));
    }

    #[test]
    fn other_lookups_are_no_searches() {
        let mut network = Network::new();
        let again = found("corp.example").parse();
        let lookups = network
            .send(0, ASK, &query(1, SERVICE, A))
            .send(0, ASK, &query(2, "_ldap._tcp.corp.example", SRV))
            .send(0, ASK, &query(0, SERVICE, SRV))
            .send(0, TELL, &again)
            .send(0, TELL, &again)
            .finish();
        let mut searches: Searches<IpAddr, u32> = Searches::default();
        let mut told = Vec::new();
        lookups.iter().for_each(|lookup| searches.take(lookup, &mut |search| told.push(search)));
        searches.finish(&mut |search| told.push(search));
        assert_eq!((told.len(), told[0].attempts.len()), (1, 1));
    }

    #[test]
    fn searches_and_their_attempts_are_bounded() {
        let most = Searches::<IpAddr, u32>::MAX_OPEN;
        let mut searches: Searches<IpAddr, u32> = Searches::default();
        let mut told = Vec::new();
        let mut network = Network::new();
        for client in 0..=u32::try_from(most).unwrap() {
            let client = SocketAddr::new(IpAddr::from(client.to_be_bytes()), 5).to_string();
            network.send(0, (Transport::Udp, &client, SERVER), &query(7, SERVICE, SRV));
        }
        for lookup in network.finish() {
            searches.take(&lookup, &mut |search| told.push(search.number()));
        }
        assert_eq!(told, [0]);
        searches.finish(&mut |search| told.push(search.number()));
        assert!(told.iter().copied().eq(0..=most as u64));

        let most = u16::try_from(Searches::<IpAddr, u32>::MAX_ATTEMPTS).unwrap();
        for id in 0..=most {
            network.send(0, ASK, &query(id, SERVICE, SRV));
        }
        let mut counts = Vec::new();
        for lookup in network.finish() {
            searches.take(&lookup, &mut |search| counts.push(search.attempts.len()));
        }
        searches.finish(&mut |search| counts.push(search.attempts.len()));
        assert_eq!(counts, [usize::from(most), 1]);
    }
}

mod resolver {
    use super::*;

    const KMS: [u8; 4] = [192, 0, 2, 10];

    fn noted(messages: &[(Message, Message)]) -> Resolver<IpAddr, u32> {
        let mut resolver = Resolver::default();
        let mut network = Network::new();
        for (asked, answer) in messages {
            network.send(0, ASK, asked).send(0, TELL, answer);
        }
        network.finish().iter().for_each(|lookup| resolver.note(lookup));
        resolver
    }

    fn client() -> IpAddr {
        address(CLIENT).ip()
    }

    #[test]
    fn a_connection_is_told_the_service_that_led_to_it() {
        let resolver = noted(&[
            (
                query(1, SERVICE, SRV),
                response(1, 0, SERVICE, SRV)
                    .answer(SERVICE, SRV, &srv(10, 5, 1688, "kms.corp.example"))
                    .parse(),
            ),
            (
                query(2, "KMS.corp.example", A),
                response(2, 0, "KMS.corp.example", A)
                    .answer("kms.corp.example", CNAME, &wire("host7.corp.example"))
                    .answer("host7.corp.example", A, &KMS)
                    .parse(),
            ),
        ]);
        let found = resolver.found(client(), KMS.into(), 1688).unwrap();
        assert_eq!((found.name.as_str(), found.stamp, found.time), ("KMS.corp.example", 3, Some(0)));
        let via = found.via.unwrap();
        assert_eq!((via.service.as_str(), via.priority, via.weight, via.port), (SERVICE, 10, 5, 1688));
        assert_eq!((via.stamp, via.kms_domain()), (1, Some(name("corp.example"))));
        // On another port, the name alone is known; of another client or address, nothing.
        assert_eq!(resolver.found(client(), KMS.into(), 1689).unwrap().via, None);
        assert!(resolver.found([192, 0, 2, 51].into(), KMS.into(), 1688).is_none());
        assert!(resolver.found(client(), [192, 0, 2, 11].into(), 1688).is_none());
    }

    #[test]
    fn addresses_beside_the_service_are_noted_too() {
        let answer = response(1, 0, SERVICE, SRV)
            .answer(SERVICE, SRV, &host_of(1688))
            .record(3, "kms.corp.example", AAAA, &[0x20; 16])
            .parse();
        let resolver = noted(&[(query(1, SERVICE, SRV), answer)]);
        let found = resolver.found(client(), [0x20; 16].into(), 1688).unwrap();
        assert_eq!((found.name.as_str(), found.via.is_some()), ("kms.corp.example", true));
    }

    #[test]
    fn of_several_names_the_last_is_told_and_of_one_answer_that_of_the_service() {
        let to =
            |id, name: &str| (query(id, name, A), response(id, 0, name, A).answer(name, A, &KMS).parse());
        let service = (
            query(9, SERVICE, SRV),
            response(9, 0, SERVICE, SRV).answer(SERVICE, SRV, &host_of(1688)).parse(),
        );
        let resolver = noted(&[service, to(1, "kms.corp.example"), to(2, "www.example")]);
        let found = resolver.found(client(), KMS.into(), 1688).unwrap();
        assert_eq!((found.name, found.via), (name("www.example"), None));
        let both = response(9, 0, SERVICE, SRV)
            .answer(SERVICE, SRV, &host_of(1688))
            .answer(SERVICE, SRV, &srv(0, 0, 1689, "other.example"))
            .record(3, "kms.corp.example", A, &KMS)
            .record(3, "other.example", A, &KMS)
            .parse();
        let resolver = noted(&[(query(9, SERVICE, SRV), both)]);
        for (port, host, has_service) in
            [(1688, "kms.corp.example", true), (1689, "other.example", true), (443, "other.example", false)]
        {
            let found = resolver.found(client(), KMS.into(), port).unwrap();
            assert_eq!((found.name, found.via.is_some()), (name(host), has_service));
        }
        let many: Vec<_> = (0..20).map(|id| to(id, &format!("h{id}.example"))).collect();
        assert_eq!(noted(&many).found(client(), KMS.into(), 1).unwrap().name, name("h19.example"));
    }

    #[test]
    fn the_hosts_of_the_service_are_of_interest() {
        let answer = response(1, 0, SERVICE, SRV).answer(SERVICE, SRV, &host_of(1688)).parse();
        let ldap = "_ldap._tcp.corp.example";
        let other = response(2, 0, ldap, SRV).answer(ldap, SRV, &srv(0, 0, 389, "dc.corp.example")).parse();
        let resolver = noted(&[(query(1, SERVICE, SRV), answer), (query(2, ldap, SRV), other)]);
        for (text, expected) in [
            ("KMS.corp.example", true),
            ("dc.corp.example", false),
            (SERVICE, true),
            ("kms.core.windows.net", true),
            ("www.example", false),
        ] {
            assert_eq!(resolver.is_of_interest(client(), &name(text)), expected, "{text}");
        }
        assert!(!resolver.is_of_interest([192, 0, 2, 51].into(), &name("kms.corp.example")));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let most = Resolver::<IpAddr, u32>::MAX_ADDRESSES;
        let mut resolver: Resolver<IpAddr, u32> = Resolver::default();
        let address = |number: usize| u32::try_from(number).unwrap().to_be_bytes();
        let mut network = Network::new();
        for half in [0..most / 2, most / 2..most, most..most + 1] {
            let answer =
                half.fold(response(1, 0, "a", A), |answer, number| answer.answer("a", A, &address(number)));
            network.send(0, ASK, &query(1, "a", A)).send(0, TELL, &answer.parse());
        }
        network.finish().iter().for_each(|lookup| resolver.note(lookup));
        assert!(resolver.found(client(), address(0).into(), 1).is_none());
        assert!(resolver.found(client(), address(1).into(), 1).is_some());
        assert!(resolver.found(client(), address(most).into(), 1).is_some());
    }
}
