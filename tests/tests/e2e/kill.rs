//! The server is killed at counted writes of an operation, not at times: after each kill it opens again, all of the
//! operation is there or none, and nothing that was acknowledged before is gone.

mod apply;
mod mail;
mod notes;
mod pin;
mod plan;
mod schedule;
mod undo;
mod unlock;
mod wipe;

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use e2e::world::shim::{Mode, Shim};
use e2e::world::{Finished, Launch, World};
use serde_json::Value;

/// So many writes right before the answer, and one more, are killed at on both sides: there the change becomes true.
const LAST: usize = 3;

/// What an operation runs on a server, and how it ended for who asked.
type Operation<'a> = &'a dyn Fn(&World) -> Result<Finished>;

/// An operation that was let through, with its writes counted.
struct Rehearsal {
    /// Writes up to the answer.
    answered: usize,
    /// What was counted until the server had stopped in an orderly way.
    calls: Vec<String>,
    /// The world afterwards, stopped.
    world: World,
    /// Where the journal stood before.
    anchor: Anchor,
}

/// Counts the writes of an operation in copies of a stopped world. Work behind the answer may begin before the answer
/// has arrived, so the fewest of some counts are those up to the answer.
fn rehearse(prepared: &mut World, operation: Operation<'_>) -> Result<Rehearsal> {
    prepared.start()?;
    let anchor = Anchor::of(prepared)?;
    prepared.stop()?;
    let (mut answered, calls, world) = rehearse_once(prepared, operation)?;
    for _ in 0..2 {
        answered = answered.min(rehearse_once(prepared, operation)?.0);
    }
    Ok(Rehearsal { answered, calls, world, anchor })
}

fn rehearse_once(prepared: &World, operation: Operation<'_>) -> Result<(usize, Vec<String>, World)> {
    let mut world = prepared.copy()?;
    let shim = Shim::new(&world, Mode::Count)?;
    world.start_with(&Launch::with(&shim))?;
    shim.arm()?;
    operation(&world)?.expect_success("the operation, counted and not killed")?;
    let answered = shim.calls()?.len();
    world.stop()?;
    let calls = shim.calls()?;
    for (call, file) in [("pwrite", "/db/db"), ("fdatasync", "/db/db")] {
        let counted = calls.iter().any(|line| line.contains(call) && line.ends_with(file));
        ensure!(counted, "no {call} of {file} was counted: {calls:?}");
    }
    ensure!(answered > 0, "the operation answered before it wrote anything");
    Ok((answered, calls, world))
}

impl Rehearsal {
    /// Whether there was a call of this file.
    fn counts(&self, file: &str) -> bool {
        self.calls.iter().any(|line| line.ends_with(file))
    }

    /// Points to kill at: at most `before` spread over the writes before the answer and `after` over those behind it,
    /// right after the call and right before it in turn; and both at each of the last writes before the answer.
    fn points(&self, before: usize, after: usize) -> Vec<Mode> {
        let last = self.answered.saturating_sub(LAST).max(1)..=self.answered;
        let mut calls: BTreeSet<usize> = spread(1, self.answered, before).into_iter().collect();
        calls.extend(spread(self.answered + 1, self.calls.len(), after));
        let spread =
            calls.into_iter().filter(|call| !last.contains(call)).zip(turns()).map(|(call, mode)| mode(call));
        spread.chain(last.clone().flat_map(|call| [Mode::KillBefore(call), Mode::KillAfter(call)])).collect()
    }
}

/// At most `most` numbers from `first` to `last`, both among them.
fn spread(first: usize, last: usize, most: usize) -> Vec<usize> {
    let there = (last + 1).saturating_sub(first);
    if there <= most {
        return (first..=last).collect();
    }
    (0..most).map(|i| first + i * (there - 1) / (most - 1).max(1)).collect()
}

/// A world whose server was killed, or had answered before it could be.
struct Killed {
    world: World,
    /// What who asked was told.
    answer: Finished,
    /// What was counted.
    calls: Vec<String>,
}

