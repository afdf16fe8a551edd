//! The encrypted store on the phone: key slots, sealed records and files over sled, and what an erase removes.
//!
//! When a slot may be opened, and when everything is erased, is decided in `client-core`; talking to the server is
//! `client-agent`'s part. Nothing here checks a lease or a clock: whoever has the secrets can open slots and read
//! records, which is what the security tests do with a copied home.
//!
//! | file under the home | holds |
//! |---|---|
//! | `vault/store/` | sled: sealed records, names only as HMAC |
//! | `vault/content/` | the sealed contents of files; their number and sizes can be seen, nothing else |
//! | `vault/slots/online`, `offline` | the vault key, wrapped |
//! | `vault/slots/online-next` | the vault key, wrapped for a new PIN that takes the place of the old one |
//! | `vault/slots/lease`, `lease-secret` | a durable lease, while one runs |
//! | `vault/slots/grant` | the key of the session grant, sealed under the vault key, while a lease runs |
//! | `device/secret`, `key`, `state`, `receipt` | device secret, device key (PKCS#8), enrolment state, signed receipt |
//! | `device/mark` | the number of a commit that was on the disk |
//! | `device/preferences` | language, colours, size of text; not sealed |
//! | `wipe-intent` | zeros, or the signed wipe that is being obeyed |
//! | `gone` | after an acknowledged erase: the id of the command, nothing else |

mod batch;
mod budget;
mod content;
pub mod erase;
mod error;
pub mod files;
mod format;
pub mod grant;
mod home;
mod index;
pub mod intent;
mod keys;
mod mark;
mod name;
pub mod raw;
mod records;
mod salvage;
mod slots;
mod store;
mod transfer;
#[cfg(test)]
mod world;

pub use batch::{Batch, MAX_BATCH};
pub use content::{CHUNK_LEN, FileReader, FileWriter, MAX_FILE};
pub use error::{Damage, VaultError};
pub use files::FileError;
pub use format::{Collection, FORMAT, INLINE_MAX, MAX_NAME};
pub use home::{Home, HomeError, HomeLock};
pub use records::{Entry, EntryInfo, MAX_RECORDS, Vault};
pub use salvage::{Lost, Salvaged};
pub use slots::{DurableLease, LoadSlotError, Slot, SlotError, SlotHeader, SlotKind, VaultKey};
pub use store::{LOG_DIRECTIVE, StoreError};
pub use transfer::MAX_SOURCE;
