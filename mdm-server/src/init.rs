//! `mdm-server init`: a data folder, a secrets folder, the first owner. Nothing that exists is written over. And
//! `invite-owner`, the way back in.

#[cfg(test)]
mod tests;

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use mdm_core::audit::{Actor, AuditEvent, Happening, PersonalValue, Subject};
use mdm_core::change::{Changeset, Record};
use mdm_core::license::Pool;
use mdm_core::operator::rules::{self, Acting, NewOperator};
use mdm_core::operator::{
    FIRST_INVITATION_VALID_FOR, INVITATION_VALID_FOR, InvalidOperatorName, OperatorError, OperatorName, Role,
};
use rand::{CryptoRng, RngCore};
use shared::cose::Signer as _;
use shared::crypto::Secret;
use shared::ids::OperatorId;

use crate::config::Config;
use crate::keyring::{Keyring, KeyringError, MASTER_KEY_FILE, OfflineKeys, read_master_key};
use crate::tls::{CertificateAuthority, TlsError};
use crate::use_cases::operators::{NewInvitation, invitation_link, make_secret_text, token_hash};

/// Name of the authority's certificate in the data folder: what `mdmctl --ca` wants.
pub const CA_FILE: &str = "ca.pem";
/// Name of the journal key's fingerprint in the data folder: what `mdmctl audit verify --key` wants.
pub const JOURNAL_KEY_FILE: &str = "journal-key.sha256";
/// Name of the first owner's token in the secrets folder.
pub const OWNER_TOKEN_FILE: &str = "owner.token";
/// Name of the file with an owner's invitation in the secrets folder: one link.
pub const OWNER_INVITATION_FILE: &str = "owner.invitation";
/// Folder in the secrets folder whose files are to be carried away and deleted.
pub const OFFLINE_FOLDER: &str = "offline";
/// Name of the first spare TLS key in that folder.
pub const SPARE_KEY_FILE: &str = "spare-tls.pkcs8";
/// Name of the recovery key in that folder.
pub const RECOVERY_KEY_FILE: &str = "recovery.pkcs8";

