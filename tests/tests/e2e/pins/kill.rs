//! A rotation and a recovery are killed at every write into the data folder, and a phone at every write of taking an
//! update: server and phone find each other again.

use std::path::Path;

use e2e::world::shim::{Mode, Shim};
use e2e::world::{Finished, Process, Site, World};
use mdm_core::audit::Happening;
use mdm_server::init::{RECOVERY_KEY_FILE, SPARE_KEY_FILE};

use super::{known_to, offline, rotate, text};
use crate::thief::{Holder, PIN, holder, journal};

/// How many writes are killed at.
const POINTS: usize = 12;

fn points(writes: usize) -> Vec<Mode> {
    assert!(writes > 3, "only {writes} writes were counted");
    let points = POINTS.min(writes);
    let at = |number: usize| 1 + number * (writes - 1) / (points - 1);
    let mode = |number: usize| match number % 2 {
        0 => Mode::KillBefore(at(number)),
        _ => Mode::KillAfter(at(number)),
    };
    (0..points).map(mode).collect()
}

fn shimmed(site: &Site, shim: &Shim, arguments: &[&str]) -> Finished {
    let mut command = site.command("mdm-server").unwrap();
    command.env("LD_PRELOAD", shim.library()).envs(shim.variables());
    command.arg("pins").arg(arguments[0]).arg("--config").arg(site.config_file()).args(&arguments[1..]);
    Process::spawn("mdm-server pins", &mut command).unwrap().finish().unwrap()
}

/// Kills `pins` with these arguments at its writes, in copies. Whatever is left serves the phone, whose set is the one in
/// use afterwards, and the journal has said it as often as it was done.
fn killed_anywhere(verb: &str, key: &str, key_file: &str, what: Happening) {
    let mut world = World::new().unwrap();
    let holder = holder(&world, "phone").unwrap();
    world.stop().unwrap();
    let before = known_to(&holder.phone).unwrap();
    let run = |site: &Site, shim: &Shim| {
        let (key_file, out) = (offline(site, key_file), site.folder().join("spare-2"));
        shimmed(site, shim, &[verb, key, text(&key_file), "--new-spare-out", text(&out)])
    };
    let counted = world.copy().unwrap();
    let shim = Shim::new(&counted, Mode::Count).unwrap();
    shim.arm().unwrap();
    run(&counted, &shim).expect_success("counted and not killed").unwrap();
    let writes = shim.calls().unwrap().len();
    drop(counted);

    let (mut old, mut new) = (0, 0);
    for mode in points(writes) {
        let mut copy = world.copy().unwrap();
        let shim = Shim::new(&copy, mode).unwrap();
        shim.arm().unwrap();
        let finished = run(&copy, &shim);
        assert!(finished.status.code().is_none(), "{mode:?} of {writes}: {}", finished.said());
        copy.start().unwrap();
        let phone = copy.phone("phone");
        phone.unlock(PIN).unwrap();
        copy.stop().unwrap();
        let is_new = known_to(&phone).unwrap() != before;
        *(if is_new { &mut new } else { &mut old }) += 1;
        let noted = journal(&copy).unwrap().iter().filter(|body| body.what == what).count();
        assert_eq!(noted, usize::from(is_new), "{mode:?} of {writes}");
        if !is_new {
            // A file that is there already is not written over.
            let (key_file, out) = (offline(&copy, key_file), copy.folder().join("spare-3"));
            let arguments = [verb, key, text(&key_file), "--new-spare-out", text(&out)];
            super::pins(&copy, &arguments).unwrap().expect_success("the second try").unwrap();
        }
    }
    println!("pins {verb}: {writes} writes; {old} kills left the old keys, {new} the new ones");
    assert!(old > 0 && new > 0, "kills on one side of the change only");
}

#[test]
fn a_rotation_that_is_killed_anywhere_is_done_or_not_and_the_phone_finds_the_server() {
    killed_anywhere("rotate", "--spare-key", SPARE_KEY_FILE, Happening::PinsRotated);
}

#[test]
fn a_recovery_that_is_killed_anywhere_is_done_or_not_and_the_phone_finds_the_server() {
    killed_anywhere("recover", "--recovery-key", RECOVERY_KEY_FILE, Happening::PinsRecovered);
}

fn started(world: &World) -> World {
    let mut copy = world.copy().unwrap();
    copy.start().unwrap();
    copy
}

fn synced(world: &World, holder_home: &Path, mode: Mode) -> (Finished, usize) {
    let shim = Shim::over(world, holder_home, mode).unwrap();
    shim.arm().unwrap();
    let name = holder_home.file_name().unwrap().to_str().unwrap();
    let mut command = world.phone(name).command(&["sync"]).unwrap();
    command.env("LD_PRELOAD", shim.library()).envs(shim.variables());
    let finished = Process::spawn("phone sync", &mut command).unwrap().finish().unwrap();
    let writes = shim.calls().map_or(0, |calls| calls.len());
    (finished, writes)
}

#[test]
fn a_phone_that_is_killed_while_it_takes_an_update_has_the_old_set_or_the_new_and_says_no_more() {
    let mut world = World::new().unwrap();
    let holder: Holder = holder(&world, "phone").unwrap();
    let before = known_to(&holder.phone).unwrap();
    world.stop().unwrap();
    rotate(&world, &offline(&world, SPARE_KEY_FILE), &world.folder().join("spare-2")).unwrap();
    let counted = started(&world);
    let (finished, writes) = synced(&counted, counted.phone("phone").home(), Mode::Count);
    finished.expect_success("counted and not killed").unwrap();
    drop(counted);
    let (mut old, mut new) = (0, 0);
    for mode in points(writes) {
        // Each phone has a server of its own: two of one phone at one server are blocked.
        let copy = started(&world);
        let phone = copy.phone("phone");
        let (finished, _) = synced(&copy, phone.home(), mode);
        assert!(finished.status.code().is_none(), "{mode:?} of {writes}: {}", finished.said());
        match known_to(&phone).unwrap() == before {
            true => old += 1,
            false => new += 1,
        }
        phone.unlock(PIN).unwrap();
        assert_ne!(known_to(&phone).unwrap(), before);
    }
    println!("phone sync: {writes} writes; {old} kills left the old set, {new} the new one");
    assert!(old > 0 && new > 0, "kills on one side of the change only");
}
