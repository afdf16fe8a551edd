//! A name in the index. Short ones stand in their entry, so that comparing or listing touches no other memory.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::ops::Deref;

use zeroize::{Zeroize, Zeroizing};

/// Bytes of a name that stands in its entry: fifteen characters of Japanese.
const SHORT: usize = 46;

/// UTF-8, erased when it is dropped.
#[derive(Clone)]
pub(crate) struct Name(Place);

#[derive(Clone)]
enum Place {
    Here { length: u8, bytes: [u8; SHORT] },
    Apart(Zeroizing<String>),
}

impl Name {
    pub(crate) fn new(name: &str) -> Self {
        let mut bytes = [0; SHORT];
        match (bytes.get_mut(..name.len()), u8::try_from(name.len())) {
            (Some(here), Ok(length)) => {
                here.copy_from_slice(name.as_bytes());
                Self(Place::Here { length, bytes })
            }
            _ => Self(Place::Apart(Zeroizing::new(name.to_owned()))),
        }
    }

    /// The order of names is that of their bytes.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Place::Here { length, bytes } => &bytes[..usize::from(*length)],
            Place::Apart(name) => name.as_bytes(),
        }
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).expect("a name is made of a text")
    }
}

impl Borrow<[u8]> for Name {
    fn borrow(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Name {}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        if let Place::Here { bytes, .. } = &mut self.0 {
            bytes.zeroize();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_any_length_is_what_it_was_made_of() {
        for length in 0..=255 {
            let name = "x".repeat(length);
            assert_eq!(&*Name::new(&name), name);
        }
        for characters in 0..=20 {
            let name = "髙".repeat(characters);
            assert_eq!(Name::new(&name).as_bytes(), name.as_bytes());
        }
    }
}
