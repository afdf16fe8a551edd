//! Executes an erase: what `client_core::erase` orders, on the files of `vault`, up to the receipt at once and then, with
//! a connection, to the end.

use std::time::Duration;

use client_core::{EraseStep, Erasure, Next, WipeAuthorised};
use quinn::Connection;
use shared::cose;
use shared::crypto::hazmat::sha256;
use shared::wire::{ReceiptAck, ReceiptMessage};
use vault::intent::{self, StoredIntent};
use vault::{Home, erase, files};

use crate::agent::{Agent, Event, Inner, OpenError};
use crate::clock::moment;
use crate::device_state::{DeviceState, LoadStateError};
use crate::error::AgentError;
use crate::link::Exchange;

/// Failed steps that are tried again at once; after that the next tick, connection or start goes on.
const RETRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(200);

/// An erase that this process has to end.
pub(crate) struct RunningErase {
    pub(crate) wipe: WipeAuthorised,
    pub(crate) device: DeviceState,
    pub(crate) erasure: Erasure,
}

/// What a start finds: an erase to go on with, and whether one was acknowledged.
pub(crate) fn look(home: &Home) -> Result<(Option<RunningErase>, bool), OpenError> {
    let acked = erase::acked(home).is_some();
    let stored = intent::load(home)?;
    if stored == StoredIntent::Absent {
        return Ok((None, acked));
    }
    // State and intent go last, in this order, and each is overwritten before it goes: after an acknowledgement a state that
    // is damaged or absent, or an intent of zeros, is where the end of the erase was interrupted.
    let device = match DeviceState::load(home) {
        Err(LoadStateError::Damaged) if acked => None,
        loaded => loaded?,
    };
    let Some(device) = device else {
        if acked {
            erase::delete_identity(home)?;
            erase::delete_intent(home)?;
        }
        return Ok((None, acked));
    };
    let StoredIntent::Written(bytes) = stored else { return Ok((None, acked)) };
    match WipeAuthorised::from_intent(&bytes, device.enrolment, &device.keys.command) {
        Ok(wipe) => {
            let erasure = Erasure::resume(&wipe, erase::findings(home, wipe.command().id));
            Ok((Some(RunningErase { wipe, device, erasure }), acked))
        }
        // A write that was torn: the server sends the wipe again at the next hello, and answers nothing else.
        Err(error) => {
            tracing::warn!(%error, "the stored wipe is not usable");
            Ok((None, false))
        }
    }
}

/// How far [`Agent::continue_erase`] came.
enum Pause {
    /// There is nothing to erase, or nothing left.
    Nothing,
    /// The receipt has to be sent.
    Receipt,
    /// A step fails.
    Stuck(String),
}

impl Agent {
    pub(crate) fn begin_erase(&self, inner: &mut Inner, wipe: WipeAuthorised) {
        let Some(device) = inner.device.clone() else { return };
        let erasure = Erasure::begin(&wipe);
        inner.erase = Some(RunningErase { wipe, device, erasure });
        self.erase_locally(inner);
        self.wake.notify_one();
    }

    /// Goes on with an erase as far as it goes without the network. Blocking.
    pub(crate) fn continue_erase(&self) {
        if let Pause::Stuck(why) = self.erase_locally(&mut self.inner()) {
            tracing::error!(why, "the erase is not complete and is tried again");
        }
    }

