//! How often one device may call: far more often than an honest one does, and not without end.

use e2e::attacker::{Answer, RawDevice};
use e2e::world::World;
use shared::signed::{Order, PinOrder};
use shared::wire::{CommandResult, HelloReply, Kind, PinsTaken, RefusalReason, Refused};

use crate::thief::{PIN, holder, runtime};

/// Far beyond what is allowed.
const WITHOUT_END: usize = 2_000;
/// What an honest phone does not do at once.
const MANY: usize = 60;

/// Asks until the answer is a refusal: how many were none, and the refusal.
async fn until_refused(mut ask: impl AsyncFnMut() -> Answer) -> (usize, Refused) {
    for admitted in 0..WITHOUT_END {
        let answer = ask().await;
        if answer.kind() == Some(Kind::Refused) {
            return (admitted, answer.message().unwrap());
        }
    }
    panic!("{WITHOUT_END} were admitted")
}

#[test]
fn a_device_that_calls_without_end_is_refused_by_name_and_its_wipe_is_answered_all_the_same() {
    let world = World::new().unwrap();
    let (hostile, honest) = (holder(&world, "hostile").unwrap(), holder(&world, "honest").unwrap());
    let identity = hostile.identity().unwrap();
    let runtime = runtime().unwrap();
    let device = runtime.block_on(RawDevice::connect(world.quic(), Some(&identity))).unwrap();
    runtime.block_on(async {
        let (admitted, refused) = until_refused(async || device.hello().await.unwrap()).await;
        assert!(admitted >= MANY, "an honest phone could meet it: {admitted}");
        assert_eq!(refused.reason, RefusalReason::TooManyTries);
        assert!(refused.retry_after.is_some_and(|seconds| (1..=60).contains(&seconds)), "{refused:?}");

        // These are commits as well, and come out of the same measure.
        let applied = CommandResult { last_applied: Order { epoch: 9, counter: 9 } };
        let taken = PinsTaken { order: PinOrder { epoch: 9, counter: 9 } };
        let (admitted, refused) = until_refused(async || device.ask(&applied).await.unwrap()).await;
        assert!(admitted < MANY && refused.reason == RefusalReason::TooManyTries, "{admitted} {refused:?}");
        let (admitted, refused) = until_refused(async || device.ask(&taken).await.unwrap()).await;
        assert!(admitted < MANY && refused.reason == RefusalReason::TooManyTries, "{admitted} {refused:?}");
    });
    // Nobody else meets it, and the vault of this one opens: a hello is no condition of that.
    honest.phone.unlock(PIN).unwrap();
    let other = honest.identity().unwrap();
    let greeted = runtime.block_on(async {
        RawDevice::connect(world.quic(), Some(&other)).await.unwrap().hello().await.unwrap()
    });
    greeted.message::<HelloReply>().unwrap();

    hostile.order(&world, "wipe").unwrap();
    let device = runtime.block_on(RawDevice::connect(world.quic(), Some(&identity))).unwrap();
    for _ in 0..2 * MANY {
        assert_eq!(runtime.block_on(device.hello()).unwrap().kind(), Some(Kind::Command));
    }
}
