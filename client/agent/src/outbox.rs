//! Notes and photos: how those that were made here go up, and those of the account's other devices come. What is to be done next
//! decides `client_core::outbox`; this drives it over a connection ([`sync`]) and the vault ([`Desk`]).
//!
//! Notes are files of the vault (`notes/…`, see [`NoteName`]), written by whoever edits them. In the collection *outbox* stand
//!
//! | name | |
//! |---|---|
//! | `<id>` | CBOR of [`client_core::outbox::Record`]: what the server has of the note, and what it may have |
//! | `cursor` | CBOR of [`client_core::outbox::Cursor`]: up to which change everything of the server is here |

mod desk;
mod edit;
mod pass;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use client_core::outbox::{self, Counts, FOLDER, Local};
use serde::{Deserialize, Serialize};
use shared::ids::NoteId;
use vault::{Collection, VaultError};

use crate::agent::Agent;
use crate::content::{ContentWork, Opening};
use crate::error::AgentError;

pub(crate) use desk::Desk;
pub use edit::SavedNote;
pub(crate) use pass::sync;

/// How many notes and photos there are, and how many of them wait.
pub type NotesProgress = Counts;

/// A note is sent once nothing was written for so long: an app that saves while somebody types is not to make a revision of each
/// word.
const QUIET: Duration = Duration::from_millis(1_500);
/// Who never pauses is sent after so long.
const WITHOUT_A_PAUSE: Duration = Duration::from_secs(20);

/// Whether the server has a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoteState {
    /// It has.
    Sent,
    /// It has not, or not yet said so.
    Unsent,
    /// It does not take it: larger than a note may be there. The note stays here.
    TooLarge,
    /// It does not take it: its room for this account is used up. The note stays here.
    Full,
    /// It does not take it as it is. The note stays here.
    Refused,
    /// It cannot be read here, and so not be sent.
    Unreadable,
}

/// A note or photo in the vault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoteStatus {
    /// Which.
    pub id: NoteId,
    /// The note that a photo belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<NoteId>,
    /// Its file in the vault.
    pub name: String,
    /// The version of that file.
    pub version: u64,
    /// Whether the server has it as it is.
    pub state: NoteState,
    /// The note that this was an edit of when another device had edited it as well: a conflict copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy_of: Option<NoteId>,
    /// The version of that note which this one holds as it was: whoever had it open has this one open now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved_from: Option<u64>,
}

/// When notes were last written.
#[derive(Default)]
pub(crate) struct Edits(Option<(Instant, Instant)>);

impl Edits {
    /// Something was written: since when without a pause, and now.
    fn written(&mut self, now: Instant) {
        let first = match self.0 {
            Some((first, last)) if now.duration_since(last) < QUIET => first,
            _ => now,
        };
        self.0 = Some((first, now));
    }

    /// How long to wait before what was written is sent.
    fn pause(&self, now: Instant) -> Duration {
        let Some((first, last)) = self.0 else { return Duration::ZERO };
        let quiet = (last + QUIET).saturating_duration_since(now);
        quiet.min((first + WITHOUT_A_PAUSE).saturating_duration_since(now))
    }
}

impl ContentWork {
    /// A file of the vault was written or removed.
    pub(crate) fn file_changed(&self, name: &str) {
        if name.starts_with(FOLDER) {
            self.edits().written(Instant::now());
            self.notes.notify_one();
        }
    }
}

impl Agent {
    /// Has notes looked for now, here and at the server.
    pub fn look_for_notes(&self) {
        self.content.notes.notify_one();
    }

    /// The notes and photos in the vault, and whether the server has them. Blocking: what was written since is read once.
    pub fn notes(&self) -> Result<Vec<NoteStatus>, AgentError> {
        self.with_notes(|desk| {
            desk.hash_all(self)?;
            Ok(desk.locals().iter().map(|local| status(desk, local)).collect())
        })
    }

    /// How many notes and photos there are, and how many of them wait. Blocking.
    pub fn notes_progress(&self) -> Result<NotesProgress, AgentError> {
        self.with_notes(|desk| {
            desk.hash_all(self)?;
            Ok(desk.machine().counts())
        })
    }

    /// Does something with what is known of notes in this opening of the vault; read from it at the first time. One at a time.
    /// Blocking.
    pub(crate) fn with_notes<T>(
        &self,
        act: impl FnOnce(&mut Desk) -> Result<T, AgentError>,
    ) -> Result<T, AgentError> {
        let opening = self.content.opening();
        let done = {
            let mut kept = self.content.notes_desk();
            // A vault that is closed shows nothing, known or not.
            self.with_vault(|_| Ok(()))?;
            self.at_the_desk(&mut kept, opening, act)
        };
        // Who closes the vault does not wait for whoever is at the desk: it is cleared when they leave.
        if self.content.opening() != opening {
            *self.content.notes_desk() = None;
        }
        done
    }

    fn at_the_desk<T>(
        &self,
        kept: &mut Option<(Opening, Desk)>,
        opening: Opening,
        act: impl FnOnce(&mut Desk) -> Result<T, AgentError>,
    ) -> Result<T, AgentError> {
        let desk = match kept {
            Some((of, desk)) if *of == opening => desk,
            other => &mut other.insert((opening, Desk::load(self)?)).1,
        };
        desk.look(self)?;
        act(desk)
    }
}

fn status(desk: &Desk, local: &Local) -> NoteStatus {
    let Local { name, version, .. } = *local;
    let (standing, copy_of) = desk.machine().standing(name.id);
    let state = match standing {
        outbox::Standing::Sent => NoteState::Sent,
        outbox::Standing::Unsent => NoteState::Unsent,
        outbox::Standing::Stuck(outbox::Problem::TooLarge) => NoteState::TooLarge,
        outbox::Standing::Stuck(outbox::Problem::Full) => NoteState::Full,
        outbox::Standing::Stuck(outbox::Problem::Unreadable) => NoteState::Unreadable,
        outbox::Standing::Stuck(outbox::Problem::Refused | outbox::Problem::Unknown) => NoteState::Refused,
    };
    let moved_from = desk.moved_from(name.id, version);
    NoteStatus {
        id: name.id,
        parent: name.parent,
        name: name.to_string(),
        version,
        state,
        copy_of,
        moved_from,
    }
}

/// What is done to a record of a note in the vault.
fn record_name(id: NoteId) -> String {
    id.to_string()
}

const RECORDS: Collection = Collection::Outbox;
const FILES: Collection = Collection::Files;

/// What a step that met another version of a file ends with: it is decided anew.
fn unless_changed<T>(done: Result<T, AgentError>) -> Result<Option<T>, AgentError> {
    match done {
        Ok(done) => Ok(Some(done)),
        Err(AgentError::Vault(VaultError::Changed | VaultError::NotFound)) => Ok(None),
        Err(error) => Err(error),
    }
}
