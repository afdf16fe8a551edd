//! Opening the vault with a PIN: by the server's help, or within a lease without it.

use std::sync::Arc;

use client_core::{Moment, State, Tested, UnlockRefusal, VerifiedLease};
use quinn::Connection;
use shared::crypto::Secret;
use shared::grant::GrantKey;
use shared::ids::EnrolmentId;
use shared::opaque::{ExportKey, FinishedLogin, LoginStart, OpaqueError, Stretching, client_input};
use shared::policy::LeaseMode;
use shared::wire::{RefusalReason, UnlockChallenge, UnlockFinish, UnlockGranted, UnlockStart};
use vault::{DurableLease, FileError, LoadSlotError, Slot, SlotError, SlotKind, VaultKey};
use zeroize::Zeroizing;

use crate::agent::{Agent, Inner, rng};
use crate::clock::{boot_id, moment};
use crate::error::AgentError;
use crate::link::{ConnectError, Exchange, ExchangeError, command_waits};

/// How the vault was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unlocked {
    /// With the server.
    Online,
    /// Within a lease.
    Offline,
}

/// Why the vault stays closed.
#[derive(Debug, thiserror::Error)]
pub enum UnlockError {
    /// The PIN, or the record at the server, is another.
    #[error("the PIN is wrong: {attempts_left} attempts are left")]
    PinWrong {
        /// Until the helpdesk has to help.
        attempts_left: u16,
    },
    /// The PIN is wrong, tried without the server.
    #[error("the PIN is wrong: {tries_left} tries without the server are left")]
    PinWrongOffline {
        /// Until the lease ends.
        tries_left: u8,
    },
    /// The server cannot be reached and no lease runs.
    #[error("the server cannot be reached and no offline use is granted now: try again when you are online")]
    Offline,
    /// The PIN is right, but the server's record and the slot here are of different tries of an enrolment.
    #[error(
        "the enrolment of this device broke off, and its vault does not belong to what the server has: enrol again with the \
         same code; nothing is lost"
    )]
    EnrolAgain,
    /// The PIN exchange's messages are no such messages.
    #[error(transparent)]
    Opaque(OpaqueError),
    /// A key slot.
    #[error(transparent)]
    Slot(#[from] LoadSlotError),
    /// Anything else.
    #[error(transparent)]
    Agent(#[from] AgentError),
}

impl UnlockError {
    /// What it says of the PIN.
    fn tested(&self) -> Tested {
        match self {
            Self::PinWrong { .. } | Self::PinWrongOffline { .. } => Tested::Wrong,
            _ => Tested::NotWrong,
        }
    }
}

impl From<ExchangeError> for UnlockError {
    fn from(error: ExchangeError) -> Self {
        Self::Agent(error.into())
    }
}

impl From<SlotError> for UnlockError {
    fn from(error: SlotError) -> Self {
        Self::Slot(error.into())
    }
}

/// Gives an unlock up whose future was dropped before it ended, so that another can begin.
struct GiveUp<'a> {
    agent: &'a Agent,
    ended: bool,
}

impl Drop for GiveUp<'_> {
    fn drop(&mut self) {
        let mut inner = self.agent.inner();
        if !self.ended && inner.session.state() == State::Unlocking {
            inner.session.lock();
        }
    }
}

/// What KE2 gave, before KE3 is sent.
struct Opened {
    vault_key: VaultKey,
    grant_key: GrantKey,
}

/// What both kinds of unlock start from.
struct Attempt {
    enrolment: EnrolmentId,
    slot: Slot,
    device_secret: Secret<32>,
    pin: Zeroizing<String>,
}

impl Agent {
    /// Opens the vault: with the server while connected, otherwise within a lease. An open vault is locked first.
    pub async fn unlock(self: &Arc<Self>, pin: Zeroizing<String>) -> Result<Unlocked, UnlockError> {
        self.blocking(|agent| {
            agent.tick();
            agent.lock();
        })
        .await?;
        let Some(connection) = self.connection() else { return self.unlock_offline(pin).await };
        match self.unlock_online(&connection, pin.clone()).await {
            // A command waits, perhaps a wipe: the server can be reached, and no lease goes round it.
            Err(error) if command_waits(&connection) => Err(error),
            Err(UnlockError::Agent(AgentError::Exchange(
                ExchangeError::Lost(_) | ExchangeError::Timeout,
            ))) => self.unlock_offline(pin).await,
            outcome => outcome,
        }
    }

