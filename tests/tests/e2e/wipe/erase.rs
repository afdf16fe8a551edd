//! The erase on the phone: interrupted at every write, after a year in a drawer, with a certificate long expired.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use e2e::attacker::{Identity, Validity};
use e2e::world::shim::{Mode, Shim};
use e2e::world::{LocalWorld, Phone, Process, Site, World};
use jiff::SignedDuration;
use mdm_core::audit::{Body, Happening};
use shared::crypto::hazmat::sha256;
use shared::ids::EnrolmentId;

use crate::thief::{Holder, MARKER, PIN, edit_state, enrolled, holder, journal, left_in};

const STEPS: [&str; 10] = [
    "write_intent",
    "close_vault",
    "destroy_keys",
    "check_keys_gone",
    "remove_data",
    "store_receipt",
    "send_receipt",
    "store_acked",
    "delete_identity",
    "delete_intent",
];

/// A wiped phone that does not know it yet: its vault holds something, and its lease was lost with the process.
fn wiped(site: &Site) -> Holder {
    let holder = holder(site, "erase").unwrap();
    let running = holder.phone.run().unwrap();
    holder.phone.unlock(PIN).unwrap();
    holder.phone.put("memo", MARKER).unwrap();
    running.kill().unwrap();
    holder.order(site, "wipe").unwrap();
    holder
}

/// The same for many at once.
fn wiped_phones(site: &Site, count: usize) -> Vec<Holder> {
    let memo = site.file("memo.txt", MARKER).unwrap();
    let people = site.hire("erase-many", count).unwrap();
    people
        .iter()
        .map(|person| {
            let holder = enrolled(site, person, &format!("erase-{}", person.staff_number)).unwrap();
            holder.put("memo", &memo).unwrap();
            holder.order(site, "wipe").unwrap();
            holder
        })
        .collect()
}

/// The digest of the stored receipt, unless it was overwritten already.
fn receipt_on_disk(home: &Path) -> Option<[u8; 32]> {
    let receipt = fs::read(home.join("device/receipt")).ok()?;
    receipt.iter().any(|byte| *byte != 0).then(|| sha256(&[&receipt]))
}

/// Starts the phone once more, uninterrupted: it ends the erase.
fn ends_the_erase(phone: &Phone, when: &str) {
    phone.call(&["sync"]).unwrap().expect_success(&format!("phone sync {when}")).unwrap();
    assert_eq!(left_in(phone.home()).unwrap(), [PathBuf::from("gone")], "{when}");
    let state = phone.call(&["erase-state", "--json"]).unwrap();
    let state: serde_json::Value = serde_json::from_slice(&state.stdout).unwrap();
    assert_eq!(state["finished"], true, "{when}: {state}");
}

/// The digests of all receipts that arrived, by the journal, each once a device.
fn receipts(world: &mut World) -> HashSet<(EnrolmentId, String)> {
    world.stop().unwrap();
    let is_receipt = |body: &Body| matches!(body.what, Happening::DeviceErased | Happening::ReceiptAgain);
    let digest =
        |body: &Body| body.facts.iter().find(|(name, _)| name == "receipt-sha256").unwrap().1.clone();
    let journal = journal(world).unwrap();
    journal
        .iter()
        .filter(|body| is_receipt(body))
        .map(|body| (body.subject.device.unwrap(), digest(body)))
        .collect()
}

/// Copies of one wiped phone that are interrupted. The server notes ten receipts after the first: enough for four copies to
/// send theirs twice.
const COPIES: usize = 5;

/// Every interrupted phone here is a copy, so that the server sees as many receipts of a device as it has copies, if each
/// copy signs one and keeps to it.
#[test]
fn an_erase_that_is_killed_at_any_write_ends_at_the_next_start_with_the_receipt_it_had_signed() {
    let mut world = World::new().unwrap();
    let holder = wiped(&world);
    let count = Shim::new(&world, Mode::Count).unwrap();
    interrupted(&holder.phone, &count);
    assert_eq!(left_in(holder.phone.home()).unwrap(), [PathBuf::from("gone")]);
    let writes = count.calls().unwrap().len();
    assert!(writes > 15, "an erase writes more than {writes} times");

    let kills: Vec<Mode> = (1..=writes).flat_map(|at| [Mode::KillBefore(at), Mode::KillAfter(at)]).collect();
    let mut stored = Vec::new();
    let holders = wiped_phones(&world, kills.len().div_ceil(COPIES));
    for (holder, kills) in holders.iter().zip(kills.chunks(COPIES)) {
        for kill in kills {
            let phone = holder.phone.copy("copy").unwrap();
            interrupted(&phone, &Shim::new(&world, *kill).unwrap());
            let digest = receipt_on_disk(phone.home()).map(|digest| HEXLOWER.encode(&digest));
            stored.extend(digest.map(|digest| (holder.enrolment().unwrap(), digest)));
            ends_the_erase(&phone, &format!("after {kill:?}"));
            fs::remove_dir_all(phone.home()).unwrap();
        }
    }
    assert!(stored.len() > 4, "some were killed between signing and forgetting");
    let receipts = receipts(&mut world);
    assert_eq!(receipts.len(), kills.len() + 1, "each phone has signed once");
    for receipt in stored {
        assert!(receipts.contains(&receipt), "a receipt that was on the disk is the one that was sent");
    }
}

