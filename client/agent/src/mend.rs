//! Ways back from a vault that is damaged: repair, which keeps what is whole, and starting over. Both are an unlock with the
//! PIN, since without the vault key there is nothing to mend; what they cost is said by their outcome. What can be read of a
//! damaged vault, and how, is in `vault`.

use std::sync::Arc;

use shared::ids::EnrolmentId;
use vault::{Damage, Lost, Salvaged, StoreError, Vault, VaultError, VaultKey};

use crate::agent::{Agent, Inner, rng};
use crate::error::AgentError;
use crate::unlock::UnlockError;

/// What helps against a vault that does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WayBack {
    /// What is whole is kept, the rest is dropped and named.
    Repair,
    /// Nothing of it can be kept: an empty vault takes its place, and what was not sent to the server is lost.
    StartOver,
}

impl WayBack {
    /// The way back from what has stopped an unlock. `None` where that is no damage, or none that an app can mend: room on the
    /// disk, a newer app, or a wipe and a new enrolment help then.
    pub fn from_unlock(error: &UnlockError) -> Option<Self> {
        match error {
            UnlockError::Agent(AgentError::Vault(error)) => Self::from_vault(error),
            _ => None,
        }
    }

    fn from_vault(error: &VaultError) -> Option<Self> {
        match error {
            VaultError::Damaged(Damage::Header | Damage::Keys | Damage::Spent)
            | VaultError::Store(StoreError::Open { .. } | StoreError::Sled(_)) => Some(Self::StartOver),
            VaultError::Damaged(_) => Some(Self::Repair),
            // The store asserted on something that it read.
            VaultError::Store(StoreError::Io(error)) if error.kind() == std::io::ErrorKind::Other => {
                Some(Self::StartOver)
            }
            _ => None,
        }
    }
}

/// What became of the vault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mended {
    /// Nothing was damaged, and nothing was changed.
    Whole,
    /// What was whole was kept.
    Repaired(Salvaged),
    /// It is empty.
    StartedOver,
}

/// How the next unlock opens the vault, and what came of that.
#[derive(Debug, Default)]
pub(crate) struct Opening {
    way: Option<WayBack>,
    mended: Option<Mended>,
}

/// While it lives, each unlock of its agent mends the vault that it opens.
pub struct Mending {
    agent: Arc<Agent>,
}

impl Mending {
    /// What became of the vault; `None` if no unlock came as far as that.
    pub fn end(self) -> Option<Mended> {
        self.agent.inner().opening.mended.take()
    }
}

impl Drop for Mending {
    fn drop(&mut self) {
        self.agent.inner().opening = Opening::default();
    }
}

impl Agent {
    /// Has the unlock that comes next mend the vault on the way. Whoever calls this has said what may be lost by it.
    pub fn mend(self: &Arc<Self>, way: WayBack) -> Mending {
        self.inner().opening = Opening { way: Some(way), mended: None };
        Mending { agent: Arc::clone(self) }
    }

    /// Reads everything in the open vault, and names what is damaged. Nothing is changed. Blocking, and long.
    pub fn check(&self) -> Result<Vec<Lost>, AgentError> {
        self.with_vault(Vault::check)
    }

    /// Opens the vault, mending it if that was asked for. A wipe waits until this has ended: half of a vault that is written
    /// anew must not be left behind by it.
    pub(crate) fn open_vault(
        &self,
        inner: &mut Inner,
        key: &VaultKey,
        enrolment: EnrolmentId,
    ) -> Result<Vault, VaultError> {
        let home = &self.home;
        let Some(way) = inner.opening.way else { return Vault::open(home, key, enrolment) };
        let (vault, mended) = match way {
            WayBack::Repair => {
                let (vault, salvaged) = Vault::salvage(home, key, enrolment, &mut rng())?;
                (vault, if is_whole(&salvaged) { Mended::Whole } else { Mended::Repaired(salvaged) })
            }
            WayBack::StartOver => match open_whole(|| Vault::open(home, key, enrolment)) {
                // Asked for by mistake: what can all be read is not thrown away.
                Some(vault) => (vault, Mended::Whole),
                None => (Vault::start_over(home, key, enrolment, &mut rng())?, Mended::StartedOver),
            },
        };
        tracing::warn!(?way, "the vault was mended");
        inner.opening.mended = Some(mended);
        Ok(vault)
    }
}

fn is_whole(salvaged: &Salvaged) -> bool {
    salvaged.lost.is_empty() && !salvaged.index_lost && salvaged.commits_lost == 0
}

fn open_whole(open: impl FnOnce() -> Result<Vault, VaultError>) -> Option<Vault> {
    let vault = open().ok()?;
    vault.check().is_ok_and(|lost| lost.is_empty()).then_some(vault)
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn store_io(kind: io::ErrorKind) -> VaultError {
        VaultError::Store(StoreError::Io(kind.into()))
    }

    #[test]
    fn only_what_cannot_be_repaired_is_started_over() {
        let way = |error| WayBack::from_unlock(&UnlockError::Agent(AgentError::Vault(error)));
        let unopened = StoreError::Open { path: "store".into(), reason: "corrupt".to_owned() };
        assert_eq!(way(Damage::Index.into()), Some(WayBack::Repair));
        assert_eq!(way(Damage::LostCommits { has: 1, acknowledged: 2 }.into()), Some(WayBack::Repair));
        assert_eq!(way(Damage::Header.into()), Some(WayBack::StartOver));
        assert_eq!(way(unopened.into()), Some(WayBack::StartOver));
        assert_eq!(way(store_io(io::ErrorKind::Other)), Some(WayBack::StartOver));
    }

    #[test]
    fn a_disk_that_takes_nothing_is_no_reason_to_throw_anything_away() {
        let way = |error| WayBack::from_unlock(&UnlockError::Agent(AgentError::Vault(error)));
        for kind in
            [io::ErrorKind::StorageFull, io::ErrorKind::ReadOnlyFilesystem, io::ErrorKind::PermissionDenied]
        {
            assert_eq!(way(store_io(kind)), None, "{kind}");
        }
        assert_eq!(way(StoreError::Full(io::ErrorKind::StorageFull.into()).into()), None);
        assert_eq!(way(VaultError::FormatNewer { found: 2 }), None);
        assert_eq!(WayBack::from_unlock(&UnlockError::Offline), None);
    }
}
