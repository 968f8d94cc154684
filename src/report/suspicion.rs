use crate::kms::{RequestMessage, ResponseMessage};
use crate::redact;
use crate::trace::{Answer, ConnectionRecord, Exchange};

/// Whether a page has to be looked through for product keys.
///
/// Everything that is written is, but for exchanges that hold no stranger's text long enough for a key: those are nearly
/// all of a large capture, and looking through them would take as long as writing them.
#[derive(Default)]
pub(super) struct Suspicion(bool);

impl Suspicion {
    /// Something was written that may hold a key.
    pub(super) fn raise(&mut self) {
        self.0 = true;
    }

    /// An exchange was written, with its raw bytes or without.
    pub(super) fn exchange(&mut self, exchange: &Exchange, verbose: bool) {
        self.0 |= verbose || may_hold_a_key(exchange);
    }

    /// A connection was written: of DCE/RPC that is numbers and GUIDs only.
    pub(super) fn connection(&mut self, connection: &ConnectionRecord) {
        self.0 |= connection.web.is_some();
    }

    /// Masks the keys in a finished page; the next one is above suspicion again.
    pub(super) fn settle(&mut self, page: &mut [u8]) {
        if std::mem::take(&mut self.0) {
            redact::page(page);
        }
    }
}

/// Characters of a product key without dashes.
const KEY_LEN: usize = 25;

/// False where no field that comes from the wire and is shown can be a key, or hold one in whatever encoding.
fn may_hold_a_key(exchange: &Exchange) -> bool {
    let asked = exchange.request.as_ref().is_some_and(|request| {
        let is_long = |bytes: &[u8]| bytes.len() >= KEY_LEN;
        let excess = request.stub.as_ref().is_some_and(|stub| is_long(&stub.excess));
        excess
            || match &request.message {
                Some(RequestMessage::V4(message)) => {
                    is_long(&message.excess) || is_key_long(&message.body.machine_name)
                }
                Some(RequestMessage::Encrypted(message)) => {
                    is_long(&message.excess) || is_key_long(&message.body.machine_name)
                }
                Some(RequestMessage::Other { bytes, .. }) => is_long(bytes),
                None => false,
            }
    });
    let answered = match &exchange.answer {
        Some(Answer::Response(response)) => {
            let is_long = |bytes: &[u8]| bytes.len() >= KEY_LEN;
            let excess =
                response.stub.as_ref().is_some_and(|stub| is_long(&stub.excess) || is_long(&stub.padding));
            excess
                || match &response.message {
                    Some(ResponseMessage::V4(message)) => {
                        is_long(&message.excess) || has_letters(&message.body.epid)
                    }
                    Some(ResponseMessage::Encrypted(message)) => {
                        is_long(&message.excess)
                            || is_long(&message.padding)
                            || has_letters(&message.body.epid)
                    }
                    Some(ResponseMessage::Other { bytes, .. }) => is_long(bytes),
                    None => false,
                }
        }
        _ => false,
    };
    asked || answered
}

/// True for a name in UTF-16 that is as long as a key, up to its NUL.
fn is_key_long(name: &[u8]) -> bool {
    name.as_chunks::<2>().0.iter().take(KEY_LEN).all(|unit| *unit != [0, 0])
}

/// True where a text in UTF-16 has more than digits, dashes and the dot of an ePID: a key has a letter.
fn has_letters(text: &[u8]) -> bool {
    text.as_chunks::<2>().0.iter().any(|unit| !matches!(unit, [b'0'..=b'9' | b'-' | b'.' | 0, 0]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    #[test]
    fn the_texts_of_a_usual_exchange_are_above_suspicion() {
        assert!(!has_letters(&utf16("03612-00206-564-865711-03-7169-14393.0000-1092021\0")));
        assert!(has_letters(&utf16("03612-00206-564-865711-03-7169-14393.0000-109202B\0")));
        assert!(!is_key_long(&utf16("client-24-characters-long\0")[2..]));
        assert!(is_key_long(&utf16("client-25-characters-long\0")));
    }
}
