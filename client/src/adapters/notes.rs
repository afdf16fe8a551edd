//! Notes: the list, the open one, and its saving while it is typed.
//!
//! An edit is stored at most [`SAVE_AFTER`] after it, and at once on leaving, locking and closing. What could not be stored,
//! because the disk is full or the vault was closed from outside, is kept until it can, and said so meanwhile. Only an erase
//! drops it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use client_ui as ui;
use client_ui::{Problem, SaveState, Screen};
use jiff::{Timestamp, Zoned};
use slint::{Global as _, ModelRc, Timer, TimerMode, VecModel};
use vault::{EntryInfo, VaultError};

use super::documents::Documents;
use super::shared::{Shared, spawn};
use crate::engine::Engine;
use crate::note::{MAX_NOTE, Note, NoteId, Search};
use crate::{problem, times};

/// How long an edit waits for the next one, so that not every letter is a write.
const SAVE_AFTER: Duration = Duration::from_millis(700);
/// After this, a save that failed is tried again by itself.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The notes in the open vault.
pub(super) struct Notes {
    shared: Rc<Shared>,
    documents: Rc<Documents>,
    stored: RefCell<BTreeMap<NoteId, Note>>,
    /// Edits that are not stored yet.
    unsaved: RefCell<BTreeMap<NoteId, Note>>,
    current: Cell<Option<NoteId>>,
    timer: Timer,
    /// One save at a time, so that an older text never lands after a newer one.
    turn: tokio::sync::Mutex<()>,
}

impl Notes {
    pub(super) fn start(shared: &Rc<Shared>, documents: &Rc<Documents>) -> Rc<Self> {
        let notes = Rc::new(Self {
            shared: Rc::clone(shared),
            documents: Rc::clone(documents),
            stored: RefCell::default(),
            unsaved: RefCell::default(),
            current: Cell::default(),
            timer: Timer::default(),
            turn: tokio::sync::Mutex::default(),
        });
        notes.answer_callbacks();
        notes
    }

    fn answer_callbacks(self: &Rc<Self>) {
        let listener = |act: fn(&Rc<Self>, &str)| {
            let notes = Rc::downgrade(self);
            move |text: slint::SharedString| {
                if let Some(notes) = notes.upgrade() {
                    act(&notes, &text);
                }
            }
        };
        let (for_new, for_edited) = (listener(|notes, _| notes.begin()), Rc::downgrade(self));
        self.shared.with_window(|window| {
            let global = ui::Notes::get(window);
            global.on_open(listener(|notes, id| notes.open(id)));
            global.on_new(move || for_new(slint::SharedString::new()));
            global.on_edited(move |title, body| {
                if let Some(notes) = for_edited.upgrade() {
                    notes.edited(&title, &body);
                }
            });
            global.on_delete(listener(|notes, id| {
                if let Some(id) = NoteId::parse(id) {
                    spawn(Rc::clone(notes).delete(id));
                }
            }));
            global.on_search_changed(listener(|notes, _| notes.list()));
        });
    }

