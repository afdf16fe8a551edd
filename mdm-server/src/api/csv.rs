//! Codes as a file for a spreadsheet: RFC 4180 in UTF-8, with a byte order mark so that Excel reads it as such.

use super::types::CodeRow;

/// The header of the columns.
const HEADER: [&str; 8] =
    ["名簿区分", "職員番号", "氏名", "所属", "アクティベーションコード", "使用開始", "使用期限", "account"];

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
            &row.valid_from.to_string(),
            &row.expires_at.to_string(),
            &row.account.to_string(),
        ])?;
    }
    writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))
}
