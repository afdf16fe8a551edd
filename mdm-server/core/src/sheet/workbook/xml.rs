//! XML as a stream of events, bounded in whole and for each event.

use std::borrow::Cow;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};

use quick_xml::Reader;
use quick_xml::XmlVersion;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};

use super::Unreadable;

/// Most bytes of one tag or text. A cell has up to 32,767 characters, some of them written as entities.
const EVENT: u64 = 1 << 20;

/// Most tags open at once: the reader remembers each. Workbooks have about ten.
const DEPTH: usize = 64;

/// A part that is read. Entities but the five of XML are none: nothing expands.
pub(super) struct Xml<'r> {
    reader: Reader<Guard<'r>>,
    buffer: Vec<u8>,
    /// Tags that are open.
    depth: usize,
}

impl<'r> Xml<'r> {
    pub(super) fn new(part: Box<dyn Read + 'r>, limit: u64) -> Self {
        let guard = Guard { inner: BufReader::new(part), part: limit, event: EVENT };
        let mut reader = Reader::from_reader(guard);
        reader.config_mut().expand_empty_elements = true;
        Self { reader, buffer: Vec::new(), depth: 0 }
    }

    pub(super) fn next(&mut self) -> Result<Event<'_>, Unreadable> {
        self.buffer.clear();
        self.reader.get_mut().event = EVENT;
        let event = self.reader.read_event_into(&mut self.buffer).map_err(|error| match error {
            quick_xml::Error::Io(error) if error.kind() == ErrorKind::FileTooLarge => Unreadable::TooLarge,
            _ => Unreadable::Damaged,
        })?;
        match event {
            Event::Start(_) if self.depth >= DEPTH => return Err(Unreadable::Damaged),
            Event::Start(_) => self.depth += 1,
            Event::End(_) => self.depth = self.depth.saturating_sub(1),
            // Cut off between two tags: what would have followed is not absent.
            Event::Eof if self.depth > 0 => return Err(Unreadable::Damaged),
            _ => {}
        }
        Ok(event)
    }

    /// Reads what is left.
    pub(super) fn finish(&mut self) -> Result<(), Unreadable> {
        while !matches!(self.next()?, Event::Eof) {}
        Ok(())
    }
}

/// Refuses to give more than is left of the part and of the event.
struct Guard<'r> {
    inner: BufReader<Box<dyn Read + 'r>>,
    part: u64,
    event: u64,
}

impl Read for Guard<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let from = self.fill_buf()?;
        let length = from.len().min(into.len());
        into[..length].copy_from_slice(&from[..length]);
        self.consume(length);
        Ok(length)
    }
}

impl BufRead for Guard<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let more = self.inner.fill_buf()?;
        if !more.is_empty() && (self.part == 0 || self.event == 0) {
            return Err(ErrorKind::FileTooLarge.into());
        }
        Ok(more)
    }

    fn consume(&mut self, amount: usize) {
        self.part = self.part.saturating_sub(amount as u64);
        self.event = self.event.saturating_sub(amount as u64);
        self.inner.consume(amount);
    }
}

/// An attribute by its name without prefix.
pub(super) fn attribute(element: &BytesStart<'_>, name: &[u8]) -> Result<Option<String>, Unreadable> {
    for attribute in element.attributes().with_checks(false) {
        let attribute = attribute.map_err(|_| Unreadable::Damaged)?;
        if attribute.key.local_name().as_ref() == name {
            let value =
                attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|_| Unreadable::Damaged)?;
            return Ok(Some(value.into_owned()));
        }
    }
    Ok(None)
}

/// Adds the text that an event is, if it is any.
pub(super) fn add_text(event: &Event<'_>, to: &mut String) -> Result<(), Unreadable> {
    let text: Cow<'_, str> = match event {
        Event::Text(text) => text.xml10_content().map_err(|_| Unreadable::Damaged)?,
        Event::CData(text) => text.xml10_content().map_err(|_| Unreadable::Damaged)?,
        Event::GeneralRef(name) => {
            if let Some(c) = name.resolve_char_ref().map_err(|_| Unreadable::Damaged)? {
                to.push(c);
                return Ok(());
            }
            let name = name.decode().map_err(|_| Unreadable::Damaged)?;
            Cow::Borrowed(resolve_predefined_entity(&name).ok_or(Unreadable::Damaged)?)
        }
        _ => return Ok(()),
    };
    to.push_str(&text);
    Ok(())
}

/// `_x000D_` is how a workbook writes what XML cannot (ECMA-376 part 1, 22.4.2.4).
pub(super) fn unescaped(text: String) -> String {
    if !text.contains("_x") {
        return text;
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find("_x") {
        let code = rest.get(at + 2..at + 6).filter(|_| rest.as_bytes().get(at + 6) == Some(&b'_'));
        let c = code.and_then(|code| u32::from_str_radix(code, 16).ok()).and_then(char::from_u32);
        plain.push_str(&rest[..at]);
        match c {
            Some(c) => {
                plain.push(c);
                rest = &rest[at + 7..];
            }
            None => {
                plain.push_str("_x");
                rest = &rest[at + 2..];
            }
        }
    }
    plain + rest
}
