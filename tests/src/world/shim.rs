//! The C library in `tests/shim/writes.c`: compiled when first needed, loaded into a program under test, where it counts
//! the calls that change its folder, records them with their bytes, kills at one of them, or takes every sync out.

use std::collections::hash_map::DefaultHasher;
use std::ffi::OsString;
use std::fs;
use std::hash::{Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::PoisonError;

use anyhow::{Context as _, Result, ensure};
use rustix::io::Errno;

use super::Site;

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/shim/writes.c");

/// What the library does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Counts.
    Count,
    /// SIGKILL right after the call with this number, from 1.
    KillAfter(usize),
    /// SIGKILL right before it.
    KillBefore(usize),
    /// Every fsync, fdatasync and sync_file_range does nothing and says it succeeded.
    NoSync,
    /// Counts, and records what each call has changed.
    Record,
    /// Nothing can be written: every call that would change something fails so.
    Refuse(Errno),
}

/// The library as one server run gets it.
#[derive(Debug)]
pub struct Shim {
    mode: Mode,
    library: PathBuf,
    data: PathBuf,
    report: PathBuf,
    record: PathBuf,
    marker: PathBuf,
}

impl Shim {
    /// For a run of the site's server.
    ///
    /// # Errors
    /// When the library cannot be compiled, or an earlier report cannot be removed.
    pub fn new(site: &Site, mode: Mode) -> Result<Self> {
        let folder = site.folder().join("shim");
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir(&folder)?;
        Ok(Self {
            mode,
            library: library()?,
            data: site.data(),
            report: folder.join("report"),
            record: folder.join("record"),
            marker: folder.join("armed"),
        })
    }

    /// The same for a program that uses another folder than the server's.
    ///
    /// # Errors
    /// As [`Shim::new`], or when the folder is not there.
    pub fn over(site: &Site, folder: &Path, mode: Mode) -> Result<Self> {
        Ok(Self { data: folder.canonicalize()?, ..Self::new(site, mode)? })
    }

    /// The bytes of the record up to now; none if nothing was recorded.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn record(&self) -> Result<Vec<u8>> {
        match fs::read(&self.record) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            read => Ok(read?),
        }
    }

    /// The folder that is watched.
    pub fn folder(&self) -> &Path {
        &self.data
    }

    /// The library's path, for LD_PRELOAD.
    pub fn library(&self) -> &Path {
        &self.library
    }

    /// Counting begins now.
    ///
    /// # Errors
    /// When the marker cannot be written.
    pub fn arm(&self) -> Result<()> {
        fs::write(&self.marker, b"").context("the shim's marker")
    }

    /// The counted calls up to now: number, call, path.
    ///
    /// # Errors
    /// When the report cannot be read, or the shim was not loaded.
    pub fn calls(&self) -> Result<Vec<String>> {
        let text = fs::read_to_string(&self.report).context("the shim's report: was it loaded?")?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    /// The variables that the library wants.
    pub fn variables(&self) -> Vec<(&'static str, OsString)> {
        let (mode, at) = match self.mode {
            Mode::Count => ("count", None),
            Mode::KillAfter(at) => ("kill-after", Some(at)),
            Mode::KillBefore(at) => ("kill-before", Some(at)),
            Mode::NoSync => ("no-sync", None),
            Mode::Record => ("record", None),
            Mode::Refuse(error) => ("refuse", usize::try_from(error.raw_os_error()).ok()),
        };
        let mut variables = vec![
            ("WRITES_MODE", mode.into()),
            ("WRITES_FOLDER", self.data.clone().into()),
            ("WRITES_REPORT", self.report.clone().into()),
            ("WRITES_RECORD", self.record.clone().into()),
            ("WRITES_ARM", self.marker.clone().into()),
        ];
        variables.extend(at.map(|at| ("WRITES_AT", at.to_string().into())));
        variables
    }
}

/// Compiles the library unless this very source was compiled before.
fn library() -> Result<PathBuf> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _held = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let source = fs::read(SOURCE).context(SOURCE)?;
    let mut hasher = DefaultHasher::new();
    source.hash(&mut hasher);
    let test = std::env::current_exe()?;
    let folder = test.parent().context("the folder of this test")?.join("shim");
    let path = folder.join(format!("writes-{:016x}.so", hasher.finish()));
    if path.is_file() {
        return Ok(path);
    }
    fs::create_dir_all(&folder)?;
    let unfinished = folder.join(format!("writes-{}.tmp", std::process::id()));
    let output = Command::new("cc")
        .args(["-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-o"])
        .arg(&unfinished)
        .args([SOURCE, "-ldl", "-lpthread"])
        .output()
        .context("a C compiler, `cc`, is needed")?;
    ensure!(
        output.status.success(),
        "{SOURCE} does not compile:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    fs::rename(&unfinished, &path)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(shim: &Shim, left_out: &str, script: &str) -> std::process::Output {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]).env("LD_PRELOAD", shim.library());
        command.envs(shim.variables().into_iter().filter(|(name, _)| *name != left_out));
        command.output().unwrap()
    }

    fn site() -> Site {
        let site = Site::new().unwrap();
        fs::create_dir(site.data()).unwrap();
        site
    }

    #[test]
    fn a_variable_that_is_missing_is_not_passed_over() {
        let site = site();
        let shim = Shim::new(&site, Mode::KillAfter(1)).unwrap();
        for name in ["WRITES_MODE", "WRITES_FOLDER", "WRITES_REPORT", "WRITES_AT"] {
            let output = shell(&shim, name, "exit 0");
            assert!(!output.status.success(), "{name}");
            assert!(String::from_utf8_lossy(&output.stderr).contains(name), "{name}");
        }
    }

    #[test]
    fn nothing_counts_before_the_marker_and_nothing_outside_the_folder() {
        let site = site();
        let shim = Shim::new(&site, Mode::Count).unwrap();
        let script = format!(
            "echo early > {data}/file; : > {marker}; echo late >> {data}/file; echo out > {tmp}/file",
            data = site.data().display(),
            marker = shim.marker.display(),
            tmp = site.tmp().display(),
        );
        assert!(shell(&shim, "", &script).status.success());
        let file = site.data().join("file");
        assert_eq!(shim.calls().unwrap(), [format!("1 write {}", file.display())]);
    }

    #[test]
    fn it_kills_before_and_after_the_call_it_was_told() {
        for (mode, left) in [(Mode::KillAfter(2), "ab"), (Mode::KillBefore(2), "a")] {
            let site = site();
            fs::write(site.data().join("file"), b"").unwrap();
            let shim = Shim::new(&site, mode).unwrap();
            shim.arm().unwrap();
            let file = site.data().join("file").display().to_string();
            let script = format!("exec >> {file}; printf a; printf b; printf c");
            assert_eq!(shell(&shim, "", &script).status.code(), None, "{mode:?}");
            assert_eq!(fs::read_to_string(&file).unwrap(), left, "{mode:?}");
        }
    }
}
