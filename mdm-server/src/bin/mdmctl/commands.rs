//! One file a noun: asks the server and says what it answered.

mod accounts;
mod batch;
pub(crate) mod codes;
mod columns;
mod devices;
mod documents;
mod licenses;
mod operators;
mod server;
mod substitutes;
mod waitlist;

use mdm_server::api::types::Page;
use serde::de::DeserializeOwned;

use crate::audit;
use crate::cli::{Audit, Cli, Command};
use crate::client::{Client, Query};
use crate::failure::Failure;

/// Carries a command out.
pub(crate) fn run(cli: &Cli) -> Result<(), Failure> {
    // The one command that needs no server.
    if let Command::Audit(Audit::Verify { file, key, at_least }) = &cli.command {
        return audit::verify(file, key.as_deref(), at_least.as_deref(), cli.json);
    }
    let client = Client::new(&cli.connection)?;
    match &cli.command {
        Command::Batch(command) => batch::run(&client, command, cli.json),
        Command::Codes(command) => codes::run(&client, command, cli.json),
        Command::Accounts(command) => accounts::run(&client, command, cli.json),
        Command::Licenses(command) => licenses::run(&client, command, cli.json),
        Command::Waitlist(command) => waitlist::run(&client, command, cli.json),
        Command::Columns(command) => columns::run(&client, command, cli.json),
        Command::Substitutes(command) => substitutes::run(&client, command, cli.json),
        Command::Devices(command) => devices::run(&client, command, cli.json),
        Command::Documents(command) => documents::run(&client, command, cli.json),
        Command::Operators(command) => operators::run(&client, command, cli.json),
        Command::Server => server::run(&client, cli.json),
        Command::Audit(Audit::Export { file }) => audit::export(&client, file, cli.json),
        Command::Audit(Audit::Verify { .. }) => Ok(()),
    }
}

/// All pages of a list.
fn all<T: DeserializeOwned>(client: &Client, path: &[&str], query: Query<'_>) -> Result<Vec<T>, Failure> {
    let mut items = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let mut query = query.to_vec();
        query.push(("limit", "1000"));
        query.extend(after.as_deref().map(|after| ("after", after)));
        let page: Page<T> = client.get(path, &query)?;
        items.extend(page.items);
        after = page.next;
        if after.is_none() {
            return Ok(items);
        }
    }
}

/// The source as a query, where one is named.
fn source(name: Option<&str>) -> Vec<(&str, &str)> {
    name.map(|name| ("source", name)).into_iter().collect()
}
