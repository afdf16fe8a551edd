//! What letters say, from `locales/`.

use jiff::Timestamp;
use mdm_letters::{CoverWords, LossWords, SubstituteWords, Words};

use crate::config::Config;
use crate::console::page::time_in_text;
use crate::console::words::{FluentValue, Language};
use crate::use_cases::statement::office_zone;

/// Everything but people.
pub(crate) fn words(language: Language, config: &Config, now: Timestamp) -> Words {
    let say = |key: &str| language.say(key, &[]);
    let day = now.to_zoned(office_zone()).strftime("%Y-%m-%d").to_string();
    let helpdesk = config.letters.helpdesk.as_ref();
    let first_step = match &config.letters.app {
        Some(place) => language.say("letters-step-app-from", &[("place", place.as_str().into())]),
        None => say("letters-step-app"),
    };
    Words {
        language: language.tag(),
        organisation: config.organisation.clone(),
        title: say("letters-title"),
        lead: say("letters-lead"),
        staff_number: say("letters-staff-number"),
        code: say("letters-code"),
        scan: say("letters-scan"),
        server: say("letters-server"),
        address: config.public_address.clone(),
        steps_title: say("letters-steps"),
        steps: [first_step, say("letters-step-code"), say("letters-step-pin")],
        short_steps: [say("letters-short-app"), say("letters-short-code"), say("letters-short-pin")],
        promise_title: say("letters-promise"),
        promise: [
            "letters-promise-erase",
            "letters-promise-unseen",
            "letters-promise-seen",
            "letters-promise-kept",
        ]
        .map(say)
        .into(),
        short_promise: say("letters-short-promise"),
        secret: say("letters-secret"),
        helpdesk: helpdesk.map(|place| language.say("letters-helpdesk", &[("place", place.as_str().into())])),
        loss: LossWords {
            title: say("letters-lost-code"),
            about: say("letters-lost-keep"),
            address: config.lost_page(),
        },
        cover: CoverWords {
            title: say("letters-cover"),
            about: say("letters-cover-about"),
            columns: [
                say("letters-cover-place"),
                say("letters-staff-number"),
                say("letters-name"),
                say("letters-cover-day"),
                say("letters-cover-seal"),
            ],
            printed: language.say("letters-cover-printed", &[("day", day.into())]),
            handed_by: say("letters-cover-handed-by"),
        },
        substitutes: SubstituteWords {
            title: say("letters-substitutes"),
            about: say("letters-substitutes-about"),
            columns: [
                say("letters-staff-number"),
                say("letters-name"),
                say("letters-substitutes-characters"),
            ],
        },
    }
}

/// A name as one addresses a letter.
pub(crate) fn addressee(language: Language, name: &str) -> String {
    language.say("letters-addressee", &[("name", name.into())])
}

/// How many letters a list has.
pub(crate) fn count(language: Language, letters: usize) -> String {
    let count = FluentValue::from(letters);
    language.say("letters-cover-count", &[("count", count)])
}

/// Until when a code can be used.
pub(crate) fn valid_until(language: Language, at: Timestamp) -> String {
    let time = time_in_text(at, language, office_zone());
    language.say("letters-valid-until", &[("time", time.into())])
}

/// What stands for the department of who has none.
pub(crate) fn no_department(language: Language) -> String {
    language.say("letters-no-department", &[])
}
