//! How often one device may call: far more often than an honest one does, and not without end. And whoever reads no answers to
//! what they asked for holds up nobody.

use e2e::attacker::{Answer, RawDevice};
use e2e::world::World;
use shared::signed::{Order, PinOrder};
use shared::wire::{
    CommandResult, HelloReply, Kind, NoteOffer, NoteStored, NotesRequest, PinsTaken, RefusalReason, Refused,
    UnlockFinish, UnlockGranted,
};

use crate::notes::make_id;
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

        // These are commits as well, and are measured apart: they leave a phone its hellos.
        let applied = CommandResult { last_applied: Order { epoch: 9, counter: 9 } };
        let taken = PinsTaken { order: PinOrder { epoch: 9, counter: 9 } };
        let (_, refused) = until_refused(async || device.ask(&applied).await.unwrap()).await;
        assert_eq!(refused.reason, RefusalReason::TooManyTries);
        let (admitted, refused) = until_refused(async || device.ask(&taken).await.unwrap()).await;
        assert!(admitted < MANY && refused.reason == RefusalReason::TooManyTries, "{admitted} {refused:?}");
    });
    // Nobody else meets it.
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

#[test]
fn who_reads_no_list_and_no_contents_holds_up_nobody_of_their_enrolment() {
    let world = World::new().unwrap();
    let holder = holder(&world, "unread").unwrap();
    let (enrolment, stolen) = (holder.enrolment().unwrap(), holder.stolen());
    let identity = stolen.identity().unwrap();
    runtime().unwrap().block_on(async {
        let hearing = RawDevice::connect(world.quic(), Some(&identity)).await.unwrap();
        let mut begun = stolen.begin_online(&hearing).await.unwrap();
        let granted = begun.stream.ask(&UnlockFinish { ke3: begun.ke3 }).await.unwrap();
        granted.message::<UnlockGranted>().unwrap();
        hearing.prove_grant(&begun.grant_key, enrolment).await.unwrap();
        for _ in 0..20 {
            let offer = NoteOffer { id: make_id(), parent: None, base: 0, contents: None };
            hearing.ask(&offer).await.unwrap().message::<NoteStored>().unwrap();
        }

        // What proves the grant is short enough; a list of twenty notes is not.
        let deaf = RawDevice::connect_hearing(world.quic(), &identity, 200).await.unwrap();
        let proven = deaf.prove_grant(&begun.grant_key, enrolment).await.unwrap();
        assert_eq!(proven.kind(), Some(Kind::GrantAccepted));
        let mut unread = Vec::new();
        for _ in 0..10 {
            let mut stream = deaf.stream().await.unwrap();
            stream.send(&NotesRequest { era: None, after: 0 }).await.unwrap();
            unread.push(stream);
        }
        // Each of these would wait for all of those, which are given twenty seconds each to be read.
        for _ in 0..5 {
            hearing.hello().await.unwrap().message::<HelloReply>().unwrap();
        }
        let whole = hearing.ask(&NotesRequest { era: None, after: 0 }).await.unwrap();
        assert_eq!(whole.kind(), Some(Kind::NotesPage), "the control: whoever reads gets it");
        drop(unread);
    });
}