    /// Opens the vault with the server's help on `connection`.
    async fn unlock_online(
        self: &Arc<Self>,
        connection: &Connection,
        pin: Zeroizing<String>,
    ) -> Result<Unlocked, UnlockError> {
        let busy = |_| AgentError::from(UnlockRefusal::Busy);
        let _in_use = self.pin_in_use.try_read().map_err(busy)?;
        self.inner().session.begin_online_unlock(moment()).map_err(AgentError::from)?;
        let mut give_up = GiveUp { agent: self, ended: false };
        let outcome = self.exchange_pin(connection, pin).await;
        give_up.ended = true;
        if let Err(error) = &outcome {
            self.unlock_failed(error.tested()).await?;
        }
        match outcome {
            Err(UnlockError::Agent(AgentError::Exchange(ExchangeError::Command(command)))) => {
                self.blocking(move |agent| agent.obey(&command)).await??;
                Err(AgentError::Wiped.into())
            }
            outcome => outcome,
        }
    }

    async fn unlock_failed(self: &Arc<Self>, tested: Tested) -> Result<(), AgentError> {
        self.blocking(move |agent| {
            let mut inner = agent.inner();
            let effects = inner.session.unlock_failed(moment(), tested);
            agent.execute_all(&mut inner, effects);
        })
        .await
    }

    fn attempt(&self, kind: SlotKind, pin: Zeroizing<String>) -> Result<(Attempt, u64), UnlockError> {
        let inner = self.inner();
        let device = inner.device.as_ref().ok_or(AgentError::Unenrolled)?;
        // What cannot be written would be noticed only after the server has charged an attempt, and gives none back.
        device.store(&self.home).map_err(AgentError::from)?;
        let secret = self.platform.secrets.load().map_err(AgentError::from)?;
        let device_secret = secret.ok_or(AgentError::Missing("the device secret"))?;
        let slot = Slot::load(&self.home, kind)?.ok_or(AgentError::Missing("the key slot"))?;
        Ok((Attempt { enrolment: device.enrolment, slot, device_secret, pin }, device.vault_epoch))
    }

    async fn exchange_pin(
        self: &Arc<Self>,
        connection: &Connection,
        pin: Zeroizing<String>,
    ) -> Result<Unlocked, UnlockError> {
        let (attempt, vault_epoch) = self
            .blocking(move |agent| {
                agent.store_pin_delay(&mut agent.inner()).map_err(AgentError::from)?;
                agent.attempt(SlotKind::Online, pin)
            })
            .await??;
        let input = client_input(&attempt.pin, &attempt.device_secret, attempt.enrolment);
        let (start, ke1) = LoginStart::make(input, &mut rng()).map_err(UnlockError::Opaque)?;
        let mut exchange = Exchange::open(connection).await?;
        exchange.send(&UnlockStart { ke1, vault_epoch }).await?;
        let UnlockChallenge { ke2, attempts_left } = exchange.expect().await?;

        let (attempt, ke3, opened) = self
            .blocking(move |agent| {
                let stretching = attempt.slot.header().stretching;
                let finished = start.finish(&ke2, attempt.enrolment, stretching, &mut rng());
                let FinishedLogin { ke3, export_key, grant_key } = finished.map_err(|error| match error {
                    OpaqueError::NotVerified => UnlockError::PinWrong { attempts_left },
                    other => UnlockError::Opaque(other),
                })?;
                let vault_key = agent.open_slot(&attempt, &export_key)?;
                Ok::<_, UnlockError>((attempt, ke3, Opened { vault_key, grant_key }))
            })
            .await??;
        // Counted before KE3 leaves: a phone that loses power now is ahead of the server, never behind like a copy.
        self.blocking(|agent| agent.count_unlock()).await??;
        let sent = moment();
        exchange.send(&UnlockFinish { ke3 }).await?;
        exchange.finish();
        let granted: UnlockGranted = match exchange.expect().await {
            Err(ExchangeError::Refused(RefusalReason::PinWrong)) => {
                return Err(UnlockError::PinWrong { attempts_left });
            }
            answer => answer?,
        };
        self.blocking(move |agent| agent.open_granted(&attempt, &opened, &granted, sent)).await?
    }

    /// Opens the online slot, before KE3 signs the account in and uses the code up: a slot that a broken try has left does
    /// not open, and the code has to be good for another try then.
    fn open_slot(&self, attempt: &Attempt, export_key: &ExportKey) -> Result<VaultKey, UnlockError> {
        let confirmed = self.inner().device.as_ref().is_some_and(|device| device.confirmed);
        let opened = self.open_fitting_slot(&attempt.slot, export_key, &attempt.device_secret);
        opened.map_err(|error| match error {
            LoadSlotError::Slot(SlotError::Closed) if !confirmed => UnlockError::EnrolAgain,
            // The PIN was right, and the slot has opened before.
            LoadSlotError::Slot(SlotError::Closed) => SlotError::Malformed.into(),
            other => other.into(),
        })
    }

