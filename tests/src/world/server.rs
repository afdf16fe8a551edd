//! The server as a process.

use std::ffi::OsString;
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use shared::policy::LeaseMode;

use super::shim::Shim;
use super::{Finished, Process, Site, binary, wait};

/// A site whose server is a process. Dropping it kills the server; if the test fails, the server's log is printed.
pub struct World {
    site: Site,
    server: Option<Process>,
    was_up: bool,
    /// What servers that ended before have logged.
    earlier_logs: String,
}

impl Deref for World {
    type Target = Site;

    fn deref(&self) -> &Site {
        &self.site
    }
}

impl DerefMut for World {
    fn deref_mut(&mut self) -> &mut Site {
        &mut self.site
    }
}

/// How the server is started.
#[derive(Default)]
pub struct Launch {
    prefix: Vec<OsString>,
    variables: Vec<(&'static str, OsString)>,
}

impl Launch {
    /// Logging everything that can be logged.
    pub fn at_trace() -> Self {
        Self {
            prefix: Vec::new(),
            variables: vec![("MDM_LOG", "trace".into()), ("RUST_BACKTRACE", "full".into())],
        }
    }

    /// With the shim loaded.
    pub fn with(shim: &Shim) -> Self {
        let mut variables = shim.variables();
        variables.push(("LD_PRELOAD", shim.library().into()));
        Self { prefix: Vec::new(), variables }
    }

    /// With these modules logging as much (`MDM_LOG`).
    pub fn logging(filter: &str) -> Self {
        Self { prefix: Vec::new(), variables: vec![("MDM_LOG", filter.into())] }
    }

    /// Under strace, which writes calls named by `filter` (`-e trace=`) to `output`; strings in full, descriptors with
    /// their paths and addresses. The shim, if any, is loaded into the server and not into strace.
    pub fn traced(output: &Path, filter: &str, shim: Option<&Shim>) -> Self {
        // -D: the traced process is our child and gets our signals.
        let mut prefix: Vec<OsString> =
            ["strace", "-D", "-f", "-yy", "-qq", "-s", "4194304", "-e", "signal=none"]
                .map(OsString::from)
                .to_vec();
        prefix.extend(["-e".into(), format!("trace={filter}").into(), "-o".into(), output.into()]);
        let mut variables = Vec::new();
        if let Some(shim) = shim {
            let mut preload = OsString::from("LD_PRELOAD=");
            preload.push(shim.library());
            prefix.extend(["-E".into(), preload]);
            variables = shim.variables();
        }
        Self { prefix, variables }
    }

    fn command(&self, program: &Path) -> Command {
        let mut words = self.prefix.iter().cloned().chain([program.as_os_str().to_owned()]);
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words).envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }
}

impl World {
    /// A fresh server that runs.
    ///
    /// # Errors
    /// When it does not start, with what it said.
    pub fn new() -> Result<Self> {
        let mut world = Self::prepared()?;
        world.start()?;
        Ok(world)
    }

    /// A fresh server that was initialised and is not running: its configuration can be edited.
    ///
    /// # Errors
    /// When it cannot be initialised, with what it said.
    pub fn prepared() -> Result<Self> {
        Self::init(Site::new()?)
    }

    /// The same in a folder of yours, which is empty or not there yet, and stays when the world is dropped.
    ///
    /// # Errors
    /// When it cannot be initialised, with what it said.
    pub fn prepared_in(folder: &Path) -> Result<Self> {
        Self::init(Site::within(folder)?)
    }

    /// As [`Self::prepared`], and the server will grant leases that survive a restart, also to keys without hardware: what lies on
    /// a phone's disk then is the most that can be left on it.
    ///
    /// # Errors
    /// When it cannot be initialised, with what it said.
    pub fn with_durable_leases() -> Result<Self> {
        let world = Self::prepared()?;
        world.edit_config(|config| {
            config.devices.lease_mode = LeaseMode::Durable;
            config.devices.durable_lease_on_software_keys = true;
        })?;
        Ok(world)
    }

