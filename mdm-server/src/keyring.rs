//! The server's long-term secrets: made once, sealed under the master key, read at start.
//!
//! Commands, leases, checkpoints, certificates and TLS have a key each: who steals the TLS key forges no command.

mod pins;

pub(crate) use pins::{How, Replacing, Unfinished};

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rand::{CryptoRng, RngCore};
use serde::{Deserialize, Serialize};
use shared::cose::{PublicKey, SignError, Signer, SoftwareKey};
use shared::crypto::{OpenError, Purpose, SealingKey, Secret};
use shared::opaque::{OpaqueError, ServerSetup};
use shared::wire::ServerKeys;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use mdm_core::code::CodeKeys;
use mdm_core::grant::GrantSeal;
use mdm_core::identity::DateKey;
use mdm_core::loss::LossKeys;

/// Name of the sealed file in the data folder.
pub const SEALED_FILE: &str = "server-secrets.sealed";
/// Name of the master key's file in the secrets folder, and of its systemd credential.
pub const MASTER_KEY_FILE: &str = "master.key";

const AAD: &[u8] = b"tamatebako server secrets 1";

/// Why the secrets cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// A file cannot be read or written.
    #[error("{path}: {cause}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// The master key is not 32 bytes.
    #[error("{0} is not a master key: it has 32 bytes; restore it from where it is kept")]
    MasterKey(PathBuf),
    /// The sealed file does not open.
    #[error("the server's secrets do not open ({0}): is this the master key of this data folder?")]
    Sealed(#[from] OpenError),
    /// The sealed file opens, but does not hold what it should.
    #[error("the server's secrets are incomplete: restore {SEALED_FILE} from its backup")]
    Incomplete,
    /// A key cannot be made or read.
    #[error(transparent)]
    Sign(#[from] SignError),
}

impl From<OpaqueError> for KeyringError {
    fn from(_: OpaqueError) -> Self {
        Self::Incomplete
    }
}

/// What the sealed file holds, as CBOR. Keys are PKCS#8.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
struct Secrets {
    #[serde(with = "serde_bytes")]
    tls: Vec<u8>,
    #[serde(with = "serde_bytes")]
    ca: Vec<u8>,
    #[serde(with = "serde_bytes")]
    command: Vec<u8>,
    #[serde(with = "serde_bytes")]
    lease: Vec<u8>,
    #[serde(with = "serde_bytes")]
    checkpoint: Vec<u8>,
    #[serde(with = "serde_bytes")]
    opaque: Vec<u8>,
    #[zeroize(skip)]
    spare_pin: serde_bytes::ByteArray<32>,
    #[zeroize(skip)]
    recovery: PublicKey,
    #[zeroize(skip)]
    #[serde(default)]
    pins: pins::Pins,
}

impl Secrets {
    fn seal(
        &self,
        master: &Secret<32>,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<Vec<u8>, KeyringError> {
        let mut plaintext = Zeroizing::new(Vec::with_capacity(8192));
        ciborium::into_writer(self, &mut *plaintext).map_err(|_| KeyringError::Incomplete)?;
        Ok(sealing_key(master).seal(AAD, &plaintext, rng))
    }
}

/// The private keys that `init` makes to be carried away: PKCS#8 DER.
pub struct OfflineKeys {
    /// A TLS key whose pin every device knows already.
    pub spare_tls: Zeroizing<Vec<u8>>,
    /// Signs a new set of pins when all else is lost.
    pub recovery: Zeroizing<Vec<u8>>,
}

/// The server's secrets, ready to use.
pub struct Keyring {
    secrets: Secrets,
    /// Signs commands.
    pub command: SoftwareKey,
    /// Signs leases.
    pub lease: SoftwareKey,
    /// Signs checkpoints of the audit journal.
    pub checkpoint: SoftwareKey,
    /// OPAQUE's long-term secrets.
    pub opaque: ServerSetup,
    /// The keys over activation codes.
    pub codes: CodeKeys,
    /// The key over dates of birth and hire.
    pub dates: Arc<DateKey>,
    /// The keys over loss codes.
    pub losses: LossKeys,
    /// Seals the keys of session grants.
    pub grants: GrantSeal,
    /// The key from which those of documents' contents are derived.
    pub documents: Secret<32>,
    /// The key from which those of notes' contents are derived.
    pub notes: Secret<32>,
    /// The key over what operators' authenticators compute codes from.
    pub totp: SealingKey,
}

impl Keyring {
    /// Makes all secrets and seals them into `data`.
    pub fn make(
        data: &Path,
        master: &Secret<32>,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<(Self, OfflineKeys), KeyringError> {
        let offline =
            OfflineKeys { spare_tls: SoftwareKey::make_pkcs8()?, recovery: SoftwareKey::make_pkcs8()? };
        let secrets = Secrets {
            tls: SoftwareKey::make_pkcs8()?.to_vec(),
            ca: SoftwareKey::make_pkcs8()?.to_vec(),
            command: SoftwareKey::make_pkcs8()?.to_vec(),
            lease: SoftwareKey::make_pkcs8()?.to_vec(),
            checkpoint: SoftwareKey::make_pkcs8()?.to_vec(),
            opaque: ServerSetup::make(rng).to_bytes().to_vec(),
            spare_pin: SoftwareKey::from_pkcs8(&offline.spare_tls)?.public_key().fingerprint().into(),
            recovery: SoftwareKey::from_pkcs8(&offline.recovery)?.public_key().clone(),
            pins: pins::Pins::default(),
        };
        let sealed = secrets.seal(master, rng)?;
        crate::init::write_private(&data.join(SEALED_FILE), &sealed)
            .map_err(|cause| KeyringError::Io { path: data.join(SEALED_FILE), cause })?;
        Ok((Self::assemble(secrets, master)?, offline))
    }

    /// Opens what [`Keyring::make`] sealed.
    pub fn open(data: &Path, master: &Secret<32>) -> Result<Self, KeyringError> {
        let path = data.join(SEALED_FILE);
        let sealed = std::fs::read(&path).map_err(|cause| KeyringError::Io { path, cause })?;
        let plaintext = sealing_key(master).open(AAD, &sealed)?;
        let secrets = ciborium::from_reader(plaintext.as_slice()).map_err(|_| KeyringError::Incomplete)?;
        Self::assemble(secrets, master)
    }

    fn assemble(secrets: Secrets, master: &Secret<32>) -> Result<Self, KeyringError> {
        Ok(Self {
            command: SoftwareKey::from_pkcs8(&secrets.command)?,
            lease: SoftwareKey::from_pkcs8(&secrets.lease)?,
            checkpoint: SoftwareKey::from_pkcs8(&secrets.checkpoint)?,
            opaque: ServerSetup::from_bytes(&secrets.opaque)?,
            codes: CodeKeys::derive(master),
            dates: Arc::new(DateKey::derive(master)),
            losses: LossKeys::derive(master),
            grants: GrantSeal::derive(master),
            documents: Purpose::DocumentContents.derive_bytes(&[master.expose()], b""),
            notes: Purpose::NoteContents.derive_bytes(&[master.expose()], b""),
            totp: Purpose::OperatorTotp.derive_sealing_key(&[master.expose()], b""),
            secrets,
        })
    }

    /// The TLS key, PKCS#8 DER.
    pub fn tls_pkcs8(&self) -> &[u8] {
        &self.secrets.tls
    }

    /// The key of the certificate authority, PKCS#8 DER.
    pub fn ca_pkcs8(&self) -> &[u8] {
        &self.secrets.ca
    }

    /// The public half of the TLS key.
    pub fn tls_public_key(&self) -> Result<PublicKey, KeyringError> {
        Ok(SoftwareKey::from_pkcs8(&self.secrets.tls)?.public_key().clone())
    }

    /// What devices are given at enrolment.
    pub fn server_keys(&self) -> Result<ServerKeys, KeyringError> {
        Ok(ServerKeys {
            pins: vec![self.tls_public_key()?.fingerprint().into(), self.secrets.spare_pin],
            command: self.command.public_key().clone(),
            lease: self.lease.public_key().clone(),
            checkpoint: self.checkpoint.public_key().clone(),
            recovery: self.secrets.recovery.clone(),
            order: self.pin_order(),
        })
    }
}

fn sealing_key(master: &Secret<32>) -> SealingKey {
    Purpose::ServerSecrets.derive_sealing_key(&[master.expose()], b"")
}

/// Reads the master key: the systemd credential of that name if there is one, else the file in `secrets`.
pub fn read_master_key(secrets: &Path) -> Result<Secret<32>, KeyringError> {
    let credential = std::env::var_os("CREDENTIALS_DIRECTORY")
        .map(|folder| PathBuf::from(folder).join(MASTER_KEY_FILE))
        .filter(|path| path.exists());
    let path = credential.unwrap_or_else(|| secrets.join(MASTER_KEY_FILE));
    let bytes = std::fs::read(&path)
        .map(Zeroizing::new)
        .map_err(|cause| KeyringError::Io { path: path.clone(), cause })?;
    Secret::from_slice(&bytes).ok_or(KeyringError::MasterKey(path))
}
