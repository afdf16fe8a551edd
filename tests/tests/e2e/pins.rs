//! The keys by which devices know the server: replaced by the spare, replaced by the recovery key, and not replaced by
//! anybody else.

mod drill;
mod kill;
mod middleman;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use client_agent::DeviceState;
use e2e::attacker::{FalsePins, Identity, Validity};
use e2e::world::{Finished, Phone, Process, Site, World};
use mdm_server::init::{OFFLINE_FOLDER, RECOVERY_KEY_FILE, SPARE_KEY_FILE};
use mdm_server::keyring::{Keyring, read_master_key};
use shared::wire::ServerKeys;
use vault::Home;

use crate::thief::{Holder, PIN, edit_state, holder, runtime};

/// `mdm-server pins` on the machine of the site.
fn pins(site: &Site, arguments: &[&str]) -> Result<Finished> {
    let mut command = site.command("mdm-server")?;
    command.arg("pins").arg(arguments[0]).arg("--config").arg(site.config_file()).args(&arguments[1..]);
    Process::spawn("mdm-server pins", &mut command)?.finish()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("paths of these tests are UTF-8")
}

/// A key file that `init` made.
fn offline(site: &Site, name: &str) -> PathBuf {
    site.secrets().join(OFFLINE_FOLDER).join(name)
}

fn rotate(site: &Site, spare: &Path, out: &Path) -> Result<String> {
    let arguments = ["rotate", "--spare-key", text(spare), "--new-spare-out", text(out)];
    Ok(pins(site, &arguments)?.expect_success("mdm-server pins rotate")?.text())
}

fn recover(site: &Site, out: &Path) -> Result<String> {
    let recovery = offline(site, RECOVERY_KEY_FILE);
    let arguments = ["recover", "--recovery-key", text(&recovery), "--new-spare-out", text(out)];
    Ok(pins(site, &arguments)?.expect_success("mdm-server pins recover")?.text())
}

/// How many devices know the newest set, of how many. The server has to be stopped.
fn known_by(site: &Site) -> Result<String> {
    let said = pins(site, &["show"])?.expect_success("mdm-server pins show")?.text();
    let line = said.lines().find_map(|line| line.strip_prefix("devices")).context("a line about devices")?;
    Ok(line.trim().to_owned())
}

/// The server's keys that a phone which is switched off knows.
fn known_to(phone: &Phone) -> Result<ServerKeys> {
    Ok(DeviceState::load(&Home::new(phone.home()))?.context("an enrolled phone")?.keys)
}

/// The secrets of a stopped server.
fn keyring(site: &Site) -> Result<Keyring> {
    Ok(Keyring::open(&site.data(), &read_master_key(&site.secrets())?)?)
}

/// The server's TLS key in other hands.
fn stolen_tls(site: &Site) -> Result<Identity> {
    Identity::self_signed(keyring(site)?.tls_pkcs8(), Validity::ALWAYS)
}

#[test]
fn a_phone_that_was_away_finds_the_server_by_the_spare_and_learns_the_next() {
    let mut world = World::new().unwrap();
    let (near, away) = (holder(&world, "near").unwrap(), holder(&world, "away").unwrap());
    let before = known_to(&near.phone).unwrap();
    world.stop().unwrap();
    rotate(&world, &offline(&world, SPARE_KEY_FILE), &world.folder().join("spare-2")).unwrap();
    assert_eq!(known_by(&world).unwrap(), "0 of 2 know this set");
    world.start().unwrap();

    near.phone.unlock(PIN).unwrap();
    let after = known_to(&near.phone).unwrap();
    assert_eq!(after.pins[0], before.pins[1], "the spare is the key in use");
    assert!(!before.pins.contains(&after.pins[1]), "there is another spare");
    assert_eq!(after.command, before.command);
    world.stop().unwrap();
    assert_eq!(known_by(&world).unwrap(), "1 of 2 know this set", "what is acknowledged is stored");
    world.start().unwrap();
    assert_eq!(known_to(&away.phone).unwrap(), before);
    away.phone.unlock(PIN).unwrap();
    assert_eq!(known_to(&away.phone).unwrap(), after);
    // Whoever enrols now needs no update, and takes none that is older.
    let new = holder(&world, "new").unwrap();
    assert_eq!(known_to(&new.phone).unwrap(), after);
    new.phone.unlock(PIN).unwrap();
    world.stop().unwrap();
    assert_eq!(known_by(&world).unwrap(), "3 of 3 know this set");
}

#[test]
fn a_phone_that_was_away_for_two_rotations_asks_for_the_way_back() {
    let mut world = World::new().unwrap();
    let away = holder(&world, "away").unwrap();
    let before = known_to(&away.phone).unwrap();
    world.stop().unwrap();
    let (second, third) = (world.folder().join("spare-2"), world.folder().join("spare-3"));
    rotate(&world, &offline(&world, SPARE_KEY_FILE), &second).unwrap();
    rotate(&world, &second, &third).unwrap();
    world.start().unwrap();
    away.phone.unlock(PIN).unwrap();
    let after = known_to(&away.phone).unwrap();
    assert!(after.pins.iter().all(|pin| !before.pins.contains(pin)), "no key that it knew is left");
    world.stop().unwrap();
    assert_eq!(known_by(&world).unwrap(), "1 of 1 know this set");
}

