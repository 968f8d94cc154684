use super::FILLER;

/// Masks DigitalProductId blobs behind their first eight bytes, which tell their length and version.
pub(super) fn mask(bytes: &mut [u8]) -> bool {
    let mut found = false;
    let mut at = 0;
    while let Some((start, len)) = next(bytes, at) {
        at = (start + len).min(bytes.len());
        let secret = &mut bytes[start + HEAD..at];
        found |= secret.iter().any(|byte| *byte != FILLER);
        secret.fill(FILLER);
    }
    found
}

/// True where there is one.
pub(super) fn is_in(bytes: &[u8]) -> bool {
    next(bytes, 0).is_some()
}

/// Where the next blob begins, and how long it should be.
fn next(bytes: &[u8], from: usize) -> Option<(usize, usize)> {
    let mut at = from;
    loop {
        let window = bytes.get(at..at + HEAD)?;
        match window {
            [0xa4, 0, 0, 0, 3, 0, 0, 0] => return Some((at, 0xa4)),
            [0xf8, 4, 0, 0, 4, 0, 0, 0] => return Some((at, 0x4f8)),
            // A byte that is in neither head moves both on as a whole.
            [.., 0 | 0x03 | 0x04 | 0xa4 | 0xf8] => at += 1,
            _ => at += HEAD,
        }
    }
}

/// Bytes by which a blob is recognised: its length and its version.
const HEAD: usize = 8;
