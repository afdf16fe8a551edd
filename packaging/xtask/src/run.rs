//! Starting cargo: from the repository's root, in an environment as if it had been called by hand.

use std::env;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// One call of cargo.
pub(crate) struct Cargo {
    command: Command,
}

impl Cargo {
    /// A call of the cargo that runs this task, from the repository's root.
    pub(crate) fn new<I: IntoIterator<Item: AsRef<OsStr>>>(args: I) -> Self {
        let program = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(program);
        command.args(args).current_dir(root());
        // `cargo run` tells its program about the package. Handed on, these make build scripts that watch
        // them (ring's) run again at each change between here and a call by hand.
        for (name, _) in env::vars_os() {
            if name.to_str().is_some_and(set_by_cargo_run) {
                command.env_remove(name);
            }
        }
        // A build from nothing that nobody goes on with.
        if env::var_os("CI").is_some() {
            command.env("CARGO_INCREMENTAL", "0");
        }
        Self { command }
    }

    /// Adds arguments.
    pub(crate) fn args<I: IntoIterator<Item: AsRef<OsStr>>>(mut self, args: I) -> Self {
        self.command.args(args);
        self
    }

    /// Sets a variable of the environment.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs in the folder of whoever called, for programs that take paths.
    pub(crate) fn in_callers_folder(mut self) -> Self {
        // A `Command` cannot forget its folder; "." is the caller's.
        self.command.current_dir(".");
        self
    }

    /// Runs it to its end; an error says the command line and how it ended.
    pub(crate) fn run(mut self) -> Result<()> {
        let line = self.line();
        let status = self.command.status().with_context(|| format!("cannot start `{line}`"))?;
        if !status.success() {
            bail!("`{line}` failed: {status}");
        }
        Ok(())
    }

    /// Whether it succeeds, with its output thrown away.
    pub(crate) fn succeeds(mut self) -> bool {
        self.command.output().is_ok_and(|output| output.status.success())
    }

    /// Puts cargo in the place of this process, so that Ctrl+C and the exit status are the program's own.
    #[cfg(unix)]
    pub(crate) fn replace(mut self) -> Result<()> {
        use std::os::unix::process::CommandExt as _;
        let line = self.line();
        Err(self.command.exec()).with_context(|| format!("cannot start `{line}`"))
    }

    /// Runs cargo and ends with its exit status.
    #[cfg(not(unix))]
    pub(crate) fn replace(mut self) -> Result<()> {
        let line = self.line();
        let status = self.command.status().with_context(|| format!("cannot start `{line}`"))?;
        std::process::exit(status.code().unwrap_or(1))
    }

    /// The command line as one would type it.
    pub(crate) fn line(&self) -> String {
        let mut line = String::new();
        for (name, value) in self.command.get_envs() {
            if let Some(value) = value {
                let _ = write!(line, "{}={value:?} ", name.to_string_lossy());
            }
        }
        line.push_str("cargo");
        for arg in self.command.get_args() {
            let _ = write!(line, " {}", arg.to_string_lossy());
        }
        line
    }
}

fn set_by_cargo_run(name: &str) -> bool {
    name.starts_with("CARGO_PKG_")
        || matches!(
            name,
            "CARGO_MANIFEST_DIR" | "CARGO_MANIFEST_PATH" | "CARGO_BIN_NAME" | "CARGO_CRATE_NAME" | "OUT_DIR"
        )
}

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("this crate lies two folders below the root").to_path_buf()
}
