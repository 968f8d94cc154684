//! What must hold of any bytes that come over VMBus.

/// A control message.
pub fn vmbus_control(data: &[u8]) {
    let _ = data;
}

/// The pages of a ring.
pub fn vmbus_ring(data: &[u8]) {
    let _ = data;
}

/// A stream of pipe packets.
pub fn vmbus_pipe(data: &[u8]) {
    let _ = data;
}
