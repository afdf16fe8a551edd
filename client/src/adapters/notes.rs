//! Notes: the list, and the open one. What is typed is stored in `notes/saving.rs`, what other devices have made of them comes in
//! `notes/coming.rs`.
//!
//! An edit is bound to the version that was opened. What is typed stays as it is whatever comes meanwhile; the screen says what has
//! become of the note.

mod coming;
mod saving;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use client_agent::NoteState;
use client_ui as ui;
use client_ui::{NoteNews, SaveState, Screen};
use jiff::Zoned;
use shared::ids::NoteId;
use slint::{Global as _, ModelRc, Timer, VecModel};

use super::documents::Documents;
use super::shared::{Shared, spawn};
use crate::note::{Note, Search, fresh_id};
use crate::times;

/// The notes in the open vault.
pub(super) struct Notes {
    shared: Rc<Shared>,
    documents: Rc<Documents>,
    stored: RefCell<BTreeMap<NoteId, Stored>>,
    /// Versions that cannot be shown, so that each is said once.
    unreadable: RefCell<BTreeMap<NoteId, u64>>,
    /// Edits that are not stored yet.
    unsaved: RefCell<BTreeMap<NoteId, Draft>>,
    current: Cell<Option<Opened>>,
    /// How often the editor was filled anew.
    edition: Cell<i32>,
    timer: Timer,
    /// A look at the vault waits for its turn: another would see nothing else.
    is_to_look: Cell<bool>,
    /// One save or look at a time, so that an older text never lands after a newer one.
    turn: tokio::sync::Mutex<()>,
}

/// A note as it is in the vault.
struct Stored {
    note: Note,
    version: u64,
    state: NoteState,
    copy_of: Option<NoteId>,
}

/// An edit, and the version of the note that it was made of; `None` of a new one.
#[derive(Clone, PartialEq)]
struct Draft {
    note: Note,
    opened: Option<u64>,
}

/// The note in the editor, and the version that is shown there; `None` of a new one.
#[derive(Clone, Copy)]
struct Opened {
    id: NoteId,
    version: Option<u64>,
}

