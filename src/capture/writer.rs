use std::io::{self, Write};

use pcap_parser::{OptionCode, pcapng};

use super::LinkType;

/// Writes a pcapng file of one section, little-endian, with times in nanoseconds.
///
/// ```
/// use volact::capture::{CaptureReader, LinkType, Packets, PcapngWriter};
///
/// let mut file = Vec::new();
/// let mut writer = PcapngWriter::new(&mut file, "made for a test")?;
/// let interface = writer.add_interface(LinkType(147), "vmbus", "")?;
/// writer.packet(interface, 1_700_000_000_000_000_001, b"VMBS")?;
/// let mut reader = CaptureReader::new(&file[..])?;
/// let packet = reader.next_packet()?.unwrap();
/// assert_eq!((packet.link.0, packet.time, packet.data), (147, Some(1_700_000_000_000_000_001), &b"VMBS"[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct PcapngWriter<W> {
    out: W,
    interfaces: u32,
}

impl<W: Write> PcapngWriter<W> {
    /// Begins a file. A comment that is empty is not written.
    ///
    /// # Errors
    /// Those of writing, and a comment of more than 65,535 bytes.
    pub fn new(out: W, comment: &str) -> io::Result<Self> {
        let mut writer = Self { out, interfaces: 0 };
        let mut body = Vec::new();
        body.extend(pcapng::BOM_MAGIC.to_le_bytes());
        body.extend([1, 0, 0, 0]); // version 1.0
        body.extend([0xff; 8]); // no length
        put_options(&mut body, &[(OptionCode::Comment, comment.as_bytes())])?;
        writer.block(pcapng::SHB_MAGIC, &body)?;
        Ok(writer)
    }

    /// Adds an interface, and says its number. A name or a comment that is empty is not written.
    ///
    /// # Errors
    /// Those of writing, and a name or a comment of more than 65,535 bytes.
    pub fn add_interface(&mut self, link: LinkType, name: &str, comment: &str) -> io::Result<u32> {
        let mut body = Vec::new();
        body.extend(link.0.to_le_bytes());
        body.extend([0; 6]); // reserved, and a snap length without a limit
        let nanoseconds = [9];
        put_options(
            &mut body,
            &[
                (OptionCode::Comment, comment.as_bytes()),
                (OptionCode::IfName, name.as_bytes()),
                (OptionCode::IfTsresol, &nanoseconds),
            ],
        )?;
        self.block(pcapng::IDB_MAGIC, &body)?;
        self.interfaces += 1;
        Ok(self.interfaces - 1)
    }

    /// Adds a packet, `time` nanoseconds after 1970.
    ///
    /// # Errors
    /// Those of writing, an interface that was not added, and more bytes than a block can have.
    pub fn packet(&mut self, interface: u32, time: u64, data: &[u8]) -> io::Result<()> {
        if interface >= self.interfaces {
            return Err(invalid("there is no such interface"));
        }
        let length = u32::try_from(data.len()).map_err(|_| invalid("a packet of more than 4 GiB"))?;
        let ticks = time.to_le_bytes();
        let mut body = Vec::with_capacity(20 + data.len());
        body.extend(interface.to_le_bytes());
        body.extend_from_slice(&ticks[4..]);
        body.extend_from_slice(&ticks[..4]);
        body.extend(length.to_le_bytes());
        body.extend(length.to_le_bytes());
        put_padded(&mut body, data);
        self.block(pcapng::EPB_MAGIC, &body)
    }

    /// Ends the file, and gives back what it was written to.
    ///
    /// # Errors
    /// Those of writing.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }

    fn block(&mut self, kind: u32, body: &[u8]) -> io::Result<()> {
        let length = u32::try_from(body.len() + 12).map_err(|_| invalid("a block of more than 4 GiB"))?;
        self.out.write_all(&kind.to_le_bytes())?;
        self.out.write_all(&length.to_le_bytes())?;
        self.out.write_all(body)?;
        self.out.write_all(&length.to_le_bytes())
    }
}

/// Appends the options that are not empty, and their end.
fn put_options(body: &mut Vec<u8>, options: &[(OptionCode, &[u8])]) -> io::Result<()> {
    for (code, value) in options.iter().filter(|(_, value)| !value.is_empty()) {
        let length =
            u16::try_from(value.len()).map_err(|_| invalid("an option of more than 65,535 bytes"))?;
        body.extend(code.0.to_le_bytes());
        body.extend(length.to_le_bytes());
        put_padded(body, value);
    }
    body.extend([0; 4]);
    Ok(())
}

/// Appends bytes and what fills them up to a multiple of four.
fn put_padded(body: &mut Vec<u8>, bytes: &[u8]) {
    body.extend_from_slice(bytes);
    body.resize(body.len().next_multiple_of(4), 0);
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what)
}

#[cfg(test)]
mod tests {
    use super::super::{About, CaptureReader, Packets as _};
    use super::*;

    #[test]
    fn what_is_written_is_read_back_with_its_comments_names_and_times() {
        let mut writer = PcapngWriter::new(Vec::new(), "a section").unwrap();
        assert_eq!(writer.add_interface(LinkType(147), "vmbus", "an interface").unwrap(), 0);
        assert_eq!(writer.add_interface(LinkType(162), "", "").unwrap(), 1);
        let packets = [
            (0, 1, &b"VMBS"[..]),
            (1, u64::from(u32::MAX) + 7, b""),
            (0, 1_700_000_000_000_000_009, b"abcde"),
        ];
        for (interface, time, data) in packets {
            writer.packet(interface, time, data).unwrap();
        }
        let file = writer.finish().unwrap();
        let mut reader = CaptureReader::new(&file[..]).unwrap();
        for (interface, time, data) in packets {
            let packet = reader.next_packet().unwrap().unwrap();
            assert_eq!(packet.link, [LinkType(147), LinkType(162)][interface as usize]);
            assert_eq!((packet.time, packet.data), (Some(i64::try_from(time).unwrap()), data));
            assert_eq!(packet.original_length as usize, data.len());
        }
        assert!(reader.next_packet().unwrap().is_none());
        let comments = reader.take_comments();
        let found: Vec<_> = comments.iter().map(|comment| (comment.about, comment.text.as_str())).collect();
        assert_eq!(found, [(About::Section, "a section"), (About::Interface(0), "an interface")]);
    }

    #[test]
    fn what_a_file_cannot_hold_is_refused() {
        let long = "x".repeat(65_536);
        assert!(PcapngWriter::new(Vec::new(), &long).is_err());
        let mut writer = PcapngWriter::new(Vec::new(), "").unwrap();
        assert!(writer.add_interface(LinkType(147), &long, "").is_err());
        assert!(writer.packet(0, 0, b"").is_err());
    }
}
