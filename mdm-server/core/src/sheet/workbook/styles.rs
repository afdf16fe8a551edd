//! The styles of a workbook (ECMA-376 part 1, 18.8), of which only the number formats are read.

use std::collections::HashMap;

use quick_xml::events::Event;

use super::Unreadable;
use super::number::{Shown, built_in, of_code};
use super::xml::{Xml, attribute};

/// Most cell formats, as in Excel's own limits.
const MAX_FORMATS: usize = 65_536;

/// By the number that a cell names.
#[derive(Default)]
pub(super) struct Styles(Vec<u16>, Vec<Shown>);

impl Styles {
    pub(super) fn get(&self, index: usize) -> &Shown {
        self.0.get(index).and_then(|kind| self.1.get(usize::from(*kind))).unwrap_or(&Shown::General)
    }
}

pub(super) fn read(xml: &mut Xml<'_>) -> Result<Styles, Unreadable> {
    let mut codes: HashMap<String, Shown> = HashMap::new();
    let mut kinds: HashMap<String, u16> = HashMap::new();
    let mut styles = Styles::default();
    let mut in_formats = false;
    loop {
        match xml.next()? {
            Event::Start(element) => match element.local_name().as_ref() {
                b"numFmt" => {
                    let (id, code) = (attribute(&element, b"numFmtId")?, attribute(&element, b"formatCode")?);
                    if let (Some(id), Some(code)) = (id, code) {
                        codes.insert(id, of_code(&code));
                    }
                    if codes.len() > MAX_FORMATS {
                        return Err(Unreadable::TooLarge);
                    }
                }
                b"cellXfs" => in_formats = true,
                b"xf" if in_formats => {
                    if styles.0.len() >= MAX_FORMATS {
                        return Err(Unreadable::TooLarge);
                    }
                    let id = attribute(&element, b"numFmtId")?.unwrap_or_default();
                    let kind = match kinds.get(&id) {
                        Some(kind) => *kind,
                        None => {
                            let shown = codes.get(&id).cloned().unwrap_or_else(|| built_in(&id));
                            let kind = u16::try_from(styles.1.len()).map_err(|_| Unreadable::TooLarge)?;
                            styles.1.push(shown);
                            kinds.insert(id, kind);
                            kind
                        }
                    };
                    styles.0.push(kind);
                }
                _ => {}
            },
            Event::End(element) if element.local_name().as_ref() == b"cellXfs" => in_formats = false,
            Event::Eof => return Ok(styles),
            _ => {}
        }
    }
}
