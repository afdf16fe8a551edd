//! What a page says after something was done: left in the session by the handler that did it, said once by the page that
//! follows the redirect.

use std::borrow::Borrow;

use super::words::{FluentValue, Language};

/// How a notice is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tone {
    /// It was done.
    Done,
    /// It was done, and something needs a look.
    Warning,
    /// It was not done.
    Refused,
}

/// A text and its values, in no language yet.
#[derive(Debug, Clone)]
pub(super) struct Notice {
    /// How it is meant.
    tone: Tone,
    key: &'static str,
    values: Vec<(&'static str, FluentValue<'static>)>,
}

impl Notice {
    /// It was done.
    pub(super) fn done(key: &'static str) -> Self {
        Self { tone: Tone::Done, key, values: Vec::new() }
    }

    /// It was done, and something needs a look.
    pub(super) fn warning(key: &'static str) -> Self {
        Self { tone: Tone::Warning, ..Self::done(key) }
    }

    /// It was not done.
    pub(super) fn refused(key: &'static str) -> Self {
        Self { tone: Tone::Refused, ..Self::done(key) }
    }

    /// With a value.
    pub(super) fn with(mut self, name: &'static str, value: impl Into<FluentValue<'static>>) -> Self {
        self.values.push((name, value.into()));
        self
    }

    /// The style's name for its tone.
    pub(super) fn class(&self) -> &'static str {
        match self.tone {
            Tone::Done => "notice-done",
            Tone::Warning => "notice-warning",
            Tone::Refused => "notice-refused",
        }
    }

    /// In words.
    pub(super) fn text(&self, language: impl Borrow<Language>) -> String {
        language.borrow().say(self.key, &self.values)
    }
}
