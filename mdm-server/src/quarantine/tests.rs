//! Quarantine as a running server has it: by its use cases; its page is tested with the console's.

use mdm_core::audit::{Actor, Happening};
use mdm_core::batch::Mode;
use mdm_core::device::DeviceState;
use mdm_core::operator::Role;
use rand::rngs::OsRng;
use shared::cose;
use shared::crypto::Secret;
use shared::ids::EnrolmentId;
use shared::signed::{Checkpoint, JournalHead};

use super::*;
use crate::testing::World;
use crate::use_cases::devices::{self, Order};
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
    let entering =
        Entering { cause: Cause::Restored, known, known_until: world.now(), seen: None, key_file: None };
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

#[tokio::test]
async fn two_hellos_at_once_begin_one_quarantine() {
    let (world, device) = world().await;
    let account = world.account("1").await;
    let other = world.device(account.id, DeviceState::Live).await;
    let (older, newer) = (signed(&world, 4_000), {
        world.clock.advance(jiff::SignedDuration::from_mins(1));
        signed(&world, 4_001)
    });
    let known = world.service.store.journal_head().await.unwrap();
    let both = tokio::join!(shown(&world.service, device, &newer), shown(&world.service, other, &older),);
    assert!(both.0.is_ok() && both.1.is_ok(), "{both:?}");
    assert_eq!(noted(&world, Happening::QuarantineEntered).await, 1);
    let quarantine = world.service.quarantine().unwrap();
    assert_eq!(quarantine.known, known, "what the first beginning wrote is nothing that was known before");
    assert_eq!(quarantine.seen.unwrap().head.sequence, 4_001, "the newest counts, whoever was first");
    let stored = world.service.store.server_state().await.unwrap().unwrap().value;
    assert_eq!(stored.epoch, world.service.epoch());
}

#[test]
fn a_state_that_was_read_late_takes_the_place_of_no_newer_one() {
    let standing = Standing::default();
    let state = |version, epoch| Stored {
        version: Version(version),
        value: ServerState { epoch, ..ServerState::default() },
    };
    standing.set(state(2, 20));
    standing.set(state(1, 10));
    assert_eq!(standing.get(|state| state.epoch), 20);
    standing.set(state(3, 30));
    assert_eq!(standing.get(|state| state.epoch), 30);
}

#[tokio::test]
async fn tokens_and_invitations_end_when_a_quarantine_begins() {
    let (world, device) = world().await;
    let token = world.operator(Role::Owner).await;
    let hash = crate::use_cases::operators::token_hash(&token);
    let id = world.service.store.operator_by_token(hash).await.unwrap().unwrap().value.id;
    shown(&world.service, device, &signed(&world, 4_000)).await.unwrap();
    assert_eq!(world.service.store.operator_by_token(hash).await.unwrap(), None);
    let operator = world.service.store.operator(id).await.unwrap().unwrap().value;
    assert_eq!(operator.open_invitation(world.now()), None);
}

#[tokio::test]
async fn records_of_devices_that_are_not_known_are_destroyed_at_the_end() {
    let (world, device) = world().await;
    let later = EnrolmentId::from_bytes([8; 16]);
    for enrolment in [device, later] {
        put_record(&world, enrolment).await;
    }
    restored(&world).await;
    let owner = world.ready("owner", Role::Owner).await;
    let done = confirm(&world.service, &Confirmed::default(), owner.operator.id).await.unwrap();
    assert_eq!(done.records_destroyed, 1);
    assert_eq!(world.service.unlock_records.list().await.unwrap(), [device]);
    assert_eq!(noted(&world, Happening::UnlockRecordDestroyed).await, 1);
}

async fn put_record(world: &World, enrolment: EnrolmentId) {
    let (credential, record) = (Secret::make(&mut OsRng), Secret::make(&mut OsRng));
    world.service.unlock_records.put(enrolment, credential, record, 10).await.unwrap();
}
