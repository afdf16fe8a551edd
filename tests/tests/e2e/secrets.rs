//! Everything that server and phone write is searched for secrets: logs at trace level, a panic, temporary files, the data
//! folders, while a phone lives its life from the letter to the wipe.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use data_encoding::{BASE64, BASE64URL, HEXLOWER, HEXUPPER};
use e2e::attacker::unlock_secrets;
use e2e::world::{Finished, Launch, Phone, Process, World, files};
use vault::Home;

use crate::memory::keys;
use crate::thief::{Holder, MARKER, MEMO, runtime};

/// Long enough not to stand anywhere by chance.
const PIN: &str = "739182640517";
const NEW: &str = "586920173648";
const WRONG: &str = "914736250861";

/// One secret and the files in which it lies by right, relative to the site's folder.
struct Secret {
    name: &'static str,
    bytes: Vec<u8>,
    at_home_in: Vec<&'static str>,
}

fn secret(name: &'static str, bytes: impl Into<Vec<u8>>, at_home_in: &[&'static str]) -> Secret {
    Secret { name, bytes: bytes.into(), at_home_in: at_home_in.to_vec() }
}

/// As it may have been written: as it is, as digits, and as Rust prints bytes. Base 64 in each of the three ways in which it
/// may stand in something longer.
fn forms(bytes: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let listed = bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
    let mut forms = vec![
        ("bytes", bytes.to_vec()),
        ("hex", HEXLOWER.encode(bytes).into_bytes()),
        ("HEX", HEXUPPER.encode(bytes).into_bytes()),
        ("a list", listed.into_bytes()),
    ];
    for before in 0..3 {
        let shifted = [&vec![0; before], bytes].concat();
        // Only the characters that are made of the secret's bits alone.
        let (first, last) = ((before * 8).div_ceil(6), shifted.len() * 8 / 6);
        for (name, base) in [("base64", BASE64), ("base64url", BASE64URL)] {
            forms.push((name, base.encode(&shifted).into_bytes()[first..last].to_vec()));
        }
    }
    forms
}

/// Which secrets are in `text`, and how: one pass, for a log at trace level is long.
fn found(text: &[u8], secrets: &[Secret]) -> Vec<(&'static str, &'static str)> {
    let mut by_start = HashMap::<[u8; 2], Vec<(&'static str, &'static str, Vec<u8>)>>::new();
    for secret in secrets {
        for (form, bytes) in forms(&secret.bytes) {
            by_start.entry([bytes[0], bytes[1]]).or_default().push((secret.name, form, bytes));
        }
    }
    let mut found = BTreeSet::new();
    for (at, start) in text.windows(2).enumerate() {
        let Some(needles) = by_start.get(start) else { continue };
        let here = needles.iter().filter(|(.., bytes)| text[at..].starts_with(bytes));
        found.extend(here.map(|(name, form, _)| (*name, *form)));
    }
    found.into_iter().collect()
}

/// Everything under a folder, but for what is there by right.
fn found_in(root: &Path, part: &str, secrets: &[Secret]) -> Vec<String> {
    let mut all = Vec::new();
    for path in files::files(&root.join(part)).unwrap() {
        let relative = path.strip_prefix(root).unwrap().to_owned();
        for (name, form) in found(&fs::read(&path).unwrap(), secrets) {
            let secret = secrets.iter().find(|secret| secret.name == name).unwrap();
            if !secret.at_home_in.iter().any(|home| relative == Path::new(home)) {
                all.push(format!("{name} as {form} in {}", relative.display()));
            }
        }
    }
    all
}

/// Runs `phone` at trace level, and keeps what it says.
struct Traced {
    phone: Phone,
    said: String,
}

impl Traced {
    fn spawn(&self, arguments: &[&str]) -> Result<Process> {
        let mut command = self.phone.command(arguments)?;
        command.env("RUST_LOG", "trace").env("RUST_BACKTRACE", "full");
        Process::spawn("phone", &mut command)
    }

    fn call(&mut self, arguments: &[&str]) -> Finished {
        let finished = self.spawn(arguments).unwrap().finish().unwrap();
        self.keep(&finished);
        finished
    }

    fn keep(&mut self, finished: &Finished) {
        self.said.push_str(&finished.said());
    }

    fn succeed(&mut self, arguments: &[&str]) {
        let what = arguments[0];
        self.call(arguments).expect_success(what).unwrap();
    }
}

/// What there is to hide, once the phone is enrolled and has a lease.
fn secrets(world: &World, holder: &Holder, code: &str) -> Result<Vec<Secret>> {
    let home = Home::new(holder.phone.home());
    let (export_key, vault_key) = keys(world, holder, PIN)?;
    let copied = world.file("key-file", &fs::read(world.data().join("unlock-records"))?)?;
    let record = runtime()?.block_on(unlock_secrets(&copied, holder.enrolment()?))?;
    fs::remove_file(copied)?;
    // The key itself: PKCS#8 has the public half and names besides.
    let pkcs8 = fs::read(home.device_key())?;
    let private = pkcs8.windows(2).position(|two| two == [4, 32]).context("an ES256 key")? + 2;
    Ok(vec![
        secret("the PIN", PIN, &[]),
        secret("the new PIN", NEW, &[]),
        secret("a wrong PIN", WRONG, &[]),
        secret("the code", code, &[]),
        secret("the code, as it is typed", code.replace('-', ""), &[]),
        secret("the note", MARKER, &[]),
        secret("the vault key", vault_key, &[]),
        secret("the export key", export_key, &[]),
        secret("the device secret", fs::read(home.device_secret())?, &["phones/secrets/device/secret"]),
        secret(
            "the lease secret",
            fs::read(home.lease_secret())?,
            &["phones/secrets/vault/slots/lease-secret"],
        ),
        secret("the device key", &pkcs8[private..private + 32], &["phones/secrets/device/key"]),
        secret("the record", &record.record[..32], &["data/unlock-records"]),
        secret("the credential id", record.credential, &["data/unlock-records"]),
        secret("the master key", fs::read(world.secrets().join("master.key"))?, &[]),
        secret("the owner's token", fs::read_to_string(world.token_file())?.trim(), &[]),
    ])
}

