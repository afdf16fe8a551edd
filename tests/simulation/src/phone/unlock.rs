//! `client_agent::unlock`: opening the vault with a PIN, by the server's help or within a lease.

use std::rc::Rc;

use client_core::{Moment, State, Tested, UnlockRefusal, VerifiedLease};
use shared::crypto::Secret;
use shared::ids::EnrolmentId;
use shared::opaque::{FinishedLogin, LoginStart, OpaqueError, client_input, hazmat};
use shared::policy::LeaseMode;
use shared::wire::{RefusalReason, UnlockChallenge, UnlockFinish, UnlockGranted, UnlockStart};

use super::agent::{Agent, AgentError, Inner, store_clock, store_state};
use super::slots::{self, VaultKey};
use crate::disk::{Content, Name};
use crate::fault::Fault;
use crate::network::{Close, Connection, ExchangeError};

/// How the vault was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unlocked {
    Online,
    Offline,
}

/// Gives an unlock up whose future was dropped before it ended.
struct GiveUp<'a> {
    agent: &'a Agent,
    ended: bool,
}

impl Drop for GiveUp<'_> {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        if let Ok(mut inner) = self.agent.inner.try_borrow_mut()
            && inner.session.state() == State::Unlocking
        {
            inner.session.lock();
        }
    }
}

/// What both kinds of unlock start from.
struct Attempt {
    enrolment: EnrolmentId,
    slot: Content,
    device_secret: Secret<32>,
    pin: String,
}

/// The offline slot of a fresh lease, not yet on disk.
struct OfflineSlot {
    lease: VerifiedLease,
    secret: Secret<32>,
    slot: Content,
}

fn command_waits(connection: &Connection) -> bool {
    connection.close_reason() == Some(Close::CommandWaits)
}

impl Agent {
    /// Opens the vault: with the server while connected, otherwise within a lease. An open vault is locked first.
    pub(crate) async fn unlock(self: &Rc<Self>, pin: String) -> Result<Unlocked, AgentError> {
        self.tick();
        self.lock();
        let Some(connection) = self.connection() else { return self.unlock_offline(pin).await };
        match self.unlock_online(&connection, pin.clone()).await {
            Err(error) if command_waits(&connection) => Err(error),
            Err(AgentError::Exchange(ExchangeError::Gone | ExchangeError::Timeout)) => {
                self.unlock_offline(pin).await
            }
            outcome => outcome,
        }
    }

    /// The same, and what the server has hung up for is fetched at once: `connect_and_unlock`'s end.
    pub(crate) async fn unlock_and_fetch(self: &Rc<Self>, pin: String) -> Result<Unlocked, AgentError> {
        let connection = self.connection();
        let outcome = self.unlock(pin).await;
        if outcome.is_err() && connection.as_ref().is_some_and(command_waits) {
            self.fetch_command().await?;
        }
        outcome
    }

    async fn unlock_online(
        self: &Rc<Self>,
        connection: &Connection,
        pin: String,
    ) -> Result<Unlocked, AgentError> {
        let _in_use = self.pin_in_use.try_read().map_err(|_| UnlockRefusal::Busy)?;
        self.inner.borrow_mut().session.begin_online_unlock(self.phone.moment())?;
        let mut give_up = GiveUp { agent: self, ended: false };
        let outcome = self.exchange_pin(connection, pin).await;
        give_up.ended = true;
        if outcome.is_err() {
            let inner = &mut *self.inner.borrow_mut();
            let effects = inner.session.unlock_failed(self.phone.moment(), Tested::Wrong);
            self.execute_all(inner, effects);
        }
        match outcome {
            Err(AgentError::Exchange(ExchangeError::Command(command))) => {
                self.obey(&command)?;
                Err(AgentError::Wiped)
            }
            outcome => outcome,
        }
    }

    fn attempt(&self, slot: Name, pin: String) -> Result<(Attempt, u64), AgentError> {
        let inner = self.inner.borrow();
        let device = inner.device.as_ref().ok_or(AgentError::Unenrolled)?;
        let secret = self.phone.disk.read(Name::DeviceSecret).as_ref().and_then(slots::secret);
        let device_secret = secret.ok_or(AgentError::Missing("the device secret"))?;
        let slot = self.phone.disk.read(slot).ok_or(AgentError::Missing("the key slot"))?;
        Ok((Attempt { enrolment: device.enrolment, slot, device_secret, pin }, device.vault_epoch))
    }

