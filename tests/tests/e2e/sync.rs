//! Documents on their way to a phone: shown when they are whole, gone when they are not meant for it any more, and over links that
//! lose, delay, cut and renumber.

mod ended;
mod link;

use anyhow::{Context as _, Result};
use client_agent::{Document, DocumentState};
use e2e::world::{World, wait};
use shared::ids::DocumentId;

use crate::thief::{PIN, holder};

/// Bytes that repeat nowhere near a chunk's length.
fn contents(seed: u32, length: u32) -> Vec<u8> {
    (0..length).map(|at| (at.wrapping_add(seed).wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

fn publish(world: &World, name: &str, bytes: &[u8], more: &[&str]) -> Result<DocumentId> {
    let file = world.file(name, bytes)?;
    let file = file.to_str().context("a path in UTF-8")?;
    let published = world.mdmctl(&[&["documents", "publish", file], more].concat())?;
    Ok(published["id"].as_str().context("an id")?.parse()?)
}

fn is_there(document: &Document) -> bool {
    matches!(document.state, DocumentState::There { .. })
}

#[test]
fn documents_of_a_department_come_and_what_is_taken_back_goes() {
    let world = World::new().unwrap();
    let holder = holder(&world, "委員会").unwrap();
    let theirs = ["--department", "玉手部", "--source", "委員会", "--folder", "防災"];
    let bytes = contents(1, 300_000);
    let manual = publish(&world, "manual.txt", &bytes, &[&theirs[..], &["--level", "2"]].concat()).unwrap();
    world.hire("知事部局", 1).unwrap();
    let other = ["--person", "000001", "--source", "知事部局", "--level", "1"];
    publish(&world, "other.txt", b"for somebody else", &other).unwrap();

    let running = holder.phone.run().unwrap();
    holder.phone.unlock(PIN).unwrap();
    let listed = wait::until("the document is there", || {
        holder.phone.documents().ok().filter(|list| list.iter().any(is_there))
    })
    .unwrap();
    assert_eq!(listed.len(), 1, "what is for others is not listed: {listed:?}");
    assert_eq!((listed[0].id, listed[0].folder.as_str()), (manual, "防災"));
    assert!(holder.phone.document(manual).unwrap() == bytes);
    holder.phone.lock().unwrap();
    let locked = holder.phone.call(&["documents"]).unwrap();
    assert!(locked.expect_failure("documents of a locked phone").unwrap().contains("closed"));
    let marker = &bytes[100_000..100_064];
    let found = e2e::world::files::containing(holder.phone.home(), marker).unwrap();
    assert!(found.is_empty(), "{found:?}");

    world.mdmctl(&["documents", "unpublish", &manual.to_string()]).unwrap();
    holder.phone.unlock(PIN).unwrap();
    wait::until("it is gone", || holder.phone.documents().ok().filter(Vec::is_empty)).unwrap();
    let contents = holder.phone.home().join("vault/content");
    wait::until("nothing of it is left", || (std::fs::read_dir(&contents).ok()?.count() == 0).then_some(()))
        .unwrap();
    drop(running);
}

#[test]
fn level_three_leaves_the_phones_when_the_organisation_does_not_allow_it_any_more() {
    let mut world = World::prepared().unwrap();
    world.edit_config(|config| config.documents.level_3_on_phones = true).unwrap();
    world.start().unwrap();
    let holder = holder(&world, "委員会").unwrap();
    let everybody = ["--organisation", "--level"];
    let secret = publish(&world, "secret.txt", b"for some time", &[&everybody[..], &["3"]].concat()).unwrap();
    publish(&world, "notice.txt", b"for all time", &[&everybody[..], &["2"]].concat()).unwrap();
    let running = holder.phone.run().unwrap();
    holder.phone.unlock(PIN).unwrap();
    let said = |line: &str| running.process().printed().lines().any(|said| said == line).then_some(());
    wait::until("both are there", || said("documents 2 of 2")).unwrap();
    assert_eq!(holder.phone.document(secret).unwrap(), b"for some time", "the control: it is allowed");

    world.edit_config(|config| config.documents.level_3_on_phones = false).unwrap();
    world.restart().unwrap();
    wait::until("one is left", || said("documents 1 of 1")).unwrap();
    let refused = holder.phone.call(&["document", &secret.to_string()]).unwrap();
    refused.expect_failure("a document that was taken back").unwrap();
    let again = publish(&world, "again.txt", b"not any more", &[&everybody[..], &["3"]].concat());
    let said = format!("{:#}", again.unwrap_err());
    assert!(said.contains("level_3_on_phones"), "refused by name: {said}");
}
