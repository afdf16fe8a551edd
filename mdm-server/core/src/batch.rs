//! Personnel batches as they are stored: what was uploaded, what it would do, and whether it was done.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use shared::ids::{AccountId, BatchId};

use crate::account::{Attributes, SourceName};
use crate::audit::Actor;
use crate::identity::Decided;
use crate::sheet::AssignedColumn;
use crate::undo::NotUndone;

mod rejection;
mod release;
mod state;

pub(crate) use rejection::shown;
pub use rejection::{Rejection, RowProblem, SHOWN};
pub use release::{
    Approval, Capacity, Held, HeldReason, LINES_KEPT, Release, plan_digest, plan_digest_of_lines,
};
pub use state::{BatchState, NotNow, StateWord, Step};

/// How a file is compared with the accounts of its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// All of the source: who is absent leaves.
    Roster,
    /// Some of the source: nobody leaves.
    Upsert,
    /// Those who leave: everybody on the list does, and nothing else happens.
    Remove,
}

impl Mode {
    /// As it is sent and stored: `roster`, `upsert`, `remove`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Roster => "roster",
            Self::Upsert => "upsert",
            Self::Remove => "remove",
        }
    }

    /// The mode of a name.
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::Roster, Self::Upsert, Self::Remove].into_iter().find(|mode| mode.name() == name)
    }

    /// How a part of a file that is compared this way is compared by itself: nobody is absent from a part.
    pub fn of_part(self) -> Self {
        match self {
            Self::Roster | Self::Upsert => Self::Upsert,
            Self::Remove => Self::Remove,
        }
    }
}

/// 外字: a private-use character, kept as it is. Only the organisation that made it knows what it looks like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrivateUse {
    /// Row of the file, the header being row 1.
    pub row: u32,
    /// The column's header, at most [`SHOWN`] characters of it.
    pub column: String,
    /// The character's code point.
    pub code: u32,
}

/// What the batch does to one person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanKind {
    /// 新規: a new account.
    Join {
        /// As the row says.
        attributes: Attributes,
        /// Asks for a seat.
        wishes_seat: bool,
        /// 別の人: whose the number was until now. Nothing else comes from them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        number_of: Option<AccountId>,
    },
    /// 異動: other departments, and whatever else changed.
    Move {
        /// As the row says.
        attributes: Attributes,
        /// Asks for a seat.
        wishes_seat: bool,
    },
    /// 変更: name, mail, title or wish, not the departments.
    Change {
        /// As the row says.
        attributes: Attributes,
        /// Asks for a seat.
        wishes_seat: bool,
    },
    /// 復帰: a suspended or closed account is back.
    Return {
        /// As the row says.
        attributes: Attributes,
        /// Asks for a seat.
        wishes_seat: bool,
    },
    /// 退職等: absent from the file.
    Leave,
    /// The row says what is known.
    Unchanged,
    /// The row cannot be accepted. It still counts as present.
    Rejected(Vec<Rejection>),
    /// 割当の返却: of an undo: gives back the seat that the batch gave, unused, for those whom the batch took it from.
    SeatBack,
    /// Of an undo: stays as it is, and why.
    NotUndone(NotUndone),
}

/// A [`PlanKind`] without what the row says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the kinds of PlanKind")]
pub enum PlanWord {
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

impl PlanKind {
    /// Which kind it is.
    pub fn word(&self) -> PlanWord {
        match self {
            Self::Join { .. } => PlanWord::Join,
            Self::Move { .. } => PlanWord::Move,
            Self::Change { .. } => PlanWord::Change,
            Self::Return { .. } => PlanWord::Return,
            Self::Leave => PlanWord::Leave,
            Self::Unchanged => PlanWord::Unchanged,
            Self::Rejected(_) => PlanWord::Rejected,
            Self::SeatBack => PlanWord::SeatBack,
            Self::NotUndone(_) => PlanWord::NotUndone,
        }
    }

    /// Whether the row says that a seat is wished.
    pub fn wishes_seat(&self) -> bool {
        match self {
            Self::Join { wishes_seat, .. }
            | Self::Move { wishes_seat, .. }
            | Self::Change { wishes_seat, .. }
            | Self::Return { wishes_seat, .. } => *wishes_seat,
            Self::Leave | Self::Unchanged | Self::Rejected(_) | Self::SeatBack | Self::NotUndone(_) => false,
        }
    }
}

/// One line of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanItem {
    /// Row of the file, the header being row 1; none for leavers.
    pub row: Option<u32>,
    /// The account: the new one's id for a join.
    pub account: Option<AccountId>,
    /// What happens.
    pub kind: PlanKind,
    /// The row says that they leave, but nobody does while a row stands for nobody knows whom.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub held_back: bool,
}

