//! The memory of a phone that is locked and has no lease, searched from inside.

use std::fs;

use anyhow::{Context as _, Result};
use data_encoding::HEXLOWER as HEX;
use e2e::attacker::RawDevice;
use e2e::world::{Phone, World, wait};
use rand::RngCore as _;
use rand::rngs::OsRng;
use serde::Deserialize;
use shared::crypto::{Purpose, Secret};
use vault::{Collection, Home, Slot, SlotKind};

use crate::thief::{Holder, runtime};

/// Long enough not to stand in memory by chance.
const PIN: &str = "739182640517";

#[derive(Deserialize)]
struct SlotFile {
    #[serde(with = "serde_bytes")]
    header: Vec<u8>,
    #[serde(with = "serde_bytes")]
    sealed: Vec<u8>,
}

/// What `phone scan` takes: the secret in two halves.
fn halves(secret: &[u8]) -> String {
    let mut first = vec![0; secret.len()];
    OsRng.fill_bytes(&mut first);
    let second: Vec<u8> = secret.iter().zip(&first).map(|(a, b)| a ^ b).collect();
    format!("{}:{}", HEX.encode(&first), HEX.encode(&second))
}

/// Export key and vault key, by a login of our own beside the phone.
pub(crate) fn keys(world: &World, holder: &Holder, pin: &str) -> Result<(Vec<u8>, Vec<u8>)> {
    let home = Home::new(holder.phone.home());
    let secret = Secret::<32>::from_slice(&fs::read(home.device_secret())?).context("32 bytes")?;
    let enrolment = holder.enrolment()?;
    let slot = Slot::load(&home, SlotKind::Online)?.context("an online slot")?;
    let export_key = runtime()?.block_on(async {
        let device = RawDevice::connect(world.quic(), Some(&holder.identity()?)).await?;
        let answer = device.challenge(pin, &secret, enrolment, slot.header().stretching).await;
        anyhow::Ok(answer?.export_key)
    })?;
    let file: SlotFile = ciborium::from_reader(fs::read(home.online_slot())?.as_slice())?;
    let key = Purpose::OnlineSlot
        .derive_sealing_key(&[export_key.expose(), secret.expose()], enrolment.as_bytes())
        .open(&file.header, &file.sealed)?;
    Ok((export_key.expose().to_vec(), key.to_vec()))
}

/// The keys that an open vault makes of its key for what this test does: `docs/formats/vault.md` says how. The salt is read out of a
/// copy of the folder.
fn subkeys(holder: &Holder, vault_key: &[u8]) -> Result<Vec<(&'static str, Vec<u8>)>> {
    let copy = holder.phone.copy("salt")?;
    let pairs = vault::raw::pairs(&Home::new(copy.home()))?;
    let header = &pairs.iter().find(|(key, _)| key == b"h").context("a header")?.1;
    let context = [holder.enrolment()?.as_bytes().as_slice(), &header[11..27]].concat();
    let derived = |purpose: Purpose, rest: &[u8]| {
        let context = [context.as_slice(), rest].concat();
        purpose.derive_bytes::<32>(&[vault_key], &context).expose().to_vec()
    };
    let files = Collection::Files as u8;
    Ok(vec![
        ("the key of names", derived(Purpose::VaultNames, &[])),
        ("the key of the index", derived(Purpose::VaultIndex, &[0, 0, 0, 1])),
        ("the key of records", derived(Purpose::VaultRecords, &[0, 0, 0, 1, files])),
    ])
}

/// Which of them a running phone has in its memory, and where.
fn found(phone: &Phone, secrets: &[(&str, Vec<u8>)], planted: bool) -> Vec<(String, Vec<String>)> {
    let mut words = vec!["scan".to_owned()];
    if planted {
        words.push("--planted".to_owned());
    }
    words.extend(secrets.iter().map(|(_, secret)| halves(secret)));
    let finished = phone.call(&words).unwrap().expect_success("phone scan").unwrap();
    let places: Vec<Vec<String>> = serde_json::from_slice(&finished.stdout).unwrap();
    let named = secrets.iter().map(|(name, _)| (*name).to_owned()).zip(places);
    named.filter(|(_, places)| !places.is_empty()).collect()
}

#[test]
fn a_locked_phone_without_a_lease_has_neither_keys_nor_what_was_read_in_its_memory() {
    let mut world = World::with_durable_leases().unwrap();
    world.start().unwrap();
    let person = world.hire("memory", 1).unwrap().remove(0);
    let phone = world.phone("memory");
    phone.enrol(&person.code, PIN).unwrap();
    let device = phone.status().unwrap()["enrolment"].as_str().unwrap().to_owned();
    let holder = Holder { phone: phone.clone(), device };
    let (export_key, vault_key) = keys(&world, &holder, PIN).unwrap();
    let subkeys = subkeys(&holder, &vault_key).unwrap();

    let running = phone.spawn(&["--scannable", "run"]).unwrap();
    running.wait_for_line("connecting", |line| (line == "connected").then_some(())).unwrap();
    phone.unlock(PIN).unwrap();
    let mut marker = vec![0; 32];
    OsRng.fill_bytes(&mut marker);
    phone.put("note", &marker).unwrap();
    assert_eq!(phone.get("note").unwrap(), marker);
    let lease_secret = fs::read(phone.home().join("vault/slots/lease-secret")).unwrap();
    let device_secret = fs::read(phone.home().join("device/secret")).unwrap();
    let mut secrets = vec![
        ("the marker", marker),
        ("the PIN", PIN.as_bytes().to_vec()),
        ("the vault key", vault_key),
        ("the export key", export_key),
        ("the device secret", device_secret),
    ];
    secrets.extend(subkeys);
    let without_lease = secrets.len();
    secrets.push(("the lease secret", lease_secret));

    // The controls: what is planted is found; and of an open vault the keys are there by right, and found as they are.
    assert_eq!(found(&phone, &secrets, true).len(), secrets.len());
    let open = found(&phone, &secrets, false);
    println!("while the vault is open: {open:?}");
    let by_right = ["the vault key", "the key of the index", "the key of records", "the lease secret"];
    for name in by_right {
        assert!(
            open.iter().any(|(found, _)| found == name),
            "{name} of an open vault is not found: {open:?}"
        );
    }

    phone.lock().unwrap();
    let locked = found(&phone, &secrets[..without_lease], false);
    println!("locked, with a lease: {locked:?}");
    assert_eq!(locked, [], "locked");
    holder.order(&world, "block").unwrap();
    wait::until("the block is obeyed", || (phone.status().ok()?["blocked"] == true).then_some(())).unwrap();
    assert_eq!(found(&phone, &secrets, false), [], "blocked: no lease runs any more");
}
