//! Codes that people type: Crockford's base 32 (<https://www.crockford.com/base32.html>) with a check character (value mod 37).
//! Letters may be small, O reads as 0, I and L as 1; hyphens and blanks are for the eye. What a code is for, its type says.

use rand::{CryptoRng, RngCore};
use zeroize::Zeroizing;

const ALPHABET: &[u8; 37] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ*~$=U";

/// Why a text is no code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadError {
    /// So many characters without hyphens and blanks, and not one more than the code has symbols.
    Length(usize),
    /// A character outside the alphabet, counted from 1.
    Character(usize),
    /// The check character does not fit the others.
    Check,
}

/// Random symbols, five bits each.
pub fn make<const N: usize>(rng: &mut (impl RngCore + CryptoRng)) -> [u8; N] {
    let mut symbols = [0; N];
    rng.fill_bytes(&mut symbols);
    reduced(symbols)
}

/// The symbols of bytes: the lower five bits of each.
pub fn reduced<const N: usize>(mut bytes: [u8; N]) -> [u8; N] {
    bytes.iter_mut().for_each(|byte| *byte &= 0x1f);
    bytes
}

/// Reads what was typed or scanned.
pub fn read<const N: usize>(text: &str) -> Result<[u8; N], ReadError> {
    let typed = || text.chars().filter(|c| *c != '-' && !c.is_whitespace());
    let length = typed().count();
    if length != N + 1 {
        return Err(ReadError::Length(length));
    }
    let (mut symbols, mut check) = (Zeroizing::new([0; N]), 0);
    for (at, c) in typed().enumerate() {
        let allowed = if at == N { 37 } else { 32 };
        let value = symbol_value(c).filter(|value| *value < allowed).ok_or(ReadError::Character(at + 1))?;
        match symbols.get_mut(at) {
            Some(symbol) => *symbol = value,
            None => check = value,
        }
    }
    if check_of(&*symbols) == check { Ok(*symbols) } else { Err(ReadError::Check) }
}

/// As printed: groups of so many symbols, then the check character.
pub fn write(symbols: &[u8], group: usize) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(symbols.len() * 2 + 1));
    for group in symbols.chunks(group) {
        text.extend(group.iter().map(|symbol| char::from(ALPHABET[usize::from(*symbol & 0x1f)])));
        text.push('-');
    }
    text.push(char::from(ALPHABET[usize::from(check_of(symbols))]));
    text
}

fn check_of(symbols: &[u8]) -> u8 {
    let remainder = symbols.iter().fold(0_u32, |value, symbol| (value * 32 + u32::from(*symbol)) % 37);
    u8::try_from(remainder).expect("a remainder of 37 fits a byte")
}

fn symbol_value(c: char) -> Option<u8> {
    let c = match c.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    ALPHABET.iter().position(|symbol| char::from(*symbol) == c).and_then(|at| u8::try_from(at).ok())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What stands for a value.
    pub(crate) fn symbol(value: usize) -> char {
        char::from(ALPHABET[value])
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(bytes: [u8; 16]) {
            let symbols = reduced(bytes);
            prop_assert_eq!(read::<16>(&write(&symbols, 4)), Ok(symbols));
        }

        #[test]
        fn two_symbols_that_changed_places_are_found(bytes: [u8; 16], at in 0_usize..15) {
            let mut typed: Vec<char> = write(&reduced(bytes), 4).chars().filter(|c| *c != '-').collect();
            prop_assume!(typed[at] != typed[at + 1]);
            typed.swap(at, at + 1);
            prop_assert_eq!(read::<16>(&typed.iter().collect::<String>()), Err(ReadError::Check));
        }
    }

    #[test]
    fn a_code_of_another_length_is_another_kind() {
        assert_eq!(read::<16>(&write(&[0; 20], 5)), Err(ReadError::Length(21)));
        assert_eq!(&*write(&[31; 16], 4), "ZZZZ-ZZZZ-ZZZZ-ZZZZ-~");
    }
}
