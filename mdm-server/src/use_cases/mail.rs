//! Activation codes by mail: asking for it, what became of it, and the task that sends it. A mail is sent at least once: between
//! the mail server's yes and the commit that notes it a crash may send it again, under the same Message-ID.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use mdm_core::account::{Account, StaffNumber};
use mdm_core::audit::{Actor, AuditEvent, Happening, Subject};
use mdm_core::batch::BatchState;
use mdm_core::change::Changeset;
use mdm_core::code::{CodeIndex, CodeRecord};
use mdm_core::mail::{self, Failure, MailItem, MailState, Tried};
use mdm_store::MAX_PAGE;
use rand::rngs::OsRng;
use shared::ids::{AccountId, BatchId, MailId};
use tokio::sync::watch;

use super::{Refusal, UseCaseError, batches, codes, letters, retry_on_conflict};
use crate::mail::Mailer;
use crate::service::Service;

#[cfg(test)]
mod tests;

/// Between two looks at an empty queue.
const IDLE: Duration = Duration::from_secs(5);
/// Mails of one commit: others who write do not wait for more.
const AT_ONCE: usize = 100;

/// What came of asking.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Queued {
    /// Mails that wait now and did not before.
    pub queued: usize,
    /// People whose mail waits or was sent already.
    pub already: usize,
    /// People without a mail address.
    pub no_address: usize,
}

/// Where somebody's mail stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// There is a code and an address, and nobody has asked for a mail.
    NotAsked,
    /// There is a code and no address.
    NoAddress,
    /// There is a mail.
    Asked(MailState),
}

/// Asks for a mail to everybody of a batch who has a code and an address, or to those of them with these staff numbers. What waits
/// or was sent stays; what failed is tried again.
pub async fn queue(
    service: &Service,
    batch: BatchId,
    chosen: Option<&BTreeSet<StaffNumber>>,
    actor: Actor,
) -> Result<Queued, UseCaseError> {
    service.outside_quarantine()?;
    if service.config.mail.is_none() {
        return Err(Refusal::NoMail.into());
    }
    // Its people may have codes of an earlier batch.
    if !matches!(batches::show(service, batch).await?.state, BatchState::Applied { .. }) {
        return Err(Refusal::MailBeforeForce.into());
    }
    let people = with_codes(service, batch).await?;
    let is_chosen =
        |account: &Account| chosen.is_none_or(|numbers| numbers.contains(&account.current().staff_number));
    let people: Vec<_> = people.into_iter().filter(|(account, _)| is_chosen(account)).collect();
    let mut done = Queued::default();
    for people in people.chunks(AT_ONCE) {
        let Queued { queued, already, no_address } =
            retry_on_conflict(|| queue_some(service, batch, people, actor)).await?;
        done.queued += queued;
        done.already += already;
        done.no_address += no_address;
    }
    service.mail_queued.notify_one();
    Ok(done)
}

async fn queue_some(
    service: &Service,
    batch: BatchId,
    people: &[(Account, CodeRecord)],
    actor: Actor,
) -> Result<Queued, UseCaseError> {
    let now = service.clock.now();
    let (mut done, mut changes) = (Queued::default(), Changeset::default());
    for (account, code) in people {
        if account.current().mail.is_none() {
            done.no_address += 1;
            continue;
        }
        let earlier = service.store.mail(code.index).await?;
        let Some(asked) = mail::queue(code, earlier, Some(batch), MailId::make(now, &mut OsRng), now) else {
            done.already += 1;
            continue;
        };
        done.queued += 1;
        changes.extend(asked);
        let about = Subject { account: Some(account.id), batch: Some(batch), ..Subject::default() };
        changes.note(AuditEvent::new(now, actor, Happening::CodeHandedOut, about).fact("by", "mail"));
    }
    if done.queued > 0 {
        changes.note(
            AuditEvent::new(now, actor, Happening::CodesExported, Subject::batch(batch))
                .fact("codes", done.queued)
                .fact("by", "mail"),
        );
        service.commit(changes).await?;
    }
    Ok(done)
}

/// Calls off what waits of a batch, or of the people of it with these staff numbers. Gives how many mails that were.
pub async fn cancel(
    service: &Service,
    batch: BatchId,
    chosen: Option<&BTreeSet<StaffNumber>>,
    actor: Actor,
) -> Result<usize, UseCaseError> {
    service.outside_quarantine()?;
    let mut waiting = Vec::new();
    for item in of_batch(service, batch).await? {
        if item.due().is_some() && is_chosen(service, item.account, chosen).await? {
            waiting.push(item.code);
        }
    }
    let mut cancelled = 0;
    for codes in waiting.chunks(AT_ONCE) {
        cancelled += retry_on_conflict(|| cancel_some(service, codes, actor)).await?;
    }
    Ok(cancelled)
}

async fn is_chosen(
    service: &Service,
    account: AccountId,
    chosen: Option<&BTreeSet<StaffNumber>>,
) -> Result<bool, UseCaseError> {
    let Some(chosen) = chosen else { return Ok(true) };
    let account = service.store.account(account).await?;
    Ok(account.is_some_and(|account| chosen.contains(&account.value.current().staff_number)))
}

