//! Documents: contents come in, are published, replaced, taken back, and taken out by operators.

mod audience;
#[cfg(test)]
mod tests;

pub use audience::{DepartmentWish, Wish, audience};

use std::collections::HashSet;
use std::pin::pin;

use futures_util::{Stream, StreamExt as _};
use mdm_core::audit::{Actor, PersonalValue};
use mdm_core::change::Stored;
use mdm_core::document::{Content, Document, Label, Title, rules};
use mdm_core::operator::rules::Acting;
use mdm_store::{CommitError, MAX_PAGE};
use rand::rngs::OsRng;
use shared::ids::DocumentId;
use tokio::task::JoinError;

use super::{Missing, Refusal, UseCaseError, retry_on_conflict};
use crate::directory;
use crate::documents::{CHUNK, ContentError, ContentReader, Received};
use crate::service::Service;

/// Bytes that are gathered before they are written.
const GATHERED: usize = 256 * 1024;

/// Why contents were not received.
#[derive(Debug)]
pub enum ReceiveError<E> {
    /// They stopped coming.
    Source(E),
    /// They are not stored.
    Refused(UseCaseError),
}

/// Receives contents as they come. Nothing more is read once a limit is reached; what came is removed then, and when the
/// sender goes away. `announced` is how many bytes the sender says there are.
pub async fn receive<B: AsRef<[u8]>, E>(
    service: &Service,
    announced: Option<u64>,
    source: impl Stream<Item = Result<B, E>>,
) -> Result<Received, ReceiveError<E>> {
    let mut source = pin!(source);
    let contents = service.contents.clone();
    let refused = |error: ContentError| ReceiveError::Refused(error.into());
    let mut writer = blocking(move || contents.begin(announced, &mut OsRng))
        .await
        .map_err(ReceiveError::Refused)?
        .map_err(refused)?;
    let mut gathered = Vec::new();
    loop {
        let next = source.next().await.transpose().map_err(ReceiveError::Source)?;
        let ended = next.is_none();
        if let Some(bytes) = next {
            gathered.extend_from_slice(bytes.as_ref());
        }
        if ended || gathered.len() >= GATHERED {
            let bytes = std::mem::take(&mut gathered);
            let pushed = blocking(move || writer.push(&bytes).map(|()| writer)).await;
            writer = pushed.map_err(ReceiveError::Refused)?.map_err(refused)?;
        }
        if ended {
            let finished = blocking(move || writer.finish()).await.map_err(ReceiveError::Refused)?;
            return finished.map_err(refused);
        }
    }
}

/// Work on the disk that would hold up everything else that runs on this thread. Its panic goes on here.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, UseCaseError> {
    match tokio::task::spawn_blocking(work).await.map_err(JoinError::try_into_panic) {
        Ok(done) => Ok(done),
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        // Not begun, since the server is stopping.
        Err(Err(_)) => Err(Refusal::ShuttingDown.into()),
    }
}

/// Publishes what was received as a new document.
pub async fn publish(
    service: &Service,
    label: Label,
    received: Received,
    actor: Actor,
) -> Result<Document, UseCaseError> {
    check(service, &label)?;
    let published = directory::current(service).await?.published_documents();
    let now = service.clock.now();
    let id = DocumentId::make(now, &mut OsRng);
    let title = personal(&label.title);
    let content = received.content().clone();
    let (document, changes) = rules::publish(id, label, content, published, title, Acting { actor, now })?;
    // Kept before the commit: who asked may go away while it is made.
    let content = received.keep();
    let committed = service.commit(changes).await;
    if committed.is_err() {
        forget_unless_unknown(service, &content, &committed);
    }
    committed?;
    Ok(document)
}

/// Puts a new version in the place of a document: another label, and what was received, if anything was.
pub async fn replace(
    service: &Service,
    id: DocumentId,
    label: Label,
    received: Option<Received>,
    actor: Actor,
) -> Result<Document, UseCaseError> {
    check(service, &label)?;
    let content = received.map(Received::keep);
    let replaced = retry_on_conflict(|| async {
        let stored = show(service, id).await?;
        let before = stored.value.content.clone();
        let acting = Acting { actor, now: service.clock.now() };
        let title = personal(&label.title);
        let (document, changes) = rules::replace(stored, label.clone(), content.clone(), title, acting)?;
        service.commit(changes).await?;
        Ok((document, before))
    })
    .await;
    match (replaced, content) {
        (Ok((document, before)), Some(_)) => {
            forget(service, &before);
            Ok(document)
        }
        (Ok((document, _)), None) => Ok(document),
        (Err(error), content) => {
            let is_unknown = matches!(error, UseCaseError::Commit(CommitError::Unknown(_)));
            if let Some(content) = content.filter(|_| !is_unknown) {
                forget(service, &content);
            }
            Err(error)
        }
    }
}

