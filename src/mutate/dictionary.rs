use std::sync::LazyLock;

use crate::catalog::product;
use crate::kms::{Version, hmac};
use crate::rpc::{EXTENDED_ERROR_SIGNATURE, PduType, SyntaxId, fault_statuses};

use super::dice::Dice;

/// Bytes that mean something, and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

impl Token {
    pub(crate) fn new(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { name: name.into(), bytes: bytes.into() }
    }
}

/// A token of what goes over a KMS connection, as it stands on the wire.
pub(super) fn wire_token(dice: &mut Dice) -> &'static [u8] {
    let tokens = if dice.one_in(2) { kms() } else { rpc() };
    &tokens[dice.below(tokens.len())].bytes
}

/// Of DCE/RPC: syntaxes, heads of PDUs, statuses of faults.
pub(crate) fn rpc() -> &'static [Token] {
    static TOKENS: LazyLock<Vec<Token>> = LazyLock::new(|| {
        let syntaxes = [
            ("KMS", SyntaxId::KMS),
            ("NDR32", SyntaxId::NDR32),
            ("NDR64", SyntaxId::NDR64),
            ("bind_time_features", SyntaxId::bind_time_features(3)),
        ];
        let mut tokens = Vec::new();
        for (name, syntax) in syntaxes {
            let [little, big] = [
                [&syntax.uuid.to_wire()[..], &syntax.version.to_le_bytes()].concat(),
                [&syntax.uuid.to_wire_be()[..], &syntax.version.to_be_bytes()].concat(),
            ];
            tokens.push(Token::new(name, little));
            tokens.push(Token::new(format!("{name}_big_endian"), big));
        }
        for ptype in 0..=19 {
            if let Some(name) = PduType(ptype).name().filter(|_| PduType(ptype).fixed_len().is_some()) {
                tokens.push(Token::new(name, [5, 0, ptype, 3, 0x10, 0, 0, 0]));
            }
        }
        tokens.push(Token::new("request_big_endian", [5, 0, 0, 3, 0, 0, 0, 0]));
        tokens.push(Token::new("extended_error_signature", EXTENDED_ERROR_SIGNATURE.to_wire()));
        tokens.push(Token::new("fragments_5840", 5840_u16.to_le_bytes()));
        tokens.push(Token::new("port_1688", *b"\x05\x001688\0"));
        for (status, name) in fault_statuses() {
            tokens.push(Token::new(name, status.to_le_bytes()));
        }
        tokens
    });
    &TOKENS
}

/// Of KMS: versions, GUIDs of products, HRESULTs, counts of NDR, edges of time.
pub(crate) fn kms() -> &'static [Token] {
    static TOKENS: LazyLock<Vec<Token>> = LazyLock::new(|| {
        let mut tokens = Vec::new();
        for (name, version) in [("v4", Version::V4), ("v5", Version::V5), ("v6", Version::V6)] {
            tokens.push(Token::new(name, version.0.to_le_bytes()));
        }
        for application in product::applications() {
            tokens.push(Token::new(format!("AppID {}", application.name), application.guid.to_wire()));
        }
        for kms_id in product::kms_ids() {
            tokens.push(Token::new(format!("KMSID {}", kms_id.name), kms_id.guid.to_wire()));
        }
        for sku in product::skus().step_by(16) {
            tokens.push(Token::new(format!("ActID {}", sku.name), sku.guid.to_wire()));
        }
        for size in [252_u32, 260] {
            tokens.push(Token::new(format!("NDR32 counts {size}"), [size.to_le_bytes(); 2].concat()));
            let wide = u64::from(size).to_le_bytes();
            tokens.push(Token::new(format!("NDR64 counts {size}"), [wide; 2].concat()));
        }
        tokens.push(Token::new("referent", 0x0002_0000_u32.to_le_bytes()));
        tokens.push(Token::new("padding 4", [4; 4]));
        tokens.push(Token::new("padding 16", [16; 16]));
        for hresult in [0x8007_000d_u32, 0xc004_f042, 0xc004_f06c, 0xc004_f074, 0xc004_d104] {
            tokens.push(Token::new(format!("HRESULT {hresult:08x}"), hresult.to_le_bytes()));
        }
        tokens.push(Token::new("HMAC slot", hmac::SLOT.to_le_bytes()));
        tokens.push(Token::new("1970", 116_444_736_000_000_000_u64.to_le_bytes()));
        tokens.push(Token::new("2026", 134_117_568_000_000_000_u64.to_le_bytes()));
        for pid_size in [2_u32, 98, 100, 128, 130] {
            tokens.push(Token::new(format!("PIDSize {pid_size}"), pid_size.to_le_bytes()));
        }
        tokens
    });
    &TOKENS
}
