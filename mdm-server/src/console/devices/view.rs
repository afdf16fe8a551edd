//! A device in words, as pages about devices and about people show it.

use jiff::Timestamp;
use mdm_core::device::Device;
use shared::ids::EnrolmentId;
use shared::wire::KeyLevel;

use crate::console::page::Page;
use crate::console::words::Language;
use crate::directory::Standing;
use crate::use_cases::accounts::DeviceStanding;
use crate::use_cases::statement;

/// A state in a word, and the style's name for how it is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::console) struct Badge {
    /// Key of the word.
    pub(in crate::console) key: &'static str,
    /// Class beside `state`.
    pub(in crate::console) class: &'static str,
}

/// Where a device stands. A wipe is never one green tick.
pub(in crate::console) fn badge(standing: Standing) -> Badge {
    let (key, class) = match standing {
        Standing::Enrolling => ("devices-state-enrolling", "state-info"),
        Standing::Live => ("devices-state-live", "state-good"),
        Standing::Blocked => ("devices-state-blocked", "state-warning"),
        Standing::WipeUnconfirmed => ("devices-state-unconfirmed", "state-bad"),
        Standing::Erased => ("devices-state-erased", "state-plain"),
    };
    Badge { key, class }
}

/// The key of the words for where a device key lives.
pub(super) fn key_level(level: KeyLevel) -> &'static str {
    match level {
        KeyLevel::Software => "devices-key-software",
        KeyLevel::Tee => "devices-key-tee",
        KeyLevel::Strongbox => "devices-key-strongbox",
    }
}

/// The name under which a device is spoken of; what it says of itself may be empty.
pub(in crate::console) fn model(page: &Page, said: &str) -> String {
    if said.trim().is_empty() { page.say("devices-no-model") } else { said.to_owned() }
}

/// What is known of a device and what may be ordered for it. In templates as `device`, for `devices/facts.html`.
pub(in crate::console) struct DeviceView {
    /// The key.
    pub(in crate::console) id: EnrolmentId,
    /// What it is called.
    pub(in crate::console) model: String,
    /// Operating system and version, as it says.
    pub(in crate::console) platform: String,
    /// Version of the app, as it says.
    pub(in crate::console) app_version: String,
    /// Where it stands.
    pub(in crate::console) badge: Badge,
    /// Whether it is connected now.
    pub(in crate::console) connected: bool,
    /// When its key was registered.
    pub(in crate::console) enrolled_at: Timestamp,
    /// Last hello.
    pub(in crate::console) last_contact: Option<Timestamp>,
    /// Last verified unlock.
    pub(in crate::console) last_unlock: Option<Timestamp>,
    /// Attempts that are left, in words.
    pub(in crate::console) attempts: String,
    /// Whether none are left.
    pub(in crate::console) exhausted: bool,
    /// Key of the words for where its key lives.
    pub(in crate::console) key_level: &'static str,
    /// Until when it can be opened without the server, in words.
    pub(in crate::console) open_until: String,
    /// A copy of a device that is in use could be opened with the PIN. Of one that is not, the statement says so.
    pub(in crate::console) copy_may_open: bool,
    /// What can be said of it in a breath, if it is blocked or wiped.
    pub(in crate::console) statement: Option<String>,
    /// Whether a wipe is ordered.
    pub(in crate::console) wiped: bool,
    /// Whether the viewer may block it, as it stands.
    pub(in crate::console) may_block: bool,
    /// Whether the viewer may unblock it, as it stands.
    pub(in crate::console) may_unblock: bool,
    /// Whether the viewer may give it attempts back, and any are used up.
    pub(in crate::console) may_reset: bool,
    /// Whether the viewer may wipe it, as it stands.
    pub(in crate::console) may_wipe: bool,
}

impl DeviceView {
    pub(in crate::console) fn new(known: &DeviceStanding, page: &Page) -> Self {
        let device = &known.device;
        let standing = Standing::of(&device.state);
        let in_use = matches!(standing, Standing::Enrolling | Standing::Live);
        let may_work = known.account.as_ref().is_some_and(|account| account.may_work());
        let attempts_left = known.attempts.map(|attempts| attempts.left());
        Self {
            id: device.enrolment,
            model: model(page, &device.description.model),
            platform: device.description.platform.clone(),
            app_version: device.description.app_version.clone(),
            badge: badge(standing),
            connected: known.connected,
            enrolled_at: device.enrolled_at,
            last_contact: device.last_contact,
            last_unlock: device.last_unlock,
            attempts: attempts(known, page),
            exhausted: attempts_left == Some(0),
            key_level: key_level(device.description.key_level),
            open_until: open_until(device, page),
            copy_may_open: device.copy_may_open && in_use,
            statement: statement_of(device, page),
            wiped: device.wipe().is_some(),
            // What only a batch or grace has blocked opens again with the undo or the restored seat: whoever has lost it can
            // still have it blocked for good.
            may_block: page.may_block()
                && (standing == Standing::Live
                    || standing == Standing::Blocked && device.blocked_by.is_some()),
            may_unblock: page.may_block() && standing == Standing::Blocked && may_work,
            may_reset: page.may_manage()
                && matches!(standing, Standing::Live | Standing::Blocked)
                && known.attempts.is_some_and(|attempts| attempts.left() < attempts.limit),
            may_wipe: page.may_wipe() && device.wipe().is_none(),
        }
    }
}

fn attempts(known: &DeviceStanding, page: &Page) -> String {
    match known.attempts {
        Some(attempts) => {
            page.say2("devices-attempts-left", "left", attempts.left(), "limit", attempts.limit)
        }
        None if known.device.wipe().is_some() => page.say("devices-attempts-destroyed"),
        None => page.say("devices-attempts-no-pin"),
    }
}

/// Until when a device can be opened without the server.
pub(super) fn open_until(device: &Device, page: &Page) -> String {
    match device.still_open_until() {
        Some(until) if until > page.now => page.say1("devices-open-until", "at", page.time(&until)),
        Some(until) => page.say1("devices-open-ended", "at", page.time(&until)),
        None if device.may_be_open_until.is_some() => page.say("devices-open-erased"),
        None => page.say("devices-open-never"),
    }
}

/// What can be said of a blocked or wiped device, in the viewer's language.
pub(in crate::console) fn statement_of(device: &Device, page: &Page) -> Option<String> {
    let statement = statement::of_device(device, page.now, &statement::office_zone())?;
    Some(match page.language {
        Language::Japanese => statement.ja,
        Language::English => statement.en,
    })
}
