//! Why a file or a row is not accepted, in the viewer's language: what is wrong, where, and what to do.

use mdm_core::batch::{Rejection, RowProblem};
use mdm_core::sheet::{
    Column, Encoding, LooksLike, MAX_BYTES, MAX_CELL, MAX_COLUMNS, MAX_ROWS, Place, SheetError, Unreadable,
};

use crate::console::page::grouped;
use crate::console::words::{FluentValue, Language};

/// Why a file is not read.
pub(super) fn file(language: Language, error: &SheetError) -> String {
    let say = |key: &str, values: &[(&str, FluentValue<'_>)]| language.say(key, values);
    let number = |count: usize| FluentValue::from(grouped(count as u64));
    match error {
        SheetError::Empty => say("batches-file-empty", &[]),
        SheetError::NoRows => say("batches-file-no-rows", &[]),
        SheetError::TooLarge { bytes } => say(
            "batches-file-too-large",
            &[("size", number(bytes.div_ceil(1 << 20))), ("most", number(MAX_BYTES >> 20))],
        ),
        SheetError::TooManyRows => say("batches-file-too-many-rows", &[("most", number(MAX_ROWS))]),
        SheetError::TooManyColumns { row, columns } => say(
            "batches-file-too-many-columns",
            &[("row", number(*row as usize)), ("columns", number(*columns)), ("most", number(MAX_COLUMNS))],
        ),
        SheetError::CellTooLong(at) => say(
            "batches-file-cell-too-long",
            &[("place", place(language, *at).into()), ("most", number(MAX_CELL))],
        ),
        SheetError::WorkbookCellTooLong(at) => say(
            "batches-file-workbook-cell-too-long",
            &[("place", place(language, *at).into()), ("most", number(MAX_CELL))],
        ),
        SheetError::RejectedRowsOnly => say("batches-file-rejected-rows-only", &[]),
        SheetError::NotText(looks_like) => format!(
            "{}{}",
            say("batches-file-not-text", &[("format", format_name(language, *looks_like).into())]),
            say(format_cure(*looks_like), &[])
        ),
        SheetError::Workbook(why) => say(
            match why {
                Unreadable::Damaged => "batches-file-workbook-damaged",
                Unreadable::TooLarge => "batches-file-workbook-too-large",
                Unreadable::NoSheet => "batches-file-workbook-no-sheet",
                Unreadable::Binary => "batches-file-workbook-binary",
            },
            &[],
        ),
        SheetError::Undecodable { encoding, at, offset, byte } => format!(
            "{}{}",
            say(
                "batches-file-undecodable",
                &[
                    ("place", place(language, *at).into()),
                    ("byte", format!("0x{byte:02X}").into()),
                    ("offset", number(*offset)),
                    ("encoding", self::encoding(language, *encoding).into()),
                ]
            ),
            say(encoding_cure(*encoding), &[])
        ),
        SheetError::NoMark => say("batches-file-no-mark", &[]),
        SheetError::OtherEncoding { declared, found } => say(
            "batches-file-other-encoding",
            &[
                ("declared", encoding(language, *declared).into()),
                ("found", encoding(language, *found).into()),
            ],
        ),
        SheetError::Quotation(at) => say("batches-file-quotation", &[("place", place(language, *at).into())]),
        SheetError::MissingColumn { column, found } => say(
            "batches-file-missing-column",
            &[
                ("column", self::column(language, *column).into()),
                ("accepted", listed(language, &column.accepted()).into()),
                ("found", listed(language, found).into()),
            ],
        ),
        SheetError::DuplicateColumn { column, first, second } => say(
            "batches-file-duplicate-column",
            &[
                ("column", self::column(language, *column).into()),
                ("first", first.as_str().into()),
                ("second", second.as_str().into()),
            ],
        ),
        SheetError::IgnoredColumn { column, header } => say(
            "batches-file-ignored-column",
            &[("column", self::column(language, *column).into()), ("header", header.as_str().into())],
        ),
        SheetError::NoSuchColumn { header } => {
            say("batches-file-no-such-column", &[("header", header.as_str().into())])
        }
    }
}

fn place(language: Language, at: Place) -> String {
    language.say("batches-place", &[("row", at.row.into()), ("column", at.column.into())])
}

/// Names one after the other.
pub(super) fn listed<T: AsRef<str>>(language: Language, names: &[T]) -> String {
    let between = match language {
        Language::Japanese => "、",
        Language::English => ", ",
    };
    names.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(between)
}

fn format_name(language: Language, looks_like: LooksLike) -> String {
    let key = match looks_like {
        LooksLike::Zip => "batches-format-zip",
        LooksLike::OpenDocument => "batches-format-open-document",
        LooksLike::Markup => "batches-format-markup",
        LooksLike::OldExcel => "batches-format-old-excel",
        LooksLike::Png | LooksLike::Jpeg | LooksLike::Gif => "batches-format-picture",
        LooksLike::Pdf => "batches-format-pdf",
        LooksLike::Gzip => "batches-format-gzip",
        LooksLike::Binary => "batches-format-binary",
    };
    language.say(key, &[])
}

fn format_cure(looks_like: LooksLike) -> &'static str {
    match looks_like {
        LooksLike::Zip => "batches-cure-unpack",
        LooksLike::OpenDocument | LooksLike::Markup => "batches-cure-xlsx",
        LooksLike::OldExcel => "batches-cure-excel",
        LooksLike::Png | LooksLike::Jpeg | LooksLike::Gif | LooksLike::Pdf => "batches-cure-pick",
        LooksLike::Gzip => "batches-cure-unpack",
        LooksLike::Binary => "batches-cure-export",
    }
}

fn encoding_cure(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Utf8 | Encoding::Utf8Bom => "batches-cure-utf-8",
        Encoding::Cp932 => "batches-cure-cp932",
        Encoding::Utf16 => "batches-cure-utf-16",
    }
}

