use mdm_core::audit::Happening;
use mdm_core::batch::Mode;
use mdm_core::device::{BlockedBy, Device};
use shared::ids::EnrolmentId;

use super::*;
use crate::testing::World;
use crate::use_cases::batches::take_effect;
use crate::use_cases::batches::undo::{Chosen, plan_undo};
use crate::use_cases::{codes, licenses};

const SOURCE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

/// Two people with a device each, and their loss codes from one print.
async fn two() -> (World, [EnrolmentId; 2], [String; 2]) {
    let world = World::new();
    licenses::set_pool(&world.service, 5, Actor::Server).await.unwrap();
    world
        .apply("職員番号,氏名,所属,利用\n001,髙橋太郎,総務課,○\n002,佐藤花子,総務課,○\n", Mode::Roster)
        .await;
    let printed = codes::export(&world.service, Actor::Server).await.unwrap();
    let loss = |at: usize| printed[at].loss.as_ref().unwrap().to_string();
    let mut devices = Vec::new();
    for code in &printed {
        devices.push(world.device(code.account.id, DeviceState::Live).await);
    }
    (world, [devices[0], devices[1]], [loss(0), loss(1)])
}

async fn state(world: &World, enrolment: EnrolmentId) -> Device {
    world.service.store.device(enrolment).await.unwrap().unwrap().value
}

async fn told(world: &World, typed: &str) -> Told {
    report(&world.service, typed, SOURCE).await.unwrap()
}

#[tokio::test]
async fn a_loss_code_blocks_the_devices_of_its_account_and_no_others() {
    let (world, devices, codes) = two().await;
    assert_eq!(told(&world, &codes[0].to_lowercase().replace('-', " ")).await, Told::Blocked);
    assert_eq!(state(&world, devices[0]).await.state, DeviceState::Blocked);
    assert_eq!(state(&world, devices[1]).await.state, DeviceState::Live);
    let journal: Vec<_> = world.journal().await.iter().map(|entry| entry.body().unwrap()).collect();
    let block = journal.iter().find(|body| body.what == Happening::DeviceBlocked).unwrap();
    assert_eq!((block.actor, block.subject.device), (Actor::LossCode, Some(devices[0])));
}

#[tokio::test]
async fn a_phone_that_a_batch_has_blocked_and_that_is_lost_stays_blocked_when_the_batch_is_undone() {
    let (world, [lost, kept], codes) = two().await;
    world.clock.advance(jiff::SignedDuration::from_hours(1));
    let wrong = world.apply("職員番号,氏名,所属,利用\n003,濵田次郎,総務課,○\n", Mode::Roster).await;
    for device in [lost, kept] {
        let device = state(&world, device).await;
        assert_eq!((device.state, device.blocked_by), (DeviceState::Blocked, Some(BlockedBy::Batch(wrong))));
    }
    assert_eq!(told(&world, &codes[0]).await, Told::Blocked);
    assert_eq!(told(&world, &codes[0]).await, Told::Nothing, "once");

    let undo = plan_undo(&world.service, wrong, &Chosen::default(), Actor::Server).await.unwrap();
    take_effect(&world.service, undo.id, Actor::Server).await.unwrap();
    assert_eq!(state(&world, lost).await.state, DeviceState::Blocked);
    assert_eq!(state(&world, kept).await.state, DeviceState::Live, "that nobody has lost");
}

#[tokio::test]
async fn whatever_blocks_nothing_is_told_alike() {
    let (world, devices, codes) = two().await;
    let activation = self::codes::export(&world.service, Actor::Server).await.unwrap()[0].text.to_string();
    assert_eq!(told(&world, &codes[0]).await, Told::Blocked);
    for typed in [codes[0].as_str(), "", "ZZZZ-ZZZZ-ZZZZ-ZZZZ-~", &activation, "なくしました"] {
        assert_eq!(told(&world, typed).await, Told::Nothing, "{typed}");
    }
    assert_eq!(state(&world, devices[1]).await.state, DeviceState::Live);
}

#[tokio::test]
async fn a_reprint_keeps_the_loss_code_and_the_letter_of_another_code_replaces_it() {
    let (world, devices, [before, _]) = two().await;
    let of_first = |printed: &[codes::OpenedCode]| printed[0].loss.as_ref().unwrap().to_string();
    let again = codes::export(&world.service, Actor::Server).await.unwrap();
    assert_eq!(of_first(&again), before);
    world.clock.advance(jiff::SignedDuration::from_hours(1));
    let who = crate::use_cases::accounts::Who::Id(again[0].account.id);
    assert!(codes::reissue(&world.service, &who, Actor::Server).await.unwrap().loss.is_none());
    let newer = of_first(&codes::export(&world.service, Actor::Server).await.unwrap());
    assert_ne!(newer, before);
    assert_eq!(told(&world, &before).await, Told::Nothing);
    assert_eq!(state(&world, devices[0]).await.state, DeviceState::Live);
    assert_eq!(told(&world, &newer).await, Told::Blocked);
}

#[tokio::test]
async fn many_tries_from_one_place_wait_and_a_good_code_does_not() {
    let (world, devices, codes) = two().await;
    let mut tries = Vec::new();
    for _ in 0..12 {
        tries.push(told(&world, "0000-0000-0000-0000-0").await);
    }
    assert!(tries.contains(&Told::Nothing) && tries.ends_with(&[Told::Wait]), "{tries:?}");
    let elsewhere = IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 1));
    assert_eq!(report(&world.service, "0000-0000-0000-0000-0", elsewhere).await.unwrap(), Told::Nothing);
    // Behind a proxy a stranger and somebody with a letter have one address.
    assert_eq!(told(&world, &codes[0]).await, Told::Blocked);
    assert_eq!(state(&world, devices[0]).await.state, DeviceState::Blocked);
}
