//! No product key comes out of the program, whatever it was in, whatever command it was given to, whatever the format.

#![cfg(feature = "cli")]

mod support;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Made up, like every key here: five groups, each of one symbol. `last` tells them apart by what may be shown.
fn key(last: char) -> String {
    let groups: Vec<String> =
        ['B', 'C', 'D', 'F', last].iter().map(|symbol| symbol.to_string().repeat(5)).collect();
    groups.join("-")
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A DigitalProductId of version 3: its head, and the key's bytes behind it.
fn digital_product_id() -> Vec<u8> {
    let mut blob = vec![0xa4, 0, 0, 0, 3, 0, 0, 0];
    blob.extend((8..164_u8).map(|i| i ^ 0x5a));
    blob
}

/// What holds a key, and what of it must not come out. Each in a form of its own.
fn forms() -> Vec<(&'static str, String)> {
    let key = key('G');
    let dash = |escape: &str| key.replace('-', escape);
    let entities: String = key.chars().map(|c| format!("&#{};", u32::from(c))).collect();
    vec![
        ("plain", key.clone()),
        ("lower case", key.to_lowercase()),
        ("undashed", dash("")),
        ("blanks", dash(" ")),
        ("entity dashes", dash("&#45;")),
        ("hex entity dashes", dash("&#x2D;")),
        ("all entities", entities),
        ("percent", dash("%2D")),
        ("backslash u", dash("\\u002d")),
        ("base64", STANDARD.encode(&key)),
        ("base64 of UTF-16", STANDARD.encode(utf16(&key))),
        ("base64 within text", STANDARD.encode(format!("<Key>{key}</Key>"))),
        ("hex", hex(key.as_bytes())),
        ("hex of UTF-16", hex(&utf16(&key))),
        ("activation configuration id", format!("msft2009:{}&{}", "1".repeat(8), STANDARD.encode(&key))),
        ("escaped configuration id", format!("msft2005:x&amp;{}", STANDARD.encode([7; 40]))),
        ("DigitalProductId", STANDARD.encode(digital_product_id())),
    ]
}

/// What must be nowhere in an output.
fn needles() -> Vec<Vec<u8>> {
    let key = key('G');
    let mut needles = Vec::new();
    for text in
        [&key[..11], &key[6..17], &key[12..23], &key.replace('-', "")[..10], &key.replace('-', " ")[..11]]
    {
        for text in [text.to_owned(), text.to_lowercase()] {
            needles.push(text.as_bytes().to_vec());
            needles.push(utf16(&text));
            needles.push(hex(text.as_bytes()).into_bytes());
            needles.push(hex(text.as_bytes()).to_uppercase().into_bytes());
            needles.push(hex(&utf16(&text)).into_bytes());
        }
    }
    for bytes in [key.as_bytes().to_vec(), utf16(&key)] {
        for shift in 0..3 {
            let coded = STANDARD.encode([vec![0; shift], bytes.clone()].concat());
            // What depends on what is in front of it, and behind, is left out.
            needles.push(coded.as_bytes()[8..24].to_vec());
        }
    }
    for escape in ["&#45;", "&#x2D;", "%2D", "\\u002d"] {
        needles.push(key.replace('-', escape).as_bytes()[..12].to_vec());
    }
    needles.push(b"&#66;&#66;&#66;".to_vec());
    needles.push(STANDARD.encode([7; 40]).as_bytes()[..20].to_vec());
    needles.push(STANDARD.encode(digital_product_id()).as_bytes()[16..40].to_vec());
    needles.push(hex(&digital_product_id()[12..24]).into_bytes());
    needles
}

/// Runs the program and holds that nothing of a key is in what it says; what it says.
fn run(arguments: &[&str], input: Option<&[u8]>) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_volact"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.unwrap_or_default().to_vec();
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    for (name, out) in [("output", &output.stdout), ("error output", &output.stderr)] {
        for needle in needles() {
            let at = out.windows(needle.len()).position(|window| window == needle);
            if let Some(at) = at {
                let shown = &out[at.saturating_sub(120)..(at + 80).min(out.len())];
                panic!(
                    "{arguments:?}: {:?} is in the {name}: {}",
                    String::from_utf8_lossy(&needle),
                    String::from_utf8_lossy(shown)
                );
            }
        }
    }
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

/// Every way to decode a file.
const WAYS: [&[&str]; 9] = [
    &[],
    &["-v"],
    &["--format", "jsonl"],
    &["--format", "jsonl", "-v"],
    &["--stats"],
    &["--stats", "--format", "jsonl"],
    &["--redact"],
    &["--redact=secret", "--format", "jsonl", "-v"],
    &["--filter", "protocol == mak", "-v"],
];

fn decode_in_every_way(path: &Path) -> Vec<String> {
    WAYS.iter()
        .map(|way| run(&[&["decode"], *way, &[path.to_str().unwrap()]].concat(), None))
        .chain([run(&["decode", "-"], Some(&fs::read(path).unwrap()))])
        .collect()
}

fn scratch(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("volact-keys-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    folder.join(name)
}

/// A request for a one-shot activation with each form as a claim, beside a fault that repeats it.
fn envelope(form: &str) -> String {
    let escaped = form.replace('&', "&amp;");
    format!(
        "<soap:Envelope xmlns:soap='http://schemas.xmlsoap.org/soap/envelope/'><soap:Body>\
         <RequestSecurityToken xmlns='http://schemas.xmlsoap.org/ws/2004/04/security/trust'>\
         <TokenType>ProductActivation</TokenType><Claims><Values>\
         <TokenEntry><Name>ProductKey</Name><Value>{form}</Value></TokenEntry>\
         <TokenEntry><Name>Else</Name><Value>x {escaped} y</Value></TokenEntry>\
         <TokenEntry><Name>{form}</Name><Value>-</Value></TokenEntry>\
         <Unknown>{form}</Unknown>\
         </Values></Claims></RequestSecurityToken></soap:Body></soap:Envelope>"
    )
}

fn fault(form: &str) -> String {
    format!(
        "<soap:Envelope xmlns:soap='http://schemas.xmlsoap.org/soap/envelope/'><soap:Body><soap:Fault>\
         <faultcode>soap:Client</faultcode><faultstring>the key {form} is none</faultstring>\
         <detail><HRESULT>0xC004C003</HRESULT><Messages><Message>{form}</Message></Messages><x>{form}</x></detail>\
         </soap:Fault></soap:Body></soap:Envelope>"
    )
}

#[test]
fn of_a_body() {
    for (i, (name, form)) in forms().iter().enumerate() {
        for (kind, text) in [("request", envelope(form)), ("fault", fault(form))] {
            let path = scratch(&format!("{i}-{kind}.xml"));
            fs::write(&path, text).unwrap();
            let shown = decode_in_every_way(&path);
            assert!(shown[0].contains("ProductKey") || kind == "fault", "{name}: {}", shown[0]);
        }
    }
}

#[test]
fn of_a_har_file() {
    for (i, (_, form)) in forms().iter().enumerate() {
        let request = envelope(form);
        let har = serde_json::json!({"log": {"version": "1.2", "creator": {"name": form}, "entries": [{
            "startedDateTime": form, "comment": form, "serverIPAddress": form,
            "request": {
                "method": "POST",
                "url": format!("http://activation.sls.microsoft.com/SLActivateProduct/SLActivateProduct.asmx?key={form}"),
                "headers": [
                    {"name": "User-Agent", "value": form}, {"name": "Host", "value": form},
                    {"name": "SOAPAction", "value": form}, {"name": "Content-Type", "value": format!("text/xml; x={form}")},
                ],
                "postData": {"mimeType": "text/xml", "text": request},
            },
            "response": {
                "status": 500, "statusText": form, "headers": [{"name": "Content-Encoding", "value": form}],
                "content": {"mimeType": form, "text": STANDARD.encode(fault(form)), "encoding": "base64"},
            },
        }]}});
        let path = scratch(&format!("{i}.har"));
        fs::write(&path, har.to_string()).unwrap();
        let shown = decode_in_every_way(&path);
        assert!(shown[0].contains("1 exchange"), "{}", shown[0]);
    }
}

#[test]
fn of_a_vamt_file() {
    for (i, (_, form)) in forms().iter().enumerate() {
        let attribute = form.replace('<', "&lt;");
        let path = scratch(&format!("{i}.cilx"));
        let text = format!(
            "<SoftwareLicensingData><Computers><Computer Name='{attribute}'><Products><Product>\
             <ProductKey>{form}</ProductKey><Name>{form}</Name></Product></Products></Computer></Computers>\
             <Other>{form}</Other></SoftwareLicensingData>"
        );
        fs::write(&path, text).unwrap();
        let shown = decode_in_every_way(&path);
        assert!(shown[0].contains("1 computer"), "{}", shown[0]);
    }
}

#[test]
fn of_the_recordings_of_maks_services() {
    for name in support::mak_names() {
        for way in WAYS {
            let keys = Path::new("captures/mak").join(format!("{}.keys", name.split('.').next().unwrap()));
            let keys: Vec<&str> =
                if keys.exists() { vec!["--keylog", keys.to_str().unwrap()] } else { Vec::new() };
            let path = format!("captures/mak/{name}");
            run(&[&["decode"], way, &keys, &[path.as_str()]].concat(), None);
        }
    }
}

/// A KMS request of version 4 whose machine has a key for a name, in a capture whose comments hold every form.
#[test]
fn of_a_capture() {
    let mut pcap = fs::read(support::folder().join("vlmcs_vlmcsd_v4_plain.pcap")).unwrap();
    let name = utf16(&key('G'));
    let mut changed = 0;
    // MachineName closes the request body: 128 bytes, in UTF-16 with NULs behind it.
    let body_marks: Vec<usize> = (0..pcap.len().saturating_sub(236))
        .filter(|&at| pcap[at..at + 4] == [0, 0, 4, 0] && pcap[at + 8..at + 12] == [2, 0, 0, 0])
        .collect();
    for at in body_marks {
        pcap[at + 108..at + 108 + name.len()].copy_from_slice(&name);
        changed += 1;
    }
    assert!(changed > 0, "no request was found");
    let path = scratch("machine.pcap");
    fs::write(&path, &pcap).unwrap();
    let shown = decode_in_every_way(&path);
    assert!(shown[0].contains("GGGGG"), "the machine's name is not the key: {}", shown[0]);

    let mut pcapng = block(0x0a0d_0d0a, &[&[0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0][..], &[0xff; 8]].concat());
    let comments: Vec<u8> = forms().iter().flat_map(|(_, form)| option(1, form.as_bytes())).collect();
    pcapng.extend(block(1, &[&[1, 0, 0, 0, 0, 0, 4, 0][..], &comments, &[0; 4]].concat()));
    let path = scratch("comments.pcapng");
    fs::write(&path, &pcapng).unwrap();
    let shown = decode_in_every_way(&path);
    assert!(shown[0].contains("# interface 0"), "{}", shown[0]);
}

fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(12 + body.len()).unwrap().to_le_bytes();
    [&kind.to_le_bytes()[..], &length, body, &length].concat()
}

fn option(code: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap();
    let padding = vec![0; value.len().next_multiple_of(4) - value.len()];
    [&code.to_le_bytes()[..], &length.to_le_bytes(), value, &padding].concat()
}

/// HTTP on a KMS port is quoted in the complaint about it, and dumped with -v.
#[test]
fn of_what_a_complaint_quotes() {
    let pcap = fs::read(support::folder().join("net_non_kms_on_1688.pcap")).unwrap();
    let key = key('G');
    let at = pcap.windows(5).position(|window| window == b"GET /").unwrap();
    let mut changed = pcap.clone();
    changed[at + 5..at + 5 + key.len()].copy_from_slice(key.as_bytes());
    let path = scratch("quoted.pcap");
    fs::write(&path, &changed).unwrap();
    let shown = decode_in_every_way(&path);
    assert!(shown[0].contains("GGGGG"), "{}", shown[0]);
}

#[test]
fn of_the_arguments() {
    for (name, form) in forms() {
        for arguments in [
            &["explain", &form][..],
            &["decode", &form],
            &["decode", "--filter", &format!("machine == '{form}"), "x"],
            &["decode", "--filter", &form, "x"],
            &["decode", "--port", &form, "x"],
            &["decode", "--keylog", &form, "x"],
            &["decode", "--from", &form, "x"],
            &[&form],
        ] {
            assert!(!run(arguments, None).is_empty(), "{name}: {arguments:?}");
        }
        run(&["explain", "-"], Some(form.as_bytes()));
    }
    let path = scratch(&format!("{}.pcap", key('G')));
    fs::copy(support::folder().join("vlmcs_vlmcsd_v4_plain.pcap"), &path).unwrap();
    for way in WAYS {
        run(&[&["decode"], way, &[path.to_str().unwrap()]].concat(), None);
    }
    run(&["decode", "--merge", path.to_str().unwrap(), path.to_str().unwrap()], None);
}

/// A capture of one UDP datagram for each payload, in raw IPv4, from and to these ports.
fn datagrams(payloads: &[(u16, u16, Vec<u8>)]) -> Vec<u8> {
    let mut pcap = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 101, 0, 0, 0];
    for (from, to, payload) in payloads {
        let length = u16::try_from(28 + payload.len()).unwrap();
        // Whoever asks is the first of the two.
        let (source, destination) = if *from > 1024 { (1, 2) } else { (2, 1) };
        let mut ip = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, source, 10, 0, 0, destination];
        ip[2..4].copy_from_slice(&length.to_be_bytes());
        ip.extend([from.to_be_bytes(), to.to_be_bytes(), (length - 20).to_be_bytes(), [0; 2]].concat());
        ip.extend(payload);
        let captured = u32::from(length).to_le_bytes();
        pcap.extend([[0; 4], [0; 4], captured, captured].concat());
        pcap.extend(ip);
    }
    pcap
}

