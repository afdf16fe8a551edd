//! What the person chose for the eye: language, colours, size of text. In a small file beside the vault, so that it is
//! known before the vault is open; never anything about the work.

use serde::{Deserialize, Serialize};
use vault::{FileError, Home, files};

const LIMIT: usize = 4 * 1024;

/// The languages of the app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Language {
    /// 日本語.
    Ja,
    /// English.
    En,
}

impl Language {
    /// As the screens and the translations name it.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Ja => "ja",
            Self::En => "en",
        }
    }

    /// The language of a locale such as `ja_JP.UTF-8`; English where there is no translation.
    fn of_locale(locale: &str) -> Self {
        let base = locale.split(['-', '_', '.', '@']).next().unwrap_or_default();
        if base.eq_ignore_ascii_case("ja") { Self::Ja } else { Self::En }
    }

    /// Reads what [`Language::code`] gives.
    pub(crate) fn parse(code: &str) -> Option<Self> {
        [Self::Ja, Self::En].into_iter().find(|language| language.code() == code)
    }

    /// The language of the system.
    pub(crate) fn of_system() -> Self {
        sys_locale::get_locale().map_or(Self::En, |locale| Self::of_locale(&locale))
    }
}

/// Light or dark.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Colours {
    /// As the system has it.
    #[default]
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

/// Size of text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TextSize {
    /// As designed.
    #[default]
    Standard,
    /// Larger.
    Large,
    /// Largest.
    Largest,
}

/// What was chosen. A language that was not chosen is the system's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Preferences {
    pub(crate) language: Option<Language>,
    pub(crate) colours: Colours,
    pub(crate) text_size: TextSize,
    pub(crate) high_contrast: bool,
}

impl Preferences {
    /// Reads what was chosen. A file that is absent or not readable is as if nothing was.
    pub(crate) fn load(home: &Home) -> Self {
        let stored = files::read(&home.preferences(), LIMIT);
        let bytes = stored.inspect_err(|error| tracing::warn!(%error, "the preferences are not read")).ok();
        bytes.flatten().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    /// Keeps what was chosen.
    pub(crate) fn store(&self, home: &Home) -> Result<(), FileError> {
        let bytes = serde_json::to_vec(self).expect("preferences encode into a vector");
        files::create_dir(&home.device_dir())?;
        files::replace(&home.preferences(), &bytes)
    }

    /// The language to show.
    pub(crate) fn language(&self) -> Language {
        self.language.unwrap_or_else(Language::of_system)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locale_gives_its_language() {
        for locale in ["ja", "ja-JP", "ja_JP.UTF-8", "JA"] {
            assert_eq!(Language::of_locale(locale), Language::Ja, "{locale}");
        }
        for locale in ["en_GB.UTF-8", "C", "jam", "de-DE", ""] {
            assert_eq!(Language::of_locale(locale), Language::En, "{locale}");
        }
    }

    #[test]
    fn what_was_chosen_is_there_after_a_restart_and_damage_is_as_if_nothing_was() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path());
        assert_eq!(Preferences::load(&home), Preferences::default());
        let chosen = Preferences {
            language: Some(Language::Ja),
            colours: Colours::Dark,
            text_size: TextSize::Largest,
            high_contrast: true,
        };
        chosen.store(&home).unwrap();
        assert_eq!(Preferences::load(&home), chosen);
        home.create().unwrap();
        files::replace(&home.preferences(), b"{\"language\":7}").unwrap();
        assert_eq!(Preferences::load(&home), Preferences::default());
        files::replace(&home.preferences(), &vec![b' '; LIMIT + 1]).unwrap();
        assert_eq!(Preferences::load(&home), Preferences::default());
    }
}
