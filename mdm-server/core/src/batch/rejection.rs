//! Why a row of a file is not accepted. What a batch does with rejected rows is in [`super`].

use serde::{Deserialize, Serialize};

/// Why a row is not accepted, for the person who mends the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
    /// The column's header as written, at most [`SHOWN`] characters of it.
    pub column: String,
    /// The cell as read, at most [`SHOWN`] characters of it.
    pub value: String,
    /// What is wrong with it.
    pub problem: RowProblem,
}

impl Rejection {
    /// A problem of a cell. Keeps at most [`SHOWN`] characters of header and value.
    pub fn new(column: &str, value: &str, problem: RowProblem) -> Self {
        Self { column: shown(column), value: shown(value), problem }
    }

    /// What is wrong, where, and what to do. Holds the cell's text: for the person who mends the file, not for logs.
    pub fn describe(&self, row: u32) -> String {
        format!("row {row}, column {:?}, {:?}: {}", self.column, self.value, self.problem)
    }
}

/// How many characters of a header or a cell are repeated to the person who mends the file.
pub const SHOWN: usize = 40;

/// The first [`SHOWN`] characters.
pub(crate) fn shown(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}

/// What can be wrong with a row. The text says what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum RowProblem {
    /// A cell that must be filled is empty.
    #[error("the cell is empty but must be filled; fill it in")]
    Missing,
    /// Longer than the column allows, or with a line break or invisible characters.
    #[error(
        "too long, or with a line break or an invisible character inside; type the value again, in one line"
    )]
    NotAcceptable,
    /// Another row has the same staff number.
    #[error("another row has the same staff number; leave one row a person, or correct the number")]
    DuplicateStaffNumber,
    /// Differs from a known staff number by zeros in front only, and the known one is not in the file.
    #[error(
        "a known staff number is the same but for zeros in front, which a spreadsheet removes; \
         format the column as text and type the zeros again"
    )]
    LeadingZeros,
    /// Begins like a formula: a spreadsheet would run it.
    #[error("begins like a formula; replace it by its result (copy, then paste as values)")]
    Formula,
    /// A character was lost before the file reached us: `?`, `〓` or U+FFFD inside a name.
    #[error(
        "a character was lost before the file was made; write it again, and save the file as UTF-8, \
         which has all characters"
    )]
    LostCharacter,
    /// Not a mail address.
    #[error("not a mail address; write it like taro@example.lg.jp")]
    Mail,
    /// Not a date.
    #[error("not a date; write it like 2027/4/1, 2027-04-01, 令和9年4月1日 or R9.4.1")]
    Date,
    /// Neither a yes nor a no.
    #[error("neither a yes nor a no; write ○ or 1 for yes, × or 0 or nothing for no")]
    YesNo,
    /// A spreadsheet's error instead of a value.
    #[error("an error of the spreadsheet instead of a value; mend the formula, or type the value")]
    SpreadsheetError,
    /// A number whose format shows something else than is kept.
    #[error(
        "the number is shown in a format that is not read here; format the column as text and type what is to be seen"
    )]
    NumberFormat,
    /// Neither 本務 nor 兼務.
    #[error("neither the main post nor a further one; write 本務 or 兼務")]
    Post,
    /// 兼務 rows without a 本務 row.
    #[error("no row tells this person's main post; add the row with 本務, or write 本務 in this one")]
    NoMainPost,
    /// Rows of one number that tell different names.
    #[error("the rows of this staff number tell different names; correct the number or the name")]
    PostsDisagree,
    /// Another row of the same person is not accepted.
    #[error("another row of the same person is not accepted; mend that one, and this one is taken with it")]
    OtherPost,
    /// A leaver who is not known.
    #[error("the row says that this person leaves, but nobody with this number is known; remove the row")]
    LeaverUnknown,
    /// On a list of those who leave, a row that says something else of the person.
    #[error(
        "the list is of people who leave, but the row says something else of this person; remove the row, or upload the \
         list as one of some people"
    )]
    NotLeaving,
    /// On a list of those who leave, a name that is not that of the person with this number.
    #[error(
        "the person with this number has another name; correct the number, or write the name as it is known, or leave the \
         cell empty"
    )]
    OtherName,
    /// A known number with another kana and another date of birth or hire.
    #[error(
        "the number is known, but kana and date of birth or hire are another's; say whether this is the same person or \
         another one who has the number now, or correct the row"
    )]
    PossiblyAnother,
    /// More or fewer cells than the header.
    #[error(
        "the row has more or fewer cells than the header; look for a missing or extra delimiter or quotation mark"
    )]
    CellCount,
}