/// Labels of at most 63 bytes, and the root.
fn dns_name(labels: &[&[u8]]) -> Vec<u8> {
    let mut name = Vec::new();
    for label in labels {
        name.push(u8::try_from(label.len()).unwrap());
        name.extend_from_slice(label);
    }
    name.push(0);
    name
}

/// A key in the names that are asked for, found and told in multicast DNS, and in a text beside them.
#[test]
fn of_dns() {
    for (i, (_, form)) in forms().iter().enumerate() {
        let label = if form.len() < 64 { form.as_bytes() } else { b"x" };
        let service: [&[u8]; 3] = [b"_vlmcs", b"_tcp", label];
        let instance: [&[u8]; 4] = [label, b"_vlmcs", b"_tcp", b"local"];
        let record = |name: &[&[u8]], kind: u16, data: &[u8]| {
            let length = u16::try_from(data.len()).unwrap();
            let head = [kind.to_be_bytes(), [0, 1], [0, 0], [0, 60], length.to_be_bytes()].concat();
            [dns_name(name), head, data.to_vec()].concat()
        };
        let texts: Vec<u8> = form
            .as_bytes()
            .chunks(255)
            .flat_map(|text| [&[u8::try_from(text.len()).unwrap()], text].concat())
            .collect();
        let srv = [&[0, 0, 0, 0, 6, 0x98][..], &dns_name(&[label, b"example"])].concat();
        let question = |name: &[&[u8]], kind: u8| [dns_name(name), vec![0, kind, 0, 1]].concat();
        let message = |flags: u8, counts: [u8; 4], parts: &[Vec<u8>]| {
            let counts: Vec<u8> = counts.iter().flat_map(|count| [0, *count]).collect();
            [&[7, 7, flags, 0][..], &counts, &parts.concat()].concat()
        };
        let asked = message(1, [1, 0, 0, 0], &[question(&service, 33)]);
        let told = message(
            0x81,
            [1, 2, 0, 1],
            &[
                question(&service, 33),
                record(&service, 33, &srv),
                record(&service, 16, &texts),
                record(&[label, b"example"], 1, &[10, 0, 0, 9]),
            ],
        );
        let pointer = record(&instance[1..], 12, &dns_name(&instance));
        let announced = message(
            0x84,
            [0, 3, 0, 0],
            &[pointer, record(&instance, 33, &srv), record(&instance, 16, &texts)],
        );
        let path = scratch(&format!("{i}.dns.pcap"));
        let packets = [(5000, 53, asked), (53, 5000, told), (5353, 5353, announced)];
        fs::write(&path, datagrams(&packets)).unwrap();
        let shown = decode_in_every_way(&path);
        assert!(shown[1].contains("2 exchanges") && shown[1].contains("TXT"), "{}", shown[1]);
        for test in ["name contains", "domain ==", "not name =="] {
            run(&["decode", "--filter", &format!("{test} '{form}'"), path.to_str().unwrap()], None);
        }
    }
}

