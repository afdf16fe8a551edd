//! Names with private-use characters as pages show them: with what stands for each, and that it does.

use std::fmt::{self, Write as _};

use askama::filters::HtmlSafe;
use mdm_core::account::SourceName;
use mdm_core::substitute::{Piece, Tables};

use super::words::Language;

/// A text in which each private-use character is marked. In templates it is the marked text; [`Printed::as_str`] is for where
/// no marks can be, such as a title.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Printed {
    plain: String,
    marked: String,
}

impl Printed {
    pub(super) fn new(tables: &Tables, source: &SourceName, text: &str, language: Language) -> Self {
        let mut marked = String::with_capacity(text.len());
        for piece in tables.pieces(source, text) {
            match piece {
                Piece::Written(text) => escape(text, &mut marked),
                Piece::Substituted(code, text) => {
                    let title = language.say("substitutes-original", &[("code", code.to_string().into())]);
                    abbreviation(&title, text, &mut marked);
                }
                Piece::Unknown(code) => {
                    let title = language.say("substitutes-none-for", &[("code", code.to_string().into())]);
                    abbreviation(&title, code.character().encode_utf8(&mut [0; 4]), &mut marked);
                }
            }
        }
        Self { plain: tables.printed(source, text).into_owned(), marked }
    }

    /// Whether there is nothing to show.
    pub(super) fn is_empty(&self) -> bool {
        self.plain.is_empty()
    }

    /// Without marks.
    pub(super) fn as_str(&self) -> &str {
        &self.plain
    }
}

fn abbreviation(title: &str, text: &str, into: &mut String) {
    into.push_str("<abbr title=\"");
    escape(title, into);
    into.push_str("\">");
    escape(text, into);
    into.push_str("</abbr>");
}

fn escape(text: &str, into: &mut String) {
    for c in text.chars() {
        match c {
            '<' | '>' | '&' | '"' | '\'' => {
                write!(into, "&#{};", u32::from(c)).expect("a string takes all that is written");
            }
            c => into.push(c),
        }
    }
}

impl fmt::Display for Printed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.marked)
    }
}

/// All that is not this file's own is escaped.
impl HtmlSafe for Printed {}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use mdm_core::substitute::{Substitute, Substitutes};

    use super::*;

    #[test]
    fn what_is_shown_is_marked_with_what_was_written_and_escapes_everything_else() {
        let source = SourceName::new("市長部局").unwrap();
        let entry = ("U+E000".parse().unwrap(), Substitute::new("<&").unwrap());
        let table = Substitutes { source: source.clone(), entries: BTreeMap::from([entry]) };
        let tables: Tables = [table].into_iter().collect();
        let shown = Printed::new(&tables, &source, "\u{E000}<b>橋\u{E001}", Language::Japanese);
        assert_eq!(shown.as_str(), "<&<b>橋\u{E001}");
        let html = shown.to_string();
        assert!(html.starts_with("<abbr title=\""), "{html}");
        assert!(html.contains("U+E000") && html.contains(">&#60;&#38;</abbr>&#60;b&#62;橋<abbr"), "{html}");
        assert!(html.contains("U+E001") && html.ends_with("\u{E001}</abbr>"), "{html}");
    }
}
