//! The store as it stands, sealed: for readers of the format that do not read sled, and for tests that compare bytes.

use crate::error::VaultError;
use crate::home::Home;
use crate::store::Store;

/// A key and its value.
pub type Pair = (Vec<u8>, Vec<u8>);

/// All keys and values of the store of `home`, in order. No vault may have it open.
pub fn pairs(home: &Home) -> Result<Vec<Pair>, VaultError> {
    let store = Store::open(&home.store_dir())?;
    let rows = store.scan(&[]).map(|row| row.map(|(key, value)| (key.to_vec(), value.to_vec())));
    Ok(rows.collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests;
