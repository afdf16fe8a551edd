//! Looking something up in the journal, the newest first, a bounded part at a time: a journal has no end, a page has.

use jiff::{SignedDuration, Timestamp};
use mdm_core::audit::{Actor, Body, Entry, Happening, Subject};
use mdm_store::MAX_PAGE;
use shared::ids::OperatorId;

use crate::service::Service;
use crate::use_cases::UseCaseError;

/// The most entries that one search looks at.
const LOOKED_AT: u64 = 4_000;
/// An entry gets its place when it is committed and its time a little before, when it was decided: a personnel batch of
/// many thousand lines, minutes. Entries further apart than this stand in the order of their times.
const APART: SignedDuration = SignedDuration::from_mins(15);

/// By whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// This operator.
    Operator(OperatorId),
    /// Any device.
    Devices,
    /// Anybody with a code of a letter.
    Codes,
    /// Anybody at the sign-in page.
    Visitors,
    /// The server.
    Server,
}

impl By {
    fn is(self, actor: Actor) -> bool {
        match (self, actor) {
            (Self::Operator(wanted), Actor::Operator(id)) => wanted == id,
            (Self::Devices, Actor::Device(_))
            | (Self::Codes, Actor::Code | Actor::LossCode)
            | (Self::Visitors, Actor::Visitor)
            | (Self::Server, Actor::Server) => true,
            _ => false,
        }
    }
}

/// An account, a device, a command, a batch or a document: ids never meet, so none needs to be told which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct About(pub [u8; 16]);

impl About {
    fn is(self, subject: &Subject) -> bool {
        let Subject { account, device, command, batch, document } = subject;
        [
            account.as_ref().map(|id| id.as_bytes()),
            device.as_ref().map(|id| id.as_bytes()),
            command.as_ref().map(|id| id.as_bytes()),
            batch.as_ref().map(|id| id.as_bytes()),
            document.as_ref().map(|id| id.as_bytes()),
        ]
        .contains(&Some(&self.0))
    }
}

/// Which entries; by default all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// At this time or later.
    pub from: Option<Timestamp>,
    /// Before this time.
    pub before: Option<Timestamp>,
    /// What happened.
    pub what: Option<Happening>,
    /// Who did it.
    pub by: Option<By>,
    /// Whom or what it is about.
    pub about: Option<About>,
}

impl Filter {
    /// Whether an entry is meant.
    pub fn takes(&self, body: &Body) -> bool {
        self.from.is_none_or(|from| body.at >= from)
            && self.before.is_none_or(|before| body.at < before)
            && self.what.is_none_or(|what| body.what == what)
            && self.by.is_none_or(|by| by.is(body.actor))
            && self.about.is_none_or(|about| about.is(&body.subject))
    }

    /// Whether it is all entries.
    pub fn takes_all(&self) -> bool {
        *self == Self::default()
    }
}

/// An entry and what its bytes say; nothing if a newer server wrote them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// As stored.
    pub entry: Entry,
    /// What it says.
    pub body: Option<Body>,
}

/// What a search found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The newest first.
    pub entries: Vec<Read>,
    /// Where to go on: entries before this one were not looked at. Nothing if there are none that could be meant.
    pub rest: Option<u64>,
    /// How many entries were looked at.
    pub looked_at: u64,
}

/// The newest `limit` entries that `filter` takes, of those before entry `before`.
pub async fn search(
    service: &Service,
    filter: &Filter,
    before: Option<u64>,
    limit: usize,
) -> Result<Found, UseCaseError> {
    let (first, end) = range(service, filter).await?;
    let mut end = before.map_or(end, |before| before.min(end));
    let mut found = Found { entries: Vec::new(), rest: None, looked_at: 0 };
    // Without a filter a page is what stands there; with one, more must be read to fill it.
    let step = if filter.takes_all() { limit.clamp(1, MAX_PAGE) } else { MAX_PAGE } as u64;
    while end > first {
        if found.looked_at >= LOOKED_AT || found.entries.len() == limit {
            found.rest = Some(end);
            break;
        }
        let start = end.saturating_sub(step).max(first);
        let part = service
            .store
            .journal_entries(start - 1, usize::try_from(end - start).unwrap_or(MAX_PAGE))
            .await?;
        for entry in part.into_iter().rev() {
            if found.entries.len() == limit {
                break;
            }
            end = entry.sequence;
            found.looked_at += 1;
            let body = entry.body().ok();
            if body.as_ref().map_or(filter.takes_all(), |body| filter.takes(body)) {
                found.entries.push(Read { entry, body });
            }
        }
        if found.entries.len() < limit {
            end = start;
        }
    }
    Ok(found)
}

/// The oldest entry that `filter` takes, if it is among the first that its times allow.
pub async fn oldest(service: &Service, filter: &Filter) -> Result<Option<Body>, UseCaseError> {
    let (first, end) = range(service, filter).await?;
    let mut after = first - 1;
    while after + 1 < end && after < first + LOOKED_AT {
        let part = service.store.journal_entries(after, MAX_PAGE).await?;
        let Some(last) = part.last() else { break };
        after = last.sequence;
        let bodies = part.iter().filter_map(|entry| entry.body().ok());
        if let Some(body) = bodies.into_iter().find(|body| filter.takes(body)) {
            return Ok(Some(body));
        }
    }
    Ok(None)
}

/// The places in the journal between which all entries stand that the filter's times take: from the first one on, before
/// the second.
pub(super) async fn range(service: &Service, filter: &Filter) -> Result<(u64, u64), UseCaseError> {
    let end = service.store.journal_head().await?.sequence + 1;
    let first = match filter.from.and_then(|from| from.checked_sub(APART).ok()) {
        Some(from) => first_since(service, from, end).await?,
        None => 1,
    };
    let end = match filter.before.and_then(|before| before.checked_add(APART).ok()) {
        Some(before) => first_since(service, before, end).await?,
        None => end,
    };
    Ok((first, end))
}

/// By halving: a place such that all entries before it are older than `at`, but for those near it, and all from it on are
/// not.
async fn first_since(service: &Service, at: Timestamp, end: u64) -> Result<u64, UseCaseError> {
    let (mut low, mut high) = (1, end);
    while low < high {
        let middle = low + (high - low) / 2;
        let entry = service.store.journal_entries(middle - 1, 1).await?;
        let time = entry.first().and_then(|entry| entry.body().ok()).map(|body| body.at);
        if time.is_some_and(|time| time < at) { low = middle + 1 } else { high = middle }
    }
    Ok(low)
}
