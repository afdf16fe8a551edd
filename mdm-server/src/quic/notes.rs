//! Notes and photos over connections that have proved a session grant: what has changed, revisions on their way in, contents on
//! their way out. Each message, and each chunk of a long one, counts only if the grant still holds by then.

mod parked;

pub(crate) use parked::Receiving;

use mdm_core::note::{Note, NoteError, Verdict};
use parked::Sending;
use rand::rngs::OsRng;
use shared::ids::AccountId;
use shared::wire::{
    CHUNK_MAX, NoteChunk, NoteConflict, NoteContents, NoteEntry, NoteGone, NoteOffer, NoteRequest,
    NoteStored, NoteWanted, NotesPage, NotesRequest, PAGE_MAX, RefusalReason,
};

use super::content::{answer, part};
use super::device::Caller;
use super::exchange::{Exchange, ExchangeError};
use super::outgoing::{Outgoing, While};
use crate::documents::{ContentError, ContentWriter, Received};
use crate::service::Service;
use crate::use_cases::UseCaseError;
use crate::use_cases::documents::blocking;
use crate::use_cases::notes::{self, TakeError, Taken};

/// Changes that are loaded at a time.
const AT_ONCE: usize = 200;

impl From<TakeError> for ExchangeError {
    fn from(error: TakeError) -> Self {
        match error {
            TakeError::Rules(NoteError::TooLarge) => RefusalReason::NoteTooLarge.into(),
            TakeError::Rules(NoteError::Full | NoteError::TooMany) => RefusalReason::NotesFull.into(),
            TakeError::Rules(NoteError::Malformed) => RefusalReason::Malformed.into(),
            TakeError::Server(error) => error.into(),
        }
    }
}

fn refusal(error: ContentError) -> ExchangeError {
    match error {
        ContentError::TooLarge { .. } => RefusalReason::NoteTooLarge.into(),
        ContentError::TooMuch { .. } | ContentError::DiskFull => {
            tracing::warn!(%error, "a note is not taken");
            RefusalReason::NotesFull.into()
        }
        error => UseCaseError::from(error).into(),
    }
}

/// What has changed since the device last asked.
pub(super) async fn changes(
    service: &Service,
    caller: &Caller,
    request: NotesRequest,
    exchange: &mut Exchange,
) -> Result<(), ExchangeError> {
    let account = caller.content(service).await?.account();
    let era = service.epoch();
    let mut after = if request.era == Some(era) { request.after } else { 0 };
    let mut outgoing = Outgoing::new(service, caller, exchange, While::Granted);
    loop {
        let changed = notes::changed(service, account, after, AT_ONCE).await?;
        let found = changed.len();
        let entries = fitting(changed.into_iter().map(|stored| stored.value));
        let more = found == AT_ONCE || entries.len() < found;
        after = entries.last().map_or(after, |last| last.change);
        outgoing.send(&NotesPage { era, upto: after, entries, more }).await?;
        if !more {
            return outgoing.deliver().await;
        }
    }
}

/// As many as fit a page; at least one of any.
fn fitting(notes: impl Iterator<Item = Note>) -> Vec<NoteEntry> {
    let mut bytes = 0;
    let entries = notes.map(|note| note.entry());
    entries
        .take_while(|entry| {
            bytes += entry.encoded().len();
            bytes <= PAGE_MAX
        })
        .collect()
}

/// Takes the next revision of a note, or says why it is not.
pub(super) async fn offer(
    service: &Service,
    caller: &Caller,
    offer: NoteOffer,
    exchange: &mut Exchange,
) -> Result<(), ExchangeError> {
    let account = caller.content(service).await?.account();
    match notes::judge(service, account, &offer).await? {
        Verdict::Next => {}
        Verdict::Stored(revision) => {
            return answer(service, caller, exchange, &NoteStored { revision }).await;
        }
        Verdict::Conflict(entry) => return answer(service, caller, exchange, &NoteConflict { entry }).await,
    }
    let received = match &offer.contents {
        Some(contents) => Some(receive(service, caller, (account, &offer, contents), exchange).await?),
        None => None,
    };
    // A block or wipe that is committed before this is: nothing of the device is stored after it.
    let _held = caller.turn(service).await?;
    caller.content(service).await?;
    match notes::take(service, (account, caller.enrolment), &offer, received).await? {
        Taken::Stored(revision) => exchange.send(&NoteStored { revision }).await,
        Taken::Conflict(entry) => exchange.send(&NoteConflict { entry }).await,
    }
}

/// The contents of an offer. What came of them before the stream broke is kept for a while.
async fn receive(
    service: &Service,
    caller: &Caller,
    (account, offer, contents): (AccountId, &NoteOffer, &NoteContents),
    exchange: &mut Exchange,
) -> Result<Received, ExchangeError> {
    let sending = Sending { account, note: offer.id, hash: contents.hash, size: contents.size };
    let mut writer = match service.receiving.take_up(&sending, service.clock.now()) {
        Some(writer) => writer,
        None => begin(service, contents.size).await?,
    };
    let wanted = NoteWanted { offset: writer.received() };
    let mut asked = answer(service, caller, exchange, &wanted).await;
    loop {
        let chunk = match asked {
            Ok(()) => next(service, caller, exchange).await,
            Err(error) => Err(error),
        };
        let chunk = match chunk {
            Ok(chunk) => chunk,
            Err(error) => {
                if !matches!(error, ExchangeError::Wiped(_) | ExchangeError::Decode(_)) {
                    service.receiving.put_by(sending, writer, service.clock.now());
                }
                return Err(error);
            }
        };
        let after = chunk.offset.checked_add(chunk.bytes.len() as u64);
        let fits = chunk.offset == writer.received()
            && chunk.bytes.len() <= CHUNK_MAX
            && after.is_some_and(|after| after <= contents.size)
            && (contents.size == 0 || !chunk.bytes.is_empty());
        if !fits {
            return Err(RefusalReason::Malformed.into());
        }
        writer = blocking(move || writer.push(&chunk.bytes).map(|()| writer)).await?.map_err(refusal)?;
        if writer.received() == contents.size {
            break;
        }
        asked = Ok(());
    }
    let received = blocking(move || writer.finish()).await?.map_err(refusal)?;
    if received.content().hash == contents.hash { Ok(received) } else { Err(RefusalReason::Malformed.into()) }
}

async fn begin(service: &Service, size: u64) -> Result<ContentWriter, ExchangeError> {
    let contents = service.notes.clone();
    blocking(move || contents.begin(Some(size), &mut OsRng)).await?.map_err(refusal)
}

async fn next(
    service: &Service,
    caller: &Caller,
    exchange: &mut Exchange,
) -> Result<NoteChunk, ExchangeError> {
    let chunk: NoteChunk = exchange.receive().await?;
    caller.content(service).await?;
    Ok(chunk)
}

/// The contents of a note from an offset on, if it is still this revision.
pub(super) async fn contents(
    service: &Service,
    caller: &Caller,
    request: NoteRequest,
    exchange: &mut Exchange,
) -> Result<(), ExchangeError> {
    let account = caller.content(service).await?.account();
    let Some(mut reader) = notes::open(service, account, &request).await? else {
        return answer(service, caller, exchange, &NoteGone {}).await;
    };
    let mut outgoing = Outgoing::new(service, caller, exchange, While::Granted);
    let mut offset = request.offset;
    loop {
        let (read, bytes) = part(reader, offset).await?;
        reader = read;
        let length = bytes.len() as u64;
        outgoing.send(&NoteChunk { offset, bytes }).await?;
        offset += length;
        if offset >= reader.size() {
            return outgoing.deliver().await;
        }
    }
}
