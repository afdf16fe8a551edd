//! 応援職員: temporary accounts whose last day is over.

use mdm_core::apply;
use mdm_core::audit::Actor;
use mdm_core::license::day_of;
use rand::rngs::OsRng;
use shared::ids::AccountId;

use super::super::load::{holdings, load_accounts};
use super::super::{UseCaseError, retry_on_conflict};
use super::{acting, block_all, commit};
use crate::directory;
use crate::service::Service;

/// Ends them as if a list no longer had them: suspended and blocked, seats to those who wait, wiped after 14 days. Not in
/// quarantine: a longer list may be forgotten.
pub(crate) async fn end_temporary(service: &Service) -> Result<(), UseCaseError> {
    if directory::current(service).await?.run_out(day_of(service.clock.now())).is_empty() {
        return Ok(());
    }
    // A batch that is applied just now moves seats as well: the next pass looks again.
    let Some(_held) = service.undos.try_lock() else { return Ok(()) };
    let change = retry_on_conflict(|| async {
        // The directory says whom to load; the rule looks at what the store says of them.
        let today = day_of(service.clock.now());
        let over: Vec<AccountId> = directory::current(service).await?.run_out(today);
        let accounts = load_accounts(service, over.iter().copied()).await?;
        let holdings = holdings(service, accounts, &over).await?;
        let change = apply::end_temporary(holdings, acting(service, Actor::Server), &mut OsRng)?;
        commit(service, change).await
    })
    .await?;
    block_all(service, &change.block, "the last day of a temporary account is over", Actor::Server).await;
    Ok(())
}
