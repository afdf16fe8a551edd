//! Enrolment: from an activation code to a device key that the server knows, a PIN record there, and a vault here.
//!
//! The order is the security. Nothing but proofs leaves before the server has proved that it knows the code; device key and
//! secret are on disk before the server hears of the key, so that a repeated try is the same device; the slot is on disk
//! before the server stores the record that opens it.

use std::sync::Arc;

use client_core::{Session, State, UnlockRefusal};
use shared::activation_code::ActivationCode;
use shared::cose::Signer;
use shared::crypto::Secret;
use shared::ids::EnrolmentId;
use shared::opaque::{ExportKey, OpaqueError, RegistrationStart, Stretching, client_input};
use shared::wire::{
    ALPN_ENROL, EXPORTER_LABEL_ENROL, EnrolDone, EnrolGrant, EnrolProof, EnrolRegister, EnrolStart,
    PinRequest, PinResponse, PinUpload, Prover, RefusalReason,
};
use vault::{Home, Slot, Vault, VaultKey, erase, files, intent};
use zeroize::Zeroizing;

use crate::agent::{Agent, Inner, rng};
use crate::clock::moment;
use crate::device_state::DeviceState;
use crate::error::AgentError;
use crate::link::{ConnectError, Exchange, ExchangeError, Link};
use crate::tls::client_config;

/// Longest PIN, in characters.
pub(crate) const PIN_MAX: usize = 128;

/// What an enrolment needs.
pub struct EnrolRequest {
    /// From the letter.
    pub code: ActivationCode,
    /// `host:port`.
    pub server: String,
    /// The PIN that the user has chosen.
    pub pin: Zeroizing<String>,
    /// SHA-256 of the server keys, from the QR code; empty with a typed code, which proves the server by itself.
    pub pins: Vec<[u8; 32]>,
}

/// A completed enrolment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolled {
    /// Its id.
    pub enrolment: EnrolmentId,
    /// The organisation's name.
    pub organisation: String,
}