    fn global(&self, act: impl FnOnce(ui::Notes<'_>)) {
        self.shared.with_window(|window| act(ui::Notes::get(window)));
    }

    /// Whether a note is there to be shown.
    pub(super) fn is_open(&self) -> bool {
        self.current.get().is_some()
    }

    /// Whether something typed is not stored.
    pub(super) fn has_unsaved(&self) -> bool {
        !self.unsaved.borrow().is_empty()
    }

    /// The vault was opened, and has these files.
    pub(super) async fn load(&self, engine: &Engine, files: &[EntryInfo]) {
        let mut outcome = Problem::None;
        for file in files {
            let Some(id) = NoteId::of_file(&file.name) else { continue };
            let read = engine.read(file, MAX_NOTE).await;
            if !self.shared.is_open() {
                return;
            }
            match read {
                Ok(bytes) => match Note::decode(&bytes) {
                    Ok(note) => drop(self.stored.borrow_mut().insert(id, note)),
                    Err(error) => {
                        tracing::error!(%error, "a note is not shown");
                        outcome = Problem::StorageDamaged;
                    }
                },
                Err(error) => {
                    tracing::error!(%error, "a note is not read");
                    outcome = problem::of_transfer(&error);
                }
            }
        }
        self.list();
        if outcome != Problem::None {
            self.shared.set_problem(outcome);
        }
    }

    /// The vault was closed: nothing of it stays on the screen or here, but what could not be stored.
    pub(super) fn clear(&self) {
        self.timer.stop();
        self.stored.borrow_mut().clear();
        self.leave();
        self.global(|global| global.set_search("".into()));
        self.set_rows(Vec::new());
    }

    /// The data is being erased: nothing is to be stored any more.
    pub(super) fn forget(&self) {
        self.unsaved.borrow_mut().clear();
    }

    /// The note is not shown any more.
    pub(super) fn leave(&self) {
        if self.current.take().is_some() {
            self.global(|global| global.set_current(ui::NoteText::default()));
        }
    }

    /// Lists what matches the search, newest first; the documents as well.
    pub(super) fn list(&self) {
        let mut text = slint::SharedString::new();
        self.global(|global| text = global.get_search());
        let (search, now) = (Search::new(&text), Zoned::now());
        let (stored, unsaved) = (self.stored.borrow(), self.unsaved.borrow());
        let kept = stored.iter().filter(|(id, _)| !unsaved.contains_key(*id));
        let mut found: Vec<_> =
            kept.chain(unsaved.iter()).filter(|(_, note)| note.matches(&search)).collect();
        found.sort_by_key(|(_, note)| std::cmp::Reverse(note.changed));
        let row = |(id, note): (&NoteId, &Note)| ui::NoteRow {
            id: id.to_text().into(),
            title: note.title.as_str().into(),
            preview: note.preview().into(),
            changed: times::changed(note.changed, &now).into(),
        };
        self.set_rows(found.into_iter().map(row).collect());
        self.documents.list(&search);
    }

    fn set_rows(&self, rows: Vec<ui::NoteRow>) {
        let rows = ModelRc::new(VecModel::from(rows));
        self.global(|global| global.set_rows(rows));
    }

    fn set_saved(&self, id: NoteId, saved: SaveState) {
        if self.current.get() == Some(id) {
            self.global(|global| global.set_saved(saved));
        }
    }

    fn find(&self, id: NoteId) -> Option<Note> {
        let unsaved = self.unsaved.borrow().get(&id).cloned();
        unsaved.or_else(|| self.stored.borrow().get(&id).cloned())
    }

    fn open(self: &Rc<Self>, id: &str) {
        let Some((id, note)) = NoteId::parse(id).and_then(|id| Some((id, self.find(id)?))) else { return };
        self.show(id, &note.title, &note.body);
    }

    fn begin(self: &Rc<Self>) {
        self.show(NoteId::make(), "", "");
    }

    fn show(self: &Rc<Self>, id: NoteId, title: &str, body: &str) {
        self.current.set(Some(id));
        let saved =
            if self.unsaved.borrow().contains_key(&id) { SaveState::Unsaved } else { SaveState::Saved };
        self.global(|global| {
            global.set_saved(saved);
            global.set_current(ui::NoteText {
                id: id.to_text().into(),
                title: title.into(),
                body: body.into(),
            });
        });
        self.shared.show(Screen::Note);
    }

    fn edited(self: &Rc<Self>, title: &str, body: &str) {
        let Some(id) = self.current.get() else { return };
        let known = self.find(id);
        let is_known = known.as_ref().is_some_and(|note| *note.title == title && *note.body == body);
        if is_known || (known.is_none() && title.is_empty() && body.is_empty()) {
            return;
        }
        self.unsaved.borrow_mut().insert(id, Note::edited(title, body, Timestamp::now()));
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
    pub(super) fn save_now(self: &Rc<Self>) {
        let notes = Rc::clone(self);
        spawn(async move {
            // A failure is on the screen by now.
            let _: Result<(), Problem> = notes.flush().await;
        });
    }

    /// Stores everything typed up to now, and what is typed meanwhile.
    pub(super) async fn flush(self: &Rc<Self>) -> Result<(), Problem> {
        while self.has_unsaved() {
            self.save().await?;
        }
        Ok(())
    }

    /// Stores everything typed up to now. What is typed meanwhile has its own turn.
    async fn save(self: &Rc<Self>) -> Result<(), Problem> {
        let _turn = self.turn.lock().await;
        let unsaved = self.unsaved.borrow().clone();
        for (id, note) in unsaved {
            self.set_saved(id, SaveState::Saving);
            if let Err(problem) = self.store(id, &note).await {
                // In a vault that was closed meanwhile, it waits for the next opening.
                if !self.shared.is_open() {
                    return Err(problem);
                }
                self.set_saved(id, SaveState::Failed);
                self.shared.set_problem(problem);
                self.save_after(RETRY_AFTER);
                return Err(problem);
            }
            let is_newest = self.unsaved.borrow().get(&id) == Some(&note);
            if is_newest {
                self.unsaved.borrow_mut().remove(&id);
            }
            self.set_saved(id, if is_newest { SaveState::Saved } else { SaveState::Unsaved });
            // A list of a vault that was closed meanwhile stays empty.
            if self.shared.is_open() {
                self.stored.borrow_mut().insert(id, note);
            }
        }
        if self.shared.is_open() {
            self.list();
        }
        Ok(())
    }

    async fn store(&self, id: NoteId, note: &Note) -> Result<(), Problem> {
        let engine = self.shared.engine().ok_or(Problem::NotAllowed)?;
        let bytes = note.encode().ok_or(Problem::Unknown)?;
        engine.write(id.file(), bytes).await.map(drop).map_err(|error| {
            tracing::warn!(%error, "a note is not stored");
            problem::of_transfer(&error)
        })
    }

    async fn delete(self: Rc<Self>, id: NoteId) {
        let _turn = self.turn.lock().await;
        let Some(engine) = self.shared.engine() else { return };
        match engine.delete(id.file()).await {
            // A new note that was never stored is not there.
            Ok(()) | Err(client_agent::AgentError::Vault(VaultError::NotFound)) => {}
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
        }
    }
}
