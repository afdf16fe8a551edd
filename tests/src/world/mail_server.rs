//! A mail server that records and answers as it is told: `tests/mail/server.py`, with a certificate of an authority of its own.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use mdm_server::config::{Mail, MailLanguage, MailTls};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustix::fs::{Mode, chmod};
use serde::Deserialize;
use tempfile::TempDir;

use super::Process;
use super::ports::{self, Port};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/mail/server.py");
/// Debian's, which has Debian's packages.
const PYTHON: &str = "/usr/bin/python3";
/// As whom the server signs in.
const USER: &str = "mdm";
const PASSWORD: &str = "a long way down to the sea";

/// A mail that was taken.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Taken {
    /// `MAIL FROM`.
    pub from: String,
    /// `RCPT TO`.
    pub to: Vec<String>,
    /// Whether it came through TLS.
    pub tls: bool,
    /// Who had signed in.
    pub user: Option<String>,
    /// Decoded, by their names in small letters.
    pub headers: BTreeMap<String, String>,
    /// The text, decoded.
    pub body: String,
    /// The whole, as it came.
    pub raw: String,
}

/// How the mail server is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// STARTTLS, and nothing before it but a greeting; then a sign-in.
    Starttls,
    /// No TLS, and a sign-in with a readable password.
    Readable,
}

/// The mail server, or its place while it is down.
pub struct MailServer {
    process: Option<Process>,
    port: Port,
    folder: TempDir,
}

impl MailServer {
    /// One that is down, at an address that it keeps.
    ///
    /// # Errors
    /// When its folder or its certificate cannot be made.
    pub fn new() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("tamatebako-mail-").tempdir()?;
        for name in ["taken", "seen", "answers"] {
            fs::create_dir(folder.path().join(name))?;
        }
        let server = Self { process: None, port: ports::free()?, folder };
        server.make_certificate()?;
        let password = server.path("password");
        fs::write(&password, format!("{PASSWORD}\n"))?;
        chmod(&password, Mode::RUSR)?;
        Ok(server)
    }

    /// One that runs.
    ///
    /// # Errors
    /// When it does not start, with what it said.
    pub fn running(offer: Offer) -> Result<Self> {
        let mut server = Self::new()?;
        server.start(offer)?;
        Ok(server)
    }

    fn make_certificate(&self) -> Result<()> {
        let authority_key = KeyPair::generate()?;
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        fs::write(self.authority(), authority.self_signed(&authority_key)?.pem())?;
        let key = KeyPair::generate()?;
        let leaf = CertificateParams::new(vec!["localhost".to_owned()])?;
        let leaf = leaf.signed_by(&key, &Issuer::new(authority, authority_key))?;
        fs::write(self.path("certificate.pem"), leaf.pem())?;
        Ok(fs::write(self.path("key.pem"), key.serialize_pem())?)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The certificate of its authority, PEM.
    pub fn authority(&self) -> PathBuf {
        self.path("authority.pem")
    }

    /// Where it is or will be.
    pub fn address(&self) -> SocketAddr {
        self.port.address
    }

    /// `[mail]` with which a server reaches it.
    pub fn config(&self) -> Mail {
        Mail {
            host: "localhost".to_owned(),
            port: self.port.address.port(),
            tls: MailTls::Starttls,
            from: "玉手県 情報政策課 <helpdesk@pref.tamate.example>".to_owned(),
            user: Some(USER.to_owned()),
            password_file: Some(self.path("password")),
            ca_file: Some(self.authority()),
            per_minute: 6000,
            language: MailLanguage::Ja,
        }
    }

    /// Starts it.
    ///
    /// # Errors
    /// When it does not start, with what it said.
    pub fn start(&mut self, offer: Offer) -> Result<()> {
        ensure!(self.process.is_none(), "the mail server is running already");
        ensure!(Path::new(PYTHON).exists(), "{PYTHON} is missing: apt-get install python3-aiosmtpd");
        let mut command = Command::new(PYTHON);
        command.arg(SCRIPT).arg(self.folder.path()).arg(self.port.address.port().to_string());
        if offer == Offer::Starttls {
            command.arg("--certificate").arg(self.path("certificate.pem"));
            command.arg("--key").arg(self.path("key.pem"));
        }
        command.args(["--user", USER, "--password", PASSWORD]);
        let process = Process::spawn("the mail server", &mut command)?;
        process.wait_for_line("listening", |line| (line == "ready").then_some(()))?;
        self.process = Some(process);
        Ok(())
    }

    /// Ends it, and keeps its address.
    ///
    /// # Errors
    /// When it was not running.
    pub fn stop(&mut self) -> Result<()> {
        self.process.take().context("the mail server is not running")?.kill().map(drop)
    }

    /// Answers mail to `address` with this from now on, like `451 later`; `None` takes it.
    ///
    /// # Errors
    /// When it cannot be told.
    pub fn answers(&self, address: &str, answer: Option<&str>) -> Result<()> {
        let file = self.path("answers").join(address);
        match answer {
            Some(answer) => Ok(fs::write(file, answer)?),
            None => Ok(fs::remove_file(file)?),
        }
    }

    /// From now on, whether the answer to a whole mail waits.
    ///
    /// # Errors
    /// When it cannot be told.
    pub fn hold(&self, holds: bool) -> Result<()> {
        match holds {
            true => Ok(fs::write(self.path("hold"), "")?),
            false => Ok(fs::remove_file(self.path("hold"))?),
        }
    }

    /// All mail that was taken, in its order.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn taken(&self) -> Result<Vec<Taken>> {
        self.read("taken")?.iter().map(|text| Ok(serde_json::from_str(text)?)).collect()
    }

    /// What else it saw: `connect`, `starttls`, `auth`, `auth-refused`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn seen(&self) -> Result<Vec<String>> {
        self.read("seen")
    }

    fn read(&self, kind: &str) -> Result<Vec<String>> {
        let mut paths = super::files::files(&self.path(kind))?;
        paths.sort();
        paths.iter().map(|path| Ok(fs::read_to_string(path)?)).collect()
    }
}
