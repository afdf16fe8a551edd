//! Signed statements and the keys that sign them.

use ciborium::Value;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use shared::cose::{self, MAX_LEN, PublicKey, Signer, SoftwareKey, Statement, VerifyError};
use shared::signed::{Checkpoint, Command, Lease, PinUpdate, Receipt};

use crate::encodings::{cbor, read_as, settles_in_cbor};

/// What statements of the corpus are bound to.
pub(crate) const BOUND_TO: &[u8] = b"fuzz";

/// PKCS#8 of a key that signs what these targets read, and nothing else anywhere.
pub(crate) const KEY: &[u8] = include_bytes!("key.pk8");

/// The key.
pub(crate) fn key() -> SoftwareKey {
    SoftwareKey::from_pkcs8(KEY).expect("the key beside this file")
}

/// A COSE_Sign1 as it travels. What verifies is the work of our key, and of one type alone.
pub(crate) fn statement(bytes: &[u8]) {
    let key = key();
    let public = key.public_key();
    let read = [
        verify::<Command>(bytes, public),
        verify::<Lease>(bytes, public),
        verify::<Receipt>(bytes, public),
        verify::<Checkpoint>(bytes, public),
        verify::<PinUpdate>(bytes, public),
    ];
    assert!(read.iter().filter(|read| **read).count() <= 1, "one statement of two types");
    assert!(bytes.len() <= MAX_LEN || !read.contains(&true));
    let other = cose::verify::<Command>(bytes, b"somebody else", public);
    assert!(other.is_err(), "it is bound to what it was signed for");
}

fn verify<S: Statement>(bytes: &[u8], key: &PublicKey) -> bool {
    let read = cose::verify::<S>(bytes, BOUND_TO, key);
    if let Ok(statement) = &read {
        settles_in_cbor(statement);
    }
    read.is_ok()
}

/// A payload of somebody who has the key: the first byte names the type, the rest is signed as it stands.
pub(crate) fn statement_payload(bytes: &[u8]) {
    let Some((kind, payload)) = bytes.split_first() else { return };
    let Ok(payload) = ciborium::from_reader::<Value, _>(payload) else { return };
    match kind % 5 {
        0 => signed_and_read::<AsCommand, Command>(AsCommand(payload)),
        1 => signed_and_read::<AsLease, Lease>(AsLease(payload)),
        2 => signed_and_read::<AsReceipt, Receipt>(AsReceipt(payload)),
        3 => signed_and_read::<AsCheckpoint, Checkpoint>(AsCheckpoint(payload)),
        _ => signed_and_read::<AsPinUpdate, PinUpdate>(AsPinUpdate(payload)),
    }
}

fn signed_and_read<A: Statement, S: Statement + DeserializeOwned>(payload: A) {
    let key = key();
    let bytes = cose::sign(&payload, BOUND_TO, &key).expect("a key in memory signs");
    match cose::verify::<S>(&bytes, BOUND_TO, key.public_key()) {
        Ok(statement) => {
            settles_in_cbor(&statement);
            assert!(cbor(&statement).len() <= MAX_LEN * 2, "nothing grows by being read");
        }
        Err(VerifyError::Payload) => assert!(bytes.len() <= MAX_LEN),
        Err(VerifyError::Malformed) => assert!(bytes.len() > MAX_LEN, "only its length is wrong with it"),
        Err(error) => panic!("rightly signed, and refused: {error}"),
    }
}

macro_rules! any_payload {
    ($($name:ident as $statement:ident),*) => {
        $(
            #[derive(Serialize, Deserialize)]
            #[serde(transparent)]
            struct $name(Value);

            impl Statement for $name {
                const TYP: &'static str = $statement::TYP;
            }
        )*
    };
}
any_payload!(
    AsCommand as Command,
    AsLease as Lease,
    AsReceipt as Receipt,
    AsCheckpoint as Checkpoint,
    AsPinUpdate as PinUpdate
);

/// Keys of others, and a key file of our own.
pub(crate) fn public_key(bytes: &[u8]) {
    if let Ok(key) = PublicKey::from_spki_der(bytes) {
        assert_eq!(key.spki_der(), bytes);
        settles_in_cbor(&key);
        assert!(!key.verify(b"message", &[0; 64]), "no key signs with zeros");
    }
    if let Ok(key) = SoftwareKey::from_pkcs8(bytes) {
        read_as("private key");
        let signature = key.sign(b"message").expect("a key in memory signs");
        assert!(key.public_key().verify(b"message", &signature), "the halves belong together");
    }
}
