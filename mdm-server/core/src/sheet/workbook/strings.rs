//! The texts that cells share (ECMA-376 part 1, 18.4.9): one after the other in one piece of memory.

use quick_xml::events::Event;

use super::Unreadable;
use super::xml::{Xml, add_text, unescaped};

/// Most texts; each costs four bytes beside its own.
const MAX_STRINGS: usize = 5_000_000;

#[derive(Default)]
pub(super) struct Strings {
    text: String,
    /// Where each ends.
    ends: Vec<u32>,
}

impl Strings {
    pub(super) fn get(&self, index: usize) -> Option<&str> {
        let end = *self.ends.get(index)? as usize;
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        self.text.get(start..end)
    }

    fn push(&mut self, text: &str) -> Result<(), Unreadable> {
        if self.ends.len() >= MAX_STRINGS {
            return Err(Unreadable::TooLarge);
        }
        self.text.push_str(text);
        self.ends.push(u32::try_from(self.text.len()).map_err(|_| Unreadable::TooLarge)?);
        Ok(())
    }
}

pub(super) fn read(xml: &mut Xml<'_>) -> Result<Strings, Unreadable> {
    let mut strings = Strings::default();
    let mut item = String::new();
    let (mut in_text, mut phonetic) = (false, false);
    loop {
        let event = xml.next()?;
        match &event {
            Event::Start(element) => match element.local_name().as_ref() {
                b"si" => item.clear(),
                b"rPh" => phonetic = true,
                b"t" => in_text = !phonetic,
                _ => {}
            },
            Event::End(element) => match element.local_name().as_ref() {
                b"si" => strings.push(&unescaped(std::mem::take(&mut item)))?,
                b"rPh" => phonetic = false,
                b"t" => in_text = false,
                _ => {}
            },
            Event::Eof => return Ok(strings),
            text if in_text => add_text(text, &mut item)?,
            _ => {}
        }
    }
}
