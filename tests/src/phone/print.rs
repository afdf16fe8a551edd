//! Answers as text for people and as JSON for programs.

use client_agent::{
    Document, DocumentState, EraseReport, Mended, NoteState, NoteStatus, SecondDeviceInvitation, Status,
};
use serde::Serialize;
use vault::{EntryInfo, Lost};

fn json(value: &impl Serialize) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}

/// A value as its JSON string, so that text and JSON use the same words.
fn word(value: &impl Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn line(label: &str, value: Option<String>) {
    if let Some(value) = value {
        println!("{label:<14}{value}");
    }
}

/// What is typed into the other device.
pub(super) fn invitation(invitation: &SecondDeviceInvitation) -> String {
    let SecondDeviceInvitation { code, expires_at, server } = invitation;
    format!("code      {}\nserver    {server}\nuntil     {expires_at}", *code.to_text())
}

pub(super) fn status(status: &Status, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return json(status);
    }
    line("state", Some(word(&status.state)));
    line("enrolment", status.enrolment.map(|id| id.to_string()));
    line("organisation", status.organisation.clone());
    line("server", status.server.clone());
    line("connected", Some(status.connected.to_string()));
    line("blocked", Some(status.blocked.to_string()));
    line(
        "lease",
        status.lease.as_ref().map(|lease| format!("{} until {}", word(&lease.mode), lease.ends_at)),
    );
    line("open until", status.open_until.map(|until| until.to_string()));
    line("wrong PINs", (status.wrong_pins > 0).then(|| status.wrong_pins.to_string()));
    line("next PIN at", status.unlock_after.map(|at| at.to_string()));
    line("vault epoch", Some(status.vault_epoch.to_string()));
    line("confinement", Some(word(&status.confinement)));
    line("last contact", status.last_contact.map(|at| at.to_string()));
    line(
        "wipe",
        status.wipe.as_ref().map(|wipe| {
            let next =
                wipe.next.map_or_else(|| "finished".to_owned(), |step| format!("next {}", word(&step)));
            format!("{} ({next}, acknowledged: {})", wipe.command, wipe.acknowledged)
        }),
    );
    Ok(())
}

pub(super) fn erase_state(report: &EraseReport, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return json(report);
    }
    for (label, done) in [
        ("intent written", report.intent_written),
        ("keys gone", report.keys_gone),
        ("data removed", report.data_removed),
        ("receipt stored", report.receipt_stored),
        ("acknowledged", report.acknowledged),
        ("identity deleted", report.identity_deleted),
        ("finished", report.finished),
    ] {
        println!("{label:<18}{}", if done { "yes" } else { "no" });
    }
    Ok(())
}

pub(super) fn documents(documents: &[Document], as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return json(&documents);
    }
    for document in documents {
        let state = match document.state {
            DocumentState::There { since } => format!("there since {since}"),
            DocumentState::Coming { received } => format!("coming, {received} bytes received"),
            DocumentState::Failed => "damaged on its way".to_owned(),
            DocumentState::TooLarge => "too large".to_owned(),
        };
        let Document { id, folder, title, size, media_type, .. } = document;
        println!("{id}  {size:>12}  {media_type}  {folder}/{title}  {state}");
    }
    Ok(())
}

pub(super) fn notes(notes: &[NoteStatus], as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return json(&notes);
    }
    for note in notes {
        let state = match note.state {
            NoteState::Sent => "sent",
            NoteState::Unsent => "unsent",
            NoteState::TooLarge => "unsent: larger than the server takes",
            NoteState::Full => "unsent: the server has no more room for this person's notes",
            NoteState::Refused => "unsent: the server does not take it",
            NoteState::Unreadable => "unsent: it cannot be read",
        };
        let copy = note.copy_of.map(|of| format!("  conflict copy of {of}")).unwrap_or_default();
        println!("{}  {state}{copy}", note.name);
    }
    Ok(())
}

pub(super) fn entry(info: &EntryInfo) -> String {
    format!("{:>12}  {}  {}", info.size, info.stored_at, info.name)
}

/// What cannot be read any more, one line each.
pub(super) fn lost(lost: &[Lost]) {
    if lost.is_empty() {
        println!("nothing is damaged");
    }
    for Lost { collection, name, unfinished, damage } in lost {
        let what = if *unfinished { "an unfinished write of " } else { "" };
        let name = name.as_deref().unwrap_or("(its name is lost, too)");
        println!("lost: {what}{collection:?} {name}: {damage}");
    }
}

/// What became of a vault that was damaged.
pub(super) fn mended(mended: &Mended) {
    match mended {
        Mended::Whole => println!("nothing is damaged, and nothing was changed"),
        Mended::StartedOver => println!("the vault is empty: what was not sent to the server is lost"),
        Mended::Repaired(salvaged) => {
            println!("kept {} records, lost {}", salvaged.kept, salvaged.lost.len());
            lost(&salvaged.lost);
            if salvaged.index_lost {
                println!("the index was made anew: what somebody has removed or set back is not noticed");
            }
            if salvaged.commits_lost > 0 {
                println!("the newest {} commits are lost", salvaged.commits_lost);
            }
        }
    }
}
