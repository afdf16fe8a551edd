//! Pool, seats and the waiting list as the API shows them.

use jiff::Timestamp;
use jiff::civil::Date;
use mdm_core::license::NoticeReason;
use serde::{Deserialize, Serialize};
use shared::ids::{AccountId, BatchId};

/// Where the pool stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LicenseStatus {
    /// Seats there are.
    pub pool: u32,
    /// Seats held back for disaster support staff.
    pub reserved: u32,
    /// Seats that accounts hold.
    pub assigned: u32,
    /// Of those, seats of temporary accounts; they come out of the reserve first.
    #[serde(default)]
    pub temporary: u32,
    /// Seats that can be given out now to staff.
    pub free: u32,
    /// Accounts that wait for one.
    pub waiting: u32,
    /// Accounts that hold one and have never signed in.
    pub never_signed_in: u32,
    /// Seats of which notice was given that they are taken back.
    #[serde(default)]
    pub noticed: u32,
    /// Seats that serve nobody before they are taken back.
    #[serde(default)]
    pub held: u32,
}

/// A new size of the pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolRequest {
    /// Seats there are.
    pub size: u32,
    /// Of those, seats held back for temporary accounts; as before if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserved: Option<u32>,
}

/// Which seats to take back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReclaimRequest {
    /// From accounts that did not sign in within so many days. This or one of the next two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub never_signed_in_days: Option<u16>,
    /// From accounts that have signed in, but on no device for so many days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_sign_in_days: Option<u16>,
    /// From accounts whose 任期満了日 passed at least so many days ago.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub term_ended_days: Option<u16>,
    /// No more than so many, longest unused first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<u32>,
    /// Days of notice before the seats are held, at most 365. Without these and the next, seats are taken at once.
    #[serde(default)]
    pub notice_days: u16,
    /// Days from then, in which their devices are blocked and they can be restored, before they are taken; at most 365.
    #[serde(default)]
    pub grace_days: u16,
    /// Only says which they would be.
    #[serde(default)]
    pub dry_run: bool,
}

/// What a reclamation did, or would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reclaimed {
    /// Nothing was changed.
    pub dry_run: bool,
    /// Whose seats were taken back.
    pub reclaimed: Vec<ReclaimedSeat>,
    /// Of whose seats notice was given.
    #[serde(default)]
    pub noticed: Vec<ReclaimedSeat>,
    /// Who got one from the waiting list, with a code that waits to be exported.
    pub given_to: Vec<ReclaimedSeat>,
}

/// An account of a reclamation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReclaimedSeat {
    /// The account.
    pub account: AccountId,
    /// 職員番号.
    pub staff_number: String,
    /// 氏名.
    pub name: String,
}

/// A seat that is to be taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticedSeat {
    /// The account.
    pub account: AccountId,
    /// 職員番号.
    pub staff_number: String,
    /// 氏名.
    pub name: String,
    /// Why: `never-signed-in`, `dormant` or `term-ended`.
    pub why: NoticeReason,
    /// The day of the notice.
    pub given_on: Date,
    /// The day from which the seat serves nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_on: Option<Date>,
    /// The earliest day on which it is taken. Days on which the server did not run put it off.
    pub not_before: Date,
}

/// Whose seat is not to be taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestoreRequest {
    /// An account's id or staff number.
    pub account: String,
    /// 名簿区分, where the staff number occurs in several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// Who is to wait for a seat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WaitingRequest {
    /// An account's id or staff number.
    pub account: String,
    /// 名簿区分, where the staff number occurs in several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// What became of the wish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingAdded {
    /// Whose.
    pub account: AccountId,
    /// A seat was free: it is assigned, and a code waits to be exported. Otherwise the account waits.
    pub assigned: bool,
}

/// A wish without a free seat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingView {
    /// Place in the list, from 1.
    pub position: u32,
    /// Who.
    pub account: AccountId,
    /// 職員番号.
    pub staff_number: String,
    /// 氏名.
    pub name: String,
    /// Since when.
    pub since: Timestamp,
}

/// Until when terms end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndingQuery {
    /// The last day that is looked at, like `2027-03-31`: the end of the fiscal year if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Date>,
}

/// Somebody whose term ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndingView {
    /// The account.
    pub account: AccountId,
    /// 名簿区分.
    pub source: String,
    /// 職員番号.
    pub staff_number: String,
    /// 氏名.
    pub name: String,
    /// 任期満了日.
    pub term_ends: Date,
    /// Holds a seat.
    pub has_seat: bool,
    /// What the newest plan of their source that is not in force says: `awaited` (there is none), `leaves`, `stays`, `rejected`,
    /// `not-named`. Only for those who may see such plans.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_file: Option<String>,
}

/// What a plan that is not in force will need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NeedView {
    /// The plan.
    pub batch: BatchId,
    /// 名簿区分.
    pub source: String,
    /// When it is to take effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_at: Option<Timestamp>,
    /// Seats that it newly asks for.
    pub asked: u32,
    /// Seats that it gives back.
    pub freed: u32,
    /// Seats free behind it and all that take effect before.
    pub free: u32,
    /// Seats missing by then.
    pub missing: u32,
}

/// Which days.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaysQuery {
    /// The first, like `2027-04-01`: the oldest there is if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Date>,
    /// The last: the newest there is if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Date>,
}

/// How the pool stood on one day, counted by the first pass of that day. A day on which no server ran has none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayView {
    /// The calendar day in the organisation's zone.
    pub day: Date,
    /// Seats there were.
    pub pool: u32,
    /// Of those, held back.
    pub reserved: u32,
    /// Seats that accounts held.
    pub assigned: u32,
    /// Accounts that waited for one.
    pub waiting: u32,
    /// Accounts that held one and had not signed in.
    pub never_signed_in: u32,
}
