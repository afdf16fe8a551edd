//! The document that is open: what is shown of it, page by page, and nothing of it once it is left.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use ::viewer::{Ask, Content, MAX_SOURCE, ViewError};
use client_agent::{AgentError, Document, FileTransferError};
use client_ui as ui;
use client_ui::Problem;
use slint::{Global as _, Image, Rgba8Pixel, SharedPixelBuffer};
use vault::VaultError;

use crate::adapters::shared::Shared;
use crate::engine::Engine;
use crate::problem;
use crate::viewer::{NotShown, Viewer, drawing};

/// How wide a page is drawn, in pixels: sharp on a phone, also at twice its size.
const PAGE_WIDTH: u32 = 1_600;

/// What is open.
struct Open {
    document: Document,
    /// What is drawn, to be turned.
    drawn: Option<SharedPixelBuffer<Rgba8Pixel>>,
}

/// Shows one document.
pub(super) struct Reader {
    shared: Rc<Shared>,
    viewer: Viewer,
    open: RefCell<Option<Open>>,
    /// Rises with everything that makes what is being made of no use any more.
    turn: Cell<u64>,
}

impl Reader {
    pub(super) fn new(shared: &Rc<Shared>, viewer: Viewer) -> Self {
        Self { shared: Rc::clone(shared), viewer, open: RefCell::default(), turn: Cell::default() }
    }

    pub(super) fn is_open(&self) -> bool {
        self.open.borrow().is_some()
    }

    pub(super) fn document(&self) -> Option<Document> {
        self.open.borrow().as_ref().map(|open| open.document.clone())
    }

    /// Whatever is being made is not waited for any more, and nothing that was drawn stays.
    pub(super) fn leave(&self) {
        self.turn.set(self.turn.get() + 1);
        if self.open.take().is_some() {
            self.shared
                .with_window(|window| ui::Documents::get(window).set_current(ui::DocumentText::default()));
            self.show(&Content::Text(::viewer::Text { body: String::new(), is_cut: false }), 0);
        }
    }

    /// Makes a page of a document, from 0, and shows it. `Ok(false)` if it was left meanwhile; what was shown before stays after
    /// a problem.
    pub(super) async fn page(
        &self,
        engine: &Engine,
        document: &Document,
        page: u32,
    ) -> Result<bool, Problem> {
        let turn = self.turn.get() + 1;
        self.turn.set(turn);
        self.set_busy(true);
        let made = self.make(engine, document, page).await;
        if self.turn.get() != turn {
            return Ok(false);
        }
        self.set_busy(false);
        let content = made?;
        *self.open.borrow_mut() = Some(Open { document: document.clone(), drawn: None });
        self.show(&content, page);
        Ok(true)
    }

    async fn make(&self, engine: &Engine, document: &Document, page: u32) -> Result<Content, Problem> {
        if document.size > MAX_SOURCE as u64 {
            return Err(Problem::DocumentTooLarge);
        }
        let bytes = engine.document(document, MAX_SOURCE).await.map_err(|error| {
            tracing::warn!(%error, "a document is not read");
            of_document(&error)
        })?;
        let (declared, ask) = (document.media_type.clone(), Ask { page, width: PAGE_WIDTH });
        engine.view(self.viewer.clone(), bytes, declared, ask).await.map_err(|error| {
            tracing::info!(%error, "a document is not shown");
            of_view(error)
        })
    }

    /// A quarter turn to the right.
    pub(super) fn rotate(&self) {
        let mut open = self.open.borrow_mut();
        let Some(drawn) = open.as_mut().and_then(|open| open.drawn.as_mut()) else { return };
        *drawn = drawing::turned(drawn);
        let image = Image::from_rgba8(drawn.clone());
        self.shared.with_window(|window| ui::Viewer::get(window).set_picture(image));
    }

    fn set_busy(&self, busy: bool) {
        self.shared.with_window(|window| ui::Viewer::get(window).set_busy(busy));
    }

    fn show(&self, content: &Content, page: u32) {
        let drawn = self.shared.with_window(|window| drawing::fill(window, content, page)).flatten();
        if let Some(open) = self.open.borrow_mut().as_mut() {
            open.drawn = drawn;
        }
    }
}

/// Contents that are damaged come again by themselves.
fn of_document(error: &FileTransferError) -> Problem {
    match error {
        FileTransferError::Agent(AgentError::Vault(VaultError::Damaged(_) | VaultError::NotFound)) => {
            Problem::DocumentComing
        }
        error => problem::of_transfer(error),
    }
}

fn of_view(error: NotShown) -> Problem {
    match error {
        NotShown::TooMuch | NotShown::Document(ViewError::TooLarge) => Problem::DocumentTooLarge,
        NotShown::Document(ViewError::Damaged | ViewError::NoSuchPage) => Problem::DocumentBroken,
        NotShown::Document(ViewError::Protected) => Problem::DocumentProtected,
        NotShown::Document(ViewError::Unknown) => Problem::DocumentNotShown,
        NotShown::NotStarted => Problem::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_document_is_not_taken_for_damage_to_the_vault() {
        let damaged = FileTransferError::Agent(VaultError::Damaged(vault::Damage::Chunk(1)).into());
        assert_eq!(of_document(&damaged), Problem::DocumentComing);
    }
}
