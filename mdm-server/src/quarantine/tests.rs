//! Quarantine as a running server has it: by its use cases; its page is tested with the console's.

use mdm_core::audit::{Actor, Happening};
use mdm_core::batch::Mode;
use mdm_core::device::DeviceState;
use shared::cose;
use shared::ids::EnrolmentId;
use shared::signed::{Checkpoint, JournalHead};

use super::*;
use crate::testing::World;
use crate::use_cases::{codes, licenses};

const STAFF: &str = "職員番号,氏名,所属,利用\n1,山田太郎,総務課,○\n2,鈴木一,総務課,○\n";

async fn world() -> (World, EnrolmentId) {
    let world = World::new();
    licenses::set_pool(&world.service, 2, Actor::Server).await.unwrap();
    world.apply(STAFF, Mode::Roster).await;
    let account = world.account("1").await;
    let device = world.device(account.id, DeviceState::Live).await;
    (world, device)
}

async fn restored(world: &World) {
    let known = world.service.store.journal_head().await.unwrap();
    let entering = Entering { cause: Cause::Restored, known, known_until: world.now(), seen: None };
    enter(&world.service, entering).await.unwrap();
}

fn signed(world: &World, sequence: u64) -> Vec<u8> {
    let head = JournalHead { sequence, hash: [9; 32] };
    cose::sign(&Checkpoint { head, at: world.now() }, b"", &world.service.keyring.checkpoint).unwrap()
}

async fn noted(world: &World, what: Happening) -> usize {
    world.journal().await.iter().filter(|entry| entry.body().unwrap().what == what).count()
}

#[tokio::test]
async fn only_a_checkpoint_that_this_server_signed_begins_a_quarantine() {
    let (world, device) = world().await;
    let stranger = World::new();
    shown(&world.service, device, &signed(&stranger, 4_000)).await.unwrap();
    shown(&world.service, device, b"no statement at all").await.unwrap();
    assert_eq!(world.service.quarantine(), None);

    let ours = world.service.checkpoint().await.unwrap();
    shown(&world.service, device, &ours).await.unwrap();
    assert_eq!(world.service.quarantine(), None);

    shown(&world.service, device, &signed(&world, 4_000)).await.unwrap();
    let quarantine = world.service.quarantine().unwrap();
    assert_eq!(quarantine.cause, Cause::Checkpoint(device));
    shown(&world.service, device, &signed(&world, 4_001)).await.unwrap();
    assert_eq!(noted(&world, Happening::QuarantineEntered).await, 1);
}

#[tokio::test]
async fn what_could_do_harm_is_refused_and_what_protects_is_not() {
    let (world, device) = world().await;
    restored(&world).await;
    let refused = |done: Result<(), UseCaseError>| {
        assert!(matches!(done, Err(UseCaseError::Refused(Refusal::Quarantine))), "{done:?}");
    };
    refused(licenses::set_pool(&world.service, 3, Actor::Server).await.map(drop));
    refused(codes::export(&world.service, Actor::Server).await.map(drop));
    let order = Order { actor: Actor::Server, reason: "lost" };
    devices::block(&world.service, device, order).await.unwrap();
    refused(devices::unblock(&world.service, device, order).await.map(drop));
    let wiped = devices::wipe(&world.service, device, order).await.unwrap();
    assert_eq!(wiped.last_command.epoch, world.service.epoch());
    assert!(wiped.last_command.epoch > 0);
}
