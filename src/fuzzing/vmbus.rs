//! What must hold of any bytes that come over VMBus.

use std::hash::Hasher as _;

use crate::vmbus::control::{self, Message};
use crate::vmbus::pipe::{self, Framed, Reader};
use crate::vmbus::{
    ChannelClass, ChannelRecord, ControlEvent, Direction, Dump, ErrorEvent, Exchange, Handler, PAGE_LEN,
    Packet, PacketEvent, PacketType, Payload, PipeMode, Record, RecordKind, Ring, RingPair, RingWriter,
    Session, ic, synthrdp,
};
use crate::wire::Guid;

use super::{Digest, ignore, words};

/// Holds that a control message is written back byte for byte, that the strict parser takes what the lax one reads to its
/// end, and that bytes behind a body change nothing of a message that has no newer form.
pub fn vmbus_control(data: &[u8]) {
    let (message, error) = match Message::parse_lax(data) {
        Ok(read) => read,
        Err(error) => {
            assert!(data.len() < control::HEADER_LEN || data.len() > control::MAX_LEN, "{error}");
            return assert_eq!(Message::parse(data), Err(error));
        }
    };
    assert_eq!(message.encode(), data);
    ignore(&(&message, message.channel_id(), message.gpadl_id()));
    words::control(&message);
    match error {
        None => assert_eq!(Message::parse(data).as_ref(), Ok(&message)),
        Some(error) => {
            assert!(error.offset <= data.len(), "{error} is beyond {} bytes", data.len());
            assert_eq!(message.body, control::Body::Opaque);
            assert_eq!(Message::parse(data), Err(error));
        }
    }
    let made = Message { kind: message.kind, padding: message.padding, ..Message::new(message.body.clone()) };
    if message.body != control::Body::Opaque {
        assert_eq!(Message::new(message.body.clone()).kind, message.kind);
        assert_eq!(Message::parse(&made.encode()).as_ref(), Ok(&made));
    }
}

/// Holds that what is found in a ring lies in it, one packet behind the other, and is written back; and that a reader finds
/// what a writer has written.
///
/// Bit 0 of a seed's first byte says that the rest are choices of a writer; otherwise they are the write offset, the read
/// offset (each u32) and the data.
pub fn vmbus_ring(data: &[u8]) {
    let Some((&kind, rest)) = data.split_first() else { return };
    if kind & 1 == 1 {
        return written(rest);
    }
    let (offsets, rest) = rest.split_at(rest.len().min(8));
    let mut dump = offsets.to_vec();
    dump.resize(PAGE_LEN, 0);
    dump.extend_from_slice(&rest[..rest.len() / 8 * 8]);
    let Ok(ring) = Ring::parse(&dump) else { return assert!(rest.len() < 8) };
    assert_eq!(ring.encode(), dump);
    let walk = ring.walk();
    assert_eq!(ring.walk(), walk);
    dumped(&dump);
    if let Err(error) = ring.check() {
        assert_eq!((walk.error, walk.packets.len()), (Some(error), 0));
        return;
    }
    let size = ring.data.len();
    let (read, write) = (ring.control.read_offset as usize, ring.control.write_offset as usize);
    let (mut total, mut live, mut at) = (0, 0, None);
    for packet in &walk.packets {
        ignore(packet);
        assert!(at.is_none_or(|at| at == packet.offset as usize), "{packet:?} does not follow");
        assert!(packet.is_consumed || live > 0 || packet.offset as usize == read);
        assert_eq!(packet.packet().expect("it was found").encode(), *packet.bytes);
        at = Some((packet.offset as usize + packet.bytes.len()) % size);
        total += packet.bytes.len();
        live += if packet.is_consumed { 0 } else { packet.bytes.len() };
    }
    assert!(total <= size, "{total} bytes of {size}");
    let unread = walk.unread as usize;
    assert_eq!((read + live + unread) % size, write);
    assert_eq!(unread == 0, walk.error.is_none());
    assert!(walk.error.is_none_or(|error| error.offset < size));
}

/// Both rings of a channel, each of which is this one, as a dump of its memory: they tell the same each time.
fn dumped(ring: &[u8]) {
    let whole = ring.len().next_multiple_of(PAGE_LEN);
    let mut memory = [ring, &vec![0; whole - ring.len()]].concat();
    memory.extend_from_within(..);
    let class = ChannelClass::all().nth(usize::from(ring[0]) % 7).unwrap_or(ChannelClass::Avma);
    let tell = |page| {
        let rings = RingPair::parse(&memory, page).ok()?;
        let dump = Dump {
            channel_id: 1,
            class_id: class.class_id().unwrap_or(Guid::NIL),
            instance_id: class.instance_id().unwrap_or(Guid::NIL),
            pipe_type: PipeMode::Message.pipe_type(),
        };
        let (mut session, mut told) = (Session::new(), Told::default());
        session.push_dump(&rings, &dump, 0, &mut told);
        session.finish(&mut told);
        rings.guest_to_host.walk().packets.iter().for_each(|packet| ignore(&packet.kind()));
        Some((told.digest.0.finish(), told.packets))
    };
    assert_eq!(tell(None), tell(u32::try_from(whole / PAGE_LEN).ok()));
    assert!(RingPair::parse(&memory, Some(u32::MAX)).is_err());
}

