//! chromedriver and the session with it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};

use super::Options;
use crate::world::Process;

/// Without a display or a sandbox of its own (tests may run as root in a container), and without calls home.
const ARGUMENTS: [&str; 10] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
];

/// Starts chromedriver on a port of its choice and gives its address.
pub(super) fn start(folder: &Path) -> Result<(Process, String)> {
    let mut command = Command::new("chromedriver");
    command.arg("--port=0").env("TMPDIR", folder);
    let process = Process::spawn("chromedriver", &mut command).context(
        "chromedriver is missing: `cargo xtask test` installs it (Debian: apt-get install chromium-driver)",
    )?;
    let port: u16 = process.wait_for_line("its port", |line| {
        line.split_once("started successfully on port ")?.1.trim_end_matches('.').parse().ok()
    })?;
    Ok((process, format!("http://127.0.0.1:{port}")))
}

/// Starts the browser.
pub(super) async fn session(address: &str, profile: &Path, options: &Options) -> Result<Client> {
    let Value::Object(capabilities) = capabilities(profile, options) else {
        unreachable!("capabilities are an object")
    };
    let mut builder = ClientBuilder::new(HttpConnector::new());
    Ok(builder.capabilities(capabilities).connect(address).await?)
}

/// Where downloaded files are put.
pub(super) fn downloads(profile: &Path) -> PathBuf {
    profile.join("downloads")
}

fn capabilities(profile: &Path, options: &Options) -> Value {
    let mut arguments: Vec<String> = ARGUMENTS.map(str::to_owned).to_vec();
    arguments.push(format!("--user-data-dir={}", profile.join("profile").display()));
    arguments.push(format!("--lang={}", options.language.tag()));
    let mut preferences = json!({
        "intl.accept_languages": options.language.tag(),
        "download.default_directory": downloads(profile),
        "download.prompt_for_download": false,
    });
    if !options.javascript {
        // As an administrator forbids scripts by policy: 2 is "block".
        preferences["profile.managed_default_content_settings.javascript"] = json!(2);
    }
    json!({
        "browserName": "chrome",
        "acceptInsecureCerts": true,
        "goog:chromeOptions": { "args": arguments, "prefs": preferences },
    })
}
