//! Passes over a store in which time has gone by, or in which a crash stopped somebody halfway.

use jiff::SignedDuration;
use mdm_core::account::AccountState;
use mdm_core::audit::{AuditEvent, Happening, Subject};
use mdm_core::batch::Mode;
use mdm_core::change::{Changeset, Record};
use mdm_core::code::CodeState;

use super::*;
use crate::testing::World;
use crate::use_cases::licenses;

const ALL: &str = "職員番号,氏名,所属,利用\n001,山田太郎,総務課,○\n002,髙橋花子,税務課,○\n";
const WITHOUT_002: &str = "職員番号,氏名,所属,利用\n001,山田太郎,総務課,○\n";

/// Two people with a seat each and a live device each.
async fn world() -> (World, Vec<shared::ids::EnrolmentId>) {
    let world = World::new();
    licenses::set_pool(&world.service, 2, Actor::Server).await.unwrap();
    world.apply(ALL, Mode::Roster).await;
    let mut devices = Vec::new();
    for number in ["001", "002"] {
        let account = world.account(number).await;
        devices.push(world.device(account.id, DeviceState::Live).await);
    }
    (world, devices)
}

async fn state(world: &World, device: shared::ids::EnrolmentId) -> DeviceState {
    devices::show(&world.service, device).await.unwrap().state
}

#[tokio::test]
async fn codes_end_with_their_last_day_and_forget_their_text() {
    let (world, _) = world().await;
    world.clock.advance(SignedDuration::from_hours(14 * 24 - 1));
    tick(&world.service).await;
    assert_eq!(world.service.store.usable_codes(None, 10).await.unwrap().len(), 2);
    world.clock.advance(SignedDuration::from_hours(1));
    tick(&world.service).await;
    assert!(world.service.store.usable_codes(None, 10).await.unwrap().is_empty());
    let account = world.account("001").await;
    let codes = world.service.store.codes_of_account(account.id).await.unwrap();
    assert_eq!(codes[0].value.state, CodeState::Expired);
    assert!(codes[0].value.sealed.is_empty());
}

#[tokio::test]
async fn a_batch_takes_effect_at_its_time_or_as_late_as_the_server_came_back() {
    use crate::use_cases::batches::{self, Upload, release};
    use mdm_core::approval::Consent;
    use mdm_core::batch::{BatchState, HeldReason};
    let world = World::new();
    let upload = async |source: &str| {
        let upload = Upload {
            source: mdm_core::account::SourceName::new(source).unwrap(),
            mode: Mode::Roster,
            declared: mdm_core::sheet::Declared::default(),
            file_name: None,
            effective_at: None,
            temporary_until: None,
        };
        let batch =
            batches::upload(&world.service, ALL.as_bytes().to_vec(), upload, Actor::Server).await.unwrap();
        let time = world.now() + SignedDuration::from_hours(1);
        release::schedule(&world.service, batch.id, time, Consent::default(), Actor::Server).await.unwrap();
        batch.id
    };
    let state = async |id| batches::show(&world.service, id).await.unwrap();

    let punctual = upload("知事部局").await;
    world.clock.advance(SignedDuration::from_secs(3_599));
    tick(&world.service).await;
    assert!(state(punctual).await.due().is_some(), "a second before its time");
    world.clock.advance(SignedDuration::from_secs(1));
    tick(&world.service).await;
    assert_eq!(state(punctual).await.state, BatchState::Applied { at: world.now() });
    assert_eq!(state(punctual).await.late_by(), None);

    let late = upload("教育委員会").await;
    world.clock.advance(SignedDuration::from_hours(8));
    tick(&world.service).await;
    assert_eq!(state(late).await.late_by(), Some(SignedDuration::from_hours(7)));
    let mut noted = world.journal().await.into_iter().map(|entry| entry.body().unwrap());
    let noted = noted.rfind(|body| body.what == Happening::BatchApplied).unwrap();
    assert!(noted.facts.contains(&("late-by-seconds".to_owned(), "25200".to_owned())), "{:?}", noted.facts);

    // Another roster of the source comes first.
    let overtaken = upload("知事部局").await;
    world.apply("職員番号,氏名,所属\n001,山田太郎,税務課\n002,髙橋花子,税務課\n", Mode::Roster).await;
    world.clock.advance_days(1);
    tick(&world.service).await;
    let held = state(overtaken).await;
    assert_eq!(
        (held.state.clone(), held.release.held.map(|held| held.why)),
        (BatchState::Scheduled, Some(HeldReason::Stale))
    );
    let entries = world.journal().await.len();
    tick(&world.service).await;
    assert_eq!(world.journal().await.len(), entries, "it is noted once");

    world.clock.advance_days(30);
    tick(&world.service).await;
    for id in [punctual, late] {
        assert!(state(id).await.release.lines_deleted_at.is_some());
        assert!(world.service.store.plan_chunk(id, 0).await.unwrap().is_none());
        assert!(world.service.store.before_chunk(id, 0).await.unwrap().is_none());
    }
    assert!(
        world.service.store.plan_chunk(overtaken, 0).await.unwrap().is_some(),
        "nothing has come of it yet"
    );
}