impl PlanItem {
    /// The staff number of a row that is rejected until somebody says whether it is another person's.
    pub fn asks_whose(&self) -> Option<&str> {
        let PlanKind::Rejected(rejections) = &self.kind else { return None };
        let asks = rejections.iter().find(|one| one.problem == RowProblem::PossiblyAnother);
        asks.map(|one| one.value.as_str())
    }
}

/// Counts of a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanSummary {
    /// Rows of the file without its header.
    pub rows: u32,
    /// People of the source who had not left before.
    #[serde(default)]
    pub present: u32,
    /// New accounts.
    pub join: u32,
    /// Other departments.
    pub moved: u32,
    /// Other attributes.
    pub change: u32,
    /// Back again.
    pub returned: u32,
    /// Absent.
    pub leave: u32,
    /// As before.
    pub unchanged: u32,
    /// Not acceptable.
    pub rejected: u32,
    /// Of an undo: who gives back a seat that the batch gave.
    #[serde(default)]
    pub seats_back: u32,
    /// Of an undo: who stays as they are.
    #[serde(default)]
    pub not_undone: u32,
    /// Leavers that are held back because a row's staff number cannot be read.
    pub leavers_held_back: bool,
    /// Seats that the batch newly asks for.
    pub seats_wished: u32,
    /// Seats that the batch gives back: leavers, and wishes withdrawn before the first sign-in.
    pub seats_freed: u32,
    /// Seats free before the batch.
    pub seats_free: u32,
}

impl PlanSummary {
    /// How many people something changes for.
    pub fn changes(&self) -> u32 {
        let Self { join, moved, change, returned, leave, seats_back, .. } = self;
        let counts = [join, moved, change, returned, leave, seats_back];
        counts.into_iter().fold(0, |sum, count| sum.saturating_add(*count))
    }
}

/// Where a plan comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// A file.
    #[default]
    File,
    /// 取り消し: takes back what another batch did.
    Undo {
        /// Which.
        of: BatchId,
        /// All of it, not chosen people only.
        whole: bool,
    },
}

/// One uploaded file, or the undo of one, and its plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// The key.
    pub id: BatchId,
    /// Which list it is compared with.
    pub source: SourceName,
    /// How.
    pub mode: Mode,
    /// When it came.
    pub uploaded_at: Timestamp,
    /// Who brought it.
    pub uploaded_by: Actor,
    /// SHA-256 of the file.
    #[serde(with = "serde_bytes")]
    pub digest: [u8; 32],
    /// How the file is written: `UTF-8`, `UTF-8 with BOM`, `CP932`, `UTF-16`, or `XLSX`.
    pub encoding: String,
    /// The delimiter: `comma`, `tab`, `semicolon`; `none` in a workbook.
    pub delimiter: String,
    /// Whose table it is: `own`, or another product's.
    #[serde(default = "own_layout")]
    pub layout: String,
    /// Sheets of a workbook that were not read, at most [`LISTED_SHEETS`].
    #[serde(default)]
    pub unused_sheets: Vec<String>,
    /// Staff numbers that match known ones but for zeros in front. Such a plan is not applied.
    #[serde(default)]
    pub lost_zeros: Option<LostZeros>,
    /// Headers of columns that were not used, at most [`SHOWN`] characters of each.
    pub unused_columns: Vec<String>,
    /// Columns of which somebody has said what they are, at most [`MAX_COLUMNS`](crate::sheet::MAX_COLUMNS): the file's rows were
    /// read so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub assigned: Vec<AssignedColumn>,
    /// 外字: the first [`LISTED`] private-use characters.
    pub private_use: Vec<PrivateUse>,
    /// How many there are.
    pub private_use_total: u32,
    /// The first [`LISTED`] rows whose staff number was written in full-width letters or digits.
    pub normalised_rows: Vec<u32>,
    /// How many there are.
    pub normalised_total: u32,
    /// 発令区分 that sound like leaving but are none that is known, at most [`LISTED_KINDS`].
    #[serde(default)]
    pub like_leave: Vec<LikeLeave>,
    /// What is kept of the rejected rows.
    #[serde(default)]
    pub kept: KeptRows,
    /// The roster's version that the plan was made against.
    pub roster_version: u64,
    /// Where it stands.
    pub state: BatchState,
    /// Counts.
    pub summary: PlanSummary,
    /// How many [`PlanChunk`]s hold the plan.
    pub chunks: u32,
    /// Where the plan comes from. What is said of a file above is empty if not from one.
    #[serde(default)]
    pub origin: Origin,
    /// The length that staff numbers were padded to, if they were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub padded_to: Option<u8>,
    /// 応援職員: the last day of everybody on the list, if it is one of temporary accounts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temporary_until: Option<Date>,
    /// The plan whose rejected rows were mended for this one, and whose place it has taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mends: Option<BatchId>,
    /// Who brought the files of which mended rows have become a part of this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier_authors: Vec<Actor>,
    /// What was said of numbers that are possibly another person's, at most [`crate::identity::MAX_DECIDED`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decided: Vec<Decided>,
    /// How many [`crate::undo::BeforeChunk`]s say what people were before; none while it is planned, nor of an undo.
    #[serde(default)]
    pub befores: u32,
    /// [`plan_digest`] of it: names what an approval looked at.
    #[serde(default, with = "serde_bytes")]
    pub plan_digest: [u8; 32],
    /// Approval and time.
    #[serde(default)]
    pub release: Release,
}

