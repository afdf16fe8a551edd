use jiff::SignedDuration;
use mdm_core::account::SourceName;
use mdm_core::approval::Consent;
use mdm_core::audit::Happening;
use mdm_core::batch::{BatchState, Rejection};
use mdm_core::plan::mend::MendError;
use mdm_core::sheet::rejected::{REASON_BEGINS, REASON_HEADERS};
use mdm_core::sheet::{Column, Header, Meaning, SheetError};

use super::*;
use crate::scheduler;
use crate::testing::World;
use crate::use_cases::batches::release::{cancel, schedule};
use crate::use_cases::batches::{Upload, apply, rejected, upload};
use crate::use_cases::{Missing, Refusal};

const FIRST: &str = "職員番号,氏名,所属,内線\n001,髙橋,総務課,11\n002,佐藤,税務課,12\n003,濵田,福祉課,13\n";
/// 002's name cannot be read, 003's department is not there, 004 is new, 001 moves.
const NEXT: &str =
    "職員番号,氏名,所属,内線\n001,髙橋,防災課,11\n002,=1+1,税務課,12\n003,濵田,,13\n004,森,総務課,14\n";

fn roster() -> Upload {
    Upload {
        temporary_until: None,
        source: SourceName::new("知事部局").unwrap(),
        mode: Mode::Roster,
        declared: Declared::default(),
        file_name: None,
        effective_at: None,
    }
}

async fn put(world: &World, file: &str, at: Option<SignedDuration>) -> Batch {
    use crate::clock::Clock as _;
    let how = Upload { effective_at: at.map(|at| world.clock.now() + at), ..roster() };
    upload(&world.service, file.as_bytes().to_vec(), how, Actor::Server).await.unwrap()
}

async fn handed_back(world: &World, batch: &Batch) -> String {
    let reason = |rejections: &[Rejection]| format!("{}{}", REASON_BEGINS[0], rejections[0].problem);
    let bytes = rejected::file(&world.service, batch, REASON_HEADERS[0], reason).await.unwrap();
    String::from_utf8(bytes).unwrap()
}

async fn bring(world: &World, batch: &Batch, text: &str) -> Result<Batch, UploadError> {
    let bytes = text.as_bytes().to_vec();
    mend(&world.service, batch.id, bytes, Mended::default(), Actor::Server).await
}

fn why(error: UploadError) -> MendError {
    match error {
        UploadError::Other(UseCaseError::Refused(Refusal::Mend(error))) => error,
        other => panic!("{other}"),
    }
}

/// Three people in force, and the next list, with two rejected rows and a time.
async fn waiting() -> (World, Batch) {
    let world = World::new();
    let first = put(&world, FIRST, None).await;
    apply(&world.service, first.id, Consent::default(), Actor::Server).await.unwrap();
    let next = put(&world, NEXT, Some(SignedDuration::from_hours(24))).await;
    (world, next)
}

#[tokio::test]
async fn leavers_of_temporary_accounts_need_no_last_day_and_come_back_mended() {
    let world = World::new();
    let until = mdm_core::license::day_of(world.now()).saturating_add(jiff::Span::new().days(30));
    let temporary = Upload { temporary_until: Some(until), ..roster() };
    let others: String = (4..30).map(|n| format!("{n:03},職員{n},総務課,\n")).collect();
    let all = format!("{FIRST}{others}").into_bytes();
    let first = upload(&world.service, all, temporary, Actor::Server).await.unwrap();
    apply(&world.service, first.id, Consent::default(), Actor::Server).await.unwrap();
    let list = "職員番号,氏名\n003,濵田\n001,高橋\n";
    let how = Upload { mode: Mode::Remove, ..roster() };
    let batch = upload(&world.service, list.as_bytes().to_vec(), how, Actor::Server).await.unwrap();
    assert_eq!((batch.summary.leave, batch.summary.rejected), (1, 1));
    let back = handed_back(&world, &batch).await;
    assert!(back.contains("001,高橋,"), "{back}");
    let whole = bring(&world, &batch, &back.replace("高橋", "髙橋")).await.unwrap();
    assert_eq!((whole.mode, whole.summary.leave, whole.summary.rejected), (Mode::Remove, 2, 0));
    apply(&world.service, whole.id, Consent::default(), Actor::Server).await.unwrap();
    let mut works = Vec::new();
    for number in ["001", "002", "003"] {
        works.push(world.account(number).await.may_work());
    }
    assert_eq!(works, [false, true, false]);
}

