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