    async fn exchange_pin(&self, connection: &Connection, pin: String) -> Result<Unlocked, AgentError> {
        let phone = &self.phone;
        let rng = &mut phone.sim.crypto.clone();
        let malformed = |_| AgentError::Missing("an OPAQUE message");
        let (attempt, vault_epoch) = self.attempt(Name::OnlineSlot, pin)?;
        let input = client_input(&attempt.pin, &attempt.device_secret, attempt.enrolment);
        let (start, ke1) = LoginStart::make(input, rng).map_err(malformed)?;
        phone.sim.watch.says_epoch(attempt.enrolment, vault_epoch);
        let mut exchange = connection.open();
        exchange.send(&UnlockStart { ke1, vault_epoch })?;
        let UnlockChallenge { ke2, .. } = exchange.expect().await?;

        phone.sim.executor.sleep(std::time::Duration::from_millis(150)).await;
        let finished = hazmat::finish_login(start, &ke2, attempt.enrolment, &slots::cheap(), rng);
        let FinishedLogin { ke3, export_key, .. } = finished.map_err(|error| match error {
            OpaqueError::NotVerified => AgentError::PinWrong,
            _ => AgentError::Missing("an OPAQUE message"),
        })?;
        let confirmed = self.inner.borrow().device.as_ref().is_some_and(|device| device.confirmed);
        let opened =
            slots::open_online(&attempt.slot, attempt.enrolment, &export_key, &attempt.device_secret);
        let vault_key = opened.ok_or(if confirmed {
            AgentError::Missing("the vault key")
        } else {
            AgentError::EnrolAgain
        })?;
        if !phone.sim.has(Fault::UnlockCountedLate) {
            self.count_unlock()?;
        }
        phone.sim.executor.pause().await;
        let sent = phone.moment();
        exchange.send(&UnlockFinish { ke3 })?;
        let granted: UnlockGranted = match exchange.expect().await {
            Err(ExchangeError::Refused(RefusalReason::PinWrong)) => return Err(AgentError::PinWrong),
            answer => answer?,
        };
        if phone.sim.has(Fault::UnlockCountedLate) {
            self.count_unlock()?;
        }
        self.open_granted(&attempt, &vault_key, &granted, sent)
    }

    /// Counted before KE3 leaves: a phone that loses power now is ahead of the server, never behind.
    fn count_unlock(&self) -> Result<(), AgentError> {
        let mut inner = self.inner.borrow_mut();
        let device = inner.device.as_mut().ok_or(AgentError::Unenrolled)?;
        device.vault_epoch += 1;
        Ok(store_state(&self.phone, device)?)
    }

    /// KE3 was accepted: makes the offline slot of the lease, opens the vault.
    fn open_granted(
        &self,
        attempt: &Attempt,
        vault_key: &VaultKey,
        granted: &UnlockGranted,
        sent: Moment,
    ) -> Result<Unlocked, AgentError> {
        let lease = self.inner.borrow_mut().session.granted(granted)?;
        let offline = lease.map(|lease| self.make_offline(lease, attempt, vault_key));

        let inner = &mut *self.inner.borrow_mut();
        if let Err(error) = self.install_granted(inner, vault_key, granted, offline.as_ref(), sent) {
            let effects = inner.session.opening_failed();
            self.execute_all(inner, effects);
            return Err(error);
        }
        match inner.session.state() {
            State::Open => {
                self.by_a_set_clock.set(false);
                self.phone.sim.log.count("unlock: with the server");
                Ok(Unlocked::Online)
            }
            State::Blocked => Err(UnlockRefusal::Blocked.into()),
            State::Wiping | State::Gone => Err(AgentError::Wiped),
            _ => Err(AgentError::Closed),
        }
    }

