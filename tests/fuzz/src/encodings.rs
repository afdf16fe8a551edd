//! What must hold of any value that was decoded: it encodes, and what it encodes to is the same value, whose bytes do not
//! change again. Compared by bytes: secrets have no `Debug`, and a NaN is not equal to itself.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;

thread_local! {
    static READ: RefCell<BTreeSet<&'static str>> = RefCell::default();
}

/// Notes that the input was read as this: a corpus of nothing but refusals would show little.
pub(crate) fn read_as(what: &'static str) {
    READ.with_borrow_mut(|read| read.insert(what));
}

/// What was noted in this thread since this was asked last.
pub(crate) fn take_read() -> BTreeSet<&'static str> {
    READ.take()
}

/// The CBOR of a value.
pub(crate) fn cbor(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).expect("what was decoded encodes");
    bytes
}

/// A value that was decoded from CBOR.
pub(crate) fn settles_in_cbor<T: Serialize + DeserializeOwned>(value: &T) {
    read_as(std::any::type_name::<T>());
    let once = cbor(value);
    let again: T = ciborium::from_reader(once.as_slice()).expect("what was encoded decodes");
    assert!(cbor(&again) == once, "encoding and decoding changes the value");
}

/// A value that was decoded from JSON.
pub(crate) fn settles_in_json<T: Serialize + DeserializeOwned>(value: &T) {
    read_as(std::any::type_name::<T>());
    let once = serde_json::to_vec(value).expect("what was decoded encodes");
    let again: T = serde_json::from_slice(&once).expect("what was encoded decodes");
    assert!(serde_json::to_vec(&again).expect("it did before") == once, "encoding changes the value");
}

/// A value that was decoded from the query of an address.
pub(crate) fn settles_in_a_query<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    read_as(std::any::type_name::<T>());
    let text = serde_urlencoded::to_string(value).expect("what was decoded encodes");
    let again: T = serde_urlencoded::from_str(&text).expect("what was encoded decodes");
    assert_eq!(&again, value);
}
