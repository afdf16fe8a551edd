//! `mdmctl audit`: the journal to a file, and a file verified without a server.
//!
//! The file is JSON Lines: one [`EntryView`] a line in order, then one [`CheckpointView`].

use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::Path;

use mdm_server::api::types::{CheckpointView, EntryView, Page};
use mdm_server::journal_file::{self, Anchors, Verdict};
use serde::Serialize;

use crate::client::Client;
use crate::commands::codes::new_private;
use crate::failure::{self, Failure};
use crate::output::{answer, fields, time};

/// Writes the journal up to a checkpoint made now, and the checkpoint. A file of that name appears only when all of it is
/// there.
pub(crate) fn export(client: &Client, path: &Path, json: bool) -> Result<(), Failure> {
    if path.exists() {
        return Err(Failure::Usage(format!(
            "{} exists already: nothing is written over; name another file",
            path.display()
        )));
    }
    let part = path.with_added_extension("part");
    let file = new_private(&part)?;
    let written = write(client, file).and_then(|checkpoint| {
        std::fs::rename(&part, path).map_err(|error| failure::file(path, "write", &error))?;
        Ok(checkpoint)
    });
    let checkpoint = written.inspect_err(|_| {
        // Unfinished, and made here.
        let _ = std::fs::remove_file(&part);
    })?;
    answer(json, &checkpoint, |checkpoint| {
        // The fingerprint to compare with is one that was noted before, not the one of this file.
        fields(&[
            ("entries", checkpoint.sequence.to_string()),
            ("head", format!("{}:{}", checkpoint.sequence, checkpoint.hash)),
            ("checkpoint of", time(checkpoint.at)),
            (
                "signed by",
                journal_file::fingerprint_of(checkpoint).unwrap_or_else(|| "an unreadable key".to_owned()),
            ),
            ("verify with", format!("mdmctl audit verify {} --key FINGERPRINT", path.display())),
        ])
    })
}

fn write(client: &Client, file: File) -> Result<CheckpointView, Failure> {
    let checkpoint: CheckpointView = client.get(&["audit", "checkpoint"], &[])?;
    let mut out = BufWriter::new(file);
    let mut written = 0;
    while written < checkpoint.sequence {
        let after = written.to_string();
        let page: Page<EntryView> =
            client.get(&["audit", "entries"], &[("after", &after), ("limit", "1000")])?;
        for entry in page.items.iter().take_while(|entry| entry.sequence <= checkpoint.sequence) {
            line(&mut out, entry)?;
            written = entry.sequence;
        }
        if after == written.to_string() {
            return Err(Failure::Here(format!(
                "the server's journal ends after entry {written}: ask its operator"
            )));
        }
    }
    line(&mut out, &checkpoint)?;
    let file = out.into_inner().map_err(|error| unwritten(error.error()))?;
    file.sync_all().map_err(|error| unwritten(&error))?;
    Ok(checkpoint)
}

fn line(out: &mut impl Write, value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value).map_err(|error| unwritten(&error.into()))?;
    writeln!(out, "{text}").map_err(|error| unwritten(&error))
}

fn unwritten(error: &std::io::Error) -> Failure {
    Failure::Here(format!("the journal cannot be written: {error}"))
}

/// Verifies a file and says against what.
pub(crate) fn verify(
    path: &Path,
    key: Option<&str>,
    at_least: Option<&str>,
    json: bool,
) -> Result<(), Failure> {
    let anchors = Anchors::parse(key, at_least).map_err(|error| Failure::Usage(error.to_string()))?;
    let file = File::open(path).map_err(|error| failure::file(path, "read", &error))?;
    let verdict = journal_file::verify(BufReader::new(file), &anchors)
        .map_err(|error| Failure::NotVerified(format!("{}: {error}", path.display())))?;
    answer(json, &verdict, human)
}

fn human(verdict: &Verdict) -> String {
    fields(&[
        ("entries", verdict.entries.to_string()),
        ("head", format!("{}:{}", verdict.entries, verdict.head)),
        ("checkpoint of", time(verdict.checkpoint_at)),
        ("signed by", verdict.key_fingerprint.clone()),
        ("personal values deleted", verdict.personal_values_deleted.to_string()),
        ("verdict", verdict.verdict.clone()),
    ])
}