async fn cancel_some(service: &Service, codes: &[CodeIndex], actor: Actor) -> Result<usize, UseCaseError> {
    let (mut cancelled, mut changes) = (0, Changeset::default());
    for code in codes {
        let item = service.store.mail(*code).await?;
        if let Some(called_off) = item.and_then(|item| mail::cancel(item, actor, service.clock.now())) {
            changes.extend(called_off);
            cancelled += 1;
        }
    }
    if cancelled > 0 {
        service.commit(changes).await?;
    }
    Ok(cancelled)
}

/// Everybody of a batch who has a code for a first device or had a mail with one, by staff number.
pub async fn results(service: &Service, batch: BatchId) -> Result<Vec<(Account, Standing)>, UseCaseError> {
    let mut found: BTreeMap<AccountId, (Account, Standing)> = BTreeMap::new();
    for item in of_batch(service, batch).await? {
        // Of two codes of one person the newer is below, if it still opens anything.
        if let Some(account) = service.store.account(item.account).await? {
            found.insert(item.account, (account.value, Standing::Asked(item.state)));
        }
    }
    for (account, code) in with_codes(service, batch).await? {
        let standing = match service.store.mail(code.index).await? {
            Some(item) => Standing::Asked(item.value.state),
            None if account.current().mail.is_none() => Standing::NoAddress,
            None => Standing::NotAsked,
        };
        found.insert(account.id, (account, standing));
    }
    let mut found: Vec<_> = found.into_values().collect();
    found.sort_by_cached_key(|(account, _)| account.current().staff_number.clone());
    Ok(found)
}

async fn of_batch(service: &Service, batch: BatchId) -> Result<Vec<MailItem>, UseCaseError> {
    let mut all: Vec<MailItem> = Vec::new();
    loop {
        let page = service.store.mail_of_batch(batch, all.last().map(|last| last.code), MAX_PAGE).await?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page.into_iter().map(|stored| stored.value));
    }
}

/// People of a batch with the code that a letter would have.
async fn with_codes(service: &Service, batch: BatchId) -> Result<Vec<(Account, CodeRecord)>, UseCaseError> {
    let accounts = letters::accounts_of(service, batch).await?;
    let now = service.clock.now();
    let mut found = Vec::new();
    for code in codes::all_usable(service).await? {
        if !accounts.contains(&code.account) || !mail::can_bring(&code, now) {
            continue;
        }
        let account = service.store.account(code.account).await?.map(|stored| stored.value);
        found.extend(account.filter(Account::is_served).map(|account| (account, code)));
    }
    Ok(found)
}

/// Sends what waits, until `shutdown` says true or its sender is gone.
pub(crate) async fn run(service: Arc<Service>, mailer: Mailer, mut shutdown: watch::Receiver<bool>) {
    let mut post = Post::new(mailer);
    loop {
        let sent = post.send_next(&service).await.unwrap_or_else(|error| {
            tracing::error!(%error, "the queue of mail failed and will be tried again");
            false
        });
        let pause = if sent { post.mailer.pace() } else { IDLE };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = service.mail_queued.notified(), if !sent => {}
            // A sender that is gone says as much as true.
            _ = shutdown.wait_for(|ends| *ends) => return,
        }
    }
}

/// Who sends.
pub(crate) struct Post {
    mailer: Mailer,
    /// Tried, but not noted: nobody gets a mail again and again because the disk is full.
    unnoted: Option<(CodeIndex, Tried)>,
}

impl Post {
    pub(crate) fn new(mailer: Mailer) -> Self {
        Self { mailer, unnoted: None }
    }

    /// Sends the first that is due, and notes what became of it. Whether there was one.
    pub(crate) async fn send_next(&mut self, service: &Service) -> Result<bool, UseCaseError> {
        if service.quarantine().is_some() {
            return Ok(false);
        }
        if self.unnoted.is_none() {
            let first = service.store.queued_mail(1).await?.pop();
            let now = service.clock.now();
            let Some(item) = first.filter(|item| item.value.due().is_some_and(|due| due <= now)) else {
                return Ok(false);
            };
            let how = self.send(service, &item.value).await?;
            self.unnoted = Some((item.value.code, how));
        }
        if let Some((code, how)) = self.unnoted {
            retry_on_conflict(|| note(service, code, how)).await?;
            self.unnoted = None;
        }
        Ok(true)
    }

    /// Looks up the code and the address of now.
    async fn send(&self, service: &Service, item: &MailItem) -> Result<Tried, UseCaseError> {
        let now = service.clock.now();
        let code = service.store.code(item.code).await?.map(|stored| stored.value);
        let account = service.store.account(item.account).await?.map(|stored| stored.value);
        let code = code.filter(|code| mail::can_bring(code, now));
        let (Some(code), Some(account)) = (code, account.filter(Account::is_served)) else {
            return Ok(Tried::Failed(Failure::CodeGone));
        };
        let Some(address) = account.current().mail.clone() else {
            return Ok(Tried::Failed(Failure::NoAddress));
        };
        let Ok(opened) = codes::open_one(service, account, code) else {
            return Ok(Tried::Failed(Failure::CodeGone));
        };
        Ok(self.mailer.send(&service.config, item.id, &address, &opened, now).await)
    }
}

/// What became of a try. Somebody may have called it off meanwhile.
async fn note(service: &Service, code: CodeIndex, how: Tried) -> Result<(), UseCaseError> {
    let Some(item) = service.store.mail(code).await? else { return Ok(()) };
    if let Some(changes) = mail::tried(item, how, service.clock.now(), &mut OsRng) {
        service.commit(changes).await?;
    }
    Ok(())
}
