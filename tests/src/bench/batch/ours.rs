//! The real server, asked by `mdmctl`; and the two steps without IO, called by themselves.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use jiff::Timestamp;
use mdm_core::account::SourceName;
use mdm_core::audit::Actor;
use mdm_core::batch::Mode;
use mdm_core::identity::DateKey;
use mdm_core::license::Pool;
use mdm_core::plan::{PlanInput, plan};
use mdm_core::sheet::{self, Declared};
use rand::rngs::OsRng;
use shared::crypto::Secret;

use crate::roster::{Encoding, Row as Person, encode};
use crate::world::World;

pub(super) const SOURCE: &str = "知事部局";

/// What one file took.
pub(super) struct Ours {
    /// The file's bytes become rows.
    pub(super) read: Duration,
    /// The rows become a plan.
    pub(super) plan: Duration,
    /// The plan takes effect, durable and acknowledged to `mdmctl`.
    pub(super) commit: Duration,
    /// From the start of `mdmctl batch upload` to the end of `mdmctl batch apply`.
    pub(super) whole: Duration,
    /// Most memory that the server took meanwhile, in MB.
    pub(super) peak: f64,
}

impl Ours {
    /// A fresh server, seats for all who wish one.
    pub(super) fn measure(people: &[Person]) -> Result<Self> {
        let bytes = encode(people, Encoding::Cp932)?;
        let (read, plan) = steps(&bytes)?;
        let world = World::new()?;
        world.mdmctl(&["licenses", "pool", "set", &people.len().to_string()])?;
        let server = world.server()?.id();
        forget_peak(server)?;
        let begun = Instant::now();
        let batch = upload(&world, &bytes)?;
        let planned = begun.elapsed();
        let done = world.apply(&batch)?;
        let whole = begun.elapsed();
        let wishes = people.iter().filter(|person| person.wish).count();
        ensure!(done["seats_given"] == wishes, "{wishes} wish a seat: {done}");
        Ok(Self { read, plan, commit: whole - planned, whole, peak: peak(server)? })
    }
}

pub(super) fn upload(world: &World, bytes: &[u8]) -> Result<String> {
    let file = world.file("staff.csv", bytes)?;
    world.upload(file.to_str().context("a path in UTF-8")?, SOURCE, "roster")
}

fn steps(bytes: &[u8]) -> Result<(Duration, Duration)> {
    let begun = Instant::now();
    let sheet = sheet::read(bytes, &Declared::default())?;
    let read = begun.elapsed();
    let input = PlanInput {
        source: SourceName::new(SOURCE)?,
        mode: Mode::Roster,
        sheet: &sheet,
        accounts: &[],
        temporary_until: None,
        decided: &[],
        dates: &DateKey::derive(&Secret::from_bytes([7; 32])),
        roster_version: 0,
        pool: &Pool::default(),
        actor: Actor::Server,
        now: Timestamp::now(),
    };
    let begun = Instant::now();
    let plan = plan(&input, &mut OsRng);
    let planned = begun.elapsed();
    ensure!(plan.batch.summary.rejected == 0, "the roster has rows that are rejected");
    Ok((read, planned))
}

/// The kernel's mark of the most memory in use begins anew (proc_pid_clear_refs(5)).
pub(super) fn forget_peak(process: u32) -> Result<()> {
    let path = format!("/proc/{process}/clear_refs");
    fs::write(&path, "5").with_context(|| path)
}

/// Most memory in use since, in MB.
pub(super) fn peak(process: u32) -> Result<f64> {
    let path = format!("/proc/{process}/status");
    let status = fs::read_to_string(&path).with_context(|| path)?;
    let mark = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: f64 = mark.and_then(|mark| mark.trim().strip_suffix(" kB")).context("VmHWM")?.parse()?;
    Ok(kib * 1_024.0 / 1_000_000.0)
}