/// Why the device is not enrolled. The same code can be tried again from this device unless the server refused it.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// It is already.
    #[error("this device is already enrolled: have it wiped before it is enrolled again")]
    AlreadyEnrolled,
    /// A wipe is being obeyed.
    #[error("this device is being erased: wait until the receipt has been sent")]
    Wiping,
    /// The server does not know the code.
    #[error(
        "the server did not prove that it knows the activation code: nothing was told to it; compare the address with the \
         letter and tell the administrator"
    )]
    ServerNotProven,
    /// The server's key is not among those it names.
    #[error("the server's key is not among the keys that it names: tell the administrator")]
    KeyNotPinned,
    /// The server knows this device's key from someone else's enrolment, which broke off.
    #[error(
        "this device was being enrolled for someone else, which was never completed: what was left of that is removed; enrol \
         once more with the same code"
    )]
    BegunForAnother,
    /// The PIN is too short or too long.
    #[error(
        "a PIN has {min} to {PIN_MAX} characters here: choose another and enrol again with the same code"
    )]
    PinLength {
        /// Fewest characters.
        min: u16,
    },
    /// The PIN registration failed.
    #[error(transparent)]
    Opaque(#[from] OpaqueError),
    /// Anything else.
    #[error(transparent)]
    Agent(#[from] AgentError),
}

macro_rules! by_way_of_agent_error {
    ($($source:ty),*) => { $(impl From<$source> for EnrolError {
        fn from(error: $source) -> Self {
            Self::Agent(error.into())
        }
    })* };
}
by_way_of_agent_error!(
    ConnectError,
    ExchangeError,
    rustls::Error,
    crate::platform::KeyError,
    vault::FileError,
    vault::VaultError
);

impl Agent {
    /// Enrols this device. Begins again where an earlier try was interrupted.
    pub async fn enrol(self: &Arc<Self>, request: EnrolRequest) -> Result<Enrolled, EnrolError> {
        // A PIN that is being tested may turn out to be right, also after a lock: then the code is used up.
        let busy = |_| AgentError::from(UnlockRefusal::Busy);
        let _in_use = self.pin_in_use.try_write().map_err(busy)?;
        may_enrol(&self.inner())?;
        let pins = (!request.pins.is_empty()).then(|| request.pins.clone());
        let link = Link::open(&request.server, client_config(ALPN_ENROL, pins, None)?).await?;
        let outcome = self.enrol_on(&link, &request).await;
        link.close().await;
        outcome
    }

    async fn enrol_on(self: &Arc<Self>, link: &Link, request: &EnrolRequest) -> Result<Enrolled, EnrolError> {
        let mut exporter = [0; 32];
        link.connection
            .export_keying_material(&mut exporter, EXPORTER_LABEL_ENROL, b"")
            .map_err(|_| ExchangeError::Lost("the TLS exporter is not available".to_owned()))?;
        let mut exchange = Exchange::open(&link.connection).await?;
        prove_code(&mut exchange, &request.code, &exporter).await?;

        let (key, device_secret, found) = self.blocking(|agent| agent.make_keys()).await??;
        let grant = match self.register(&mut exchange, key.as_ref(), &exporter).await {
            Err(refused) if is_code_bound(&refused) => {
                let discarded = self.blocking(|agent| agent.discard_unconfirmed()).await??;
                return Err(if found && discarded { EnrolError::BegunForAnother } else { refused });
            }
            registered => registered?,
        };
        let fingerprint = link.server_fingerprint();
        if !grant.keys.pins.iter().any(|pin| Some(pin.into_array()) == fingerprint) {
            return Err(EnrolError::KeyNotPinned);
        }
        self.check_certificate(&grant.certificate)?;
        let min = grant.policy.pin_min_length;
        if !(usize::from(min)..=PIN_MAX).contains(&request.pin.chars().count()) {
            return Err(EnrolError::PinLength { min });
        }
        let device = DeviceState::granted(&request.server, grant);
        self.register_pin(&mut exchange, &device, device_secret, &request.pin).await?;
        self.blocking(move |agent| agent.confirm(&device)).await?
    }

    /// Makes device key and secret durable. A try after a lost answer finds them there, and whether it did comes with them.
    fn make_keys(&self) -> Result<(Arc<dyn Signer>, Secret<32>, bool), AgentError> {
        files::create_dir(&self.home.device_dir())?;
        let found = self.platform.device_key.load()?.is_some();
        Ok((self.platform.device_key.load_or_make()?, self.platform.secrets.load_or_make()?, found))
    }

    /// The server, which has proved the code, will not enrol this device's key with it. Destroys the key and what was made with
    /// it, so that the next try is a new device's; unless an enrolment was completed here, or the device is blocked. Whether it
    /// did. A crash on the way leaves an enrolment that is still unconfirmed and can be begun again.
    fn discard_unconfirmed(&self) -> Result<bool, AgentError> {
        let mut inner = self.inner();
        let state = inner.session.state();
        let unconfirmed = inner.device.as_ref().is_some_and(|device| !device.confirmed);
        match state {
            State::Unenrolled | State::Gone => {}
            State::Locked if unconfirmed => {}
            _ => return Ok(false),
        }
        self.platform.secrets.destroy()?;
        erase::destroy_keys(&self.home)?;
        erase::remove_data(&self.home)?;
        self.platform.device_key.destroy()?;
        erase::delete_identity(&self.home)?;
        erase::delete_intent(&self.home)?;
        if state == State::Locked {
            inner.session = Session::unenrolled();
        }
        inner.device = None;
        Ok(true)
    }

    async fn register(
        &self,
        exchange: &mut Exchange,
        key: &dyn Signer,
        exporter: &[u8; 32],
    ) -> Result<EnrolGrant, EnrolError> {
        let proof = key.sign(&EnrolRegister::proof_message(exporter));
        let register = EnrolRegister {
            device_key: key.public_key().clone(),
            device_key_proof: proof.map_err(|_| AgentError::Missing("the device key"))?,
            device: self.platform.description.clone(),
        };
        exchange.send(&register).await?;
        Ok(exchange.expect().await?)
    }

    async fn register_pin(
        self: &Arc<Self>,
        exchange: &mut Exchange,
        device: &DeviceState,
        device_secret: Secret<32>,
        pin: &str,
    ) -> Result<(), EnrolError> {
        let input = client_input(pin, &device_secret, device.enrolment);
        let (start, request) = RegistrationStart::make(input, &mut rng())?;
        exchange.send(&PinRequest { request }).await?;
        let PinResponse { response } = exchange.expect().await?;
        let device = device.clone();
        let upload = self
            .blocking(move |agent| {
                let stretching = Stretching::default();
                let (upload, export_key) =
                    start.finish(&response, device.enrolment, stretching, &mut rng())?;
                agent.make_vault(&device, stretching, &export_key, &device_secret)?;
                Ok::<_, EnrolError>(upload)
            })
            .await??;
        exchange.send(&PinUpload { upload }).await?;
        exchange.finish();
        exchange.expect::<EnrolDone>().await?;
        Ok(())
    }

    /// A fresh vault, its online slot and the enrolment's state, all on disk when this returns. What an earlier try has
    /// left is empty and goes, unless that try's PIN was used meanwhile: then it is a completed enrolment, or about to be one.
    fn make_vault(
        &self,
        device: &DeviceState,
        stretching: Stretching,
        export_key: &ExportKey,
        device_secret: &Secret<32>,
    ) -> Result<(), EnrolError> {
        // Held to the end: no unlock may begin with the slot that goes.
        let mut inner = self.inner();
        may_enrol(&inner)?;
        let home: &Home = &self.home;
        // Empty, from a try that was interrupted; or the note of an earlier enrolment's erase.
        erase::clear_for_enrolment(home)?;
        intent::preallocate(home)?;
        files::create_dir(&home.vault_dir())?;
        files::create_dir(&home.slots_dir())?;
        let key = VaultKey::make(&mut rng());
        Vault::create(home, &key, device.enrolment, &mut rng())?;
        Slot::seal_online(&key, device.enrolment, stretching, export_key, device_secret, &mut rng())
            .store(home)?;
        let device = device.clone().again_after(inner.device.as_ref());
        device.store(home)?;
        inner.session = Session::enrolled(device.identity(), device.policy.clone(), device.progress, None);
        inner.device = Some(device);
        Ok(())
    }

    /// The server has answered. What the device has heard since the vault was made stays.
    fn confirm(&self, granted: &DeviceState) -> Result<Enrolled, EnrolError> {
        let mut inner = self.inner();
        may_enrol(&inner)?;
        let device = inner.device.as_mut().filter(|device| device.enrolment == granted.enrolment);
        let device = device.ok_or(AgentError::Wiped)?;
        device.confirmed = true;
        device.heard(moment().now);
        device.store(&self.home)?;
        self.wake.notify_one();
        Ok(Enrolled { enrolment: device.enrolment, organisation: device.organisation.clone() })
    }
}

fn may_enrol(inner: &Inner) -> Result<(), EnrolError> {
    match inner.session.state() {
        State::Unenrolled | State::Gone => Ok(()),
        State::Wiping => Err(EnrolError::Wiping),
        // Its PIN is being tested, and if it is right the code is used up.
        State::Unlocking => Err(AgentError::from(UnlockRefusal::Busy).into()),
        _ if inner.device.as_ref().is_some_and(|device| !device.confirmed) => Ok(()),
        _ => Err(EnrolError::AlreadyEnrolled),
    }
}

fn is_code_bound(error: &EnrolError) -> bool {
    let bound = RefusalReason::CodeBound;
    matches!(error, EnrolError::Agent(AgentError::Exchange(ExchangeError::Refused(reason))) if *reason == bound)
}

/// Both proofs of the code. The client stops at a wrong one of the server, having said nothing else.
async fn prove_code(
    exchange: &mut Exchange,
    code: &ActivationCode,
    exporter: &[u8; 32],
) -> Result<(), EnrolError> {
    let key = code.proof_key();
    let proof = Prover::Client.tag(&key, exporter);
    exchange.send(&EnrolStart { lookup: code.lookup_id(), proof }).await?;
    let EnrolProof { proof } = exchange.expect().await?;
    if Prover::Server.verify(&key, exporter, &proof) { Ok(()) } else { Err(EnrolError::ServerNotProven) }
}
