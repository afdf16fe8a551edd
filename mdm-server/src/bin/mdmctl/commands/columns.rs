//! `mdmctl columns`, and what `batch upload` says of columns.

use std::collections::BTreeMap;

use mdm_server::api::types::{ColumnView, ColumnsRequest};

use crate::cli::Columns;
use crate::client::Client;
use crate::failure::Failure;
use crate::output::{answer, table, time};

pub(super) fn run(client: &Client, command: &Columns, json: bool) -> Result<(), Failure> {
    let (source, header, is) = match command {
        Columns::List => {
            let all: Vec<ColumnView> = client.get(&["columns"], &[])?;
            return answer(json, &all, |all| list(all));
        }
        Columns::Set { source, header, is } => (source, header, Some(is.clone())),
        Columns::Forget { source, header } => (source, header, None),
    };
    let request = ColumnsRequest { source: source.clone(), columns: BTreeMap::from([(header.clone(), is)]) };
    let of_source: Vec<ColumnView> = client.put(&["columns"], &request)?;
    answer(json, &of_source, |of_source| list(of_source))
}

fn list(columns: &[ColumnView]) -> String {
    let row =
        |one: &ColumnView| vec![one.source.clone(), one.header.clone(), one.is.clone(), time(one.said_at)];
    let rows: Vec<Vec<String>> = columns.iter().map(row).collect();
    table(&["source", "header", "is", "said at"], &rows)
}

/// The values of `--column` as the server takes them; `None` if there are none. A header may have the sign in it.
pub(super) fn said(columns: &[String]) -> Result<Option<String>, Failure> {
    let mut said = BTreeMap::new();
    for column in columns {
        let wrong = || Failure::Usage(format!("--column {column}: write HEADER=IS, like 備考=ignored"));
        let (header, is) = column.rsplit_once('=').ok_or_else(wrong)?;
        if said.insert(header, is).is_some() {
            return Err(Failure::Usage(format!("--column {column}: the column {header} is given twice")));
        }
    }
    let object = serde_json::json!(said).to_string();
    Ok((!said.is_empty()).then_some(object))
}

#[cfg(test)]
mod tests {

    #[test]
    fn columns_are_said_as_an_object_each_once() {
        let said = |columns: &[&str]| {
            super::said(&columns.iter().map(|column| (*column).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(said(&[]).unwrap(), None);
        let both = said(&["a=b=name", "備考=ignored"]).unwrap();
        assert_eq!(both.as_deref(), Some(r#"{"a=b":"name","備考":"ignored"}"#));
        for wrong in [&["備考"][..], &["備考=ignored", "備考=title"]] {
            assert_eq!(said(wrong).unwrap_err().status(), 2, "{wrong:?}");
        }
    }
}
