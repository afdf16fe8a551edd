//! A person in words, as pages about people and about devices show them.

use jiff::Timestamp;
use mdm_core::account::{Account, AccountState, Attributes, Department, SourceName};
use mdm_core::code::{CodeRecord, CodeState, MAX_TRIES};
use shared::ids::AccountId;

use crate::console::devices::view::Badge;
use crate::console::page::Page;
use crate::console::printed::Printed;

/// Where an account stands.
pub(in crate::console) fn badge(state: AccountState) -> Badge {
    let (key, class) = match state {
        AccountState::Provisional => ("accounts-state-provisional", "state-info"),
        AccountState::Active => ("accounts-state-active", "state-good"),
        AccountState::Suspended => ("accounts-state-suspended", "state-warning"),
        AccountState::Closed => ("accounts-state-closed", "state-plain"),
    };
    Badge { key, class }
}

/// 職員番号, marked where it is another person's now.
pub(in crate::console) fn number(page: &Page, account: &Account) -> String {
    let number = account.current().staff_number.to_string();
    match account.number_passed {
        Some(_) => page.say1("accounts-former-number", "number", number),
        None => number,
    }
}

/// How an account stands to a seat; `place` is its place in the waiting list, if it waits.
pub(super) fn seat_badge(account: &Account, place: Option<usize>) -> Badge {
    let (key, class) = match (account.seat, place) {
        (Some(seat), _) if seat.is_held() => ("accounts-seat-held", "state-warning"),
        (Some(seat), _) if seat.notice.is_some() => ("accounts-seat-noticed", "state-warning"),
        (Some(_), _) => ("accounts-seat-assigned", "state-good"),
        (None, Some(_)) => ("accounts-seat-waiting", "state-warning"),
        (None, None) if account.wishes_seat && account.may_work() => ("accounts-seat-none", "state-plain"),
        (None, None) => ("accounts-seat-out-of-scope", "state-plain"),
    };
    Badge { key, class }
}

/// A department with whether it is the main post.
pub(super) fn post(page: &Page, source: &SourceName, post: &Department) -> Printed {
    let key = if post.main { "accounts-post-main" } else { "accounts-post-other" };
    page.printed(source, &page.say1(key, "name", post.name.as_str()))
}

/// Who somebody is. In templates as `person`, for `accounts/whom.html`.
pub(in crate::console) struct PersonView {
    /// The key.
    pub(in crate::console) id: AccountId,
    /// 氏名.
    pub(in crate::console) name: Printed,
    /// フリガナ.
    pub(in crate::console) kana: Option<Printed>,
    /// 職員番号.
    pub(in crate::console) number: String,
    /// Who has that number now, if it is another person's.
    pub(in crate::console) successor: Option<AccountId>,
    /// 名簿区分.
    pub(in crate::console) source: String,
    /// All 所属, the main post first.
    pub(in crate::console) posts: Vec<Printed>,
    /// 職名.
    pub(in crate::console) title: Option<String>,
    /// Where the account stands.
    pub(in crate::console) badge: Badge,
}

impl PersonView {
    pub(in crate::console) fn new(account: &Account, page: &Page) -> Self {
        let Attributes { name, kana, title, departments, .. } = account.current().clone();
        Self {
            id: account.id,
            name: page.printed(&account.source, &name),
            kana: kana.map(|kana| page.printed(&account.source, &kana)),
            number: number(page, account),
            successor: account.number_passed.map(|passed| passed.to),
            source: account.source.to_string(),
            posts: departments.iter().map(|department| post(page, &account.source, department)).collect(),
            title,
            badge: badge(account.state),
        }
    }
}

/// An activation code without its text.
pub(super) struct CodeView {
    /// Where it stands.
    pub(super) badge: Badge,
    /// When it was issued.
    pub(super) issued_at: Timestamp,
    /// Until when it is valid.
    pub(super) expires_at: Timestamp,
    /// How often it was tried without success, in words.
    pub(super) tries: String,
}

impl CodeView {
    pub(super) fn new(code: &CodeRecord, page: &Page) -> Self {
        Self {
            badge: code_badge(code, page.now),
            issued_at: code.issued_at,
            expires_at: code.expires_at,
            tries: page.say2("accounts-code-tries", "tries", code.tries, "limit", MAX_TRIES),
        }
    }
}

/// A code past its last day is expired, also before the scheduler has noted it.
fn code_badge(code: &CodeRecord, now: Timestamp) -> Badge {
    let (key, class) = match code.state {
        CodeState::Open | CodeState::Bound(_) if code.expires_at <= now => {
            ("accounts-code-expired", "state-warning")
        }
        CodeState::Open => ("accounts-code-open", "state-info"),
        CodeState::Bound(_) => ("accounts-code-bound", "state-info"),
        CodeState::Used(_) => ("accounts-code-used", "state-plain"),
        CodeState::Dead => ("accounts-code-dead", "state-bad"),
        CodeState::Expired => ("accounts-code-expired", "state-warning"),
        CodeState::Replaced => ("accounts-code-replaced", "state-plain"),
    };
    Badge { key, class }
}
