//! `mdm_server::use_cases::devices`: block, unblock, wipe, sealing.

use mdm_core::audit::Actor;
use mdm_core::command::{self, CommandError, Instruction};
use mdm_core::unlock;
use shared::ids::EnrolmentId;
use shared::signed::Action;

use super::{EPOCH, Server, ServerError};
use crate::executor::settle;
use crate::fault::Fault;
use crate::sim::keyring;

impl From<CommandError> for ServerError {
    fn from(error: CommandError) -> Self {
        Self::Rule(error.to_string())
    }
}

impl Server {
    fn instruction(&self) -> Instruction<'static> {
        Instruction { actor: Actor::Server, reason: "simulated", now: self.now(), epoch: EPOCH }
    }

    /// 利用停止.
    pub(crate) async fn block(&self, enrolment: EnrolmentId) -> Result<(), ServerError> {
        let _held = self.lock_for_command(enrolment).await;
        let signed = self
            .retry_on_conflict(async || {
                let device = self.load(enrolment).await?;
                let codes = settle(self.sim.store.codes_of_account(device.value.account))?;
                let rng = &mut self.sim.crypto.clone();
                let mut issued = command::block(device, codes, &self.instruction(), &keyring().command, rng)?;
                if self.sim.has(Fault::BlockNotNoted) {
                    issued.changes.events.clear();
                }
                self.commit(issued.changes).await?;
                Ok(issued.signed)
            })
            .await?;
        self.sim.say("admin: block", || format!("{enrolment}"));
        self.push(enrolment, &signed);
        Ok(())
    }

    /// 停止解除.
    pub(crate) async fn unblock(&self, enrolment: EnrolmentId) -> Result<(), ServerError> {
        let _held = self.lock_for_command(enrolment).await;
        let signed = self
            .retry_on_conflict(async || {
                let device = self.load(enrolment).await?;
                let account = settle(self.sim.store.account(device.value.account))?;
                let may_work = account.is_some_and(|account| account.value.may_work());
                let rng = &mut self.sim.crypto.clone();
                let issued =
                    command::unblock(device, may_work, &self.instruction(), &keyring().command, rng)?;
                self.commit(issued.changes).await?;
                Ok(issued.signed)
            })
            .await?;
        self.sim.say("admin: unblock", || format!("{enrolment}"));
        self.push(enrolment, &signed);
        Ok(())
    }

    /// All attempts back: the journal says so before they are.
    pub(crate) async fn reset_attempts(&self, enrolment: EnrolmentId) -> Result<(), ServerError> {
        let _held = self.lock_for_command(enrolment).await;
        let device = self.load(enrolment).await?.value;
        let rng = &mut self.sim.crypto.clone();
        self.commit(unlock::attempts_reset(&device, Actor::Server, "simulated", self.now(), rng)?).await?;
        settle(self.sim.unlock_records.reset(enrolment))?;
        self.sim.watch.attempts_are_back(enrolment);
        self.sim.say("admin: attempts given back", || format!("{enrolment}"));
        Ok(())
    }

    /// 遠隔消去: tombstone and command in one commit, then the page destroyed, then 鍵破棄済 noted.
    pub(crate) async fn wipe(&self, enrolment: EnrolmentId) -> Result<(), ServerError> {
        let _held = self.lock_for_wipe(enrolment).await;
        if self.sim.has(Fault::SealBeforeCommit) {
            self.destroy_record(enrolment).await?;
        }
        let signed = self
            .retry_on_conflict(async || {
                let device = self.load(enrolment).await?;
                let codes = settle(self.sim.store.codes_of_account(device.value.account))?;
                let rng = &mut self.sim.crypto.clone();
                let issued = command::wipe(device, codes, &self.instruction(), &keyring().command, rng)?;
                self.commit(issued.changes).await?;
                Ok(issued.signed)
            })
            .await?;
        self.sim.say("admin: wipe", || format!("{enrolment}"));
        self.push(enrolment, &signed);
        self.destroy(enrolment).await
    }

    /// An order of a person for the device of an account, if there is one that it fits.
    pub(crate) async fn order(&self, account: shared::ids::AccountId, action: Action) {
        let devices = settle(self.sim.store.devices_of_account(account)).unwrap_or_default();
        let Some(device) = devices.last() else { return };
        let enrolment = device.value.enrolment;
        let done = match action {
            Action::Block => self.block(enrolment).await,
            Action::Unblock => self.unblock(enrolment).await,
            Action::Wipe => self.wipe(enrolment).await,
        };
        self.report(done);
    }

    /// What the rules refuse is an answer; anything else is not expected here.
    pub(crate) fn report(&self, done: Result<(), ServerError>) {
        match done {
            Ok(()) => {}
            Err(ServerError::Rule(why)) => self.sim.say("admin: refused", || why),
            Err(error) => self.sim.unexpected(|| format!("an order failed: {error}")),
        }
    }

    /// Destroys the server's part of a wiped enrolment's key and notes it. Idempotent.
    pub(crate) async fn seal(&self, enrolment: EnrolmentId) -> Result<(), ServerError> {
        let _held = self.lock_for_command(enrolment).await;
        if self.load(enrolment).await?.value.wipe().is_none() {
            return Ok(());
        }
        self.destroy(enrolment).await
    }

    async fn destroy(&self, enrolment: EnrolmentId) -> Result<(), ServerError> {
        self.destroy_record(enrolment).await?;
        self.retry_on_conflict(async || {
            if let Some(changes) = command::sealed(self.load(enrolment).await?, self.now()) {
                self.commit(changes).await?;
                self.sim.log.count("wipe: sealed");
            }
            Ok(())
        })
        .await
    }

    async fn destroy_record(&self, enrolment: EnrolmentId) -> Result<(), ServerError> {
        self.sim.executor.pause().await;
        self.sim.watch.sealing(enrolment);
        settle(self.sim.unlock_records.destroy(enrolment))?;
        self.sim.executor.pause().await;
        Ok(())
    }
}