/// An encoding's name.
pub(super) fn encoding(language: Language, encoding: Encoding) -> String {
    stored_encoding(language, encoding.name())
}

/// The same by the name that is stored with a batch.
pub(super) fn stored_encoding(language: Language, name: &str) -> String {
    match name {
        "UTF-8 with BOM" => language.say("batches-encoding-utf-8-bom", &[]),
        "CP932" => language.say("batches-encoding-cp932", &[]),
        other => other.to_owned(),
    }
}

/// A layout by the name that is stored with a batch.
pub(super) fn stored_layout(language: Language, name: &str) -> String {
    let key = match name {
        "google-workspace" => "batches-layout-google",
        "microsoft-entra" => "batches-layout-entra",
        "cybozu-com" => "batches-layout-cybozu",
        "cybozu-com-headerless" => "batches-layout-cybozu-headerless",
        "garoon" => "batches-layout-garoon",
        _ => "batches-layout-own",
    };
    language.say(key, &[])
}

/// A delimiter by the name that is stored with a batch.
pub(super) fn stored_delimiter(language: Language, name: &str) -> String {
    let key = match name {
        "tab" => "batches-delimiter-tab",
        "semicolon" => "batches-delimiter-semicolon",
        _ => "batches-delimiter-comma",
    };
    language.say(key, &[])
}

/// What a column tells.
pub(super) fn column(language: Language, column: Column) -> String {
    let key = match column {
        Column::StaffNumber => "batches-number",
        Column::Login => "batches-login",
        Column::Name => "batches-name",
        Column::FamilyName => "batches-family-name",
        Column::GivenName => "batches-given-name",
        Column::FamilyKana => "batches-family-kana",
        Column::GivenKana => "batches-given-kana",
        Column::OrgUnit => "batches-org-unit",
        Column::Post => "batches-post",
        Column::Appointment => "batches-appointment",
        Column::Deleted => "batches-deleted",
        Column::Kana => "batches-kana",
        Column::Department => "batches-department",
        Column::DepartmentCode => "batches-department-code",
        Column::Bureau => "batches-bureau",
        Column::Division => "batches-division",
        Column::Section => "batches-section",
        Column::Title => "batches-person-title",
        Column::Employment => "batches-employment",
        Column::TermEnds => "batches-term-ends",
        Column::BirthDate => "batches-birth-date",
        Column::HireDate => "batches-hire-date",
        Column::Mail => "batches-mail",
        Column::Wish => "batches-wish",
    };
    language.say(key, &[])
}

