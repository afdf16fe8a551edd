use jiff::{SignedDuration, Timestamp};
use mdm_core::audit::{Actor, AuditEvent, Happening, Subject, verify};
use mdm_core::change::Changeset;
use rand::rngs::OsRng;
use shared::ids::{AccountId, OperatorId};

use super::search::{About, By, Filter, search};
use super::*;
use crate::testing::{World, april};

fn at(minute: i64) -> Timestamp {
    april().checked_add(SignedDuration::from_mins(minute)).unwrap()
}

/// Entries of one commit, a minute apart; every hundredth is about `account`.
async fn fill(world: &World, entries: i64, account: AccountId) {
    for chunk in (0..entries).collect::<Vec<_>>().chunks(500) {
        let mut changes = Changeset::default();
        for n in chunk {
            let subject = if n % 100 == 0 { Subject::account(account) } else { Subject::default() };
            changes
                .note(AuditEvent::new(at(*n), Actor::Server, Happening::ServerStarted, subject).fact("n", n));
        }
        world.service.commit(changes).await.unwrap();
    }
}

fn account() -> AccountId {
    AccountId::make(april(), &mut OsRng)
}

#[tokio::test]
async fn pages_go_back_to_the_first_entry_and_miss_none() {
    let world = World::new();
    fill(&world, 120, account()).await;
    let (mut before, mut seen) = (None, Vec::new());
    loop {
        let found = search(&world.service, &Filter::default(), before, 50).await.unwrap();
        seen.extend(found.entries.iter().map(|read| read.entry.sequence));
        before = found.rest;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(seen, (1..=120).rev().collect::<Vec<u64>>());
}

#[tokio::test]
async fn a_search_looks_at_a_bounded_part_and_can_be_continued() {
    let world = World::new();
    let account = account();
    fill(&world, 10_000, account).await;
    let filter = Filter { about: Some(About(*account.as_bytes())), ..Filter::default() };
    let (mut before, mut seen, mut searches) = (None, 0, 0);
    loop {
        let found = search(&world.service, &filter, before, 50).await.unwrap();
        assert!(found.looked_at <= 5_000, "{}", found.looked_at);
        seen += found.entries.len();
        searches += 1;
        before = found.rest;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(seen, 100);
    assert!(searches >= 3);
}

#[tokio::test]
async fn times_are_found_without_reading_from_the_end() {
    let world = World::new();
    fill(&world, 10_000, account()).await;
    let filter = Filter { from: Some(at(100)), before: Some(at(120)), ..Filter::default() };
    let found = search(&world.service, &filter, None, 50).await.unwrap();
    let times: Vec<_> = found.entries.iter().map(|read| read.body.as_ref().unwrap().at).collect();
    assert_eq!(times, (100..120).rev().map(at).collect::<Vec<_>>());
    assert_eq!(found.rest, None);
    assert!(found.looked_at < 100, "{}", found.looked_at);
}

#[tokio::test]
async fn who_and_what_are_told_apart() {
    let world = World::new();
    let operator = OperatorId::make(april(), &mut OsRng);
    let mut changes = Changeset::default();
    for (actor, what) in [
        (Actor::Operator(operator), Happening::PoolSet),
        (Actor::Visitor, Happening::SignInFailed),
        (Actor::Server, Happening::ServerStarted),
    ] {
        changes.note(AuditEvent::new(april(), actor, what, Subject::default()));
    }
    world.service.commit(changes).await.unwrap();
    for (filter, what) in [
        (Filter { by: Some(By::Operator(operator)), ..Filter::default() }, Happening::PoolSet),
        (Filter { by: Some(By::Visitors), ..Filter::default() }, Happening::SignInFailed),
        (Filter { what: Some(Happening::ServerStarted), ..Filter::default() }, Happening::ServerStarted),
    ] {
        let found = search(&world.service, &filter, None, 50).await.unwrap();
        assert_eq!(
            found.entries.iter().map(|read| read.body.as_ref().unwrap().what).collect::<Vec<_>>(),
            [what]
        );
    }
}

#[tokio::test]
async fn an_export_ends_where_its_checkpoint_is_and_verifies() {
    let world = World::new();
    fill(&world, 2_300, account()).await;
    let mut export =
        Export::begin(&world.service, Form::JsonLines, Filter::default(), Actor::Server).await.unwrap();
    let mut entries = Vec::new();
    while let Some(part) = export.next(&world.service).await.unwrap() {
        entries.extend(part.into_iter().map(|read| read.entry));
    }
    let head = export.checkpoint.checkpoint.head.clone();
    assert_eq!(verify(&entries, Some(&head)).unwrap().head, head);
    assert_eq!(
        entries.last().unwrap().body().unwrap().what,
        Happening::JournalExported,
        "noted before it began"
    );
}
