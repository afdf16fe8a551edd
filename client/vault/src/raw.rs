//! The store as it stands, sealed: for readers of the format that do not read sled, and for tests that compare bytes. And the
//! decoders of what is in it, for the fuzz targets.

use crate::budget::SealBudget;
use crate::content::ContentRecord;
use crate::error::VaultError;
use crate::format::{Header, split_record};
use crate::home::Home;
use crate::index::{self, Root};
use crate::mark::Marked;
use crate::store::Store;

/// A key and its value.
pub type Pair = (Vec<u8>, Vec<u8>);

/// All keys and values of the store of `home`, in order. No vault may have it open.
pub fn pairs(home: &Home) -> Result<Vec<Pair>, VaultError> {
    let store = Store::open(&home.store_dir())?;
    let rows = store.scan(&[]).map(|row| row.map(|(key, value)| (key.to_vec(), value.to_vec())));
    Ok(rows.collect::<Result<_, _>>()?)
}

/// What the vault decodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// In clear.
    Header,
    /// In clear.
    Seals,
    /// In clear, outside the vault's folder.
    Mark,
    /// Opened.
    Root,
    /// A piece of the index, opened.
    Piece,
    /// A record with its trailer, opened.
    Record,
    /// What a record says of a content.
    Content,
}

impl Part {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Header, Self::Seals, Self::Mark, Self::Root, Self::Piece, Self::Record, Self::Content];

    /// In the words of the format.
    pub fn name(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Seals => "count of seals",
            Self::Mark => "mark",
            Self::Root => "root",
            Self::Piece => "piece",
            Self::Record => "record",
            Self::Content => "content",
        }
    }

    /// Reads bytes as this part, and writes what was read; `None` where they are none.
    pub fn rewritten(self, bytes: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Header => Header::parse(bytes).ok().map(|header| header.to_bytes().to_vec()),
            Self::Seals => SealBudget::parse(bytes).map(|budget| budget.to_bytes().to_vec()),
            Self::Mark => Marked::parse(bytes).map(|marked| marked.to_bytes().to_vec()),
            Self::Root => Root::decode(bytes).ok().map(|root| root.encode()),
            Self::Piece => index::rewritten_piece(bytes),
            Self::Record => split_record(bytes).map(|(value, trailer)| trailer.append_to(value).to_vec()),
            Self::Content => ContentRecord::parse(bytes).map(|record| record.to_bytes().to_vec()),
        }
    }
}

#[cfg(test)]
mod tests;