    fn init(site: Site) -> Result<Self> {
        let mut command = site.command("mdm-server")?;
        command
            .args(["init", "--organisation", "玉手県"])
            .args(["--public-address".to_owned(), site.quic().to_string()])
            .args([
                "--quic".to_owned(),
                site.quic().to_string(),
                "--https".to_owned(),
                site.https().to_string(),
            ])
            .arg("--config")
            .arg(site.config_file())
            .arg("--data")
            .arg(site.data())
            .arg("--secrets")
            .arg(site.secrets());
        Process::spawn("mdm-server init", &mut command)?.finish()?.expect_success("mdm-server init")?;
        site.edit_config(|config| {
            // Tests of wrong PINs would wait for minutes; the one of the delay sets its own.
            config.devices.wrong_pin_delay_seconds = 0;
            config.batches = Site::unguarded();
        })?;
        Ok(Self { site, server: None, was_up: false, earlier_logs: String::new() })
    }

    /// A copy of everything, phones as well, in a folder of its own and at the same addresses. Neither this server nor
    /// another copy's may run while the copy's does.
    ///
    /// # Errors
    /// When this server is running, or something cannot be copied.
    pub fn copy(&self) -> Result<Self> {
        ensure!(self.server.is_none(), "stop the server before its folder is copied");
        Ok(Self { site: self.site.copy()?, server: None, was_up: self.was_up, earlier_logs: String::new() })
    }

    /// Starts the server and waits until it serves.
    ///
    /// # Errors
    /// When it does not start, with what it said.
    pub fn start(&mut self) -> Result<()> {
        self.start_with(&Launch::default())
    }

    /// The same, started in another way.
    ///
    /// # Errors
    /// When it does not start, with what it said.
    pub fn start_with(&mut self, launch: &Launch) -> Result<()> {
        ensure!(self.server.is_none(), "the server is running already");
        wait::until("a port that nobody else holds", || match self.try_start(launch) {
            Err(error) if format!("{error:#}").contains("cannot listen") => {
                // Phones know the address of a server that was up: it is waited for. Another server can move.
                (!self.was_up).then(|| self.site.move_to_other_ports()).and_then(Result::err).map(Err)
            }
            started => Some(started),
        })?
    }

    fn try_start(&mut self, launch: &Launch) -> Result<()> {
        let mut command = launch.command(&binary("mdm-server")?);
        command
            .env("TMPDIR", self.tmp())
            .env("NO_COLOR", "1")
            .arg("serve")
            .arg("--config")
            .arg(self.config_file());
        let server = Process::spawn("mdm-server serve", &mut command)?;
        let line = server.wait_for_line("serving", |line| Some(line.to_owned()))?;
        let expected = format!("ready quic={} https={}", self.quic(), self.https());
        ensure!(line == expected, "the server should say {expected:?} and says {line:?}");
        self.server = Some(server);
        self.was_up = true;
        Ok(())
    }

    /// SIGTERM, and waits for an orderly end.
    ///
    /// # Errors
    /// When there is none.
    pub fn stop(&mut self) -> Result<()> {
        let server = self.server.take().context("the server is not running")?;
        server.terminate()?;
        let finished = server.finish()?;
        self.earlier_logs.push_str(&finished.stderr);
        finished.expect_success("stopping the server").map(drop)
    }

    /// SIGKILL.
    ///
    /// # Errors
    /// When it had ended by itself before.
    pub fn kill(&mut self) -> Result<()> {
        let server = self.server.take().context("the server is not running")?;
        let finished = server.kill()?;
        self.earlier_logs.push_str(&finished.stderr);
        ensure!(finished.status.code().is_none(), "the server had ended before: {}", finished.status);
        Ok(())
    }

    /// Stops and starts.
    ///
    /// # Errors
    /// When one of the two fails.
    pub fn restart(&mut self) -> Result<()> {
        self.stop()?;
        self.start()
    }

    /// Waits until the server ends by itself.
    ///
    /// # Errors
    /// When it does not.
    pub fn wait_for_end(&mut self) -> Result<Finished> {
        let finished = self.server.take().context("the server is not running")?.finish()?;
        self.earlier_logs.push_str(&finished.stderr);
        Ok(finished)
    }

    /// Whether the server is there.
    pub fn is_up(&self) -> bool {
        self.server.as_ref().is_some_and(|server| !server.has_ended())
    }

    /// The running server.
    ///
    /// # Errors
    /// When it is not running.
    pub fn server(&self) -> Result<&Process> {
        match &self.server {
            Some(server) => Ok(server),
            None => bail!("the server is not running"),
        }
    }

    /// What the server has logged, in all its runs.
    pub fn log(&self) -> String {
        let now = self.server.as_ref().map(Process::log).unwrap_or_default();
        format!("{}{now}", self.earlier_logs)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- log of the server in {} ---\n{}---", self.folder().display(), self.log());
        }
    }
}
