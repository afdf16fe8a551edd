//! What a journal that was kept elsewhere says happened after the place up to which the server knows everything: which
//! devices were wiped or blocked, who lost their operator's rights.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shared::ids::{CommandId, EnrolmentId, OperatorId};
use shared::signed::Order;

use crate::audit::{Body, Happening};

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
    /// Operators who were disabled last.
    pub disabled: BTreeSet<OperatorId>,
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
            (Happening::OperatorDisabled, _) => self.disabled.extend(operator(body)),
            (Happening::OperatorEnabled, _) => {
                operator(body).map(|operator| self.disabled.remove(&operator));
            }
            _ => {}
        }
        Ok(())
    }
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
