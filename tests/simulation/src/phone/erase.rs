//! `client_agent::erase`: what `client_core::erase` orders, on the modelled disk, up to the receipt at once and then, with
//! a connection, to the end.

use std::rc::Rc;

use client_core::erase::Findings;
use client_core::{EraseStep, Erasure, Next, WipeAuthorised};
use shared::cose;
use shared::crypto::hazmat::sha256;
use shared::wire::{ReceiptAck, ReceiptMessage};

use super::agent::{Agent, AgentError, Inner, OpenError, load_state};
use super::{DeviceState, Phone};
use crate::disk::{Content, Name};
use crate::fault::Fault;
use crate::network::{Connection, Exchange};

/// Failed steps that are tried again at once.
const RETRIES: u32 = 3;

/// An erase that this process has to end.
pub(crate) struct RunningErase {
    pub(crate) wipe: WipeAuthorised,
    pub(crate) device: DeviceState,
    pub(crate) erasure: Erasure,
}

fn acked(phone: &Phone) -> Option<Vec<u8>> {
    phone.disk.read(Name::Gone)?.as_bytes().map(<[u8]>::to_vec)
}

/// What a start finds: an erase to go on with, and whether one was acknowledged.
pub(crate) fn look(phone: &Phone) -> Result<(Option<RunningErase>, bool), OpenError> {
    let acked_command = acked(phone);
    let acked = acked_command.is_some();
    let Some(stored) = phone.disk.read(Name::Intent) else { return Ok((None, acked)) };
    let device = match load_state(phone) {
        Err(OpenError::Damaged) if acked => None,
        loaded => loaded?,
    };
    let Some(device) = device else {
        if acked {
            phone.sim.log.count("erase: end finished at start");
            delete_identity(phone)?;
            phone.disk.destroy(Name::Intent)?;
        }
        return Ok((None, acked));
    };
    let Some(bytes) = stored.as_bytes() else { return Ok((None, acked)) };
    match WipeAuthorised::from_intent(bytes, device.enrolment, &device.command_key) {
        Ok(wipe) => {
            let found = Findings {
                receipt_stored: phone.disk.read(Name::Receipt).is_some(),
                acked: acked_command.as_deref() == Some(wipe.command().id.as_bytes().as_slice()),
            };
            phone.sim.log.count("erase: resumed");
            let erasure = Erasure::resume(&wipe, found);
            Ok((Some(RunningErase { wipe, device, erasure }), acked))
        }
        Err(_) => Ok((None, false)),
    }
}

fn delete_identity(phone: &Phone) -> Result<(), crate::disk::DiskError> {
    for name in [Name::DeviceKey, Name::Receipt, Name::State] {
        phone.disk.destroy(name)?;
    }
    Ok(())
}

/// How far an erase came.
pub(crate) enum Pause {
    Nothing,
    Receipt,
    Stuck,
}

impl Agent {
    /// Goes on with an erase as far as it goes without the network.
    pub(crate) fn continue_erase(&self) {
        self.erase_locally(&mut self.inner.borrow_mut());
    }

    pub(crate) fn erase_locally(&self, inner: &mut Inner) -> Pause {
        let mut retries = 0;
        loop {
            let Some(erase) = &inner.erase else { return Pause::Nothing };
            let step = match erase.erasure.next() {
                Next::Finished => {
                    inner.erase = None;
                    inner.device = None;
                    inner.session.erase_finished();
                    self.phone.say("phone: gone", String::new);
                    return Pause::Nothing;
                }
                Next::Do(EraseStep::SendReceipt) | Next::Retry(EraseStep::SendReceipt)
                    if !self.phone.sim.has(Fault::ReceiptNotAwaited) =>
                {
                    return Pause::Receipt;
                }
                Next::Do(step) => step,
                Next::Retry(_) if retries == RETRIES => {
                    self.phone.sim.log.count("erase: stuck, tried again later");
                    return Pause::Stuck;
                }
                Next::Retry(step) => {
                    retries += 1;
                    step
                }
            };
            let outcome = self.do_step(inner, step);
            if !self.phone.body.powered.get() {
                return Pause::Stuck;
            }
            self.phone.say("erase: step", || {
                format!("{step:?} {}", if outcome.is_ok() { "done" } else { "failed" })
            });
            if let Some(erase) = &mut inner.erase {
                erase.erasure.done(outcome.is_ok());
            }
        }
    }

