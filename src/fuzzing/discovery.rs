//! What must hold of any bytes that come as DNS.

/// A message, or a TCP stream of them.
pub fn dns(data: &[u8]) {
    let _ = data;
}
