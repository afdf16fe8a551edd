//! Child processes whose output is collected while they run, and which do not outlive their owner.

use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use super::wait::DEADLINE;

/// A process that has ended.
#[derive(Debug)]
pub struct Finished {
    /// How.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: String,
}

impl Finished {
    /// Whether it ended with status 0.
    pub fn succeeded(&self) -> bool {
        self.status.success()
    }

    /// Standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard output and error, for messages.
    pub fn said(&self) -> String {
        format!("{}{}", self.text(), self.stderr)
    }

    /// Itself, if it ended with status 0.
    ///
    /// # Errors
    /// Otherwise, with what it said.
    pub fn expect_success(self, what: &str) -> Result<Self> {
        ensure!(self.succeeded(), "{what}: {}\n{}", self.status, self.said());
        Ok(self)
    }

    /// What it said, if it failed by itself: not by a signal, not by a panic.
    ///
    /// # Errors
    /// When it succeeded or crashed.
    pub fn expect_failure(self, what: &str) -> Result<String> {
        ensure!(!self.succeeded(), "{what} should have failed but did not:\n{}", self.said());
        ensure!(
            self.status.code().is_some_and(|code| code != 101) && !self.stderr.contains("panicked at"),
            "{what} crashed: {}\n{}",
            self.status,
            self.said()
        );
        Ok(self.said())
    }
}

#[derive(Default)]
struct Collected {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    /// How many of the two have ended.
    ended: u8,
}

#[derive(Default)]
struct Output {
    collected: Mutex<Collected>,
    changed: Condvar,
}

impl Output {
    fn lock(&self) -> MutexGuard<'_, Collected> {
        self.collected.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn collect(
        self: Arc<Self>,
        mut pipe: impl Read + Send + 'static,
        of: fn(&mut Collected) -> &mut Vec<u8>,
    ) {
        std::thread::spawn(move || {
            let mut buffer = [0; 8192];
            loop {
                let n = pipe.read(&mut buffer).unwrap_or(0);
                let mut collected = self.lock();
                of(&mut collected).extend_from_slice(&buffer[..n]);
                collected.ended += u8::from(n == 0);
                self.changed.notify_all();
                if n == 0 {
                    return;
                }
            }
        });
    }

    /// Waits until `look` finds something or both pipes have ended.
    fn wait<T>(&self, mut look: impl FnMut(&Collected) -> Option<T>) -> Result<Option<T>> {
        let start = Instant::now();
        let mut collected = self.lock();
        loop {
            if let Some(found) = look(&collected) {
                return Ok(Some(found));
            }
            if collected.ended == 2 {
                return Ok(None);
            }
            let Some(left) = DEADLINE.checked_sub(start.elapsed()) else {
                bail!("nothing within {} s", DEADLINE.as_secs());
            };
            collected = self.changed.wait_timeout(collected, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// A running process. Dropping it kills it.
pub struct Process {
    name: String,
    child: Child,
    output: Arc<Output>,
}

impl Process {
    /// Starts a process without standard input. `name` is for messages.
    ///
    /// # Errors
    /// When it does not start.
    pub fn spawn(name: &str, command: &mut Command) -> Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot start {name}: {command:?}"))?;
        let output = Arc::new(Output::default());
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        output.clone().collect(stdout.context("no standard output")?, |collected| &mut collected.stdout);
        output.clone().collect(stderr.context("no standard error")?, |collected| &mut collected.stderr);
        Ok(Self { name: name.to_owned(), child, output })
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote to standard error up to now.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&self.output.lock().stderr).into_owned()
    }

    /// What it wrote to standard output up to now.
    pub fn printed(&self) -> String {
        String::from_utf8_lossy(&self.output.lock().stdout).into_owned()
    }

    /// Waits for a whole line of standard output of which `pick` makes something.
    ///
    /// # Errors
    /// When the process ends before or takes too long, with what it said.
    pub fn wait_for_line<T>(&self, what: &str, mut pick: impl FnMut(&str) -> Option<T>) -> Result<T> {
        let found = self.output.wait(|collected| {
            let text = String::from_utf8_lossy(&collected.stdout);
            text.split_inclusive('\n')
                .filter(|line| line.ends_with('\n'))
                .find_map(|line| pick(line.trim_end()))
        });
        match found {
            Ok(Some(found)) => Ok(found),
            Ok(None) => bail!("{} ended before {what}:\n{}{}", self.name, self.printed(), self.log()),
            Err(error) => {
                bail!("{} is late with {what}, {error}:\n{}{}", self.name, self.printed(), self.log())
            }
        }
    }

    /// Waits for the end of the process.
    ///
    /// # Errors
    /// When it takes too long; it is killed then.
    pub fn finish(mut self) -> Result<Finished> {
        if let Err(error) = self.output.wait(|_| None::<()>) {
            bail!("{} does not end, {error}:\n{}{}", self.name, self.printed(), self.log());
        }
        let status = self.child.wait()?;
        let mut collected = self.output.lock();
        let stderr = String::from_utf8_lossy(&collected.stderr).into_owned();
        Ok(Finished { status, stdout: std::mem::take(&mut collected.stdout), stderr })
    }

    /// Whether it has ended, and everything it said is here.
    pub fn has_ended(&self) -> bool {
        self.output.lock().ended == 2
    }

    /// SIGTERM.
    ///
    /// # Errors
    /// When there is no such process any more.
    pub fn terminate(&self) -> Result<()> {
        self.signal(Signal::TERM)
    }

    /// SIGKILL, and waits until it is gone.
    ///
    /// # Errors
    /// When it had ended by itself before.
    pub fn kill(self) -> Result<Finished> {
        self.signal(Signal::KILL)?;
        self.finish()
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).context("a process id")?;
        kill_process(id, signal).with_context(|| format!("cannot signal {}:\n{}", self.name, self.log()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already; whether or not, it is waited for.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
