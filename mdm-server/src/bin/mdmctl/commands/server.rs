//! `mdmctl server`.

use mdm_server::api::types::ServerView;

use crate::client::Client;
use crate::failure::Failure;
use crate::output::{answer, fields, time};

pub(super) fn run(client: &Client, json: bool) -> Result<(), Failure> {
    let server: ServerView = client.get(&["server"], &[])?;
    answer(json, &server, human)
}

fn human(server: &ServerView) -> String {
    let Some(quarantine) = &server.quarantine else {
        return fields(&[("version", server.version.clone()), ("quarantine", "no".to_owned())]);
    };
    let why = match quarantine.shown_by {
        Some(device) => format!("device {device} has seen a journal entry that is not here"),
        None => "restored from a backup".to_owned(),
    };
    fields(&[
        ("version", server.version.clone()),
        ("quarantine", format!("since {}: opens no vault, enrols nobody", time(quarantine.since))),
        ("why", why),
        ("known up to", time(quarantine.known_until)),
        ("a device has seen", quarantine.seen_at.map_or_else(|| "nothing later".to_owned(), time)),
        ("way out", quarantine.way_out.clone()),
    ])
}
