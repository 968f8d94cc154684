use super::bytes::{BIND_ACK, HEADER, RESPONSE, u16_at};
use super::seed::NOW;
use super::{Client, Defects, Host, Verdict};

/// What one side says at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// True where the server says it.
    pub is_answer: bool,
    /// The bytes, a PDU where all is right.
    pub bytes: Vec<u8>,
}

/// Pieces of a conversation that are taken.
const MAX_PIECES: usize = 64;

impl Piece {
    /// The pieces of a conversation, as in the seeds of the fuzz target `rules`: in front of each 1 byte, whose lowest bit
    /// says that the server says it, and u16, its length.
    pub fn read_all(mut data: &[u8]) -> Vec<Self> {
        let mut pieces = Vec::new();
        while let Some(([kind, low, high], behind)) = data.split_first_chunk()
            && pieces.len() < MAX_PIECES
        {
            let length = usize::from(u16::from_le_bytes([*low, *high])).min(behind.len());
            let (bytes, behind) = behind.split_at(length);
            pieces.push(Self { is_answer: kind & 1 == 1, bytes: bytes.to_vec() });
            data = behind;
        }
        pieces
    }

    /// The conversation that reads as these pieces.
    pub fn write_all(pieces: &[Self]) -> Vec<u8> {
        let mut data = Vec::new();
        for piece in pieces {
            // The upper bits are one less than the bytes of a packet: as large as they can be told.
            data.push(u8::from(piece.is_answer) | 0xfc);
            data.extend(u16::try_from(piece.bytes.len()).unwrap_or(u16::MAX).to_le_bytes());
            data.extend(&piece.bytes);
        }
        data
    }
}

/// Plays a conversation: a host hears what the client says, and a client what the server says. What the host says to it, and
/// what becomes of the client.
///
/// # Panics
/// A defect was met, by one of the sides or by the oracle, which knows that nothing is answered in front of a bind.
pub fn play(defects: Defects, data: &[u8]) -> (Vec<u8>, Verdict) {
    let (mut host, mut client) = (Host::new(defects, NOW, 1688), Client::new(defects));
    let mut answers = Vec::new();
    for piece in Piece::read_all(data) {
        if piece.is_answer {
            client.take(&piece.bytes);
        } else {
            client.says(&piece.bytes);
            answers.extend(host.take(&piece.bytes));
        }
    }
    judge(&answers);
    (answers, client.verdict().clone())
}

fn judge(mut answers: &[u8]) {
    let mut is_bound = false;
    while answers.len() >= HEADER {
        let (pdu, behind) = answers.split_at(u16_at(answers, 8, false).into());
        assert!(pdu[2] != RESPONSE || is_bound, "a request is answered, and nothing was bound");
        is_bound |= pdu[2] == BIND_ACK;
        answers = behind;
    }
}
