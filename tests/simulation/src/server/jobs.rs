//! `mdm_server::scheduler`: codes expire, leavers are wiped and closed, what a crash left undone is done.

use mdm_core::apply;
use mdm_core::device::DeviceState;
use mdm_core::seats;
use mdm_store::MAX_PAGE;
use shared::ids::{AccountId, EnrolmentId};

use super::batches::source;
use super::{Server, ServerError};
use crate::executor::settle;
use crate::fault::Fault;

impl Server {
    /// One pass. What fails does not stop the rest.
    pub(crate) async fn tick(&self) {
        self.sim.log.count("scheduler: pass");
        let expired = self.expire_codes().await;
        self.report(expired);
        let devices = settle(self.sim.store.devices(None, MAX_PAGE)).unwrap_or_default();
        for device in devices {
            let done = self.look_after(device.value.enrolment).await;
            self.report(done);
        }
        let accounts =
            settle(self.sim.store.accounts_of_source(&source(), None, MAX_PAGE)).unwrap_or_default();
        for account in accounts {
            let done = self.close(account.value.id).await;
            self.report(done);
        }
    }

    async fn expire_codes(&self) -> Result<(), ServerError> {
        self.retry_on_conflict(async || {
            let now = self.now();
            let mut page = settle(self.sim.store.usable_codes(None, 400))?;
            page.retain(|code| code.value.expires_at <= now);
            if !page.is_empty() {
                self.commit(seats::expire(page, now)).await?;
                self.sim.log.count("scheduler: codes expired");
            }
            Ok(())
        })
        .await
    }

    async fn look_after(&self, enrolment: EnrolmentId) -> Result<(), ServerError> {
        let device = self.load(enrolment).await?.value;
        match &device.state {
            DeviceState::Wiped(wipe) if wipe.sealed_at.is_none() => {
                self.sim.log.count("scheduler: sealed late");
                self.seal(enrolment).await
            }
            DeviceState::Live => {
                let account = settle(self.sim.store.account(device.account))?;
                if account.is_none_or(|account| account.value.is_served()) {
                    return Ok(());
                }
                self.sim.log.count("scheduler: blocked late");
                self.block(enrolment).await
            }
            _ => Ok(()),
        }
    }

    async fn close(&self, account: AccountId) -> Result<(), ServerError> {
        let devices = || -> Result<Vec<_>, ServerError> {
            let devices = settle(self.sim.store.devices_of_account(account))?;
            Ok(devices.into_iter().map(|stored| stored.value).collect())
        };
        let Some(stored) = settle(self.sim.store.account(account))? else { return Ok(()) };
        let Some(due) = apply::due_for_wipe(&stored.value, &devices()?, self.now()) else { return Ok(()) };
        let forgets = self.sim.has(Fault::ClosedWithoutWipe);
        for enrolment in due.into_iter().filter(|_| !forgets) {
            self.wipe(enrolment).await?;
        }
        self.retry_on_conflict(async || {
            let Some(stored) = settle(self.sim.store.account(account))? else { return Ok(()) };
            let devices = if forgets { Vec::new() } else { devices()? };
            if let Ok(changes) = apply::close(stored, &devices, self.now()) {
                self.commit(changes).await?;
                self.sim.say("scheduler: account closed", || format!("{account}"));
            }
            Ok(())
        })
        .await
    }
}