/// A key in whatever of an object is shown, in its name, its DN and a comment.
#[test]
fn of_an_export_of_a_directory() {
    for (i, (_, form)) in forms().iter().enumerate() {
        let path = scratch(&format!("{i}.ldif"));
        let coded = STANDARD.encode(form);
        let text = format!(
            "version: 1\n# {form}\ndn: CN={form},CN=Activation Objects,CN=Microsoft SPP,CN=Services,CN=Configuration,DC=x\n\
             objectClass: msSPP-ActivationObject\ncn: {form}\ndisplayName:: {coded}\n\
             msSPP-CSVLKPartialProductKey: {form}\nmsSPP-CSVLKPid: {form}\nmsSPP-InstallationId: {form}\n\
             msSPP-ConfirmationId: {form}\nmsSPP-CSVLKSkuId: {form}\nmsSPP-KMSIds: {form}\n\
             msSPP-OnlineLicense: {form}\n{}: {form}\n\ndn: {form}\n{form}\n",
            if form.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
                form
            } else {
                "other"
            }
        );
        fs::write(&path, text).unwrap();
        let shown = decode_in_every_way(&path);
        assert!(shown[0].contains("activation object  line 3"), "{}", shown[0]);
    }
}

/// A key in a channel where guests tell their host of their activation: the script's key of a pair, and the pair's value.
#[test]
fn of_a_key_value_pair() {
    let name = utf16(&key('G'));
    let capture = fs::read(support::folder().join("vmbus/vmbus_kvp.pcapng")).unwrap();
    for text in ["TestActivationStatus", "test status: activated by its host"] {
        let old = utf16(text);
        let mut changed = capture.clone();
        let places: Vec<usize> =
            (0..changed.len() - 64).filter(|&at| changed[at..].starts_with(&old)).collect();
        assert!(!places.is_empty(), "{text}");
        for at in places {
            // Its size as the pair says it, where a longer or a shorter text was, stays: NULs are behind it.
            changed[at..at + old.len().max(name.len())].fill(0);
            changed[at..at + name.len()].copy_from_slice(&name);
            let size = u32::try_from(name.len() + 2).unwrap().to_le_bytes();
            let is_size = |at: &usize| {
                u32::from_le_bytes(changed[*at..*at + 4].try_into().unwrap()) as usize == old.len() + 2
            };
            if let Some(place) = [at - 8, at - 4, at.saturating_sub(516)].into_iter().find(is_size) {
                changed[place..place + 4].copy_from_slice(&size);
            }
        }
        let path = scratch(&format!("kvp-{}.pcapng", text.len()));
        fs::write(&path, &changed).unwrap();
        let shown = decode_in_every_way(&path);
        assert!(shown[0].contains("XXXXX-GGGGG"), "{}", shown[0]);
    }
}

