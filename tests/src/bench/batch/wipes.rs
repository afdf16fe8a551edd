//! A wipe is acknowledged while a large batch takes effect.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use super::median;
use super::ours::upload;
use crate::roster::{Encoding, Row as Person, encode};
use crate::web::Web;
use crate::world::World;

/// Phones that are wiped while nothing else is done, and as many while the batch takes effect.
const PHONES: usize = 10;
/// Fewer say nothing.
const AT_LEAST: usize = 5;
const PIN: &str = "271828";

/// Medians, from the request to the answer.
pub(super) struct Wipes {
    pub(super) idle: Duration,
    pub(super) busy: Duration,
    /// The longest of those while the batch took effect.
    pub(super) worst: Duration,
    /// How many were asked for before the batch was acknowledged.
    pub(super) inside: usize,
}

/// Spreads wipes over the time that the batch is expected to take.
pub(super) fn measure(people: &[Person], expected: Duration) -> Result<Wipes> {
    let world = World::new()?;
    let devices = phones(&world)?;
    let admin = Admin::of(&world)?;
    let (first, second) = devices.split_at(PHONES);
    let idle = first.iter().map(|device| admin.wipe(device)).collect::<Result<Vec<_>>>()?;

    let seats = people.len() + 2 * PHONES;
    world.mdmctl(&["licenses", "pool", "set", &seats.to_string()])?;
    let batch = upload(&world, &encode(people, Encoding::Cp932)?)?;
    let applying = world.spawn_mdmctl(&["batch", "apply", &batch])?;
    let mut busy = Vec::new();
    for device in second {
        thread::sleep(expected / u32::try_from(PHONES + 2)?);
        // One that the batch holds up until its own end is one of them.
        let is_inside = !applying.has_ended();
        let taken = admin.wipe(device)?;
        if is_inside {
            busy.push(taken);
        }
    }
    applying.finish()?.expect_success("the batch")?;
    let inside = busy.len();
    ensure!(inside >= AT_LEAST, "only {inside} wipes fell inside: the batch took less than {expected:?}");
    let worst = busy.iter().copied().max().context("a wipe")?;
    Ok(Wipes { worst, idle: median(idle).context("a wipe")?, busy: median(busy).context("a wipe")?, inside })
}

/// Phones of people of another source, enrolled and switched off.
fn phones(world: &World) -> Result<Vec<String>> {
    for (number, person) in (0..).zip(world.hire("現場", 2 * PHONES)?) {
        world.phone(&format!("phone-{number}")).enrol(&person.code, PIN)?;
    }
    let id = |device: &serde_json::Value| Ok(device["id"].as_str().context("a device's id")?.to_owned());
    world.devices()?.iter().map(id).collect()
}

/// Somebody with a connection that is open already.
struct Admin {
    web: Web,
    token: String,
}

impl Admin {
    fn of(world: &World) -> Result<Self> {
        let token = fs::read_to_string(world.token_file())?.trim().to_owned();
        Ok(Self { web: Web::new(world)?, token })
    }

    fn wipe(&self, device: &str) -> Result<Duration> {
        let begun = Instant::now();
        let reason = json!({ "reason": "bench" });
        let answer = self.web.api("POST", &format!("/devices/{device}/wipe"), &self.token, &reason)?;
        let taken = begun.elapsed();
        ensure!(answer.status == 200, "a wipe answers {} {}", answer.status, answer.body);
        Ok(taken)
    }
}
