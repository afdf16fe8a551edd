//! The way out of a quarantine by a journal that was kept elsewhere: `mdm-server quarantine load`, on a server that runs or
//! not.
//!
//! The file is what `mdmctl audit export` wrote. It is verified to its checkpoint, which this server's key must have
//! signed, and it must part from this server's own journal no later than where the quarantine says that this server forgets;
//! what it says from there on is ordered again. This server's own export says nothing that it has forgotten, however new.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use mdm_core::audit::{Actor, Entry, GENESIS, Subject};
use mdm_core::command::CommandError;
use mdm_core::operator::rules::{self, Acting};
use mdm_core::quarantine::replay::{Fate, ProvenPin, Replay, Tombstone, Unreadable};
use mdm_core::quarantine::{self, Account, LeaveError, Quarantine};
use mdm_store::MAX_PAGE;
use rand::rngs::OsRng;
use shared::cose::Signer as _;
use shared::ids::{EnrolmentId, OperatorId};
use shared::signed::JournalHead;

use super::end::{an_owner_signs_in, block_again, destroy_record, leave};
use super::{OrderedAgain, load as load_standing};
use crate::backup::tombstones::{self, KeepError};
use crate::journal_file::{self, Anchors, JournalError};
use crate::service::Service;
use crate::use_cases::{Missing, Refusal, UseCaseError, devices, documents, retry_on_conflict};

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
    /// Its wipes cannot be kept for later backups.
    #[error(transparent)]
    Keep(#[from] KeepError),
}

/// What a journal brought.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Loaded {
    /// When its checkpoint was signed: up to then nothing is forgotten.
    pub until: Timestamp,
    /// The number of its last entry.
    pub entries: u64,
    /// Why the quarantine goes on, if it does.
    pub goes_on: Option<String>,
    /// Some owner can sign in.
    pub owner_signs_in: bool,
    /// What was done.
    #[serde(flatten)]
    pub again: OrderedAgain,
}

/// Verifies a journal, orders again what it says was ordered after the last entry that is known here, and ends the
/// quarantine, if what devices have shown bears it out, or `nothing_since` was said. Can be repeated: what is in force already
/// stays.
pub async fn load(service: &Service, path: &Path, nothing_since: bool) -> Result<Loaded, LoadError> {
    let quarantine = service.quarantine().ok_or(UseCaseError::from(LeaveError::NotQuarantined))?;
    let own = Own::load(service, quarantine.clone()).await?;
    let (replay, until, entries) = {
        let path = path.to_owned();
        let key = service.keyring.checkpoint.public_key().fingerprint();
        let reading = tokio::task::spawn_blocking(move || read(&path, key, &own)).await;
        reading.map_err(|_| UseCaseError::from(Refusal::ShuttingDown))??
    };
    let mut again = OrderedAgain { batches: replay.batches, ..OrderedAgain::default() };
    tombstones::keep(&service.config, replay.wiped.values().copied(), service.clock.now())?;
    for tombstone in replay.wiped.values() {
        wipe_again(service, tombstone, &mut again).await?;
    }
    for enrolment in &replay.blocked {
        block_again(service, *enrolment, Actor::Server, &mut again).await?;
    }
    // Once: what this journal takes from operators an owner may have given back since.
    if quarantine.known_until < until {
        for (operator, fate) in &replay.operators {
            again.operators += usize::from(suffer_again(service, *operator, *fate).await?);
        }
    }
    void_old_pins(service, &replay.pins, quarantine.records_as_of, &mut again).await?;
    unpublish_again(service, &replay, &mut again).await?;
    let goes_on = match leave(service, Account::Journal { until, nothing_since }, &mut again).await {
        Ok(()) => None,
        Err(UseCaseError::Refused(Refusal::Leave(why @ LeaveError::NobodyHeard { .. }))) => {
            note_followed(service, until).await?;
            Some(why.to_string())
        }
        Err(error) => return Err(error.into()),
    };
    let owner_signs_in = an_owner_signs_in(service).await?;
    Ok(Loaded { until, entries, goes_on, owner_signs_in, again })
}

