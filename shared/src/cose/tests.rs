//! Statements hold against every change, and only for whom and what they were signed.

use super::*;
use serde::Deserialize;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Note(u8);
impl Statement for Note {
    const TYP: &'static str = "note";
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Order(u8);
impl Statement for Order {
    const TYP: &'static str = "order";
}

fn key() -> SoftwareKey {
    SoftwareKey::from_pkcs8(&SoftwareKey::make_pkcs8().unwrap()).unwrap()
}

#[test]
fn a_statement_is_read_by_whom_it_was_signed_for() {
    let key = key();
    let bytes = sign(&Note(7), b"enrolment", &key).unwrap();
    assert_eq!(verify(&bytes, b"enrolment", key.public_key()), Ok(Note(7)));
}

#[test]
fn no_byte_of_a_statement_can_be_changed() {
    let key = key();
    let bytes = sign(&Note(7), b"enrolment", &key).unwrap();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert!(verify::<Note>(&changed, b"enrolment", key.public_key()).is_err(), "byte {at}");
    }
}

#[test]
fn a_statement_is_refused_elsewhere() {
    let (signer, other) = (key(), key());
    let bytes = sign(&Note(7), b"enrolment", &signer).unwrap();
    assert_eq!(verify::<Note>(&bytes, b"another", signer.public_key()), Err(VerifyError::BadSignature));
    assert_eq!(verify::<Note>(&bytes, b"enrolment", other.public_key()), Err(VerifyError::WrongKey));
    assert_eq!(verify::<Order>(&bytes, b"enrolment", signer.public_key()), Err(VerifyError::WrongType));
    assert_eq!(verify::<Note>(&[0; MAX_LEN + 1], b"", signer.public_key()), Err(VerifyError::Malformed));
}

#[test]
fn a_public_key_is_read_only_in_its_one_form() {
    let public = key().public_key().clone();
    assert_eq!(PublicKey::from_spki_der(public.spki_der()), Ok(public.clone()));
    assert_eq!(PublicKey::from_spki_der(&public.spki_der()[1..]), Err(ParsePublicKeyError));
    let mut compressed = public.spki_der().to_vec();
    compressed[26] = 0x02;
    assert_eq!(PublicKey::from_spki_der(&compressed), Err(ParsePublicKeyError));
}
