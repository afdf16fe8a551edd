//! Excel workbooks (XLSX, ECMA-376): which sheet is read, and its rows as a person sees them.
//!
//! A workbook comes from outside and unfolds: every part is inflated as a stream and bounded before it is parsed, and
//! nothing is reserved by what the file says of itself. Why this is not left to a library: ADR 17.

mod cells;
mod number;
mod package;
mod strings;
mod styles;
#[cfg(test)]
mod tests;
mod write;
mod xml;

pub(super) use write::write;

use std::collections::HashMap;
use std::ops::ControlFlow;

use quick_xml::events::Event;

use super::rows::Record;
use super::{Format, LooksLike, SheetError};
use cells::Tables;
use package::Package;
use strings::Strings;
use styles::Styles;
use xml::attribute;

/// Most bytes of a part that only names others, inflated.
const SMALL_PART: u64 = 4 << 20;
/// Most bytes of the styles, inflated. Sheets that were copied for years bring thousands.
const STYLES: u64 = 32 << 20;
/// Most bytes of the texts that cells share, inflated.
const SHARED_STRINGS: u64 = 128 << 20;
/// Most bytes of the sheet, inflated.
const SHEET: u64 = 512 << 20;
/// Most sheets; Excel is bounded by memory only.
const MAX_SHEETS: usize = 1_000;
/// Most characters of a sheet's name (Excel: 31).
const MAX_SHEET_NAME: usize = 64;

/// Why a workbook is not read. The texts go on from "the Excel workbook".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Unreadable {
    /// Cut off, changed, or never whole.
    #[error("is damaged or cut off: open it in the spreadsheet program and save it again as .xlsx")]
    Damaged,
    /// It unfolds to more than a staff list can be.
    #[error(
        "unfolds to more than is read here: copy the rows that are needed into a new workbook and save that, or save the sheet as \"CSV UTF-8 (comma delimited)\""
    )]
    TooLarge,
    /// No sheet that is not hidden.
    #[error("has no visible sheet with rows: show the sheet that holds the list and save the workbook again")]
    NoSheet,
    /// XLSB.
    #[error("is in binary form (.xlsb): save it as .xlsx")]
    Binary,
}

impl Unreadable {
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Damaged => "workbook-damaged",
            Self::TooLarge => "workbook-too-large",
            Self::NoSheet => "workbook-without-sheet",
            Self::Binary => "workbook-binary",
        }
    }
}

/// A workbook that is opened: everything but its rows.
pub(super) struct Workbook<'a> {
    package: Package<'a>,
    sheet: Listed,
    others: Vec<String>,
    strings: Strings,
    styles: Styles,
    from_1904: bool,
}

/// A sheet as the workbook lists it.
struct Listed {
    name: String,
    path: String,
    visible: bool,
}

/// What the workbook's main part says.
#[derive(Default)]
struct Main {
    sheets: Vec<Listed>,
    from_1904: bool,
}

impl<'a> Workbook<'a> {
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, SheetError> {
        let package = Package::open(bytes)?;
        let Some(main) = main_path(&package)? else {
            let document = package.has("content.xml") && package.has("mimetype");
            return Err(SheetError::NotText(if document { LooksLike::OpenDocument } else { LooksLike::Zip }));
        };
        if main.ends_with(".bin") {
            return Err(Unreadable::Binary.into());
        }
        let related = related(&package, &main)?;
        let by_kind = |kind: &str| related.values().find(|(of, _)| of == kind).map(|(_, path)| path.as_str());
        let strings = match by_kind("sharedStrings") {
            Some(path) => package.part(path, SHARED_STRINGS, strings::read)?.unwrap_or_default(),
            None => Strings::default(),
        };
        let styles = match by_kind("styles") {
            Some(path) => package.part(path, STYLES, styles::read)?.unwrap_or_default(),
            None => Styles::default(),
        };
        let Main { mut sheets, from_1904 } =
            package.part(&main, SMALL_PART, |xml| read_main(xml, &related))?.ok_or(Unreadable::Damaged)?;
        let first = sheets.iter().position(|sheet| sheet.visible).ok_or(Unreadable::NoSheet)?;
        let sheet = sheets.remove(first);
        let others = sheets.into_iter().map(|sheet| sheet.name).collect();
        Ok(Self { package, sheet, others, strings, styles, from_1904 })
    }

