use std::collections::BTreeSet;

use mdm_core::account::SourceName;
use mdm_core::approval::Consent;
use mdm_core::audit::{Actor, Happening};
use mdm_core::batch::{BatchState, Mode};
use mdm_core::sheet::rejected::{REASON_BEGINS, REASON_HEADERS};
use mdm_core::sheet::{Declared, SheetError};

use super::*;
use crate::scheduler;
use crate::testing::World;
use crate::use_cases::batches::{Upload, UploadError, apply, show, upload};

async fn put(world: &World, file: &[u8], mode: Mode) -> Result<Batch, UploadError> {
    let source = SourceName::new("知事部局").unwrap();
    let how = Upload {
        source,
        mode,
        declared: Declared::default(),
        file_name: None,
        effective_at: None,
        temporary_until: None,
    };
    upload(&world.service, file.to_vec(), how, Actor::Server).await
}

async fn handed_back(world: &World, batch: &Batch) -> Result<String, UseCaseError> {
    let reason = |rejections: &[Rejection]| format!("{}{}", REASON_BEGINS[0], rejections[0].problem);
    let bytes = file(&world.service, batch, REASON_HEADERS[0], reason).await?;
    Ok(String::from_utf8(bytes).unwrap())
}

const LIST: &str = "職員番号,氏名,所属,内線\n001,髙橋,総務課,11\n002,=1+1,税務課,12\n003,濵田,,13\n";

#[tokio::test]
async fn rejected_rows_are_mended_and_uploaded_again_and_nobody_leaves() {
    let world = World::new();
    let batch = put(&world, LIST.as_bytes(), Mode::Roster).await.unwrap();
    assert_eq!((batch.summary.rejected, batch.kept.rows), (2, 2));
    apply(&world.service, batch.id, Consent::default(), Actor::Server).await.unwrap();
    let back = handed_back(&world, &batch).await.unwrap();
    assert!(back.starts_with("職員番号,氏名,所属,内線,却下の理由\r\n002,'=1+1,税務課,12,\"却下: "), "{back}");

    // As a roster it would make 001 a leaver: not even when nothing was mended is there a plan.
    let mended = back.replace("'=1+1", "﨑山").replace("濵田,,", "濵田,福祉課,");
    let refused = put(&world, mended.as_bytes(), Mode::Roster).await.unwrap_err();
    assert!(matches!(refused, UploadError::Sheet(SheetError::RejectedRowsOnly)));
    assert!(world.journal().await.iter().any(|entry| entry.body().unwrap().what == Happening::BatchRefused));
    // Without its mark it would be one: the header is what saves them.
    let unmarked = mended.replace(REASON_HEADERS[0], "備考");
    assert_eq!(put(&world, unmarked.as_bytes(), Mode::Roster).await.unwrap().summary.leave, 1);

    let again = put(&world, mended.as_bytes(), Mode::Upsert).await.unwrap();
    assert_eq!((again.summary.join, again.summary.rejected, again.summary.leave), (2, 0, 0));
    assert!(again.unused_columns.iter().all(|column| column == "内線"), "{:?}", again.unused_columns);
    apply(&world.service, again.id, Consent::default(), Actor::Server).await.unwrap();
    assert!(world.account("001").await.may_work() && world.account("003").await.may_work());
}

#[tokio::test]
async fn a_roster_that_waits_goes_on_waiting_when_its_mended_rows_are_uploaded() {
    let world = World::new();
    let waiting = put(&world, LIST.as_bytes(), Mode::Roster).await.unwrap();
    let mended = handed_back(&world, &waiting).await.unwrap().replace("濵田,,", "濵田,福祉課,");
    let some = put(&world, mended.as_bytes(), Mode::Upsert).await.unwrap();
    assert_eq!(show(&world.service, waiting.id).await.unwrap().state, BatchState::Planned);
    // The control: a roster takes the roster's place, and leaves the few rows alone.
    let newer = put(&world, LIST.as_bytes(), Mode::Roster).await.unwrap();
    let replaced = show(&world.service, waiting.id).await.unwrap().state;
    assert!(matches!(replaced, BatchState::Replaced { by, .. } if by == newer.id), "{replaced:?}");
    assert_eq!(show(&world.service, some.id).await.unwrap().state, BatchState::Planned);
}