    fn count_unlock(&self) -> Result<(), AgentError> {
        let mut inner = self.inner();
        let device = inner.device.as_mut().ok_or(AgentError::Unenrolled)?;
        device.vault_epoch += 1;
        Ok(device.store(&self.home)?)
    }

    /// KE3 was accepted: makes the offline slot of the lease, opens the vault. Blocking and slow.
    ///
    /// Lease and `max_open` count from when KE3 was sent, so that they end no later than the server has recorded.
    fn open_granted(
        &self,
        attempt: &Attempt,
        opened: &Opened,
        granted: &UnlockGranted,
        sent: Moment,
    ) -> Result<Unlocked, UnlockError> {
        let lease = self.inner().session.granted(granted).map_err(AgentError::from)?;
        let offline = lease.map(|lease| OfflineSlot::make(lease, attempt, &opened.vault_key)).transpose()?;

        let mut inner = self.inner();
        if let Err(error) = self.install_granted(&mut inner, opened, granted, offline.as_ref(), sent) {
            let effects = inner.session.opening_failed();
            self.execute_all(&mut inner, effects);
            return Err(error.into());
        }
        match inner.session.state() {
            State::Open => Ok(Unlocked::Online),
            State::Blocked => Err(AgentError::from(UnlockRefusal::Blocked).into()),
            State::Wiping | State::Gone => Err(AgentError::Wiped.into()),
            _ => Err(AgentError::from(vault::VaultError::Closed).into()),
        }
    }

    /// Opens the vault, keeps what the grant changes, and only then puts the vault in place. After an error the caller undoes
    /// all of it.
    fn install_granted(
        &self,
        inner: &mut Inner,
        opened: &Opened,
        granted: &UnlockGranted,
        offline: Option<&OfflineSlot>,
        sent: Moment,
    ) -> Result<(), AgentError> {
        if inner.session.state() == State::Unlocking {
            let enrolment = inner.device.as_ref().ok_or(AgentError::Unenrolled)?.enrolment;
            let vault = self.open_vault(inner, &opened.vault_key, enrolment)?;
            if let Some(device) = inner.device.as_mut() {
                device.policy = granted.policy.clone();
                device.confirmed = true;
                device.heard(moment().now);
                device.store(&self.home)?;
            }
            if let Some(offline) = offline {
                self.store_offline(inner, offline, sent)?;
                vault::grant::store(&self.home, &opened.vault_key, enrolment, &opened.grant_key, &mut rng())?;
            }
            self.install_vault(inner, vault);
            self.take_grant(inner, Some(opened.grant_key.clone()));
        }
        let effects = inner.session.opened_online(sent, offline.map(|offline| &offline.lease));
        self.execute(inner, effects)
    }

    fn store_offline(
        &self,
        inner: &mut Inner,
        offline: &OfflineSlot,
        sent: Moment,
    ) -> Result<(), AgentError> {
        self.drop_offline(inner)?;
        if let Some(lease) = offline.lease.start(sent).to_stored(sent, boot_id()) {
            DurableLease { lease, secret: offline.secret.clone() }.store(&self.home)?;
        }
        offline.slot.store(&self.home)?;
        inner.lease_secret = Some(offline.secret.clone());
        Ok(())
    }

    /// Opens the vault within a lease.
    async fn unlock_offline(self: &Arc<Self>, pin: Zeroizing<String>) -> Result<Unlocked, UnlockError> {
        self.blocking(move |agent| agent.unlock_offline_blocking(pin)).await?
    }

    fn unlock_offline_blocking(&self, pin: Zeroizing<String>) -> Result<Unlocked, UnlockError> {
        let lease_secret = {
            let mut inner = self.inner();
            inner.session.begin_offline_unlock(moment()).map_err(|refusal| match refusal {
                UnlockRefusal::NoLease => UnlockError::Offline,
                other => AgentError::from(other).into(),
            })?;
            inner.lease_secret.clone()
        };
        let opened = self.open_offline(lease_secret, pin);
        let mut inner = self.inner();
        let opened = opened.map_err(|error| match error {
            UnlockError::Slot(LoadSlotError::Slot(SlotError::Closed)) => {
                let lease = inner.session.lease(moment().boot);
                UnlockError::PinWrongOffline { tries_left: lease.map_or(0, |lease| lease.tries_left()) }
            }
            other => other,
        });
        if let Err(error) = &opened {
            let effects = inner.session.unlock_failed(moment(), error.tested());
            self.execute_all(&mut inner, effects);
        }
        let (attempt, vault_key) = opened?;
        if let Err(error) = self.install_offline(&mut inner, &attempt, &vault_key) {
            let effects = inner.session.lock();
            self.execute_all(&mut inner, effects);
            return Err(error.into());
        }
        match inner.session.state() {
            State::Open => Ok(Unlocked::Offline),
            _ => Err(UnlockError::Offline),
        }
    }