/// A writer and a reader of a ring, as the choices have it: its size, where it begins, and for each packet its type, its
/// transaction, its lengths, and whether one is read behind it.
fn written(choices: &[u8]) {
    let at = |i: usize| choices.get(i).copied().unwrap_or(0);
    let size = (usize::from(at(0)) + 4) * 8;
    let mut writer = RingWriter::starting_at(size, usize::from(at(1)) * 8 % size);
    let mut expected = std::collections::VecDeque::new();
    for step in choices.get(2..).unwrap_or_default().chunks(4) {
        let [kind, id, length, flags] = std::array::from_fn(|i| step.get(i).copied().unwrap_or(0));
        let (payload, extended) = (vec![kind; length.into()], vec![id; usize::from(flags >> 4) * 8]);
        let least = if matches!(kind, 7 | 9) { 8 } else { 0 };
        let extended = if extended.len() < least { &[0; 8][..] } else { &extended };
        let packet =
            Packet::new(PacketType(kind.into()), u16::from(flags & 1), id.into(), extended, &payload);
        let free = writer.free();
        match writer.push(&packet) {
            Ok(offset) => {
                expected.push_back((offset, packet.encode()));
                assert!(packet.descriptor.length() + 8 <= free);
            }
            Err(_) => assert!(packet.descriptor.length() + 8 > free),
        }
        if flags & 2 != 0 {
            assert_eq!(writer.consume(), expected.pop_front().is_some());
        }
    }
    let dump = writer.dump();
    let walk = Ring::parse(&dump).expect("the writer makes rings").walk();
    assert_eq!((walk.unread, &walk.error), (0, &None));
    let live: Vec<_> = walk.packets.iter().filter(|packet| !packet.is_consumed).collect();
    assert_eq!(live.len(), expected.len());
    for (found, (offset, bytes)) in live.into_iter().zip(expected) {
        assert_eq!((found.offset, &found.error), (offset, &None));
        assert_eq!(&found.bytes[..found.bytes.len() - 8], &bytes[..]);
    }
}

/// Holds that payloads of a pipe are written back, that a stream says the same in packets of any size, and that a session
/// fed with them tells the same each time and holds no more than it was fed.
///
/// A seed's first byte is the channel's class (modulo 7) and bit 7 byte mode; then come pieces: 1 byte (bit 0 from the host,
/// bit 1 a control message, bit 2 a whole packet and not its payload, bit 3 a whole record), u16, its length.
pub fn vmbus_pipe(data: &[u8]) {
    let Some((&head, mut rest)) = data.split_first() else { return };
    let mut pieces = Vec::new();
    while let [kind, low, high, behind @ ..] = rest {
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(behind.len());
        let (bytes, next) = behind.split_at(length);
        pieces.push((*kind, bytes));
        rest = next;
    }
    for (_, bytes) in &pieces {
        payload(bytes);
    }
    split(&pieces);

    let class = ChannelClass::all().nth(usize::from(head & 0x7f) % 7);
    let mode = if head & 0x80 == 0 { PipeMode::Message } else { PipeMode::Byte };
    let (once, fed) = tell(&pieces, class, mode);
    assert_eq!((once.digest.0.finish(), fed), {
        let (again, fed) = tell(&pieces, class, mode);
        (again.digest.0.finish(), fed)
    });
    assert!(once.messages <= once.packets, "{} messages of {} packets", once.messages, once.packets);
}

/// A payload of a packet, and what is inside of it.
fn payload(bytes: &[u8]) {
    let Ok((packet, error)) = pipe::Packet::parse_lax(bytes) else { return assert!(bytes.len() < 8) };
    assert_eq!(packet.encode(), bytes);
    assert_eq!(pipe::Packet::parse(bytes).err(), error);
    if let Ok((message, error)) = ic::Message::parse_lax(packet.data) {
        assert_eq!(message.encode(), packet.data);
        assert!(error.is_none_or(|error| error.offset <= packet.data.len()));
        ignore(&message);
        if let ic::Body::Kvp(exchange) = &message.body {
            ignore(&(exchange.key(), exchange.pair().map(|pair| pair.value().to_string())));
        }
    }
    if let Ok(message) = synthrdp::Message::parse(packet.data) {
        assert_eq!(message.encode(), packet.data);
    }
    ignore(&Payload::of(packet.data));
}