#[tokio::test]
async fn mended_rows_join_the_plan_and_all_of_it_takes_effect_at_its_time() {
    let (world, next) = waiting().await;
    let back = handed_back(&world, &next).await;
    let half = back.replace("'=1+1", "﨑山");
    let again = bring(&world, &next, &half).await.unwrap();
    assert_eq!((again.summary.rows, again.summary.rejected, again.summary.leave), (4, 1, 0));
    assert_eq!(again.release.effective_at, next.release.effective_at);
    // What is left comes back with the row number and the cells that it had.
    let back = handed_back(&world, &again).await;
    assert!(back.contains("003,濵田,,13,") && back.lines().count() == 2, "{back}");
    let whole = bring(&world, &again, &back.replace("濵田,,", "濵田,健康課,")).await.unwrap();
    assert_eq!((whole.summary.rejected, whole.summary.moved, whole.summary.join), (0, 2, 1));
    for replaced in [&next, &again] {
        let state = show(&world.service, replaced.id).await.unwrap().state;
        assert!(matches!(state, BatchState::Replaced { .. }), "{state:?}");
    }
    assert_eq!(world.account("002").await.current().name, "佐藤", "nothing before its time");

    let at = whole.release.effective_at.unwrap();
    schedule(&world.service, whole.id, at, Consent::default(), Actor::Server).await.unwrap();
    world.clock.advance(SignedDuration::from_hours(24));
    scheduler::tick(&world.service).await;
    assert_eq!(world.account("001").await.current().departments[0].name, "防災課");
    assert_eq!(world.account("002").await.current().name, "﨑山");
    assert_eq!(world.account("003").await.current().departments[0].name, "健康課");
    assert!(world.account("004").await.may_work());
    let journal = world.journal().await;
    let mends: Vec<String> = journal
        .iter()
        .map(|entry| entry.body().unwrap())
        .filter(|body| body.what == Happening::BatchUploaded)
        .flat_map(|body| {
            body.facts.into_iter().filter(|(name, _)| name == "mends").map(|(_, of)| of.to_string())
        })
        .collect();
    assert_eq!(mends, [next.id.to_string(), again.id.to_string()], "the journal has the chain of files");
}

#[tokio::test]
async fn rows_come_back_only_into_a_plan_that_waits() {
    let (world, next) = waiting().await;
    let text = handed_back(&world, &next).await.replace("'=1+1", "﨑山");
    let missing = BatchId::make(jiff::Timestamp::UNIX_EPOCH, &mut OsRng);
    let nobody = mend(&world.service, missing, text.clone().into_bytes(), Mended::default(), Actor::Server);
    let nobody = nobody.await.unwrap_err();
    assert!(matches!(nobody, UploadError::Other(UseCaseError::NotFound(Missing::Batch(_)))), "{nobody}");
    assert_eq!(why(bring(&world, &next, NEXT).await.unwrap_err()), MendError::NotRejectedRows);
    let cut: String = text.lines().take(2).map(|line| format!("{line}\n")).collect();
    assert_eq!(why(bring(&world, &next, &cut).await.unwrap_err()), MendError::Count { file: 1, plan: 2 });
    let damaged = bring(&world, &next, "職員番号,氏名,所属\n\"001,髙橋").await.unwrap_err();
    assert!(matches!(damaged, UploadError::Sheet(SheetError::Quotation(_))), "{damaged:?}");
    assert_eq!(
        show(&world.service, next.id).await.unwrap().state,
        BatchState::Planned,
        "nothing was changed"
    );

    cancel(&world.service, next.id, "別の名簿にする", Actor::Server).await.unwrap();
    assert!(matches!(why(bring(&world, &next, &text).await.unwrap_err()), MendError::NotNow(_)));
    let stale = put(&world, NEXT, Some(SignedDuration::from_hours(24))).await;
    let other = put(&world, FIRST, None).await;
    apply(&world.service, other.id, Consent::default(), Actor::Server).await.unwrap();
    assert_eq!(why(bring(&world, &stale, &text).await.unwrap_err()), MendError::Stale);
}

