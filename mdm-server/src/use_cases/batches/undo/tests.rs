//! Undos in a store, with devices: what is opened again, for whom, and after a crash.

use jiff::SignedDuration;
use mdm_core::account::{AccountState, SourceName};
use mdm_core::audit::{AuditEvent, Happening, Subject};
use mdm_core::batch::Mode;
use mdm_core::change::{Changeset, Record};
use mdm_core::device::{BlockedBy, DeviceState};
use shared::ids::EnrolmentId;

use super::*;
use crate::scheduler;
use crate::testing::World;
use crate::use_cases::batches::{Upload, take_effect};
use crate::use_cases::licenses;

const STAFF: &str =
    "職員番号,氏名,所属,利用\n001,髙橋太郎,総務課,○\n002,﨑山花子,税務課,○\n003,濵田次郎,税務課,○\n";
/// 001 leaves by mistake, 税務課 as a whole as well, 004 is new.
const WRONG: &str = "職員番号,氏名,所属,利用\n004,佐藤三郎,福祉課,○\n";

/// 001 and 002 have a phone each; all but 004 are gone by the batch that is given.
async fn april() -> (World, [EnrolmentId; 2], BatchId) {
    let world = World::new();
    licenses::set_pool(&world.service, 3, Actor::Server).await.unwrap();
    world.apply(STAFF, Mode::Roster).await;
    let mut phones = Vec::new();
    for number in ["001", "002"] {
        phones.push(world.device(world.account(number).await.id, DeviceState::Live).await);
    }
    world.clock.advance(SignedDuration::from_hours(1));
    let batch = world.apply(WRONG, Mode::Roster).await;
    world.clock.advance(SignedDuration::from_hours(1));
    (world, phones.try_into().unwrap(), batch)
}

fn department(name: &str) -> Chosen {
    Chosen { departments: vec![name.to_owned()], ..Chosen::default() }
}

async fn state(world: &World, phone: EnrolmentId) -> DeviceState {
    devices::show(&world.service, phone).await.unwrap().state
}

#[tokio::test]
async fn one_department_is_undone_and_its_phones_are_open_again() {
    let (world, [other, phone], batch) = april().await;
    assert_eq!(state(&world, phone).await, DeviceState::Blocked);
    let chosen = department("税務課");
    let undo = plan_undo(&world.service, batch, &chosen, Actor::Server).await.unwrap();
    assert_eq!((undo.summary.returned, undo.summary.leave, undo.summary.seats_back), (2, 0, 0));
    assert_eq!(state(&world, phone).await, DeviceState::Blocked, "a plan changes nothing");

    let done = take_effect(&world.service, undo.id, Actor::Server).await.unwrap();
    assert_eq!((done.devices_to_unblock, done.not_undone.len()), (1, 0));
    assert_eq!(state(&world, phone).await, DeviceState::Live);
    assert_eq!(state(&world, other).await, DeviceState::Blocked, "another department");
    for (number, state) in [
        ("001", AccountState::Suspended),
        ("002", AccountState::Provisional),
        ("003", AccountState::Provisional),
        ("004", AccountState::Provisional),
    ] {
        assert_eq!(world.account(number).await.state, state, "{number}");
    }
    scheduler::tick(&world.service).await;
    assert_eq!(state(&world, phone).await, DeviceState::Live);
}

#[tokio::test]
async fn undone_as_a_whole_the_roster_is_as_before_and_a_second_undo_has_nothing_to_do() {
    let (world, phones, batch) = april().await;
    let undo = plan_undo(&world.service, batch, &Chosen::default(), Actor::Server).await.unwrap();
    take_effect(&world.service, undo.id, Actor::Server).await.unwrap();
    for phone in phones {
        assert_eq!(state(&world, phone).await, DeviceState::Live);
    }
    assert_eq!(world.account("004").await.state, AccountState::Suspended);
    let again = plan_undo(&world.service, batch, &Chosen::default(), Actor::Server).await;
    assert!(matches!(again, Err(UseCaseError::Refused(Refusal::NothingToUndo))), "{again:?}");
    let directory = directory::current(&world.service).await.unwrap();
    assert_eq!(directory.undone_by(batch).map(|head| head.id), Some(undo.id));
}

