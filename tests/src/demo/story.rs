//! The steps: a staff file, three phones, a loss, an unused seat, the journal.

use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use mdm_server::api::types::{
    AppliedView, BatchView, CodeRow, DeviceView, LicenseStatus, Reclaimed, StatementView,
};
use mdm_server::init::JOURNAL_KEY_FILE;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::narrator::Narrator;
use crate::roster::{self, Encoding, FIRST_YEAR, RosterSpec};
use crate::world::{Phone, World, wait};

const PEOPLE: usize = 1_400;
const SEATS: u32 = 700;
const SOURCE: &str = "知事部局";
const PIN: &str = "482915";

fn ask<T: DeserializeOwned>(world: &World, arguments: &[&str]) -> Result<T> {
    let answer = world.mdmctl(arguments)?;
    serde_json::from_value(answer.clone()).with_context(|| format!("mdmctl {arguments:?} answered {answer}"))
}

/// A list, whether the answer is one or a page with `items`.
fn list<T: DeserializeOwned>(world: &World, arguments: &[&str]) -> Result<Vec<T>> {
    let answer: Value = ask(world, arguments)?;
    let items = answer.get("items").cloned().unwrap_or(answer);
    Ok(serde_json::from_value(items)?)
}

/// The file that the personnel department's spreadsheet wrote becomes accounts, seats and codes.
pub(super) fn april(narrator: &Narrator, world: &World) -> Result<()> {
    let rows = roster::generate(&RosterSpec::new(1, PEOPLE, FIRST_YEAR));
    let bytes = roster::encode(&rows, Encoding::Cp932)?;
    let file = world.file("shokuin.csv", &bytes)?;
    narrator.say(format_args!("a staff file of {PEOPLE} people in CP932: {}", file.display()));

    ask::<Value>(world, &["licenses", "pool", "set", &SEATS.to_string()])?;
    let file = file.to_str().context("a path in UTF-8")?;
    let began = Instant::now();
    let batch: BatchView = ask(world, &["batch", "upload", file, "--source", SOURCE])?;
    let summary = batch.summary.as_ref().context("the counts of a plan")?;
    narrator.say(format_args!(
        "uploaded and planned in {:.2} s, nothing changed yet",
        began.elapsed().as_secs_f64()
    ));
    narrator.detail(format_args!(
        "{}: {} rows, {} join, {} rejected; {} wish a seat, {} are free",
        batch.encoding,
        summary.rows,
        summary.join,
        summary.rejected,
        summary.seats_wished,
        summary.seats_free
    ));

    let began = Instant::now();
    let applied: AppliedView = ask(world, &["batch", "apply", &batch.id.to_string()])?;
    let elapsed = began.elapsed().as_secs_f64();
    narrator.say(format_args!("applied in {elapsed:.2} s, in one visible step"));
    narrator.detail(format_args!(
        "{} seats assigned with a code each, {} people wait for one",
        applied.seats_given, applied.waiting
    ));
    ensure!(applied.seats_given == SEATS as usize, "{} seats were assigned", applied.seats_given);
    Ok(())
}

/// A phone of the story and whose it is.
pub(super) struct Holder {
    phone: Phone,
    name: String,
    enrolment: String,
}

/// Three people type the code from their letter, choose a PIN, and write something down.
pub(super) fn three_phones(narrator: &Narrator, world: &World) -> Result<Vec<Holder>> {
    let codes: Vec<CodeRow> = list(world, &["codes", "export"])?;
    narrator.say(format_args!("{} codes for the letters", codes.len()));
    let mut holders = Vec::new();
    for (n, code) in codes.iter().take(3).enumerate() {
        let phone = world.phone(&format!("phone-{}", n + 1));
        let began = Instant::now();
        phone.enrol(&code.code, PIN)?;
        let enrolled = began.elapsed().as_secs_f64();
        phone.unlock(PIN)?;
        let enrolment = phone.status()?["enrolment"].as_str().context("an enrolment")?.to_owned();
        narrator.say(format_args!(
            "{} ({}) enrols phone {} in {enrolled:.2} s and unlocks it",
            code.name,
            code.department,
            n + 1
        ));
        holders.push(Holder { phone, name: code.name.clone(), enrolment });
    }
    Ok(holders)
}

