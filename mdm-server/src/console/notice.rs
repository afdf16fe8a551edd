//! What a page says after something was done: left in the session by the handler that did it, said once by the page that
//! follows the redirect.

use std::borrow::Borrow;

use fluent_bundle::types::FluentNumber;

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

/// A value of a text. Sessions are shared between threads, which a [`FluentValue`] cannot be.
#[derive(Debug, Clone)]
enum Value {
    Text(String),
    Number(FluentNumber),
}

impl From<FluentValue<'static>> for Value {
    fn from(value: FluentValue<'static>) -> Self {
        match value {
            FluentValue::String(text) => Self::Text(text.into_owned()),
            FluentValue::Number(number) => Self::Number(number),
            // No text has such a value; a place for one would stay empty.
            FluentValue::Custom(_) | FluentValue::None | FluentValue::Error => Self::Text(String::new()),
        }
    }
}

impl Value {
    fn said(&self) -> FluentValue<'_> {
        match self {
            Self::Text(text) => FluentValue::from(text.as_str()),
            Self::Number(number) => FluentValue::from(number.clone()),
        }
    }
}

/// A text and its values, in no language yet.
#[derive(Debug, Clone)]
pub(super) struct Notice {
    /// How it is meant.
    tone: Tone,
    /// The only page that says it, if not the next one whatever it is.
    place: Option<String>,
    key: &'static str,
    values: Vec<(&'static str, Value)>,
}

impl Notice {
    /// It was done.
    pub(super) fn done(key: &'static str) -> Self {
        Self { tone: Tone::Done, place: None, key, values: Vec::new() }
    }

    /// It was done, and something needs a look.
    pub(super) fn warning(key: &'static str) -> Self {
        Self { tone: Tone::Warning, ..Self::done(key) }
    }

    /// It was not done.
    pub(super) fn refused(key: &'static str) -> Self {
        Self { tone: Tone::Refused, ..Self::done(key) }
    }

    /// Said by the page at this path alone: what was done to one device is not said on the page of another.
    pub(super) fn at(mut self, place: &str) -> Self {
        self.place = Some(place.to_owned());
        self
    }

    /// Whether the page at this path says it.
    pub(super) fn belongs_at(&self, place: &str) -> bool {
        self.place.as_deref().is_none_or(|own| own == place)
    }

    /// With a value.
    pub(super) fn with(mut self, name: &'static str, value: impl Into<FluentValue<'static>>) -> Self {
        self.values.push((name, value.into().into()));
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
        let values: Vec<_> = self.values.iter().map(|(name, value)| (*name, value.said())).collect();
        language.borrow().say(self.key, &values)
    }
}