impl Batch {
    /// Which batch it takes back.
    pub fn undoes(&self) -> Option<BatchId> {
        match self.origin {
            Origin::File => None,
            Origin::Undo { of, .. } => Some(of),
        }
    }

    /// Whether somebody has brought it, or a part of it.
    pub fn is_by(&self, actor: Actor) -> bool {
        self.uploaded_by == actor || self.earlier_authors.contains(&actor)
    }

    /// Since when it is in force, if it is.
    pub fn in_force_since(&self) -> Option<Timestamp> {
        match self.state {
            BatchState::Applied { at } => Some(at),
            _ => None,
        }
    }
}

fn own_layout() -> String {
    "own".to_owned()
}

/// Zeros in front that a spreadsheet has removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostZeros {
    /// Rows whose number would be a known one.
    pub rows: u32,
    /// The length of those known numbers, to pad to. `None` if that would not put them right.
    #[serde(default)]
    pub length: Option<u8>,
}

/// A 発令区分 that sounds like leaving, by which nobody leaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LikeLeave {
    /// As written, at most [`SHOWN`] characters of it.
    pub said: String,
    /// The first row with it.
    pub first: u32,
    /// How many rows have it.
    pub rows: u32,
}

/// How much is kept of the rejected rows of an upload, to be handed back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptRows {
    /// How many [`UploadPart`]s hold them.
    pub parts: u32,
    /// How many rows they hold: fewer than are rejected if those are very large.
    pub rows: u32,
    /// When they were forgotten.
    pub forgotten_at: Option<Timestamp>,
}

/// A part of what is kept of an upload that fits a stored value.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadPart {
    /// Of which batch.
    pub batch: BatchId,
    /// Which part, from 0.
    pub number: u32,
    /// A piece of [`rejected::Kept`](crate::sheet::rejected::Kept).
    #[serde(with = "serde_bytes")]
    pub bytes: Vec<u8>,
}

/// What people wrote is not for logs.
impl fmt::Debug for UploadPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UploadPart({}, {}, {} bytes)", self.batch, self.number, self.bytes.len())
    }
}

/// A part of a plan that fits a stored value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanChunk {
    /// Of which batch.
    pub batch: BatchId,
    /// Which part, from 0.
    pub number: u32,
    /// The lines, in the order of the file; leavers last.
    pub items: Vec<PlanItem>,
}

/// Lines in one [`PlanChunk`]: so many of the longest rows stay below 64 KiB.
pub const ITEMS_PER_CHUNK: usize = 32;
/// How many remarks on a file are stored with its batch, so that it stays below 64 KiB.
pub const LISTED: usize = 100;
/// How many different values of a column are stored.
pub const LISTED_KINDS: usize = 20;
/// Bytes in one [`UploadPart`].
pub const UPLOAD_PART: usize = 48 << 10;
/// How many names of sheets are stored.
pub const LISTED_SHEETS: usize = 20;
