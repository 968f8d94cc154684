//! Windows events: whatever the bytes, and however their lines end.

use std::hash::Hasher as _;

use crate::events::{self, Event, EventCounts, EventError, Form, MAX_EVENT, MAX_QUOTE, Place};
use crate::wire::{Charset, Encoding};

use super::{Digest, Slow, ignore};

/// Holds that a file of events says the same in pieces of any size, with either end of line and in UTF-16, that it is
/// counted what it says, that the events of a text stand in it one behind the other, and that what an error quotes is short
/// and stands on one line.
pub fn events(data: &[u8]) {
    let tell = |step: usize| {
        let mut told = Digest::default();
        let (mut read, mut malformed, mut line) = (0, 0, 0);
        let counts =
            events::read("file", Slow { left: data, step }, &mut |event: Result<Event, EventError>| {
                told.take(&event);
                let place = match &event {
                    Ok(event) => {
                        read += 1;
                        ignore(&(event.cmid(), event.client_time(), event.act_id()));
                        event.place
                    }
                    Err(error) => {
                        malformed += 1;
                        assert!(error.found.chars().count() <= MAX_QUOTE + 3, "{error}");
                        assert!(!error.to_string().contains(['\n', '\r']), "{error}");
                        error.place
                    }
                };
                if let Place::Line(number) = place {
                    assert!(number >= line, "line {number} is told behind line {line}");
                    line = number;
                }
            });
        assert_eq!((counts.events, counts.malformed), (read, malformed));
        (counts, told.0.finish())
    };
    let whole = tell(data.len().max(1));
    assert_eq!(tell(1 + data.len() / 7), whole);
    assert_eq!(tell(1), whole);

    // Of a log there are no lines, and of a longer text they may be cut elsewhere.
    if whole.0.form == Form::Evtx || data.len() > MAX_EVENT / 4 || Encoding::of(data).charset != Charset::Utf8
    {
        return;
    }
    let Ok(text) = str::from_utf8(data.strip_prefix("\u{feff}".as_bytes()).unwrap_or(data)) else { return };
    let lines = text.replace("\r\n", "\n");
    // Without its byte order mark, a text that begins with NULs is taken for UTF-16.
    if lines.contains('\r') || Encoding::of(lines.as_bytes()).charset != Charset::Utf8 {
        return;
    }
    let said = content(lines.as_bytes());
    assert_eq!(content(lines.replace('\n', "\r\n").as_bytes()), said, "with CR LF");
    for charset in [Charset::Utf16Le, Charset::Utf16Be] {
        assert_eq!(content(&Encoding { charset, has_bom: true }.encode(&lines)), said, "in {charset:?}");
    }
}

fn content(file: &[u8]) -> (Vec<Result<Event, EventError>>, EventCounts) {
    let mut told = Vec::new();
    let counts = events::read("file", file, &mut |event| told.push(event));
    (told, counts)
}
