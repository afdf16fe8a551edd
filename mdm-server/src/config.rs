//! The configuration file: where the server listens, where it stores, what devices are allowed.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use jiff::SignedDuration;
use jiff::tz::TimeZone;
use mdm_core::approval::{Approvers, GuardRules};
use mdm_core::document::{Level, ReadingRules};
use mdm_core::note;
use serde::{Deserialize, Serialize};
use shared::policy::{ClipboardMode, LeaseMode, Policy};

use crate::documents::Limits;
use crate::use_cases::statement::office_zone;

mod mail;

pub use mail::{Mail, MailLanguage, MailTls};

/// The whole file, as TOML. Unknown keys are errors: a mistyped limit must not be silently absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The organisation's name, shown on devices and letters.
    pub organisation: String,
    /// Host and port under which devices reach the server.
    pub public_address: String,
    /// The organisation's zone, by its IANA name: in it effective times are given.
    #[serde(default = "default_zone")]
    pub time_zone: String,
    /// The data folder: database, key file, sealed secrets.
    pub data: PathBuf,
    /// The folder of the master key, outside the data folder and its backups.
    pub secrets: PathBuf,
    /// Where to listen.
    pub listen: Listen,
    /// What devices are allowed.
    #[serde(default)]
    pub devices: Devices,
    /// What documents are allowed.
    #[serde(default)]
    pub documents: Documents,
    /// What notes are allowed.
    #[serde(default)]
    pub notes: Notes,
    /// How letters are printed.
    #[serde(default)]
    pub letters: Letters,
    /// What personnel batches ask for before they take effect.
    #[serde(default)]
    pub batches: Batches,
    /// The mail server, if activation codes may be sent by mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mail: Option<Mail>,
}

/// The zone of who names none.
pub const DEFAULT_ZONE: &str = "Asia/Tokyo";

fn default_zone() -> String {
    DEFAULT_ZONE.to_owned()
}

/// The two doors. They bind apart, so that the one for devices can stand in a DMZ and the other inside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    /// UDP: devices.
    pub quic: SocketAddr,
    /// TCP: the API.
    pub https: SocketAddr,
    /// Names and addresses in the certificate of the HTTPS side.
    pub https_names: Vec<String>,
}

/// Limits for devices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Devices {
    /// Devices that an account may have at a time.
    pub per_account: u16,
    /// Fewest characters of a PIN.
    pub pin_min_length: u16,
    /// Wrong PINs in a row before the server withholds its help.
    pub unlock_attempts: u16,
    /// Seconds that the next PIN has to wait on the phone after the third wrong one in a row; doubled after each further one. 0: not
    /// at all. The limit is `unlock_attempts`.
    pub wrong_pin_delay_seconds: u32,
    /// PIN exchanges of one device in a minute, twice as many at once.
    pub logins_per_minute: u32,
    /// Unlock without the server.
    pub lease_mode: LeaseMode,
    /// Length of a lease in minutes.
    pub lease_minutes: u32,
    /// Minutes that a vault stays open after the last contact while no lease runs.
    pub max_open_minutes: u32,
    /// Grants durable leases to devices whose secret is not bound to hardware. Whoever copies such a device's storage
    /// during the lease and knows the PIN can open the copy.
    pub durable_lease_on_software_keys: bool,
    /// Which way text may be copied: `blocked`, `inside` the app only, or `inside_in`, where text of other apps may be
    /// pasted in as well.
    pub clipboard: ClipboardMode,
}

impl Default for Devices {
    fn default() -> Self {
        Self {
            per_account: 1,
            pin_min_length: 6,
            unlock_attempts: 10,
            wrong_pin_delay_seconds: 30,
            logins_per_minute: 30,
            lease_mode: LeaseMode::Volatile,
            lease_minutes: 8 * 60,
            max_open_minutes: 15,
            durable_lease_on_software_keys: false,
            clipboard: ClipboardMode::Inside,
        }
    }
}

/// Limits for documents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Documents {
    /// Most MiB of one document.
    pub largest_mib: u32,
    /// Most MiB of all documents together.
    pub all_together_mib: u32,
    /// Days for which somebody who has moved still reads the documents of the department they left.
    pub handover_days: u16,
    /// Lets documents of 機密性3 be published to phones.
    pub level_3_on_phones: bool,
}

