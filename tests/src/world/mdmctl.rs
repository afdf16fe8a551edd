//! `mdmctl` against the site's server, as its first owner.

use std::ffi::OsStr;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::{Finished, Process, Site};

impl Site {
    /// Starts `mdmctl` with `--json`.
    ///
    /// # Errors
    /// When it does not start.
    pub fn spawn_mdmctl(&self, arguments: &[impl AsRef<OsStr>]) -> Result<Process> {
        let mut command = self.command("mdmctl")?;
        command
            .env("MDM_SERVER", format!("https://{}", self.https()))
            .env("MDM_TOKEN", self.token_file())
            .env("MDM_CA", self.ca())
            .args(arguments)
            .arg("--json");
        Process::spawn("mdmctl", &mut command)
    }

    /// Runs `mdmctl` with `--json`, however it ends.
    ///
    /// # Errors
    /// When it does not start or does not end.
    pub fn try_mdmctl(&self, arguments: &[impl AsRef<OsStr>]) -> Result<Finished> {
        self.spawn_mdmctl(arguments)?.finish()
    }

    /// Runs `mdmctl` with `--json` and gives what it prints; `Null` if that is nothing.
    ///
    /// # Errors
    /// When it fails, with what it said.
    pub fn mdmctl(&self, arguments: &[impl AsRef<OsStr>]) -> Result<Value> {
        let words: Vec<_> = arguments.iter().map(|word| word.as_ref().to_string_lossy()).collect();
        let name = format!("mdmctl {}", words.join(" "));
        let finished = self.try_mdmctl(arguments)?.expect_success(&name)?;
        if finished.stdout.trim_ascii().is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&finished.stdout)
            .with_context(|| format!("{name} printed {}", finished.text()))
    }
}