#[test]
fn a_rotation_is_refused_while_the_server_runs_and_leaves_it_as_it_was() {
    let world = World::new().unwrap();
    let out = world.folder().join("spare-2");
    let spare = offline(&world, SPARE_KEY_FILE);
    let arguments = ["rotate", "--spare-key", text(&spare), "--new-spare-out", text(&out)];
    let said = pins(&world, &arguments).unwrap().expect_failure("rotating under a running server").unwrap();
    assert!(said.contains("in use") || said.contains("open"), "{said}");
    assert!(!out.exists());
    holder(&world, "undisturbed").unwrap().phone.unlock(PIN).unwrap();
}

/// Everything was stolen, and the recovery key makes it worthless: phones that are away are reached, also with the wipe
/// that was ordered before, and a command of the stolen key is not obeyed.
#[test]
fn after_a_recovery_stolen_keys_are_worth_nothing_and_every_phone_comes_back() {
    let mut world = World::new().unwrap();
    let (kept, wiped, blocked) = (
        holder(&world, "kept").unwrap(),
        holder(&world, "wiped").unwrap(),
        holder(&world, "blocked").unwrap(),
    );
    kept.put("memo", &world.file("memo", b"smoke").unwrap()).unwrap();
    wiped.order(&world, "wipe").unwrap();
    blocked.order(&world, "block").unwrap();
    world.stop().unwrap();
    let stolen = stolen_tls(&world).unwrap();
    let old_command = keyring(&world).unwrap().command;
    // The control: with the stolen TLS key somebody else is believed to be the server.
    assert!(is_believed(&kept, &stolen, &world));

    recover(&world, &world.folder().join("spare-2")).unwrap();
    world.start().unwrap();
    kept.phone.unlock(PIN).unwrap();
    assert_eq!(kept.phone.with_pin(PIN).get("memo").unwrap(), b"smoke");
    let now = known_to(&kept.phone).unwrap();
    assert_eq!((now.order.counter, now.order.epoch > 0), (0, true));
    use shared::cose::Signer as _;
    assert_ne!(now.command, *old_command.public_key());
    assert!(!is_believed(&kept, &stolen, &world), "the stolen TLS key is known no more");

    // What was ordered under the stolen key is obeyed under the new one.
    wiped.phone.sync().unwrap().expect_success("the wiped phone").unwrap();
    assert_eq!(wiped.phone.erase_state().unwrap()["finished"], true);
    assert!(
        wiped.shown(&world).unwrap()["wipe"]["erased_at"].is_string(),
        "{}",
        wiped.shown(&world).unwrap()
    );
    blocked.phone.sync().unwrap().expect_success("the blocked phone").unwrap();
    assert_eq!(blocked.phone.status().unwrap()["blocked"], true);
    blocked.order(&world, "unblock").unwrap();
    blocked.phone.unlock(PIN).unwrap();
    world.stop().unwrap();
    assert_eq!(known_by(&world).unwrap(), "2 of 2 know this set");

    // The set goes on from there.
    rotate(&world, &world.folder().join("spare-2"), &world.folder().join("spare-3")).unwrap();
    world.start().unwrap();
    kept.phone.unlock(PIN).unwrap();
    world.stop().unwrap();
    assert_eq!(known_by(&world).unwrap(), "1 of 2 know this set");
}

/// Whether the phone takes somebody with this key for its server.
fn is_believed(holder: &Holder, identity: &Identity, world: &World) -> bool {
    let runtime = runtime().unwrap();
    let false_server = {
        let _entered = runtime.enter();
        FalsePins::start(identity).unwrap()
    };
    let there = |server: String| edit_state(&holder.phone, |state| state.server = server).unwrap();
    there(false_server.address().to_string());
    let said = holder.phone.sync().unwrap().expect_failure("nobody answers the hello").unwrap();
    there(world.quic().to_string());
    let is_believed = false_server.believed() > 0;
    assert_eq!(said.contains("does not have the key"), !is_believed, "{said}");
    is_believed
}

#[test]
fn the_recovery_key_goes_where_the_operator_says_and_over_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let site = World::prepared_in(&folder.path().join("unused")).unwrap();
    let at = |name: &str| folder.path().join(name);
    let init = |out: &Path, name: &str| {
        let mut command = site.command("mdm-server").unwrap();
        command.args(["init", "--organisation", "玉手県", "--public-address", "localhost:4433"]);
        for (option, path) in [("--config", "toml"), ("--data", "data"), ("--secrets", "secrets")] {
            command.arg(option).arg(at(name).join(path));
        }
        command.arg("--recovery-key-out").arg(out);
        fs::create_dir_all(at(name)).unwrap();
        Process::spawn("mdm-server init", &mut command).unwrap().finish().unwrap()
    };
    let said = init(&at("recovery"), "one").expect_success("init").unwrap().text();
    assert!(said.contains("recovery key"), "{said}");
    let key = fs::read(at("recovery")).unwrap();
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(fs::metadata(at("recovery")).unwrap().permissions().mode() & 0o777, 0o400);
    assert!(!at("one").join("secrets/offline").join(RECOVERY_KEY_FILE).exists());

    init(&at("recovery"), "two").expect_failure("init over a recovery key").unwrap();
    assert_eq!(fs::read(at("recovery")).unwrap(), key);
    assert!(!at("two").join("data").exists());
    init(&at("three").join("data/recovery"), "three").expect_failure("init into the data folder").unwrap();
}
