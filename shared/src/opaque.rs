//! OPAQUE (RFC 9807) as the product uses it: Ristretto255, 3DH with SHA-512, Argon2id; messages and records as bytes.
//!
//! The client's password is [`client_input`], never the PIN alone: without the device secret nobody can test a PIN.
//! Both identities and the context are bound to the enrolment id, so that a record serves one enrolment.

use std::fmt;

use argon2::{Algorithm, Argon2, Params, Version};
use opaque_ke::errors::ProtocolError;
use opaque_ke::{
    ClientLogin, ClientLoginFinishParameters, ClientRegistration, ClientRegistrationFinishParameters,
    CredentialFinalization, CredentialRequest, CredentialResponse, Identifiers, RegistrationRequest,
    RegistrationResponse, RegistrationUpload, ServerLogin, ServerLoginParameters, ServerRegistration,
};
use rand::{CryptoRng, RngCore};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::crypto::hazmat::sha256;
use crate::crypto::{Purpose, Secret};
use crate::grant::GrantKey;
use crate::ids::EnrolmentId;

pub mod hazmat;
#[cfg(test)]
mod tests;

/// The cipher suite.
pub struct Suite;

impl opaque_ke::CipherSuite for Suite {
    type OprfCs = opaque_ke::Ristretto255;
    type KeyExchange = opaque_ke::TripleDh<opaque_ke::Ristretto255, sha2::Sha512>;
    type Ksf = Argon2<'static>;
}

const SERVER_IDENTITY: &[u8] = b"tamatebako";
const CONTEXT: &[u8] = b"tbk/1 unlock";

/// Bytes of a record.
pub const RECORD_LEN: usize = 192;

/// What the client learns from a registration or login and the server never does.
pub type ExportKey = Secret<64>;

/// A message or record is not of this protocol, or the input (PIN or device secret) was wrong. Which of the two, the
/// protocol does not tell before the last step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpaqueError {
    /// The peer sent something that is no such message.
    #[error("the message is not of this protocol")]
    Malformed,
    /// The other side, or the PIN, is not the registered one.
    #[error("the PIN exchange did not verify")]
    NotVerified,
    /// Argon2 parameters outside the accepted range.
    #[error("the key stretching parameters are outside the accepted range")]
    Stretching,
}

impl From<ProtocolError> for OpaqueError {
    fn from(error: ProtocolError) -> Self {
        match error {
            ProtocolError::InvalidLoginError => Self::NotVerified,
            _ => Self::Malformed,
        }
    }
}

/// Cost of Argon2id (RFC 9106). Stored with the slot that depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretching {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub iterations: u32,
    /// Lanes.
    pub parallelism: u32,
}

impl Default for Stretching {
    /// The floor: OWASP's minimum of 19 MiB, two passes, one lane.
    fn default() -> Self {
        Self { memory_kib: 19 * 1024, iterations: 2, parallelism: 1 }
    }
}

impl Stretching {
    /// Argon2id with these costs, unless they are below the floor or past 1 GiB, 16 passes or 8 lanes: a changed slot
    /// file can neither weaken the PIN nor exhaust the phone.
    pub fn argon2(self) -> Result<Argon2<'static>, OpaqueError> {
        let floor = Self::default();
        let accepted = (floor.memory_kib..=1024 * 1024).contains(&self.memory_kib)
            && (floor.iterations..=16).contains(&self.iterations)
            && (floor.parallelism..=8).contains(&self.parallelism);
        if !accepted {
            return Err(OpaqueError::Stretching);
        }
        Params::new(self.memory_kib, self.iterations, self.parallelism, None)
            .map(|params| Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
            .map_err(|_| OpaqueError::Stretching)
    }
}

/// The client's OPAQUE input: HKDF of device secret ‖ PIN.
pub fn client_input(pin: &str, device_secret: &Secret<32>, enrolment: EnrolmentId) -> Secret<32> {
    Purpose::OpaqueInput.derive_bytes(&[device_secret.expose(), pin.as_bytes()], enrolment.as_bytes())
}