#[tokio::test]
async fn who_is_not_of_the_batch_cannot_be_chosen() {
    let (world, _, batch) = april().await;
    let numbers = vec![StaffNumber::new("999").unwrap()];
    for chosen in [department("議会事務局"), Chosen { numbers, ..Chosen::default() }] {
        let refused = plan_undo(&world.service, batch, &chosen, Actor::Server).await;
        assert!(matches!(refused, Err(UseCaseError::NotFound(Missing::InBatch(_)))), "{refused:?}");
    }
    let departments = departments(&world.service, batch).await.unwrap();
    let expected =
        [("福祉課", 1), ("税務課", 2), ("総務課", 1)].map(|(name, count)| (name.to_owned(), count));
    assert_eq!(departments, expected.into());
}

#[tokio::test]
async fn what_a_crash_left_closed_is_opened_by_the_scheduler_and_only_what_the_batch_had_blocked() {
    let (world, [lost, phone], batch) = april().await;
    let undo = plan_undo(&world.service, batch, &Chosen::default(), Actor::Server).await.unwrap();
    // The undo is committed, nothing behind it is done.
    let input = super::super::input(&world.service, undo.id).await.unwrap();
    let service = &world.service;
    let acting =
        super::super::Acting { actor: Actor::Server, now: service.clock.now(), keys: &service.keyring.codes };
    let (changes, done) = mdm_core::apply::apply(input, acting, &mut OsRng).unwrap();
    assert_eq!(BTreeSet::from_iter(done.unblock), BTreeSet::from([lost, phone]));
    service.commit(changes.whole()).await.unwrap();
    assert_eq!(state(&world, phone).await, DeviceState::Blocked);

    // Its owner has lost one since: unblocked by somebody, and blocked for another reason.
    world.clock.advance(SignedDuration::from_secs(1));
    let order = Order { actor: Actor::Server, reason: "lost on the train" };
    devices::unblock(service, lost, order).await.unwrap();
    devices::block(service, lost, order).await.unwrap();

    scheduler::tick(service).await;
    assert_eq!(state(&world, phone).await, DeviceState::Live);
    assert_eq!(state(&world, lost).await, DeviceState::Blocked);
    let unblocked = world.journal().await;
    let unblocked = unblocked.iter().filter(|entry| entry.body().unwrap().what == Happening::DeviceUnblocked);
    let count = unblocked.count();
    scheduler::tick(service).await;
    let after = world.journal().await;
    let after = after.iter().filter(|entry| entry.body().unwrap().what == Happening::DeviceUnblocked).count();
    assert_eq!(count, after, "a second pass has nothing left to do");
}

#[tokio::test]
async fn fourteen_days_after_the_batch_nothing_is_undone() {
    let (world, _, batch) = april().await;
    world.clock.advance_days(14);
    let refused = plan_undo(&world.service, batch, &Chosen::default(), Actor::Server).await;
    assert!(
        matches!(refused, Err(UseCaseError::Refused(Refusal::Undo(undo::UndoError::WindowOver(_))))),
        "{refused:?}"
    );
}

/// 002 loses the phone after it was opened again by an undo, and the helpdesk blocks it.
async fn lost_since(world: &World, phone: EnrolmentId, batch: BatchId) {
    let undo = plan_undo(&world.service, batch, &department("税務課"), Actor::Server).await.unwrap();
    take_effect(&world.service, undo.id, Actor::Server).await.unwrap();
    assert_eq!(state(world, phone).await, DeviceState::Live);
    let order = Order { actor: Actor::Server, reason: "lost on the train" };
    devices::block(&world.service, phone, order).await.unwrap();
    world.clock.advance(SignedDuration::from_hours(1));
}

#[tokio::test]
async fn a_phone_that_was_lost_after_one_undo_is_not_opened_by_the_next() {
    let (world, [other, phone], batch) = april().await;
    lost_since(&world, phone, batch).await;
    let undo = plan_undo(&world.service, batch, &Chosen::default(), Actor::Server).await.unwrap();
    take_effect(&world.service, undo.id, Actor::Server).await.unwrap();
    assert_eq!(state(&world, other).await, DeviceState::Live);
    assert_eq!(state(&world, phone).await, DeviceState::Blocked);
    assert!(world.account("002").await.may_work(), "and it is not for want of a right");
}

