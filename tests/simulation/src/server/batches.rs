//! `mdm_server::use_cases::{batches, licenses, codes}`: the file of a source becomes a plan, a plan takes effect; seats are
//! reclaimed, the pool is set, a code is issued again.

use mdm_core::account::{Account, SourceName};
use mdm_core::apply::{self, ApplyInput};
use mdm_core::audit::Actor;
use mdm_core::batch::{Mode, PlanItem, PlanKind};
use mdm_core::change::{Key, Stored};
use mdm_core::identity::DateKey;
use mdm_core::plan::{self, PlanInput};
use mdm_core::seats::{self, Acting, Holdings, Rule};
use mdm_core::sheet::{self, Declared};
use mdm_store::MAX_PAGE;
use shared::crypto::Secret;
use shared::ids::{AccountId, BatchId, EnrolmentId};

use super::{Server, ServerError};
use crate::executor::settle;
use crate::fault::Fault;
use crate::sim::keyring;

/// The one source of the simulated organisation.
pub(crate) fn source() -> SourceName {
    SourceName::new("知事部局").expect("four characters are a name")
}

fn rule(error: impl std::fmt::Display) -> ServerError {
    ServerError::Rule(error.to_string())
}

impl Server {
    fn acting(&self) -> Acting<'static> {
        Acting { actor: Actor::Server, now: self.now(), keys: &keyring().codes }
    }

    fn accounts(&self) -> Result<Vec<Stored<Account>>, ServerError> {
        Ok(settle(self.sim.store.accounts_of_source(&source(), None, MAX_PAGE))?)
    }

    /// Pool, waiting list, all accounts; codes and devices of those in `may_lose`.
    fn holdings(&self, may_lose: &[AccountId]) -> Result<Holdings, ServerError> {
        let store = &self.sim.store;
        let (mut codes, mut devices) = (Vec::new(), Vec::new());
        for account in may_lose {
            codes.extend(settle(store.codes_of_account(*account))?);
            devices
                .extend(settle(store.devices_of_account(*account))?.into_iter().map(|stored| stored.value));
        }
        Ok(Holdings {
            pool: settle(store.pool())?,
            accounts: self.accounts()?,
            waiting: settle(store.waiting_list(None, MAX_PAGE))?,
            codes,
            devices,
        })
    }

    /// Reads a file, plans it and applies the plan, as two calls of a person do.
    pub(crate) async fn batch(&self, file: &str) -> Result<(), ServerError> {
        let id = self.upload(file).await?;
        self.sim.executor.pause().await;
        let block = self
            .retry_on_conflict(async || {
                let applied = apply::apply(self.input(id)?, self.acting(), &mut self.sim.crypto.clone());
                let (changes, applied) = applied.map_err(rule)?;
                let mut changes = changes.whole();
                if self.sim.has(Fault::SeatsNotCounted) {
                    changes.writes.retain(|write| write.key != Key::Pool);
                }
                self.commit(changes).await?;
                Ok(applied.block)
            })
            .await?;
        self.sim.say("admin: batch applied", || format!("{} devices to block", block.len()));
        self.block_all(&block).await;
        Ok(())
    }

    async fn upload(&self, file: &str) -> Result<BatchId, ServerError> {
        let sheet = sheet::read(file.as_bytes(), &Declared::default()).map_err(rule)?;
        let roster = settle(self.sim.store.roster(&source()))?;
        let (accounts, pool) = (self.accounts()?, settle(self.sim.store.pool())?.value);
        let input = PlanInput {
            source: source(),
            mode: Mode::Roster,
            sheet: &sheet,
            accounts: &accounts,
            temporary_until: None,
            decided: &[],
            dates: &DateKey::derive(&Secret::from_bytes([7; 32])),
            roster_version: roster.map_or(0, |roster| roster.value.version),
            pool: &pool,
            actor: Actor::Server,
            now: self.now(),
        };
        let plan = plan::plan(&input, &mut self.sim.crypto.clone());
        let id = plan.batch.id;
        self.commit(plan.changes()).await?;
        Ok(id)
    }

    fn input(&self, id: BatchId) -> Result<ApplyInput, ServerError> {
        let store = &self.sim.store;
        let missing = || rule("the batch is not there");
        let batch = settle(store.batch(id))?.ok_or_else(missing)?;
        let mut chunks = Vec::new();
        for number in 0..batch.value.chunks {
            chunks.push(settle(store.plan_chunk(id, number))?.ok_or_else(missing)?.value);
        }
        let roster = settle(store.roster(&source()))?;
        let items = chunks.iter().flat_map(|chunk| &chunk.items);
        let may_lose: Vec<_> =
            items.filter(|item| may_lose_seat(item)).filter_map(|item| item.account).collect();
        Ok(ApplyInput { batch, chunks, roster, holdings: self.holdings(&may_lose)?, undone: None })
    }

    /// Blocks devices whose account lost its seat. What a crash leaves of it is the scheduler's.
    async fn block_all(&self, enrolments: &[EnrolmentId]) {
        for enrolment in enrolments {
            let done = self.block(*enrolment).await;
            self.report(done);
        }
    }

    /// Sets the size of the pool.
    pub(crate) async fn set_pool(&self, size: u32) -> Result<(), ServerError> {
        self.retry_on_conflict(async || {
            let holdings = self.holdings(&[])?;
            let change = seats::set_pool(holdings, size, self.acting(), &mut self.sim.crypto.clone());
            self.commit(change.map_err(rule)?.changes).await?;
            Ok(())
        })
        .await?;
        self.sim.say("admin: pool set", || format!("{size} seats"));
        Ok(())
    }

    /// 回収: seats of accounts that never signed in for `days`.
    pub(crate) async fn reclaim(&self, days: u16) -> Result<(), ServerError> {
        let block = self
            .retry_on_conflict(async || {
                let everybody: Vec<AccountId> =
                    self.accounts()?.iter().map(|stored| stored.value.id).collect();
                let holdings = self.holdings(&everybody)?;
                let rule_of = Rule::unused_for(days);
                let change = seats::reclaim(holdings, rule_of, self.acting(), &mut self.sim.crypto.clone());
                let change = change.map_err(rule)?;
                if !change.freed.is_empty() {
                    self.commit(change.changes).await?;
                    self.sim.say("admin: seats reclaimed", || format!("{} seats", change.freed.len()));
                }
                Ok(change.block)
            })
            .await?;
        self.block_all(&block).await;
        Ok(())
    }

    /// Another code for the same seat.
    pub(crate) async fn reissue(&self, account: AccountId) -> Result<(), ServerError> {
        self.retry_on_conflict(async || {
            let stored = settle(self.sim.store.account(account))?.ok_or_else(|| rule("no such account"))?;
            let codes = settle(self.sim.store.codes_of_account(account))?;
            let changes = seats::reissue(stored, codes, self.acting(), &mut self.sim.crypto.clone());
            self.commit(changes.map_err(rule)?).await?;
            Ok(())
        })
        .await?;
        self.sim.log.count("admin: code issued again");
        Ok(())
    }
}

fn may_lose_seat(item: &PlanItem) -> bool {
    matches!(item.kind, PlanKind::Leave | PlanKind::Move { .. } | PlanKind::Change { .. })
}
