//! The change of the PIN, while the vault is open and the server can be reached.
//!
//! The order is the security. The old PIN is proved first. The slot of the new one is on the disk, beside the old, before the
//! server stores the record that opens it. The offline slot, which opens by the old PIN, is gone before the server puts the
//! new record in the place of the old, and made again by the new PIN after. Killed at any point, the phone has a slot for
//! whichever record the server holds, and [`Agent::unlock`] finds it.

use std::sync::Arc;

use client_core::Tested;
use quinn::Connection;
use shared::crypto::Secret;
use shared::ids::EnrolmentId;
use shared::opaque::{
    ExportKey, FinishedLogin, LoginStart, OpaqueError, RegistrationStart, Stretching, client_input,
};
use shared::wire::{
    PinChange, PinChanged, PinProof, PinRequest, PinResponse, PinUpload, UnlockChallenge, UnlockFinish,
};
use vault::{LoadSlotError, Slot, SlotError, SlotKind, VaultKey, files};
use zeroize::Zeroizing;

use crate::agent::{Agent, rng};
use crate::clock::moment;
use crate::enrol::PIN_MAX;
use crate::error::AgentError;
use crate::link::{Exchange, ExchangeError};

/// Why the PIN is not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangePinError {
    /// There is no connection.
    #[error("the PIN can be changed only while the server can be reached: nothing was changed")]
    NotConnected,
    /// The old PIN was wrong.
    #[error("the PIN that holds now is another one: {attempts_left} attempts are left; nothing was changed")]
    PinWrong {
        /// Attempts left with the server.
        attempts_left: u16,
    },
    /// The new PIN is too short or too long.
    #[error("a PIN has {min} to {PIN_MAX} characters here: choose another; nothing was changed")]
    PinLength {
        /// Fewest characters.
        min: u16,
    },
    /// The new PIN is the old one.
    #[error("the new PIN is the one that holds already: choose another")]
    SamePin,
    /// The answer to the last message was lost.
    #[error(
        "the server's answer was lost, so the PIN may be the new one or still the old one: unlock with the new one, and if it is \
         wrong with the old one; no file is lost"
    )]
    Unclear,
    /// The PIN exchange's messages are no such messages.
    #[error(transparent)]
    Opaque(#[from] OpaqueError),
    /// A key slot.
    #[error(transparent)]
    Slot(#[from] LoadSlotError),
    /// Anything else.
    #[error(transparent)]
    Agent(#[from] AgentError),
}

impl From<ExchangeError> for ChangePinError {
    fn from(error: ExchangeError) -> Self {
        Self::Agent(error.into())
    }
}

impl From<SlotError> for ChangePinError {
    fn from(error: SlotError) -> Self {
        Self::Slot(error.into())
    }
}

impl From<vault::FileError> for ChangePinError {
    fn from(error: vault::FileError) -> Self {
        Self::Agent(error.into())
    }
}

/// What both logins and the registration stand on.
#[derive(Clone)]
struct Change {
    enrolment: EnrolmentId,
    device_secret: Secret<32>,
    stretching: Stretching,
    vault_epoch: u64,
}

impl Agent {
    /// Puts a new PIN in the place of the old one. An error says whether the old one still holds.
    pub async fn change_pin(
        self: &Arc<Self>,
        old: Zeroizing<String>,
        new: Zeroizing<String>,
    ) -> Result<(), ChangePinError> {
        let min = self.policy().pin_min_length;
        if !(usize::from(min)..=PIN_MAX).contains(&new.chars().count()) {
            return Err(ChangePinError::PinLength { min });
        }
        if old == new {
            return Err(ChangePinError::SamePin);
        }
        let connection = self.connection().ok_or(ChangePinError::NotConnected)?;
        match self.exchange_pins(&connection, old, new).await {
            Err(ChangePinError::Agent(AgentError::Exchange(ExchangeError::Command(command)))) => {
                self.blocking(move |agent| agent.obey(&command)).await??;
                Err(AgentError::Wiped.into())
            }
            outcome => outcome,
        }
    }

    async fn exchange_pins(
        self: &Arc<Self>,
        connection: &Connection,
        old: Zeroizing<String>,
        new: Zeroizing<String>,
    ) -> Result<(), ChangePinError> {
        let mut exchange = self.content(connection).await?;
        let (change, vault_key) = self.prove_old(&mut exchange, old).await?;
        let export_key = self.register_new(&mut exchange, &change, &vault_key, &new).await?;
        let ke3 = self.prove_new(&mut exchange, &change, &export_key, &new).await?;

        self.blocking(|agent| files::destroy(&agent.home.offline_slot())).await??;
        let sent = exchange.send(&UnlockFinish { ke3 }).await;
        exchange.finish();
        let answer = match sent {
            Ok(()) => exchange.expect::<PinChanged>().await,
            Err(error) => Err(error),
        };
        match answer {
            Ok(PinChanged {}) => {}
            Err(ExchangeError::Command(command)) => return Err(ExchangeError::Command(command).into()),
            Err(error) => {
                tracing::info!(%error, "a change of the PIN ended without its answer");
                self.blocking(Self::lock_after_unclear_change).await?;
                return Err(ChangePinError::Unclear);
            }
        }
        self.blocking(move |agent| agent.settle(&change, &vault_key, &new)).await?
    }

    /// A login with the PIN that holds, and the vault key it gives.
    async fn prove_old(
        self: &Arc<Self>,
        exchange: &mut Exchange,
        old: Zeroizing<String>,
    ) -> Result<(Change, VaultKey), ChangePinError> {
        self.blocking(Self::count_pin).await??;
        let proved = self.try_old(exchange, old).await;
        let tested = match &proved {
            Ok(_) => None,
            Err(ChangePinError::PinWrong { .. }) => Some(Tested::Wrong),
            Err(_) => Some(Tested::NotWrong),
        };
        self.blocking(move |agent| agent.pin_tested(tested)).await?;
        proved
    }

    /// Whoever tries PINs here waits as at the screen that opens the vault.
    fn count_pin(&self) -> Result<(), AgentError> {
        let mut inner = self.inner();
        inner.session.begin_pin_change(moment())?;
        Ok(self.store_pin_delay(&mut inner)?)
    }

    /// What has become of the PIN that was counted; `None` if it was right.
    fn pin_tested(&self, tested: Option<Tested>) {
        let mut inner = self.inner();
        let effects = match tested {
            None => inner.session.pin_change_proved(),
            Some(tested) => inner.session.pin_change_failed(moment(), tested),
        };
        self.execute_all(&mut inner, effects);
    }

    async fn try_old(
        self: &Arc<Self>,
        exchange: &mut Exchange,
        old: Zeroizing<String>,
    ) -> Result<(Change, VaultKey), ChangePinError> {
        let (change, slot) = self.blocking(Self::begin_change).await??;
        let input = client_input(&old, &change.device_secret, change.enrolment);
        let (start, ke1) = LoginStart::make(input, &mut rng())?;
        exchange.send(&PinChange { ke1, vault_epoch: change.vault_epoch }).await?;
        let UnlockChallenge { ke2, attempts_left } = exchange.expect().await?;
        let (change, ke3, vault_key) = self
            .blocking(move |agent| {
                let finished = start.finish(&ke2, change.enrolment, change.stretching, &mut rng());
                let FinishedLogin { ke3, export_key, .. } = finished.map_err(|error| match error {
                    OpaqueError::NotVerified => ChangePinError::PinWrong { attempts_left },
                    other => ChangePinError::Opaque(other),
                })?;
                let vault_key = agent.open_fitting_slot(&slot, &export_key, &change.device_secret)?;
                Ok::<_, ChangePinError>((change, ke3, vault_key))
            })
            .await??;
        exchange.send(&UnlockFinish { ke3 }).await?;
        Ok((change, vault_key))
    }

    /// The new slot costs what the old one costs, so that a login fits both.
    fn begin_change(&self) -> Result<(Change, Slot), ChangePinError> {
        let (enrolment, vault_epoch) = {
            let inner = self.inner();
            let device = inner.device.as_ref().ok_or(AgentError::Unenrolled)?;
            (device.enrolment, device.vault_epoch)
        };
        let secret = self.platform.secrets.load().map_err(AgentError::from)?;
        let device_secret = secret.ok_or(AgentError::Missing("the device secret"))?;
        let slot = Slot::load(&self.home, SlotKind::Online)?.ok_or(AgentError::Missing("the key slot"))?;
        Ok((Change { enrolment, device_secret, stretching: slot.header().stretching, vault_epoch }, slot))
    }

    /// Registers the new PIN; its slot is on the disk before the server hears of its record.
    async fn register_new(
        self: &Arc<Self>,
        exchange: &mut Exchange,
        change: &Change,
        vault_key: &VaultKey,
        new: &str,
    ) -> Result<ExportKey, ChangePinError> {
        let input = client_input(new, &change.device_secret, change.enrolment);
        let (start, request) = RegistrationStart::make(input, &mut rng())?;
        exchange.send(&PinRequest { request }).await?;
        let PinResponse { response } = exchange.expect().await?;
        let (change, vault_key) = (change.clone(), vault_key.clone());
        let (upload, export_key) = self
            .blocking(move |agent| {
                let Change { enrolment, device_secret, stretching, .. } = &change;
                let (upload, export_key) = start.finish(&response, *enrolment, *stretching, &mut rng())?;
                Slot::seal_online(
                    &vault_key,
                    *enrolment,
                    *stretching,
                    &export_key,
                    device_secret,
                    &mut rng(),
                )
                .store_next(&agent.home)?;
                Ok::<_, ChangePinError>((upload, export_key))
            })
            .await??;
        exchange.send(&PinUpload { upload }).await?;
        Ok(export_key)
    }

    /// A login with the new PIN, up to KE3: the server's record and the new slot belong together.
    async fn prove_new(
        self: &Arc<Self>,
        exchange: &mut Exchange,
        change: &Change,
        registered: &ExportKey,
        new: &str,
    ) -> Result<Vec<u8>, ChangePinError> {
        let input = client_input(new, &change.device_secret, change.enrolment);
        let (start, ke1) = LoginStart::make(input, &mut rng())?;
        exchange.send(&PinProof { ke1, vault_epoch: change.vault_epoch }).await?;
        let UnlockChallenge { ke2, .. } = exchange.expect().await?;
        let change = change.clone();
        let finished = self
            .blocking(move |_| start.finish(&ke2, change.enrolment, change.stretching, &mut rng()))
            .await??;
        if finished.export_key == *registered {
            Ok(finished.ke3)
        } else {
            Err(OpaqueError::NotVerified.into())
        }
    }

    /// The new PIN holds at the server: here as well.
    fn settle(&self, change: &Change, vault_key: &VaultKey, new: &str) -> Result<(), ChangePinError> {
        Slot::settle_next(&self.home)?;
        let inner = self.inner();
        let lease = inner.session.lease(moment().boot).and(inner.lease_secret.as_ref());
        if let Some(lease_secret) = lease {
            let Change { enrolment, device_secret, .. } = change;
            let stretching = Stretching::default();
            Slot::seal_offline(
                vault_key,
                *enrolment,
                stretching,
                new,
                device_secret,
                lease_secret,
                &mut rng(),
            )?
            .store(&self.home)?;
        }
        Ok(())
    }

    /// Which PIN holds, the next unlock with the server tells; until then nothing opens without it.
    fn lock_after_unclear_change(&self) {
        let mut inner = self.inner();
        let effects = inner.session.help_withheld();
        self.execute_all(&mut inner, effects);
    }

    /// The vault key from the slot that fits what the server holds. If that is the slot of a new PIN, whose change ended
    /// before this phone heard of it, it takes the place of the old one now.
    pub(crate) fn open_fitting_slot(
        &self,
        slot: &Slot,
        export_key: &ExportKey,
        device_secret: &Secret<32>,
    ) -> Result<VaultKey, LoadSlotError> {
        let closed = match slot.open_online(export_key, device_secret) {
            Err(error @ SlotError::Closed) => error,
            opened => return Ok(opened?),
        };
        let Some(next) = Slot::load_next(&self.home)? else { return Err(closed.into()) };
        let Ok(vault_key) = next.open_online(export_key, device_secret) else { return Err(closed.into()) };
        Slot::settle_next(&self.home)?;
        Ok(vault_key)
    }
}
