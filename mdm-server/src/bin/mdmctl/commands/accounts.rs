//! `mdmctl accounts`.

use mdm_server::api::types::{AbsenceView, AccountDetail, AccountView, CodeStanding, RemoveAbsenceRequest};

use super::{all, devices, source};
use crate::cli::{Accounts, Who};
use crate::client::Client;
use crate::failure::Failure;
use crate::output::{answer, fields, maybe_time, table, time, word};

pub(super) fn run(client: &Client, command: &Accounts, json: bool) -> Result<(), Failure> {
    match command {
        Accounts::List { search, source: name } => {
            let mut query = source(name.as_deref());
            query.extend(search.as_deref().map(|search| ("search", search)));
            let accounts: Vec<AccountView> = all(client, &["accounts"], &query)?;
            answer(json, &accounts, |accounts| list(accounts))
        }
        Accounts::Absence { who: Who { account, source: name }, from, until, remove } => {
            let query = source(name.as_deref());
            let noted: Vec<AbsenceView> = match remove {
                true => {
                    let request = RemoveAbsenceRequest { from: *from };
                    client.post(&["accounts", account, "absences", "removed"], &query, &request)?
                }
                false => {
                    let request = AbsenceView { from: *from, until: *until };
                    client.post(&["accounts", account, "absences"], &query, &request)?
                }
            };
            answer(json, &noted, |noted| absences(noted))
        }
        Accounts::Show(Who { account, source: name }) => {
            let detail: AccountDetail = client.get(&["accounts", account], &source(name.as_deref()))?;
            answer(json, &detail, show)
        }
    }
}

fn list(accounts: &[AccountView]) -> String {
    let row = |account: &AccountView| {
        let post = account.departments.first().map(|post| post.name.clone()).unwrap_or_default();
        let seat = if account.seat_since.is_some() { "yes" } else { "no" };
        vec![
            number(account),
            account.name.clone(),
            post,
            word(account.state),
            seat.to_owned(),
            account.source.clone(),
            account.id.to_string(),
        ]
    };
    let rows: Vec<Vec<String>> = accounts.iter().map(row).collect();
    let header = ["number", "name", "department", "state", "seat", "source", "id"];
    format!("{} accounts\n\n{}", rows.len(), table(&header, &rows))
}

/// The staff number, marked where it is another person's now.
fn number(account: &AccountView) -> String {
    match account.number_passed_to {
        Some(_) => format!("{} (former)", account.staff_number),
        None => account.staff_number.clone(),
    }
}

fn show(detail: &AccountDetail) -> String {
    let account = &detail.account;
    let posts: Vec<&str> = account.departments.iter().map(|post| post.name.as_str()).collect();
    let mut text = fields(&[
        ("id", account.id.to_string()),
        ("source", account.source.clone()),
        ("staff number", number(account)),
        ("name", account.name.clone()),
        ("kana", account.kana.clone().unwrap_or_default()),
        ("departments", posts.join(", ")),
        ("title", account.title.clone().unwrap_or_default()),
        ("mail", detail.mail.clone().unwrap_or_default()),
        ("state", format!("{} since {}", word(account.state), time(detail.state_since))),
        ("wishes a seat", if account.wishes_seat { "yes" } else { "no" }.to_owned()),
        ("seat since", maybe_time(account.seat_since)),
        ("waiting since", maybe_time(detail.waiting_since)),
        ("first sign-in", maybe_time(account.signed_in_at)),
    ]);
    if !detail.absences.is_empty() {
        text.push('\n');
        text.push_str(&absences(&detail.absences));
    }
    if !detail.codes.is_empty() {
        let rows: Vec<Vec<String>> = detail.codes.iter().map(code).collect();
        text.push('\n');
        text.push_str(&table(&["code", "issued", "valid until", "tries"], &rows));
    }
    for device in &detail.devices {
        text.push('\n');
        text.push_str(&devices::show(device));
    }
    text
}

fn absences(noted: &[AbsenceView]) -> String {
    let row = |one: &AbsenceView| {
        vec![
            one.from.to_string(),
            one.until.map_or_else(|| "not known yet".to_owned(), |day| day.to_string()),
        ]
    };
    let rows: Vec<Vec<String>> = noted.iter().map(row).collect();
    table(&["on leave from", "until"], &rows)
}

fn code(code: &CodeStanding) -> Vec<String> {
    vec![word(code.state), time(code.issued_at), time(code.expires_at), code.tries.to_string()]
}
