//! What travels over the HTTPS API, as JSON: shared by the server, `mdmctl` and whoever writes a client in Rust. Nothing
//! here decides anything.
//!
//! Times are RFC 3339 in UTC; ids are UUIDs in lower case with hyphens; byte strings are base64 (RFC 4648 section 4),
//! digests lower-case hexadecimal.

mod accounts;
mod audit;
mod batches;
mod codes;
mod columns;
mod devices;
mod documents;
mod licenses;
mod mail;
mod operators;
mod server;
mod substitutes;

pub use accounts::{
    AbsenceView, AccountDetail, AccountQuery, AccountView, CodeStanding, CodeWord, RemoveAbsenceRequest,
};
pub use audit::{CheckpointView, EntryView, PersonalView};
pub use batches::{
    AppliedView, ApplyRequest, ApprovalView, ApproveRequest, BatchView, BatchWord, CancelRequest,
    DecideRequest, DecidedRow, DifferenceQuery, DifferenceView, DifferentView, HeldView, ItemView, KindWord,
    LanguageQuery, MendQuery, PlanView, PrivateUseView, RejectionView, RowCount, ScheduleRequest,
    UndoRequest, UploadQuery,
};
pub use codes::{CodeRow, ExportFormat, ExportQuery, LanguageWord, LayoutWord, LettersQuery, Reissued};
pub use columns::{AssignedView, ColumnView, ColumnsRequest};
pub use devices::{CopyView, DeviceQuery, DeviceView, DeviceWord, OrderRequest, StatementView, WipeView};
pub use documents::{AudienceWord, DOCUMENT_PART, DepartmentWord, DocumentRequest, DocumentView, FILE_PART};
pub use licenses::{
    DayView, DaysQuery, EndingQuery, EndingView, LicenseStatus, NeedView, NoticedSeat, PoolRequest,
    ReclaimRequest, Reclaimed, ReclaimedSeat, RestoreRequest, WaitingAdded, WaitingRequest, WaitingView,
};
pub use mail::{MailCancelled, MailQueued, MailRequest, MailResults, MailView, MailWord};
pub use operators::{
    DeputyRequest, DeputyView, InvitationView, InviteRequest, OperatorView, OperatorWord, RoleRequest,
    TokenMade,
};
pub use server::{QuarantineView, ServerView};
pub use substitutes::{SubstituteView, SubstitutesRequest};

use serde::{Deserialize, Serialize};

/// Most bytes of a request's body, uploads excepted.
pub const MAX_BODY: usize = 64 * 1024;
/// Most bytes of an uploaded file.
pub const MAX_UPLOAD: usize = mdm_core::sheet::MAX_BYTES;
/// Rows of a page unless `limit` says otherwise.
pub const DEFAULT_PAGE: usize = 100;

/// The body of every answer that is not a success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// What went wrong.
    pub error: ErrorInfo,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorInfo {
    /// A name for programs, which does not change with the wording.
    pub code: String,
    /// What, where and what to do, for people.
    pub message: String,
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// To be given as `after` for the next page; absent at the end of the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Which part of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageQuery {
    /// `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Most rows, 1 to 1,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}
