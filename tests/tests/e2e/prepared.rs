//! Stopped worlds from which tests that kill or trace a server start over and over.

use data_encoding::BASE64;
use e2e::roster::{Encoding, FIRST_YEAR, RosterSpec, Row, encode, generate};
use e2e::world::{Site, World};
use mdm_core::audit::{Body, Happening};
use serde_json::Value;

/// 名簿区分 of the people below.
pub(crate) const SOURCE: &str = "知事部局";
/// The PIN of the phone below.
pub(crate) const PIN: &str = "271828";

/// 1,400 people of an April.
pub(crate) fn staff(year: u16) -> Vec<Row> {
    generate(&RosterSpec::new(7, 1_400, year))
}

/// Uploads people as Excel writes them, and gives the batch's id.
pub(crate) fn upload(site: &Site, rows: &[Row]) -> String {
    let file = site.file("staff.csv", &encode(rows, Encoding::Cp932).unwrap()).unwrap();
    site.upload(file.to_str().unwrap(), SOURCE, "roster").unwrap()
}

/// Five people of another source in force; a batch of 1,400 with 700 seats for them uploaded. Gives the batch's id.
pub(crate) fn large_batch() -> (World, String) {
    let mut world = World::new().unwrap();
    world.hire("委員会", 5).unwrap();
    world.mdmctl(&["licenses", "pool", "set", "705"]).unwrap();
    let batch = upload(&world, &staff(FIRST_YEAR));
    world.stop().unwrap();
    (world, batch)
}

/// A phone named `phone` that has signed in and is switched off. Gives the device's id.
pub(crate) fn phone() -> (World, String) {
    let mut world = World::new().unwrap();
    let person = world.hire(SOURCE, 1).unwrap().remove(0);
    let phone = world.phone("phone");
    phone.enrol(&person.code, PIN).unwrap();
    phone.unlock(PIN).unwrap();
    let device = world.devices().unwrap()[0]["id"].as_str().unwrap().to_owned();
    world.stop().unwrap();
    (world, device)
}

/// The journal as `mdmctl` exports it, decoded. The server has to run.
pub(crate) fn exported_journal(site: &Site) -> Vec<Body> {
    let file = site.folder().join("journal.jsonl");
    if file.exists() {
        std::fs::remove_file(&file).unwrap();
    }
    site.mdmctl(&["audit", "export", file.to_str().unwrap()]).unwrap();
    let lines = std::fs::read_to_string(file).unwrap();
    let entry = |line: &str| -> Option<Body> {
        let line: Value = serde_json::from_str(line).unwrap();
        let bytes = BASE64.decode(line["bytes"].as_str()?.as_bytes()).unwrap();
        Some(ciborium::from_reader(bytes.as_slice()).unwrap())
    };
    let entries: Vec<Body> = lines.lines().filter_map(entry).collect();
    assert!(entries.iter().any(|entry| entry.what == Happening::ServerStarted), "an exported journal");
    entries
}
