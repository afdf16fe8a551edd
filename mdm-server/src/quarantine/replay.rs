//! The way out of a quarantine by a journal that was kept elsewhere: `mdm-server quarantine load` on a stopped server.
//!
//! The file is what `mdmctl audit export` wrote. It is verified to its checkpoint, which this server's key must have
//! signed, and it must part from this server's own journal no later than where the quarantine says that this server forgets;
//! what it says from there on is ordered again. This server's own export says nothing that it has forgotten, however new.

use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use mdm_core::audit::{Actor, Entry, GENESIS};
use mdm_core::command::CommandError;
use mdm_core::operator::rules;
use mdm_core::operator::rules::Acting;
use mdm_core::quarantine::replay::{Replay, Tombstone, Unreadable};
use mdm_core::quarantine::{Account, LeaveError, Quarantine};
use mdm_store::MAX_PAGE;
use shared::cose::Signer as _;
use shared::ids::{EnrolmentId, OperatorId};
use shared::signed::JournalHead;

use super::{OrderedAgain, leave};
use crate::journal_file::{self, Anchors, JournalError};
use crate::service::Service;
use crate::use_cases::devices::{self, Order};
use crate::use_cases::{Missing, Refusal, UseCaseError, retry_on_conflict};

/// How far before the end of what this server knows a journal may part from its own: what a server wrote between its start
/// from an older copy and the moment when that was noticed.
const OVERLAP: u64 = 10_000;

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
    /// It is this server's own, from after it had forgotten, or older than what it knows.
    #[error(
        "{path} says nothing of what this server has forgotten: load the newest journal that was exported before, or have an \
         owner confirm in the console which devices were wiped"
    )]
    NothingForgotten {
        /// Which file.
        path: PathBuf,
    },
    /// It is another line than the one that a device has seen.
    #[error(
        "{path} does not hold the checkpoint that a device has seen: load the journal of the server that it talked to"
    )]
    OtherThanSeen {
        /// Which file.
        path: PathBuf,
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
    let own = Own::load(service, quarantine).await?;
    let (replay, until, entries) = {
        let path = path.to_owned();
        let key = service.keyring.checkpoint.public_key().fingerprint();
        let reading = tokio::task::spawn_blocking(move || read(&path, key, &own)).await;
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

/// The newest part of the journal as this server has it, and what its quarantine says of it.
struct Own {
    quarantine: Quarantine,
    oldest: JournalHead,
    hashes: HashMap<u64, [u8; 32]>,
}

impl Own {
    async fn load(service: &Service, quarantine: Quarantine) -> Result<Self, UseCaseError> {
        let mut after = quarantine.known.sequence.saturating_sub(OVERLAP);
        let oldest = match service.store.journal_entries(after.saturating_sub(1), 1).await?.first() {
            Some(entry) if after > 0 => JournalHead { sequence: entry.sequence, hash: entry.hash },
            _ => GENESIS,
        };
        let mut hashes = HashMap::new();
        loop {
            let page = service.store.journal_entries(after, MAX_PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.sequence;
            hashes.extend(page.iter().map(|entry| (entry.sequence, entry.hash)));
        }
        Ok(Self { quarantine, oldest, hashes })
    }

    fn has(&self, entry: &Entry) -> bool {
        self.hashes.get(&entry.sequence) == Some(&entry.hash)
    }
}

fn read(path: &Path, key: [u8; 32], own: &Own) -> Result<(Replay, Timestamp, u64), LoadError> {
    let file = File::open(path).map_err(|cause| LoadError::Io { path: path.to_owned(), cause })?;
    let anchors = Anchors { key: Some(key), at_least: Some(own.oldest.clone()) };
    let (mut replay, mut unreadable) = (Replay::default(), None);
    let (mut common, mut holds_seen) = (own.oldest.sequence, true);
    let verdict = journal_file::verify_each(BufReader::new(file), &anchors, |entry| {
        let seen = own.quarantine.seen.as_ref().map(|seen| &seen.head);
        if seen.is_some_and(|seen| seen.sequence == entry.sequence && seen.hash != entry.hash) {
            holds_seen = false;
        }
        if own.has(entry) {
            common = entry.sequence;
        } else if entry.sequence > own.oldest.sequence && unreadable.is_none() {
            let noted = entry.body().map_err(|_| Unreadable(entry.sequence));
            unreadable = noted.and_then(|body| replay.note(&body)).err();
        }
    });
    let verdict = verdict.map_err(|cause| LoadError::Journal { path: path.to_owned(), cause })?;
    let known = own.quarantine.known.sequence;
    let ends_before = common == verdict.entries && common < known;
    if common > known || ends_before {
        return Err(LoadError::NothingForgotten { path: path.to_owned() });
    }
    if !holds_seen {
        return Err(LoadError::OtherThanSeen { path: path.to_owned() });
    }
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