async fn note_followed(service: &Service, until: Timestamp) -> Result<(), UseCaseError> {
    retry_on_conflict(|| async {
        let state = quarantine::loaded(service.store.server_state().await?);
        if let Some(changes) = quarantine::followed(state, until, service.clock.now()) {
            service.commit(changes).await?;
        }
        Ok(())
    })
    .await?;
    Ok(load_standing(service).await?)
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

/// Destroys the records of PINs that were changed after the key file was copied: it would bring the old ones back.
pub(crate) async fn void_old_pins(
    service: &Service,
    pins: &BTreeMap<EnrolmentId, ProvenPin>,
    records_as_of: Option<Timestamp>,
    again: &mut OrderedAgain,
) -> Result<(), UseCaseError> {
    for (enrolment, pin) in pins {
        let marks = service.unlock_records.marks(*enrolment).await;
        let marks = marks.map_err(|cause| UseCaseError::UnlockRecords { done: "", cause })?;
        if marks.is_empty() || !pin.is_lost_in(records_as_of, &marks) {
            continue;
        }
        let subject = match service.store.device(*enrolment).await? {
            Some(device) => Subject::device(&device.value),
            None => Subject { device: Some(*enrolment), ..Subject::default() },
        };
        destroy_record(service, *enrolment, subject, "pin-changed").await?;
        again.records_destroyed += 1;
    }
    Ok(())
}

/// Takes documents back again: the backup has them as they were. Of those that were replaced only the number is said.
async fn unpublish_again(
    service: &Service,
    replay: &Replay,
    again: &mut OrderedAgain,
) -> Result<(), UseCaseError> {
    for document in &replay.unpublished {
        match documents::unpublish(service, *document, Actor::Server).await {
            Ok(_) => again.unpublished += 1,
            // Published later than the backup, or taken back before it.
            Err(
                UseCaseError::NotFound(Missing::Document(_)) | UseCaseError::Refused(Refusal::Document(_)),
            ) => {}
            Err(error) => return Err(error),
        }
    }
    for (document, version) in &replay.replaced {
        let here = service.store.document(*document).await?.map(|stored| stored.value);
        let is_older = here.is_some_and(|here| here.is_published() && here.version < *version);
        again.replaced += usize::from(is_older);
    }
    Ok(())
}

/// What the server's own journal says of PINs that were changed from then on: it is newer than the key file beside it.
pub(crate) async fn own_pins(
    service: &Service,
    since: Timestamp,
) -> Result<BTreeMap<EnrolmentId, ProvenPin>, LoadError> {
    let mut replay = Replay::default();
    let mut before = service.store.journal_head().await.map_err(UseCaseError::from)?.sequence;
    // Backwards in pages, each forwards: the last of an enrolment counts, and it is met first.
    while before > 0 {
        let after = before.saturating_sub(MAX_PAGE as u64);
        let page = service.store.journal_entries(after, MAX_PAGE).await.map_err(UseCaseError::from)?;
        let mut newer = Replay::default();
        let mut reached = false;
        for entry in page.iter().filter(|entry| entry.sequence <= before) {
            let body = entry.body().map_err(|_| Unreadable(entry.sequence))?;
            reached |= body.at < since;
            newer.note(&body)?;
        }
        for (enrolment, pin) in newer.pins {
            replay.pins.entry(enrolment).or_insert(pin);
        }
        if reached {
            break;
        }
        before = after;
    }
    Ok(replay.pins)
}

/// Says whether they could do or sign in with something until now.
async fn suffer_again(service: &Service, id: OperatorId, fate: Fate) -> Result<bool, UseCaseError> {
    retry_on_conflict(|| async {
        // Who was invited later is not known here, and can do nothing.
        let Some(stored) = service.store.operator(id).await? else { return Ok(false) };
        let acting = Acting { actor: Actor::Server, now: service.clock.now() };
        let Some(changes) = rules::suffer(stored, fate, acting, &mut OsRng) else { return Ok(false) };
        service.commit(changes).await?;
        Ok(true)
    })
    .await
}
