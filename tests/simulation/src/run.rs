//! Many histories: on every core, in the order of their seeds, until one fails; and the failure made small.

use std::fmt;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::fault::Fault;
use crate::log::Counts;
use crate::script::Script;
use crate::watch::Violation;
use crate::world::{Outcome, play};

/// Plays of a smaller script that are tried to make a failure small.
const SHRINKS: usize = 300;

/// A history in which something did not hold.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Its seed.
    pub seed: u64,
    /// What did not hold.
    pub violation: Violation,
    /// A line an event, of the smallest history that still fails so.
    pub log: Vec<String>,
    /// Acts of the script, and of the smallest one.
    pub acts: (usize, usize),
    /// Whether it failed again when it was played again.
    pub replayed: bool,
    phones: Option<usize>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.log {
            writeln!(f, "{line}")?;
        }
        writeln!(f, "\nseed {}: {}", self.seed, self.violation)?;
        if !self.replayed {
            writeln!(f, "PLAYED AGAIN IT DID NOT FAIL SO: the history is not made by its seed alone")?;
        }
        writeln!(f, "{} acts of {} are enough for it", self.acts.1, self.acts.0)?;
        let phones = self.phones.map(|phones| format!(" --phones {phones}")).unwrap_or_default();
        write!(f, "replay: cargo xtask simulate --histories 1 --seed {}{phones}", self.seed)
    }
}

/// What many histories came to.
#[derive(Debug, Clone, Default)]
pub struct Run {
    /// Histories played.
    pub histories: u64,
    /// Steps taken in all.
    pub events: u64,
    /// Checks made in all.
    pub checks: u64,
    /// How often each kind of event and fault happened in all.
    pub counts: Counts,
    /// How long it took.
    pub took: Duration,
    /// The failure with the lowest seed.
    pub failure: Option<Failure>,
}

impl Run {
    fn add(&mut self, outcome: &Outcome) {
        self.histories += 1;
        self.events += outcome.events;
        self.checks += outcome.checks;
        for (what, count) in &outcome.counts {
            *self.counts.entry(what).or_default() += count;
        }
    }
}

/// Plays the histories of `histories` seeds from `first`; stops at a failure.
pub fn run(first: u64, histories: u64, phones: Option<usize>, fault: Fault) -> Run {
    let begun = Instant::now();
    let next = AtomicU64::new(0);
    let total = Mutex::new(Run::default());
    let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let failed = Mutex::new(None::<(u64, Violation)>);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut own = Run::default();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let over = failed.lock().unwrap_or_else(PoisonError::into_inner).is_some();
                    if number >= histories || over {
                        break;
                    }
                    let seed = first.wrapping_add(number);
                    let outcome = play(&Script::draw(seed, phones), fault, false);
                    own.add(&outcome);
                    if let Some(violation) = outcome.violation {
                        let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
                        if failed.as_ref().is_none_or(|(other, _)| seed < *other) {
                            *failed = Some((seed, violation));
                        }
                    }
                }
                let mut total = total.lock().unwrap_or_else(PoisonError::into_inner);
                total.histories += own.histories;
                total.events += own.events;
                total.checks += own.checks;
                for (what, count) in own.counts {
                    *total.counts.entry(what).or_default() += count;
                }
            });
        }
    });
    let mut run = total.into_inner().unwrap_or_else(PoisonError::into_inner);
    run.took = begun.elapsed();
    let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    run.failure = failed.map(|(seed, violation)| shrink(seed, violation, phones, fault));
    run
}

/// Leaves acts out while the same invariant still fails. A failure stays one though it does not come again: then a history
/// is not made by its seed alone, which is a fault of this crate.
fn shrink(seed: u64, violation: Violation, phones: Option<usize>, fault: Fault) -> Failure {
    let whole = Script::draw(seed, phones);
    let fails = |script: &Script| {
        play(script, fault, false).violation.is_some_and(|found| found.invariant == violation.invariant)
    };
    let (mut smallest, mut tries, mut index) = (whole.clone(), 0, whole.acts.len());
    let mut replayed = fails(&whole);
    while replayed && index > 0 && tries < SHRINKS {
        index -= 1;
        tries += 1;
        let shorter = smallest.without(index);
        if fails(&shorter) {
            smallest = shorter;
        }
    }
    let outcome = play(&smallest, fault, true);
    let acts = (whole.acts.len(), smallest.acts.len());
    let again = outcome.violation.filter(|again| again.invariant == violation.invariant);
    replayed &= again.is_some();
    Failure { seed, violation: again.unwrap_or(violation), log: outcome.log, acts, phones, replayed }
}
