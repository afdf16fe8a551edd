//! `cargo xtask test`: every check, one after the other. None can be skipped, here or in CI: what is missing is
//! installed or named.

use std::io::{Write as _, stdout};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::run::Cargo;
use crate::{axe, interop, tools};

type Step = (&'static str, fn() -> Result<()>);

/// In the order of cost, the tests last: what stands at the end of the output is cargo's own count of them.
const STEPS: [Step; 9] = [
    ("tools: compiler, strace, browser, Python, X server, fonts, rustfmt, clippy", tools::all),
    ("axe-core, by npm", axe::install),
    ("the second reader's packages, by pip", interop::install),
    ("fetch: every locked package", fetch),
    ("format", format),
    ("lints", lints),
    ("build: the programs that the tests start", build),
    ("docs", docs),
    ("tests: unit, conformance, edges and licenses, end to end, in the browser and in the app", tests),
];

/// Runs all steps and stops at the first that fails.
pub(crate) fn all() -> Result<()> {
    let start = Instant::now();
    for (number, (name, step)) in (1..).zip(STEPS) {
        println!("[{number}/{} {}] {name}", STEPS.len(), clock(start.elapsed()));
        stdout().flush()?;
        step().with_context(|| {
            format!("step {number} of {} failed after {}: {name}", STEPS.len(), clock(start.elapsed()))
        })?;
    }
    Ok(())
}

/// Also the packages of other platforms: the license and edge test reads the whole graph.
fn fetch() -> Result<()> {
    Cargo::new(["fetch", "--locked", "--quiet"]).run()
}

fn format() -> Result<()> {
    Cargo::new(["fmt", "--all", "--check"]).run()
}

fn lints() -> Result<()> {
    Cargo::new(["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]).run()
}

fn build() -> Result<()> {
    Cargo::new(["build", "--workspace", "--bins", "--locked"]).run()
}

fn docs() -> Result<()> {
    Cargo::new(["doc", "--workspace", "--no-deps", "--locked"]).env("RUSTDOCFLAGS", "-D warnings").run()
}

/// All of them, also after one has failed: who has waited that long is told everything.
fn tests() -> Result<()> {
    // End to end they wait for phones, disks and pauses more than they work.
    let threads = thread::available_parallelism()?.get() * 2;
    let tests = Cargo::new(["test", "--workspace", "--locked", "--no-fail-fast"]);
    tests.env("RUST_TEST_THREADS", &threads.to_string()).run()
}

/// Minutes and seconds, as on a stopwatch.
fn clock(elapsed: Duration) -> String {
    let seconds = elapsed.as_secs();
    format!("{:02}:{:02}", seconds / 60, seconds % 60)
}
