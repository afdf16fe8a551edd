//! An entry of the journal as people read it.

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use mdm_core::audit::Actor;
use shared::ids::{AccountId, BatchId, CommandId, DocumentId, EnrolmentId};

use super::words;
use crate::console::actors::Actors;
use crate::console::words::Language;
use crate::directory::Snapshot;
use crate::use_cases::journal::search::Read;

/// An entry.
pub(super) struct Row {
    pub(super) sequence: u64,
    pub(super) hash: String,
    /// Nothing if its bytes cannot be read.
    pub(super) said: Option<Said>,
}

/// What an entry says.
pub(super) struct Said {
    pub(super) at: Timestamp,
    pub(super) by: String,
    pub(super) what: String,
    /// By a device: which.
    pub(super) by_device: Option<EnrolmentId>,
    pub(super) account: Option<AboutAccount>,
    pub(super) device: Option<EnrolmentId>,
    pub(super) batch: Option<BatchId>,
    pub(super) command: Option<CommandId>,
    pub(super) document: Option<DocumentId>,
    pub(super) details: Vec<Detail>,
}

/// Whom an entry is about.
pub(super) struct AboutAccount {
    pub(super) id: AccountId,
    pub(super) number: String,
    pub(super) name: String,
}

/// One detail.
pub(super) struct Detail {
    pub(super) name: String,
    pub(super) value: String,
}

impl Said {
    /// Whether there is nothing to name: the cell is left out on a phone.
    pub(super) fn is_about_nothing(&self) -> bool {
        self.account.is_none() && self.device.is_none() && self.batch.is_none() && self.document.is_none()
    }
}

impl Row {
    /// Enough of the chain value to tell it from others at a glance.
    pub(super) fn short_hash(&self) -> &str {
        self.hash.get(..12).unwrap_or(&self.hash)
    }

    /// In words.
    pub(super) fn new(read: Read, language: Language, actors: &Actors, directory: &Snapshot) -> Self {
        let Read { entry, body } = read;
        let personal = entry.personal.iter().map(|value| Detail {
            name: words::personal(language, &value.field),
            value: value.value.clone(),
        });
        let said = body.map(|body| {
            let facts = body.facts.iter().map(|(name, value)| Detail {
                name: words::fact(language, name),
                value: words::value(language, name, value),
            });
            Said {
                at: body.at,
                by: actors.name(body.actor, language),
                by_device: match body.actor {
                    Actor::Device(device) => Some(device),
                    _ => None,
                },
                what: words::what(language, body.what),
                account: body.subject.account.map(|id| about(id, directory)),
                device: body.subject.device,
                batch: body.subject.batch,
                command: body.subject.command,
                document: body.subject.document,
                details: personal.chain(facts).collect(),
            }
        });
        Self { sequence: entry.sequence, hash: HEXLOWER.encode(&entry.hash), said }
    }
}

fn about(id: AccountId, directory: &Snapshot) -> AboutAccount {
    let row = directory.person(id);
    let current = row.as_ref().map(|row| row.person.account.current());
    AboutAccount {
        id,
        number: current.map_or_else(|| id.to_string(), |current| current.staff_number.to_string()),
        name: current.map(|current| current.name.clone()).unwrap_or_default(),
    }
}