/// `phone sync` with the shim loaded.
fn interrupted(phone: &Phone, shim: &Shim) {
    let home = phone.home().canonicalize().unwrap();
    let mut command = phone.command(&["sync"]).unwrap();
    command.envs(shim.variables()).env("LD_PRELOAD", shim.library()).env("WRITES_FOLDER", home);
    shim.arm().unwrap();
    Process::spawn("phone sync", &mut command).unwrap().finish().unwrap();
}

#[test]
fn an_erase_that_loses_power_after_any_step_ends_at_the_next_start() {
    let mut world = World::new().unwrap();
    let holder = wiped(&world);
    for step in STEPS {
        let phone = holder.phone.copy(step).unwrap();
        let mut command = phone.command(&["sync"]).unwrap();
        command.env("TBK_PHONE_ABORT_AFTER", step);
        let aborted = Process::spawn("phone sync", &mut command).unwrap().finish().unwrap();
        assert_eq!(aborted.status.code(), None, "{step}: {}", aborted.said());
        let keys_gone = !phone.home().join("device/secret").exists();
        assert_eq!(keys_gone, !["write_intent", "close_vault"].contains(&step), "{step}");
        ends_the_erase(&phone, step);
    }
    assert_eq!(receipts(&mut world).len(), STEPS.len(), "each copy has signed once");
}

#[test]
fn an_open_phone_that_loses_power_after_any_step_of_a_pushed_wipe_ends_it_at_the_next_start() {
    let world = World::new().unwrap();
    let people = world.hire("open", STEPS.len()).unwrap();
    for (step, person) in STEPS.iter().zip(&people) {
        let holder = enrolled(&world, person, step).unwrap();
        let mut command = holder.phone.command(&["run"]).unwrap();
        command.env("TBK_PHONE_ABORT_AFTER", step);
        let running = Process::spawn("phone run", &mut command).unwrap();
        running.wait_for_line("connecting", |line| (line == "connected").then_some(())).unwrap();
        holder.phone.unlock(PIN).unwrap();
        holder.phone.put("memo", MARKER).unwrap();

        holder.order(&world, "wipe").unwrap();
        let aborted = running.finish().unwrap();
        assert_eq!(aborted.status.code(), None, "{step}: {}", aborted.said());
        ends_the_erase(&holder.phone, step);
        let wipe = holder.shown(&world).unwrap()["wipe"].clone();
        assert!(wipe["receipt_sha256"].is_string(), "{step}: {wipe}");
        assert_eq!(wipe["further_receipts"], 0, "{step}: no receipt but the first");
    }
}

#[test]
fn a_receipt_whose_acknowledgement_was_lost_is_sent_again_in_the_same_bytes() {
    let world = World::new().unwrap();
    let holder = wiped(&world);
    let mut command = holder.phone.command(&["sync"]).unwrap();
    command.env("TBK_PHONE_ABORT_AFTER", "send_receipt");
    Process::spawn("phone sync", &mut command).unwrap().finish().unwrap();
    let first = holder.shown(&world).unwrap()["wipe"].clone();
    let on_disk = receipt_on_disk(holder.phone.home()).unwrap();
    assert_eq!(first["receipt_sha256"], HEXLOWER.encode(&on_disk));

    ends_the_erase(&holder.phone, "after the acknowledgement was lost");
    assert_eq!(holder.shown(&world).unwrap()["wipe"], first, "nothing was new, nothing is noted as a copy");

    // The control: another copy's receipt is noted.
    let other = World::new().unwrap();
    let holder = wiped(&other);
    let copy = holder.phone.copy("copy").unwrap();
    ends_the_erase(&holder.phone, "the phone itself");
    ends_the_erase(&copy, "its copy");
    assert_eq!(holder.shown(&other).unwrap()["wipe"]["further_receipts"], 1);
}

#[test]
fn a_phone_whose_certificate_expired_long_ago_is_still_wiped() {
    let world = World::new().unwrap();
    let holder = holder(&world, "drawer").unwrap();
    let key = fs::read(holder.phone.home().join("device/key")).unwrap();
    let expired = Identity::self_signed(&key, Validity { from: 2001, until: 2002 }).unwrap();
    edit_state(&holder.phone, |state| state.certificate = expired.certificate().to_vec()).unwrap();
    let (_, parsed) = x509_parser::parse_x509_certificate(expired.certificate()).unwrap();
    assert!(!parsed.validity().is_valid());

    holder.order(&world, "wipe").unwrap();
    ends_the_erase(&holder.phone, "with a certificate of 2001");
    assert!(holder.shown(&world).unwrap()["wipe"]["receipt_sha256"].is_string());
}

#[test]
fn a_phone_that_lay_in_a_drawer_for_two_years_is_wiped_when_it_is_found() {
    let world = LocalWorld::new().unwrap();
    let holder = holder(&world, "drawer").unwrap();
    holder.phone.unlock(PIN).unwrap();
    holder.order(&world, "wipe").unwrap();
    world.clock().advance(SignedDuration::from_hours(2 * 366 * 24));

    let device = holder.enrolment().unwrap();
    let service = world.service().unwrap();
    let stored = world.block_on(service.store.device(device)).unwrap().unwrap().value;
    assert!(stored.certificate_until < service.clock.now() - SignedDuration::from_hours(365 * 24));
    ends_the_erase(&holder.phone, "after two years");
    let stored = world.block_on(service.store.device(device)).unwrap().unwrap().value;
    assert!(stored.wipe().unwrap().receipt.is_some());
}
