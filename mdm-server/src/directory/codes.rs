//! Activation codes of people who hold a seat: who could enrol with one, and whose no longer helps, or soon will not.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use mdm_core::account::Account;
use mdm_core::code::{CodeRecord, CodeState};
use mdm_store::{MAX_PAGE, ReadError};
use shared::ids::AccountId;

use super::Snapshot;
use super::people::Person;
use crate::service::Service;

/// The newest code of somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NewestCode {
    expires_at: Timestamp,
    /// No device has begun to enrol with it.
    is_open: bool,
    end: Option<End>,
}

/// How a code ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Dead,
    Expired,
    /// Used by an enrolment that was wiped before anybody signed in.
    Spent,
}

impl From<&CodeRecord> for NewestCode {
    fn from(code: &CodeRecord) -> Self {
        let end = match code.state {
            CodeState::Open | CodeState::Bound(_) => None,
            CodeState::Dead => Some(End::Dead),
            CodeState::Expired => Some(End::Expired),
            CodeState::Used(_) | CodeState::Replaced => Some(End::Spent),
        };
        Self { expires_at: code.expires_at, is_open: code.state == CodeState::Open, end }
    }
}

/// Why a code does not help somebody to sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeProblem {
    /// Tried too often.
    Dead,
    /// Past its last day, or spent on a device that is no more.
    Over,
    /// It ends soon, at this time.
    EndsAt(Timestamp),
}

/// Somebody whose code does not help, or soon will not.
#[derive(Debug, Clone, Copy)]
pub struct CodeInTrouble<'a> {
    /// Whose.
    pub person: &'a Person,
    /// Why.
    pub problem: CodeProblem,
}

impl Snapshot {
    /// People who hold a seat and never signed in, and whose newest code has ended or ends within `soon`, in the order of
    /// lists.
    pub fn codes_in_trouble(&self, soon: SignedDuration, now: Timestamp) -> Vec<CodeInTrouble<'_>> {
        let horizon = now.saturating_add(soon).unwrap_or(Timestamp::MAX);
        let problem = |code: &NewestCode| match code.end {
            Some(End::Dead) => Some(CodeProblem::Dead),
            Some(End::Expired | End::Spent) => Some(CodeProblem::Over),
            None if code.expires_at <= now => Some(CodeProblem::Over),
            None if code.expires_at <= horizon => Some(CodeProblem::EndsAt(code.expires_at)),
            None => None,
        };
        let in_trouble = self.listed.iter().filter_map(|person| {
            let waits = person.account.signed_in_at.is_none();
            let problem = self.codes.get(&person.account.id).filter(|_| waits).and_then(problem)?;
            Some(CodeInTrouble { person, problem })
        });
        in_trouble.collect()
    }

    /// People who hold a seat and a code that a device could still be enrolled with, in the order of lists.
    pub fn people_with_codes(&self, now: Timestamp) -> impl Iterator<Item = &Person> {
        let has_code = move |person: &&Person| {
            self.codes.get(&person.account.id).is_some_and(|code| code.is_open && code.expires_at > now)
        };
        self.listed.iter().map(|person| &**person).filter(has_code)
    }
}

/// Whether an account may have a code that works.
pub(super) fn may_have_code(account: &Account) -> bool {
    account.is_served()
}

/// The newest code of an account: a usable one; the last of all if the account has none and still needs one.
pub(super) async fn newest(service: &Service, account: &Account) -> Result<Option<NewestCode>, ReadError> {
    let codes = service.store.codes_of_account(account.id).await?;
    let usable = codes.iter().rev().find(|code| code.value.is_usable());
    let newest = usable.or(codes.last().filter(|_| account.signed_in_at.is_none()));
    Ok(newest.map(|code| NewestCode::from(&code.value)))
}

/// The newest codes of all who may have one: the usable ones in one go, the others one by one.
pub(super) async fn all(
    service: &Service,
    accounts: &[Account],
) -> Result<BTreeMap<AccountId, NewestCode>, ReadError> {
    let mut usable = BTreeMap::new();
    let mut after = None;
    loop {
        let page = service.store.usable_codes(after, MAX_PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some((last.value.expires_at, last.value.index));
        usable.extend(page.iter().map(|code| (code.value.account, NewestCode::from(&code.value))));
    }
    let mut codes = BTreeMap::new();
    for account in accounts.iter().filter(|account| may_have_code(account)) {
        let code = match usable.get(&account.id) {
            Some(code) => Some(*code),
            None if account.signed_in_at.is_some() => None,
            None => newest(service, account).await?,
        };
        codes.extend(code.map(|code| (account.id, code)));
    }
    Ok(codes)
}
