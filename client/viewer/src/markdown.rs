//! CommonMark as blocks that a window can put below one another. HTML in it is not taken in, images are their description, and
//! links are their text: nothing is fetched, nothing is opened.

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};
use serde::{Deserialize, Serialize};

use crate::{MAX_BLOCKS, Text};

/// How deep lists and quotes are shown; what is deeper stands there.
const DEEPEST: u8 = 4;

/// A text in blocks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocks {
    /// From top to bottom.
    pub blocks: Vec<Block>,
    /// More of it is not shown.
    pub is_cut: bool,
}

/// What stands below the one before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// What it is.
    pub kind: BlockKind,
    /// How far to the right, from 0.
    pub depth: u8,
    /// What it says: CommonMark with no more than emphasis, strong emphasis and code in it.
    pub text: String,
    /// The same without marks.
    pub plain: String,
}

/// What a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the words of CommonMark")]
pub enum BlockKind {
    Title,
    Heading,
    SmallHeading,
    Paragraph,
    Item,
    Quote,
    Code,
    Rule,
}

/// The blocks of a text.
pub(crate) fn blocks(text: &Text) -> Blocks {
    let mut maker = Maker { is_cut: text.is_cut, ..Maker::default() };
    for event in Parser::new_ext(&text.body, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH) {
        if maker.blocks.len() >= MAX_BLOCKS {
            maker.is_cut = true;
            break;
        }
        maker.take(event);
    }
    maker.end();
    Blocks { blocks: maker.blocks, is_cut: maker.is_cut }
}

#[derive(Default)]
struct Maker {
    blocks: Vec<Block>,
    is_cut: bool,
    /// What the next block is, where that is not a paragraph.
    kind: Option<BlockKind>,
    text: String,
    plain: String,
    /// Of each list that is open the number of its next item, if it has numbers.
    lists: Vec<Option<u64>>,
    quotes: u8,
}

impl Maker {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.leave(tag),
            Event::Text(text) => self.say(&text),
            Event::Code(code) => {
                self.plain.push_str(&code);
                // Marks inside would end it.
                self.text.push('`');
                self.text.extend(code.chars().filter(|c| *c != '`'));
                self.text.push('`');
            }
            Event::SoftBreak | Event::HardBreak => self.say("\n"),
            Event::Rule => {
                self.end();
                self.kind = Some(BlockKind::Rule);
                self.say("―");
                self.end();
            }
            _ => {}
        }
    }

    /// Text, in which nothing is a mark.
    fn say(&mut self, text: &str) {
        self.plain.push_str(text);
        for c in text.chars() {
            if c.is_ascii_punctuation() {
                self.text.push('\\');
            }
            self.text.push(c);
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Heading { level, .. } => {
                self.end();
                self.kind = Some(match level {
                    HeadingLevel::H1 => BlockKind::Title,
                    HeadingLevel::H2 => BlockKind::Heading,
                    _ => BlockKind::SmallHeading,
                });
            }
            Tag::Paragraph | Tag::TableHead | Tag::TableRow if self.kind.is_none() => self.end(),
            Tag::CodeBlock(_) => {
                self.end();
                self.kind = Some(BlockKind::Code);
            }
            Tag::BlockQuote(_) => {
                self.end();
                self.quotes = self.quotes.saturating_add(1);
            }
            Tag::List(first) => {
                self.end();
                self.lists.push(first);
            }
            Tag::Item => {
                self.end();
                self.kind = Some(BlockKind::Item);
                let mark = match self.lists.last_mut() {
                    Some(Some(number)) => {
                        let mark = format!("{number}. ");
                        *number = number.saturating_add(1);
                        mark
                    }
                    _ => "・".to_owned(),
                };
                self.say(&mark);
            }
            Tag::TableCell if !self.text.is_empty() => self.say(" | "),
            Tag::Strong => self.text.push_str("**"),
            Tag::Emphasis => self.text.push('*'),
            _ => {}
        }
    }

    fn leave(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Strong => self.text.push_str("**"),
            TagEnd::Emphasis => self.text.push('*'),
            TagEnd::List(_) => {
                self.end();
                self.lists.pop();
            }
            TagEnd::BlockQuote(_) => {
                self.end();
                self.quotes = self.quotes.saturating_sub(1);
            }
            TagEnd::Heading(_)
            | TagEnd::Paragraph
            | TagEnd::CodeBlock
            | TagEnd::Item
            | TagEnd::TableHead
            | TagEnd::TableRow => self.end(),
            _ => {}
        }
    }

    /// Ends a block, if there is anything in it.
    fn end(&mut self) {
        let kind = self.kind.take();
        let (text, plain) = (std::mem::take(&mut self.text), std::mem::take(&mut self.plain));
        let (text, plain) = (text.trim_end().to_owned(), plain.trim_end().to_owned());
        if plain.is_empty() {
            return;
        }
        let otherwise = if self.quotes > 0 { BlockKind::Quote } else { BlockKind::Paragraph };
        let lists = u8::try_from(self.lists.len()).unwrap_or(DEEPEST).saturating_sub(1);
        let depth = lists.saturating_add(self.quotes).min(DEEPEST);
        self.blocks.push(Block { kind: kind.unwrap_or(otherwise), depth, text, plain });
    }
}
