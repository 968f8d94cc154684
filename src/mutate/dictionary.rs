use std::sync::LazyLock;

use crate::catalog::{hresult, product};
use crate::kms::Version;
use crate::rpc::{EXTENDED_ERROR_SIGNATURE, SyntaxId, fault_statuses};

use super::dice::Dice;

/// A token of what goes over a KMS connection, as it stands on the wire.
pub(super) fn wire_token(dice: &mut Dice) -> &'static [u8] {
    let tokens = &*WIRE;
    &tokens[dice.below(tokens.len())]
}

static WIRE: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let syntaxes = [SyntaxId::KMS, SyntaxId::NDR32, SyntaxId::NDR64, SyntaxId::bind_time_features(3)];
    let guids = product::applications().map(|application| application.guid);
    let guids = guids.chain(product::kms_ids().map(|kms_id| kms_id.guid));
    let numbers = [Version::V4.0, Version::V5.0, Version::V6.0, 0x0002_0000, 0x8007_000d, 0xc004_f042];
    let numbers = numbers.into_iter().chain(fault_statuses().map(|(status, _)| status));
    let mut tokens: Vec<Vec<u8>> = syntaxes
        .iter()
        .map(|syntax| [&syntax.uuid.to_wire()[..], &syntax.version.to_le_bytes()].concat())
        .collect();
    tokens.push(EXTENDED_ERROR_SIGNATURE.to_wire().to_vec());
    tokens.extend(guids.map(|guid| guid.to_wire().to_vec()));
    tokens.extend(numbers.map(|number| number.to_le_bytes().to_vec()));
    let _ = hresult::symbols;
    tokens
});