    fn do_step(&self, inner: &mut Inner, step: EraseStep) -> Result<(), AgentError> {
        let Some(erase) = &inner.erase else { return Ok(()) };
        let disk = &self.phone.disk;
        match step {
            EraseStep::WriteIntent => {
                disk.write_in_place(Name::Intent, Content::bytes(erase.wipe.bytes()))?;
                if self.phone.sim.has(Fault::ReceiptBeforeErase) {
                    self.store_receipt(erase)?;
                }
            }
            EraseStep::CloseVault => {
                inner.lease_secret = None;
                self.close_vault(inner);
            }
            EraseStep::DestroyKeys => {
                Name::KEYS.iter().map(|name| disk.destroy(*name)).fold(Ok(()), Result::and)?;
            }
            EraseStep::CheckKeysGone => {
                let left = Name::KEYS.iter().any(|name| disk.read(*name).is_some());
                if left {
                    return Err(AgentError::EraseStuck);
                }
            }
            EraseStep::RemoveData => disk.remove_data()?,
            EraseStep::StoreReceipt => self.store_receipt(erase)?,
            EraseStep::SendReceipt => {}
            EraseStep::StoreAcked => {
                disk.replace(Name::Gone, Content::bytes(erase.erasure.command().as_bytes().as_slice()))?;
            }
            EraseStep::DeleteIdentity => delete_identity(&self.phone)?,
            EraseStep::DeleteIntent => disk.destroy(Name::Intent)?,
        }
        Ok(())
    }

    fn store_receipt(&self, erase: &RunningErase) -> Result<(), AgentError> {
        let receipt = erase.erasure.receipt(self.phone.moment().now, erase.device.checkpoint.clone());
        let key = self.device_key()?;
        let signed = cose::sign(&receipt, erase.device.enrolment.as_bytes(), key.as_ref())
            .map_err(|_| AgentError::Missing("the device key"))?;
        self.phone.check_receipt("stores");
        Ok(self.phone.disk.replace(Name::Receipt, Content::bytes(signed))?)
    }

    /// The keystore's key, while the disk has it.
    pub(crate) fn device_key(&self) -> Result<Rc<cose::SoftwareKey>, AgentError> {
        let there = self.phone.disk.read(Name::DeviceKey).is_some_and(|key| key.as_bytes().is_some());
        let key = self.phone.key.borrow().clone().filter(|_| there);
        key.ok_or(AgentError::Missing("the device key"))
    }

    /// Sends the stored receipt and, once it is acknowledged, removes what was kept for it.
    pub(crate) async fn deliver_receipt(&self, connection: &Connection) -> Result<(), AgentError> {
        let pause = self.erase_locally(&mut self.inner.borrow_mut());
        match pause {
            Pause::Nothing => return Ok(()),
            Pause::Stuck => return Err(AgentError::EraseStuck),
            Pause::Receipt => {}
        }
        let stored = self.phone.disk.read(Name::Receipt);
        let receipt =
            stored.as_ref().and_then(Content::as_bytes).ok_or(AgentError::Missing("the receipt"))?.to_vec();
        let digest = sha256(&[&receipt]);
        self.phone.check_receipt("sends");
        self.phone.sim.log.count("erase: receipt sent");
        let ack: ReceiptAck = Exchange::ask(connection, &ReceiptMessage { receipt }).await?;
        if ack.digest != digest {
            return Err(AgentError::Missing("the right acknowledgement"));
        }
        let inner = &mut *self.inner.borrow_mut();
        if let Some(erase) = &mut inner.erase {
            erase.erasure.done(true);
        }
        match self.erase_locally(inner) {
            Pause::Stuck => Err(AgentError::EraseStuck),
            Pause::Nothing | Pause::Receipt => Ok(()),
        }
    }
}