/// Takes a document back: no manifest has it from now on, and its contents are removed.
pub async fn unpublish(service: &Service, id: DocumentId, actor: Actor) -> Result<Document, UseCaseError> {
    let document = retry_on_conflict(|| async {
        let stored = show(service, id).await?;
        let (document, changes) = rules::unpublish(stored, Acting { actor, now: service.clock.now() })?;
        service.commit(changes).await?;
        Ok(document)
    })
    .await?;
    forget(service, &document.content);
    Ok(document)
}

/// One document, published or not.
pub async fn show(service: &Service, id: DocumentId) -> Result<Stored<Document>, UseCaseError> {
    Ok(service.store.document(id).await?.ok_or(Missing::Document(id))?)
}

/// Takes the contents of a published document out, which the journal hears of.
pub async fn open(
    service: &Service,
    id: DocumentId,
    actor: Actor,
) -> Result<(Document, ContentReader), UseCaseError> {
    let document = show(service, id).await?.value;
    if !document.is_published() {
        return Err(mdm_core::document::DocumentError::Unpublished(id).into());
    }
    let reader = service.contents.open(document.content.id, document.content.size)?;
    service.commit(rules::opened(&document, Acting { actor, now: service.clock.now() })).await?;
    Ok((document, reader))
}

/// Before anybody is answered: removes contents that belong to no published document, and says which are missing.
pub(crate) async fn tidy(service: &Service) -> Result<(), UseCaseError> {
    let mut kept = HashSet::new();
    let mut after = None;
    loop {
        let page = service.store.documents(after, MAX_PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.value.id);
        let published = page.iter().filter(|stored| stored.value.is_published());
        kept.extend(published.map(|stored| stored.value.content.id));
    }
    let contents = service.contents.clone();
    let missing = blocking(move || contents.keep_only(&kept)).await??;
    if !missing.is_empty() {
        tracing::error!(
            documents = missing.len(),
            "published documents have no contents on the disk: restore the documents folder, or replace them"
        );
    }
    Ok(())
}

/// Whether a document with this label would be published: to be asked before its contents are received.
pub fn check(service: &Service, label: &Label) -> Result<(), UseCaseError> {
    service.outside_quarantine()?;
    if label.level > service.config.documents.highest_level() {
        return Err(Refusal::LevelNotForPhones.into());
    }
    Ok(rules::check(label)?)
}

/// The contents as the body of an answer. They end early if they are damaged, which their announced length shows.
pub(crate) fn content_stream(reader: ContentReader) -> impl Stream<Item = std::io::Result<Vec<u8>>> + Send {
    futures_util::stream::unfold((reader, 0_u64), |(mut reader, offset)| async move {
        let read = blocking(move || {
            let part = reader.read_at(offset, CHUNK).map(<[u8]>::to_vec);
            (reader, part)
        });
        let (reader, part) = read.await.ok()?;
        match part {
            Ok(bytes) if bytes.is_empty() => None,
            Ok(bytes) => {
                let next = offset + bytes.len() as u64;
                Some((Ok(bytes), (reader, next)))
            }
            Err(error) => {
                tracing::error!(%error, "the contents of a document cannot be read");
                // Asked beyond the end, the stream ends after the error.
                let end = reader.size();
                Some((Err(std::io::Error::other(error)), (reader, end)))
            }
        }
    })
}

fn personal(title: &Title) -> PersonalValue {
    PersonalValue::make("title", title.as_str(), &mut OsRng)
}

fn forget_unless_unknown<T>(service: &Service, content: &Content, committed: &Result<T, CommitError>) {
    // What may be stored after all keeps its contents; the next start knows.
    if !matches!(committed, Err(CommitError::Unknown(_))) {
        forget(service, content);
    }
}

fn forget(service: &Service, content: &Content) {
    match service.contents.remove(content.id) {
        Ok(()) | Err(ContentError::Missing) => {}
        Err(error) => tracing::warn!(%error, "contents that nobody needs stay until the next start"),
    }
}
