//! Captures: their files, their packets, and what is told of them.

use std::fmt::Write as _;
use std::hash::Hasher as _;
use std::io::Read;

use crate::capture::{
    CaptureReader, Comment, LayerOptions, Layers, LinkType, NotTcp, Packet, Packets, Transport,
};
use crate::trace::{
    ConnectionRecord, Exchange, FileRecord, MakExchange, Notice, Observer, Options, PduContent, PduRecord,
    Summary, trace,
};

use super::{Digest, Slow};

/// Holds that a capture says the same twice, the second time read in small pieces, and that its summary counts what
/// was told.
pub fn capture(data: &[u8]) {
    let tell = |reader: &mut dyn Read| {
        let mut told = Told::default();
        let summary = trace("fuzz", reader, &Options::default(), &mut told);
        assert_eq!(summary.exchanges, told.exchanges);
        assert_eq!(summary.connections, told.connections);
        assert_eq!(summary.notices, told.notices);
        assert_eq!(summary.pdus, told.pdus);
        assert_eq!(summary.mak_exchanges, told.mak_exchanges);
        let Summary { answered, refused, faults, http_errors, unreadable, unanswered, .. } = summary;
        assert_eq!(summary.exchanges, answered + refused + faults + http_errors + unreadable + unanswered);
        assert!(summary.bytes <= data.len() as u64);
        (summary, told.digest.0.finish())
    };
    let mut slow = Slow { left: data, step: 1 + data.len() / 7 };
    assert_eq!(tell(&mut &*data), tell(&mut slow));
}

/// Counts what is told, and takes a digest of its text.
#[derive(Default)]
struct Told {
    pdus: u64,
    exchanges: u64,
    mak_exchanges: u64,
    connections: u64,
    notices: u64,
    digest: Digest,
}

impl Observer for Told {
    fn file(&mut self, file: &FileRecord<'_>) {
        self.digest.take(file);
    }

    fn pdu(&mut self, pdu: &PduRecord<'_>) {
        self.pdus += u64::from(matches!(pdu.content, PduContent::Whole { .. }));
        self.digest.take(pdu);
    }

    fn exchange(&mut self, exchange: &Exchange) {
        self.exchanges += 1;
        self.digest.take(&(exchange, exchange.outcome(), exchange.service_time(), exchange.answer_span()));
    }

    fn mak(&mut self, exchange: &MakExchange) {
        self.exchanges += 1;
        self.mak_exchanges += 1;
        self.digest.take(&(exchange, exchange.outcome(), exchange.service_time()));
    }

    fn connection(&mut self, connection: &ConnectionRecord) {
        self.connections += 1;
        self.digest.take(&(connection, connection.stage()));
    }

    fn notice(&mut self, notice: &Notice) {
        self.notices += 1;
        write!(self.digest, "{notice}").expect("a digest takes everything");
    }
}

/// Holds that a file of any bytes is read to an end, that it does not matter in which pieces it comes, that packets are
/// numbered upwards and lie within the file, and that every complaint says where.
pub fn file(data: &[u8]) {
    let read = |reader: &mut dyn Read| {
        let mut told = Digest::default();
        let mut packets = 0u64;
        let mut bytes = 0u64;
        let mut frame = 0;
        let mut capture = match CaptureReader::new(reader) {
            Ok(capture) => capture,
            Err(error) => {
                told.take(&error.to_string());
                return (told.0.finish(), packets, bytes);
            }
        };
        let mut complaints = 0;
        loop {
            match capture.advance() {
                Ok(true) => {
                    let packet = Packets::packet(&capture);
                    assert!(packet.frame > frame, "frame {} behind {frame}", packet.frame);
                    frame = packet.frame;
                    packets += 1;
                    bytes += packet.data.len() as u64;
                    told.take(&packet);
                }
                Ok(false) => break,
                Err(error) => {
                    complaints += 1;
                    assert!(complaints <= data.len(), "more complaints than bytes");
                    let text = error.to_string();
                    assert!(text.contains("file offset"), "{text}");
                    told.take(&text);
                }
            }
            for comment in capture.take_comments() {
                assert!(comment.text.len() <= 3 * Comment::MOST_BYTES);
                told.take(&comment);
            }
        }
        assert!(capture.offset() <= data.len() as u64);
        (told.0.finish(), packets, bytes)
    };
    let whole = read(&mut &*data);
    assert!(whole.2 <= data.len() as u64, "{} bytes of packets in a file of {}", whole.2, data.len());
    assert_eq!(whole, read(&mut Slow { left: data, step: 1 + data.len() / 13 }));
}

/// Holds that a packet of any bytes on any link layer holds a segment that lies within it, or says why not; that what is
/// cut off it takes nothing else with it; and that verifying checksums only ever takes segments away.
///
/// Two bytes of link type, then packets, each behind two bytes of length and one that says how much of it was cut.
pub fn layers(data: &[u8]) {
    let Some((link, mut rest)) = data.split_first_chunk() else { return };
    let link = LinkType(u16::from_le_bytes(*link));
    let mut layers = Layers::default();
    let mut frame = 0;
    while let Some((head, behind)) = rest.split_first_chunk::<3>() {
        let length = usize::from(u16::from_le_bytes([head[0], head[1]])).min(behind.len());
        let (data, behind) = behind.split_at(length);
        rest = behind;
        frame += 1;
        let captured = &data[..data.len() - data.len() * usize::from(head[2] & 7) / 16];
        let original_length = u32::try_from(data.len()).unwrap_or(u32::MAX);
        let packet = Packet { frame, time: Some(0), interface: 0, link, data: captured, original_length };
        let found = layers.transport(&packet).map(|transport| {
            let (payload, length) = match transport {
                Transport::Tcp(segment) => (segment.payload, segment.payload_length),
                Transport::Udp(datagram) => (datagram.payload, datagram.payload_length),
            };
            assert!(payload.len() <= 65_535 + 64 && payload.len() as u64 <= u64::from(length));
        });
        if let Err(NotTcp::UnknownLink(unknown)) = &found {
            assert_eq!(*unknown, link);
        }
        // Without fragments from before, who verifies finds the same or less.
        let first = |checksums| {
            let mut alone = Layers::new(LayerOptions { checksums });
            alone.segment(&packet).map(|segment| (segment.source, segment.sequence, segment.payload.to_vec()))
        };
        if let Ok(verified) = first(true) {
            assert_eq!(Ok(verified), first(false));
        }
        for conflict in layers.take_fragment_conflicts() {
            assert!(conflict.frame <= frame);
        }
        // The same packet on its own, cut anywhere, still lies within itself.
        let mut alone = Layers::default();
        let cut = captured.len() * usize::from(head[2] >> 3) / 32;
        let packet = Packet { data: &captured[..cut], ..packet };
        match alone.transport(&packet) {
            Ok(Transport::Tcp(segment)) => assert!(segment.payload.len() <= cut),
            Ok(Transport::Udp(datagram)) => assert!(datagram.payload.len() <= cut),
            Err(_) => {}
        }
    }
    let (pending, _) = layers.incomplete_datagrams();
    assert!(pending <= 4096);
}
