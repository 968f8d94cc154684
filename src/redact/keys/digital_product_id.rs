use super::FILLER;

/// Masks DigitalProductId blobs behind their first eight bytes, which tell their length and version.
pub(super) fn mask(bytes: &mut [u8]) -> bool {
    let mut found = false;
    let mut at = 0;
    while let Some(window) = bytes.get(at..at + HEAD) {
        // Both heads end with three zeros, so a byte that is in neither moves them on as a whole.
        if !matches!(window[HEAD - 1], 0 | 0x03 | 0x04 | 0xa4 | 0xf8) {
            at += HEAD;
            continue;
        }
        let len = match window {
            [0xa4, 0, 0, 0, 3, 0, 0, 0] => 0xa4,
            [0xf8, 4, 0, 0, 4, 0, 0, 0] => 0x4f8,
            _ => {
                at += 1;
                continue;
            }
        };
        let end = (at + len).min(bytes.len());
        let secret = &mut bytes[at + HEAD..end];
        found |= secret.iter().any(|byte| *byte != FILLER);
        secret.fill(FILLER);
        at = end;
    }
    found
}

/// Bytes by which a blob is recognised: its length and its version.
const HEAD: usize = 8;
