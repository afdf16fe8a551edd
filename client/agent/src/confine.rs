//! The process takes its own access to files away, but for a list: what a fault in a library could be made to read or write
//! then is what the list says. Called once, at the start of a program, before there are threads. What the kernel is asked
//! is in `landlock`; other systems have nothing here, and the answer says so.

use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use vault::Home;

#[cfg(target_os = "linux")]
mod landlock;
#[cfg(test)]
mod tests;

/// How far a process is confined. What was found out, not what was hoped for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confinement {
    /// Nothing but the list.
    Full,
    /// Files are confined but for these, which the running kernel cannot restrict.
    Partial(Vec<Gap>),
    /// Not at all.
    None(Unconfined),
}

impl Default for Confinement {
    fn default() -> Self {
        Self::None(Unconfined::NotAsked)
    }
}

/// What stays possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gap {
    /// Cutting off files that may not be written (before Linux 6.2).
    Truncation,
    /// Commands to device files (before Linux 6.10).
    DeviceControl,
    /// Signals to other processes of the same person (before Linux 6.12).
    Signals,
    /// Sockets of other programs that have no file (before Linux 6.12, and where the display needs them).
    AbstractSockets,
}

/// Why a process is not confined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unconfined {
    /// Nobody asked for it.
    NotAsked,
    /// The system has no Landlock.
    NotSupported,
    /// It has one that is switched off.
    SwitchedOff,
    /// The home folder is not there, or cannot be opened: confined without it, the app could not even say so.
    NoHome,
    /// There were threads already, which would not have been confined.
    LateThreads,
    /// The kernel refused.
    Refused,
    /// The kernel agreed and yet denies nothing.
    WithoutEffect,
}

/// What one entry of the list allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reading and listing.
    Read,
    /// Reading one file and running it.
    Run,
    /// All but running.
    ReadWrite,
}

/// An entry of the list. What does not exist is passed over.
#[derive(Debug, Clone)]
#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "no other kernel is asked"))]
pub struct Allowed {
    path: PathBuf,
    access: Access,
}

impl Allowed {
    /// The file, or the folder with everything under it.
    pub fn new(path: impl Into<PathBuf>, access: Access) -> Self {
        Self { path: path.into(), access }
    }
}

/// What every phone reads outside its home, and why. Nothing personal lies there.
const SYSTEM: [(&str, &str); 19] = [
    ("/etc/ld.so.cache", "where libraries are: the resolver loads its own when it is first used"),
    ("/lib", "libraries"),
    ("/lib64", "libraries"),
    ("/usr/lib", "libraries, locales"),
    ("/usr/lib64", "libraries"),
    ("/usr/local/lib", "libraries"),
    ("/etc/hosts", "names of servers"),
    ("/etc/host.conf", "how names are resolved"),
    ("/etc/nsswitch.conf", "how names are resolved"),
    ("/etc/gai.conf", "which address of a name is tried first"),
    ("/etc/services", "names of ports"),
    ("/etc/resolv.conf", "who resolves names"),
    ("/run/systemd/resolve", "the same where systemd keeps it: the file is replaced with each network"),
    ("/run/NetworkManager", "the same"),
    ("/run/resolvconf", "the same"),
    ("/etc/localtime", "the time zone"),
    ("/usr/share/zoneinfo", "time zones"),
    (
        "/proc/sys/kernel/random/boot_id",
        "whether the clock since the start is still the same: waits and leases run on it",
    ),
    ("/sys/devices/system/cpu", "how many processors there are"),
];

/// Runs every program, this one too when it starts itself anew.
const LOADERS: [&str; 2] = ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"];

/// What a process keeps.
#[derive(Debug, Clone)]
#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "no other kernel is asked"))]
pub struct Plan {
    home: PathBuf,
    allowed: Vec<Allowed>,
    abstract_sockets: bool,
}

impl Plan {
    /// The home, the system's list, and nothing else.
    pub fn new(home: &Home) -> Self {
        let allowed = SYSTEM.iter().map(|(path, _why)| Allowed::new(*path, Access::Read)).collect();
        Self { home: home.root().to_owned(), allowed, abstract_sockets: false }
    }

    /// And these.
    pub fn with(mut self, allowed: impl IntoIterator<Item = Allowed>) -> Self {
        self.allowed.extend(allowed);
        self
    }

    /// The program may run itself again.
    pub fn with_restart(self) -> Self {
        let program = std::env::current_exe().ok();
        let files = program.into_iter().chain(LOADERS.map(PathBuf::from));
        self.with(files.map(|path| Allowed::new(path, Access::Run)))
    }

    /// Sockets without a file stay reachable.
    pub fn with_abstract_sockets(self) -> Self {
        Self { abstract_sockets: true, ..self }
    }
}

/// Confines this process and everything that it starts, as far as the kernel can, and says how far that is.
///
/// To be called while there is one thread: others would stay as they are.
pub fn confine(plan: &Plan) -> Confinement {
    if fs::File::open(&plan.home).is_err() {
        return Confinement::None(Unconfined::NoHome);
    }
    match fs::read_dir("/proc/self/task").map(Iterator::count) {
        Ok(1) => {}
        _ => return Confinement::None(Unconfined::LateThreads),
    }
    let confinement = restrict(plan);
    if matches!(confinement, Confinement::None(_)) || is_denied() {
        return confinement;
    }
    Confinement::None(Unconfined::WithoutEffect)
}

/// Leaves this process no file at all, in the domain that it may have already: of what is open it keeps the use. To be called
/// while there is one thread.
pub fn confine_to_nothing() -> Confinement {
    let nothing = Plan { home: PathBuf::new(), allowed: Vec::new(), abstract_sockets: false };
    let confinement = restrict(&nothing);
    if matches!(confinement, Confinement::None(_)) || is_denied() {
        return confinement;
    }
    Confinement::None(Unconfined::WithoutEffect)
}

/// What a process was told by the one that it took over from, if that is so: a domain of the kernel outlives the program,
/// and each further one on top of it counts against a limit of sixteen.
pub fn inherited(told: &str) -> Option<Confinement> {
    let confinement: Confinement = serde_json::from_str(told).ok()?;
    (!matches!(confinement, Confinement::None(_)) && is_denied()).then_some(confinement)
}

/// Whether the kernel refuses what is on no list, reading and writing, and is open to everybody by its permissions.
fn is_denied() -> bool {
    let denied = |outcome: std::io::Result<()>| {
        outcome.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
    };
    let write = OpenOptions::new().write(true).open(Path::new("/dev/full"));
    denied(fs::read_dir("/").map(drop)) && denied(write.map(drop))
}

#[cfg(target_os = "linux")]
fn restrict(plan: &Plan) -> Confinement {
    landlock::restrict(plan)
}

#[cfg(not(target_os = "linux"))]
fn restrict(_plan: &Plan) -> Confinement {
    Confinement::None(Unconfined::NotSupported)
}
