//! The session grant: what a device needs beside its certificate before it is given content.
//!
//! A verified login makes one ([`crate::unlock::grant`]), and there is one an enrolment: a newer login replaces it. It ends
//! with the unlock it belongs to, with a block or wipe (in their own commit), when the device says so, and, by
//! [`content`], with any change of the account's standing after it was made and with any rise of the server's epoch.

use std::ops::Range;

use jiff::Timestamp;
use rand::{CryptoRng, RngCore};
use serde::{Deserialize, Serialize};
use shared::crypto::{OpenError, Purpose, SealingKey, Secret};
use shared::grant::GrantKey;
use shared::ids::{AccountId, EnrolmentId};
use shared::wire::RefusalReason;

use crate::account::Account;
use crate::change::{Changeset, Record, Stored};
use crate::device::Device;
use crate::unlock::standing;

#[cfg(test)]
mod tests;

/// A grant as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionGrant {
    /// Nonce, ciphertext and tag of the key. A fresh nonce each time, so it names the grant as well.
    #[serde(with = "serde_bytes")]
    sealed_key: Vec<u8>,
    /// When its login was verified.
    pub made_at: Timestamp,
    /// Until when it holds, unless something ends it before.
    pub until: Timestamp,
    /// The server's epoch when it was made: what a restore or the end of a quarantine brings back holds no more.
    #[serde(default)]
    pub server_epoch: u32,
}

/// Seals the keys of grants, under the master key.
pub struct GrantSeal(SealingKey);

impl GrantSeal {
    /// The key, from the master key.
    pub fn derive(master: &Secret<32>) -> Self {
        Self(Purpose::GrantSeal.derive_sealing_key(&[master.expose()], b""))
    }

    pub(crate) fn make(
        &self,
        key: &GrantKey,
        enrolment: EnrolmentId,
        server_epoch: u32,
        time: Range<Timestamp>,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> SessionGrant {
        let sealed_key = self.0.seal(enrolment.as_bytes(), key.expose(), rng);
        SessionGrant { sealed_key, made_at: time.start, until: time.end, server_epoch }
    }

    fn open(&self, grant: &SessionGrant, enrolment: EnrolmentId) -> Result<GrantKey, OpenError> {
        let bytes = self.0.open(enrolment.as_bytes(), &grant.sealed_key)?;
        GrantKey::from_slice(&bytes).ok_or(OpenError::Authentication)
    }
}

/// A grant that was proved over one connection. Only [`prove`] makes one; it belongs to that connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenGrant {
    grant: SessionGrant,
    tag: [u8; 32],
}

impl ProvenGrant {
    /// Until when it holds, unless something ends it before.
    pub fn until(&self) -> Timestamp {
        self.grant.until
    }

    /// The proof.
    pub fn tag(&self) -> &[u8; 32] {
        &self.tag
    }
}

/// Whoever holds one may serve content to the enrolment now. Made by [`content`] only, for one answer: a long one asks
/// again on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentAccess {
    enrolment: EnrolmentId,
    account: AccountId,
    until: Timestamp,
}

impl ContentAccess {
    /// To which device.
    pub fn enrolment(self) -> EnrolmentId {
        self.enrolment
    }

    /// Whose.
    pub fn account(self) -> AccountId {
        self.account
    }

    /// The end of the grant.
    pub fn until(self) -> Timestamp {
        self.until
    }
}

/// The server's clock and epoch.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// The time.
    pub now: Timestamp,
    /// [`crate::quarantine::ServerState::epoch`].
    pub server_epoch: u32,
}

/// The grant that holds now, whoever asks.
fn current<'a>(
    device: &'a Device,
    account: &Account,
    Moment { now, server_epoch }: Moment,
) -> Result<&'a SessionGrant, RefusalReason> {
    standing(device, account)?;
    let holds = |grant: &&SessionGrant| {
        let since =
            account.seat.map_or(account.state_since, |seat| seat.assigned_at.max(account.state_since));
        now < grant.until && grant.made_at >= since && grant.server_epoch == server_epoch
    };
    device.grant.as_ref().filter(holds).ok_or(RefusalReason::NoGrant)
}

/// Checks a proof over a connection's exporter.
pub fn prove(
    seal: &GrantSeal,
    device: &Device,
    account: &Account,
    exporter: &[u8; 32],
    tag: &[u8; 32],
    moment: Moment,
) -> Result<ProvenGrant, RefusalReason> {
    let grant = current(device, account, moment)?;
    let key = seal.open(grant, device.enrolment).map_err(|_| RefusalReason::NoGrant)?;
    if key.verify(device.enrolment, exporter, tag) {
        Ok(ProvenGrant { grant: grant.clone(), tag: *tag })
    } else {
        Err(RefusalReason::NoGrant)
    }
}

/// Whether content may be served on a connection that has proved `proven`: the same standing as an unlock needs, and the
/// proven grant is still the one that holds.
pub fn content(
    device: &Device,
    account: &Account,
    proven: Option<&ProvenGrant>,
    moment: Moment,
) -> Result<ContentAccess, RefusalReason> {
    let grant = current(device, account, moment)?;
    proven.filter(|proven| proven.grant == *grant).ok_or(RefusalReason::NoGrant)?;
    Ok(ContentAccess { enrolment: device.enrolment, account: account.id, until: grant.until })
}

/// The device says that nobody needs the grant any more. `None` if it has ended already.
pub fn end(mut device: Stored<Device>, proven: &ProvenGrant) -> Option<Changeset> {
    device.value.grant.take_if(|grant| *grant == proven.grant)?;
    let mut changes = Changeset::default();
    changes.update(device.version, Record::Device(device.value));
    Some(changes)
}
