//! `mdmctl codes`.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use mdm_server::api::types::Reissued;
use serde_json::json;

use super::source;
use crate::cli::{Codes, Who};
use crate::client::Client;
use crate::failure::{self, Failure};
use crate::output::{answer, fields, print, time};

pub(super) fn run(client: &Client, command: &Codes, json: bool) -> Result<(), Failure> {
    match command {
        Codes::Export { file } => export(client, file.as_deref(), json),
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

/// The file is made before the codes are asked for: an export that could not be kept would be noted for nothing.
fn export(client: &Client, file: Option<&Path>, json: bool) -> Result<(), Failure> {
    let format = if json { "json" } else { "csv" };
    let ask = || client.post_for_bytes(&["codes", "export"], &[("format", format)]);
    let Some(path) = file else { return print(&ask()?) };
    let mut file = new_private(path)?;
    let bytes = ask().inspect_err(|_| {
        // Empty, and made here.
        let _ = std::fs::remove_file(path);
    })?;
    let written = file.write_all(&bytes).and_then(|()| file.sync_all());
    written.map_err(|error| failure::file(path, "write", &error))?;
    eprintln!(
        "mdmctl: the codes are in {}; whoever has a code can enrol as its owner: delete the file when the letters are \
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
