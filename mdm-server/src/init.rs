//! `mdm-server init`: a data folder, a secrets folder, the first owner. Nothing that exists is written over.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use jiff::Timestamp;
use mdm_core::audit::{Actor, AuditEvent, Happening, Subject};
use mdm_core::change::{Changeset, Record};
use mdm_core::license::Pool;
use mdm_core::operator::{Operator, Role, TokenHash};
use rand::{CryptoRng, RngCore};
use shared::cose::Signer as _;
use shared::crypto::Secret;
use shared::crypto::hazmat::sha256;
use shared::ids::OperatorId;
use zeroize::Zeroizing;

use crate::config::Config;
use crate::keyring::{Keyring, KeyringError, MASTER_KEY_FILE, OfflineKeys};
use crate::tls::{CertificateAuthority, TlsError};

/// Name of the authority's certificate in the data folder: what `mdmctl --ca` wants.
pub const CA_FILE: &str = "ca.pem";
/// Name of the journal key's fingerprint in the data folder: what `mdmctl audit verify --key` wants.
pub const JOURNAL_KEY_FILE: &str = "journal-key.sha256";
/// Name of the first owner's token in the secrets folder.
pub const OWNER_TOKEN_FILE: &str = "owner.token";
/// Folder in the secrets folder whose files are to be carried away and deleted.
pub const OFFLINE_FOLDER: &str = "offline";

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
    /// Spare TLS key and recovery key: carry them away and delete them here.
    pub offline: PathBuf,
    /// The first owner's API token.
    pub owner_token: PathBuf,
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
    if let Some(what) = config.problem() {
        return Err(InitError::Value(what));
    }
    for path in [config_file, &config.data, &config.secrets] {
        require_absent(path)?;
    }
    make_folder(&config.data)?;
    make_folder(&config.secrets)?;
    let master = Secret::make(rng);
    let (keyring, offline) = Keyring::make(&config.data, &master, rng)?;
    let token = make_token(rng);

    let made = Initialised {
        master_key: write(config.secrets.join(MASTER_KEY_FILE), master.expose())?,
        offline: write_offline(&config.secrets, &offline)?,
        owner_token: write(config.secrets.join(OWNER_TOKEN_FILE), token.as_bytes())?,
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
    store.commit(first_records(owner, token_hash(&token), now, rng)).await?;
    write(config_file.to_owned(), toml::to_string_pretty(config)?.as_bytes())?;
    Ok(made)
}

fn write_offline(secrets: &Path, keys: &OfflineKeys) -> Result<PathBuf, InitError> {
    let folder = secrets.join(OFFLINE_FOLDER);
    make_folder(&folder)?;
    write(folder.join("spare-tls.pkcs8"), &keys.spare_tls)?;
    write(folder.join("recovery.pkcs8"), &keys.recovery)?;
    Ok(folder)
}

/// 32 random bytes in base64url (RFC 4648 section 5) without padding.
fn make_token(rng: &mut (impl RngCore + CryptoRng)) -> Zeroizing<String> {
    Zeroizing::new(BASE64URL_NOPAD.encode(Secret::<32>::make(rng).expose()))
}

/// What the store keeps of a token's text.
pub fn token_hash(token: &str) -> TokenHash {
    TokenHash(sha256(&[token.as_bytes()]))
}

fn first_records(
    owner: &str,
    token: TokenHash,
    now: Timestamp,
    rng: &mut (impl RngCore + CryptoRng),
) -> Changeset {
    let operator = Operator {
        id: OperatorId::make(now, rng),
        name: owner.to_owned(),
        role: Role::Owner,
        token,
        created_at: now,
    };
    let mut changes = Changeset::default();
    changes.note(AuditEvent::new(now, Actor::Server, Happening::ServerInitialised, Subject::default()));
    changes.note(
        AuditEvent::new(now, Actor::Server, Happening::OperatorAdded, Subject::default())
            .fact("operator", operator.id)
            .fact("role", "owner"),
    );
    changes.insert(Record::Operator(operator));
    changes.insert(Record::Pool(Pool::default()));
    changes
}
