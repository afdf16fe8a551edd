//! Signed statements: COSE_Sign1 (RFC 9052) with ES256 (RFC 9053 section 2.1) and nothing left to choose.
//!
//! The protected header holds exactly `alg` (fixed), `kid` and `typ` (RFC 9596); the unprotected header is empty. What a
//! statement is bound to (an enrolment id) goes into external_aad, so that it cannot be shown to anyone else.

mod key;
#[cfg(test)]
mod tests;

pub use key::{KeyId, ParsePublicKeyError, PublicKey, SignError, Signer, SoftwareKey};

use coset::iana;
use coset::{CborSerializable, CoseSign1, CoseSign1Builder, HeaderBuilder, Label};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A payload that travels signed.
pub trait Statement: Serialize + DeserializeOwned {
    /// The `typ` header: a statement of one type is never taken for another.
    const TYP: &'static str;
}

/// Label of the `typ` header (RFC 9596).
const TYP_LABEL: i64 = 16;

/// No signed statement is longer, in bytes.
pub const MAX_LEN: usize = 2048;

/// Why bytes are not the signed statement they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// Longer than [`MAX_LEN`], or not a COSE_Sign1 with the three protected headers and no others.
    #[error("not a signed statement of the expected form")]
    Malformed,
    /// Signed for another use.
    #[error("a signed statement of another type")]
    WrongType,
    /// Signed, or said to be signed, by another key.
    #[error("signed by another key")]
    WrongKey,
    /// Changed bytes, or bound to someone else.
    #[error("the signature does not fit")]
    BadSignature,
    /// Rightly signed, but the payload is not understood.
    #[error("the payload is not understood by this version")]
    Payload,
}

/// Signs `statement`, bound to `bound_to`. The result is an untagged COSE_Sign1.
pub fn sign<S: Statement>(statement: &S, bound_to: &[u8], signer: &dyn Signer) -> Result<Vec<u8>, SignError> {
    let mut payload = Vec::new();
    ciborium::into_writer(statement, &mut payload).expect("a statement in memory encodes into a vector");
    let protected = HeaderBuilder::new()
        .algorithm(iana::Algorithm::ES256)
        .key_id(signer.public_key().key_id().0.to_vec())
        .value(TYP_LABEL, coset::cbor::Value::Text(S::TYP.to_owned()))
        .build();
    let signed = CoseSign1Builder::new()
        .protected(protected)
        .payload(payload)
        .try_create_signature(bound_to, |bytes| signer.sign(bytes).map(|signature| signature.to_vec()))?
        .build();
    Ok(signed.to_vec().expect("a signed statement in memory encodes into a vector"))
}

/// The statement in `bytes`, if `key` signed it for `bound_to`.
pub fn verify<S: Statement>(bytes: &[u8], bound_to: &[u8], key: &PublicKey) -> Result<S, VerifyError> {
    if bytes.len() > MAX_LEN {
        return Err(VerifyError::Malformed);
    }
    let signed = CoseSign1::from_slice(bytes).map_err(|_| VerifyError::Malformed)?;
    let kid = check_headers::<S>(&signed)?;
    if kid != key.key_id() {
        return Err(VerifyError::WrongKey);
    }
    signed
        .verify_signature(bound_to, |signature, message| {
            key.verify(message, signature).then_some(()).ok_or(())
        })
        .map_err(|()| VerifyError::BadSignature)?;
    let payload = signed.payload.ok_or(VerifyError::Malformed)?;
    ciborium::from_reader(payload.as_slice()).map_err(|_| VerifyError::Payload)
}

fn check_headers<S: Statement>(signed: &CoseSign1) -> Result<KeyId, VerifyError> {
    let header = &signed.protected.header;
    let es256 = coset::RegisteredLabelWithPrivate::Assigned(iana::Algorithm::ES256);
    let expected_rest = [(Label::Int(TYP_LABEL), coset::cbor::Value::Text(S::TYP.to_owned()))];
    if signed.payload.is_none() || !signed.unprotected.is_empty() || header.alg != Some(es256) {
        return Err(VerifyError::Malformed);
    }
    if header.rest.len() != 1 || !header.crit.is_empty() || header.content_type.is_some() {
        return Err(VerifyError::Malformed);
    }
    if header.rest != expected_rest {
        return Err(VerifyError::WrongType);
    }
    header.key_id.as_slice().try_into().map(KeyId).map_err(|_| VerifyError::Malformed)
}
