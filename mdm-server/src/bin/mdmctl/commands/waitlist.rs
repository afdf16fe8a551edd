//! `mdmctl waitlist`.

use mdm_server::api::types::{WaitingAdded, WaitingRequest, WaitingView};

use crate::cli::{Waitlist, Who};
use crate::client::Client;
use crate::failure::Failure;
use crate::output::{answer, table, time};

pub(super) fn run(client: &Client, command: &Waitlist, json: bool) -> Result<(), Failure> {
    match command {
        Waitlist::Add(Who { account, source }) => {
            let request = WaitingRequest { account: account.clone(), source: source.clone() };
            let added: WaitingAdded = client.post(&["waitlist"], &[], &request)?;
            answer(json, &added, |added| match added.assigned {
                true => format!(
                    "A seat was free: account {} has it, and its code waits to be exported.",
                    added.account
                ),
                false => format!("No seat is free: account {} waits.", added.account),
            })
        }
        Waitlist::List => {
            let waiting: Vec<WaitingView> = client.get(&["waitlist"], &[])?;
            answer(json, &waiting, |waiting| list(waiting))
        }
    }
}

fn list(waiting: &[WaitingView]) -> String {
    let row = |entry: &WaitingView| {
        vec![
            entry.position.to_string(),
            entry.staff_number.clone(),
            entry.name.clone(),
            time(entry.since),
            entry.account.to_string(),
        ]
    };
    let rows: Vec<Vec<String>> = waiting.iter().map(row).collect();
    format!("{} waiting\n\n{}", rows.len(), table(&["place", "number", "name", "since", "account"], &rows))
}
