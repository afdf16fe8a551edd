//! `[mail]`: the mail server that activation codes may be sent through. Without it none are.

use std::net::IpAddr;
use std::path::PathBuf;

use lettre::message::Mailbox;
use serde::{Deserialize, Serialize};

use crate::console::words::Language;

/// How the way to the mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailTls {
    /// STARTTLS, and nothing without it (RFC 3207).
    Starttls,
    /// TLS from the first byte (RFC 8314).
    Wrapped,
    /// None: only to this machine itself.
    None,
}

/// What mail is written in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailLanguage {
    /// 日本語.
    #[default]
    Ja,
    /// English.
    En,
}

impl From<MailLanguage> for Language {
    fn from(language: MailLanguage) -> Self {
        match language {
            MailLanguage::Ja => Self::Japanese,
            MailLanguage::En => Self::English,
        }
    }
}

/// The mail server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    /// Its name, as in its certificate.
    pub host: String,
    /// Its port: 587 for STARTTLS and 465 for TLS from the first byte, as a rule.
    pub port: u16,
    /// `starttls`, `wrapped`, or `none` for a mail server on this machine.
    pub tls: MailTls,
    /// Whom mail is from: `helpdesk@example.lg.jp` or `情報政策課 <helpdesk@example.lg.jp>`.
    pub from: String,
    /// What the mail server, if it asks, knows this server by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// A file that only its owner can read, with the password of `user`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// PEM of the authority that the mail server's certificate must be of; without it the public ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Most mails in a minute.
    #[serde(default = "default_per_minute")]
    pub per_minute: u32,
    /// What mail is written in: `ja` or `en`.
    #[serde(default)]
    pub language: MailLanguage,
}

fn default_per_minute() -> u32 {
    60
}

impl Mail {
    /// Which value cannot be used, and what it may be.
    pub(super) fn problem(&self) -> Option<&'static str> {
        if self.host.trim().is_empty() {
            return Some("mail.host is the name of the mail server");
        }
        if self.tls == MailTls::None && !self.is_this_machine() {
            return Some(
                "mail.tls is none only for a mail.host on this machine, like localhost: codes would travel readable; set \
                 starttls or wrapped",
            );
        }
        if self.from.parse::<Mailbox>().is_err() {
            return Some("mail.from is a mail address, like helpdesk@example.lg.jp");
        }
        if self.user.is_some() != self.password_file.is_some() {
            return Some("mail.user and mail.password_file go together");
        }
        if !(1..=6000).contains(&self.per_minute) {
            return Some("mail.per_minute is 1 to 6000");
        }
        None
    }

    fn is_this_machine(&self) -> bool {
        self.host == "localhost" || self.host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
    }
}
