//! `phone` processes: one home folder each.

use std::ffi::OsStr;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use client_agent::Document;
use serde_json::Value;
use shared::ids::DocumentId;

use super::{Finished, Process, binary, files};

/// A phone that is switched off: a home folder. Every call is a process of its own.
#[derive(Debug, Clone)]
pub struct Phone {
    home: PathBuf,
    server: SocketAddr,
    tmp: PathBuf,
    pin: Option<String>,
    model: Option<String>,
}

impl Phone {
    pub(super) fn new(home: PathBuf, server: SocketAddr, tmp: PathBuf) -> Self {
        Self { home, server, tmp, pin: None, model: None }
    }

    /// The same phone, whose commands carry a PIN: without a running phone, `put`, `get` and `ls` unlock with it.
    pub fn with_pin(&self, pin: &str) -> Self {
        Self { pin: Some(pin.to_owned()), ..self.clone() }
    }

    /// The same phone, which says that it is of this model.
    pub fn of_model(&self, model: &str) -> Self {
        Self { model: Some(model.to_owned()), ..self.clone() }
    }

    /// The same phone, to be enrolled with the server at this address: by way of a link, for example.
    pub fn at(&self, server: SocketAddr) -> Self {
        Self { server, ..self.clone() }
    }

    /// The home folder.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Another phone with a copy of this one's home, beside it.
    ///
    /// # Errors
    /// When the home cannot be copied.
    pub fn copy(&self, name: &str) -> Result<Self> {
        let home = self.home.with_file_name(name);
        files::copy(&self.home, &home)?;
        Ok(Self { home, ..self.clone() })
    }

    /// `phone` with these arguments, not started.
    ///
    /// # Errors
    /// When the program is not built.
    pub fn command(&self, arguments: &[impl AsRef<OsStr>]) -> Result<Command> {
        let mut command = Command::new(binary("phone")?);
        command.env("TMPDIR", &self.tmp).arg("--home").arg(&self.home).args(arguments);
        if let Some(model) = &self.model {
            command.env("TBK_MODEL", model);
        }
        match &self.pin {
            Some(pin) => command.env("TBK_PIN", pin),
            None => command.env_remove("TBK_PIN"),
        };
        Ok(command)
    }

    /// Starts `phone`.
    ///
    /// # Errors
    /// When it does not start.
    pub fn spawn(&self, arguments: &[impl AsRef<OsStr>]) -> Result<Process> {
        Process::spawn("phone", &mut self.command(arguments)?)
    }

    /// Runs `phone`, however it ends.
    ///
    /// # Errors
    /// When it does not start or does not end.
    pub fn call(&self, arguments: &[impl AsRef<OsStr>]) -> Result<Finished> {
        self.spawn(arguments)?.finish()
    }

    fn succeed(&self, arguments: &[&str]) -> Result<Finished> {
        self.call(arguments)?.expect_success(&format!("phone {}", arguments[0]))
    }

    /// Enrols with a code and sets a PIN, however it ends.
    ///
    /// # Errors
    /// When the process does not start or does not end.
    pub fn try_enrol(&self, code: &str, pin: &str) -> Result<Finished> {
        let server = self.server.to_string();
        self.call(&["enrol", "--code", code, "--server", &server, "--pin", pin])
    }

    /// Enrols with a code and sets a PIN.
    ///
    /// # Errors
    /// When it fails, with what it said.
    pub fn enrol(&self, code: &str, pin: &str) -> Result<()> {
        self.try_enrol(code, pin)?.expect_success("phone enrol").map(drop)
    }

    /// Unlocks, however it ends.
    ///
    /// # Errors
    /// When the process does not start or does not end.
    pub fn try_unlock(&self, pin: &str) -> Result<Finished> {
        self.call(&["unlock", "--pin", pin])
    }

    /// Unlocks.
    ///
    /// # Errors
    /// When it fails, with what it said.
    pub fn unlock(&self, pin: &str) -> Result<()> {
        self.succeed(&["unlock", "--pin", pin]).map(drop)
    }

    /// Locks a running phone.
    ///
    /// # Errors
    /// When it fails, with what it said.
    pub fn lock(&self) -> Result<()> {
        self.succeed(&["lock"]).map(drop)
    }

    /// Connects once: obeys commands, sends a receipt that is owed. However it ends.
    ///
    /// # Errors
    /// When the process does not start or does not end.
    pub fn sync(&self) -> Result<Finished> {
        self.call(&["sync"])
    }

    /// Stores a file, in the open vault of a running phone or by [`Phone::with_pin`].
    ///
    /// # Errors
    /// When it fails, with what it said.
    pub fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let source = tempfile::NamedTempFile::new()?;
        fs::write(source.path(), bytes)?;
        self.succeed(&["put", name, source.path().to_str().context("a path in UTF-8")?]).map(drop)
    }

    /// Gives a stored file.
    ///
    /// # Errors
    /// When it fails, with what it said.
    pub fn get(&self, name: &str) -> Result<Vec<u8>> {
        Ok(self.succeed(&["get", name])?.stdout)
    }

    /// What `ls` prints.
    ///
    /// # Errors
    /// When it fails, with what it said.
    pub fn ls(&self) -> Result<String> {
        Ok(self.succeed(&["ls"])?.text())
    }

    /// The documents that it lists.
    ///
    /// # Errors
    /// When it fails, with what it said.
    pub fn documents(&self) -> Result<Vec<Document>> {
        let finished = self.succeed(&["documents", "--json"])?;
        serde_json::from_slice(&finished.stdout).with_context(|| finished.text())
    }

    /// The contents of a document.
    ///
    /// # Errors
    /// When it fails, with what it said.
    pub fn document(&self, id: DocumentId) -> Result<Vec<u8>> {
        Ok(self.succeed(&["document", &id.to_string()])?.stdout)
    }

    /// Where the phone stands.
    ///
    /// # Errors
    /// When it fails, with what it said.
    pub fn status(&self) -> Result<Value> {
        let finished = self.succeed(&["status", "--json"])?;
        serde_json::from_slice(&finished.stdout).with_context(|| finished.text())
    }

    /// What of a wipe is done.
    ///
    /// # Errors
    /// When it fails, with what it said.
    pub fn erase_state(&self) -> Result<Value> {
        let finished = self.succeed(&["erase-state", "--json"])?;
        serde_json::from_slice(&finished.stdout).with_context(|| finished.text())
    }

    /// Switches the phone on and waits until it is connected. It stays connected, and keeps what lives in memory (a
    /// volatile lease, an open vault), until the result is dropped.
    ///
    /// # Errors
    /// When it does not connect, with what it said.
    pub fn run(&self) -> Result<RunningPhone> {
        let process = self.spawn(&["run"])?;
        process.wait_for_line("connecting", |line| (line == "connected").then_some(()))?;
        Ok(RunningPhone { process })
    }
}

/// A phone that is switched on. Dropping it is pulling out its battery.
pub struct RunningPhone {
    process: Process,
}

impl RunningPhone {
    /// The process.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// SIGKILL: the battery is pulled out.
    ///
    /// # Errors
    /// When it had ended by itself before.
    pub fn kill(self) -> Result<()> {
        self.process.kill().map(drop)
    }

    /// Waits until the phone ends by itself.
    ///
    /// # Errors
    /// When it does not.
    pub fn finish(self) -> Result<Finished> {
        self.process.finish()
    }
}
