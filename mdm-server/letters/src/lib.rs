//! Letters with activation codes and the lists on which they are received, as PDF (ISO 32000-2). Pure: people, words and
//! fonts in, bytes out. Where the fonts lie, what the words are and who may have a letter is `mdm-server`'s.

mod chart;
mod cover;
mod one;
mod sheet;
mod substitutes;
mod ten;
mod type_case;

use krilla::Document;
use krilla::metadata::Metadata;
use zeroize::Zeroizing;

pub use type_case::{FontError, Lost, TypeCase};

use sheet::Press;

/// How many letters a page has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// One: to be folded.
    One,
    /// Ten, to be cut apart.
    Ten,
}

/// One person's letter. It has the code: no `Debug`.
#[derive(Clone)]
pub struct Letter {
    /// 職員番号.
    pub staff_number: String,
    /// 氏名, as written.
    pub name: String,
    /// The name as one addresses a letter.
    pub addressee: String,
    /// The activation code in its groups.
    pub code: Zeroizing<String>,
    /// What the QR code says.
    pub payload: Zeroizing<String>,
    /// The last moment of the code, as a sentence.
    pub valid_until: String,
    /// The loss code in its groups, to be torn off.
    pub loss: Option<Zeroizing<String>>,
}

/// People who get their letters from one hand.
#[derive(Clone)]
pub struct Group {
    /// 所属.
    pub department: String,
    /// Their letters, in the order of the list.
    pub letters: Vec<Letter>,
    /// How many they are, as a sentence.
    pub count: String,
}

/// What is printed besides people, in one language.
#[derive(Debug, Clone)]
pub struct Words {
    /// The language (BCP 47).
    pub language: &'static str,
    /// The organisation.
    pub organisation: String,
    /// The heading of a letter.
    pub title: String,
    /// What the letter is for.
    pub lead: String,
    /// Before the staff number.
    pub staff_number: String,
    /// Above the typed code.
    pub code: String,
    /// Below the QR code.
    pub scan: String,
    /// Before the server's address.
    pub server: String,
    /// The server's address, for who types.
    pub address: String,
    /// Above the steps.
    pub steps_title: String,
    /// How to sign in.
    pub steps: [String; 3],
    /// The steps for who has little room.
    pub short_steps: [String; 3],
    /// Above the promise.
    pub promise_title: String,
    /// What the organisation sees, does not see, and can erase.
    pub promise: Vec<String>,
    /// The promise for who has little room.
    pub short_promise: String,
    /// That the code is the person's own.
    pub secret: String,
    /// Whom to ask.
    pub helpdesk: Option<String>,
    /// The words of the slip that is torn off.
    pub loss: LossWords,
    /// The words of the receipt list.
    pub cover: CoverWords,
    /// The words of the list of names that were not printed as written.
    pub substitutes: SubstituteWords,
}

/// The words of the slip that is torn off.
#[derive(Debug, Clone)]
pub struct LossWords {
    /// Before the loss code.
    pub title: String,
    /// What it is for, and where to keep it.
    pub about: String,
    /// Where it is typed: an address.
    pub address: String,
}

/// The words of a receipt list.
#[derive(Debug, Clone)]
pub struct CoverWords {
    /// Its heading.
    pub title: String,
    /// What to do with it.
    pub about: String,
    /// The heads of its columns: number, staff number, name, day, seal.
    pub columns: [String; 5],
    /// The day on which it was printed.
    pub printed: String,
    /// Whose hand it comes from: a line to be filled in.
    pub handed_by: String,
}

/// The words of the list of names that were not printed as written.
#[derive(Debug, Clone)]
pub struct SubstituteWords {
    /// Its heading.
    pub title: String,
    /// What to do.
    pub about: String,
    /// The heads of its columns: staff number, name as printed, characters.
    pub columns: [String; 3],
}

/// The fonts.
#[derive(Clone)]
pub struct Fonts {
    /// For reading.
    pub regular: TypeCase,
    /// For headings, names and codes.
    pub bold: TypeCase,
}

impl Fonts {
    /// What of a text the fonts do not have.
    pub fn lost(&self, text: &str) -> Vec<Lost> {
        let mut lost = self.regular.lost(text);
        lost.extend(self.bold.lost(text).into_iter().filter(|more| self.regular.has(&more.written)));
        lost
    }
}

/// Why nothing was printed.
#[derive(Debug, thiserror::Error)]
pub enum PrintError {
    /// The server's address is longer than a QR code on paper can say.
    #[error("the server's address and pins do not fit into a QR code")]
    Payload,
    /// A font cannot be put into the file, or the file has too many objects.
    #[error("the PDF could not be made: {0}")]
    Pdf(String),
}

/// Prints the letters of each group behind its receipt list. Names of which the fonts lack something are printed with what
/// stands for it and are listed on a page in front.
pub fn print(groups: &[Group], layout: Layout, words: &Words, fonts: &Fonts) -> Result<Vec<u8>, PrintError> {
    let mut document = Document::new();
    let title = format!("{} {}", words.organisation, words.title);
    document.set_metadata(Metadata::new().title(title).language(words.language.to_owned()));
    let mut press = Press { document: &mut document, fonts };
    substitutes::print(&mut press, groups, words);
    for group in groups {
        cover::print(&mut press, group, words);
        match layout {
            Layout::One => one::print(&mut press, group, words)?,
            Layout::Ten => ten::print(&mut press, group, words)?,
        }
    }
    document.finish().map_err(|error| PrintError::Pdf(format!("{error:?}")))
}

#[cfg(test)]
mod tests;
