//! Whose code does not help any more is found while it matters, and not longer.

use jiff::SignedDuration;
use mdm_core::code::MAX_TRIES;
use mdm_core::enrol::{self, Charge};

use super::*;
use crate::scheduler;
use crate::use_cases::accounts::Who;

const SOON: SignedDuration = SignedDuration::from_hours(3 * 24);

async fn problems(world: &World) -> Vec<CodeProblem> {
    let snapshot = followed(world).await;
    assert_eq!(snapshot, afresh(world).await);
    let in_trouble = snapshot.codes_in_trouble(SOON, world.service.clock.now());
    in_trouble.iter().map(|code| code.problem).collect()
}

async fn world() -> World {
    world_of(1, "職員番号,氏名,所属,利用\n1,山田太郎,総務課,○\n2,鈴木花子,総務課,×\n").await
}

async fn reissue(world: &World) {
    let who = Who::Id(id(world, "1").await);
    crate::use_cases::codes::reissue(&world.service, &who, Actor::Server).await.unwrap();
}

#[tokio::test]
async fn a_code_that_nobody_uses_ends_soon_then_is_over_until_it_is_reissued() {
    let world = world().await;
    assert_eq!(problems(&world).await, []);
    world.clock.advance_days(10);
    assert_eq!(problems(&world).await, []);
    world.clock.advance_days(2);
    let ends_at = crate::testing::april().checked_add(SignedDuration::from_hours(14 * 24)).unwrap();
    assert_eq!(problems(&world).await, [CodeProblem::EndsAt(ends_at)]);
    world.clock.advance_days(2);
    assert_eq!(problems(&world).await, [CodeProblem::Over], "before the scheduler has noted it");
    scheduler::tick(&world.service).await;
    assert_eq!(problems(&world).await, [CodeProblem::Over]);
    reissue(&world).await;
    assert_eq!(problems(&world).await, []);
}

#[tokio::test]
async fn a_code_that_was_tried_too_often_is_dead_until_it_is_reissued() {
    let world = world().await;
    let account = id(&world, "1").await;
    for _ in 0..=MAX_TRIES {
        let code = world.service.store.codes_of_account(account).await.unwrap().pop().unwrap();
        let (Charge::Admitted(changes) | Charge::Refused(_, changes)) =
            enrol::charge(code, world.service.clock.now());
        world.service.commit(changes).await.unwrap();
    }
    assert_eq!(problems(&world).await, [CodeProblem::Dead]);
    reissue(&world).await;
    assert_eq!(problems(&world).await, []);
}

#[tokio::test]
async fn who_loses_the_seat_needs_no_code() {
    let world = world().await;
    world.clock.advance_days(13);
    assert_eq!(problems(&world).await.len(), 1);
    world.apply("職員番号,氏名,所属\n2,鈴木花子,総務課\n", Mode::Roster).await;
    assert_eq!(problems(&world).await, []);
}
