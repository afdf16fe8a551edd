//! The document that is open: what is shown of it, page by page, and nothing of it once it is left.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use ::viewer::{Ask, BlockKind, Blocks, Content, MAX_SOURCE, Picture, Tables, ViewError};
use client_agent::{AgentError, Document, FileTransferError};
use client_ui as ui;
use client_ui::{Problem, ViewKind};
use slint::{Global as _, Image, ModelRc, Rgba8Pixel, SharedPixelBuffer, SharedString, StyledText, VecModel};
use vault::VaultError;

use crate::adapters::shared::Shared;
use crate::engine::Engine;
use crate::problem;
use crate::viewer::{NotShown, Viewer};

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
        *drawn = turned(drawn);
        let image = Image::from_rgba8(drawn.clone());
        self.shared.with_window(|window| ui::Viewer::get(window).set_picture(image));
    }

    fn set_busy(&self, busy: bool) {
        self.shared.with_window(|window| ui::Viewer::get(window).set_busy(busy));
    }

    /// Fills the screen's properties; what is not of this content is emptied.
    fn show(&self, content: &Content, page: u32) {
        let (kind, pages, cut) = match content {
            Content::Text(text) => (ViewKind::Text, 0, text.is_cut),
            Content::Blocks(blocks) => (ViewKind::Blocks, 0, blocks.is_cut),
            Content::Picture(_) => (ViewKind::Picture, 0, false),
            Content::Page { of, .. } => (ViewKind::Page, *of, false),
            Content::Tables(tables) => {
                let sheets = u32::try_from(tables.sheets.len()).unwrap_or(u32::MAX);
                (ViewKind::Table, sheets, tables.table.is_cut)
            }
        };
        let picture = match content {
            Content::Picture(picture) | Content::Page { picture, .. } => Some(drawn(picture)),
            _ => None,
        };
        let image = picture.clone().map(Image::from_rgba8).unwrap_or_default();
        if let Some(open) = self.open.borrow_mut().as_mut() {
            open.drawn = picture;
        }
        let empty = Tables { sheets: Vec::new(), table: ::viewer::Table::default() };
        let tables = if let Content::Tables(tables) = content { tables } else { &empty };
        let mut rows = rows(tables);
        let head = if rows.is_empty() { ui::TableRow::default() } else { rows.remove(0) };
        let sheet = tables.sheets.get(page as usize).map(SharedString::from).unwrap_or_default();
        let none = Blocks::default();
        let blocks = if let Content::Blocks(blocks) = content { blocks } else { &none };
        self.shared.with_window(|window| {
            let global = ui::Viewer::get(window);
            global.set_kind(kind);
            global.set_page(number(page.saturating_add(1)));
            global.set_pages(number(pages));
            global.set_cut(cut);
            global.set_busy(false);
            global.set_picture(image);
            global.set_sheet(sheet);
            global.set_columns(number(tables.table.columns));
            global.set_head(head);
            global.set_rows(ModelRc::new(VecModel::from(rows)));
            global.set_blocks(model(blocks));
            if let Content::Text(text) = content {
                let documents = ui::Documents::get(window);
                let current = ui::DocumentText { body: text.body.as_str().into(), ..documents.get_current() };
                documents.set_current(current);
            }
        });
    }
}

fn number(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn drawn(picture: &Picture) -> SharedPixelBuffer<Rgba8Pixel> {
    SharedPixelBuffer::clone_from_slice(&picture.rgba, picture.width, picture.height)
}

/// What is on the left comes to the top.
fn turned(picture: &SharedPixelBuffer<Rgba8Pixel>) -> SharedPixelBuffer<Rgba8Pixel> {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let mut turned = SharedPixelBuffer::new(picture.height(), picture.width());
    let from = picture.as_slice();
    for (index, pixel) in turned.make_mut_slice().iter_mut().enumerate() {
        let (row, column) = (index / height, index % height);
        *pixel = from[(height - 1 - column) * width + row];
    }
    turned
}

fn model(blocks: &Blocks) -> ModelRc<ui::BlockRow> {
    let rows: Vec<ui::BlockRow> = blocks
        .blocks
        .iter()
        .map(|block| {
            let text = StyledText::from_markdown(&block.text);
            ui::BlockRow {
                kind: kind(block.kind),
                depth: block.depth.into(),
                text: text.unwrap_or_else(|_| StyledText::from_plain_text(&block.plain)),
                plain: block.plain.as_str().into(),
            }
        })
        .collect();
    ModelRc::new(VecModel::from(rows))
}

fn kind(kind: BlockKind) -> ui::BlockKind {
    match kind {
        BlockKind::Title => ui::BlockKind::Title,
        BlockKind::Heading => ui::BlockKind::Heading,
        BlockKind::SmallHeading => ui::BlockKind::SmallHeading,
        BlockKind::Paragraph => ui::BlockKind::Paragraph,
        BlockKind::Item => ui::BlockKind::Item,
        BlockKind::Quote => ui::BlockKind::Quote,
        BlockKind::Code => ui::BlockKind::Code,
        BlockKind::Rule => ui::BlockKind::Rule,
    }
}

/// All rows as wide as the widest: the lines between columns go on.
fn rows(tables: &Tables) -> Vec<ui::TableRow> {
    let columns = tables.table.columns as usize;
    let filled = |row: &Vec<String>| {
        let cells = row.iter().map(String::as_str).chain(std::iter::repeat("")).take(columns);
        let cells: Vec<SharedString> = cells.map(SharedString::from).collect();
        ui::TableRow { cells: ModelRc::new(VecModel::from(cells)) }
    };
    tables.table.rows.iter().map(filled).collect()
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

    #[test]
    fn a_quarter_turn_brings_the_left_to_the_top() {
        let pixel = |r: u8| Rgba8Pixel { r, g: 0, b: 0, a: 255 };
        let mut wide = SharedPixelBuffer::new(3, 2);
        wide.make_mut_slice().copy_from_slice(&[1, 2, 3, 4, 5, 6].map(pixel));
        let high = turned(&wide);
        assert_eq!((high.width(), high.height()), (2, 3));
        assert_eq!(high.as_slice(), [4, 1, 5, 2, 6, 3].map(pixel));
        let back = turned(&turned(&turned(&high)));
        assert_eq!(back.as_slice(), wide.as_slice());
    }
}