    fn make_offline(&self, lease: VerifiedLease, attempt: &Attempt, vault_key: &VaultKey) -> OfflineSlot {
        let rng = &mut self.phone.sim.crypto.clone();
        let secret = Secret::make(rng);
        let Attempt { enrolment, pin, device_secret, .. } = attempt;
        let slot = slots::seal_offline(vault_key, *enrolment, pin, device_secret, &secret, rng);
        OfflineSlot { lease, secret, slot }
    }

    /// Opens the vault, keeps what the grant changes, and only then puts the vault in place.
    fn install_granted(
        &self,
        inner: &mut Inner,
        vault_key: &VaultKey,
        granted: &UnlockGranted,
        offline: Option<&OfflineSlot>,
        sent: Moment,
    ) -> Result<(), AgentError> {
        if inner.session.state() == State::Unlocking {
            if let Some(device) = inner.device.as_mut() {
                device.policy = granted.policy.clone();
                device.confirmed = true;
                store_state(&self.phone, device)?;
            }
            if let Some(offline) = offline {
                self.store_offline(inner, offline, sent)?;
            }
            self.install_vault(inner, vault_key.clone());
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
        let phone = &self.phone;
        self.drop_offline(inner)?;
        phone.granted_mode.set(offline.lease.lease().mode);
        phone.body.clock_was_set.set(false);
        let stored = offline.lease.start(sent).to_stored(sent, phone.body.boot_id());
        if let Some(lease) = stored {
            phone.disk.replace(Name::LeaseSecret, Content::bytes(offline.secret.expose().as_slice()))?;
            store_clock(phone, lease)?;
        } else if phone.sim.has(Fault::VolatileLeaseStored)
            && offline.lease.lease().mode == LeaseMode::Volatile
        {
            phone.disk.replace(Name::LeaseSecret, Content::bytes(offline.secret.expose().as_slice()))?;
        }
        phone.disk.replace(Name::OfflineSlot, offline.slot.clone())?;
        inner.lease_secret = Some(offline.secret.clone());
        Ok(())
    }

    /// Opens the vault within a lease. Argon2id takes its time, in which others go on.
    async fn unlock_offline(self: &Rc<Self>, pin: String) -> Result<Unlocked, AgentError> {
        let lease_secret = {
            let inner = &mut *self.inner.borrow_mut();
            inner.session.begin_offline_unlock(self.phone.moment()).map_err(|refusal| match refusal {
                UnlockRefusal::NoLease => AgentError::Offline,
                other => other.into(),
            })?;
            inner.lease_secret.clone()
        };
        let mut give_up = GiveUp { agent: self, ended: false };
        let opened = self.open_offline(lease_secret, pin).await;
        give_up.ended = true;
        let inner = &mut *self.inner.borrow_mut();
        if opened.is_err() {
            let effects = inner.session.unlock_failed(self.phone.moment(), Tested::Wrong);
            self.execute_all(inner, effects);
        }
        let vault_key = opened?;
        if let Err(error) = self.install_offline(inner, vault_key) {
            let effects = inner.session.lock();
            self.execute_all(inner, effects);
            return Err(error);
        }
        match inner.session.state() {
            State::Open => {
                self.phone.sim.log.count("unlock: within a lease");
                Ok(Unlocked::Offline)
            }
            _ => Err(AgentError::Offline),
        }
    }

    /// After an error the caller locks.
    fn install_offline(&self, inner: &mut Inner, vault_key: VaultKey) -> Result<(), AgentError> {
        if inner.session.state() == State::Unlocking {
            self.install_vault(inner, vault_key);
        }
        let effects = inner.session.opened_offline(self.phone.moment());
        self.execute(inner, effects)?;
        Ok(self.store_lease(inner)?)
    }

    async fn open_offline(
        &self,
        lease_secret: Option<Secret<32>>,
        pin: String,
    ) -> Result<VaultKey, AgentError> {
        self.store_lease(&self.inner.borrow())?;
        let lease_secret = lease_secret.ok_or(AgentError::Offline)?;
        let (attempt, _) = self.attempt(Name::OfflineSlot, pin)?;
        self.phone.sim.executor.sleep(std::time::Duration::from_millis(150)).await;
        let Attempt { slot, enrolment, pin, device_secret } = &attempt;
        slots::open_offline(slot, *enrolment, pin, device_secret, &lease_secret).ok_or(AgentError::PinWrong)
    }
}
