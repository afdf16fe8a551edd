//! Documents of the organisation: the list with its folders, what is still coming, and which one is read.

mod reader;

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::rc::Rc;

use client_agent::{Document, DocumentState};
use client_ui as ui;
use client_ui::{Problem, Screen};
use jiff::Zoned;
use shared::ids::DocumentId;
use slint::{Global as _, ModelRc, VecModel};

use self::reader::Reader;
use super::shared::{Shared, spawn};
use crate::note::Search;
use crate::viewer::Viewer;
use crate::{problem, times};

/// The documents that this person may read, while the vault is open.
pub(super) struct Documents {
    shared: Rc<Shared>,
    known: RefCell<Vec<Document>>,
    reader: Reader,
    /// They are being read from the vault.
    loading: Cell<bool>,
    /// Something came or went meanwhile.
    outdated: Cell<bool>,
}

impl Documents {
    pub(super) fn start(shared: &Rc<Shared>, viewer: Viewer) -> Rc<Self> {
        let documents = Rc::new(Self {
            shared: Rc::clone(shared),
            known: RefCell::default(),
            reader: Reader::new(shared, viewer),
            loading: Cell::default(),
            outdated: Cell::default(),
        });
        let (listener, turner, rotator) =
            (Rc::downgrade(&documents), Rc::downgrade(&documents), Rc::downgrade(&documents));
        shared.with_window(|window| {
            ui::Documents::get(window).on_open(move |id| {
                if let (Some(documents), Ok(id)) = (listener.upgrade(), id.parse()) {
                    spawn(documents.open(id));
                }
            });
            let viewer = ui::Viewer::get(window);
            viewer.on_turn_to(move |page| {
                let page = page.checked_sub(1).and_then(|page| u32::try_from(page).ok());
                if let (Some(documents), Some(page)) = (turner.upgrade(), page) {
                    spawn(documents.turn_to(page));
                }
            });
            viewer.on_rotate(move || {
                if let Some(documents) = rotator.upgrade() {
                    documents.reader.rotate();
                }
            });
        });
        documents
    }

    /// Whether a document is there to be shown.
    pub(super) fn is_open(&self) -> bool {
        self.reader.is_open()
    }

    /// Something came or went, or the vault was opened: reads what is known of them, and lists it.
    pub(super) async fn look(&self) {
        self.outdated.set(true);
        if self.loading.replace(true) {
            return;
        }
        while self.outdated.replace(false) {
            let Some(engine) = self.shared.engine().filter(|_| self.shared.is_open()) else { break };
            let found = engine.documents().await;
            // The vault may have been closed meanwhile.
            if !self.shared.is_open() {
                break;
            }
            match found {
                Ok(documents) => {
                    *self.known.borrow_mut() = documents;
                    self.list(&self.searched());
                }
                Err(error) => {
                    tracing::warn!(%error, "the documents are not known");
                    self.shared.set_problem(problem::of_agent(&error));
                }
            }
        }
        self.loading.set(false);
    }

    fn searched(&self) -> Search {
        let text = self.shared.with_window(|window| ui::Notes::get(window).get_search());
        Search::new(&text.unwrap_or_default())
    }

    /// The vault was closed: nothing of it stays on the screen.
    pub(super) fn clear(&self) {
        self.known.borrow_mut().clear();
        self.leave();
        self.list(&Search::new(""));
    }

    /// The document is not shown any more.
    pub(super) fn leave(&self) {
        self.reader.leave();
    }

    /// Lists what matches: notices, the newest first, then documents, folder by folder.
    pub(super) fn list(&self, search: &Search) {
        let now = Zoned::now();
        let known = self.known.borrow();
        let is_there = |document: &&Document| matches!(document.state, DocumentState::There { .. });
        let coming = known.len() - known.iter().filter(is_there).count();
        let is_unread = |document: &&Document| document.notice.is_some_and(|notice| !notice.is_read);
        let unread = known.iter().filter(is_unread).count();
        let mut found: Vec<&Document> = known
            .iter()
            .filter(|document| search.is_in(&document.title) || search.is_in(&document.folder))
            .collect();
        // Stable: documents stay in their order.
        found.sort_by_key(|document| document.notice.map(|notice| Reverse(notice.published_at)).ok_or(()));
        let rows: Vec<_> = std::iter::once(None)
            .chain(found.iter().copied().map(Some))
            .zip(&found)
            .map(|(before, document)| {
                let section = begun_by(document, before);
                ui::DocumentRow { heading: document.folder.as_str().into(), section, ..row(document, &now) }
            })
            .collect();
        let coming = i32::try_from(coming).unwrap_or(i32::MAX);
        let unread = i32::try_from(unread).unwrap_or(i32::MAX);
        drop(known);
        self.shared.with_window(|window| {
            let global = ui::Documents::get(window);
            global.set_rows(ModelRc::new(VecModel::from(rows)));
            global.set_coming(coming);
            global.set_unread(unread);
        });
    }

