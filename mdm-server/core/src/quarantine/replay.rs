//! What a journal that was kept elsewhere says happened after the place up to which the server knows everything: which
//! devices were wiped or blocked, whose PIN was changed, which operators lost their rights or their way of signing in, which
//! documents were taken back.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shared::ids::{CommandId, DocumentId, EnrolmentId, OperatorId};
use shared::signed::Order;

use crate::audit::{Body, Happening};
use crate::operator::Role;

/// A wipe that was ordered: enough to order the very same again, so that a receipt for it is understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    /// Of which device.
    pub enrolment: EnrolmentId,
    /// The command.
    pub command: CommandId,
    /// Its place.
    pub order: Order,
    /// When it was ordered.
    pub at: Timestamp,
}

/// Why an entry cannot be followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("entry {0} of the journal orders a wipe and does not say which")]
pub struct Unreadable(pub u64);

/// What is to be done again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replay {
    /// Wipes, by device.
    pub wiped: BTreeMap<EnrolmentId, Tombstone>,
    /// Devices that were blocked last.
    pub blocked: BTreeSet<EnrolmentId>,
    /// What became of operators.
    pub operators: BTreeMap<OperatorId, Fate>,
    /// The last PIN that was proved in the place of another, by device.
    pub pins: BTreeMap<EnrolmentId, ProvenPin>,
    /// Documents that were taken back. None is ever published again under its id.
    pub unpublished: BTreeSet<DocumentId>,
    /// Newer versions of documents. They are not followed, since the journal does not have their contents.
    pub replaced: BTreeMap<DocumentId, u32>,
    /// How many personnel batches took effect. They are not followed: their files are to be uploaded again.
    pub batches: usize,
}

/// What became of an operator.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fate {
    /// Disabled, and not enabled since.
    pub disabled: bool,
    /// The last role they were given.
    pub role: Option<Role>,
    /// Invited anew: what they signed in with was void from then on.
    pub invited_anew: bool,
}

/// A PIN that took the place of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProvenPin {
    /// When.
    pub at: Timestamp,
    /// Which record; see [`shared::opaque::record_mark`]. Absent if the journal does not say.
    pub mark: Option<[u8; 32]>,
}

impl ProvenPin {
    /// Whether a key file that was copied then, and holds records with these marks, is of before this PIN: then it would bring
    /// the old one back. `as_of` is absent where the key file may be of any age.
    pub fn is_lost_in(&self, as_of: Option<Timestamp>, marks: &[[u8; 32]]) -> bool {
        let later = as_of.is_none_or(|as_of| as_of <= self.at);
        later && self.mark.is_none_or(|mark| !marks.contains(&mark))
    }
}

impl Replay {
    /// Takes the next entry.
    pub fn note(&mut self, body: &Body) -> Result<(), Unreadable> {
        let device = body.subject.device;
        match (body.what, device) {
            (Happening::DeviceWiped, _) => {
                let tombstone = tombstone(body).ok_or(Unreadable(body.sequence))?;
                self.wiped.insert(tombstone.enrolment, tombstone);
            }
            (Happening::DeviceBlocked, Some(device)) => {
                self.blocked.insert(device);
            }
            (Happening::DeviceUnblocked, Some(device)) => {
                self.blocked.remove(&device);
            }
            (Happening::PinProven, Some(device)) => {
                self.pins.insert(device, ProvenPin { at: body.at, mark: mark(body) });
            }
            (Happening::DocumentUnpublished, _) => {
                self.unpublished.extend(body.subject.document);
            }
            (Happening::DocumentReplaced, _) => {
                let version = fact(body, "version").and_then(|version| version.parse().ok());
                self.replaced.extend(body.subject.document.zip(version));
            }
            (Happening::BatchApplied, _) => self.batches += 1,
            (Happening::OperatorDisabled, _) => self.fate(body, |fate| fate.disabled = true),
            (Happening::OperatorEnabled, _) => self.fate(body, |fate| fate.disabled = false),
            (Happening::OperatorInvited, _) if fact(body, "again").is_some() => {
                self.fate(body, |fate| fate.invited_anew = true);
            }
            (Happening::OperatorChanged, _) => {
                if let Some(role) = role(body) {
                    self.fate(body, |fate| fate.role = Some(role));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn fate(&mut self, body: &Body, change: impl FnOnce(&mut Fate)) {
        if let Some(id) = operator(body) {
            change(self.operators.entry(id).or_default());
        }
    }
}

fn role(body: &Body) -> Option<Role> {
    let name = fact(body, "role")?;
    Role::ALL.into_iter().find(|role| role.name() == name)
}

fn mark(body: &Body) -> Option<[u8; 32]> {
    data_encoding::HEXLOWER.decode(fact(body, "record")?.as_bytes()).ok()?.try_into().ok()
}

fn fact<'a>(body: &'a Body, name: &str) -> Option<&'a str> {
    body.facts.iter().find(|(fact, _)| fact == name).map(|(_, value)| value.as_str())
}

fn operator(body: &Body) -> Option<OperatorId> {
    fact(body, "operator")?.parse().ok()
}

fn tombstone(body: &Body) -> Option<Tombstone> {
    let (epoch, counter) = fact(body, "order")?.split_once('.')?;
    Some(Tombstone {
        enrolment: body.subject.device?,
        command: body.subject.command?,
        order: Order { epoch: epoch.parse().ok()?, counter: counter.parse().ok()? },
        at: body.at,
    })
}