    /// After an error the caller locks.
    fn install_offline(
        &self,
        inner: &mut Inner,
        attempt: &Attempt,
        vault_key: &VaultKey,
    ) -> Result<(), AgentError> {
        if inner.session.state() == State::Unlocking {
            let vault = self.open_vault(inner, vault_key, attempt.enrolment)?;
            let grant = vault::grant::load(&self.home, vault_key, attempt.enrolment)?;
            self.install_vault(inner, vault);
            self.take_grant(inner, grant);
        }
        let effects = inner.session.opened_offline(moment());
        self.execute(inner, effects)?;
        Ok(self.store_lease(inner)?)
    }

    fn open_offline(
        &self,
        lease_secret: Option<Secret<32>>,
        pin: Zeroizing<String>,
    ) -> Result<(Attempt, VaultKey), UnlockError> {
        {
            let mut inner = self.inner();
            self.store_lease(&inner).map_err(AgentError::from)?;
            self.store_pin_delay(&mut inner).map_err(AgentError::from)?;
        }
        let lease_secret = lease_secret.ok_or(UnlockError::Offline)?;
        // Half destroyed as the power went: the lease is over, and nothing is wrong with the phone.
        let (attempt, _) = self.attempt(SlotKind::Offline, pin).map_err(|error| match error {
            UnlockError::Slot(LoadSlotError::Slot(SlotError::Malformed)) => UnlockError::Offline,
            other => other,
        })?;
        let vault_key = attempt.slot.open_offline(&attempt.pin, &attempt.device_secret, &lease_secret)?;
        Ok((attempt, vault_key))
    }

    /// Keeps a durable lease's clock and tries over a restart.
    pub(crate) fn store_lease(&self, inner: &Inner) -> Result<(), FileError> {
        let stored = inner.session.lease_to_store(moment(), boot_id());
        stored.map_or(Ok(()), |stored| DurableLease::store_clock(&self.home, &stored))
    }

    /// Keeps how many PINs were wrong over a restart.
    pub(crate) fn store_pin_delay(&self, inner: &mut Inner) -> Result<(), FileError> {
        // What an erase has removed does not come back.
        if matches!(inner.session.state(), State::Wiping | State::Gone) {
            return Ok(());
        }
        let stored = inner.session.pin_delay_to_store(boot_id());
        let Some(device) = inner.device.as_mut().filter(|device| device.pin_delay != stored) else {
            return Ok(());
        };
        device.pin_delay = stored;
        device.store(&self.home)
    }

    /// Connects if there is no connection, then unlocks; without a server, within a lease that survived a restart.
    pub async fn connect_and_unlock(
        self: &Arc<Self>,
        pin: Zeroizing<String>,
    ) -> Result<(Option<crate::link::Link>, Unlocked), UnlockError> {
        let link = match self.connect().await {
            Ok(link) => link,
            Err(AgentError::Connect(
                error @ (ConnectError::Silent(_) | ConnectError::Offline(_) | ConnectError::Resolve { .. }),
            )) => {
                let outcome = self.unlock(pin).await;
                return match outcome {
                    Err(UnlockError::Offline) => Err(AgentError::Connect(error).into()),
                    outcome => Ok((None, outcome?)),
                };
            }
            Err(error) => return Err(error.into()),
        };
        self.greet(&link).await?;
        let outcome = self.unlock(pin).await;
        if outcome.is_err() && link.command_waits() {
            self.fetch_command().await?;
            self.may_go_on()?;
        }
        Ok((Some(link), outcome?))
    }

    /// What a command that was obeyed has left of the session.
    fn may_go_on(&self) -> Result<(), AgentError> {
        match self.state() {
            State::Wiping | State::Gone => Err(AgentError::Wiped),
            State::Blocked => Err(UnlockRefusal::Blocked.into()),
            _ => Ok(()),
        }
    }

    /// The mode of the lease that runs.
    pub fn lease_mode(&self) -> LeaseMode {
        let inner = self.inner();
        inner.session.lease(moment().boot).map_or(LeaseMode::None, |lease| lease.mode())
    }
}

/// The offline slot of a fresh lease, not yet on disk.
struct OfflineSlot {
    lease: VerifiedLease,
    secret: Secret<32>,
    slot: Slot,
}

impl OfflineSlot {
    fn make(lease: VerifiedLease, attempt: &Attempt, vault_key: &VaultKey) -> Result<Self, SlotError> {
        let secret = Secret::make(&mut rng());
        let slot = Slot::seal_offline(
            vault_key,
            attempt.enrolment,
            Stretching::default(),
            &attempt.pin,
            &attempt.device_secret,
            &secret,
            &mut rng(),
        )?;
        Ok(Self { lease, secret, slot })
    }
}