#[tokio::test]
async fn the_scheduler_wakes_for_a_batch_and_not_only_with_the_next_pass() {
    let (now, second) = (crate::testing::april(), SignedDuration::from_secs(1));
    assert_eq!(until(now + second, now), Duration::from_millis(1_001));
    assert_eq!(until(now - second, now), Duration::from_millis(1));
}

#[tokio::test]
async fn a_leaver_is_blocked_at_once_wiped_after_14_days_and_then_closed() {
    let (world, devices) = world().await;
    let leaver = world.account("002").await.id;
    world.apply(WITHOUT_002, Mode::Roster).await;
    assert_eq!(state(&world, devices[1]).await, DeviceState::Blocked);

    world.clock.advance_days(13);
    tick(&world.service).await;
    assert_eq!(state(&world, devices[1]).await, DeviceState::Blocked, "the leave can still be undone");

    world.clock.advance_days(1);
    tick(&world.service).await;
    let DeviceState::Wiped(wipe) = state(&world, devices[1]).await else { panic!("not wiped") };
    assert!(wipe.sealed_at.is_some());
    let account = world.service.store.account(leaver).await.unwrap().unwrap().value;
    assert_eq!(account.state, AccountState::Closed);
    assert_eq!(state(&world, devices[0]).await, DeviceState::Live, "the colleague works on");

    let entries = world.journal().await.len();
    tick(&world.service).await;
    assert_eq!(world.journal().await.len(), entries, "a second pass has nothing left to do");
}

#[tokio::test]
async fn a_return_within_the_window_is_not_wiped() {
    let (world, devices) = world().await;
    world.apply(WITHOUT_002, Mode::Roster).await;
    world.clock.advance_days(10);
    world.apply(ALL, Mode::Roster).await;
    world.clock.advance_days(10);
    tick(&world.service).await;
    assert_eq!(state(&world, devices[1]).await, DeviceState::Blocked);
}

#[tokio::test]
async fn a_device_that_a_crash_left_open_is_blocked() {
    let (world, devices) = world().await;
    // The leave is committed, the block after it is not.
    let account = world.service.store.account(world.account("002").await.id).await.unwrap().unwrap();
    let mut left = account.value;
    left.state = AccountState::Suspended;
    left.state_since = world.service.clock.now();
    let mut changes = Changeset::default();
    let subject = Subject::account(left.id);
    changes.note(AuditEvent::new(left.state_since, Actor::Server, Happening::AccountLeft, subject));
    changes.update(account.version, Record::Account(left));
    world.service.commit(changes).await.unwrap();
    assert_eq!(state(&world, devices[1]).await, DeviceState::Live);

    tick(&world.service).await;
    assert_eq!(state(&world, devices[1]).await, DeviceState::Blocked);
    assert_eq!(state(&world, devices[0]).await, DeviceState::Live);
}

#[tokio::test]
async fn a_wipe_that_a_crash_left_unsealed_is_sealed() {
    let (world, _) = world().await;
    let wipe = mdm_core::device::Wipe {
        command: shared::ids::CommandId::from_bytes([1; 16]),
        ordered_at: world.service.clock.now(),
        sealed_at: None,
        receipt: None,
        further_receipts: 0,
    };
    let account = world.account("001").await.id;
    let device = world.device(account, DeviceState::Wiped(wipe)).await;
    tick(&world.service).await;
    let DeviceState::Wiped(wipe) = state(&world, device).await else { panic!("not wiped") };
    assert!(wipe.sealed_at.is_some());
}

