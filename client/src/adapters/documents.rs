//! Documents: the texts under `documents/` in the vault, read only.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use client_ui as ui;
use client_ui::{DocumentKind, Problem, Screen};
use jiff::Zoned;
use slint::{Global as _, ModelRc, VecModel};
use vault::EntryInfo;

use super::shared::{Shared, spawn};
use crate::note::Search;
use crate::{problem, times};

const FOLDER: &str = "documents/";
/// Longest document that is shown, in bytes.
const MAX_DOCUMENT: usize = 4 * 1024 * 1024;

/// The documents in the open vault.
pub(super) struct Documents {
    shared: Rc<Shared>,
    entries: RefCell<Vec<EntryInfo>>,
    is_open: Cell<bool>,
}

impl Documents {
    pub(super) fn start(shared: &Rc<Shared>) -> Rc<Self> {
        let documents = Rc::new(Self {
            shared: Rc::clone(shared),
            entries: RefCell::default(),
            is_open: Cell::default(),
        });
        let listener = Rc::downgrade(&documents);
        shared.with_window(|window| {
            ui::Documents::get(window).on_open(move |id| {
                if let Some(documents) = listener.upgrade() {
                    spawn(documents.open(id.to_string()));
                }
            });
        });
        documents
    }

    /// Whether a document is there to be shown.
    pub(super) fn is_open(&self) -> bool {
        self.is_open.get()
    }

    /// The vault was opened, and has these files.
    pub(super) fn load(&self, files: &[EntryInfo]) {
        let mut entries: Vec<_> =
            files.iter().filter(|file| file.name.starts_with(FOLDER)).cloned().collect();
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.stored_at));
        *self.entries.borrow_mut() = entries;
    }

    /// The vault was closed: nothing of it stays on the screen.
    pub(super) fn clear(&self) {
        self.entries.borrow_mut().clear();
        self.leave();
        self.set_rows(Vec::new());
    }

    /// The document is not shown any more.
    pub(super) fn leave(&self) {
        if self.is_open.replace(false) {
            self.set_current(ui::DocumentText::default());
        }
    }

    /// Lists what matches.
    pub(super) fn list(&self, search: &Search) {
        let now = Zoned::now();
        let row = |entry: &EntryInfo| ui::DocumentRow {
            id: entry.name.as_str().into(),
            title: title(&entry.name).into(),
            kind: kind(&entry.name),
            changed: times::changed(entry.stored_at, &now).into(),
            size: times::size(entry.size).into(),
        };
        let entries = self.entries.borrow();
        let found = entries.iter().filter(|entry| search.is_in(title(&entry.name)));
        let rows = found.map(row).collect();
        drop(entries);
        self.set_rows(rows);
    }

    fn set_rows(&self, rows: Vec<ui::DocumentRow>) {
        let rows = ModelRc::new(VecModel::from(rows));
        self.shared.with_window(|window| ui::Documents::get(window).set_rows(rows));
    }

    fn set_current(&self, text: ui::DocumentText) {
        self.shared.with_window(|window| ui::Documents::get(window).set_current(text));
    }

    async fn open(self: Rc<Self>, id: String) {
        let entry = self.entries.borrow().iter().find(|entry| entry.name == id).cloned();
        let (Some(entry), Some(engine)) = (entry, self.shared.engine()) else { return };
        let bytes = match engine.read(&entry, MAX_DOCUMENT).await {
            Ok(bytes) => bytes,
            Err(error) => {
                tracing::warn!(%error, "a document is not read");
                return self.shared.set_problem(problem::of_transfer(&error));
            }
        };
        // The vault may have been closed meanwhile.
        if !self.entries.borrow().contains(&entry) {
            return;
        }
        let Ok(body) = std::str::from_utf8(&bytes) else {
            return self.shared.set_problem(Problem::Unknown);
        };
        self.is_open.set(true);
        self.set_current(ui::DocumentText {
            id: id.into(),
            title: title(&entry.name).into(),
            body: body.into(),
            changed: times::changed(entry.stored_at, &Zoned::now()).into(),
        });
        self.shared.show(Screen::Document);
    }
}

/// The last part of a file's name, without the ending of texts.
fn title(name: &str) -> &str {
    let last = name.rsplit('/').next().unwrap_or(name);
    [".txt", ".md"].iter().find_map(|ending| last.strip_suffix(ending)).unwrap_or(last)
}

/// What a document is, by the folder that it was put in.
fn kind(name: &str) -> DocumentKind {
    let rest = name.strip_prefix(FOLDER).unwrap_or(name);
    match rest.split_once('/').map(|(folder, _)| folder) {
        Some("notices") => DocumentKind::Notice,
        Some("manuals") => DocumentKind::Manual,
        Some("forms") => DocumentKind::Form,
        _ => DocumentKind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_named_by_its_file_and_known_by_its_folder() {
        assert_eq!(title("documents/notices/給食の献立.txt"), "給食の献立");
        assert_eq!(title("documents/plan.pdf"), "plan.pdf");
        assert_eq!(kind("documents/notices/給食の献立.txt"), DocumentKind::Notice);
        assert_eq!(kind("documents/manuals/a/b.md"), DocumentKind::Manual);
        assert_eq!(kind("documents/forms.txt"), DocumentKind::Other);
    }
}
