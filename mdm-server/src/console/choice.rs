//! What a list can be narrowed by: the options of a `select`, with the one that is chosen.

use super::page::Page;

/// An option.
pub(super) struct Choice {
    /// What the form sends.
    pub(super) value: String,
    /// What it says.
    pub(super) text: String,
    /// Whether it is chosen.
    pub(super) chosen: bool,
}

/// Options with words: pairs of value and key.
pub(super) fn of_keys<'a>(
    page: &Page,
    pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    chosen: &str,
) -> Vec<Choice> {
    let choice = |(value, key): (&str, &str)| Choice {
        value: value.to_owned(),
        text: page.say(key),
        chosen: value == chosen,
    };
    pairs.into_iter().map(choice).collect()
}

/// Options that say what they are.
pub(super) fn of_names(names: impl IntoIterator<Item = String>, chosen: &str) -> Vec<Choice> {
    let choice = |name: String| Choice { chosen: name == chosen, text: name.clone(), value: name };
    names.into_iter().map(choice).collect()
}
