//! A file of 1,400 rows becoming a plan.

use data_encoding::BASE64;
use e2e::roster::{Encoding, FIRST_YEAR, encode};
use e2e::world::{Site, World};
use mdm_core::audit::{Body, Happening};
use serde_json::Value;

use super::apply::roster;
use super::{Tally, journal, kill, rehearse};
use crate::prepared::{SOURCE, staff};

/// The batches whose upload the journal knows, the oldest first.
fn uploaded(world: &World) -> Vec<String> {
    super::export(world).unwrap();
    let lines = std::fs::read_to_string(journal(world)).unwrap();
    let body = |line: &str| -> Option<Body> {
        let line: Value = serde_json::from_str(line).unwrap();
        let bytes = BASE64.decode(line["bytes"].as_str()?.as_bytes()).unwrap();
        Some(ciborium::from_reader(bytes.as_slice()).unwrap())
    };
    let bodies = lines.lines().filter_map(body).filter(|body| body.what == Happening::BatchUploaded);
    bodies.map(|body| body.subject.batch.unwrap().to_string()).collect()
}

fn lines_of(site: &Site, batch: &str) -> usize {
    let shown = site.mdmctl(&["batch", "show", batch, "--all"]).unwrap();
    shown["items"].as_array().unwrap().len()
}

#[test]
fn a_plan_is_there_whole_or_not_at_all_wherever_the_server_is_killed() {
    let mut prepared = World::new().unwrap();
    prepared.hire("委員会", 5).unwrap();
    let before = roster(&prepared);
    let known = uploaded(&prepared).len();
    let file = prepared.file("staff.csv", &encode(&staff(FIRST_YEAR), Encoding::Cp932).unwrap()).unwrap();
    let file = file.to_str().unwrap().to_owned();
    prepared.stop().unwrap();

    let upload = |world: &World| world.try_mdmctl(&["batch", "upload", &file, "--source", SOURCE]);
    let rehearsal = rehearse(&mut prepared, &upload).unwrap();
    let mut tally = Tally::default();
    let mut planned = 0;
    for mode in rehearsal.points(8, 2) {
        let mut killed = kill(&prepared, mode, &upload).unwrap();
        tally.note(&killed);
        killed.world.start().unwrap();
        assert_eq!(roster(&killed.world), before, "{mode:?}: an upload changes nobody");
        let batches = uploaded(&killed.world);
        match &batches[known..] {
            [] => {
                assert!(!killed.answer.succeeded(), "{mode:?}: the upload was acknowledged");
                killed.world.upload(&file, SOURCE, "roster").unwrap();
            }
            [batch] => {
                planned += 1;
                assert_eq!(lines_of(&killed.world, batch), 1_400, "{mode:?}");
            }
            more => panic!("{mode:?}: {} plans of one upload", more.len()),
        }
        rehearsal.anchor.verify(&killed.world).unwrap();
        let last = uploaded(&killed.world).pop().unwrap();
        killed.world.apply(&last).unwrap();
    }
    println!("{planned} of the killed uploads were plans after the restart");
    assert!(planned > 0 && planned < tally.points, "kills on one side of the plan only");
    tally.conclude("upload", &rehearsal);
}