#[tokio::test]
async fn the_scheduler_ends_when_told() {
    let (world, _) = world().await;
    let (tell, watch) = watch::channel(false);
    let running = tokio::spawn(run(world.service.clone(), watch));
    tell.send(true).unwrap();
    running.await.unwrap();
}

#[tokio::test]
async fn the_seats_of_each_day_are_counted_once() {
    let (world, _) = world().await;
    let days = async || licenses::series::days_of_use(&world.service, None).await.unwrap();
    let head = world.service.store.journal_head().await.unwrap();
    tick(&world.service).await;
    tick(&world.service).await;
    let first = days().await;
    assert_eq!(first.len(), 1);
    let day = &first[0].value;
    assert_eq!((day.size, day.reserved, day.assigned, day.waiting, day.never_signed_in), (2, 0, 2, 0, 2));
    assert_eq!(world.service.store.journal_head().await.unwrap(), head, "nobody decided it");

    // No server ran on the day between. Later that day the pool is another: what was counted stays.
    world.clock.advance_days(2);
    tick(&world.service).await;
    licenses::set_pool(&world.service, 3, Actor::Server).await.unwrap();
    world.clock.advance(SignedDuration::from_mins(1));
    tick(&world.service).await;
    let counted = days().await;
    assert_eq!(counted.iter().map(|day| day.value.size).collect::<Vec<_>>(), [2, 2]);
    assert_eq!((counted[1].value.day - day.day).get_days(), 2);

    world.clock.advance_days(-2);
    tick(&world.service).await;
    assert_eq!(days().await, counted, "a clock that goes back counts nothing twice");
}

#[tokio::test]
async fn temporary_accounts_end_by_themselves_and_are_wiped_when_nobody_takes_them_up_again() {
    use crate::use_cases::batches::{self, Upload, UploadError};
    use mdm_core::license::{PoolSize, day_of};
    use mdm_core::plan::WrongList;
    let (world, staff) = world().await;
    let size = PoolSize { size: 3, reserved: Some(1) };
    licenses::set_pool(&world.service, size, Actor::Server).await.unwrap();
    let upload = async |source: &str, until: Option<i32>| {
        let upload = Upload {
            source: mdm_core::account::SourceName::new(source).unwrap(),
            mode: Mode::Roster,
            declared: mdm_core::sheet::Declared::default(),
            file_name: None,
            effective_at: None,
            temporary_until: until
                .map(|days| day_of(world.now()).saturating_add(jiff::Span::new().days(days))),
        };
        let list = "職員番号,氏名,所属,利用\n901,応援一郎,避難所,○\n";
        batches::upload(&world.service, list.as_bytes().to_vec(), upload, Actor::Server).await
    };
    let refused = upload("知事部局", Some(30)).await;
    let Err(UploadError::Other(UseCaseError::Refused(crate::use_cases::Refusal::WrongList(why)))) = refused
    else {
        panic!("{refused:?}")
    };
    assert_eq!(why, WrongList::IsOfStaff);
    let batch = upload("応援職員", Some(30)).await.unwrap();
    batches::take_effect(&world.service, batch.id, Actor::Server).await.unwrap();
    let account = world.account("901").await;
    assert!(account.seat.is_some(), "the seat comes out of the reserve");
    let phone = world.device(account.id, DeviceState::Live).await;

    world.clock.advance_days(30);
    tick(&world.service).await;
    assert_eq!(state(&world, phone).await, DeviceState::Live, "the last day is theirs");
    world.clock.advance_days(1);
    tick(&world.service).await;
    assert_eq!(state(&world, phone).await, DeviceState::Blocked);
    assert_eq!(state(&world, staff[0]).await, DeviceState::Live);
    assert_eq!(licenses::status(&world.service).await.unwrap().pool.temporary, 0);
    world.clock.advance_days(14);
    tick(&world.service).await;
    assert!(matches!(state(&world, phone).await, DeviceState::Wiped(_)));
    let closed = world.service.store.account(account.id).await.unwrap().unwrap().value;
    assert_eq!(closed.state, AccountState::Closed);
}