fn identifiers(enrolment: &EnrolmentId) -> Identifiers<'_> {
    Identifiers { client: Some(enrolment.as_bytes()), server: Some(SERVER_IDENTITY) }
}

fn export_key(mut bytes: impl AsMut<[u8]>) -> ExportKey {
    let bytes = bytes.as_mut();
    let key = Secret::from_slice(bytes).expect("the export key of SHA-512 has 64 bytes");
    bytes.zeroize();
    key
}

/// The client between its registration request and the server's answer.
pub struct RegistrationStart {
    state: ClientRegistration<Suite>,
    input: Secret<32>,
}

impl RegistrationStart {
    /// Begins a registration. The second value is the request to send.
    pub fn make(
        input: Secret<32>,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<(Self, Vec<u8>), OpaqueError> {
        let start = ClientRegistration::<Suite>::start(rng, input.expose())?;
        Ok((Self { state: start.state, input }, start.message.serialize().to_vec()))
    }

    /// Ends it: the upload to send, and the export key.
    pub fn finish(
        self,
        response: &[u8],
        enrolment: EnrolmentId,
        stretching: Stretching,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<(Vec<u8>, ExportKey), OpaqueError> {
        self.finish_with(response, enrolment, &stretching.argon2()?, rng)
    }

    fn finish_with(
        self,
        response: &[u8],
        enrolment: EnrolmentId,
        argon2: &Argon2<'static>,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<(Vec<u8>, ExportKey), OpaqueError> {
        let parameters = ClientRegistrationFinishParameters::new(identifiers(&enrolment), Some(argon2));
        let response = RegistrationResponse::deserialize(response)?;
        let finish = self.state.finish(rng, self.input.expose(), response, parameters)?;
        Ok((finish.message.serialize().to_vec(), export_key(finish.export_key)))
    }
}

/// The client between KE1 and KE2.
pub struct LoginStart {
    state: ClientLogin<Suite>,
    input: Secret<32>,
}

impl LoginStart {
    /// Begins a login. The second value is KE1.
    pub fn make(
        input: Secret<32>,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<(Self, Vec<u8>), OpaqueError> {
        let start = ClientLogin::<Suite>::start(rng, input.expose())?;
        Ok((Self { state: start.state, input }, start.message.serialize().to_vec()))
    }

    /// Ends it. [`OpaqueError::NotVerified`] means a wrong PIN.
    pub fn finish(
        self,
        ke2: &[u8],
        enrolment: EnrolmentId,
        stretching: Stretching,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<FinishedLogin, OpaqueError> {
        self.finish_with(ke2, enrolment, &stretching.argon2()?, rng)
    }

    fn finish_with(
        self,
        ke2: &[u8],
        enrolment: EnrolmentId,
        argon2: &Argon2<'static>,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<FinishedLogin, OpaqueError> {
        let parameters =
            ClientLoginFinishParameters::new(Some(CONTEXT), identifiers(&enrolment), Some(argon2));
        let response = CredentialResponse::deserialize(ke2)?;
        let mut finish = self.state.finish(rng, self.input.expose(), response, parameters)?;
        let grant_key = GrantKey::of_session(&finish.session_key, enrolment);
        finish.session_key.as_mut_slice().zeroize();
        let ke3 = finish.message.serialize().to_vec();
        Ok(FinishedLogin { ke3, export_key: export_key(finish.export_key), grant_key })
    }
}

/// What the client has when KE2 verified.
pub struct FinishedLogin {
    /// To be sent.
    pub ke3: Vec<u8>,
    /// The same at each login with one record.
    pub export_key: ExportKey,
    /// Another at each login. The server has it when KE3 verified.
    pub grant_key: GrantKey,
}

/// The server's long-term OPAQUE secrets. Losing them locks everybody out.
pub struct ServerSetup(opaque_ke::ServerSetup<Suite>);

/// Names a record to the OPRF. Random for each registration and kept only beside the record: with it gone, not even the
/// server's long-term secrets give the export key again.
pub type CredentialId = Secret<32>;

/// SHA-256 of a label and a credential id: says of two records whether they are one, and nothing else, since the id has 256
/// random bits. It may be kept where a record may not.
pub fn record_mark(credential: &CredentialId) -> [u8; 32] {
    sha256(&[b"tbk/1/record-mark", credential.expose()])
}

impl ServerSetup {
    /// Fresh secrets.
    pub fn make(rng: &mut (impl RngCore + CryptoRng)) -> Self {
        Self(opaque_ke::ServerSetup::new(rng))
    }

    /// The stored form of [`ServerSetup::to_bytes`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, OpaqueError> {
        Ok(Self(opaque_ke::ServerSetup::deserialize(bytes)?))
    }

    /// To be sealed and stored.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.0.serialize().to_vec())
    }

    /// Answers a registration request.
    pub fn registration_response(
        &self,
        request: &[u8],
        credential: &CredentialId,
    ) -> Result<Vec<u8>, OpaqueError> {
        let request = RegistrationRequest::deserialize(request)?;
        let start = ServerRegistration::<Suite>::start(&self.0, request, credential.expose())?;
        Ok(start.message.serialize().to_vec())
    }

    /// Answers KE1 with KE2, and keeps what KE3 will be checked against.
    pub fn login(
        &self,
        record: &Record,
        credential: &CredentialId,
        enrolment: EnrolmentId,
        ke1: &[u8],
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<(PendingLogin, Vec<u8>), OpaqueError> {
        let record = ServerRegistration::deserialize(record.expose())?;
        let request = CredentialRequest::deserialize(ke1)?;
        let parameters =
            ServerLoginParameters { context: Some(CONTEXT), identifiers: identifiers(&enrolment) };
        let start = ServerLogin::start(rng, &self.0, Some(record), request, credential.expose(), parameters)?;
        let pending = PendingLogin { state: start.state, enrolment };
        Ok((pending, start.message.serialize().to_vec()))
    }
}

/// What the server keeps of a PIN: useless without [`ServerSetup`] and the [`CredentialId`].
pub type Record = Secret<RECORD_LEN>;

/// The record in a registration upload.
pub fn record_from_upload(upload: &[u8]) -> Result<Record, OpaqueError> {
    let upload = RegistrationUpload::<Suite>::deserialize(upload)?;
    let bytes = Zeroizing::new(ServerRegistration::finish(upload).serialize().to_vec());
    Secret::from_slice(&bytes).ok_or(OpaqueError::Malformed)
}

/// The server between KE2 and KE3.
pub struct PendingLogin {
    state: ServerLogin<Suite>,
    enrolment: EnrolmentId,
}

impl PendingLogin {
    /// Checks KE3: `Ok` proves that the client knew PIN and device secret.
    pub fn finish(self, ke3: &[u8]) -> Result<VerifiedLogin, OpaqueError> {
        let message = CredentialFinalization::deserialize(ke3)?;
        let parameters =
            ServerLoginParameters { context: Some(CONTEXT), identifiers: identifiers(&self.enrolment) };
        let mut finish = self.state.finish(message, parameters).map_err(|_| OpaqueError::NotVerified)?;
        let grant_key = GrantKey::of_session(&finish.session_key, self.enrolment);
        finish.session_key.as_mut_slice().zeroize();
        Ok(VerifiedLogin { enrolment: self.enrolment, grant_key })
    }
}

/// Proof that a KE3 of this enrolment was verified. Only [`PendingLogin::finish`] makes one.
pub struct VerifiedLogin {
    enrolment: EnrolmentId,
    grant_key: GrantKey,
}

impl fmt::Debug for VerifiedLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedLogin").field("enrolment", &self.enrolment).finish_non_exhaustive()
    }
}

impl VerifiedLogin {
    /// Whose PIN was right.
    pub fn enrolment(&self) -> EnrolmentId {
        self.enrolment
    }

    /// What proves this login on other connections.
    pub fn grant_key(&self) -> &GrantKey {
        &self.grant_key
    }
}
