//! 休職・育休 of one person.

use jiff::civil::Date;
use mdm_core::absence::{self, Absence, AbsenceError};
use mdm_core::account::Account;
use mdm_core::approval::Acting;
use mdm_core::audit::Actor;
use mdm_core::change::{Changeset, Stored};
use mdm_core::license::day_of;

use super::super::{Refusal, UseCaseError, retry_on_conflict};
use super::{Who, find};
use crate::service::Service;

/// Notes an absence, or another end of one that begins on the same day. A notice of their seat ends with the scheduler's next
/// pass while they are away.
pub async fn note(
    service: &Service,
    who: &Who,
    absence: Absence,
    actor: Actor,
) -> Result<Account, UseCaseError> {
    let today = day_of(service.clock.now());
    change(service, who, actor, |account, acting| absence::note(account, absence, today, acting)).await
}

/// Removes one that was noted by mistake.
pub async fn remove(service: &Service, who: &Who, from: Date, actor: Actor) -> Result<Account, UseCaseError> {
    change(service, who, actor, |account, acting| absence::remove(account, from, acting)).await
}

async fn change(
    service: &Service,
    who: &Who,
    actor: Actor,
    rule: impl Fn(Stored<Account>, Acting) -> Result<Changeset, AbsenceError>,
) -> Result<Account, UseCaseError> {
    service.outside_quarantine()?;
    retry_on_conflict(|| async {
        let account = find(service, who).await?;
        let changes = rule(account, Acting { actor, now: service.clock.now() }).map_err(Refusal::from)?;
        service.commit(changes).await?;
        Ok(find(service, who).await?.value)
    })
    .await
}
