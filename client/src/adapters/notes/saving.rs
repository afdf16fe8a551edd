//! What is typed is stored.
//!
//! An edit is stored at most [`SAVE_AFTER`] after it, and at once on leaving, locking and closing. What could not be stored,
//! because the disk is full or the vault was closed from outside, is kept until it can, and said so meanwhile. Only an erase
//! drops it. An edit of a note that has changed meanwhile is kept as a note of its own.

use std::rc::Rc;
use std::time::Duration;

use client_agent::{NoteState, SavedNote};
use client_ui::{NoteNews, Problem, SaveState, Screen};
use jiff::Timestamp;
use shared::ids::NoteId;
use slint::TimerMode;

use super::{Draft, Notes, Opened, Stored};
use crate::adapters::shared::spawn;
use crate::note::Note;
use crate::problem;

/// How long an edit waits for the next one, so that not every letter is a write.
const SAVE_AFTER: Duration = Duration::from_millis(700);
/// After this, a save that failed is tried again by itself.
const RETRY_AFTER: Duration = Duration::from_secs(5);

impl Notes {
    fn set_saved(&self, id: NoteId, saved: SaveState) {
        if self.current.get().is_some_and(|current| current.id == id) {
            self.global(|global| global.set_saved(saved));
        }
    }

    pub(super) fn edited(self: &Rc<Self>, title: &str, body: &str) {
        let Some(Opened { id, version }) = self.current.get() else { return };
        let known = self.find(id);
        let is_known = known.as_ref().is_some_and(|(note, _)| *note.title == title && *note.body == body);
        if is_known || (known.is_none() && title.is_empty() && body.is_empty()) {
            return;
        }
        let draft = Draft { note: Note::edited(title, body, Timestamp::now()), opened: version };
        self.unsaved.borrow_mut().insert(id, draft);
        self.set_saved(id, SaveState::Unsaved);
        self.save_after(SAVE_AFTER);
    }

    /// Arms the timer, unless it runs: who types without a pause is saved as well.
    fn save_after(self: &Rc<Self>, delay: Duration) {
        if self.timer.running() && self.timer.interval() <= delay {
            return;
        }
        let notes = Rc::downgrade(self);
        self.timer.start(TimerMode::SingleShot, delay, move || {
            if let Some(notes) = notes.upgrade() {
                // A failure is on the screen by now.
                spawn(async move {
                    let _: Result<(), Problem> = notes.save().await;
                });
            }
        });
    }

    /// Begins to store everything typed up to now.
    pub(in crate::adapters) fn save_now(self: &Rc<Self>) {
        let notes = Rc::clone(self);
        spawn(async move {
            // A failure is on the screen by now.
            let _: Result<(), Problem> = notes.flush().await;
        });
    }

    /// Stores everything typed up to now, and what is typed meanwhile.
    pub(in crate::adapters) async fn flush(self: &Rc<Self>) -> Result<(), Problem> {
        while self.has_unsaved() {
            self.save().await?;
        }
        Ok(())
    }

    /// Stores everything typed up to now. What is typed meanwhile has its own turn.
    async fn save(self: &Rc<Self>) -> Result<(), Problem> {
        let _turn = self.turn.lock().await;
        let unsaved = self.unsaved.borrow().clone();
        for (id, draft) in unsaved {
            self.set_saved(id, SaveState::Saving);
            match self.store(id, &draft).await {
                Ok(saved) => self.stored_as(id, draft, saved),
                Err(problem) => {
                    // In a vault that was closed meanwhile, it waits for the next opening.
                    if self.shared.is_open() {
                        self.set_saved(id, SaveState::Failed);
                        self.shared.set_problem(problem);
                        self.save_after(RETRY_AFTER);
                    }
                    return Err(problem);
                }
            }
        }
        if self.shared.is_open() {
            self.list();
            // Where it stands now, the agent knows.
            self.look_soon();
        }
        Ok(())
    }

    async fn store(&self, id: NoteId, draft: &Draft) -> Result<SavedNote, Problem> {
        let engine = self.shared.engine().ok_or(Problem::NotAllowed)?;
        let bytes = draft.note.encode().ok_or(Problem::Unknown)?;
        engine.save_note(id, draft.opened, bytes).await.map_err(|error| {
            tracing::warn!(%error, "a note is not stored");
            problem::of_transfer(&error.into())
        })
    }

    /// From here on the editor is bound to what was stored, be it in another note.
    fn stored_as(&self, id: NoteId, draft: Draft, saved: SavedNote) {
        let typed_meanwhile = self.unsaved.borrow_mut().remove(&id).filter(|newest| *newest != draft);
        let is_newest = typed_meanwhile.is_none();
        if let Some(newer) = typed_meanwhile {
            self.unsaved.borrow_mut().insert(saved.id, Draft { opened: Some(saved.version), ..newer });
        }
        let is_current = self.current.get().is_some_and(|current| current.id == id);
        if is_current {
            self.current.set(Some(Opened { id: saved.id, version: Some(saved.version) }));
        }
        let became_another = saved.id != id;
        if became_another {
            self.moved_to(is_current.then_some(saved.id));
        } else if is_current && self.news() != NoteNews::Copied {
            // It is there again if another device had deleted it.
            self.tell(NoteNews::None);
        }
        self.set_saved(saved.id, if is_newest { SaveState::Saved } else { SaveState::Unsaved });
        // A list of a vault that was closed meanwhile stays empty.
        if self.shared.is_open() {
            let copy_of = if became_another {
                Some(id)
            } else {
                self.stored.borrow().get(&id).and_then(|stored| stored.copy_of)
            };
            let Draft { note, .. } = draft;
            let stored = Stored { note, version: saved.version, state: NoteState::Unsent, copy_of };
            self.stored.borrow_mut().insert(saved.id, stored);
        }
    }

    /// An edit is a note of its own by now, which is the open one if it was.
    pub(super) fn moved_to(&self, open: Option<NoteId>) {
        if let Some(id) = open {
            self.global(|global| {
                let current = global.get_current();
                global.set_current(client_ui::NoteText { id: id.to_string().into(), ..current });
            });
        }
        if open.is_some() || !self.is_open() {
            self.tell(NoteNews::Copied);
        }
    }

    /// Deletes the open note, unless it has changed since it was opened.
    pub(super) async fn delete(self: Rc<Self>) {
        let _turn = self.turn.lock().await;
        let Some(engine) = self.shared.engine() else { return };
        let Some(Opened { id, version }) = self.current.get() else { return };
        // A new note that was never stored is not there.
        let deleted = match version {
            Some(version) => engine.delete_note(id, version).await,
            None => Ok(true),
        };
        match deleted {
            Ok(true) => {}
            Ok(false) => return self.look_before_deleting().await,
            Err(error) => {
                tracing::warn!(%error, "a note is not deleted");
                return self.shared.set_problem(problem::of_agent(&error));
            }
        }
        self.unsaved.borrow_mut().remove(&id);
        self.stored.borrow_mut().remove(&id);
        if self.shared.is_open() {
            self.shared.show(Screen::Home);
            self.leave();
            self.list();
            self.look_soon();
        }
    }
}
