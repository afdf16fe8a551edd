//! Why a use case was not carried out: the reason as a type, so that each door can say it in its own words, and a class
//! for the API's status. The texts here are the API's, in English.

use mdm_core::absence::AbsenceError;
use mdm_core::account::{InvalidStaffNumber, SourceName, StaffNumber};
use mdm_core::apply::ApplyError;
use mdm_core::approval::ApprovalError;
use mdm_core::assignment::TooManyHeaders;
use mdm_core::command::CommandError;
use mdm_core::document::DocumentError;
use mdm_core::operator::{InvalidOperatorName, OperatorError, OperatorName};
use mdm_core::plan::WrongList;
use mdm_core::plan::mend::MendError;
use mdm_core::seats::{NotLoaded, ReissueError, SeatError};
use mdm_core::substitute::SubstituteError;
use mdm_core::undo::UndoError;
use mdm_store::{CommitError, ReadError, UnlockRecordsError};
use shared::ids::{AccountId, BatchId, CommandId, DocumentId, EnrolmentId};

use crate::documents::ContentError;

/// Why a use case was not carried out. Its text may be shown to the person who asked.
#[derive(Debug, thiserror::Error)]
pub enum UseCaseError {
    /// There is no such thing.
    #[error(transparent)]
    NotFound(#[from] Missing),
    /// What was asked for cannot be done as things stand, or was asked for wrongly.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The store cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The store did not take the change.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The key file failed. What was committed before stays committed.
    #[error("{done}{cause}")]
    UnlockRecords {
        /// What is in force all the same; empty or a sentence with a blank after it.
        done: &'static str,
        /// What failed.
        cause: UnlockRecordsError,
    },
    /// The contents of a document are not stored, or not there.
    #[error(transparent)]
    Contents(#[from] ContentError),
    /// A key did not sign.
    #[error(transparent)]
    Sign(#[from] shared::cose::SignError),
}

/// What is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// No account has this id.
    #[error("there is no account {0}")]
    Account(AccountId),
    /// Nobody of the source who has not left has this number.
    #[error("nobody in the source {source_name} has the staff number {number}")]
    StaffNumberInSource {
        /// Where it was looked for.
        source_name: SourceName,
        /// What was looked for.
        number: StaffNumber,
    },
    /// Nobody at all who has not left has this number.
    #[error("nobody has the staff number {0}: look for the name, or for zeros in front")]
    StaffNumber(StaffNumber),
    /// No device has this enrolment.
    #[error("there is no device {0}")]
    Device(EnrolmentId),
    /// No batch has this id.
    #[error("there is no batch {0}")]
    Batch(BatchId),
    /// A batch's plan is stored in parts, and one of them is not there.
    #[error("part {number} of the plan of batch {batch} is missing: upload the file again")]
    PlanPart {
        /// Whose plan.
        batch: BatchId,
        /// Which part, from 0.
        number: u32,
    },
    /// Nobody whom the batch made different has this staff number or department.
    #[error("the batch changed nobody of {0}: write the staff number or the department as the plan does")]
    InBatch(String),
    /// An upload had no rejected rows, or is no longer kept.
    #[error("no rejected rows are kept of batch {0}: it has none, or more than 30 days have passed")]
    RejectedRows(BatchId),
    /// No operator has this name or id.
    #[error("there is no operator {0}")]
    Operator(String),
    /// No document has this id.
    #[error("there is no document {0}")]
    Document(DocumentId),
    /// Nobody belongs to a department of this name.
    #[error("nobody belongs to a department {0}: write it as the staff file does")]
    Department(String),
    /// A wiped device without the command that wiped it.
    #[error("the command {0} of a wiped device is missing")]
    Command(CommandId),
}

/// Why something cannot be done as things stand, or was asked for wrongly.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The text is no staff number.
    #[error(transparent)]
    StaffNumber(#[from] InvalidStaffNumber),
    /// The number means one person in each of several sources.
    #[error(
        "the staff number {number} occurs in several sources ({}): name the source, or use the account's id",
        listed(sources)
    )]
    SeveralSources {
        /// What was looked for.
        number: StaffNumber,
        /// Where it was found.
        sources: Vec<SourceName>,
    },
    /// A device takes no such command now. Never [`CommandError::Sign`].
    #[error(transparent)]
    Command(CommandError),
    /// Seats stay as they are.
    #[error(transparent)]
    Seat(#[from] SeatError),
    /// The batch does not take effect.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// The batch is not undone.
    #[error(transparent)]
    Undo(#[from] UndoError),
    /// Everybody is as before already.
    #[error("there is nothing to undo: everybody who is meant is as before the batch")]
    NothingToUndo,
    /// Days of notice or grace that cannot be counted.
    #[error("notice and grace have at most 365 days each")]
    StepDays,
    /// The batch comes no nearer to taking effect.
    #[error(transparent)]
    Approval(#[from] ApprovalError),
    /// An absence is not noted.
    #[error(transparent)]
    Absence(#[from] AbsenceError),
    /// The list is not of the kind that its source is.
    #[error(transparent)]
    WrongList(#[from] WrongList),
    /// Mended rows do not go back into the plan.
    #[error(transparent)]
    Mend(#[from] MendError),
    /// The lines of the plan were deleted.
    #[error("the lines of this plan were deleted 30 days after its end: the counts and the journal stay")]
    LinesDeleted,
    /// No other code is issued.
    #[error(transparent)]
    Reissue(#[from] ReissueError),
    /// The account's code was sealed under another master key.
    #[error("the activation code of account {0} does not open under this server's master key: reissue it")]
    CodeDoesNotOpen(AccountId),
    /// Between issuing a code and reading it back somebody replaced or used it.
    #[error("the new code was replaced or used at once: look at the account again")]
    CodeGoneAtOnce,
    /// The text is no sign-in name.
    #[error(transparent)]
    OperatorName(#[from] InvalidOperatorName),
    /// Operators stay as they are. Never [`OperatorError::Unknown`].
    #[error(transparent)]
    Operator(OperatorError),
    /// What is remembered of columns stays as it is.
    #[error(transparent)]
    Columns(#[from] TooManyHeaders),
    /// The table of substitutes stays as it is.
    #[error(transparent)]
    Substitute(#[from] SubstituteError),
    /// An operator's secret was sealed under another master key.
    #[error(
        "the authenticator's secret of {0} does not open under this server's master key: invite them anew"
    )]
    AuthenticatorDoesNotOpen(OperatorName),
    /// Documents stay as they are.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// The level of a document is above what goes to phones.
    #[error(
        "documents of this level do not go to phones: publish them elsewhere, or set documents.level_3_on_phones"
    )]
    LevelNotForPhones,
    /// The department's name occurs in several sources.
    #[error("several sources have a department {0}: name the source as well")]
    SeveralDepartments(String),
    /// This server cannot print letters.
    #[error(transparent)]
    LetterFont(#[from] crate::letters::FontProblem),
    /// The font lacks characters of names or departments.
    #[error(
        "the font lacks characters of {} people, so no letter was made: ask for substitutes, which are listed on the first page, \
         or set another font in [letters]: {}",
        .0.len(),
        lost(.0)
    )]
    LettersWouldLose(Vec<super::letters::LostText>),
    /// Nobody has a code for a letter.
    #[error("nobody who was asked for has a code that can be used: apply the batch, or reissue codes")]
    NoLetters,
    /// No mail server is configured.
    #[error("this server sends no mail: set [mail] in its configuration, or print letters")]
    NoMail,
    /// Mail was asked for by way of a batch that nobody has put in force.
    #[error("the batch is not in force: its codes can be sent once it is")]
    MailBeforeForce,
    /// What stands on letters does not fit them. Never a person's.
    #[error("letters cannot be made: {0}")]
    Letters(String),
    /// Two batches of different lists have no people in common.
    #[error("the batches are of different sources: compare two of the same")]
    OtherSource,
    /// Too much is being done at once.
    #[error("the server is busy: try again in a few seconds")]
    Busy,
    /// The server has forgotten something and does only what cannot do harm.
    #[error(
        "the server is in quarantine: it was restored, or a device has seen more than its journal holds. It answers hellos, \
         wipes and receipts and nothing else until a newer journal is loaded (`mdm-server quarantine load`) or an owner \
         confirms in the console which devices were wiped"
    )]
    Quarantine,
    /// The quarantine goes on.
    #[error(transparent)]
    Leave(#[from] mdm_core::quarantine::LeaveError),
    /// The server ends before it could begin.
    #[error("the server is shutting down: try again later")]
    ShuttingDown,
}

/// People who are named in a message at most.
const NAMED: usize = 20;

fn lost(people: &[super::letters::LostText]) -> String {
    let named = people.iter().take(NAMED).map(|person| {
        let lost: Vec<String> = person.lost.iter().map(mdm_letters::Lost::code_points).collect();
        format!("{} {} ({})", person.staff_number, person.name, lost.join(", "))
    });
    let more = if people.len() > NAMED { "; …" } else { "" };
    named.collect::<Vec<_>>().join("; ") + more
}

fn listed(sources: &[SourceName]) -> String {
    sources.iter().map(SourceName::as_str).collect::<Vec<_>>().join(", ")
}

impl From<CommandError> for UseCaseError {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Sign(error) => Self::Sign(error),
            other => Self::Refused(Refusal::Command(other)),
        }
    }
}

impl From<OperatorError> for UseCaseError {
    fn from(error: OperatorError) -> Self {
        match error {
            OperatorError::Unknown(id) => Self::NotFound(Missing::Operator(id.to_string())),
            other => Self::Refused(Refusal::Operator(other)),
        }
    }
}

macro_rules! refused {
    ($($cause:ty),+) => {
        $(
            impl From<$cause> for UseCaseError {
                fn from(error: $cause) -> Self {
                    Self::Refused(error.into())
                }
            }
        )+
    };
}

refused!(
    DocumentError,
    mdm_core::quarantine::LeaveError,
    InvalidStaffNumber,
    InvalidOperatorName,
    TooManyHeaders,
    SubstituteError,
    SeatError,
    ApplyError,
    UndoError,
    ApprovalError,
    MendError,
    ReissueError
);

impl From<NotLoaded> for UseCaseError {
    fn from(error: NotLoaded) -> Self {
        SeatError::from(error).into()
    }
}
