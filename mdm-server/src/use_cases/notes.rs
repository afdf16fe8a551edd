//! Notes and photos of accounts: revisions are judged and stored, and read by the account's own devices. Nobody else reads
//! them here.

#[cfg(test)]
mod tests;

use std::collections::HashSet;

use mdm_core::audit::PersonalValue;
use mdm_core::change::Stored;
use mdm_core::document::Content;
use mdm_core::note::{self, Limits, Note, NoteError, Revision, Shelf, Standing, Verdict};
use mdm_store::{CommitError, MAX_PAGE};
use rand::rngs::OsRng;
use shared::ids::{AccountId, EnrolmentId};
use shared::wire::{NoteEntry, NoteOffer, NoteRequest};

use super::documents::blocking;
use super::{UseCaseError, retry_on_conflict};
use crate::documents::{ContentError, ContentReader, Received};
use crate::service::Service;

/// Why a revision is not stored.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// The rules.
    #[error(transparent)]
    Rules(#[from] NoteError),
    /// The server cannot do its part.
    #[error(transparent)]
    Server(#[from] UseCaseError),
}

/// What became of an offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// It is stored as this revision, now or since an earlier offer.
    Stored(u32),
    /// Another revision was made from the same base, and nothing was changed.
    Conflict(NoteEntry),
}

async fn standing(
    service: &Service,
    account: AccountId,
    offer: &NoteOffer,
) -> Result<Standing, UseCaseError> {
    let note = service.store.note(account, offer.id).await?;
    let shelf = service.store.shelf(account).await?;
    Ok(Standing { account, note, shelf })
}

fn limits(service: &Service) -> Limits {
    service.config.notes.limits()
}

/// What would become of an offer now: asked before its contents are received.
pub async fn judge(service: &Service, account: AccountId, offer: &NoteOffer) -> Result<Verdict, TakeError> {
    let standing = standing(service, account, offer).await?;
    Ok(note::judge(&standing, offer, &limits(service))?)
}

/// Stores an offer whose contents came. Contents that no note has afterwards are removed.
pub async fn take(
    service: &Service,
    (account, by): (AccountId, EnrolmentId),
    offer: &NoteOffer,
    received: Option<Received>,
) -> Result<Taken, TakeError> {
    // Kept before the commit: who asked may go away while it is made.
    let content = received.map(Received::keep);
    let taken = retry_on_conflict(|| async {
        let standing = standing(service, account, offer).await?;
        match note::judge(&standing, offer, &limits(service)) {
            Ok(Verdict::Next) => {}
            Ok(Verdict::Stored(revision)) => return Ok(Ok((Taken::Stored(revision), content.clone()))),
            Ok(Verdict::Conflict(entry)) => return Ok(Ok((Taken::Conflict(entry), content.clone()))),
            Err(error) => return Ok(Err(error)),
        }
        let hash = content.as_ref().map(|content| {
            let hash = data_encoding::HEXLOWER.encode(&content.hash);
            PersonalValue::make("sha256", &hash, &mut OsRng)
        });
        let now = service.clock.now();
        let revision = Revision { offer, content: content.clone(), hash, by, now };
        match note::store(standing, revision) {
            Ok((number, replaced, changes)) => {
                service.commit(changes).await?;
                Ok(Ok((Taken::Stored(number), replaced)))
            }
            Err(error) => Ok(Err(error)),
        }
    })
    .await;
    let (needless, outcome) = match taken {
        Ok(Ok((taken, needless))) => (needless, Ok(taken)),
        Ok(Err(error)) => (content, Err(error.into())),
        // What may be stored after all keeps its contents; the next start knows.
        Err(error @ UseCaseError::Commit(CommitError::Unknown(_))) => (None, Err(error.into())),
        Err(error) => (content, Err(error.into())),
    };
    if let Some(content) = needless {
        forget(service, &content);
    }
    outcome
}

fn forget(service: &Service, content: &Content) {
    match service.notes.remove(content.id) {
        Ok(()) | Err(ContentError::Missing) => {}
        Err(error) => tracing::warn!(%error, "contents that nobody needs stay until the next start"),
    }
}

/// A page of what has changed for an account after a change, in order.
pub async fn changed(
    service: &Service,
    account: AccountId,
    after: u64,
    limit: usize,
) -> Result<Vec<Stored<Note>>, UseCaseError> {
    Ok(service.store.notes_changed(account, after, limit).await?)
}

/// How many notes somebody has, and how large they are together.
pub async fn shelf(service: &Service, account: AccountId) -> Result<Option<Shelf>, UseCaseError> {
    Ok(service.store.shelf(account).await?.map(|stored| stored.value))
}

/// The contents of a note, if it is still that revision.
pub async fn open(
    service: &Service,
    account: AccountId,
    request: &NoteRequest,
) -> Result<Option<ContentReader>, UseCaseError> {
    let stored = service.store.note(account, request.id).await?.map(|stored| stored.value);
    let held = stored.filter(|note| note.revision == request.revision).and_then(|note| note.held);
    let Some(content) = held.map(|held| held.content).filter(|content| request.offset <= content.size) else {
        return Ok(None);
    };
    let contents = service.notes.clone();
    match blocking(move || contents.open(content.id, content.size)).await? {
        Ok(reader) => Ok(Some(reader)),
        // Replaced a moment ago.
        Err(ContentError::Missing) if !is_current(service, account, request).await? => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn is_current(
    service: &Service,
    account: AccountId,
    request: &NoteRequest,
) -> Result<bool, UseCaseError> {
    let stored = service.store.note(account, request.id).await?;
    Ok(stored.is_some_and(|stored| stored.value.revision == request.revision))
}

/// Before anybody is answered: removes contents that belong to no note, and says how many are missing.
pub(crate) async fn tidy(service: &Service) -> Result<(), UseCaseError> {
    let mut kept = HashSet::new();
    let mut after = None;
    loop {
        let page = service.store.notes(after, MAX_PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some((last.value.account, last.value.id));
        kept.extend(page.iter().filter_map(|stored| stored.value.held.as_ref()).map(|held| held.content.id));
    }
    let contents = service.notes.clone();
    let missing = blocking(move || contents.keep_only(&kept)).await??;
    if !missing.is_empty() {
        tracing::error!(
            notes = missing.len(),
            "notes have no contents on the disk: restore the notes folder"
        );
    }
    Ok(())
}
