//! What comes from other devices, and how far what was made here has gone. The open editor is never overwritten: it says that the
//! note has changed, and shows the other version when asked.

use std::rc::Rc;

use client_agent::{FileTransferError, NoteStatus, NotesProgress};
use client_ui::{NoteNews, Problem};
use vault::VaultError;

use super::{Draft, Notes, Opened, Stored};
use crate::adapters::shared::spawn;
use crate::engine::Engine;
use crate::note::{MAX_NOTE, Note};
use crate::problem;

impl Notes {
    /// Looks at the notes in the vault as soon as nothing is being saved.
    pub(in crate::adapters) fn look_soon(self: &Rc<Self>) {
        if !self.is_to_look.replace(true) {
            let notes = Rc::clone(self);
            spawn(async move { notes.look().await });
        }
    }

    /// Looks at the notes in the vault: those that are new or changed are read.
    pub(in crate::adapters) async fn look(&self) {
        let _turn = self.turn.lock().await;
        self.is_to_look.set(false);
        self.look_in_turn().await;
    }

    async fn look_in_turn(&self) {
        let Some(engine) = self.shared.engine().filter(|_| self.shared.is_open()) else { return };
        let (statuses, progress) = match engine.notes().await {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(%error, "the notes are not listed");
                if self.shared.is_open() {
                    self.shared.set_problem(problem::of_agent(&error));
                }
                return;
            }
        };
        let notes: Vec<&NoteStatus> = statuses.iter().filter(|status| status.parent.is_none()).collect();
        let mut problem = Problem::None;
        for status in &notes {
            if let Err(found) = self.read(&engine, status).await {
                problem = found;
            }
            // The vault may have been closed meanwhile.
            if !self.shared.is_open() {
                return;
            }
        }
        self.stored.borrow_mut().retain(|id, _| notes.iter().any(|status| status.id == *id));
        self.count(progress);
        self.follow_the_open_one(&notes);
        self.list();
        if problem != Problem::None {
            self.shared.set_problem(problem);
        }
    }

    fn count(&self, NotesProgress { unsent, stuck, .. }: NotesProgress) {
        let count = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
        self.global(|global| {
            global.set_unsent(count(unsent));
            global.set_stuck(count(stuck));
        });
    }

    /// Reads a note, unless it is known as it is.
    async fn read(&self, engine: &Engine, status: &NoteStatus) -> Result<(), Problem> {
        let NoteStatus { id, version, state, copy_of, .. } = *status;
        if let Some(stored) = self.stored.borrow_mut().get_mut(&id).filter(|stored| stored.version == version)
        {
            (stored.state, stored.copy_of) = (state, copy_of);
            return Ok(());
        }
        if self.unreadable.borrow().get(&id) == Some(&version) {
            return Ok(());
        }
        let found = match engine.note(id, MAX_NOTE).await {
            Ok((version, bytes)) => Note::decode(&bytes).map(|note| (version, note)).map_err(|error| {
                tracing::error!(%error, "a note is not shown");
                Problem::StorageDamaged
            }),
            // Deleted since it was listed: the next look finds it gone.
            Err(FileTransferError::Agent(client_agent::AgentError::Vault(VaultError::NotFound))) => {
                return Ok(());
            }
            Err(error) => {
                tracing::error!(%error, "a note is not read");
                Err(problem::of_transfer(&error))
            }
        };
        if !self.shared.is_open() {
            return Ok(());
        }
        let (version, note) = found.inspect_err(|_| {
            self.stored.borrow_mut().remove(&id);
            self.unreadable.borrow_mut().insert(id, version);
        })?;
        self.unreadable.borrow_mut().remove(&id);
        self.stored.borrow_mut().insert(id, Stored { note, version, state, copy_of });
        Ok(())
    }

    /// The open note may be another by now, or gone, or its last edit may have become a note of its own.
    fn follow_the_open_one(&self, notes: &[&NoteStatus]) {
        let Some(Opened { id, version: Some(version) }) = self.current.get() else { return };
        let there = notes.iter().find(|status| status.id == id);
        if there.is_some_and(|status| status.version == version) {
            return;
        }
        let moved =
            notes.iter().find(|status| status.copy_of == Some(id) && status.moved_from == Some(version));
        if let Some(copy) = moved {
            let (to, opened) = (copy.id, Some(copy.version));
            self.current.set(Some(Opened { id: to, version: opened }));
            let draft = self.unsaved.borrow_mut().remove(&id);
            self.unsaved.borrow_mut().extend(draft.map(|draft| (to, Draft { opened, ..draft })));
            self.moved_to(Some(to));
        } else if there.is_none() {
            self.tell(NoteNews::Deleted);
        } else if self.news() != NoteNews::NotDeleted {
            self.tell(NoteNews::Changed);
        }
    }

    /// The open note has changed before it could be deleted: the person is to see that first.
    pub(super) async fn look_before_deleting(&self) {
        self.look_in_turn().await;
        if self.is_open() && self.news() != NoteNews::Copied {
            self.tell(NoteNews::NotDeleted);
        }
    }

    /// Shows the version of the other device, what was typed here being stored before.
    pub(super) async fn show_other(self: Rc<Self>) {
        // A failure is on the screen by now, and what was typed stays there.
        if self.flush().await.is_err() {
            return;
        }
        let Some(Opened { id, .. }) = self.current.get() else { return };
        let other = match self.news() {
            NoteNews::Copied => self.stored.borrow().get(&id).and_then(|stored| stored.copy_of),
            _ => Some(id),
        };
        if let Some(other) = other {
            self.open(other);
        }
    }
}
