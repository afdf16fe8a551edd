//! The exchange of [`super::ALPN_ENROL`]: both sides prove the code, the device its key, then a PIN is registered.

use jiff::Timestamp;
use jiff::fmt::serde::timestamp::millisecond::required as millis;
use serde::{Deserialize, Serialize};

use super::frame::{Kind, Message};
use crate::cose::PublicKey;
use crate::crypto::MacKey;
use crate::ids::EnrolmentId;
use crate::policy::Policy;
use crate::signed::PinOrder;

/// Which side proves that it knows the activation code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prover {
    /// The phone.
    Client,
    /// The server.
    Server,
}

impl Prover {
    fn label(self) -> &'static [u8] {
        match self {
            Self::Client => b"client",
            Self::Server => b"server",
        }
    }

    /// The proof over this connection's exporter. It is worth nothing on another connection.
    pub fn tag(self, key: &MacKey, exporter: &[u8; 32]) -> [u8; 32] {
        key.tag(&[self.label(), exporter])
    }

    /// Whether `tag` is this side's proof.
    pub fn verify(self, key: &MacKey, exporter: &[u8; 32], tag: &[u8; 32]) -> bool {
        key.verify(&[self.label(), exporter], tag)
    }
}

/// Client → server: which code, and that it knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrolStart {
    /// [`crate::activation_code::ActivationCode::lookup_id`].
    #[serde(with = "serde_bytes")]
    pub lookup: [u8; 16],
    /// [`Prover::Client`]'s tag.
    #[serde(with = "serde_bytes")]
    pub proof: [u8; 32],
}

/// Server → client: that it knows the code too. Before this the client has said nothing a middleman can use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrolProof {
    /// [`Prover::Server`]'s tag.
    #[serde(with = "serde_bytes")]
    pub proof: [u8; 32],
}

/// Where a device key lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyLevel {
    /// A file of the operating system's user.
    Software,
    /// A trusted execution environment.
    Tee,
    /// A secure element.
    Strongbox,
}

/// What the device says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceDescription {
    /// Model, as people know it; at most 64 characters count.
    pub model: String,
    /// Operating system and version.
    pub platform: String,
    /// Version of the app.
    pub app_version: String,
    /// Where the device key lives.
    pub key_level: KeyLevel,
}

/// Client → server: its device key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrolRegister {
    /// The device key.
    pub device_key: PublicKey,
    /// ES256 by the device key over `"tbk-enrol device-key" ‖ exporter`.
    #[serde(with = "serde_bytes")]
    pub device_key_proof: [u8; 64],
    /// What the device says of itself.
    pub device: DeviceDescription,
}

impl EnrolRegister {
    /// What `device_key_proof` signs.
    pub fn proof_message(exporter: &[u8; 32]) -> Vec<u8> {
        [b"tbk-enrol device-key".as_slice(), exporter].concat()
    }
}

/// The public keys of the server that a device keeps, until a [`crate::signed::PinUpdate`] replaces them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerKeys {
    /// SHA-256 of the SubjectPublicKeyInfo of every TLS key the server may use: the current one and the spare.
    pub pins: Vec<serde_bytes::ByteArray<32>>,
    /// Signs commands.
    pub command: PublicKey,
    /// Signs leases.
    pub lease: PublicKey,
    /// Signs checkpoints of the audit journal.
    pub checkpoint: PublicKey,
    /// Kept offline; signs a new set of pins when all else is lost. Never changes: it names the server.
    pub recovery: PublicKey,
    /// Which set of pins it is: nothing older is taken in its place.
    #[serde(default, skip_serializing_if = "PinOrder::is_first")]
    pub order: PinOrder,
}

impl ServerKeys {
    /// What pin updates for this server are bound to.
    pub fn server_id(&self) -> [u8; 32] {
        self.recovery.fingerprint()
    }
}

/// Server → client: the enrolment, its certificate and keys. The PIN registration follows once the id is known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EnrolGrant {
    /// The new enrolment, or the one this device key already has by this code.
    pub enrolment: EnrolmentId,
    /// X.509 certificate of the device key, DER.
    #[serde(with = "serde_bytes")]
    pub certificate: Vec<u8>,
    /// The server's keys.
    pub keys: ServerKeys,
    /// What is allowed.
    pub policy: Policy,
    /// The organisation's name, to be shown.
    pub organisation: String,
    /// The server's clock, in milliseconds since 1970.
    #[serde(with = "millis")]
    pub server_time: Timestamp,
}

/// Client → server: the RegistrationRequest of OPAQUE (RFC 9807 section 5.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinRequest {
    /// The serialized message.
    #[serde(with = "serde_bytes")]
    pub request: Vec<u8>,
}

/// Server → client: the RegistrationResponse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinResponse {
    /// The serialized message.
    #[serde(with = "serde_bytes")]
    pub response: Vec<u8>,
}

/// Client → server: the RegistrationRecord. Sent only when the slot that needs it is on the device's storage.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinUpload {
    /// The serialized message.
    #[serde(with = "serde_bytes")]
    pub upload: Vec<u8>,
}

/// Server → client: the record is stored; the code is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrolDone {}

macro_rules! message {
    ($($name:ident),*) => { $(impl Message for $name { const KIND: Kind = Kind::$name; })* };
}
message!(EnrolStart, EnrolProof, EnrolRegister, EnrolGrant, PinRequest, PinResponse, PinUpload, EnrolDone);
