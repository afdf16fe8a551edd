//! Accounts: one a person. What is known of them is dated, so that a batch can be read back and undone.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use shared::ids::AccountId;

use crate::absence::Absence;
use crate::identity::DateMark;
use crate::license::Notice;

/// A text of bounded length without control characters, as a type of its own.
macro_rules! word {
    ($(#[$doc:meta])* $name:ident, at most $max:literal characters, else $error:ident $message:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        #[doc = concat!("A text that cannot be a [`", stringify!($name), "`].")]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
        #[error($message)]
        pub struct $error;

        impl $name {
            /// Takes the text without the blanks around it.
            pub fn new(text: &str) -> Result<Self, $error> {
                let text = text.trim();
                let acceptable = !text.is_empty()
                    && text.chars().count() <= $max
                    && !text.chars().any(char::is_control);
                if acceptable { Ok(Self(text.to_owned())) } else { Err($error) }
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = $error;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                Self::new(&text)
            }
        }

        impl From<$name> for String {
            fn from(word: $name) -> Self {
                word.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

pub(crate) use word;

word!(
    /// 職員番号: how the personnel authority names a person. Letters and digits as they were written.
    StaffNumber, at most 32 characters, else InvalidStaffNumber
    "a staff number has 1 to 32 characters, none of them a control character"
);
word!(
    /// 名簿区分: the personnel authority or list that an account comes from.
    SourceName, at most 64 characters, else InvalidSourceName
    "a source has a name of 1 to 64 characters"
);

/// A value and the time from which it held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dated<T> {
    /// From when.
    pub from: Timestamp,
    /// What.
    pub value: T,
}

/// 所属: one post of a person.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Department {
    /// Name as written, parts of a split name joined by a blank.
    pub name: String,
    /// Code, where the roster has one.
    pub code: Option<String>,
    /// 本務, not 兼務.
    pub main: bool,
}

/// What a roster says of a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attributes {
    /// 職員番号.
    pub staff_number: StaffNumber,
    /// 氏名, exactly as written.
    pub name: String,
    /// フリガナ.
    pub kana: Option<String>,
    /// メールアドレス, lower case.
    pub mail: Option<String>,
    /// 職名.
    pub title: Option<String>,
    /// 任用区分.
    pub employment: Option<String>,
    /// 任期満了日.
    pub term_ends: Option<Date>,
    /// 応援職員: the last day of a temporary account, which ends by itself after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temporary_until: Option<Date>,
    /// 生年月日, as a mark to compare with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub born: Option<DateMark>,
    /// 採用年月日, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hired: Option<DateMark>,
    /// 所属, the main post first.
    pub departments: Vec<Department>,
}

impl Attributes {
    /// Of somebody of whom nothing else is told.
    pub(crate) fn named(staff_number: StaffNumber, name: String) -> Self {
        Self {
            staff_number,
            name,
            kana: None,
            mail: None,
            title: None,
            employment: None,
            term_ends: None,
            temporary_until: None,
            born: None,
            hired: None,
            departments: Vec::new(),
        }
    }
}

/// Where an account stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountState {
    /// 仮登録: registered, never signed in.
    Provisional,
    /// Has signed in.
    Active,
    /// Left or on leave: devices blocked, nothing lost yet.
    Suspended,
    /// Gone for good: devices wiped.
    Closed,
}

/// A seat of the pool in the hands of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seat {
    /// Since when.
    pub assigned_at: Timestamp,
    /// 回収の予告, if it is to be taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<Notice>,
    /// When somebody last took a notice back: it counts as unused from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored_at: Option<Timestamp>,
}

impl Seat {
    /// A seat that is assigned now.
    pub fn new(assigned_at: Timestamp) -> Self {
        Self { assigned_at, notice: None, restored_at: None }
    }

    /// 猶予: whether it is held, so that it serves nobody.
    pub fn is_held(&self) -> bool {
        self.notice.is_some_and(|notice| notice.held_on.is_some())
    }
}

/// 旧番号: somebody's staff number that is another person's now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NumberPassed {
    /// Whose it is.
    pub to: AccountId,
    /// Since when.
    pub at: Timestamp,
}

/// One person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The key. A staff number may change or return; this never does.
    pub id: AccountId,
    /// Which list the account comes from.
    pub source: SourceName,
    /// What was said of the person and from when, oldest first, never empty, at most [`MAX_HISTORY`].
    pub history: Vec<Dated<Attributes>>,
    /// Where the account stands.
    pub state: AccountState,
    /// Since when.
    pub state_since: Timestamp,
    /// 利用希望: asks for a seat. Without, the account is 対象外 and never counts as unused.
    pub wishes_seat: bool,
    /// The seat, if one is assigned.
    pub seat: Option<Seat>,
    /// When the account was made.
    pub created_at: Timestamp,
    /// When the account last came back after it had left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub returned_at: Option<Timestamp>,
    /// First successful online unlock since the account was made or last returned, if there was one.
    pub signed_in_at: Option<Timestamp>,
    /// When a code was last issued.
    pub code_issued_at: Option<Timestamp>,
    /// 休職・育休, by their first day, no day in two of them, at most [`crate::absence::MAX_ABSENCES`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub absences: Vec<Absence>,
    /// 旧番号: the number that the account shows is another person's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number_passed: Option<NumberPassed>,
}

/// How many dated attributes an account keeps, so that it stays below 64 KiB. The audit journal knows of the others.
pub const MAX_HISTORY: usize = 24;

impl Account {
    /// Adds what a roster says from `now` on, if that is anything new. The oldest entry goes when there are too many.
    pub fn learn(&mut self, now: Timestamp, attributes: Attributes) {
        if *self.current() != attributes {
            self.history.push(Dated { from: now, value: attributes });
            let surplus = self.history.len().saturating_sub(MAX_HISTORY);
            self.history.drain(..surplus);
        }
    }

    /// What holds now: the newest attributes.
    pub fn current(&self) -> &Attributes {
        &self.history.last().expect("an account is made with attributes and they are only added to").value
    }

    /// Whether the account is found by its staff number, which no other account of its source then has.
    pub fn holds_number(&self) -> bool {
        self.state != AccountState::Closed && self.number_passed.is_none()
    }

    /// Whether devices of the account may be unlocked and enrolled.
    pub fn may_work(&self) -> bool {
        matches!(self.state, AccountState::Provisional | AccountState::Active)
    }

    /// Whether the account works and has a seat that is not held: it is helped to unlock, enrol and read.
    pub fn is_served(&self) -> bool {
        self.may_work() && self.seat.is_some_and(|seat| !seat.is_held())
    }

    /// Whether it ends by itself on a day, and its seat may come out of the reserve.
    pub fn is_temporary(&self) -> bool {
        self.current().temporary_until.is_some()
    }

    /// Whether it is temporary, still works, and its last day is over.
    pub fn has_run_out(&self, today: Date) -> bool {
        self.may_work() && self.current().temporary_until.is_some_and(|last| last < today)
    }

    /// Whether somebody has noted that they are away on a day.
    pub fn is_absent_on(&self, day: Date) -> bool {
        self.absences.iter().any(|absence| absence.covers(day))
    }

    /// What is to become of its seat, if notice was given.
    pub fn notice(&self) -> Option<&Notice> {
        self.seat.as_ref().and_then(|seat| seat.notice.as_ref())
    }
}

/// The version of a source's roster: what a plan is bound to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roster {
    /// Which list.
    pub source: SourceName,
    /// Rises with each applied batch.
    pub version: u64,
}