/// What is wrong with a row.
pub(super) fn row_why(language: Language, problem: RowProblem) -> String {
    let key = match problem {
        RowProblem::Missing => "batches-why-missing",
        RowProblem::NotAcceptable => "batches-why-not-acceptable",
        RowProblem::DuplicateStaffNumber => "batches-why-duplicate",
        RowProblem::LeadingZeros => "batches-why-leading-zeros",
        RowProblem::Formula => "batches-why-formula",
        RowProblem::LostCharacter => "batches-why-lost-character",
        RowProblem::Mail => "batches-why-mail",
        RowProblem::Date => "batches-why-date",
        RowProblem::YesNo => "batches-why-yes-no",
        RowProblem::CellCount => "batches-why-cell-count",
        RowProblem::SpreadsheetError => "batches-why-spreadsheet-error",
        RowProblem::NumberFormat => "batches-why-number-format",
        RowProblem::Post => "batches-why-post",
        RowProblem::NoMainPost => "batches-why-no-main-post",
        RowProblem::PostsDisagree => "batches-why-posts-disagree",
        RowProblem::OtherPost => "batches-why-other-post",
        RowProblem::LeaverUnknown => "batches-why-leaver-unknown",
        RowProblem::NotLeaving => "batches-why-not-leaving",
        RowProblem::OtherName => "batches-why-other-name",
        RowProblem::PossiblyAnother => "batches-why-possibly-another",
    };
    language.say(key, &[])
}

/// The cell's value as it is shown; of a row whose cells do not fit the header how many there are.
pub(super) fn row_value(language: Language, rejection: &Rejection) -> String {
    match (rejection.problem, rejection.value.split_once(" / ")) {
        (RowProblem::CellCount, Some((cells, header))) => {
            language.say("batches-cells-of", &[("cells", cells.into()), ("header", header.into())])
        }
        _ => rejection.value.clone(),
    }
}

/// Column, reason and cure in one text.
pub(super) fn in_one(language: Language, rejection: &Rejection, in_workbook: bool) -> String {
    let why = row_why(language, rejection.problem);
    let cure = row_cure(language, rejection.problem, in_workbook);
    if rejection.column.is_empty() {
        let value = row_value(language, rejection);
        return language.say(
            "batches-reason-of-row",
            &[("value", value.into()), ("why", why.into()), ("cure", cure.into())],
        );
    }
    let column = rejection.column.as_str();
    language.say(
        "batches-reason-of-cell",
        &[("column", column.into()), ("why", why.into()), ("cure", cure.into())],
    )
}

/// What to do about it. A workbook has neither delimiters nor an encoding.
pub(super) fn row_cure(language: Language, problem: RowProblem, in_workbook: bool) -> String {
    let key = match problem {
        RowProblem::CellCount if in_workbook => "batches-do-cell-count-workbook",
        RowProblem::LostCharacter if in_workbook => "batches-do-lost-character-workbook",
        RowProblem::Missing => "batches-do-missing",
        RowProblem::NotAcceptable => "batches-do-not-acceptable",
        RowProblem::DuplicateStaffNumber => "batches-do-duplicate",
        RowProblem::LeadingZeros => "batches-do-leading-zeros",
        RowProblem::Formula => "batches-do-formula",
        RowProblem::LostCharacter => "batches-do-lost-character",
        RowProblem::Mail => "batches-do-mail",
        RowProblem::Date => "batches-do-date",
        RowProblem::YesNo => "batches-do-yes-no",
        RowProblem::CellCount => "batches-do-cell-count",
        RowProblem::SpreadsheetError => "batches-do-spreadsheet-error",
        RowProblem::NumberFormat => "batches-do-number-format",
        RowProblem::Post => "batches-do-post",
        RowProblem::NoMainPost => "batches-do-no-main-post",
        RowProblem::PostsDisagree => "batches-do-posts-disagree",
        RowProblem::OtherPost => "batches-do-other-post",
        RowProblem::LeaverUnknown => "batches-do-leaver-unknown",
        RowProblem::NotLeaving => "batches-do-not-leaving",
        RowProblem::OtherName => "batches-do-other-name",
        RowProblem::PossiblyAnother => "batches-do-possibly-another",
    };
    language.say(key, &[])
}
