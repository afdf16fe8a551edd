//! Why something is ordered: one of a few reasons, and words of one's own. It goes into the audit journal.

use crate::console::page::Page;

/// A reason to choose.
pub(in crate::console) struct Choice {
    /// What the form sends.
    pub(in crate::console) value: &'static str,
    /// Key of its words.
    pub(in crate::console) key: &'static str,
}

/// The reason that wants words of one's own.
const OTHER: Choice = Choice { value: "other", key: "devices-reason-other" };

/// Why a device is blocked. The first is chosen beforehand, so that one press is enough.
pub(in crate::console) const BLOCK: [Choice; 4] = [
    Choice { value: "lost", key: "devices-reason-lost" },
    Choice { value: "stolen", key: "devices-reason-stolen" },
    Choice { value: "suspicious", key: "devices-reason-suspicious" },
    OTHER,
];

/// Why a block ends.
pub(super) const UNBLOCK: [Choice; 3] = [
    Choice { value: "found", key: "devices-reason-found" },
    Choice { value: "mistaken", key: "devices-reason-mistaken" },
    OTHER,
];

/// Why attempts are given back.
pub(super) const RESET: [Choice; 2] = [Choice { value: "mistyped", key: "devices-reason-mistyped" }, OTHER];

/// Why a device is wiped.
pub(super) const WIPE: [Choice; 5] = [
    Choice { value: "lost", key: "devices-reason-lost" },
    Choice { value: "stolen", key: "devices-reason-stolen" },
    Choice { value: "replaced", key: "devices-reason-replaced" },
    Choice { value: "forgotten", key: "devices-reason-forgotten" },
    OTHER,
];

/// The part of a form that asks for the reason. In templates as `reason`, for `devices/reason.html`.
pub(in crate::console) struct ReasonField {
    /// What there is to choose.
    pub(in crate::console) choices: &'static [Choice],
    /// What is chosen.
    pub(in crate::console) chosen: String,
    /// Words of one's own.
    pub(in crate::console) note: String,
    /// What is wrong with it.
    pub(in crate::console) problem: Option<String>,
}

impl ReasonField {
    /// With the first choice chosen.
    pub(in crate::console) fn new(choices: &'static [Choice]) -> Self {
        let chosen = choices.first().map_or("", |choice| choice.value).to_owned();
        Self { choices, chosen, note: String::new(), problem: None }
    }

    /// As it was sent.
    pub(in crate::console) fn sent(choices: &'static [Choice], chosen: &str, note: &str) -> Self {
        Self { choices, chosen: chosen.to_owned(), note: note.trim().to_owned(), problem: None }
    }

    /// The reason as one text, or what is wrong: no choice, or no words where they are needed.
    pub(in crate::console) fn text(&self, page: &Page) -> Result<String, String> {
        let choice = self.choices.iter().find(|choice| choice.value == self.chosen);
        let choice = choice.ok_or_else(|| page.say("devices-reason-choose"))?;
        let is_other = choice.value == OTHER.value;
        match (is_other, self.note.is_empty()) {
            (true, true) => Err(page.say("devices-reason-words")),
            (true, false) => Ok(self.note.clone()),
            (false, true) => Ok(page.say(choice.key)),
            (false, false) => Ok(format!("{}: {}", page.say(choice.key), self.note)),
        }
    }
}
