//! Each test in a process of its own: the toolkit has one event loop and one platform per process.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Failed, Trial};
use rustix::process::{Pid, Signal, kill_process_group};

/// Names the test that a child runs.
const TEST: &str = "E2E_APP_TEST";
/// After this, a test does not end any more. Far beyond what the slowest machine needs.
const DEADLINE: Duration = Duration::from_secs(10 * 60);
const PAUSE: Duration = Duration::from_millis(50);
/// The language that tests find the elements by, unless they choose one.
const LOCALE: &str = "en_GB.UTF-8";

/// A test: its name, and what it does. It fails by a panic.
pub type Test = (&'static str, fn());

/// The `main` of the test binary: runs the one test that a child is for, or all of them, each in a child.
pub fn main(tests: Vec<Test>) {
    if let Some(name) = std::env::var_os(TEST) {
        let test = tests.iter().find(|(known, _)| name == *known);
        let (_, run) = test.unwrap_or_else(|| panic!("no test is called {}", name.display()));
        return run();
    }
    let trial = |(name, _): Test| Trial::test(name, move || in_child(name));
    libtest_mimic::run(&Arguments::from_args(), tests.into_iter().map(trial).collect()).exit();
}

fn in_child(name: &str) -> Result<(), Failed> {
    let output = tempfile::tempfile()?;
    let mut command = Command::new(std::env::current_exe()?);
    command.env(TEST, name).env("LC_ALL", LOCALE).env("RUST_BACKTRACE", "1");
    // A group of its own: at the deadline what it has started goes with it.
    command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output.try_clone()?).process_group(0);
    let mut child = command.spawn()?;
    match wait(&mut child)? {
        Some(status) if status.success() => Ok(()),
        Some(status) => Err(format!("{status}\n{}", read(output)?).into()),
        None => Err(format!("not ended within {} s\n{}", DEADLINE.as_secs(), read(output)?).into()),
    }
}

/// How the child ended; `None` if it had to be killed.
fn wait(child: &mut Child) -> Result<Option<ExitStatus>, Failed> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if start.elapsed() > DEADLINE {
            let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or("a process id")?;
            kill_process_group(group, Signal::KILL)?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(PAUSE);
    }
}

fn read(mut output: File) -> Result<String, Failed> {
    use std::io::Seek as _;
    output.rewind()?;
    let mut bytes = Vec::new();
    output.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