fn kill(prepared: &World, mode: Mode, operation: Operation<'_>) -> Result<Killed> {
    let mut world = prepared.copy()?;
    let shim = Shim::new(&world, mode)?;
    world.start_with(&Launch::with(&shim))?;
    shim.arm()?;
    let answer = operation(&world)?;
    if answer.succeeded() && world.is_up() {
        // Killed by a write behind the answer, be it one of the shutdown, or not at all.
        world.server()?.terminate()?;
    }
    let ended = world.wait_for_end()?;
    ensure!(
        answer.succeeded() || ended.status.code().is_none(),
        "{mode:?}: the operation failed and the server was not killed: {}\n{}\n{}",
        ended.status,
        answer.said(),
        ended.stderr
    );
    let calls = shim.calls().unwrap_or_default();
    Ok(Killed { world, answer, calls })
}

/// Kills the server at up to `most` writes of its start, each in a copy of a world whose server was killed before, and
/// hands each over after one more, undisturbed start. Gives how often it was killed before it served.
fn kill_starts(killed: &World, most: usize, check: impl Fn(&World, &str)) -> Result<usize> {
    let mut world = killed.copy()?;
    let shim = Shim::new(&world, Mode::Count)?;
    shim.arm()?;
    world.start_with(&Launch::with(&shim))?;
    let writes = shim.calls()?.len();
    drop(world);
    let mut inside = 0;
    for (call, mode) in spread(1, writes, most).into_iter().zip(turns()) {
        let mut world = killed.copy()?;
        let shim = Shim::new(&world, mode(call))?;
        shim.arm()?;
        match world.start_with(&Launch::with(&shim)) {
            Err(_) => inside += 1,
            // It comes to the write behind its answer, if at all.
            Ok(()) => drop(world.kill()),
        }
        world.start()?;
        check(&world, &format!("killed again at write {call} of {writes} of the start"));
    }
    Ok(inside)
}

fn turns() -> impl Iterator<Item = fn(usize) -> Mode> {
    [Mode::KillAfter as fn(usize) -> Mode, Mode::KillBefore].into_iter().cycle()
}

/// The head of a journal, and the key that signs it.
struct Anchor {
    head: String,
    key: String,
}

impl Anchor {
    fn of(world: &World) -> Result<Self> {
        let checkpoint = export(world)?;
        let text = |name: &str| checkpoint[name].as_str().context("a text").map(str::to_owned);
        let sequence = checkpoint["sequence"].as_u64().context("a sequence number")?;
        Ok(Self { head: format!("{sequence}:{}", text("hash")?), key: text("key")? })
    }

    /// The chain verifies, and everything that it held is in it still.
    fn verify(&self, world: &World) -> Result<()> {
        export(world)?;
        let file = journal(world);
        let file = file.to_str().context("a path in UTF-8")?;
        let verdict =
            world.mdmctl(&["audit", "verify", file, "--key", &self.key, "--at-least", &self.head])?;
        ensure!(verdict["anchored"] == true, "{verdict}");
        Ok(())
    }
}

fn journal(world: &World) -> PathBuf {
    world.folder().join("journal.jsonl")
}

fn export(world: &World) -> Result<Value> {
    let file = journal(world);
    if file.exists() {
        std::fs::remove_file(&file)?;
    }
    world.mdmctl(&["audit", "export", file.to_str().context("a path in UTF-8")?])
}

/// Counts kills that fell inside the operation, says so, and asks for enough of them.
#[derive(Default)]
struct Tally {
    points: usize,
    inside: usize,
}

impl Tally {
    fn note(&mut self, killed: &Killed) {
        self.points += 1;
        self.inside += usize::from(!killed.answer.succeeded());
    }

    fn conclude(self, what: &str, rehearsal: &Rehearsal) {
        let Self { points, inside } = self;
        let Rehearsal { answered, calls, .. } = rehearsal;
        let total = calls.len();
        println!(
            "{what}: {answered} writes up to the answer, {total} in all; {points} kills, {inside} before the answer"
        );
        assert!(inside * 2 > points, "{what}: only {inside} of {points} kills fell before the answer");
    }
}

#[test]
fn points_are_spread_over_all_writes() {
    assert_eq!(spread(1, 3, 5), [1, 2, 3]);
    assert_eq!(spread(1, 100, 4), [1, 34, 67, 100]);
    assert!(spread(4, 3, 5).is_empty());
}
