//! Codes as a file for a spreadsheet: RFC 4180 in UTF-8, with a byte order mark so that Excel reads it as such.

use jiff::Timestamp;

use super::types::CodeRow;
use crate::use_cases::statement::office_zone;

/// The header of the columns.
const HEADER: [&str; 14] = [
    "名簿区分",
    "職員番号",
    "氏名",
    "所属",
    "アクティベーションコード",
    "使用開始",
    "使用期限",
    "account",
    "フリガナ",
    "QRコード",
    "紛失連絡コード",
    "氏名(印字用)",
    "フリガナ(印字用)",
    "所属(印字用)",
];

/// All rows below a header.
pub(super) fn codes(rows: &[CodeRow]) -> Result<Vec<u8>, csv::Error> {
    let mut writer =
        csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(b"\xEF\xBB\xBF".to_vec());
    writer.write_record(HEADER)?;
    for row in rows {
        writer.write_record([
            &row.source,
            &row.staff_number,
            &row.name,
            &row.department,
            &row.code,
            &minute(row.valid_from),
            &minute(row.expires_at),
            &row.account.to_string(),
            row.kana.as_deref().unwrap_or_default(),
            &row.link,
            row.loss_code.as_deref().unwrap_or_default(),
            &row.printed_name,
            row.printed_kana.as_deref().unwrap_or_default(),
            &row.printed_department,
        ])?;
    }
    writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))
}

/// As a letter says it: to the minute, in the office's zone.
fn minute(at: Timestamp) -> String {
    at.to_zoned(office_zone()).strftime("%Y-%m-%d %H:%M").to_string()
}