    pub(super) fn each(
        &self,
        take: &mut dyn FnMut(Record) -> Result<ControlFlow<()>, SheetError>,
    ) -> Result<(), SheetError> {
        let tables = Tables { strings: &self.strings, styles: &self.styles, from_1904: self.from_1904 };
        let read = self.package.part_until(&self.sheet.path, SHEET, |xml| cells::each(xml, &tables, take))?;
        read.ok_or_else(|| Unreadable::Damaged.into())
    }

    pub(super) fn format(self) -> Format {
        Format::Workbook { sheet: self.sheet.name, others: self.others }
    }
}

/// The path of the main part, by the package's own relations (ECMA-376 part 2, 9.3).
fn main_path(package: &Package<'_>) -> Result<Option<String>, Unreadable> {
    let named = package.part("_rels/.rels", SMALL_PART, |xml| {
        let mut path = None;
        each_relation(xml, |_, kind, target| {
            if kind == "officeDocument" {
                path = Some(resolve("", target));
            }
        })?;
        Ok(path)
    })?;
    Ok(named.flatten().filter(|path| path.contains("workbook") && package.has(path)))
}

/// The parts that the main part names: by relation id, with kind and path.
fn related(package: &Package<'_>, main: &str) -> Result<HashMap<String, (String, String)>, Unreadable> {
    let (folder, name) = main.rsplit_once('/').unwrap_or(("", main));
    let path =
        if folder.is_empty() { format!("_rels/{name}.rels") } else { format!("{folder}/_rels/{name}.rels") };
    let named = package.part(&path, SMALL_PART, |xml| {
        let mut named = HashMap::new();
        each_relation(xml, |id, kind, target| {
            named.insert(id.to_owned(), (kind.to_owned(), resolve(folder, target)));
        })?;
        Ok(named)
    })?;
    named.ok_or(Unreadable::Damaged)
}

fn each_relation(xml: &mut xml::Xml<'_>, mut take: impl FnMut(&str, &str, &str)) -> Result<(), Unreadable> {
    loop {
        match xml.next()? {
            Event::Start(element) if element.local_name().as_ref() == b"Relationship" => {
                let (id, kind, target) = (
                    attribute(&element, b"Id")?,
                    attribute(&element, b"Type")?,
                    attribute(&element, b"Target")?,
                );
                if let (Some(id), Some(kind), Some(target)) = (id, kind, target) {
                    take(&id, kind.rsplit('/').next().unwrap_or_default(), &target);
                }
            }
            Event::Eof => return Ok(()),
            _ => {}
        }
    }
}

/// A target as a path inside the package: absolute, or from the folder of the part that names it.
fn resolve(folder: &str, target: &str) -> String {
    let target = target.replace('\\', "/");
    match target.strip_prefix('/') {
        Some(absolute) => absolute.to_owned(),
        None if folder.is_empty() => target,
        None => format!("{folder}/{target}"),
    }
}

fn read_main(
    xml: &mut xml::Xml<'_>,
    related: &HashMap<String, (String, String)>,
) -> Result<Main, Unreadable> {
    let mut main = Main::default();
    loop {
        match xml.next()? {
            Event::Start(element) if element.local_name().as_ref() == b"sheet" => {
                let (Some(name), Some(id)) = (attribute(&element, b"name")?, attribute(&element, b"id")?)
                else {
                    return Err(Unreadable::Damaged);
                };
                let state = attribute(&element, b"state")?;
                let visible = state.is_none_or(|state| state == "visible");
                if main.sheets.len() >= MAX_SHEETS {
                    return Err(Unreadable::TooLarge);
                }
                if let Some((kind, path)) = related.get(&id)
                    && kind == "worksheet"
                {
                    let name = name.chars().take(MAX_SHEET_NAME).collect();
                    main.sheets.push(Listed { name, path: path.clone(), visible });
                }
            }
            Event::Start(element) if element.local_name().as_ref() == b"workbookPr" => {
                let says = attribute(&element, b"date1904")?;
                main.from_1904 |= says.is_some_and(|says| says == "1" || says == "true");
            }
            Event::Eof => return Ok(main),
            _ => {}
        }
    }
}
