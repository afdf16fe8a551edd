//! The end of a quarantine: an owner's word, and what is done at the end of each, whoever accounts for the time that is
//! forgotten. The way out by a journal is [`super::replay`].

use std::collections::BTreeSet;

use mdm_core::audit::{Actor, Subject};
use mdm_core::change::Changeset;
use mdm_core::command::CommandError;
use mdm_core::operator::rules;
use mdm_core::quarantine::{self, Account, LeaveError};
use mdm_core::unlock;
use shared::ids::{EnrolmentId, OperatorId};

use super::load;
use crate::service::Service;
use crate::use_cases::devices::{self, Order};
use crate::use_cases::{Missing, Refusal, UseCaseError, operators, retry_on_conflict};

/// Codes that are ended in one commit.
const CODES_AT_ONCE: usize = 400;

/// What was ordered again at the end of a quarantine.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct OrderedAgain {
    /// Devices wiped now.
    pub wiped: Vec<EnrolmentId>,
    /// Devices blocked now.
    pub blocked: Vec<EnrolmentId>,
    /// Operators who lost rights or their way of signing in now.
    pub operators: usize,
    /// Devices that were wiped or blocked and are not known here: they were enrolled later, and nothing here opens them.
    pub unknown: Vec<EnrolmentId>,
    /// Unlock records that were destroyed: of a PIN that was changed since, or of a device that is not known here.
    pub records_destroyed: usize,
    /// Activation codes that ended: whoever has not signed in needs another.
    pub codes_ended: usize,
    /// Documents that were taken back again.
    pub unpublished: usize,
    /// Documents that are here in an older version than was published last: to be replaced again.
    pub replaced: usize,
    /// Personnel batches that took effect and are forgotten: their files are to be uploaded again.
    pub batches: usize,
}

/// What an owner says of the time that is forgotten.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Confirmed {
    /// These devices and no others were wiped.
    pub wiped: BTreeSet<EnrolmentId>,
    /// These and no others were blocked.
    pub blocked: BTreeSet<EnrolmentId>,
    /// These operators stay as they are, beside the owner who says so; the others are disabled.
    pub operators: BTreeSet<OperatorId>,
}

/// An owner accounts for the time that is forgotten. What they name is ordered again, and the quarantine ends.
pub async fn confirm(
    service: &Service,
    confirmed: &Confirmed,
    owner: OperatorId,
) -> Result<OrderedAgain, UseCaseError> {
    if service.quarantine().is_none() {
        return Err(LeaveError::NotQuarantined.into());
    }
    // Nothing is done while one of them is mistyped.
    for enrolment in confirmed.wiped.union(&confirmed.blocked) {
        service.store.device(*enrolment).await?.ok_or(Missing::Device(*enrolment))?;
    }
    let actor = Actor::Operator(owner);
    let mut again = OrderedAgain::default();
    for enrolment in &confirmed.wiped {
        let order = Order { actor, reason: "wiped before the server was restored" };
        match devices::wipe(service, *enrolment, order).await {
            Ok(_) => again.wiped.push(*enrolment),
            Err(UseCaseError::Refused(Refusal::Command(CommandError::AlreadyWiped))) => {}
            Err(error) => return Err(error),
        }
    }
    for enrolment in confirmed.blocked.difference(&confirmed.wiped) {
        block_again(service, *enrolment, actor, &mut again).await?;
    }
    for operator in operators::list(service).await? {
        let stays = operator.id == owner || confirmed.operators.contains(&operator.id);
        if operator.is_enabled() && !stays {
            operators::disable(service, operator.id, actor).await?;
            again.operators += 1;
        }
    }
    leave(service, Account::Operator(actor), &mut again).await?;
    Ok(again)
}

/// Orders a block again that is known from elsewhere.
pub(super) async fn block_again(
    service: &Service,
    enrolment: EnrolmentId,
    actor: Actor,
    again: &mut OrderedAgain,
) -> Result<(), UseCaseError> {
    let order = Order { actor, reason: "blocked before the server was restored" };
    match devices::block(service, enrolment, order).await {
        Ok(_) => again.blocked.push(enrolment),
        Err(UseCaseError::NotFound(Missing::Device(enrolment))) => again.unknown.push(enrolment),
        // Blocked already, wiped since, or not that far: nothing is to be withheld.
        Err(UseCaseError::Refused(Refusal::Command(_))) => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Ends the quarantine: records of unknown devices destroyed, attempts of the others bounded, codes ended, and only then the
/// doors open.
pub(super) async fn leave(
    service: &Service,
    by: Account,
    again: &mut OrderedAgain,
) -> Result<(), UseCaseError> {
    let failed = |cause| UseCaseError::UnlockRecords { done: "", cause };
    for enrolment in service.unlock_records.list().await.map_err(failed)? {
        if service.store.device(enrolment).await?.is_none() {
            let subject = Subject { device: Some(enrolment), ..Subject::default() };
            destroy_record(service, enrolment, subject, "device-unknown").await?;
            again.records_destroyed += 1;
        }
    }
    service.unlock_records.leave_one_attempt().await.map_err(failed)?;
    again.codes_ended = end_codes(service).await?;
    retry_on_conflict(|| async {
        let state = quarantine::loaded(service.store.server_state().await?);
        service.commit(quarantine::leave(state, by, again.wiped.len(), service.clock.now())?).await?;
        Ok(())
    })
    .await?;
    Ok(load(service).await?)
}

/// Destroys an unlock record that must not or cannot be used any more, and notes it.
pub(crate) async fn destroy_record(
    service: &Service,
    enrolment: EnrolmentId,
    subject: Subject,
    why: &str,
) -> Result<(), UseCaseError> {
    let failed = |cause| UseCaseError::UnlockRecords { done: "", cause };
    service.unlock_records.destroy(enrolment).await.map_err(failed)?;
    let mut changes = Changeset::default();
    changes.note(unlock::record_destroyed(subject, why, service.clock.now()));
    service.commit(changes).await?;
    Ok(())
}

async fn end_codes(service: &Service) -> Result<usize, UseCaseError> {
    let mut ended = 0;
    loop {
        let page = retry_on_conflict(|| async {
            let page = service.store.usable_codes(None, CODES_AT_ONCE).await?;
            let length = page.len();
            if length > 0 {
                service.commit(quarantine::end_codes(page, service.clock.now())).await?;
            }
            Ok(length)
        })
        .await?;
        if page == 0 {
            return Ok(ended);
        }
        ended += page;
    }
}

/// Whether some owner can sign in: without one, nobody can but who has the machine.
pub(crate) async fn an_owner_signs_in(service: &Service) -> Result<bool, UseCaseError> {
    Ok(rules::an_owner_signs_in(&operators::list(service).await?))
}
