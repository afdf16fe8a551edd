//! Documents over connections that have proved a session grant: the manifest, and contents from any offset. Each answer, and
//! each chunk of a long one, leaves only if the grant still holds by then, and the document may still be read.

use mdm_core::account::Account;
use mdm_core::document::Document;
use shared::wire::{
    CHUNK_MAX, DocumentChunk, DocumentEntry, DocumentGone, DocumentRequest, ManifestPage, ManifestRequest,
    ManifestUnchanged, Message, PAGE_MAX, RefusalReason,
};

use super::device::Caller;
use super::exchange::{Exchange, ExchangeError};
use super::outgoing::{Outgoing, While};
use crate::directory;
use crate::documents::ContentReader;
use crate::service::Service;
use crate::use_cases::UseCaseError;
use crate::use_cases::documents::blocking;

/// What the account may read, unless the device has it already.
pub(super) async fn manifest(
    service: &Service,
    caller: &Caller,
    request: ManifestRequest,
    exchange: &mut Exchange,
) -> Result<(), ExchangeError> {
    let account = reader(service, caller).await?;
    let directory = directory::current(service).await?;
    let rules = service.config.documents.reading_rules();
    let manifest = directory.manifest(&account, &rules, service.clock.now());
    if request.have == Some(manifest.version) {
        return answer(service, caller, exchange, &ManifestUnchanged {}).await;
    }
    let total = u32::try_from(manifest.entries.len()).unwrap_or(u32::MAX);
    let mut outgoing = Outgoing::new(service, caller, exchange, While::Granted);
    let mut first = 0;
    for entries in pages(manifest.entries) {
        let length = u32::try_from(entries.len()).unwrap_or(u32::MAX);
        let page = ManifestPage { version: manifest.version, first, total, entries };
        outgoing.send(&page).await?;
        first += length;
    }
    outgoing.deliver().await
}

/// The entries in parts that fit a page each; an empty manifest is one empty part.
fn pages(entries: Vec<DocumentEntry>) -> Vec<Vec<DocumentEntry>> {
    let mut pages = vec![Vec::new()];
    let mut bytes = 0;
    for entry in entries {
        let length = entry.encoded().len();
        if bytes + length > PAGE_MAX {
            pages.push(Vec::new());
            bytes = 0;
        }
        bytes += length;
        if let Some(page) = pages.last_mut() {
            page.push(entry);
        }
    }
    pages
}

/// The contents of a document from an offset on, if it is still this version and the account may read it.
///
/// Where that ends in the middle, what waits to be sent does not leave any more.
pub(super) async fn document(
    service: &Service,
    caller: &Caller,
    request: DocumentRequest,
    exchange: &mut Exchange,
) -> Result<(), ExchangeError> {
    let Some(document) = readable(service, caller, &request).await? else {
        return answer(service, caller, exchange, &DocumentGone {}).await;
    };
    let (contents, content) = (service.contents.clone(), document.content);
    let opened = blocking(move || contents.open(content.id, content.size)).await?;
    let reader = opened.map_err(UseCaseError::from)?;
    let DocumentRequest { id, offset, .. } = request;
    let mut outgoing = Outgoing::new(service, caller, exchange, While::Readable(request));
    let mut sent = 0;
    let outcome = match hand_over(&mut outgoing, reader, (offset, &mut sent)).await {
        Ok(()) => outgoing.deliver().await,
        Err(error) => Err(error),
    };
    // However it ended.
    tracing::debug!(enrolment = %caller.enrolment, document = %id, offset, sent, "contents were sent");
    outcome
}

/// All from `first` on; `sent` counts the bytes of contents that were handed to the connection.
async fn hand_over(
    outgoing: &mut Outgoing<'_>,
    mut reader: ContentReader,
    (first, sent): (u64, &mut u64),
) -> Result<(), ExchangeError> {
    loop {
        let offset = first + *sent;
        let (read, bytes) = part(reader, offset).await?;
        reader = read;
        let length = bytes.len() as u64;
        outgoing.send(&DocumentChunk { offset, bytes }).await?;
        *sent += length;
        if offset + length >= reader.size() {
            return Ok(());
        }
    }
}

pub(super) async fn part(
    mut reader: ContentReader,
    offset: u64,
) -> Result<(ContentReader, Vec<u8>), UseCaseError> {
    let read =
        blocking(move || reader.read_at(offset, CHUNK_MAX).map(<[u8]>::to_vec).map(|bytes| (reader, bytes)));
    Ok(read.await??)
}

/// The document, if the grant holds, it is still this version and the account may read it: as all three are stored now.
pub(super) async fn readable(
    service: &Service,
    caller: &Caller,
    request: &DocumentRequest,
) -> Result<Option<Document>, ExchangeError> {
    let account = reader(service, caller).await?;
    let stored = service.store.document(request.id).await?.map(|stored| stored.value);
    let (rules, now) = (service.config.documents.reading_rules(), service.clock.now());
    Ok(stored.filter(|document| {
        document.version == request.version
            && request.offset <= document.content.size
            && document.may_be_read_by(&account, &rules, now)
    }))
}

/// Whose device asks, with the history that tells which posts they left.
async fn reader(service: &Service, caller: &Caller) -> Result<Account, ExchangeError> {
    let access = caller.content(service).await?;
    let account = service.store.account(access.account()).await?;
    Ok(account.ok_or(RefusalReason::DeviceUnknown)?.value)
}

/// Writes a message, if the grant holds at that moment.
pub(super) async fn answer<M: Message>(
    service: &Service,
    caller: &Caller,
    exchange: &mut Exchange,
    message: &M,
) -> Result<(), ExchangeError> {
    Outgoing::new(service, caller, exchange, While::Granted).send(message).await
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use shared::ids::DocumentId;
    use shared::wire::{Frame, ManifestVersion, PREFIX_LEN};

    use super::*;

    #[test]
    fn every_page_of_a_large_manifest_is_a_frame_and_none_of_it_is_lost() {
        let entry = |number: u16| DocumentEntry {
            id: DocumentId::from_bytes([7; 16]),
            version: u32::MAX,
            title: "字".repeat(usize::from(number % 201)),
            folder: "字".repeat(200),
            media_type: "a".repeat(100),
            size: u64::MAX,
            hash: [0xff; 32],
            level: 3,
            notice: Some(Timestamp::MAX),
        };
        let entries: Vec<DocumentEntry> = (0..2_000).map(entry).collect();
        let pages = pages(entries.clone());
        assert!(pages.len() > 50);
        for page in &pages {
            let version = ManifestVersion([0xff; 32]);
            let page = ManifestPage { version, first: u32::MAX, total: u32::MAX, entries: page.clone() };
            assert!(Frame::parse(&page.to_frame()[PREFIX_LEN..]).is_ok());
        }
        assert_eq!(pages.concat(), entries);
        assert_eq!(super::pages(Vec::new()), [Vec::new()], "an empty manifest is said");
    }
}
