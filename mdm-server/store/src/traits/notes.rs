//! Reading notes.

use mdm_core::change::Stored;
use mdm_core::note::{Note, Shelf};
use shared::ids::{AccountId, NoteId};

use super::Read;

/// Notes and photos, each of one account: the same id of two accounts names two notes.
pub trait Notes: Send + Sync {
    /// The note with this id, deleted or not.
    fn note(&self, account: AccountId, id: NoteId) -> Read<'_, Option<Stored<Note>>>;

    /// What an account's notes are together; `None` before its first one.
    fn shelf(&self, account: AccountId) -> Read<'_, Option<Stored<Shelf>>>;

    /// A page of an account's notes that changed after the change of that number, in the order of their changes.
    fn notes_changed(&self, account: AccountId, after: u64, limit: usize) -> Read<'_, Vec<Stored<Note>>>;

    /// A page of all notes, by account, then id.
    fn notes(&self, after: Option<(AccountId, NoteId)>, limit: usize) -> Read<'_, Vec<Stored<Note>>>;
}