    fn erase_locally(&self, inner: &mut Inner) -> Pause {
        let mut retries = 0;
        loop {
            let Some(erase) = &inner.erase else { return Pause::Nothing };
            let step = match erase.erasure.next() {
                Next::Finished => {
                    inner.erase = None;
                    inner.device = None;
                    inner.session.erase_finished();
                    self.observer.event(Event::ReceiptAcknowledged);
                    return Pause::Nothing;
                }
                Next::Do(EraseStep::SendReceipt) | Next::Retry(EraseStep::SendReceipt) => {
                    return Pause::Receipt;
                }
                Next::Do(step) => step,
                Next::Retry(_) if retries == RETRIES => return Pause::Stuck("a step failed".to_owned()),
                Next::Retry(step) => {
                    retries += 1;
                    std::thread::sleep(PAUSE);
                    step
                }
            };
            let outcome = self.do_step(inner, step);
            if let Err(error) = &outcome {
                tracing::error!(%error, ?step, "a step of the erase failed");
            }
            if let Some(erase) = &mut inner.erase {
                erase.erasure.done(outcome.is_ok());
            }
            if outcome.is_ok() {
                self.observer.erase_step_done(step);
                if step == EraseStep::StoreReceipt {
                    self.observer.event(Event::Erased);
                }
            }
        }
    }

    fn do_step(&self, inner: &mut Inner, step: EraseStep) -> Result<(), AgentError> {
        let Some(erase) = &inner.erase else { return Ok(()) };
        let (home, command) = (&self.home, erase.erasure.command());
        match step {
            EraseStep::WriteIntent => intent::write(home, erase.wipe.bytes())?,
            EraseStep::CloseVault => {
                inner.lease_secret = None;
                self.close_vault(inner);
            }
            EraseStep::DestroyKeys => {
                self.platform.secrets.destroy()?;
                erase::destroy_keys(home)?;
            }
            EraseStep::CheckKeysGone => {
                let left = self.platform.secrets.load()?.is_some();
                let left = left.then(|| "the device secret".to_owned());
                let left = left.or(erase::check_keys_gone(home).err().map(|error| error.to_string()));
                left.map_or(Ok(()), |left| Err(AgentError::EraseStuck(left)))?;
            }
            EraseStep::RemoveData => erase::remove_data(home)?,
            EraseStep::StoreReceipt => {
                let receipt = erase.erasure.receipt(moment().now, erase.device.checkpoint.clone());
                let key = self.platform.device_key.load()?.ok_or(AgentError::Missing("the device key"))?;
                let signed = cose::sign(&receipt, erase.device.enrolment.as_bytes(), key.as_ref())
                    .map_err(|_| AgentError::Missing("the device key"))?;
                files::replace(&home.receipt(), &signed)?;
            }
            EraseStep::SendReceipt => {}
            EraseStep::StoreAcked => erase::store_acked(home, command)?,
            EraseStep::DeleteIdentity => {
                self.platform.device_key.destroy()?;
                erase::delete_identity(home)?;
            }
            EraseStep::DeleteIntent => erase::delete_intent(home)?,
        }
        Ok(())
    }

    /// Sends the stored receipt and, once it is acknowledged, removes what was kept for it.
    pub(crate) async fn deliver_receipt(
        self: &std::sync::Arc<Self>,
        connection: &Connection,
    ) -> Result<(), AgentError> {
        match self.blocking(|agent| agent.erase_locally(&mut agent.inner())).await? {
            Pause::Nothing => return Ok(()),
            Pause::Stuck(why) => return Err(AgentError::EraseStuck(why)),
            Pause::Receipt => {}
        }
        let stored = files::read(&self.home.receipt(), cose::MAX_LEN)?;
        let receipt = stored.ok_or(AgentError::Missing("the receipt"))?.to_vec();
        let digest = sha256(&[&receipt]);
        let ack: ReceiptAck = Exchange::ask(connection, &ReceiptMessage { receipt }).await?;
        if ack.digest != digest {
            return Err(AgentError::WrongAck);
        }
        self.blocking(|agent| {
            let mut inner = agent.inner();
            if let Some(erase) = &mut inner.erase {
                erase.erasure.done(true);
                agent.observer.erase_step_done(EraseStep::SendReceipt);
            }
            match agent.erase_locally(&mut inner) {
                Pause::Stuck(why) => Err(AgentError::EraseStuck(why)),
                Pause::Nothing | Pause::Receipt => Ok(()),
            }
        })
        .await?
    }
}
