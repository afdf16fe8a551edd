//! The console's words: Fluent files, chosen by language. What is said stands in `locales/`, never in code or templates.

use std::sync::LazyLock;

use axum::http::HeaderMap;
use axum::http::header::ACCEPT_LANGUAGE;
use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource};
use unic_langid::LanguageIdentifier;

pub(crate) use fluent_bundle::FluentValue;

/// A language of the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Language {
    /// 日本語, also where nothing was asked for.
    Japanese,
    /// English.
    English,
}

macro_rules! files {
    ($language:literal: $($area:literal),+ $(,)?) => {
        [$(($area, include_str!(concat!("../../locales/", $language, "/", $area, ".ftl")))),+]
    };
}

/// Each file of Japanese words.
pub(super) const JAPANESE: [(&str, &str); 15] = files!(
    "ja": "common", "sign-in", "dashboard", "batches", "approval", "accounts", "devices", "documents", "licenses", "letters", "audit", "operators", "quarantine", "refusals", "substitutes"
);
/// Each file of English words: the same files.
pub(super) const ENGLISH: [(&str, &str); 15] = files!(
    "en": "common", "sign-in", "dashboard", "batches", "approval", "accounts", "devices", "documents", "licenses", "letters", "audit", "operators", "quarantine", "refusals", "substitutes"
);

static WORDS: LazyLock<[Words; 2]> =
    LazyLock::new(|| [Words::load(Language::Japanese, &JAPANESE), Words::load(Language::English, &ENGLISH)]);

/// The most of an `Accept-Language` header that is looked at.
const ACCEPT_LANGUAGE_READ: usize = 200;

impl Language {
    /// All of them.
    pub(super) const ALL: [Self; 2] = [Self::Japanese, Self::English];

    /// As in BCP 47.
    pub(crate) fn tag(self) -> &'static str {
        match self {
            Self::Japanese => "ja",
            Self::English => "en",
        }
    }

    /// Its own name.
    pub(super) fn own_name(self) -> &'static str {
        match self {
            Self::Japanese => "日本語",
            Self::English => "English",
        }
    }

    /// By its tag.
    pub(crate) fn by_tag(tag: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.tag() == tag)
    }

    /// The first language of `Accept-Language` (RFC 9110 section 12.5.4) that there are words in. Browsers send them in the
    /// order of preference, so weights are not read.
    pub(super) fn asked_for(headers: &HeaderMap) -> Self {
        let asked = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let asked = asked.get(..ACCEPT_LANGUAGE_READ).unwrap_or(asked);
        let primary =
            |range: &str| range.split([';', '-']).next().unwrap_or_default().trim().to_ascii_lowercase();
        asked.split(',').find_map(|range| Self::by_tag(&primary(range))).unwrap_or(Self::Japanese)
    }

    /// What `key` says. A missing key says itself: a test finds them all.
    pub(crate) fn say(self, key: &str, args: &[(&str, FluentValue<'_>)]) -> String {
        let [japanese, english] = &*WORDS;
        match self {
            Self::Japanese => japanese.say(key, args),
            Self::English => english.say(key, args),
        }
    }
}

struct Words(FluentBundle<FluentResource>);

impl Words {
    fn load(language: Language, files: &[(&str, &str)]) -> Self {
        let language: LanguageIdentifier = language.tag().parse().unwrap_or_default();
        let mut bundle = FluentBundle::new_concurrent(vec![language]);
        // Marks around values would be copied along with staff numbers; names here are not bidirectional.
        bundle.set_use_isolating(false);
        for (area, text) in files {
            // What parses is used and the rest is logged; a test parses every file strictly.
            let resource =
                FluentResource::try_new((*text).to_owned()).unwrap_or_else(|(resource, errors)| {
                    tracing::error!(area, ?errors, "words that cannot be read");
                    resource
                });
            if let Err(errors) = bundle.add_resource(resource) {
                tracing::error!(area, ?errors, "words that exist twice");
            }
        }
        Self(bundle)
    }

    fn say(&self, key: &str, args: &[(&str, FluentValue<'_>)]) -> String {
        let Some(pattern) = self.0.get_message(key).and_then(|message| message.value()) else {
            tracing::error!(key, "a text is missing");
            return key.to_owned();
        };
        let args: FluentArgs<'_> = args.iter().map(|(name, value)| (*name, value.clone())).collect();
        let mut errors = Vec::new();
        let said = self.0.format_pattern(pattern, Some(&args), &mut errors).into_owned();
        if !errors.is_empty() {
            tracing::error!(key, ?errors, "a text has lost a value");
        }
        said
    }
}

#[cfg(test)]
mod tests;
