use mdm_core::account::{Account, AccountState};
use mdm_core::audit::{Actor, AuditEvent, Happening, Subject};
use mdm_core::batch::Mode;
use mdm_core::change::{Changeset, Record};
use mdm_core::device::{BlockedBy, DeviceState};
use mdm_core::license::NoticeReason;
use mdm_core::seats::Rule;
use shared::ids::EnrolmentId;

use crate::scheduler::tick;
use crate::testing::World;
use crate::use_cases::accounts::Who;
use crate::use_cases::devices::{self, Order};
use crate::use_cases::{Refusal, UseCaseError, codes, licenses};

const STAFF: &str = "職員番号,氏名,所属,利用\n001,髙橋太郎,総務課,○\n002,𠮷田花子,税務課,○\n";

/// One seat, of which notice was given after 30 days: two days, then two of grace.
async fn noticed() -> (World, EnrolmentId) {
    let world = World::new();
    licenses::set_pool(&world.service, 1, Actor::Server).await.unwrap();
    world.apply(STAFF, Mode::Roster).await;
    let phone = world.device(world.account("001").await.id, DeviceState::Live).await;
    world.clock.advance_days(30);
    tick(&world.service).await;
    let rule = Rule { notice_days: 2, grace_days: 2, ..Rule::unused_for(30) };
    let moved = licenses::reclaim(&world.service, rule, false, Actor::Server).await.unwrap();
    assert_eq!((moved.noticed.len(), moved.freed.len(), moved.given.len()), (1, 0, 0));
    (world, phone)
}

async fn live_days(world: &World, days: usize) {
    for _ in 0..days {
        world.clock.advance_days(1);
        tick(&world.service).await;
        tick(&world.service).await;
    }
}

async fn standing(world: &World, phone: EnrolmentId) -> (DeviceState, Option<BlockedBy>) {
    let device = devices::show(&world.service, phone).await.unwrap();
    (device.state, device.blocked_by)
}

fn number(number: &str) -> Who {
    Who::parse(number, None).unwrap()
}

async fn restore(world: &World) -> Result<Account, UseCaseError> {
    licenses::restore(&world.service, &number("001"), Actor::Server).await
}

#[tokio::test]
async fn a_seat_goes_from_notice_by_grace_to_the_next() {
    let (world, phone) = noticed().await;
    live_days(&world, 1).await;
    assert_eq!(standing(&world, phone).await, (DeviceState::Live, None));
    live_days(&world, 1).await;
    assert_eq!(standing(&world, phone).await, (DeviceState::Blocked, Some(BlockedBy::Grace)));
    let status = licenses::status(&world.service).await.unwrap();
    assert_eq!((status.noticed, status.held, status.pool.free()), (0, 1, 0));
    assert!(codes::export(&world.service, Actor::Server).await.unwrap().is_empty(), "no code of a held seat");
    live_days(&world, 2).await;
    assert!(world.account("001").await.seat.is_none() && world.account("002").await.is_served());
    assert_eq!(codes::export(&world.service, Actor::Server).await.unwrap().len(), 1);
    assert_eq!(standing(&world, phone).await.0, DeviceState::Blocked);
}

#[tokio::test]
async fn an_outage_costs_nobody_a_seat() {
    let (world, phone) = noticed().await;
    world.clock.advance_days(300);
    tick(&world.service).await;
    assert_eq!(standing(&world, phone).await, (DeviceState::Live, None));
}

#[tokio::test]
async fn a_restored_seat_opens_what_its_grace_has_blocked() {
    let (world, phone) = noticed().await;
    live_days(&world, 2).await;
    restore(&world).await.unwrap();
    assert_eq!(standing(&world, phone).await, (DeviceState::Live, None));
    let again = restore(&world).await;
    assert!(matches!(again, Err(UseCaseError::Refused(Refusal::Seat(_)))), "{again:?}");
    let journal = world.journal().await;
    let restored = journal.iter().filter(|entry| entry.body().unwrap().what == Happening::SeatRestored);
    assert_eq!(restored.count(), 1);
    live_days(&world, 5).await;
    assert!(world.account("001").await.is_served());
}

