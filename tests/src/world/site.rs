//! A server's folder, addresses and tools, whoever runs the server.

use std::ffi::OsStr;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use mdm_server::config::{Batches, Config};
use mdm_server::init::{CA_FILE, OWNER_TOKEN_FILE};
use tempfile::TempDir;

use super::ports::{self, Port};
use super::{Phone, binary, files};

/// A folder for one server and its phones.
pub struct Site {
    folder: PathBuf,
    quic: Arc<Port>,
    https: Arc<Port>,
    /// Of a folder that is removed when the site is dropped.
    _temporary: Option<TempDir>,
}

impl Site {
    /// An empty folder, removed when the site is dropped, and free addresses.
    pub(super) fn new() -> Result<Self> {
        let temporary = tempfile::Builder::new().prefix("tamatebako-").tempdir()?;
        let site = Self::within(temporary.path())?;
        Ok(Self { _temporary: Some(temporary), ..site })
    }

    /// A folder that is empty, or made, and stays; free addresses.
    pub(super) fn within(folder: &Path) -> Result<Self> {
        // Without symbolic links: paths are compared with what the system says of open files.
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        let folder = folder.canonicalize().with_context(|| folder.display().to_string())?;
        fs::create_dir(folder.join("tmp"))?;
        fs::create_dir(folder.join("phones"))?;
        let (quic, https) = (ports::free()?.into(), ports::free()?.into());
        Ok(Self { folder, quic, https, _temporary: None })
    }

    /// A copy in a folder of its own, at the same addresses, so that copied phones find their server. The server must
    /// not be running.
    pub(super) fn copy(&self) -> Result<Self> {
        let mut copy = Self::new()?;
        // Its own, which are empty, are among what is copied.
        files::copy(&self.folder, &copy.folder)?;
        (copy.quic, copy.https) = (self.quic.clone(), self.https.clone());
        let (data, secrets) = (copy.data(), copy.secrets());
        copy.edit_config(|config| (config.data, config.secrets) = (data, secrets))?;
        Ok(copy)
    }

    /// Other free addresses, also in the configuration if there is one.
    pub(super) fn move_to_other_ports(&mut self) -> Result<()> {
        let (quic, https) = (ports::free()?, ports::free()?);
        self.edit_config(|config| {
            (config.listen.quic, config.listen.https) = (quic.address, https.address);
            config.public_address = quic.address.to_string();
        })?;
        (self.quic, self.https) = (quic.into(), https.into());
        Ok(())
    }

    /// The folder of everything.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The server's data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The folder of the master key and the owner's token.
    pub fn secrets(&self) -> PathBuf {
        self.folder.join("secrets")
    }

    /// The server's configuration file.
    pub fn config_file(&self) -> PathBuf {
        self.folder.join("mdm-server.toml")
    }

    /// The temporary folder of all processes of this site.
    pub fn tmp(&self) -> PathBuf {
        self.folder.join("tmp")
    }

    /// Where devices reach the server (UDP).
    pub fn quic(&self) -> SocketAddr {
        self.quic.address
    }

    /// Where the API is (TCP).
    pub fn https(&self) -> SocketAddr {
        self.https.address
    }

    /// The certificate of the server's authority, PEM.
    pub fn ca(&self) -> PathBuf {
        self.data().join(CA_FILE)
    }

    /// The first owner's token file.
    pub fn token_file(&self) -> PathBuf {
        self.secrets().join(OWNER_TOKEN_FILE)
    }

    /// The configuration as it would be written by `mdm-server init`.
    pub(super) fn first_config(&self) -> Config {
        Config {
            organisation: "玉手県".to_owned(),
            public_address: self.quic().to_string(),
            time_zone: "Asia/Tokyo".to_owned(),
            data: self.data(),
            secrets: self.secrets(),
            listen: mdm_server::config::Listen {
                quic: self.quic(),
                https: self.https(),
                https_names: vec!["localhost".to_owned(), "127.0.0.1".to_owned()],
            },
            devices: mdm_server::config::Devices { wrong_pin_delay_seconds: 0, ..Default::default() },
            documents: mdm_server::config::Documents::default(),
            notes: mdm_server::config::Notes::default(),
            letters: mdm_server::config::Letters::default(),
            batches: Self::unguarded(),
            mail: None,
        }
    }

    /// Who uploads applies: the stories of approval set their own guards.
    pub(super) fn unguarded() -> Batches {
        Batches { leavers_percent: 100, approval_above: u32::MAX, ..Batches::default() }
    }

    /// Changes the configuration file; a running server does not notice.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn edit_config(&self, edit: impl FnOnce(&mut Config)) -> Result<()> {
        let path = self.config_file();
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let mut config = toml::from_str(&text)?;
        edit(&mut config);
        Ok(fs::write(&path, toml::to_string_pretty(&config)?)?)
    }

    /// A program of this workspace, with the temporary folder of this site.
    ///
    /// # Errors
    /// When it is not built.
    pub fn command(&self, program: &str) -> Result<Command> {
        let mut command = Command::new(binary(program)?);
        command.env("TMPDIR", self.tmp()).env("NO_COLOR", "1");
        Ok(command)
    }

    /// The phone whose home is the folder `name` of this site. The folder is made by its enrolment.
    pub fn phone(&self, name: &str) -> Phone {
        Phone::new(self.folder.join("phones").join(name), self.quic(), self.tmp())
    }

    /// Writes a file into this site, for uploads and the like.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn file(&self, name: impl AsRef<OsStr>, bytes: &[u8]) -> Result<PathBuf> {
        let path = self.folder.join(name.as_ref());
        fs::write(&path, bytes).with_context(|| path.display().to_string())?;
        Ok(path)
    }
}
