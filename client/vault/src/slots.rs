//! Key slots: the vault key, wrapped. Small files of their own; a slot is worth nothing without secrets that are not in it.
//!
//! A slot file is CBOR `{header: bstr, sealed: bstr}`; the header's bytes are the associated data as they stand, so that a
//! changed header opens nothing.
//!
//! | slot | wrapping key |
//! |---|---|
//! | online | HKDF(OPAQUE export key (64) ‖ device secret (32)), context enrolment id |
//! | offline | HKDF(Argon2id(PIN, salt) (32) ‖ device secret (32) ‖ lease secret (32)), context enrolment id |

use client_core::lease::StoredLease;
use rand::{CryptoRng, RngCore};
use serde::{Deserialize, Serialize};
use shared::crypto::{OpenError, Purpose, SealingKey, Secret};
use shared::ids::EnrolmentId;
use shared::opaque::{ExportKey, OpaqueError, Stretching};
use zeroize::Zeroizing;

use crate::files::{self, FileError};
use crate::home::Home;

const VERSION: u8 = 1;
/// No slot or lease file is longer, in bytes.
const MAX_LEN: usize = 1024;

/// Encrypts everything in the vault. Exists in memory while the vault is open, and wrapped in slots.
#[derive(Clone)]
pub struct VaultKey(Secret<32>);

impl VaultKey {
    /// A fresh key for a new vault.
    pub fn make(rng: &mut (impl RngCore + CryptoRng)) -> Self {
        Self(Secret::make(rng))
    }

    pub(crate) fn expose(&self) -> &[u8; 32] {
        self.0.expose()
    }
}

/// What helps to open a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SlotKind {
    /// The server.
    Online,
    /// A lease.
    Offline,
}

/// What is said about a slot in clear, and sealed with it as associated data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotHeader {
    version: u8,
    /// Whose vault.
    pub enrolment: EnrolmentId,
    /// What helps to open it.
    pub kind: SlotKind,
    /// Cost of Argon2id: within OPAQUE for the online slot, over the PIN for the offline slot.
    pub stretching: Stretching,
    /// Salt of Argon2id over the PIN; not used by an online slot.
    #[serde(with = "serde_bytes")]
    pub salt: [u8; 16],
}

/// Why a slot does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SlotError {
    /// Not a slot of this version.
    #[error("the key slot is damaged: have this device wiped and enrol it again")]
    Malformed,
    /// The header asks for another kind of secret.
    #[error("a key slot of another kind")]
    WrongKind,
    /// Argon2 parameters outside the accepted range.
    #[error("the key slot's stretching parameters are outside the accepted range")]
    Stretching,
    /// A wrong secret or changed bytes; which of them cannot be known.
    #[error("the key slot does not open with these secrets")]
    Closed,
}

impl From<OpaqueError> for SlotError {
    fn from(_: OpaqueError) -> Self {
        Self::Stretching
    }
}

impl From<OpenError> for SlotError {
    fn from(_: OpenError) -> Self {
        Self::Closed
    }
}