#[tokio::test]
async fn a_phone_that_was_lost_in_its_grace_stays_blocked() {
    let (world, phone) = noticed().await;
    live_days(&world, 2).await;
    let order = Order { actor: Actor::Server, reason: "lost" };
    devices::block(&world.service, phone, order).await.unwrap();
    restore(&world).await.unwrap();
    tick(&world.service).await;
    assert_eq!(standing(&world, phone).await, (DeviceState::Blocked, None));
}

#[tokio::test]
async fn what_a_crash_left_between_a_seat_and_its_devices_the_next_pass_does() {
    let (world, phone) = noticed().await;
    live_days(&world, 2).await;
    let id = world.account("001").await.id;
    let holdings =
        super::holdings(&world.service, super::load_accounts(&world.service, [id]).await.unwrap(), &[]);
    let acting = super::acting(&world.service, Actor::Server);
    let restored = mdm_core::seats::restore(holdings.await.unwrap(), id, acting).unwrap();
    world.service.commit(restored.changes).await.unwrap();
    assert_eq!(standing(&world, phone).await.0, DeviceState::Blocked, "and then it crashed");
    tick(&world.service).await;
    assert_eq!(standing(&world, phone).await, (DeviceState::Live, None));
}

#[tokio::test]
async fn days_that_cannot_be_counted_are_refused() {
    let (world, _) = noticed().await;
    let rule = Rule { grace_days: 366, ..Rule::unused_for(30) };
    let refused = licenses::reclaim(&world.service, rule, false, Actor::Server).await;
    assert!(matches!(refused, Err(UseCaseError::Refused(Refusal::StepDays))), "{refused:?}");
}

/// Commits what a first unlock and a later one leave behind, as far as the rules about seats look at it.
async fn unlocks(world: &World, phone: EnrolmentId) {
    let store = &world.service.store;
    let mut device = store.device(phone).await.unwrap().unwrap();
    let mut account = store.account(device.value.account).await.unwrap().unwrap();
    let (now, actor) = (world.now(), Actor::Device(phone));
    let mut changes = Changeset::default();
    let subject = Subject::device(&device.value);
    changes.note(AuditEvent::new(now, actor, Happening::UnlockGranted, subject));
    device.value.last_unlock = Some(now);
    changes.update(device.version, Record::Device(device.value));
    if account.value.signed_in_at.is_none() {
        let subject = Subject::account(account.value.id);
        changes.note(AuditEvent::new(now, actor, Happening::AccountSignedIn, subject));
        (account.value.signed_in_at, account.value.state) = (Some(now), AccountState::Active);
        changes.update(account.version, Record::Account(account.value));
    }
    world.service.commit(changes).await.unwrap();
}

#[tokio::test]
async fn a_dormant_seat_stays_with_who_unlocks_in_time() {
    let world = World::new();
    licenses::set_pool(&world.service, 1, Actor::Server).await.unwrap();
    world.apply(STAFF, Mode::Roster).await;
    let phone = world.device(world.account("001").await.id, DeviceState::Live).await;
    let why = NoticeReason::Dormant;
    let rule = Rule { why, notice_days: 2, grace_days: 2, ..Rule::unused_for(90) };
    let reclaimed = async || licenses::reclaim(&world.service, rule, false, Actor::Server).await.unwrap();
    unlocks(&world, phone).await;
    live_days(&world, 50).await;
    unlocks(&world, phone).await;
    live_days(&world, 89).await;
    assert_eq!(reclaimed().await.noticed.len(), 0, "89 days since the last unlock");
    live_days(&world, 1).await;
    assert_eq!(reclaimed().await.noticed.len(), 1);
    live_days(&world, 1).await;
    unlocks(&world, phone).await;
    live_days(&world, 5).await;
    let account = world.account("001").await;
    assert!(account.is_served() && account.notice().is_none());

    live_days(&world, 85).await;
    assert_eq!(reclaimed().await.noticed.len(), 1);
    live_days(&world, 4).await;
    assert!(world.account("001").await.seat.is_none() && world.account("002").await.is_served());
}
