//! The way out of a quarantine by a journal that was kept elsewhere: `mdm-server quarantine load` on a stopped server.
//!
//! The file is what `mdmctl audit export` wrote. It is verified to its checkpoint, which this server's key must have
//! signed, and it must hold the last entry that this server knows; what it says after that is ordered again.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use mdm_core::audit::Actor;
use mdm_core::command::CommandError;
use mdm_core::operator::rules;
use mdm_core::operator::rules::Acting;
use mdm_core::quarantine::replay::{Replay, Tombstone, Unreadable};
use mdm_core::quarantine::{Account, LeaveError};
use shared::cose::Signer as _;
use shared::ids::{EnrolmentId, OperatorId};

use super::{OrderedAgain, leave};
use crate::journal_file::{self, Anchors, JournalError};
use crate::service::Service;
use crate::use_cases::devices::{self, Order};
use crate::use_cases::{Missing, Refusal, UseCaseError, retry_on_conflict};

/// Why a journal does not end the quarantine.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be opened.
    #[error("{path} cannot be read: {cause}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// It does not verify, or is of another server.
    #[error("{path}: {cause}")]
    Journal {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        cause: JournalError,
    },
    /// It verifies and cannot be followed.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// What it orders cannot be done, or the quarantine goes on.
    #[error(transparent)]
    UseCase(#[from] UseCaseError),
}

/// What a journal brought.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Loaded {
    /// When its checkpoint was signed: up to then nothing is forgotten.
    pub until: Timestamp,
    /// The number of its last entry.
    pub entries: u64,
    /// What was done.
    #[serde(flatten)]
    pub again: OrderedAgain,
}

/// Verifies a journal, orders again what it says was ordered after the last entry that is known here, and ends the
/// quarantine. Can be repeated: what is in force already stays.
pub async fn load(service: &Service, path: &Path) -> Result<Loaded, LoadError> {
    let quarantine = service.quarantine().ok_or(UseCaseError::from(LeaveError::NotQuarantined))?;
    let anchors = Anchors {
        key: Some(service.keyring.checkpoint.public_key().fingerprint()),
        at_least: Some(quarantine.known.clone()),
    };
    let known = quarantine.known.sequence;
    let (replay, until, entries) = {
        let path = path.to_owned();
        let reading = tokio::task::spawn_blocking(move || read(&path, &anchors, known)).await;
        reading.map_err(|_| UseCaseError::from(Refusal::ShuttingDown))??
    };
    let mut again = OrderedAgain::default();
    for tombstone in replay.wiped.values() {
        wipe_again(service, tombstone, &mut again).await?;
    }
    for enrolment in &replay.blocked {
        block_again(service, *enrolment, &mut again).await?;
    }
    for operator in &replay.disabled {
        again.disabled += usize::from(disable_again(service, *operator).await?);
    }
    leave(service, Account::Journal(until), &mut again).await?;
    Ok(Loaded { until, entries, again })
}

fn read(path: &Path, anchors: &Anchors, known: u64) -> Result<(Replay, Timestamp, u64), LoadError> {
    let file = File::open(path).map_err(|cause| LoadError::Io { path: path.to_owned(), cause })?;
    let mut replay = Replay::default();
    let mut unreadable = None;
    let verdict = journal_file::verify_each(BufReader::new(file), anchors, |entry| {
        if entry.sequence <= known || unreadable.is_some() {
            return;
        }
        let noted = entry.body().map_err(|_| Unreadable(entry.sequence)).and_then(|body| replay.note(&body));
        unreadable = noted.err();
    });
    let verdict = verdict.map_err(|cause| LoadError::Journal { path: path.to_owned(), cause })?;
    match unreadable {
        Some(error) => Err(error.into()),
        None => Ok((replay, verdict.checkpoint_at, verdict.entries)),
    }
}

/// Orders a wipe again that is known from elsewhere.
pub(crate) async fn wipe_again(
    service: &Service,
    tombstone: &Tombstone,
    again: &mut OrderedAgain,
) -> Result<(), UseCaseError> {
    match devices::wipe_again(service, tombstone).await {
        Ok(()) => again.wiped.push(tombstone.enrolment),
        Err(UseCaseError::NotFound(Missing::Device(enrolment))) => again.unknown.push(enrolment),
        Err(UseCaseError::Refused(Refusal::Command(CommandError::AlreadyWiped))) => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

async fn block_again(
    service: &Service,
    enrolment: EnrolmentId,
    again: &mut OrderedAgain,
) -> Result<(), UseCaseError> {
    let order = Order { actor: Actor::Server, reason: "blocked before the server was restored" };
    match devices::block(service, enrolment, order).await {
        Ok(_) => again.blocked.push(enrolment),
        Err(UseCaseError::NotFound(Missing::Device(enrolment))) => again.unknown.push(enrolment),
        // Blocked already, wiped since, or not that far: nothing is to be withheld.
        Err(UseCaseError::Refused(Refusal::Command(_))) => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Says whether they could do something until now.
async fn disable_again(service: &Service, id: OperatorId) -> Result<bool, UseCaseError> {
    retry_on_conflict(|| async {
        let all = service.store.operators().await?;
        let enabled = all.iter().any(|operator| operator.value.id == id && operator.value.is_enabled());
        if !enabled {
            return Ok(false);
        }
        let acting = Acting { actor: Actor::Server, now: service.clock.now() };
        service.commit(rules::disable(&all, id, acting)?).await?;
        Ok(true)
    })
    .await
}
