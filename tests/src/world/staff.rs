//! A few people with seats and codes, for tests that are not about the staff file.

use std::fmt::Write as _;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::Site;

/// Somebody who can enrol.
#[derive(Debug, Clone)]
pub struct Person {
    /// The account's id.
    pub account: String,
    /// 職員番号.
    pub staff_number: String,
    /// 氏名.
    pub name: String,
    /// The activation code as printed.
    pub code: String,
}

impl Site {
    /// Adds `count` people (at most 999) of the source `source` by a staff file, with as many more seats, and gives them
    /// with their codes.
    ///
    /// # Errors
    /// When the server refuses anything.
    pub fn hire(&self, source: &str, count: usize) -> Result<Vec<Person>> {
        let status = self.mdmctl(&["licenses", "status"])?;
        let seats = status["pool"].as_u64().context("a pool")? + count as u64;
        self.mdmctl(&["licenses", "pool", "set", &seats.to_string()])?;
        let mut text = String::from("職員番号,氏名,フリガナ,所属,職名,利用\r\n");
        for number in 1..=count {
            let given = char::from_u32(0x4e00 + number as u32).context("a character")?;
            write!(text, "{number:06},髙濵　{given},タカハマ　ジロウ,玉手部 箱課,主事,○\r\n")?;
        }
        let file = self.file(format!("{source}.csv"), text.as_bytes())?;
        let file = file.to_str().context("a path in UTF-8")?;
        let batch = self.upload(file, source, "upsert")?;
        self.apply(&batch)?;
        let known = self.accounts(source)?;
        let mut people = self.codes()?;
        people.retain(|person| known.iter().any(|account| account["id"] == person.account.as_str()));
        let (seats, found) = (self.mdmctl(&["licenses", "status"])?, people.len());
        ensure!(
            found == count,
            "{count} people should have codes, {found} have; {} accounts, seats: {seats}",
            known.len()
        );
        Ok(people)
    }

    /// Uploads a staff file and gives the batch's id.
    ///
    /// # Errors
    /// When it is refused.
    pub fn upload(&self, file: &str, source: &str, mode: &str) -> Result<String> {
        let batch = self.mdmctl(&["batch", "upload", file, "--source", source, "--mode", mode])?;
        text(&batch, "id")
    }

    /// Applies a batch.
    ///
    /// # Errors
    /// When it is refused.
    pub fn apply(&self, batch: &str) -> Result<Value> {
        self.mdmctl(&["batch", "apply", batch])
    }

    /// Everybody who holds a code that can be used.
    ///
    /// # Errors
    /// When the export is refused.
    pub fn codes(&self) -> Result<Vec<Person>> {
        let rows = self.mdmctl(&["codes", "export"])?;
        rows.as_array()
            .context("codes are a list")?
            .iter()
            .map(|row| {
                Ok(Person {
                    account: text(row, "account")?,
                    staff_number: text(row, "staff_number")?,
                    name: text(row, "name")?,
                    code: text(row, "code")?,
                })
            })
            .collect()
    }

    /// All accounts of a source.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub fn accounts(&self, source: &str) -> Result<Vec<Value>> {
        items(self.mdmctl(&["accounts", "list", "--source", source])?)
    }

    /// All devices.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub fn devices(&self) -> Result<Vec<Value>> {
        items(self.mdmctl(&["devices", "list"])?)
    }

    /// One device.
    ///
    /// # Errors
    /// When there is none.
    pub fn device(&self, id: &str) -> Result<Value> {
        self.mdmctl(&["devices", "show", id])
    }
}

fn text(value: &Value, field: &str) -> Result<String> {
    Ok(value[field].as_str().with_context(|| format!("{field} in {value}"))?.to_owned())
}

fn items(list: Value) -> Result<Vec<Value>> {
    match list {
        Value::Array(items) => Ok(items),
        Value::Object(mut page) => match page.remove("items") {
            Some(Value::Array(items)) => Ok(items),
            _ => anyhow::bail!("a list without items"),
        },
        other => anyhow::bail!("not a list: {other}"),
    }
}