impl Default for Documents {
    fn default() -> Self {
        Self { largest_mib: 200, all_together_mib: 20 * 1024, handover_days: 30, level_3_on_phones: false }
    }
}

impl Documents {
    /// The limits in bytes.
    pub fn content_limits(&self) -> Limits {
        Limits { largest: bytes(self.largest_mib), together: bytes(self.all_together_mib) }
    }

    /// The highest level that goes to phones.
    pub fn highest_level(&self) -> Level {
        if self.level_3_on_phones { Level::Three } else { Level::Two }
    }

    /// Who may read what.
    pub fn reading_rules(&self) -> ReadingRules {
        let handover = SignedDuration::from_hours(24 * i64::from(self.handover_days));
        ReadingRules { handover, highest: self.highest_level() }
    }
}

/// Limits for notes and photos.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Notes {
    /// Most MiB of one.
    pub largest_mib: u32,
    /// Most MiB of all of one account.
    pub account_mib: u32,
    /// Most notes and photos of one account, those that were deleted included.
    pub account_notes: u32,
    /// Most MiB of all accounts together.
    pub all_together_mib: u32,
}

impl Default for Notes {
    fn default() -> Self {
        Self { largest_mib: 32, account_mib: 2 * 1024, account_notes: 20_000, all_together_mib: 200 * 1024 }
    }
}

impl Notes {
    /// What one account may have, in bytes.
    pub fn limits(&self) -> note::Limits {
        note::Limits {
            largest: bytes(self.largest_mib),
            account_bytes: bytes(self.account_mib),
            account_notes: self.account_notes,
        }
    }

    /// What all accounts may have together, in bytes.
    pub fn content_limits(&self) -> Limits {
        Limits { largest: bytes(self.largest_mib), together: bytes(self.all_together_mib) }
    }
}

/// How letters are printed, and what stands on them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Letters {
    /// A TrueType or OpenType font with Japanese characters; if absent, that of Debian's `fonts-noto-cjk` or
    /// `fonts-morisawa-bizud-gothic`.
    pub font: Option<PathBuf>,
    /// The same for headings, names and codes; if absent, `font`.
    pub bold_font: Option<PathBuf>,
    /// The place of both fonts in their collections, from 0.
    pub font_index: u32,
    /// Whom to ask and whom to tell of a lost device, on every letter.
    pub helpdesk: Option<String>,
    /// Where one gets the app, on every letter.
    pub app: Option<String>,
    /// Where a loss code is typed, if that page is published at another address than the console's.
    pub lost_page: Option<String>,
}

/// Most characters of a line of the configuration that goes onto letters.
const MAX_LETTER_LINE: usize = 120;

/// Guards of personnel batches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Batches {
    /// Percent of a source's people. If a batch makes more than that leave, their number must be typed, and somebody else than
    /// the author approves.
    pub leavers_percent: u8,
    /// If a batch changes something for more people than this, somebody else than the author approves.
    pub approval_above: u32,
    /// Who approves: `operators` (owners and operators) or `owners`. Deputies do as well.
    pub approvers: Approvers,
}

impl Default for Batches {
    fn default() -> Self {
        Self { leavers_percent: 10, approval_above: 50, approvers: Approvers::Operators }
    }
}

impl Batches {
    /// The same for the rules.
    pub fn rules(&self) -> GuardRules {
        let Self { leavers_percent, approval_above, approvers } = *self;
        GuardRules { leavers_percent, approval_above, approvers }
    }
}

fn bytes(mib: u32) -> u64 {
    u64::from(mib) * 1024 * 1024
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error(
        "cannot read the configuration {path}: {cause}; run `mdm-server init` first or name another file"
    )]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// The file is not what it should be.
    #[error("the configuration {path} is not valid: {cause}")]
    Parse {
        /// Which file.
        path: PathBuf,
        /// Where and what.
        cause: Box<toml::de::Error>,
    },
    /// A value outside its range.
    #[error("the configuration {path} is not valid: {what}")]
    Value {
        /// Which file.
        path: PathBuf,
        /// Which value, and what it may be.
        what: &'static str,
    },
}

impl Config {
    /// The console's address, without a path.
    pub fn console(&self) -> String {
        let name = self.listen.https_names.first().map_or("localhost", String::as_str);
        let port = self.listen.https.port();
        match name.parse() {
            Ok(std::net::IpAddr::V6(address)) => format!("https://[{address}]:{port}"),
            _ => format!("https://{name}:{port}"),
        }
    }