impl Notes {
    pub(super) fn start(shared: &Rc<Shared>, documents: &Rc<Documents>) -> Rc<Self> {
        let notes = Rc::new(Self {
            shared: Rc::clone(shared),
            documents: Rc::clone(documents),
            stored: RefCell::default(),
            unreadable: RefCell::default(),
            unsaved: RefCell::default(),
            current: Cell::default(),
            edition: Cell::default(),
            timer: Timer::default(),
            is_to_look: Cell::default(),
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
        let for_other = listener(|notes, _| spawn(Rc::clone(notes).show_other()));
        self.shared.with_window(|window| {
            let global = ui::Notes::get(window);
            global.on_open(listener(|notes, id| {
                if let Ok(id) = id.parse() {
                    notes.open(id);
                }
            }));
            global.on_new(move || for_new(slint::SharedString::new()));
            global.on_edited(move |title, body| {
                if let Some(notes) = for_edited.upgrade() {
                    notes.edited(&title, &body);
                }
            });
            global.on_delete(listener(|notes, _| spawn(Rc::clone(notes).delete())));
            global.on_show_other(move || for_other(slint::SharedString::new()));
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

    /// The vault was closed: nothing of it stays on the screen or here, but what could not be stored.
    pub(super) fn clear(&self) {
        self.timer.stop();
        self.stored.borrow_mut().clear();
        self.unreadable.borrow_mut().clear();
        self.leave();
        self.tell(NoteNews::None);
        self.global(|global| {
            global.set_search("".into());
            global.set_unsent(0);
            global.set_stuck(0);
        });
        self.set_rows(Vec::new());
    }

    /// The data is being erased: nothing is to be stored any more.
    pub(super) fn forget(&self) {
        self.unsaved.borrow_mut().clear();
    }

    /// The note is not shown any more. What has happened to it is no news then; what happens to its last edit still is.
    pub(super) fn leave(&self) {
        if self.current.take().is_some() {
            self.tell(NoteNews::None);
            self.global(|global| global.set_current(ui::NoteText::default()));
        }
    }

    fn tell(&self, news: NoteNews) {
        self.global(|global| global.set_news(news));
    }

    fn news(&self) -> NoteNews {
        let mut news = NoteNews::None;
        self.global(|global| news = global.get_news());
        news
    }

    /// Lists what matches the search, newest first; the documents as well.
    pub(super) fn list(&self) {
        let mut text = slint::SharedString::new();
        self.global(|global| text = global.get_search());
        let (search, now) = (Search::new(&text), Zoned::now());
        let (stored, unsaved) = (self.stored.borrow(), self.unsaved.borrow());
        let kept = stored.iter().filter(|(id, _)| !unsaved.contains_key(*id));
        let kept = kept.map(|(id, stored)| (id, &stored.note, stored.state, stored.copy_of.is_some()));
        let typed = unsaved.iter().map(|(id, draft)| (id, &draft.note, NoteState::Unsent, false));
        let mut found: Vec<_> = kept.chain(typed).filter(|(_, note, ..)| note.matches(&search)).collect();
        found.sort_by_key(|(_, note, ..)| std::cmp::Reverse(note.changed));
        let row = |(id, note, state, copy): (&NoteId, &Note, NoteState, bool)| ui::NoteRow {
            id: id.to_string().into(),
            title: note.title.as_str().into(),
            preview: note.preview().into(),
            changed: times::changed(note.changed, &now).into(),
            state: shown(state),
            copy,
        };
        self.set_rows(found.into_iter().map(row).collect());
        self.documents.list(&search);
    }

    fn set_rows(&self, rows: Vec<ui::NoteRow>) {
        let rows = ModelRc::new(VecModel::from(rows));
        self.global(|global| global.set_rows(rows));
    }

    /// What is typed, or else what is stored, and the version that it is of.
    fn find(&self, id: NoteId) -> Option<(Note, Option<u64>)> {
        let typed = self.unsaved.borrow().get(&id).map(|draft| (draft.note.clone(), draft.opened));
        typed.or_else(|| {
            self.stored.borrow().get(&id).map(|stored| (stored.note.clone(), Some(stored.version)))
        })
    }

    fn open(self: &Rc<Self>, id: NoteId) {
        let Some((note, version)) = self.find(id) else { return };
        self.show(Opened { id, version }, &note.title, &note.body);
    }

    fn begin(self: &Rc<Self>) {
        self.show(Opened { id: fresh_id(), version: None }, "", "");
    }

    fn show(self: &Rc<Self>, opened: Opened, title: &str, body: &str) {
        self.current.set(Some(opened));
        self.edition.set(self.edition.get().wrapping_add(1));
        let is_unsaved = self.unsaved.borrow().contains_key(&opened.id);
        self.tell(NoteNews::None);
        self.name_current(opened.id, title, body);
        self.global(|global| {
            global.set_saved(if is_unsaved { SaveState::Unsaved } else { SaveState::Saved });
            global.set_edition(self.edition.get());
        });
        self.shared.show(Screen::Note);
    }

    fn name_current(&self, id: NoteId, title: &str, body: &str) {
        let current = ui::NoteText { id: id.to_string().into(), title: title.into(), body: body.into() };
        self.global(|global| global.set_current(current));
    }
}

fn shown(state: NoteState) -> ui::NoteState {
    match state {
        NoteState::Sent => ui::NoteState::Sent,
        NoteState::Unsent => ui::NoteState::Unsent,
        NoteState::TooLarge => ui::NoteState::TooLarge,
        NoteState::Full => ui::NoteState::Full,
        NoteState::Refused => ui::NoteState::Refused,
        NoteState::Unreadable => ui::NoteState::Unreadable,
    }
}
