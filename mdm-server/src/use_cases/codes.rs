//! Activation codes: handing them out for letters, and another one in place of a lost one.

use mdm_core::account::Account;
use mdm_core::audit::{Actor, AuditEvent, Happening, Subject};
use mdm_core::change::{Changeset, Stored};
use mdm_core::code::{CodeRecord, CodeState};
use mdm_core::seats::{self, Acting};
use mdm_store::MAX_PAGE;
use rand::rngs::OsRng;
use shared::enrolment_link::EnrolmentLink;
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use super::accounts::{self, Who};
use super::{Refusal, UseCaseError, retry_on_conflict};
use crate::directory;
use crate::service::Service;

/// Events of one commit: others who write do not wait for more.
const MAX_NOTED: usize = 400;

/// A code that can be used, opened. Not for logs: no `Debug`.
pub struct OpenedCode {
    /// Whom it enrols.
    pub account: Account,
    /// What is stored of it.
    pub record: CodeRecord,
    /// As printed.
    pub text: Zeroizing<String>,
    /// What the QR code of a letter says ([`EnrolmentLink`]).
    pub link: Zeroizing<String>,
    /// The loss code that is torn off the letter; none for a code that has no letter, since a device asked for it.
    pub loss: Option<Zeroizing<String>>,
}

/// Opens all codes that a device could still be enrolled with, by main post and staff number. The journal notes it before
/// they are given out.
pub async fn export(service: &Service, actor: Actor) -> Result<Vec<OpenedCode>, UseCaseError> {
    let _held = PRINTING.lock().await;
    let opened = open_all(service, |_| true).await?;
    note_export(service, actor, Subject::default(), &opened).await?;
    Ok(opened)
}

/// The same without a note: whoever gives them out notes it first, by [`note_export`].
pub(super) async fn open_all(
    service: &Service,
    wanted: impl Fn(&CodeRecord) -> bool,
) -> Result<Vec<OpenedCode>, UseCaseError> {
    service.outside_quarantine()?;
    let now = service.clock.now();
    let pins = pins(service)?;
    let mut opened = Vec::new();
    for record in all_usable(service).await?.into_iter().filter(wanted) {
        let fresh = record.state == CodeState::Open && record.expires_at > now;
        let Some(account) = service.store.account(record.account).await?.filter(|_| fresh) else { continue };
        if account.value.is_served() {
            opened.push(open(service, &pins, account.value, record)?);
        }
    }
    opened.sort_by_cached_key(|code| {
        let current = code.account.current();
        let post = current.departments.first();
        (
            code.account.source.clone(),
            post.map(|post| (post.code.clone(), post.name.clone())),
            current.staff_number.clone(),
        )
    });
    Ok(opened)
}

/// One at a time, from the opening of the codes to the note: a print that has begun before another does not put its older loss
/// codes back in force.
pub(super) static PRINTING: Mutex<()> = Mutex::const_new(());

/// Puts the loss codes of what was printed in force, and notes in the journal that codes are given out, and whose they are: what
/// was noted is more than what left, never less. For who holds [`PRINTING`].
pub(super) async fn note_export(
    service: &Service,
    actor: Actor,
    about: Subject,
    codes: &[OpenedCode],
) -> Result<(), UseCaseError> {
    let now = service.clock.now();
    let whole = AuditEvent::new(now, actor, Happening::CodesExported, about).fact("codes", codes.len());
    let mut changes = Changeset::default();
    changes.note(whole);
    for code in codes {
        let account = code.account.id;
        if code.loss.is_some() {
            let earlier = service.store.loss_of(account).await?;
            changes.extend(service.keyring.losses.print(&code.record, earlier, now));
        }
        changes.note(AuditEvent::new(now, actor, Happening::CodeHandedOut, Subject::account(account)));
        if changes.events.len() >= MAX_NOTED {
            service.commit(std::mem::take(&mut changes)).await?;
        }
    }
    if !changes.events.is_empty() {
        service.commit(changes).await?;
    }
    Ok(())
}

/// By which keys letters say that the server is known.
fn pins(service: &Service) -> Result<Vec<[u8; 32]>, UseCaseError> {
    let keys = service.keyring.server_keys().map_err(|cause| Refusal::Letters(cause.to_string()))?;
    Ok(keys.pins.into_iter().map(|pin| pin.into_array()).collect())
}

/// Whom [`export`] would give a code of now, without opening one.
pub async fn people_with_codes(service: &Service) -> Result<Vec<Account>, UseCaseError> {
    let directory = directory::current(service).await?;
    let people = directory.people_with_codes(service.clock.now());
    Ok(people.map(|person| person.account.clone()).collect())
}

/// Those that a device could be enrolled with, whoever they are of.
pub(super) async fn all_usable(service: &Service) -> Result<Vec<CodeRecord>, UseCaseError> {
    let mut all: Vec<CodeRecord> = Vec::new();
    loop {
        let after = all.last().map(|last| (last.expires_at, last.index));
        let page = service.store.usable_codes(after, MAX_PAGE).await?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page.into_iter().map(|stored| stored.value));
    }
}

/// Opens one, for who notes it.
pub(super) fn open_one(
    service: &Service,
    account: Account,
    record: CodeRecord,
) -> Result<OpenedCode, UseCaseError> {
    service.outside_quarantine()?;
    open(service, &pins(service)?, account, record)
}

fn open(
    service: &Service,
    pins: &[[u8; 32]],
    account: Account,
    record: CodeRecord,
) -> Result<OpenedCode, UseCaseError> {
    let code = service.keyring.codes.open(&record).map_err(|_| Refusal::CodeDoesNotOpen(account.id))?;
    let text = code.to_text();
    let loss = record.asked_by.is_none().then(|| service.keyring.losses.beside(record.index).to_text());
    let link = EnrolmentLink { code, server: service.config.public_address.clone(), pins: pins.to_vec() };
    Ok(OpenedCode { account, record, text, link: link.to_text(), loss })
}

/// Issues another code; those issued before are dead. Giving it out is noted as an export of one.
pub async fn reissue(service: &Service, who: &Who, actor: Actor) -> Result<OpenedCode, UseCaseError> {
    service.outside_quarantine()?;
    let id = accounts::find(service, who).await?.value.id;
    retry_on_conflict(|| async {
        let account = accounts::find(service, &Who::Id(id)).await?;
        let codes = service.store.codes_of_account(id).await?;
        let acting = Acting { actor, now: service.clock.now(), keys: &service.keyring.codes };
        let mut changes = seats::reissue(account, codes, acting, &mut OsRng)?;
        changes.note(
            AuditEvent::new(acting.now, actor, Happening::CodesExported, Subject::account(id))
                .fact("codes", 1),
        );
        service.commit(changes).await?;
        Ok(())
    })
    .await?;
    let account = accounts::find(service, &Who::Id(id)).await?.value;
    let codes = service.store.codes_of_account(id).await?;
    let newest = codes.into_iter().rev().find(|code| code.value.state == CodeState::Open);
    let Stored { value: record, .. } = newest.ok_or(Refusal::CodeGoneAtOnce)?;
    // It is said, not printed: the loss code of the letter before stays in force.
    Ok(OpenedCode { loss: None, ..open(service, &pins(service)?, account, record)? })
}
