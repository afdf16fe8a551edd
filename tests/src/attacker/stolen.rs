//! A copied phone: its folder and its PIN in the hands of somebody who keeps no rule.
//!
//! No lease end, state, block or wipe on the disk is looked at, no clock is read, nothing the server orders is obeyed.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use client_agent::DeviceState;
use serde::Deserialize;
use shared::crypto::{Purpose, Secret};
use shared::grant::GrantKey;
use vault::{Collection, Home, Slot, SlotKind, Vault, VaultKey, files};

use super::identity::{Identity, Validity};
use super::peer::{Challenged, RawDevice};
use super::raw::{Answer, RawStream};
use crate::world::files::files as files_in;

const LIMIT: usize = 64 * 1024;

/// What opened the vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenedBy {
    /// The server's answer to KE1.
    Server,
    /// The offline slot.
    Lease,
}

/// Why it stays closed.
#[derive(Debug, thiserror::Error)]
pub enum Unopened {
    /// The server gave no KE2; this came instead.
    #[error("the server did not help: {0:?}")]
    NoHelp(Answer),
    /// The PIN, or the record, is another.
    #[error("the server's answer does not fit the PIN")]
    WrongPin,
    /// There is no offline slot.
    #[error("the copy has no offline slot")]
    NoOfflineSlot,
    /// No 32 bytes of the copy are the lease secret.
    #[error("none of {0} candidates on the disk is the lease secret")]
    NoLeaseSecret(usize),
    /// The copy has not even what an attack needs, or the network broke.
    #[error("the attack cannot be made: {0:#}")]
    Broken(#[from] anyhow::Error),
}

/// An unlock for which KE2 came and KE3 was not sent.
pub struct Begun {
    /// Its stream.
    pub stream: RawStream,
    /// The right KE3.
    pub ke3: Vec<u8>,
    /// What proves the session grant once it was sent.
    pub grant_key: GrantKey,
    /// What the slot gave.
    pub vault_key: VaultKey,
}

/// A copied phone with its PIN.
pub struct StolenHome {
    home: Home,
    pin: String,
}

#[derive(Deserialize)]
struct SlotFile {
    #[serde(with = "serde_bytes")]
    header: Vec<u8>,
    #[serde(with = "serde_bytes")]
    sealed: Vec<u8>,
}

impl StolenHome {
    /// Takes the copy in `folder`.
    pub fn new(folder: &Path, pin: &str) -> Self {
        Self { home: Home::new(folder), pin: pin.to_owned() }
    }

    fn read(&self, path: &Path) -> anyhow::Result<Vec<u8>> {
        let bytes = files::read(path, LIMIT)?;
        Ok(bytes.with_context(|| format!("the copy has no {}", path.display()))?.to_vec())
    }

    /// The device key with a certificate of the attacker's own: what the server registered is the key. It says to be the next
    /// run of the app in the copy.
    pub fn identity(&self) -> anyhow::Result<Identity> {
        let identity = Identity::self_signed(&self.read(&self.home.device_key())?, Validity::ALWAYS)?;
        Ok(identity.after(DeviceState::load(&self.home)?.and_then(|state| state.last_run)))
    }

    /// What the phone kept of its enrolment.
    pub fn state(&self) -> anyhow::Result<DeviceState> {
        DeviceState::load(&self.home)?.context("the copy has no enrolment")
    }

    fn device_secret(&self) -> anyhow::Result<Secret<32>> {
        Secret::from_slice(&self.read(&self.home.device_secret())?).context("the device secret has 32 bytes")
    }

    /// Asks the server for KE2 and opens the online slot with it. No KE3 is ever sent: the server learns nothing of the
    /// success.
    pub async fn open_online(&self, server: SocketAddr) -> Result<VaultKey, Unopened> {
        let device = RawDevice::connect(server, Some(&self.identity()?)).await?;
        Ok(self.begin_online(&device).await?.vault_key)
    }