/// Why nothing, or not everything, was made.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// Something is there already.
    #[error("{0} exists already: init writes nothing over; name another place or remove it")]
    Exists(PathBuf),
    /// A file or folder cannot be made.
    #[error("cannot make {path}: {cause}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// The secrets cannot be made.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// The authority's certificate cannot be made.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The configuration would not be accepted afterwards.
    #[error("{0}")]
    Value(&'static str),
    /// The configuration cannot be written as TOML.
    #[error("cannot write the configuration: {0}")]
    Config(#[from] toml::ser::Error),
    /// The owner's name is none.
    #[error(transparent)]
    Name(#[from] InvalidOperatorName),
    /// Nobody is invited.
    #[error(transparent)]
    Operator(#[from] OperatorError),
    /// There is no operator of that name.
    #[error("there is no operator {0}: name an owner, as `mdmctl operators list` shows them")]
    NoSuchOperator(OperatorName),
    /// The database cannot be read.
    #[error(transparent)]
    Read(#[from] mdm_store::ReadError),
    /// The database cannot be made.
    #[error(transparent)]
    Open(#[from] mdm_store::OpenError),
    /// The first owner cannot be stored.
    #[error(transparent)]
    Commit(#[from] mdm_store::CommitError),
}

/// Writes a new file that only its owner may read, and syncs it.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Writes a new file that its owner alone may read, and nobody write, and syncs it.
pub(crate) fn write_once(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o400).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// The folder that a file lies in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."))
}

/// Puts a file that only its owner may read in the place of another: after a crash it holds the old bytes or the new.
pub(crate) fn replace_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    let temporary = path.with_file_name(name);
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    fs::File::open(folder_of(path))?.sync_all()
}

fn write(path: PathBuf, bytes: &[u8]) -> Result<PathBuf, InitError> {
    match write_private(&path, bytes) {
        Ok(()) => Ok(path),
        Err(cause) => Err(InitError::Io { path, cause }),
    }
}

fn make_folder(path: &Path) -> Result<(), InitError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|cause| InitError::Io { path: path.to_owned(), cause })
}

/// Makes the names in a folder durable.
fn sync_folder(path: &Path) -> Result<(), InitError> {
    let synced = fs::File::open(path).and_then(|folder| folder.sync_all());
    synced.map_err(|cause| InitError::Io { path: path.to_owned(), cause })
}

fn require_absent(path: &Path) -> Result<(), InitError> {
    let is_empty_folder = || fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
    if path.exists() && !is_empty_folder() { Err(InitError::Exists(path.to_owned())) } else { Ok(()) }
}

/// Where the things are that somebody must now look after.
#[derive(Debug, Clone)]
pub struct Initialised {
    /// The master key: back it up apart from the data folder.
    pub master_key: PathBuf,
    /// Spare TLS key and, unless it was to go elsewhere, recovery key: carry them away and delete them here.
    pub offline: PathBuf,
    /// The recovery key: nothing replaces it.
    pub recovery_key: PathBuf,
    /// The first owner's API token.
    pub owner_token: PathBuf,
    /// The first owner's invitation to the console: a link, good for seven days and once.
    pub owner_invitation: PathBuf,
    /// The authority's certificate.
    pub ca: PathBuf,
    /// SHA-256 fingerprint of the key that signs the journal's checkpoints: for the auditor, by a way of its own.
    pub journal_key: String,
}

/// Makes everything that `config` names and writes `config` itself to `config_file`.
pub async fn init(
    config: &Config,
    config_file: &Path,
    owner: &str,
    now: Timestamp,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<Initialised, InitError> {
    init_with(config, config_file, owner, None, now, rng).await
}

/// The same with the recovery key written to a file of its own, best on a medium that leaves the machine.
pub async fn init_with(
    config: &Config,
    config_file: &Path,
    owner: &str,
    recovery_key_out: Option<&Path>,
    now: Timestamp,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<Initialised, InitError> {
    if let Some(what) = config.problem() {
        return Err(InitError::Value(what));
    }
    let owner = OperatorName::new(owner)?;
    for path in [config_file, &config.data, &config.secrets] {
        require_absent(path)?;
    }
    let recovery_key = match recovery_key_out {
        Some(path) if path.starts_with(&config.data) => {
            return Err(InitError::Value(
                "the recovery key must not lie in the data folder: backups would carry it",
            ));
        }
        Some(path) if path.exists() => return Err(InitError::Exists(path.to_owned())),
        Some(path) => path.to_owned(),
        None => config.secrets.join(OFFLINE_FOLDER).join(RECOVERY_KEY_FILE),
    };
    make_folder(&config.data)?;
    make_folder(&config.secrets)?;
    let master = Secret::make(rng);
    let (keyring, offline) = Keyring::make(&config.data, &master, rng)?;
    let token = make_secret_text(rng);
    let id = OperatorId::make(now, rng);
    let invitation = NewInvitation::make(&keyring, id, now, FIRST_INVITATION_VALID_FOR, rng);
    let link = invitation_link(config, &invitation.code);

    let made = Initialised {
        master_key: write(config.secrets.join(MASTER_KEY_FILE), master.expose())?,
        offline: write_offline(&config.secrets, &offline, &recovery_key)?,
        recovery_key,
        owner_token: write(config.secrets.join(OWNER_TOKEN_FILE), token.as_bytes())?,
        owner_invitation: write(config.secrets.join(OWNER_INVITATION_FILE), link.as_bytes())?,
        ca: write(
            config.data.join(CA_FILE),
            CertificateAuthority::certificate_pem(&keyring, now)?.as_bytes(),
        )?,
        journal_key: HEXLOWER.encode(&keyring.checkpoint.public_key().fingerprint()),
    };
    write(config.data.join(JOURNAL_KEY_FILE), made.journal_key.as_bytes())?;
    for folder in [&made.offline, &config.secrets, &config.data] {
        sync_folder(folder)?;
    }
    let store = crate::server::open_store(&config.data)?;
    let new = NewOperator {
        id,
        name: owner,
        role: Role::Owner,
        invitation: invitation.stored,
        token: Some(token_hash(&token)),
    };
    store.commit(first_records(new, now, rng)?).await?;
    write(config_file.to_owned(), toml::to_string_pretty(config)?.as_bytes())?;
    Ok(made)
}

fn write_offline(secrets: &Path, keys: &OfflineKeys, recovery_key: &Path) -> Result<PathBuf, InitError> {
    let folder = secrets.join(OFFLINE_FOLDER);
    make_folder(&folder)?;
    for (path, key) in [(&*folder.join(SPARE_KEY_FILE), &keys.spare_tls), (recovery_key, &keys.recovery)] {
        write_once(path, key).map_err(|cause| InitError::Io { path: path.to_owned(), cause })?;
        sync_folder(folder_of(path))?;
    }
    Ok(folder)
}

fn first_records(
    owner: NewOperator,
    now: Timestamp,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<Changeset, OperatorError> {
    let mut changes = Changeset::default();
    changes.note(AuditEvent::new(now, Actor::Server, Happening::ServerInitialised, Subject::default()));
    let name = PersonalValue::make("name", owner.name.as_str(), rng);
    changes.extend(rules::invite(&[], owner, name, Acting { actor: Actor::Server, now })?);
    changes.insert(Record::Pool(Pool::default()));
    Ok(changes)
}

/// Invites an owner anew from the machine of the server, which must not be running: the way back when nobody can sign in any
/// more. Password, authenticator and sessions they had are void. Gives the file with the link, which replaces an earlier one.
pub async fn invite_owner(
    config: &Config,
    owner: &OperatorName,
    now: Timestamp,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<PathBuf, InitError> {
    let keyring = Keyring::open(&config.data, &read_master_key(&config.secrets)?)?;
    let store = crate::server::open_store(&config.data)?;
    let operator = store.operator_by_name(owner).await?;
    let id = operator.ok_or_else(|| InitError::NoSuchOperator(owner.clone()))?.value.id;
    let invitation = NewInvitation::make(&keyring, id, now, INVITATION_VALID_FOR, rng);
    let acting = Acting { actor: Actor::Server, now };
    let changes = rules::rescue(&store.operators().await?, id, invitation.stored, acting)?;

    // The link is on the disk before it is worth anything: a crash in between leaves a file that opens nothing.
    let path = config.secrets.join(OWNER_INVITATION_FILE);
    remove_if_there(&path)?;
    let path = write(path, invitation_link(config, &invitation.code).as_bytes())?;
    sync_folder(&config.secrets)?;
    store.commit(changes).await?;
    Ok(path)
}

fn remove_if_there(path: &Path) -> Result<(), InitError> {
    match fs::remove_file(path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
            Err(InitError::Io { path: path.to_owned(), cause })
        }
        _ => Ok(()),
    }
}
