//! The stubs of requests and responses.

use crate::kms::{Ndr, RequestStub, ResponseStub};
use crate::wire::Endianness;

use super::{ignore, is_turn};

/// How a stub's seed says that it is marshalled: bit 0 of its first byte is NDR64, bit 1 big-endian.
pub(super) fn marshalling(data: &[u8]) -> (Ndr, Endianness, &[u8]) {
    let (&kind, stub) = data.split_first().unwrap_or((&0, &[]));
    let ndr = if kind & 1 == 0 { Ndr::Ndr32 } else { Ndr::Ndr64 };
    (ndr, if kind & 2 == 0 { Endianness::Little } else { Endianness::Big }, stub)
}

/// Holds that a request's stub is written back byte for byte and that its data and what it lacks are requestSize.
pub fn request_stub(data: &[u8]) {
    let (ndr, endianness, bytes) = marshalling(data);
    match RequestStub::parse(bytes, ndr, endianness) {
        Ok(stub) => {
            assert_eq!(stub.encode(endianness), bytes);
            assert_eq!(stub.data.len() + stub.missing(), stub.size as usize);
            assert!(stub.missing() == 0 || stub.excess.is_empty());
            assert_eq!(stub.size_slot() & u64::from(u32::MAX), u64::from(stub.size));
            if is_turn(data, 16) {
                ignore(&(&stub, stub.is_consistent()));
            }
        }
        Err(error) => assert!(bytes.len() < ndr.request_head(), "{error}"),
    }
}

/// Holds that a response's stub is written back byte for byte, that its data and what it lacks are responseSize, and
/// that HRESULT stands behind a multiple of four.
pub fn response_stub(data: &[u8]) {
    let (ndr, endianness, bytes) = marshalling(data);
    match ResponseStub::parse(bytes, ndr, endianness) {
        Ok(stub) => {
            assert_eq!(stub.encode(endianness), bytes);
            if stub.max_count.is_some() {
                assert_eq!(stub.data.len() + stub.missing(), stub.size as usize);
            } else {
                assert!(stub.referent == 0 && stub.data.is_empty());
            }
            if stub.hresult.is_some() {
                assert_eq!((bytes.len() - stub.excess.len()) % 4, 0, "HRESULT is not aligned");
            }
            if is_turn(data, 16) {
                ignore(&stub);
            }
        }
        Err(error) => assert!(bytes.len() < 24, "{error}"),
    }
}
