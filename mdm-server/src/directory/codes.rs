//! Activation codes of people who hold a seat and have not signed in: which of them no longer help, or soon will not.

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
        Self { expires_at: code.expires_at, end }
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
            let problem = self.codes.get(&person.account.id).and_then(problem)?;
            Some(CodeInTrouble { person, problem })
        });
        in_trouble.collect()
    }
}

/// Whether an account needs a code that works.
pub(super) fn needs_code(account: &Account) -> bool {
    account.may_work() && account.seat.is_some() && account.signed_in_at.is_none()
}

/// The newest code of an account; of several, one that is usable.
pub(super) async fn newest(service: &Service, account: AccountId) -> Result<Option<NewestCode>, ReadError> {
    let codes = service.store.codes_of_account(account).await?;
    let usable = codes.iter().rev().find(|code| code.value.is_usable());
    Ok(usable.or(codes.last()).map(|code| NewestCode::from(&code.value)))
}

/// The newest codes of all who need one: the usable ones in one go, the others one by one.
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
    for account in accounts.iter().filter(|account| needs_code(account)) {
        let code = match usable.get(&account.id) {
            Some(code) => Some(*code),
            None => newest(service, account.id).await?,
        };
        codes.extend(code.map(|code| (account.id, code)));
    }
    Ok(codes)
}