/// Lines that say a name louder than debug, in a log whose lines begin with time and level.
fn names_above_debug(log: &str, names: &[&str]) -> Vec<String> {
    let loud = |line: &&str| [" INFO ", " WARN ", "ERROR "].iter().any(|level| line.contains(level));
    log.lines()
        .filter(loud)
        .filter(|line| names.iter().any(|name| line.contains(name)))
        .map(str::to_owned)
        .collect()
}

#[test]
fn no_secret_is_in_logs_at_trace_level_panics_temporary_files_or_data() {
    let mut world = World::with_durable_leases().unwrap();
    world.start_with(&Launch::at_trace()).unwrap();
    let person = world.hire("知事部局", 1).unwrap().remove(0);
    let mut traced = Traced { phone: world.phone("secrets"), said: String::new() };
    let server = world.quic().to_string();
    traced.succeed(&["enrol", "--code", &person.code, "--server", &server, "--pin", PIN]);
    traced.succeed(&["unlock", "--pin", PIN]);
    let device = traced.phone.status().unwrap()["enrolment"].as_str().unwrap().to_owned();
    let holder = Holder { phone: traced.phone.clone(), device };
    let mut secrets = secrets(&world, &holder, &person.code).unwrap();
    let note = world.folder().join("note.txt");
    fs::write(&note, MARKER).unwrap();
    let note = note.to_str().unwrap();

    // A phone that runs: unlocked, used, panicking in the midst of it, its PIN changed.
    let running = traced.spawn(&["run"]).unwrap();
    running.wait_for_line("connecting", |line| (line == "connected").then_some(())).unwrap();
    let wrong = traced.call(&["unlock", "--pin", WRONG]).expect_failure("a wrong PIN").unwrap();
    assert!(wrong.contains("the PIN is wrong"), "{wrong}");
    traced.succeed(&["unlock", "--pin", PIN]);
    traced.succeed(&["put", MEMO, note]);
    assert!(!traced.call(&["panic"]).succeeded(), "nobody answers who panics");
    traced.succeed(&["change-pin", "--pin", PIN, "--new-pin", NEW]);
    traced.succeed(&["unlock", "--pin", NEW]);
    let lease_secret = fs::read(Home::new(holder.phone.home()).lease_secret()).unwrap();
    secrets.push(secret("the last lease secret", lease_secret, &["phones/secrets/vault/slots/lease-secret"]));
    traced.succeed(&["lock"]);
    running.terminate().unwrap();
    let ran = running.finish().unwrap();
    assert!(ran.said().contains("panicked at"), "{}", ran.said());
    traced.keep(&ran);

    let looked = |when: &str| {
        for part in ["data", "phones", "tmp"] {
            assert_eq!(found_in(world.folder(), part, &secrets), Vec::<String>::new(), "{when}");
        }
    };
    looked("in use");
    holder.order(&world, "block").unwrap();
    traced.succeed(&["sync"]);
    looked("blocked");
    holder.order(&world, "unblock").unwrap();
    traced.succeed(&["unlock", "--pin", NEW]);
    holder.order(&world, "wipe").unwrap();
    traced.succeed(&["sync"]);
    looked("wiped");

    // The controls: what lies there by right is found by the same search, and so is what is planted.
    world.stop().unwrap();
    let planted = world.tmp().join("planted");
    for secret in &secrets {
        for (form, bytes) in forms(&secret.bytes) {
            fs::write(&planted, [b"2026 TRACE something=".as_slice(), &bytes, b" else"].concat()).unwrap();
            let found = found_in(world.folder(), "tmp", std::slice::from_ref(secret));
            assert!(!found.is_empty(), "{} as {form} is not found", secret.name);
        }
    }

    let logs = [("the phone's log", &traced.said), ("the server's log", &world.log())];
    for (whose, log) in logs {
        assert!(log.contains("TRACE") && log.contains("DEBUG"), "{whose} is not at trace level");
        assert!(log.contains("DEBUG sled") && !log.contains("TRACE sled"), "{whose}: sled's lines");
        assert_eq!(found(log.as_bytes(), &secrets), [], "{whose}");
        let names = [person.name.as_str()];
        assert_eq!(names_above_debug(log, &names), Vec::<String>::new(), "{whose}");
        let told = format!("{log}\n2026-11-22T00:00:00Z  INFO mdm_server: hired {}\n", person.name);
        assert_eq!(names_above_debug(&told, &names).len(), 1, "{whose}: the control");
    }
    println!(
        "{} secrets in ten forms; {} bytes of the phone's log and {} of the server's",
        secrets.len(),
        traced.said.len(),
        world.log().len()
    );
}