#[tokio::test]
async fn zeros_that_were_put_back_are_put_back_again() {
    let world = World::new();
    let first = put(&world, FIRST, None).await;
    apply(&world.service, first.id, Consent::default(), Actor::Server).await.unwrap();
    let how = Upload {
        source: SourceName::new("知事部局").unwrap(),
        mode: Mode::Roster,
        declared: Declared { pad_numbers_to: Some(3), ..Declared::default() },
        file_name: None,
        effective_at: None,
        temporary_until: None,
    };
    let file = NEXT.replace("\n00", "\n");
    let next = upload(&world.service, file.into_bytes(), how, Actor::Server).await.unwrap();
    let back = handed_back(&world, &next).await;
    assert!(back.contains("\n2,"), "as it was written: {back}");
    let mended = back.replace("'=1+1", "﨑山").replace("濵田,,", "濵田,健康課,");
    let whole = bring(&world, &next, &mended).await.unwrap();
    assert_eq!((whole.summary.rejected, whole.summary.join, whole.summary.leave), (0, 1, 0));
    apply(&world.service, whole.id, Consent::default(), Actor::Server).await.unwrap();
    assert_eq!(world.account("002").await.current().name, "﨑山");
}

#[tokio::test]
async fn another_roster_that_waits_is_not_replaced_by_mended_rows() {
    let (world, next) = waiting().await;
    world.clock.advance(SignedDuration::from_hours(48));
    let other = put(&world, FIRST, None).await;
    let back = handed_back(&world, &next).await;
    let whole = bring(&world, &next, &back.replace("'=1+1", "﨑山")).await.unwrap();
    assert_eq!(whole.release.effective_at, None, "its time is over");
    assert_eq!(show(&world.service, other.id).await.unwrap().state, BatchState::Planned);
}

#[tokio::test]
async fn mended_rows_are_read_as_the_first_ones_whatever_is_remembered_by_then() {
    use crate::use_cases::columns;
    let world = World::new();
    let said = [("個人番号", Meaning::Column(Column::StaffNumber)), ("内線", Meaning::Ignored)];
    let said: Assigned = said.into_iter().map(|(header, is)| (Header::new(header).unwrap(), is)).collect();
    let how = Upload {
        temporary_until: None,
        source: SourceName::new("知事部局").unwrap(),
        mode: Mode::Roster,
        declared: Declared { columns: said.clone(), ..Declared::default() },
        file_name: None,
        effective_at: None,
    };
    let file = NEXT.replace("職員番号", "個人番号").into_bytes();
    let first = upload(&world.service, file, how, Actor::Server).await.unwrap();
    assert_eq!((first.assigned.len(), first.summary.rejected), (2, 2));
    let back = handed_back(&world, &first).await;
    assert!(back.starts_with("個人番号,氏名,所属,内線,"), "{back}");

    let forget = said.keys().map(|header| (header.clone(), None)).collect();
    columns::change(&world.service, &first.source, &forget, Actor::Server).await.unwrap();
    assert_eq!(columns::of_source(&world.service, &first.source).await.unwrap(), None);
    let mended = back.replace("'=1+1", "佐藤").replace("濵田,,", "濵田,福祉課,");
    let whole = bring(&world, &first, &mended).await.unwrap();
    assert_eq!((whole.summary.rejected, whole.summary.join), (0, 4), "{mended}");
    assert_eq!(whole.assigned, first.assigned);
    let forgotten = columns::of_source(&world.service, &first.source).await.unwrap();
    assert_eq!(forgotten, None, "what a plan keeps is not said anew");
}