    /// The same on a connection that is open already; the KE3 is kept.
    pub async fn begin_online(&self, device: &RawDevice) -> Result<Begun, Unopened> {
        let enrolment = self.state()?.enrolment;
        let secret = self.device_secret()?;
        let slot = self.slot(SlotKind::Online)?.context("the copy has no online slot")?;
        let stretching = slot.header().stretching;
        let challenged = device.challenge(&self.pin, &secret, enrolment, stretching).await?;
        let vault_key = slot.open_online(&challenged.export_key, &secret);
        let vault_key = vault_key.context("the online slot does not open")?;
        let Challenged { stream, ke3, grant_key, .. } = challenged;
        Ok(Begun { stream, ke3, grant_key, vault_key })
    }

    fn slot(&self, kind: SlotKind) -> anyhow::Result<Option<Slot>> {
        Ok(Slot::load(&self.home, kind)?)
    }

    /// Opens the offline slot with any 32 bytes that lie next to each other anywhere in the copy: whatever a lease has left
    /// on the disk, under whatever name, is found.
    pub fn open_offline(&self) -> Result<VaultKey, Unopened> {
        let Some(slot) = self.slot(SlotKind::Offline)? else { return Err(Unopened::NoOfflineSlot) };
        let secret = self.device_secret()?;
        let mut tried = 0;
        for file in files_in(self.home.root())? {
            let bytes = std::fs::read(&file).with_context(|| file.display().to_string())?;
            let Some(lease_secret) = self.search(&slot, &secret, &bytes, &mut tried)? else { continue };
            let opened = slot.open_offline(&self.pin, &secret, &lease_secret);
            return Ok(opened.context("the offline slot does not open")?);
        }
        Err(Unopened::NoLeaseSecret(tried))
    }

    /// The lease secret among all runs of 32 bytes, the PIN being stretched once.
    fn search(
        &self,
        slot: &Slot,
        device_secret: &Secret<32>,
        bytes: &[u8],
        tried: &mut usize,
    ) -> anyhow::Result<Option<Secret<32>>> {
        let file: SlotFile = ciborium::from_reader(self.read(&self.home.offline_slot())?.as_slice())?;
        let header = slot.header();
        let mut stretched = [0; 32];
        let stretch =
            header.stretching.argon2()?.hash_password_into(self.pin.as_bytes(), &header.salt, &mut stretched);
        ensure!(stretch.is_ok(), "the PIN cannot be stretched");
        for window in bytes.windows(32).filter(|window| window.iter().any(|byte| *byte != 0)) {
            *tried += 1;
            let ikm: [&[u8]; 3] = [&stretched, device_secret.expose(), window];
            let key = Purpose::OfflineSlot.derive_sealing_key(&ikm, header.enrolment.as_bytes());
            if key.open(&file.header, &file.sealed).is_ok() {
                return Ok(Secret::from_slice(window));
            }
        }
        Ok(None)
    }

    /// Every way there is. Which of them opened the vault, and the vault key.
    pub async fn open(&self, server: SocketAddr) -> Result<(OpenedBy, VaultKey), [Unopened; 2]> {
        let by_lease = match self.open_offline() {
            Ok(key) => return Ok((OpenedBy::Lease, key)),
            Err(error) => error,
        };
        match self.open_online(server).await {
            Ok(key) => Ok((OpenedBy::Server, key)),
            Err(by_server) => Err([by_lease, by_server]),
        }
    }

    /// Reads a file out of the vault.
    pub fn file(&self, key: &VaultKey, name: &str) -> anyhow::Result<Vec<u8>> {
        let vault = Vault::open(&self.home, key, self.state()?.enrolment)?;
        let mut bytes = Vec::new();
        vault.load_file(Collection::Files, name, &mut bytes)?;
        if bytes.is_empty() {
            bail!("{name} is empty");
        }
        Ok(bytes)
    }
}