    fn set_current(&self, text: ui::DocumentText) {
        self.shared.with_window(|window| ui::Documents::get(window).set_current(text));
    }

    async fn open(self: Rc<Self>, id: DocumentId) {
        let found = self.known.borrow().iter().find(|document| document.id == id).cloned();
        let (Some(document), Some(engine)) = (found, self.shared.engine()) else { return };
        let DocumentState::There { since } = document.state else {
            return self.shared.set_problem(Problem::DocumentComing);
        };
        let current = ui::DocumentText {
            id: id.to_string().into(),
            title: document.title.as_str().into(),
            body: slint::SharedString::new(),
            changed: times::changed(
                document.notice.map_or(since, |notice| notice.published_at),
                &Zoned::now(),
            )
            .into(),
        };
        self.shared.set_problem(Problem::None);
        self.set_current(current);
        match self.reader.page(&engine, &document, 0).await {
            Ok(true) => {}
            // Another one was opened meanwhile, or the vault closed.
            Ok(false) => return,
            Err(problem) => {
                self.reader.leave();
                return self.shared.set_problem(problem);
            }
        }
        self.shared.show(Screen::Document);
        if document.notice.is_some_and(|notice| !notice.is_read) {
            match engine.mark_read(id).await {
                Ok(()) => self.look().await,
                // It is shown as unread again, which is true of it.
                Err(error) => tracing::warn!(%error, "that a notice was read is not kept"),
            }
        }
    }
}

impl Documents {
    async fn turn_to(self: Rc<Self>, page: u32) {
        let (Some(document), Some(engine)) = (self.reader.document(), self.shared.engine()) else { return };
        if let Err(problem) = self.reader.page(&engine, &document, page).await {
            self.shared.set_problem(problem);
        }
    }
}

/// What begins with a row that follows another one.
fn begun_by(document: &Document, before: Option<&Document>) -> ui::Section {
    let is_notice = |document: &Document| document.notice.is_some();
    match (is_notice(document), before) {
        (true, None) => ui::Section::Notices,
        (true, Some(_)) => ui::Section::None,
        (false, Some(before)) if !is_notice(before) && before.folder == document.folder => ui::Section::None,
        (false, None) if document.folder.is_empty() => ui::Section::None,
        (false, _) if document.folder.is_empty() => ui::Section::Documents,
        (false, _) => ui::Section::Folder,
    }
}

fn row(document: &Document, now: &Zoned) -> ui::DocumentRow {
    let (state, percent, changed) = match document.state {
        DocumentState::There { since } => {
            let since = document.notice.map_or(since, |notice| notice.published_at);
            (ui::DocumentState::There, 100, times::changed(since, now))
        }
        DocumentState::Coming { received } => {
            (ui::DocumentState::Coming, percent(received, document.size), String::new())
        }
        DocumentState::Failed => (ui::DocumentState::Failed, 0, String::new()),
        DocumentState::TooLarge => (ui::DocumentState::TooLarge, 0, String::new()),
    };
    ui::DocumentRow {
        id: document.id.to_string().into(),
        section: ui::Section::None,
        heading: slint::SharedString::new(),
        notice: match document.notice {
            None => ui::NoticeState::None,
            Some(notice) if notice.is_read => ui::NoticeState::Read,
            Some(_) => ui::NoticeState::Unread,
        },
        title: document.title.as_str().into(),
        state,
        percent,
        changed: changed.into(),
        size: times::size(document.size).into(),
    }
}

/// 100 is kept for what is verified.
fn percent(received: u64, size: u64) -> i32 {
    let percent = (u128::from(received) * 100).checked_div(u128::from(size)).unwrap_or(0);
    i32::try_from(percent.min(99)).unwrap_or(99)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_whole_only_when_it_was_verified() {
        assert_eq!(percent(0, 200), 0);
        assert_eq!(percent(100, 200), 50);
        assert_eq!(percent(200, 200), 99);
        assert_eq!(percent(u64::MAX, u64::MAX), 99);
        assert_eq!(percent(0, 0), 0);
    }
}
