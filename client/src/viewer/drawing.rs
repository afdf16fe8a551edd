//! What was made of a document, in the properties of the screen.

use ::viewer::{BlockKind, Blocks, Content, Picture, Table, Tables};
use client_ui::{self as ui, ViewKind};
use slint::{Global as _, Image, ModelRc, Rgba8Pixel, SharedPixelBuffer, SharedString, StyledText, VecModel};

/// Fills the screen's properties; what is not of this content is emptied. What was drawn, to be turned.
pub fn fill(window: &ui::App, content: &Content, page: u32) -> Option<SharedPixelBuffer<Rgba8Pixel>> {
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
    let drawn = match content {
        Content::Picture(picture) | Content::Page { picture, .. } => Some(drawn(picture)),
        _ => None,
    };
    let empty = Tables { sheets: Vec::new(), table: Table::default() };
    let tables = if let Content::Tables(tables) = content { tables } else { &empty };
    let mut rows = rows(tables);
    let head = if rows.is_empty() { ui::TableRow::default() } else { rows.remove(0) };
    let sheet = tables.sheets.get(page as usize).map(SharedString::from).unwrap_or_default();
    let none = Blocks::default();
    let blocks = if let Content::Blocks(blocks) = content { blocks } else { &none };
    let global = ui::Viewer::get(window);
    global.set_kind(kind);
    global.set_page(number(page.saturating_add(1)));
    global.set_pages(number(pages));
    global.set_cut(cut);
    global.set_busy(false);
    global.set_picture(drawn.clone().map(Image::from_rgba8).unwrap_or_default());
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
    drawn
}

fn number(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn drawn(picture: &Picture) -> SharedPixelBuffer<Rgba8Pixel> {
    SharedPixelBuffer::clone_from_slice(&picture.rgba, picture.width, picture.height)
}

/// A quarter turn to the right: what is on the left comes to the top.
pub(crate) fn turned(picture: &SharedPixelBuffer<Rgba8Pixel>) -> SharedPixelBuffer<Rgba8Pixel> {
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
        let told: Vec<&str> = row.iter().map(String::as_str).filter(|cell| !cell.is_empty()).collect();
        ui::TableRow { cells: ModelRc::new(VecModel::from(cells)), said: told.join(", ").into() }
    };
    tables.table.rows.iter().map(filled).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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
