//! Replacing the keys by which devices know the server, on its own machine while it is stopped: the spare in the place of
//! the TLS key, or new keys of all kinds by the recovery key.
//!
//! It is not an act of the API, since it takes a key that no server holds. The new spare is on its way out of the machine
//! before anybody is told of it; then the sealed secrets are replaced in one rename; what follows is finished at the next
//! start if it is interrupted.

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use mdm_core::audit::{Actor, AuditEvent, Happening, Subject};
use mdm_core::change::Changeset;
use mdm_core::device::DeviceState;
use mdm_store::{CommitError, MAX_PAGE, ReadError, Store};
use rand::rngs::OsRng;
use shared::cose::{PublicKey, SignError, Signer as _, SoftwareKey};
use shared::crypto::Secret;
use shared::signed::PinOrder;
use zeroize::Zeroizing;

use crate::clock::Clock;
use crate::config::Config;
use crate::init::{self, CA_FILE, JOURNAL_KEY_FILE};
use crate::keyring::{How, Keyring, KeyringError, Replacing, Unfinished, read_master_key};
use crate::server::{self, StartError};
use crate::service::Service;
use crate::tls::{CertificateAuthority, TlsError};

/// No key file is longer, in bytes.
const MAX_KEY_FILE: u64 = 4096;

/// Why the keys are not replaced, or not shown.
#[derive(Debug, thiserror::Error)]
pub enum PinsError {
    /// The data folder does not open: for one, because the server runs.
    #[error(transparent)]
    Open(#[from] Box<StartError>),
    /// A file of the operator.
    #[error("{path}: {cause}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// The file for the new spare is there.
    #[error("{0} exists already: nothing was changed; name a file that is not there yet")]
    Exists(PathBuf),
    /// The new spare would lie with what it is a spare for.
    #[error(
        "{0} lies in the data folder, from where it would get into the backups: nothing was changed; name a file on a medium that \
         leaves this machine"
    )]
    InData(PathBuf),
    /// Not a private key.
    #[error("{0} is not a key that `mdm-server` has made: nothing was changed")]
    NotAKey(PathBuf),
    /// The key in use.
    #[error(
        "the key in {0} is the server's key already: nothing was changed; `mdm-server pins show` tells what is in use"
    )]
    InUse(PathBuf),
    /// Another key.
    #[error("the key in {0} is not the spare that devices know: nothing was changed; its SHA-256 is {1}")]
    NotTheSpare(PathBuf, String),
    /// Another key.
    #[error("the key in {0} is not the recovery key of this server: nothing was changed; its SHA-256 is {1}")]
    NotTheRecoveryKey(PathBuf, String),
    /// The sealed secrets.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// A new key cannot be made.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The database cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// What is left to do after a replacement.
    #[error(transparent)]
    Finish(#[from] FinishError),
}

