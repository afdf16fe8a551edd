//! `mdmctl codes`.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use mdm_server::api::types::Reissued;
use serde_json::json;
use zeroize::Zeroizing;

use super::source;
use crate::cli::{Codes, Language, Layout, Who};
use crate::client::Client;
use crate::failure::{self, Failure};
use crate::output::{answer, fields, print, time};

pub(super) fn run(client: &Client, command: &Codes, json: bool) -> Result<(), Failure> {
    match command {
        Codes::Export { file } => export(client, file.as_deref(), json),
        Codes::Letters { batch, layout, language, substitutes, out, all: _ } => {
            let batch = batch.map(|batch| batch.to_string());
            let layout = match layout {
                Layout::One => "one",
                Layout::Ten => "ten",
            };
            let language = match language {
                Language::Ja => "ja",
                Language::En => "en",
            };
            let substitutes = if *substitutes { "true" } else { "false" };
            let mut query = vec![("layout", layout), ("language", language), ("substitutes", substitutes)];
            query.extend(batch.as_deref().map(|batch| ("batch", batch)));
            keep(out, "the letters are", || client.post_for_bytes(&["codes", "letters"], &query))
        }
        Codes::Reissue(Who { account, source: name }) => {
            let done: Reissued =
                client.post(&["accounts", account, "code"], &source(name.as_deref()), &json!({}))?;
            answer(json, &done, |Reissued { code }| {
                fields(&[
                    ("staff number", code.staff_number.clone()),
                    ("name", code.name.clone()),
                    ("code", code.code.clone()),
                    ("valid until", time(code.expires_at)),
                ])
            })
        }
    }
}

fn export(client: &Client, file: Option<&Path>, json: bool) -> Result<(), Failure> {
    let format = if json { "json" } else { "csv" };
    let ask = || client.post_for_bytes(&["codes", "export"], &[("format", format)]);
    match file {
        Some(path) => keep(path, "the codes are", ask),
        None => print(&ask()?),
    }
}

/// The file is made before the codes are asked for: an export that could not be kept would be noted for nothing.
fn keep(
    path: &Path,
    what: &str,
    ask: impl FnOnce() -> Result<Zeroizing<Vec<u8>>, Failure>,
) -> Result<(), Failure> {
    let mut file = new_private(path)?;
    let bytes = ask().inspect_err(|_| {
        // Empty, and made here.
        let _ = std::fs::remove_file(path);
    })?;
    let written = file.write_all(&bytes).and_then(|()| file.sync_all());
    written.map_err(|error| failure::file(path, "write", &error))?;
    eprintln!(
        "mdmctl: {what} in {}; whoever has a code can enrol as its owner: delete the file when the letters are \
         printed",
        path.display()
    );
    Ok(())
}

/// A file that was not there and that only its owner may read.
pub(crate) fn new_private(path: &Path) -> Result<File, Failure> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    made.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => Failure::Usage(format!(
            "{} exists already: nothing is written over; name another file",
            path.display()
        )),
        _ => failure::file(path, "make", &error),
    })
}