#[tokio::test]
async fn a_phone_that_is_lost_while_the_batch_has_it_blocked_stays_blocked_when_that_is_undone() {
    let (world, [lost, phone], batch) = april().await;
    let order = Order { actor: Actor::Server, reason: "lost on the train" };
    devices::block(&world.service, lost, order).await.unwrap();
    let undo = plan_undo(&world.service, batch, &Chosen::default(), Actor::Server).await.unwrap();
    take_effect(&world.service, undo.id, Actor::Server).await.unwrap();
    assert_eq!(state(&world, lost).await, DeviceState::Blocked);
    assert_eq!(state(&world, phone).await, DeviceState::Live);
}

#[tokio::test]
async fn who_came_back_by_a_later_file_is_not_concerned_by_the_undo_of_another_department() {
    let (world, [phone, _], batch) = april().await;
    let back = format!("{WRONG}001,髙橋太郎,総務課,○\n");
    world.apply(&back, Mode::Roster).await;
    assert!(world.account("001").await.may_work());
    let undo = plan_undo(&world.service, batch, &department("税務課"), Actor::Server).await.unwrap();
    take_effect(&world.service, undo.id, Actor::Server).await.unwrap();
    scheduler::tick(&world.service).await;
    assert_eq!(state(&world, phone).await, DeviceState::Blocked);
}

/// From then on nobody takes the seat back.
async fn sign_in(world: &World, number: &str) {
    let mut account = world.service.store.account(world.account(number).await.id).await.unwrap().unwrap();
    account.value.signed_in_at = Some(world.now());
    let mut changes = Changeset::default();
    let subject = Subject::account(account.value.id);
    changes.note(AuditEvent::new(world.now(), Actor::Server, Happening::AccountSignedIn, subject));
    changes.update(account.version, Record::Account(account.value));
    world.service.commit(changes).await.unwrap();
}

#[tokio::test]
async fn who_waits_for_a_seat_has_the_phone_opened_when_it_comes() {
    let (world, [_, phone], batch) = april().await;
    licenses::set_pool(&world.service, 1, Actor::Server).await.unwrap();
    sign_in(&world, "004").await;
    let undo = plan_undo(&world.service, batch, &department("税務課"), Actor::Server).await.unwrap();
    take_effect(&world.service, undo.id, Actor::Server).await.unwrap();
    scheduler::tick(&world.service).await;
    assert!(world.account("002").await.seat.is_none());
    assert_eq!(state(&world, phone).await, DeviceState::Blocked);
    licenses::set_pool(&world.service, 3, Actor::Server).await.unwrap();
    scheduler::tick(&world.service).await;
    assert_eq!(state(&world, phone).await, DeviceState::Live);
}

#[tokio::test]
async fn what_a_crash_left_open_is_blocked_for_the_batch_so_that_its_undo_opens_it() {
    let (world, _, _) = april().await;
    let phone = world.device(world.account("004").await.id, DeviceState::Live).await;
    let upload = Upload {
        source: SourceName::new("知事部局").unwrap(),
        mode: Mode::Roster,
        declared: mdm_core::sheet::Declared::default(),
        file_name: None,
        effective_at: None,
        temporary_until: None,
    };
    let service = &world.service;
    let batch = super::super::upload(service, STAFF.as_bytes(), upload, Actor::Server).await.unwrap();
    let input = super::super::input(service, batch.id).await.unwrap();
    let acting =
        super::super::Acting { actor: Actor::Server, now: service.clock.now(), keys: &service.keyring.codes };
    let (changes, _) = mdm_core::apply::apply(input, acting, &mut OsRng).unwrap();
    service.commit(changes.whole()).await.unwrap();
    assert_eq!(state(&world, phone).await, DeviceState::Live);
    scheduler::tick(service).await;
    let device = devices::show(service, phone).await.unwrap();
    assert_eq!((device.state, device.blocked_by), (DeviceState::Blocked, Some(BlockedBy::Batch(batch.id))));
}