/// A key in a search for activation objects and in what is found, as often as the texts that were there are long enough.
#[test]
fn of_a_search_in_a_directory() {
    let capture = fs::read(support::folder().join("directory/ldap_list.pcapng")).unwrap();
    let key = key('G');
    for text in [
        "Only what is mandatory (made up)",
        "Windows Server 2022 (made up)",
        "Activation Objects,CN=Microsoft SPP",
    ] {
        let mut changed = capture.clone();
        let places: Vec<usize> =
            (0..changed.len() - 64).filter(|&at| changed[at..].starts_with(text.as_bytes())).collect();
        assert!(!places.is_empty(), "{text}");
        for at in places {
            let filled = format!("{key}{}", "!".repeat(text.len() - key.len()));
            changed[at..at + text.len()].copy_from_slice(filled.as_bytes());
        }
        let path = scratch(&format!("ldap-{}.pcapng", text.len()));
        fs::write(&path, &changed).unwrap();
        let shown = decode_in_every_way(&path);
        assert!(shown[0].contains("XXXXX-GGGGG"), "{}", shown[0]);
    }
}

/// Nor does a password: those with which the recordings' clients bind, and that the directory's people have.
#[test]
fn and_no_password_of_a_directory() {
    let password = b"synthetic-password";
    let text = String::from_utf8_lossy(password);
    let mut needles = vec![
        password.to_vec(),
        utf16(&text),
        hex(password).into_bytes(),
        hex(password).to_uppercase().into_bytes(),
        hex(&utf16(&text)).into_bytes(),
    ];
    for shift in 0..3 {
        let coded = STANDARD.encode([&vec![0; shift][..], password].concat());
        needles.push(coded.as_bytes()[4..20].to_vec());
    }
    let mut recorded = 0;
    for name in support::surroundings().into_iter().filter(|name| name.starts_with("directory/")) {
        let file = fs::read(support::folder().join(&name)).unwrap();
        recorded += usize::from(
            needles.iter().any(|needle| file.windows(needle.len()).any(|window| window == needle)),
        );
        for way in WAYS {
            let output = support::decode_input(&name, way);
            for out in [&output.stdout, &output.stderr] {
                for needle in &needles {
                    let is_there = out.windows(needle.len()).any(|window| window == needle);
                    assert!(!is_there, "{name} {way:?}: {}", String::from_utf8_lossy(needle));
                }
            }
        }
    }
    assert!(recorded >= 4, "{recorded} recordings have a password to lose");
}

#[test]
fn no_more_than_the_last_five_characters_stay() {
    let shown = run(&["explain", &key('G')], None);
    assert!(shown.contains("XXXXX-XXXXX-XXXXX-XXXXX-GGGGG"), "{shown}");
}