    /// Where a loss code is typed.
    pub fn lost_page(&self) -> String {
        self.letters.lost_page.clone().unwrap_or_else(|| format!("{}/lost/report", self.console()))
    }

    /// Reads and checks a file.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|cause| ConfigError::Read { path: path.to_owned(), cause })?;
        let config: Self = toml::from_str(&text)
            .map_err(|cause| ConfigError::Parse { path: path.to_owned(), cause: Box::new(cause) })?;
        match config.problem() {
            Some(what) => Err(ConfigError::Value { path: path.to_owned(), what }),
            None => Ok(config),
        }
    }

    /// Which value cannot be used, and what it may be.
    pub fn problem(&self) -> Option<&'static str> {
        let devices = &self.devices;
        if !(1..=10).contains(&devices.per_account) {
            return Some("devices.per_account is 1 to 10");
        }
        if !(1..=100).contains(&devices.unlock_attempts) {
            return Some("devices.unlock_attempts is 1 to 100");
        }
        if devices.wrong_pin_delay_seconds > 3600 {
            return Some("devices.wrong_pin_delay_seconds is 0 to 3600");
        }
        if !(1..=10_000).contains(&devices.logins_per_minute) {
            return Some("devices.logins_per_minute is 1 to 10000");
        }
        if !(4..=64).contains(&devices.pin_min_length) {
            return Some("devices.pin_min_length is 4 to 64");
        }
        if !(1..=7 * 24 * 60).contains(&devices.lease_minutes) {
            return Some("devices.lease_minutes is 1 to 10080, a week");
        }
        if !(1..=24 * 60).contains(&devices.max_open_minutes) {
            return Some("devices.max_open_minutes is 1 to 1440, a day");
        }
        if devices.clipboard == ClipboardMode::Unknown {
            return Some("devices.clipboard is blocked, inside or inside_in");
        }
        let documents = &self.documents;
        if !(1..=500).contains(&documents.largest_mib) {
            return Some("documents.largest_mib is 1 to 500, the most that a phone takes");
        }
        if documents.all_together_mib < documents.largest_mib {
            return Some("documents.all_together_mib is at least documents.largest_mib");
        }
        if documents.handover_days > 366 {
            return Some("documents.handover_days is 0 to 366");
        }
        let notes = &self.notes;
        if !(1..=500).contains(&notes.largest_mib) {
            return Some("notes.largest_mib is 1 to 500, the most that a phone takes");
        }
        if notes.account_mib < notes.largest_mib || notes.all_together_mib < notes.account_mib {
            return Some(
                "notes.account_mib is at least notes.largest_mib, and notes.all_together_mib at least that",
            );
        }
        if !(1..=100_000).contains(&notes.account_notes) {
            return Some("notes.account_notes is 1 to 100000, the most that a phone takes");
        }
        let letters = &self.letters;
        let mut lines = [&letters.helpdesk, &letters.app, &letters.lost_page].into_iter().flatten();
        if lines.any(|line| line.chars().count() > MAX_LETTER_LINE || line.contains(char::is_control)) {
            return Some(
                "letters.helpdesk, letters.app and letters.lost_page are one line of at most 120 characters each",
            );
        }
        if letters.bold_font.is_some() && letters.font.is_none() {
            return Some("letters.bold_font goes with letters.font");
        }
        if let Some(problem) = self.mail.as_ref().and_then(Mail::problem) {
            return Some(problem);
        }
        if self.batches.leavers_percent > 100 {
            return Some("batches.leavers_percent is 0 to 100");
        }
        if TimeZone::get(&self.time_zone).is_err() {
            return Some("time_zone is the IANA name of a time zone, like Asia/Tokyo");
        }
        if self.secrets.starts_with(&self.data) {
            return Some(
                "secrets must not lie inside data: a copy of the data folder would carry the master key",
            );
        }
        None
    }

    /// The organisation's zone.
    pub fn zone(&self) -> TimeZone {
        TimeZone::get(&self.time_zone).unwrap_or_else(|_| office_zone())
    }

    /// The policy of a device whose key lives at `level`. A durable lease falls back to a volatile one where nothing
    /// binds it to the device.
    pub fn policy(&self, level: shared::wire::KeyLevel) -> Policy {
        let devices = &self.devices;
        let unbound = level == shared::wire::KeyLevel::Software && !devices.durable_lease_on_software_keys;
        let lease_mode = match devices.lease_mode {
            LeaseMode::Durable if unbound => LeaseMode::Volatile,
            mode => mode,
        };
        Policy {
            pin_min_length: devices.pin_min_length,
            lease_mode,
            lease_seconds: devices.lease_minutes * 60,
            max_open_seconds: devices.max_open_minutes * 60,
            clipboard: devices.clipboard,
            wrong_pin_delay_seconds: devices.wrong_pin_delay_seconds,
            ..Policy::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::wire::KeyLevel;

    fn config(devices: &str) -> Result<Config, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mdm-server.toml");
        let text = format!(
            "organisation = '玉手県'\npublic_address = 'localhost:4433'\ndata = '/d'\nsecrets = '/s'\n\
             [listen]\nquic = '127.0.0.1:0'\nhttps = '127.0.0.1:0'\nhttps_names = ['localhost']\n{devices}"
        );
        std::fs::write(&path, text).unwrap();
        Config::load(&path)
    }

    #[test]
    fn a_durable_lease_needs_hardware_or_an_explicit_exception() {
        let durable = config("[devices]\nlease_mode = 'durable'").unwrap();
        assert_eq!(durable.policy(KeyLevel::Software).lease_mode, LeaseMode::Volatile);
        assert_eq!(durable.policy(KeyLevel::Strongbox).lease_mode, LeaseMode::Durable);
        let excepted =
            config("[devices]\nlease_mode = 'durable'\ndurable_lease_on_software_keys = true").unwrap();
        assert_eq!(excepted.policy(KeyLevel::Software).lease_mode, LeaseMode::Durable);
    }

    #[test]
    fn a_mistyped_key_or_a_value_out_of_range_is_an_error() {
        assert!(matches!(config("[devices]\nunlock_atempts = 5"), Err(ConfigError::Parse { .. })));
        assert!(matches!(config("[devices]\nunlock_attempts = 0"), Err(ConfigError::Value { .. })));
        assert!(matches!(config("[devices]\nper_account = 0"), Err(ConfigError::Value { .. })));
        assert!(matches!(config("[devices]\nclipboard = 'out'"), Err(ConfigError::Value { .. })));
    }

    #[test]
    fn the_zone_is_known_without_the_machine_and_a_false_one_is_an_error() {
        assert_eq!(config("").unwrap().zone().iana_name(), Some("Asia/Tokyo"));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mdm-server.toml");
        let mut other = config("").unwrap();
        other.time_zone = "Asia/Tokio".to_owned();
        std::fs::write(&path, toml::to_string(&other).unwrap()).unwrap();
        assert!(matches!(Config::load(&path), Err(ConfigError::Value { .. })));
    }

    #[test]
    fn the_clipboard_stays_inside_unless_the_file_says_otherwise() {
        let said = |devices| config(devices).unwrap().policy(KeyLevel::Software).clipboard;
        assert_eq!(said(""), ClipboardMode::Inside);
        assert_eq!(said("[devices]\nclipboard = 'inside_in'"), ClipboardMode::InsideIn);
    }

    #[test]
    fn mail_is_offered_only_with_a_way_that_nobody_reads_along() {
        let said = |more: &str| {
            config(&format!("[mail]\nport = 25\nfrom = '情報政策課 <a@example.lg.jp>'\n{more}"))
                .map(|found| found.mail)
        };
        assert_eq!(config("").unwrap().mail, None);
        let mail = said("host = 'mail.example.lg.jp'\ntls = 'starttls'").unwrap().unwrap();
        assert_eq!((mail.per_minute, mail.language), (60, MailLanguage::Ja));
        for here in ["localhost", "127.0.0.1", "::1"] {
            said(&format!("host = '{here}'\ntls = 'none'")).unwrap();
        }
        let readable = said("host = 'mail.example.lg.jp'\ntls = 'none'").unwrap_err().to_string();
        assert!(readable.contains("mail.tls is none only for"), "{readable}");
        let with = |more: &str| said(&format!("host = 'localhost'\ntls = 'wrapped'\n{more}"));
        assert!(matches!(with("user = 'mdm'"), Err(ConfigError::Value { .. })), "no password");
        assert!(matches!(with("per_minute = 0"), Err(ConfigError::Value { .. })));
        assert!(
            matches!(with("password = 'secret'"), Err(ConfigError::Parse { .. })),
            "never in the file itself"
        );
    }
}
