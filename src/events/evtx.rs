//! Logs: a header of 4,096 bytes, then chunks of 64 KiB, each of which is read for itself (the `evtx` crate's notes on the
//! format, and libevtx's).

use std::error::Error;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use evtx::err::EvtxError;
use evtx::{EvtxChunkData, ParserSettings};

use super::error::Wrong;
use super::read::Sink;
use super::{Event, EventError, MAX_EVENT, Place, xml};

/// Reads a log, chunk by chunk in the order of the file. What stands behind a log's end, of which Windows makes chunks of
/// zeros, is passed over.
pub(super) fn read<F>(mut source: impl Read, sink: &mut Sink<'_, F>)
where
    F: FnMut(Result<Event, EventError>),
{
    let settings = Arc::new(ParserSettings::new().indent(false));
    let mut header = Vec::new();
    match source.by_ref().take(HEADER as u64).read_to_end(&mut header) {
        Ok(HEADER) => {}
        Ok(length) => {
            let found = format!("{length} bytes");
            return sink.wrong(Place::Chunk(0), None, Wrong::new("header", "4096 bytes", &found));
        }
        Err(error) => return sink.unreadable(Place::Chunk(0), &error),
    }
    for number in 0.. {
        let mut data = Vec::with_capacity(CHUNK);
        match source.by_ref().take(CHUNK as u64).read_to_end(&mut data) {
            Ok(0) => return,
            Ok(CHUNK) => {}
            Ok(length) => {
                let found = format!("{length} bytes");
                sink.wrong(Place::Chunk(number), None, Wrong::new("chunk", "65536 bytes", &found));
                // Its records stand at its beginning.
                data.resize(CHUNK, 0);
            }
            Err(error) => return sink.unreadable(Place::Chunk(number), &error),
        }
        if data.iter().any(|byte| *byte != 0) {
            chunk(number, data, &settings, sink);
        }
    }
}

fn chunk<F>(number: u64, data: Vec<u8>, settings: &Arc<ParserSettings>, sink: &mut Sink<'_, F>)
where
    F: FnMut(Result<Event, EventError>),
{
    let place = Place::Chunk(number);
    // Checksums are not asked: a log that was copied while it was written to has old ones.
    let mut data = match EvtxChunkData::new(data, false) {
        Ok(data) => data,
        Err(error) => return sink.wrong(place, None, Wrong::new("chunk", "its header", &chain(&error))),
    };
    let parsed = guarded(|| data.parse(Arc::clone(settings)));
    let mut chunk = match parsed {
        Ok(Ok(chunk)) => chunk,
        Ok(Err(error)) => {
            return sink.wrong(place, None, Wrong::new("chunk", "its table of names", &chain(&error)));
        }
        Err(gave_up) => return sink.wrong(place, None, gave_up),
    };
    let mut records = chunk.iter();
    let mut last = None;
    loop {
        let next = guarded(|| {
            let record = records.next()?;
            Some(record.and_then(|record| {
                last = Some(record.event_record_id);
                record.into_xml()
            }))
        });
        match next {
            Ok(None) => return,
            Ok(Some(Ok(record))) if record.data.len() > MAX_EVENT => {
                let wrong = Wrong::new("event", "at most 256 KiB", &record.data);
                sink.wrong(Place::Record(record.event_record_id), None, wrong);
            }
            Ok(Some(Ok(record))) => xml::element(Place::Record(record.event_record_id), &record.data, sink),
            Ok(Some(Err(error))) => {
                let place = match &error {
                    EvtxError::FailedToParseRecord { record_id, .. } => Place::Record(*record_id),
                    _ => place,
                };
                sink.wrong(place, None, Wrong::new("record", "binary XML", &chain(&error)));
            }
            Err(gave_up) => return sink.wrong(last.map_or(place, Place::Record), None, gave_up),
        }
    }
}

/// What the crate says; where it panics, that it did. Its state is not touched again then.
fn guarded<T>(read: impl FnOnce() -> T) -> Result<T, Wrong> {
    let gave_up =
        |_| Wrong::new("chunk", "what can be read up to its end", "a place where the reader gave up");
    catch_unwind(AssertUnwindSafe(read)).map_err(gave_up)
}

/// An error with what caused it, on one line.
fn chain(error: &dyn Error) -> String {
    let mut said = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        said.push(error.to_string());
        cause = error.source();
    }
    // A wrapper may show no more than what it wraps.
    said.dedup();
    said.join(": ")
}

const HEADER: usize = 4096;
const CHUNK: usize = 64 << 10;