/// The pieces' bytes as one message of a stream: in packets as they come, and in packets of a third of that.
fn split(pieces: &[(u8, &[u8])]) {
    let whole: Vec<u8> = pieces.iter().flat_map(|(_, bytes)| bytes.iter().copied()).collect();
    let lengths: Vec<usize> = pieces.iter().map(|(_, bytes)| bytes.len()).collect();
    let message = |step: &dyn Fn(usize) -> usize| {
        let mut reader = Reader::new(PipeMode::Byte);
        let mut found = Vec::new();
        let mut out = |framed: Framed<'_, ()>| match framed {
            Framed::Message(message) => found.push((message.bytes, message.length, message.sha256)),
            other => panic!("{other:?}"),
        };
        let mut left = &whole[..];
        for i in 0.. {
            if left.is_empty() {
                break;
            }
            let (piece, behind) = left.split_at(step(i).clamp(1, left.len().min(pipe::MAX_DATA)));
            reader.push(&pipe::Packet::data(piece).encode(), (), &mut out);
            assert!(reader.held() <= pipe::MAX_DATA);
            left = behind;
        }
        reader.flush(&mut out);
        found
    };
    let as_they_come = message(&|i| lengths.get(i).copied().unwrap_or(usize::MAX));
    assert_eq!(message(&|i| lengths.get(i).map_or(1000, |length| length / 3)), as_they_come);
    let expected = Payload::of(&whole);
    let sums: Vec<_> = as_they_come.iter().map(|(_, length, sha256)| (*length, *sha256)).collect();
    let one = [(expected.length, expected.sha256)];
    assert_eq!(sums, if whole.is_empty() { &[][..] } else { &one });
}

/// What a session tells of the pieces, and how many bytes it was fed.
fn tell(pieces: &[(u8, &[u8])], class: Option<ChannelClass>, mode: PipeMode) -> (Told, usize) {
    let (mut session, mut told, mut fed) = (Session::keeping(pipe::MAX_DATA), Told::default(), 0);
    let id = |class: Option<Guid>| class.unwrap_or(Guid::NIL);
    for (stamp, &(kind, bytes)) in pieces.iter().enumerate() {
        let direction = Direction::BOTH[usize::from(kind & 1)];
        // A piece has 65,535 bytes at most, which a descriptor can say.
        let made = Packet::in_band(kind.into(), bytes).encode();
        let record = Record {
            kind: if kind & 2 == 0 { RecordKind::RingPacket } else { RecordKind::Control },
            pipe_type: mode.pipe_type(),
            class_id: id(class.and_then(ChannelClass::class_id)),
            instance_id: id(class.and_then(ChannelClass::instance_id)),
            ..Record::control(direction, 1, if kind & 6 == 0 { &made } else { bytes })
        };
        let encoded = record.encode();
        assert_eq!(Record::parse(&encoded).as_ref(), Ok(&record));
        let record = if kind & 8 == 0 {
            record
        } else {
            match Record::parse(bytes) {
                Ok(record) => {
                    assert_eq!(record.encode(), bytes);
                    record
                }
                Err(_) => continue,
            }
        };
        session.push(&record, stamp, &mut told);
        fed += record.bytes.len();
        assert!(session.held() <= fed, "{} bytes are held of {fed}", session.held());
    }
    session.finish(&mut told);
    assert_eq!(session.held(), 0);
    ignore(&session.left_out());
    (told, fed)
}

/// A digest of all that was told, and how much it was.
#[derive(Default)]
struct Told {
    digest: Digest,
    packets: u64,
    messages: u64,
}

impl Handler<usize> for Told {
    fn control(&mut self, event: &ControlEvent<'_, usize>) {
        self.digest.take(event);
    }

    fn packet(&mut self, event: &PacketEvent<'_, usize>) {
        self.packets += 1;
        self.digest.take(event);
    }

    fn exchange(&mut self, exchange: &Exchange<usize>) {
        assert!(exchange.request.is_some() || exchange.response.is_some());
        let both = [&exchange.request, &exchange.response].map(|message| u64::from(message.is_some()));
        self.messages += both[0] + both[1];
        words::guest(exchange);
        self.digest.take(exchange);
    }

    fn channel(&mut self, channel: &ChannelRecord<usize>) {
        words::channel(channel);
        self.digest.take(channel);
    }

    fn error(&mut self, event: &ErrorEvent<usize>) {
        self.digest.take(event);
    }
}
