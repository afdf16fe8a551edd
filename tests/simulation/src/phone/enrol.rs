//! `client_agent::enrol`: device key and secret are on disk before the server hears of the key; the slot is on disk before
//! the server stores the record that opens it.

use std::rc::Rc;

use client_core::{Session, State, UnlockRefusal};
use shared::activation_code::ActivationCode;
use shared::cose::{Signer, SoftwareKey};
use shared::crypto::Secret;
use shared::ids::EnrolmentId;
use shared::opaque::{RegistrationStart, client_input, hazmat};
use shared::wire::{
    DeviceDescription, EnrolDone, EnrolGrant, EnrolProof, EnrolRegister, EnrolStart, KeyLevel, PinRequest,
    PinResponse, PinUpload, Prover, RefusalReason,
};

use super::agent::{Agent, AgentError, store_state};
use super::{DeviceState, slots};
use crate::disk::{Content, DiskError, Name};
use crate::fault::Fault;
use crate::network::{Close, Connection, Door, Exchange, ExchangeError, connect};
use crate::sim::software_key;

fn is_code_bound(error: &AgentError) -> bool {
    matches!(error, AgentError::Exchange(ExchangeError::Refused(RefusalReason::CodeBound)))
}

impl Agent {
    /// Enrols this device. Begins again where an earlier try was interrupted.
    pub(crate) async fn enrol(self: &Rc<Self>, code: ActivationCode, pin: String) -> Result<(), AgentError> {
        let _in_use = match self.phone.sim.has(Fault::EnrolledWhileUnlocking) {
            true => None,
            false => Some(self.pin_in_use.try_write().map_err(|_| UnlockRefusal::Busy)?),
        };
        self.may_enrol()?;
        let phone = &self.phone;
        let connection = connect(&phone.sim, phone.index, Door::Enrol).await.ok_or(AgentError::Offline)?;
        let outcome = self.enrol_on(&connection, &code, &pin).await;
        connection.close(Close::Done);
        // However it ended: a device that the server may know by now stays connected.
        self.wake.notify_one();
        outcome
    }

    fn may_enrol(&self) -> Result<(), AgentError> {
        let inner = self.inner.borrow();
        match inner.session.state() {
            State::Unenrolled | State::Gone => Ok(()),
            State::Wiping => Err(AgentError::Wiped),
            State::Unlocking => Err(AgentError::Closed),
            _ if inner.device.as_ref().is_some_and(|device| !device.confirmed) => Ok(()),
            _ => Err(AgentError::Closed),
        }
    }

    async fn enrol_on(
        &self,
        connection: &Connection,
        code: &ActivationCode,
        pin: &str,
    ) -> Result<(), AgentError> {
        let exporter = connection.exporter();
        let mut exchange = connection.open();
        prove_code(&mut exchange, code, &exporter).await?;

        let (key, device_secret) = self.make_keys()?;
        let grant = match register(&mut exchange, &key, &exporter).await {
            Err(refused) if is_code_bound(&refused) => {
                self.discard_unconfirmed()?;
                return Err(refused);
            }
            registered => registered?,
        };
        let device = DeviceState {
            enrolment: grant.enrolment,
            command_key: grant.keys.command,
            lease_key: grant.keys.lease,
            checkpoint_key: grant.keys.checkpoint,
            policy: grant.policy,
            confirmed: false,
            progress: Default::default(),
            vault_epoch: 0,
            checkpoint: None,
            last_run: None,
        };
        self.register_pin(&mut exchange, &device, &device_secret, pin).await?;
        self.confirm(&device)
    }

    /// Makes device key and secret durable. A try after a lost answer finds them there.
    fn make_keys(&self) -> Result<(Rc<SoftwareKey>, Secret<32>), AgentError> {
        let disk = &self.phone.disk;
        let there = disk.read(Name::DeviceKey).is_some_and(|key| key.as_bytes().is_some());
        let kept = self.phone.key.borrow().clone().filter(|_| there);
        let key = match kept {
            Some(key) => key,
            None => {
                let key = Rc::new(software_key());
                *self.phone.key.borrow_mut() = Some(key.clone());
                disk.replace(Name::DeviceKey, Content::bytes([1]))?;
                key
            }
        };
        let kept = disk.read(Name::DeviceSecret).as_ref().and_then(slots::secret);
        let secret = match kept {
            Some(secret) => secret,
            None => {
                let secret = Secret::make(&mut self.phone.sim.crypto.clone());
                disk.replace(Name::DeviceSecret, Content::bytes(secret.expose().as_slice()))?;
                secret
            }
        };
        Ok((key, secret))
    }

    /// The server will not enrol this device's key with the code: the next try is a new device's, unless an enrolment was
    /// completed here.
    fn discard_unconfirmed(&self) -> Result<(), DiskError> {
        let inner = self.inner.borrow();
        let state = inner.session.state();
        let unconfirmed = inner.device.as_ref().is_some_and(|device| !device.confirmed);
        match state {
            State::Unenrolled | State::Gone => {}
            State::Locked if unconfirmed => {}
            _ => return Ok(()),
        }
        let disk = &self.phone.disk;
        for name in Name::KEYS {
            disk.destroy(name)?;
        }
        disk.remove_data()?;
        for name in [Name::DeviceKey, Name::Receipt, Name::State, Name::Intent] {
            disk.destroy(name)?;
        }
        drop(inner);
        self.give_up(None);
        self.phone.sim.log.count("enrol: unconfirmed discarded");
        let mut inner = self.inner.borrow_mut();
        if state == State::Locked {
            inner.session = Session::unenrolled();
        }
        inner.device = None;
        Ok(())
    }

