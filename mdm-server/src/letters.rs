//! What letters need besides people: the fonts of this machine and the words of a language. How they look is
//! [`mdm_letters`]'s; who gets one and that the journal hears of it, [`crate::use_cases::letters`]'s.

pub(crate) mod fonts;
mod words;

pub use fonts::FontProblem;
pub(crate) use words::{addressee, count, no_department, valid_until, words};
