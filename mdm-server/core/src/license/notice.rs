//! 回収の予告と猶予: the steps by which a seat is taken, and by what days they are counted.
//!
//! A notice is on the seat, so that whoever gives a seat back gives it back with its notice. Days are counted as the server lived
//! them: one for each day of which it has a sample. Neither an outage nor a clock that jumps costs anybody a seat.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::{self, TimeZone};
use serde::{Deserialize, Serialize};

/// The longest notice, and the longest grace: fewer days than the server remembers to have lived.
pub const MAX_STEP_DAYS: u16 = 365;

/// Why a seat is to be taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoticeReason {
    /// Nobody has signed in with it.
    NeverSignedIn,
    /// They have signed in, and no device of theirs was unlocked for long.
    Dormant,
    /// 任期満了日 has passed, and no roster has said that they left or stay.
    TermEnded,
}

impl NoticeReason {
    /// All of them, the usual one first.
    pub const ALL: [Self; 3] = [Self::NeverSignedIn, Self::Dormant, Self::TermEnded];

    /// The name in the journal, in forms and in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::NeverSignedIn => "never-signed-in",
            Self::Dormant => "dormant",
            Self::TermEnded => "term-ended",
        }
    }
}

/// 予告: a seat is to be taken back, unless its reason ends or somebody restores it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Why.
    pub why: NoticeReason,
    /// The day on which it was given, or began again.
    pub given_on: Date,
    /// 猶予: the day from which the seat is held. Nobody is served by a held seat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_on: Option<Date>,
    /// Days of notice before the seat is held.
    pub notice_days: u16,
    /// Days of grace before it is taken.
    pub grace_days: u16,
}

/// What a notice has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// The seat is held from now on.
    Hold,
    /// It is taken back, for that reason.
    Reclaim(NoticeReason),
}

impl Notice {
    /// The next step, if as many days were lived as it takes. Never two at once: each is seen for its days, however many were
    /// lived since.
    pub fn due(&self, lived: &[Date]) -> Option<Due> {
        let (from, days) = match self.held_on {
            Some(held_on) => (held_on, self.grace_days),
            None => (self.given_on, self.notice_days),
        };
        if super::lived_since(lived, from) < u32::from(days) {
            return None;
        }
        let is_last = self.held_on.is_some() || self.grace_days == 0;
        Some(if is_last { Due::Reclaim(self.why) } else { Due::Hold })
    }

    /// The same notice from its beginning, or that of its grace, for somebody who could do nothing about it meanwhile.
    pub fn begun_again(self, today: Date) -> Self {
        Self { given_on: today, held_on: self.held_on.map(|_| today), ..self }
    }

    /// The day before which the seat is not taken, if the server lives every day.
    pub fn not_before(&self) -> Date {
        let (from, days) = match self.held_on {
            Some(held_on) => (held_on, u32::from(self.grace_days)),
            None => (self.given_on, u32::from(self.notice_days) + u32::from(self.grace_days)),
        };
        from.saturating_add(jiff::Span::new().days(i64::from(days)))
    }
}

/// The calendar day of a moment in Japan, whose local governments these are: it has no summer time.
pub fn day_of(now: Timestamp) -> Date {
    now.to_zoned(TimeZone::fixed(tz::offset(9))).date()
}
