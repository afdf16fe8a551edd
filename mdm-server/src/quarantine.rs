//! Quarantine in a running server: who is refused meanwhile, how it begins by itself, and the way out. The rules are
//! [`mdm_core::quarantine`]; [`replay`] is the way out by a journal that was kept elsewhere.

pub mod replay;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::{PoisonError, RwLock};

use mdm_core::audit::Actor;
use mdm_core::quarantine::{self, Account, Cause, Entering, Quarantine, Seen, ServerState, Verdict};
use mdm_store::ReadError;
use shared::cose::{self, Signer as _};
use shared::ids::EnrolmentId;
use shared::signed::Checkpoint;

use crate::service::Service;
use crate::use_cases::devices::{self, Order};
use crate::use_cases::{Missing, Refusal, UseCaseError, retry_on_conflict};

/// Codes that are ended in one commit.
const CODES_AT_ONCE: usize = 400;

/// The server's state as it was last loaded or committed: asked at every door.
#[derive(Default)]
pub(crate) struct Standing(RwLock<ServerState>);

impl Standing {
    fn get<T>(&self, of: impl FnOnce(&ServerState) -> T) -> T {
        of(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn set(&self, state: ServerState) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = state;
    }
}

impl Service {
    /// Why the server is in quarantine, if it is.
    pub fn quarantine(&self) -> Option<Quarantine> {
        self.standing.get(|state| state.quarantine.clone())
    }

    /// The epoch of commands.
    pub fn epoch(&self) -> u32 {
        self.standing.get(|state| state.epoch)
    }

    /// Refuses what a server that has forgotten something must not do.
    pub fn outside_quarantine(&self) -> Result<(), Refusal> {
        match self.standing.get(ServerState::is_quarantined) {
            true => Err(Refusal::Quarantine),
            false => Ok(()),
        }
    }
}

/// Learns where the server stands. Before any door opens.
pub async fn load(service: &Service) -> Result<(), ReadError> {
    let stored = service.store.server_state().await?;
    service.standing.set(quarantine::loaded(stored).value);
    Ok(())
}

/// Begins a quarantine, durably.
pub(crate) async fn enter(service: &Service, entering: Entering) -> Result<(), UseCaseError> {
    retry_on_conflict(|| async {
        let state = quarantine::loaded(service.store.server_state().await?);
        service.commit(quarantine::enter(state, entering.clone(), service.clock.now())).await?;
        Ok(())
    })
    .await?;
    Ok(load(service).await?)
}

/// Takes what a device shows as the newest checkpoint it has seen. What this server's checkpoint key has not signed says
/// nothing; what it has and the journal does not hold begins a quarantine.
pub(crate) async fn shown(service: &Service, by: EnrolmentId, signed: &[u8]) -> Result<(), UseCaseError> {
    let Ok(checkpoint) = cose::verify::<Checkpoint>(signed, b"", service.keyring.checkpoint.public_key())
    else {
        tracing::warn!(enrolment = %by, "a checkpoint that this server has not signed was shown");
        return Ok(());
    };
    retry_on_conflict(|| async {
        let ours = chain_value(service, checkpoint.head.sequence).await?;
        let state = quarantine::loaded(service.store.server_state().await?);
        match quarantine::judge(&checkpoint, ours, state) {
            Verdict::Known | Verdict::Noted(None) => Ok(()),
            Verdict::Noted(Some(changes)) => {
                service.commit(changes).await?;
                Ok(load(service).await?)
            }
            Verdict::Forgotten(seen) => forgotten(service, by, seen).await,
        }
    })
    .await
}

async fn chain_value(service: &Service, sequence: u64) -> Result<Option<[u8; 32]>, ReadError> {
    let Some(before) = sequence.checked_sub(1) else { return Ok(Some([0; 32])) };
    let entries = service.store.journal_entries(before, 1).await?;
    Ok(entries.first().filter(|entry| entry.sequence == sequence).map(|entry| entry.hash))
}

async fn forgotten(service: &Service, by: EnrolmentId, seen: Seen) -> Result<(), UseCaseError> {
    let known = service.store.journal_head().await?;
    let last = service.store.journal_entries(known.sequence.saturating_sub(1), 1).await?;
    let body = last.first().and_then(|entry| entry.body().ok());
    let known_until = body.map_or(service.clock.now(), |body| body.at);
    tracing::error!(
        enrolment = %by,
        own = known.sequence,
        seen = seen.head.sequence,
        "a device has seen a checkpoint that is not in the journal: this data folder is an older copy, or a second server \
         writes on; in quarantine from now on"
    );
    enter(service, Entering { cause: Cause::Checkpoint(by), known, known_until, seen: Some(seen) }).await
}

/// What was ordered again at the end of a quarantine.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct OrderedAgain {
    /// Devices wiped now.
    pub wiped: Vec<EnrolmentId>,
    /// Devices blocked now.
    pub blocked: Vec<EnrolmentId>,
    /// How many operators were disabled now.
    pub disabled: usize,
    /// Devices that were wiped or blocked and are not known here: they were enrolled later, and nothing here opens them.
    pub unknown: Vec<EnrolmentId>,
    /// Activation codes that ended: whoever has not signed in needs another.
    pub codes_ended: usize,
}

/// An owner says that these devices and no others were wiped in the time that is forgotten. They are wiped, and the
/// quarantine ends.
pub async fn confirm(
    service: &Service,
    wiped: &BTreeSet<EnrolmentId>,
    actor: Actor,
) -> Result<OrderedAgain, UseCaseError> {
    if service.quarantine().is_none() {
        return Err(quarantine::LeaveError::NotQuarantined.into());
    }
    // Nothing is done while one of them is mistyped.
    for enrolment in wiped {
        service.store.device(*enrolment).await?.ok_or(Missing::Device(*enrolment))?;
    }
    let mut again = OrderedAgain::default();
    for enrolment in wiped {
        let order = Order { actor, reason: "wiped before the server was restored" };
        match devices::wipe(service, *enrolment, order).await {
            Ok(_) => again.wiped.push(*enrolment),
            Err(UseCaseError::Refused(Refusal::Command(mdm_core::command::CommandError::AlreadyWiped))) => {}
            Err(error) => return Err(error),
        }
    }
    leave(service, Account::Operator(actor), &mut again).await?;
    Ok(again)
}

/// Ends the quarantine: attempts of all unlock records bounded, codes ended, and only then the doors open.
async fn leave(service: &Service, by: Account, again: &mut OrderedAgain) -> Result<(), UseCaseError> {
    let bounded = service.unlock_records.leave_one_attempt().await;
    bounded.map_err(|cause| UseCaseError::UnlockRecords { done: "", cause })?;
    again.codes_ended = end_codes(service).await?;
    retry_on_conflict(|| async {
        let state = quarantine::loaded(service.store.server_state().await?);
        service.commit(quarantine::leave(state, by, again.wiped.len(), service.clock.now())?).await?;
        Ok(())
    })
    .await?;
    Ok(load(service).await?)
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