fn statement(world: &World, enrolment: &str) -> Result<StatementView> {
    let device: DeviceView = ask(world, &["devices", "show", enrolment])?;
    device.statement.context("a statement about a wiped device")
}

fn tell_statement(narrator: &Narrator, statement: &StatementView) {
    narrator.detail(&statement.ja);
    narrator.detail(&statement.en);
}

/// One phone is lost while it is switched off, wiped, and switched on again by somebody.
pub(super) fn lost_phone(narrator: &Narrator, world: &World, holders: &[Holder]) -> Result<()> {
    let Some(lost) = holders.first() else { bail!("nobody has a phone") };
    let running = lost.phone.run()?;
    lost.phone.unlock(PIN)?;
    lost.phone.put("現地調査.txt", "牛舎3号、発熱2頭".as_bytes())?;
    narrator.say(format_args!(
        "{} writes a note; the phone is left in a taxi, its battery is pulled out",
        lost.name
    ));
    running.kill()?;

    let began = Instant::now();
    ask::<Value>(world, &["devices", "wipe", &lost.enrolment, "--reason", "タクシーに置き忘れ"])?;
    narrator.say(format_args!(
        "wiped, acknowledged after {:.3} s; the phone is off",
        began.elapsed().as_secs_f64()
    ));
    tell_statement(narrator, &statement(world, &lost.enrolment)?);

    narrator.say("somebody switches it on");
    let running = lost.phone.spawn(&["run"])?;
    wait::until("the receipt", || match receipt_arrived(world, &lost.enrolment) {
        Ok(false) => None,
        other => Some(other),
    })??;
    tell_statement(narrator, &statement(world, &lost.enrolment)?);
    running
        .wait_for_line("the acknowledgement", |line| line.contains("receipt acknowledged").then_some(()))?;
    running.finish()?.expect_success("the phone")?;
    let left: Vec<_> = std::fs::read_dir(lost.phone.home())?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<std::io::Result<_>>()?;
    narrator.detail(format_args!("left in the phone's folder: {}", left.join(", ")));
    Ok(())
}

fn receipt_arrived(world: &World, enrolment: &str) -> Result<bool> {
    let device: DeviceView = ask(world, &["devices", "show", enrolment])?;
    Ok(device.wipe.is_some_and(|wipe| wipe.erased_at.is_some()))
}

/// A seat of somebody who never signed in goes to the next who asked.
pub(super) fn unused_seat(narrator: &Narrator, world: &World) -> Result<()> {
    let rule = ["licenses", "reclaim", "--never-signed-in", "0", "--at-most", "1"];
    let preview: Reclaimed = ask(world, &[&rule[..], &["--dry-run"]].concat())?;
    ensure!(preview.dry_run && preview.reclaimed.len() == 1, "the preview should name one seat");
    let done: Reclaimed = ask(world, &rule)?;
    let (from, to) = (done.reclaimed.first(), done.given_to.first());
    let (from, to) = (from.context("a seat was taken back")?, to.context("somebody got it")?);
    narrator
        .say(format_args!("the seat of {}, who never signed in, goes to {}, who waited", from.name, to.name));
    let status: LicenseStatus = ask(world, &["licenses", "status"])?;
    narrator.detail(format_args!(
        "{} of {} seats assigned, {} people wait",
        status.assigned, status.pool, status.waiting
    ));
    ensure!(status.assigned == SEATS, "a seat was lost on the way");
    Ok(())
}

/// The auditor takes the journal away and verifies it without the server.
pub(super) fn audit(narrator: &Narrator, world: &World) -> Result<()> {
    let file = world.folder().join("journal.jsonl");
    let path = file.to_str().context("a path in UTF-8")?;
    ask::<Value>(world, &["audit", "export", path])?;
    let key = std::fs::read_to_string(world.data().join(JOURNAL_KEY_FILE))?;
    let verified: Value = ask(world, &["audit", "verify", path, "--key", &key])?;
    narrator.say(format_args!(
        "the audit journal, verified without the server against its key: {}",
        file.display()
    ));
    narrator.detail(format_args!("{} entries; {}", verified["entries"], verified["verdict"]));
    Ok(())
}
