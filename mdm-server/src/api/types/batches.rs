//! Personnel batches as the API shows them.

use jiff::Timestamp;
use jiff::civil::Date;
use mdm_core::batch::{LikeLeave, LostZeros, Mode, PlanSummary, RowProblem};
use mdm_core::identity::Whose;
use mdm_core::undo::NotUndone;
use serde::{Deserialize, Serialize};
use shared::ids::{AccountId, BatchId, OperatorId};

use super::columns::AssignedView;

/// What comes with an uploaded file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadQuery {
    /// 名簿区分.
    pub source: String,
    /// `roster`: who is absent leaves; `upsert`: nobody leaves; `remove`: who is on the list leaves, and a staff number is enough.
    pub mode: Mode,
    /// The file's name, for the audit journal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_name: Option<String>,
    /// Overrules the encoding that would be found: `utf-8`, `utf-8-bom`, `cp932`, `utf-16`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    /// Overrules the delimiter that would be found: `comma`, `tab`, `semicolon`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<String>,
    /// What columns are, by their headers, as a JSON object: `{"個人番号": "staff-number", "備考": "ignored"}`. It is remembered
    /// for the next file of the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<String>,
    /// Puts zeros back in front of staff numbers of digits only, up to this length (1 to 20).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pad_numbers_to: Option<u8>,
    /// When it is to take effect: day and time of day in the organisation's zone, like `2027-04-01T00:00`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_at: Option<String>,
    /// The last day of everybody on the list, if it is one of temporary accounts, like `2027-09-30`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temporary_until: Option<Date>,
}

/// What comes with mended rows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MendQuery {
    /// The file's name, for the audit journal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_name: Option<String>,
    /// Overrules the encoding that would be found: `utf-8`, `utf-8-bom`, `cp932`, `utf-16`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
}

/// Who rows are about that are possibly about another person.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecideRequest {
    /// The rows, at most [`mdm_core::identity::MAX_DECIDED`].
    pub rows: Vec<DecidedRow>,
}

/// Who one row is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecidedRow {
    /// Row of the file.
    pub row: u32,
    /// `same`: the person who is known by the number; `another`: somebody else who has it now.
    pub whose: Whose,
}

/// Applying a plan at once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApplyRequest {
    /// How many leave: asked for where it is more than the set share of the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm_leavers: Option<u32>,
}

/// Approving a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApproveRequest {
    /// The plan that was looked at: [`PlanView::digest`].
    pub plan_digest: String,
    /// As in [`ApplyRequest`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm_leavers: Option<u32>,
    /// Why the author approves alone. Nobody else gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emergency_reason: Option<String>,
}

/// Giving a plan its time, or another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleRequest {
    /// Day and time of day in the organisation's zone, like `2027-04-01T00:00`.
    pub effective_at: String,
    /// As in [`ApplyRequest`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm_leavers: Option<u32>,
}

/// Calling a batch off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CancelRequest {
    /// Why.
    pub reason: String,
}

/// For whom a batch is to be undone: for everybody if both are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UndoRequest {
    /// 職員番号.
    #[serde(default)]
    pub staff_numbers: Vec<String>,
    /// 所属: all who belonged to it before the batch or by it.
    #[serde(default)]
    pub departments: Vec<String>,
}

/// With which plan one is compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DifferenceQuery {
    /// The older batch, of the same source.
    pub older: BatchId,
    /// How many people were shown already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// How many people to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// What two plans of one source say differently.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DifferenceView {
    /// Of how many people they say the same.
    pub same: usize,
    /// Who is in the newer plan only.
    pub new: usize,
    /// Who is in the older plan only.
    pub gone: usize,
    /// Of whom both say something, and not the same.
    pub changed: usize,
    /// Rejected rows of the older plan that are about nobody who is known: they are not compared.
    pub unknown_older: usize,
    /// The same of the newer plan.
    pub unknown_newer: usize,
    /// Some of those that differ: who is in the newer plan first.
    pub people: Vec<DifferentView>,
    /// What to ask for with `after`; absent behind the last one.
    pub next: Option<String>,
}

/// A person of whom two plans do not say the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DifferentView {
    /// What the older plan does; absent: nothing.
    pub older: Option<ItemView>,
    /// What the newer plan does; absent: nothing.
    pub newer: Option<ItemView>,
}

/// In which language a file is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LanguageQuery {
    /// `ja`, which it is if nothing is said, or `en`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
}

/// Where a batch stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the states of mdm_core::batch::BatchState")]
pub enum BatchWord {
    Planned,
    Approved,
    Scheduled,
    Applied,
    Cancelled,
    Replaced,
}

/// Who approved a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalView {
    /// The operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<OperatorId>,
    /// When.
    pub at: Timestamp,
    /// `approver`, `deputy`, or `emergency`: the author alone.
    pub capacity: String,
    /// Why the author approved alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When an owner took note of an emergency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged_at: Option<Timestamp>,
}

/// Why a batch did not take effect at its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldView {
    /// When that was found.
    pub at: Timestamp,
    /// `stale`, `lost-zeros` or `damaged`: upload the file again.
    pub why: String,
}

