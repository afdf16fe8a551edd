//! Quarantine in a running server: who is refused meanwhile, how it begins by itself, and the way out. The rules are
//! [`mdm_core::quarantine`]; [`replay`] is the way out by a journal that was kept elsewhere.

mod end;
pub mod replay;
#[cfg(test)]
mod tests;

pub(crate) use end::an_owner_signs_in;
pub use end::{Confirmed, OrderedAgain, confirm};

use std::sync::{PoisonError, RwLock};

use mdm_core::change::{Stored, Version};
use mdm_core::quarantine::{self, Cause, Entering, Quarantine, Seen, ServerState, Verdict};
use mdm_store::ReadError;
use shared::cose::{self, Signer as _};
use shared::ids::EnrolmentId;
use shared::signed::Checkpoint;

use crate::service::Service;
use crate::use_cases::{Refusal, UseCaseError, retry_on_conflict};

/// The server's state as it was last loaded or committed: asked at every door.
pub(crate) struct Standing(RwLock<Stored<ServerState>>);

impl Default for Standing {
    fn default() -> Self {
        Self(RwLock::new(Stored { version: Version(0), value: ServerState::default() }))
    }
}

impl Standing {
    fn get<T>(&self, of: impl FnOnce(&ServerState) -> T) -> T {
        of(&self.0.read().unwrap_or_else(PoisonError::into_inner).value)
    }

    /// Of two who load at once the one that is slower may have the older state.
    fn set(&self, state: Stored<ServerState>) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.version <= state.version {
            *known = state;
        }
    }
}

impl Service {
    /// Why the server is in quarantine, if it is.
    pub fn quarantine(&self) -> Option<Quarantine> {
        self.standing.get(|state| state.quarantine.clone())
    }

    /// The epoch of commands and of session grants.
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
    service.standing.set(quarantine::loaded(stored));
    Ok(())
}

/// Begins a quarantine, durably: after a restore.
pub(crate) async fn enter(service: &Service, entering: Entering) -> Result<(), UseCaseError> {
    retry_on_conflict(|| async {
        let state = quarantine::loaded(service.store.server_state().await?);
        enter_on(service, state, entering.clone()).await
    })
    .await
}

/// The same on a state that was judged: a conflict if it is not the newest any more.
async fn enter_on(
    service: &Service,
    state: Stored<ServerState>,
    entering: Entering,
) -> Result<(), UseCaseError> {
    let operators = service.store.operators().await?;
    service.commit(quarantine::enter(state, &operators, entering, service.clock.now())).await?;
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
        match quarantine::judge(&checkpoint, ours, &state) {
            Verdict::Known | Verdict::Noted(None) => Ok(()),
            Verdict::Noted(Some(changes)) => {
                service.commit(changes).await?;
                Ok(load(service).await?)
            }
            Verdict::Forgotten(seen) => {
                let entering = forgotten(service, by, seen).await?;
                enter_on(service, state, entering).await
            }
        }
    })
    .await
}

async fn chain_value(service: &Service, sequence: u64) -> Result<Option<[u8; 32]>, ReadError> {
    let Some(before) = sequence.checked_sub(1) else { return Ok(Some([0; 32])) };
    let entries = service.store.journal_entries(before, 1).await?;
    Ok(entries.first().filter(|entry| entry.sequence == sequence).map(|entry| entry.hash))
}

async fn forgotten(service: &Service, by: EnrolmentId, seen: Seen) -> Result<Entering, UseCaseError> {
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
    Ok(Entering { cause: Cause::Checkpoint(by), known, known_until, seen: Some(seen), key_file: None })
}