#[tokio::test]
async fn some_rows_that_wait_go_on_waiting_when_the_rejected_ones_are_mended_and_uploaded() {
    let world = World::new();
    let waiting = put(&world, LIST.as_bytes(), Mode::Upsert).await.unwrap();
    assert_eq!((waiting.summary.join, waiting.summary.rejected), (1, 2));
    let mended = handed_back(&world, &waiting).await.unwrap().replace("濵田,,", "濵田,福祉課,");
    let rest = put(&world, mended.as_bytes(), Mode::Upsert).await.unwrap();
    assert_eq!(show(&world.service, waiting.id).await.unwrap().state, BatchState::Planned);
    apply(&world.service, waiting.id, Consent::default(), Actor::Server).await.unwrap();
    assert!(world.account("001").await.may_work(), "who was in order in the first file");
    assert_eq!(show(&world.service, rest.id).await.unwrap().state, BatchState::Planned);
}

#[tokio::test]
async fn a_large_file_of_rejected_rows_is_stored_in_parts_and_comes_back_whole() {
    let world = World::new();
    let mut list = "職員番号,氏名,所属,備考\n".to_owned();
    for number in 0..400 {
        list += &format!("{number:04},?,税務課,{}\n", "長".repeat(200));
    }
    let batch = put(&world, list.as_bytes(), Mode::Roster).await.unwrap();
    assert!(batch.kept.parts > 4 && batch.kept.rows == 400, "{:?}", batch.kept);
    let back = handed_back(&world, &batch).await.unwrap();
    let numbers: BTreeSet<&str> = back.lines().skip(1).map(|line| &line[..4]).collect();
    assert_eq!(numbers.len(), 400);
    assert!(back.contains(&"長".repeat(200)));
}

#[tokio::test]
async fn thirty_days_after_the_upload_nothing_of_it_is_kept() {
    let world = World::new();
    let old = put(&world, LIST.as_bytes(), Mode::Roster).await.unwrap();
    world.clock.advance(SignedDuration::from_hours(24));
    let newer = put(&world, LIST.as_bytes(), Mode::Roster).await.unwrap();
    world.clock.advance(UPLOADS_KEPT - SignedDuration::from_hours(24) - SignedDuration::from_secs(1));
    scheduler::tick(&world.service).await;
    assert!(handed_back(&world, &show(&world.service, old.id).await.unwrap()).await.is_ok());

    world.clock.advance(SignedDuration::from_secs(1));
    for _ in 0..2 {
        scheduler::tick(&world.service).await;
    }
    let after = show(&world.service, old.id).await.unwrap();
    assert!(after.kept.forgotten_at.is_some() && after.kept.rows == 0);
    assert_eq!(world.service.store.upload_part(old.id, 0).await.unwrap(), None);
    let gone = handed_back(&world, &after).await.unwrap_err();
    assert!(matches!(gone, UseCaseError::NotFound(Missing::RejectedRows(_))), "{gone}");
    assert_eq!(forgotten(&world).await, [old.id], "noted once");
    assert!(handed_back(&world, &show(&world.service, newer.id).await.unwrap()).await.is_ok());
}

#[tokio::test]
async fn uploads_that_grow_old_together_are_forgotten_the_oldest_first() {
    let world = World::new();
    let mut uploads = Vec::new();
    for _ in 0..3 {
        uploads.push(put(&world, LIST.as_bytes(), Mode::Roster).await.unwrap().id);
        world.clock.advance(SignedDuration::from_hours(1));
    }
    // As after a downtime. Who stops in between leaves the newer ones: behind one that is forgotten nobody looks.
    world.clock.advance(UPLOADS_KEPT);
    scheduler::tick(&world.service).await;
    assert_eq!(forgotten(&world).await, uploads);
}

/// Whose rows were forgotten, in the journal's order.
async fn forgotten(world: &World) -> Vec<BatchId> {
    let journal = world.journal().await;
    let bodies = journal.iter().map(|entry| entry.body().unwrap());
    bodies
        .filter(|body| body.what == Happening::UploadForgotten)
        .map(|body| body.subject.batch.unwrap())
        .collect()
}