/// Why a slot cannot be read from a home.
#[derive(Debug, thiserror::Error)]
pub enum LoadSlotError {
    /// The file.
    #[error(transparent)]
    File(#[from] FileError),
    /// What is in it.
    #[error(transparent)]
    Slot(#[from] SlotError),
}

#[derive(Serialize, Deserialize)]
struct SlotFile {
    #[serde(with = "serde_bytes")]
    header: Vec<u8>,
    #[serde(with = "serde_bytes")]
    sealed: Vec<u8>,
}

/// One slot.
#[derive(Clone)]
pub struct Slot {
    header: SlotHeader,
    header_bytes: Vec<u8>,
    sealed: Vec<u8>,
}

fn online_key(header: &SlotHeader, export_key: &ExportKey, device_secret: &Secret<32>) -> SealingKey {
    let ikm: [&[u8]; 2] = [export_key.expose(), device_secret.expose()];
    Purpose::OnlineSlot.derive_sealing_key(&ikm, header.enrolment.as_bytes())
}

/// Costs as much time and memory as the header's stretching says.
fn offline_key(
    header: &SlotHeader,
    pin: &str,
    device_secret: &Secret<32>,
    lease_secret: &Secret<32>,
) -> Result<SealingKey, SlotError> {
    let mut stretched = Zeroizing::new([0; 32]);
    let argon2 = header.stretching.argon2()?;
    argon2
        .hash_password_into(pin.as_bytes(), &header.salt, stretched.as_mut())
        .map_err(|_| SlotError::Stretching)?;
    let ikm: [&[u8]; 3] = [stretched.as_ref(), device_secret.expose(), lease_secret.expose()];
    Ok(Purpose::OfflineSlot.derive_sealing_key(&ikm, header.enrolment.as_bytes()))
}

impl Slot {
    fn seal(
        header: SlotHeader,
        key: &SealingKey,
        vault_key: &VaultKey,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Self {
        let mut header_bytes = Vec::new();
        ciborium::into_writer(&header, &mut header_bytes).expect("a header in memory encodes into a vector");
        let sealed = key.seal(&header_bytes, vault_key.expose(), rng);
        Self { header, header_bytes, sealed }
    }

    /// Wraps the vault key for the server's help. `stretching` is what the OPAQUE registration was stretched with.
    pub fn seal_online(
        vault_key: &VaultKey,
        enrolment: EnrolmentId,
        stretching: Stretching,
        export_key: &ExportKey,
        device_secret: &Secret<32>,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Self {
        let header =
            SlotHeader { version: VERSION, enrolment, kind: SlotKind::Online, stretching, salt: [0; 16] };
        let key = online_key(&header, export_key, device_secret);
        Self::seal(header, &key, vault_key, rng)
    }

    /// Wraps the vault key for a lease. Slow: runs Argon2id.
    pub fn seal_offline(
        vault_key: &VaultKey,
        enrolment: EnrolmentId,
        stretching: Stretching,
        pin: &str,
        device_secret: &Secret<32>,
        lease_secret: &Secret<32>,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<Self, SlotError> {
        let mut salt = [0; 16];
        rng.fill_bytes(&mut salt);
        let header = SlotHeader { version: VERSION, enrolment, kind: SlotKind::Offline, stretching, salt };
        let key = offline_key(&header, pin, device_secret, lease_secret)?;
        Ok(Self::seal(header, &key, vault_key, rng))
    }

    /// Reads a slot file's bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, SlotError> {
        let malformed = |_| SlotError::Malformed;
        let file: SlotFile = ciborium::from_reader(bytes).map_err(malformed)?;
        let header: SlotHeader = ciborium::from_reader(file.header.as_slice()).map_err(malformed)?;
        if header.version != VERSION {
            return Err(SlotError::Malformed);
        }
        Ok(Self { header, header_bytes: file.header, sealed: file.sealed })
    }

    /// The bytes of a slot file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let file = SlotFile { header: self.header_bytes.clone(), sealed: self.sealed.clone() };
        let mut bytes = Vec::new();
        ciborium::into_writer(&file, &mut bytes).expect("a slot in memory encodes into a vector");
        bytes
    }

    /// What it says of itself; true only if it opens.
    pub fn header(&self) -> &SlotHeader {
        &self.header
    }

    fn open(&self, key: &SealingKey) -> Result<VaultKey, SlotError> {
        let opened = key.open(&self.header_bytes, &self.sealed)?;
        Secret::from_slice(&opened).map(VaultKey).ok_or(SlotError::Malformed)
    }

    /// The vault key, with what a PIN exchange with the server gave.
    pub fn open_online(
        &self,
        export_key: &ExportKey,
        device_secret: &Secret<32>,
    ) -> Result<VaultKey, SlotError> {
        if self.header.kind != SlotKind::Online {
            return Err(SlotError::WrongKind);
        }
        self.open(&online_key(&self.header, export_key, device_secret))
    }

    /// The vault key, with the PIN and a lease's secret. Slow: runs Argon2id.
    pub fn open_offline(
        &self,
        pin: &str,
        device_secret: &Secret<32>,
        lease_secret: &Secret<32>,
    ) -> Result<VaultKey, SlotError> {
        if self.header.kind != SlotKind::Offline {
            return Err(SlotError::WrongKind);
        }
        self.open(&offline_key(&self.header, pin, device_secret, lease_secret)?)
    }

    /// Reads a slot of `home`; `None` if it has none of this kind.
    pub fn load(home: &Home, kind: SlotKind) -> Result<Option<Self>, LoadSlotError> {
        let bytes = files::read(&slot_path(home, kind), MAX_LEN)?;
        Ok(bytes.map(|bytes| Self::parse(&bytes)).transpose()?)
    }

    /// Reads the slot of a new PIN; `None` if no change of the PIN has left one.
    pub fn load_next(home: &Home) -> Result<Option<Self>, LoadSlotError> {
        let bytes = files::read(&home.next_slot(), MAX_LEN)?;
        Ok(bytes.map(|bytes| Self::parse(&bytes)).transpose()?)
    }

    /// Writes the slot of a new PIN durably, beside the one that holds. One of an earlier try is gone.
    pub fn store_next(&self, home: &Home) -> Result<(), FileError> {
        files::replace_secret(&home.next_slot(), &self.to_bytes())
    }

    /// The new PIN holds: its slot takes the place of the old one, in one step.
    pub fn settle_next(home: &Home) -> Result<(), FileError> {
        files::rename(&home.next_slot(), &home.online_slot())
    }

    /// Writes the slot durably: after a crash `home` has the old slot or this one.
    pub fn store(&self, home: &Home) -> Result<(), FileError> {
        files::replace(&slot_path(home, self.header.kind), &self.to_bytes())
    }
}

fn slot_path(home: &Home, kind: SlotKind) -> std::path::PathBuf {
    match kind {
        SlotKind::Online => home.online_slot(),
        SlotKind::Offline => home.offline_slot(),
    }
}

/// A durable lease on disk. A volatile one never comes here: its secret stays in memory.
pub struct DurableLease {
    /// Its clock.
    pub lease: StoredLease,
    /// Its secret, in a file of its own that is overwritten when the lease ends.
    pub secret: Secret<32>,
}

impl DurableLease {
    /// Reads it; `None` if there is none or it is damaged, which ends it.
    pub fn load(home: &Home) -> Result<Option<Self>, FileError> {
        let secret = files::read(&home.lease_secret(), MAX_LEN)?;
        let lease = files::read(&home.lease(), MAX_LEN)?;
        let (Some(secret), Some(lease)) = (secret, lease) else { return Ok(None) };
        let (secret, lease) = (Secret::from_slice(&secret), ciborium::from_reader(lease.as_slice()).ok());
        Ok(secret.zip(lease).map(|(secret, lease)| Self { lease, secret }))
    }

    /// Stores a new lease.
    pub fn store(&self, home: &Home) -> Result<(), FileError> {
        files::replace_secret(&home.lease_secret(), self.secret.expose())?;
        Self::store_clock(home, &self.lease)
    }

    /// Stores how the lease stands, its secret being stored already.
    pub fn store_clock(home: &Home, lease: &StoredLease) -> Result<(), FileError> {
        let mut bytes = Vec::new();
        ciborium::into_writer(lease, &mut bytes).expect("a lease in memory encodes into a vector");
        files::replace(&home.lease(), &bytes)
    }

    /// Destroys the offline slot and whatever a lease has stored.
    pub fn drop_offline(home: &Home) -> Result<(), FileError> {
        files::destroy(&home.lease_secret())?;
        files::destroy(&home.offline_slot())?;
        crate::grant::destroy(home)?;
        files::destroy(&home.lease())
    }
}

#[cfg(test)]
mod tests;
