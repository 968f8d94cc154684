use std::collections::BTreeMap;

use super::reading::Remark;
use super::{Ending, Record};

/// What a capture held, in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Packets.
    pub packets: u64,
    /// Bytes of the file (behind decompression) that were read.
    pub bytes: u64,
    /// TCP segments.
    pub segments: u64,
    /// Packets that carry no IP.
    pub not_ip: u64,
    /// Packets that carry another protocol than TCP, and than DNS over UDP.
    pub other_protocols: u64,
    /// IP fragments of datagrams that became whole later, or never.
    pub fragments: u64,
    /// IP datagrams that never became whole.
    pub incomplete_datagrams: u64,
    /// IP fragments that contradict one that came first, by their bytes or by their datagram's length.
    pub conflicting_fragments: u64,
    /// IP fragments that reach beyond what a datagram can have.
    pub oversized_fragments: u64,
    /// Packets that end inside a header.
    pub cut_headers: u64,
    /// Packets with a header that says of itself what cannot be, or with more headers than are followed.
    pub bad_headers: u64,
    /// Packets that were refused for a wrong checksum.
    pub bad_checksums: u64,
    /// Packets by the link types that are not known here.
    pub unknown_links: BTreeMap<u16, u64>,
    /// Connections that are reported.
    pub connections: u64,
    /// TCP connections that are something else.
    pub other_connections: u64,
    /// Whole PDUs of the connections that are reported.
    pub pdus: u64,
    /// What was asked, whoever was asked.
    pub exchanges: u64,
    /// Those of them with MAK's services.
    pub mak_exchanges: u64,
    /// Those of them that are questions of DNS.
    pub lookups: u64,
    /// Those of them that are searches in a directory.
    pub directory_exchanges: u64,
    /// Those of them in a pipe of VMBus.
    pub guest_exchanges: u64,
    /// Exchanges with a response that could be opened.
    pub answered: u64,
    /// Exchanges that were answered with an HRESULT only, or with an error of MAK's services.
    pub refused: u64,
    /// Exchanges that were answered with a fault.
    pub faults: u64,
    /// Exchanges that were answered with an HTTP status of failure and nothing that says more.
    pub http_errors: u64,
    /// Exchanges whose answer could not be opened.
    pub unreadable: u64,
    /// Exchanges without an answer.
    pub unanswered: u64,
    /// Answered exchanges of which at least one verification fails.
    pub failed_checks: u64,
    /// Bytes of connections that came long after their end.
    pub late_bytes: u64,
    /// Connections that were given up to keep within the bound of connections.
    pub evicted_connections: u64,
    /// Comments that somebody has written into the file.
    pub comments: u64,
    /// Entries of a HAR file.
    pub entries: u64,
    /// Computers of a VAMT file.
    pub computers: u64,
    /// Activation objects of an export in LDIF.
    pub objects: u64,
    /// Packets that are records of VMBus.
    pub vmbus_packets: u64,
    /// TCP connections of DNS.
    pub dns_connections: u64,
    /// Messages of DNS.
    pub dns_messages: u64,
    /// Questions of DNS that have nothing to do with activation.
    pub other_lookups: u64,
    /// Channels of VMBus.
    pub channels: u64,
    /// Control messages of VMBus.
    pub control_messages: u64,
    /// Complaints.
    pub notices: u64,
}

impl Summary {
    /// Adds what was counted elsewhere in the same capture.
    pub(super) fn add(&mut self, other: &Self) {
        let Self {
            packets,
            bytes,
            segments,
            not_ip,
            other_protocols,
            fragments,
            incomplete_datagrams,
            conflicting_fragments,
            oversized_fragments,
            cut_headers,
            bad_headers,
            bad_checksums,
            unknown_links,
            connections,
            other_connections,
            pdus,
            exchanges,
            mak_exchanges,
            lookups,
            directory_exchanges,
            guest_exchanges,
            answered,
            refused,
            faults,
            http_errors,
            unreadable,
            unanswered,
            failed_checks,
            late_bytes,
            evicted_connections,
            comments,
            entries,
            computers,
            objects,
            vmbus_packets,
            dns_connections,
            dns_messages,
            other_lookups,
            channels,
            control_messages,
            notices,
        } = other;
        for (own, other) in [
            (&mut self.packets, packets),
            (&mut self.bytes, bytes),
            (&mut self.segments, segments),
            (&mut self.not_ip, not_ip),
            (&mut self.other_protocols, other_protocols),
            (&mut self.fragments, fragments),
            (&mut self.incomplete_datagrams, incomplete_datagrams),
            (&mut self.conflicting_fragments, conflicting_fragments),
            (&mut self.oversized_fragments, oversized_fragments),
            (&mut self.cut_headers, cut_headers),
            (&mut self.bad_headers, bad_headers),
            (&mut self.bad_checksums, bad_checksums),
            (&mut self.connections, connections),
            (&mut self.other_connections, other_connections),
            (&mut self.pdus, pdus),
            (&mut self.exchanges, exchanges),
            (&mut self.mak_exchanges, mak_exchanges),
            (&mut self.lookups, lookups),
            (&mut self.directory_exchanges, directory_exchanges),
            (&mut self.guest_exchanges, guest_exchanges),
            (&mut self.answered, answered),
            (&mut self.refused, refused),
            (&mut self.faults, faults),
            (&mut self.http_errors, http_errors),
            (&mut self.unreadable, unreadable),
            (&mut self.unanswered, unanswered),
            (&mut self.failed_checks, failed_checks),
            (&mut self.late_bytes, late_bytes),
            (&mut self.evicted_connections, evicted_connections),
            (&mut self.comments, comments),
            (&mut self.entries, entries),
            (&mut self.computers, computers),
            (&mut self.objects, objects),
            (&mut self.vmbus_packets, vmbus_packets),
            (&mut self.dns_connections, dns_connections),
            (&mut self.dns_messages, dns_messages),
            (&mut self.other_lookups, other_lookups),
            (&mut self.channels, channels),
            (&mut self.control_messages, control_messages),
            (&mut self.notices, notices),
        ] {
            *own += other;
        }
        for (&link, count) in unknown_links {
            *self.unknown_links.entry(link).or_default() += count;
        }
    }

    /// Counts a record of what was asked and answered.
    pub(super) fn count<'a>(&mut self, record: impl Into<Record<'a>>) {
        let record = record.into();
        self.exchanges += 1;
        match record {
            Record::Kms(_) => {}
            Record::Mak(_) => self.mak_exchanges += 1,
            Record::Lookup(_) => self.lookups += 1,
            Record::Directory(_) => self.directory_exchanges += 1,
            Record::Guest(_) => self.guest_exchanges += 1,
        }
        let Some(ending) = record.ending() else { return };
        *match ending {
            Ending::Answered => &mut self.answered,
            Ending::Refused => &mut self.refused,
            Ending::Fault => &mut self.faults,
            Ending::HttpError => &mut self.http_errors,
            Ending::Unreadable => &mut self.unreadable,
            Ending::Unanswered => &mut self.unanswered,
        } += 1;
        self.failed_checks += u64::from(record.has_failed_check());
    }

    /// Counts what a remark is about; of complaints and comments, who takes them keeps the number.
    pub(super) fn count_remark(&mut self, remark: &Remark) {
        match remark {
            Remark::Lookup(lookup) => self.count(&**lookup),
            Remark::Guest(exchange) => self.count(&**exchange),
            Remark::Channel(_) => self.channels += 1,
            Remark::Control(_) => self.control_messages += 1,
            Remark::Search(_) | Remark::Notice(_) | Remark::Comment(_) => {}
        }
    }
}
