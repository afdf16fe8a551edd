//! The store as it stands, sealed: for readers of the format that do not read sled, and for tests that compare bytes.

use std::path::Path;

use crate::error::VaultError;
use crate::store::Store;

/// A key and its value.
pub type Pair = (Vec<u8>, Vec<u8>);

/// All keys and values of the store in `store_dir`, in order. No vault may have it open.
pub fn pairs(store_dir: &Path) -> Result<Vec<Pair>, VaultError> {
    let store = Store::open(store_dir)?;
    let rows = store.scan(&[]).map(|row| row.map(|(key, value)| (key.to_vec(), value.to_vec())));
    Ok(rows.collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests;