    async fn register_pin(
        &self,
        exchange: &mut Exchange,
        device: &DeviceState,
        device_secret: &Secret<32>,
        pin: &str,
    ) -> Result<(), AgentError> {
        let rng = &mut self.phone.sim.crypto.clone();
        let malformed = |_| AgentError::Missing("an OPAQUE message");
        let input = client_input(pin, device_secret, device.enrolment);
        let (start, request) = RegistrationStart::make(input, rng).map_err(malformed)?;
        exchange.send(&PinRequest { request })?;
        let PinResponse { response } = exchange.expect().await?;
        let finished = hazmat::finish_registration(start, &response, device.enrolment, &slots::cheap(), rng);
        let (upload, export_key) = finished.map_err(malformed)?;
        self.make_vault(device, &export_key, device_secret)?;
        *self.phone.pin.borrow_mut() = pin.to_owned();
        exchange.send(&PinUpload { upload })?;
        exchange.expect::<EnrolDone>().await?;
        Ok(())
    }

    /// A fresh vault, its online slot and the enrolment's state, all on disk when this returns.
    fn make_vault(
        &self,
        device: &DeviceState,
        export_key: &shared::opaque::ExportKey,
        device_secret: &Secret<32>,
    ) -> Result<(), AgentError> {
        self.may_enrol()?;
        let (disk, rng) = (&self.phone.disk, &mut self.phone.sim.crypto.clone());
        let empty = [Name::OnlineSlot, Name::OfflineSlot, Name::Lease, Name::LeaseSecret, Name::Gone];
        for name in
            disk.names().into_iter().filter(|name| empty.contains(name) || matches!(name, Name::Note(_)))
        {
            disk.remove(name)?;
        }
        if disk.read(Name::Intent).is_none() {
            disk.replace(Name::Intent, Content::Zeros)?;
        }
        let key = Secret::make(rng);
        let slot = slots::seal_online(&key, device.enrolment, export_key, device_secret, rng);
        match self.phone.sim.has(Fault::SlotNotSynced) {
            true => disk.replace_unsynced(Name::OnlineSlot, slot)?,
            false => disk.replace(Name::OnlineSlot, slot)?,
        }
        let device = self.again_after(device.clone());
        store_state(&self.phone, &device)?;
        self.give_up(Some(device.enrolment));
        let mut promises = self.phone.promises.borrow_mut();
        promises.notes.clear();
        promises.enrolment = Some(device.enrolment);
        promises.enrolments.insert(device.enrolment);
        drop(promises);
        let mut inner = self.inner.borrow_mut();
        inner.session = Session::enrolled(device.identity(), device.policy.clone(), device.progress, None);
        inner.device = Some(device);
        Ok(())
    }

    /// The same enrolment, begun again: the server has seen these unlocks and this run.
    fn again_after(&self, mut device: DeviceState) -> DeviceState {
        let inner = self.inner.borrow();
        let before = inner.device.as_ref().filter(|before| before.enrolment == device.enrolment);
        if let Some(before) = before.filter(|_| !self.phone.sim.has(Fault::EnrolledWhileUnlocking)) {
            device.vault_epoch = before.vault_epoch;
            device.last_run = before.last_run;
        }
        device
    }

    /// The device begins again, as another enrolment: of one that was never confirmed nothing is left that could be erased.
    fn give_up(&self, now: Option<EnrolmentId>) {
        let inner = self.inner.borrow();
        let Some(device) = inner.device.as_ref().filter(|device| !device.confirmed) else { return };
        if now != Some(device.enrolment) {
            self.phone.promises.borrow_mut().given_up.insert(device.enrolment);
        }
    }

    fn confirm(&self, granted: &DeviceState) -> Result<(), AgentError> {
        self.may_enrol()?;
        let mut inner = self.inner.borrow_mut();
        let device = inner.device.as_mut().filter(|device| device.enrolment == granted.enrolment);
        let device = device.ok_or(AgentError::Wiped)?;
        device.confirmed = true;
        store_state(&self.phone, device)?;
        self.phone.say("phone: enrolled", String::new);
        Ok(())
    }
}

async fn register(
    exchange: &mut Exchange,
    key: &SoftwareKey,
    exporter: &[u8; 32],
) -> Result<EnrolGrant, AgentError> {
    let proof = key.sign(&EnrolRegister::proof_message(exporter));
    let register = EnrolRegister {
        device_key: key.public_key().clone(),
        device_key_proof: proof.map_err(|_| AgentError::Missing("the device key"))?,
        device: DeviceDescription {
            model: "simulated".to_owned(),
            platform: "Linux".to_owned(),
            app_version: "0.1.0".to_owned(),
            key_level: KeyLevel::Tee,
        },
    };
    exchange.send(&register)?;
    Ok(exchange.expect().await?)
}

/// Both proofs of the code.
async fn prove_code(
    exchange: &mut Exchange,
    code: &ActivationCode,
    exporter: &[u8; 32],
) -> Result<(), AgentError> {
    let key = code.proof_key();
    let proof = Prover::Client.tag(&key, exporter);
    exchange.send(&EnrolStart { lookup: code.lookup_id(), proof })?;
    let EnrolProof { proof } = exchange.expect().await?;
    if Prover::Server.verify(&key, exporter, &proof) {
        Ok(())
    } else {
        Err(AgentError::Missing("the server's proof"))
    }
}