/// Why what follows a replacement is not done yet. The next start tries again.
#[derive(Debug, thiserror::Error)]
pub enum FinishError {
    /// A public file.
    #[error("the keys are replaced, but {path} is not yet written anew: {cause}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// The authority's certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The sealed secrets.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// The journal cannot be read.
    #[error("the keys are replaced, but the journal cannot be read: {0}")]
    Read(#[from] ReadError),
    /// The journal's event.
    #[error("the keys are replaced, but the journal does not say so yet: {0}")]
    Commit(#[from] CommitError),
}

/// The keys by which devices know a server. Fingerprints are SHA-256 of the SubjectPublicKeyInfo, in hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Which set it is.
    pub order: PinOrder,
    /// Of the key in use.
    pub current: String,
    /// Of the spare.
    pub spare: String,
    /// Of the recovery key: the server's name in pin updates.
    pub recovery: String,
    /// Of the key that signs the journal's checkpoints: what `mdmctl audit verify --key` wants.
    pub journal_key: String,
    /// Devices that are enrolled and not wiped.
    pub devices: usize,
    /// Those of them that have said that they have this set.
    pub devices_with_it: usize,
}

/// What is in use now.
pub async fn show(config: Config, clock: Arc<dyn Clock>) -> Result<Shown, PinsError> {
    shown(&open(config, clock).await?).await
}

/// Puts the spare in `spare_key` in the place of the server's TLS key, and writes another spare to `new_spare`.
pub async fn rotate(
    config: Config,
    spare_key: &Path,
    new_spare: &Path,
    clock: Arc<dyn Clock>,
) -> Result<Shown, PinsError> {
    let mut service = open(config, clock).await?;
    let spare = read_key(spare_key)?;
    let pin = fingerprint(&spare, spare_key)?.fingerprint();
    if service.keyring.tls_public_key()?.fingerprint() == pin {
        return Err(PinsError::InUse(spare_key.to_owned()));
    }
    if service.keyring.spare_pin() != pin {
        return Err(PinsError::NotTheSpare(spare_key.to_owned(), HEXLOWER.encode(&pin)));
    }
    let (master, replacing) = prepare(&service).await?;
    let public = write_spare(&service.config, new_spare)?;
    service.keyring = service.keyring.rotated(&spare, &public, &master, replacing)?;
    conclude(service, &master).await
}

/// Makes new keys of all kinds in the name of the recovery key, and writes the spare among them to `new_spare`. Devices are
/// told by the update that the recovery key signs, also those that know none of the server's keys any more.
pub async fn recover(
    config: Config,
    recovery_key: &Path,
    new_spare: &Path,
    clock: Arc<dyn Clock>,
) -> Result<Shown, PinsError> {
    let mut service = open(config, clock).await?;
    let pkcs8 = read_key(recovery_key)?;
    let public = fingerprint(&pkcs8, recovery_key)?;
    if public != *service.keyring.recovery() {
        let said = HEXLOWER.encode(&public.fingerprint());
        return Err(PinsError::NotTheRecoveryKey(recovery_key.to_owned(), said));
    }
    let recovery = SoftwareKey::from_pkcs8(&pkcs8)?;
    let (master, replacing) = prepare(&service).await?;
    let public = write_spare(&service.config, new_spare)?;
    service.keyring = service.keyring.recovered(&recovery, &public, &master, replacing)?;
    conclude(service, &master).await
}

/// What follows a replacement, if one was interrupted. Again and again, it does no more than once.
pub(crate) async fn finish(
    keyring: &mut Keyring,
    config: &Config,
    master: &Secret<32>,
    store: &dyn Store,
    now: Timestamp,
) -> Result<(), FinishError> {
    let Some(unfinished) = keyring.unfinished() else { return Ok(()) };
    if unfinished.how == How::Recovered {
        let ca = CertificateAuthority::certificate_pem(keyring, now)?;
        let journal_key = HEXLOWER.encode(&keyring.checkpoint.public_key().fingerprint());
        for (name, text) in [(CA_FILE, ca), (JOURNAL_KEY_FILE, journal_key)] {
            let path = config.data.join(name);
            let written = init::replace_private(&path, text.as_bytes());
            written.map_err(|cause| FinishError::File { path, cause })?;
        }
    }
    if !is_noted(store, unfinished).await? {
        let mut changes = Changeset::default();
        changes.note(event(keyring, unfinished)?);
        store.commit(changes).await?;
    }
    keyring.finished();
    Ok(keyring.store(&config.data, master, &mut OsRng)?)
}

async fn open(config: Config, clock: Arc<dyn Clock>) -> Result<Service, PinsError> {
    server::open(config, clock).await.map_err(|error| PinsError::Open(Box::new(error)))
}

async fn prepare(service: &Service) -> Result<(Secret<32>, Replacing), PinsError> {
    let journal = service.store.journal_head().await?.sequence;
    let master = read_master_key(&service.config.secrets)?;
    Ok((master, Replacing { now: service.clock.now(), journal }))
}

async fn conclude(mut service: Service, master: &Secret<32>) -> Result<Shown, PinsError> {
    service.keyring.store(&service.config.data, master, &mut OsRng)?;
    let now = service.clock.now();
    finish(&mut service.keyring, &service.config, master, &*service.store, now).await?;
    shown(&service).await
}

async fn shown(service: &Service) -> Result<Shown, PinsError> {
    let keyring = &service.keyring;
    let order = keyring.pin_order();
    let (mut devices, mut devices_with_it) = (0, 0);
    let mut after = None;
    loop {
        let page = service.store.devices(after, MAX_PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.value.enrolment);
        let enrolled = |state: &DeviceState| matches!(state, DeviceState::Live | DeviceState::Blocked);
        for device in page.iter().filter(|device| enrolled(&device.value.state)) {
            devices += 1;
            devices_with_it += usize::from(device.value.pins.unwrap_or_default() == order);
        }
    }
    let recovery = HEXLOWER.encode(&keyring.recovery().fingerprint());
    Ok(Shown {
        order,
        current: HEXLOWER.encode(&keyring.tls_public_key()?.fingerprint()),
        spare: HEXLOWER.encode(&keyring.spare_pin()),
        recovery,
        journal_key: HEXLOWER.encode(&keyring.checkpoint.public_key().fingerprint()),
        devices,
        devices_with_it,
    })
}

fn event(keyring: &Keyring, unfinished: Unfinished) -> Result<AuditEvent, KeyringError> {
    let what = happening(unfinished.how);
    let order = keyring.pin_order();
    let current = HEXLOWER.encode(&keyring.tls_public_key()?.fingerprint());
    let event = AuditEvent::new(unfinished.at, Actor::Server, what, Subject::default())
        .fact("order", format_args!("{}.{}", order.epoch, order.counter))
        .fact("current", current)
        .fact("spare", HEXLOWER.encode(&keyring.spare_pin()));
    Ok(match unfinished.how {
        How::Rotated => event,
        How::Recovered => {
            event.fact("journal-key", HEXLOWER.encode(&keyring.checkpoint.public_key().fingerprint()))
        }
    })
}

fn happening(how: How) -> Happening {
    match how {
        How::Rotated => Happening::PinsRotated,
        How::Recovered => Happening::PinsRecovered,
    }
}

/// Whether the event of a replacement is in the journal, behind where that stood before.
async fn is_noted(store: &dyn Store, unfinished: Unfinished) -> Result<bool, ReadError> {
    let what = happening(unfinished.how);
    let mut after = unfinished.journal;
    loop {
        let page = store.journal_entries(after, MAX_PAGE).await?;
        let Some(last) = page.last() else { return Ok(false) };
        after = last.sequence;
        if page.iter().filter_map(|entry| entry.body().ok()).any(|body| body.what == what) {
            return Ok(true);
        }
    }
}

fn read_key(path: &Path) -> Result<Zeroizing<Vec<u8>>, PinsError> {
    let at = |cause| PinsError::File { path: path.to_owned(), cause };
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_KEY_FILE as usize + 1));
    File::open(path).map_err(at)?.take(MAX_KEY_FILE + 1).read_to_end(&mut bytes).map_err(at)?;
    Ok(bytes)
}

fn fingerprint(pkcs8: &[u8], path: &Path) -> Result<PublicKey, PinsError> {
    match SoftwareKey::from_pkcs8(pkcs8) {
        Ok(key) => Ok(key.public_key().clone()),
        Err(SignError) => Err(PinsError::NotAKey(path.to_owned())),
    }
}

/// Makes a spare, durable in a file that only its owner may read, and that is written once.
fn write_spare(config: &Config, path: &Path) -> Result<PublicKey, PinsError> {
    let at = |cause| PinsError::File { path: path.to_owned(), cause };
    let folder = init::folder_of(path);
    let data = config.data.canonicalize().map_err(at)?;
    if folder.canonicalize().map_err(at)?.starts_with(data) {
        return Err(PinsError::InData(path.to_owned()));
    }
    let spare = SoftwareKey::make_pkcs8()?;
    match init::write_once(path, &spare) {
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => Err(PinsError::Exists(path.to_owned())),
        written => written.map_err(at),
    }?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(at)?;
    fingerprint(&spare, path)
}