/// What a plan is and asks for: for those who manage and approve, until it is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanView {
    /// SHA-256 of the plan, hexadecimal: what an approval names.
    pub digest: String,
    /// Whether it takes effect only when somebody else has approved it.
    pub needs_approval: bool,
    /// Whether so many leave that their number must be typed.
    pub asks_leavers: bool,
}

/// One uploaded file and what it would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchView {
    /// The key.
    pub id: BatchId,
    /// 名簿区分.
    pub source: String,
    /// How the file is compared.
    pub mode: Mode,
    /// Where it stands.
    pub state: BatchWord,
    /// What the plan is and asks for; absent for who may not see it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanView>,
    /// When it is to take effect, or was to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_at: Option<Timestamp>,
    /// Who approved it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalView>,
    /// Why it did not take effect at its time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<HeldView>,
    /// By how many seconds it took effect late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub late_by_seconds: Option<u64>,
    /// When it was cancelled or replaced, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// The newer batch that took its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced_by: Option<BatchId>,
    /// When its lines were deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines_deleted_at: Option<Timestamp>,
    /// When it was applied, if it was.
    pub applied_at: Option<Timestamp>,
    /// When it came.
    pub uploaded_at: Timestamp,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
    /// The encoding that was found or declared; `XLSX` for a workbook.
    pub encoding: String,
    /// The delimiter that was found or declared; `none` in a workbook.
    pub delimiter: String,
    /// Whose table it is: `own`, `google-workspace`, `microsoft-entra`, `cybozu-com`, `cybozu-com-headerless`, `garoon`.
    pub layout: String,
    /// Sheets of a workbook that were not read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unused_sheets: Vec<String>,
    /// Staff numbers lost their zeros in front: the plan is not applied before the file is uploaded with padding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost_zeros: Option<LostZeros>,
    /// The batch that this one takes back. What is said of a file is empty then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoes: Option<BatchId>,
    /// The plan whose rejected rows were mended for this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mends: Option<BatchId>,
    /// What was said of rows that are possibly about another person.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decided: Vec<DecidedRow>,
    /// Kinds of appointment that sound like leaving, by which nobody leaves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub like_leave: Vec<LikeLeave>,
    /// How many of the rejected rows can be had as a file.
    #[serde(default)]
    pub rejected_kept: u32,
    /// Counts; absent for who may not see the plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<PlanSummary>,
    /// Headers of columns that were not used.
    pub unused_columns: Vec<String>,
    /// Columns of which somebody has said what they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub assigned_columns: Vec<AssignedView>,
    /// 外字: the first private-use characters.
    pub private_use: Vec<PrivateUseView>,
    /// How many there are.
    pub private_use_total: u32,
    /// The first rows whose staff number is kept otherwise than it was written: in half width, without the domain of a
    /// login name, or with zeros put back.
    pub normalised_rows: RowCount,
}

/// Rows of the file, the header being row 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowCount {
    /// The first of them.
    pub first: Vec<u32>,
    /// How many there are.
    pub total: u32,
}

/// A private-use character.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrivateUseView {
    /// Row of the file.
    pub row: u32,
    /// The column's header.
    pub column: String,
    /// The code point, like `U+E000`.
    pub code: String,
}

/// What happens to one person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the kinds of mdm_core::batch::PlanKind")]
pub enum KindWord {
    Join,
    Move,
    Change,
    Return,
    Leave,
    Unchanged,
    Rejected,
    SeatBack,
    NotUndone,
}

/// One line of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemView {
    /// Place in the plan, from 1.
    pub position: u32,
    /// Row of the file; absent for leavers.
    pub row: Option<u32>,
    /// The account, where there is one.
    pub account: Option<AccountId>,
    /// What happens.
    pub kind: KindWord,
    /// 職員番号, as the row says; for leavers as it is known.
    pub staff_number: Option<String>,
    /// 氏名, likewise.
    pub name: Option<String>,
    /// 所属 of the main post, likewise.
    pub department: Option<String>,
    /// Asks for a seat, where the row says so.
    pub wishes_seat: Option<bool>,
    /// Of somebody new: whose the staff number was until now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number_of: Option<AccountId>,
    /// Of an undo: why the person stays as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_undone: Option<NotUndone>,
    /// Why the row is not accepted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rejections: Vec<RejectionView>,
}

/// One reason why a row is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectionView {
    /// The column's header.
    pub column: String,
    /// The cell.
    pub value: String,
    /// What is wrong, for programs.
    pub problem: RowProblem,
    /// What is wrong, where, and what to do.
    pub message: String,
}

/// What applying a plan did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppliedView {
    /// The batch.
    pub batch: BatchView,
    /// How many got a seat and a code.
    pub seats_given: usize,
    /// How many lost a seat.
    pub seats_freed: usize,
    /// Who no longer wishes a seat but keeps it, having signed in.
    pub seats_kept: Vec<AccountId>,
    /// How many wait for a seat since now.
    pub waiting: usize,
    /// How many devices were to be blocked.
    pub devices_to_block: usize,
    /// Of an undo: how many devices were to be unblocked.
    #[serde(default)]
    pub devices_to_unblock: usize,
    /// Of an undo: who stays as they are, changed between plan and undo.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_undone: Vec<AccountId>,
}
