//! A wipe against unlocks and notes that are under way: over connections that are open, with answers that are half given, at once.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use e2e::attacker::{Answer, Identity, RawDevice, StolenHome, Unopened};
use e2e::world::{World, wait};
use mdm_core::audit::Happening;
use shared::signed::Order;
use shared::wire::{CommandResult, HelloReply, Kind, NoteOffer, Renew, UnlockFinish, UnlockGranted};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::notes::make_id;
use crate::thief::{holder, journal, runtime};

/// What a server closes connections with when it wipes their device.
const COMMAND_WAITS: Answer = Answer::Closed(5);
/// Streams of one connection on which notes are stored at once.
const STREAMS: usize = 8;

#[test]
fn an_unlock_that_was_begun_before_the_wipe_gets_no_answer_after_it() {
    let world = World::new().unwrap();
    let runtime = runtime().unwrap();
    let holder = holder(&world, "open").unwrap();
    let stolen = holder.stolen();
    let identity = stolen.identity().unwrap();
    let connect = || runtime.block_on(RawDevice::connect(world.quic(), Some(&identity))).unwrap();
    let device = connect();

    // The control: the same KE3, on the same connection, is granted as long as there is no wipe.
    let mut early = runtime.block_on(stolen.begin_online(&device)).unwrap();
    let answer = runtime.block_on(early.stream.ask(&UnlockFinish { ke3: early.ke3 })).unwrap();
    answer.message::<UnlockGranted>().unwrap();
    runtime.block_on(device.hello()).unwrap().message::<HelloReply>().unwrap();

    let mut half = runtime.block_on(stolen.begin_online(&device)).unwrap();
    holder.order(&world, "wipe").unwrap();
    let ke3 = UnlockFinish { ke3: half.ke3 };
    // The connection may be known to be closed before anything can be sent.
    let answer = runtime.block_on(half.stream.ask(&ke3)).unwrap_or(COMMAND_WAITS);
    assert_eq!(answer, COMMAND_WAITS, "KE3 after the wipe");
    assert_eq!(runtime.block_on(device.closed()).unwrap(), COMMAND_WAITS);
}

#[test]
fn whatever_a_wiped_device_asks_on_a_new_connection_the_answer_is_the_wipe() {
    let world = World::new().unwrap();
    let runtime = runtime().unwrap();
    let holder = holder(&world, "asks").unwrap();
    let identity = holder.identity().unwrap();
    let ask = async || -> [Answer; 4] {
        let device = RawDevice::connect(world.quic(), Some(&identity)).await.unwrap();
        let applied = CommandResult { last_applied: Order { epoch: 9, counter: 9 } };
        [
            device.hello().await.unwrap(),
            device.ask(&Renew {}).await.unwrap(),
            device.start_unlock().await.unwrap().1,
            device.ask(&applied).await.unwrap(),
        ]
    };
    let kinds = |answers: [Answer; 4]| answers.map(|answer| answer.kind());
    // The control. A certificate that is new is not renewed, and nothing is said to a result.
    let usual = [Some(Kind::HelloReply), Some(Kind::Refused), Some(Kind::UnlockChallenge), None];
    assert_eq!(kinds(runtime.block_on(ask())), usual);

    holder.order(&world, "wipe").unwrap();
    for _ in 0..3 {
        let wiped = [Some(Kind::Command), Some(Kind::Command), Some(Kind::Command), None];
        assert_eq!(kinds(runtime.block_on(ask())), wiped);
    }
}

#[test]
fn a_device_that_reads_no_answers_puts_off_others_of_its_enrolment_but_not_its_wipe() {
    let world = World::new().unwrap();
    let runtime = runtime().unwrap();
    let holder = holder(&world, "deaf").unwrap();
    let identity = holder.identity().unwrap();
    let deaf = runtime.block_on(RawDevice::connect_deaf(world.quic(), &identity)).unwrap();
    let mut unread = Vec::new();
    for _ in 0..10 {
        unread.push(runtime.block_on(deaf.send_ke1()).unwrap());
    }
    wait::until("an answer that cannot be sent", || {
        holder.shown(&world).is_ok_and(|device| device["attempts_left"] == 9).then_some(())
    })
    .unwrap();
    let behind = runtime.block_on(RawDevice::connect(world.quic(), Some(&identity))).unwrap();
    let mut stream = runtime.block_on(behind.stream()).unwrap();
    runtime.block_on(stream.send(&behind.hello_message())).unwrap();

    holder.order(&world, "wipe").unwrap();
    // The control: the hello was sent before the wipe was ordered, and waits for its turn still.
    assert_eq!(runtime.block_on(stream.answer()), COMMAND_WAITS);
    assert!(holder.shown(&world).unwrap()["wipe"]["sealed_at"].is_string());
    let answer = runtime.block_on(async {
        RawDevice::connect(world.quic(), Some(&identity)).await.unwrap().hello().await.unwrap()
    });
    assert_eq!(answer.kind(), Some(Kind::Command));
    drop(unread);
}

#[test]
fn no_unlock_answer_leaves_after_a_wipe_that_races_with_many_unlocks() {
    let mut world = World::prepared().unwrap();
    world
        .edit_config(|config| {
            config.devices.unlock_attempts = 100;
            config.devices.logins_per_minute = 10_000;
        })
        .unwrap();
    world.start().unwrap();
    let runtime = runtime().unwrap();
    let holder = holder(&world, "race").unwrap();
    let stolen = Arc::new(holder.stolen());
    let (begun, wiped) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));

    let mut racers = JoinSet::new();
    // As many connections as the server keeps of one device.
    for _ in 0..2 {
        let racer = Racer {
            server: world.quic(),
            identity: stolen.identity().unwrap(),
            stolen: stolen.clone(),
            begun: begun.clone(),
            wiped: wiped.clone(),
        };
        racers.spawn_on(racer.race(), runtime.handle());
    }
    wait::until("unlocks under way", || begun.load(Ordering::SeqCst).then_some(())).unwrap();
    holder.order(&world, "wipe").unwrap();
    wiped.store(true, Ordering::SeqCst);
    while let Some(racer) =
        runtime.block_on(async { timeout(wait::DEADLINE, racers.join_next()).await }).unwrap()
    {
        racer.unwrap();
    }

    // The journal is in the order of commits, and each answer leaves under the lock of the commit that allows it.
    world.stop().unwrap();
    let enrolment = holder.enrolment().unwrap();
    let journal = journal(&world).unwrap();
    let of_the_device =
        journal.iter().filter(|body| body.subject.device == Some(enrolment)).map(|body| body.what);
    let from_the_wipe: Vec<_> = of_the_device.skip_while(|what| *what != Happening::DeviceWiped).collect();
    assert_eq!(from_the_wipe, [Happening::DeviceWiped, Happening::DeviceSealed]);
}

#[test]
fn no_note_is_stored_after_a_wipe_that_races_with_a_flood_of_them() {
    let mut world = World::new().unwrap();
    let runtime = runtime().unwrap();
    let holder = holder(&world, "flood").unwrap();
    let (enrolment, stolen) = (holder.enrolment().unwrap(), holder.stolen());
    let identity = stolen.identity().unwrap();
    let connect = || runtime.block_on(RawDevice::connect(world.quic(), Some(&identity))).unwrap();
    let devices = [connect(), connect()].map(Arc::new);
    // Somebody who knows the PIN: one unlock, whose grant holds on both connections.
    let mut begun = runtime.block_on(stolen.begin_online(&devices[0])).unwrap();
    let granted = runtime.block_on(begun.stream.ask(&UnlockFinish { ke3: begun.ke3 })).unwrap();
    granted.message::<UnlockGranted>().unwrap();

    let stored = Arc::new(AtomicUsize::new(0));
    let mut flood = JoinSet::new();
    for device in &devices {
        runtime.block_on(device.prove_grant(&begun.grant_key, enrolment)).unwrap();
        for _ in 0..STREAMS {
            flood.spawn_on(store_notes(device.clone(), stored.clone()), runtime.handle());
        }
    }
    wait::until("a flood", || (stored.load(Ordering::SeqCst) > 4 * STREAMS).then_some(())).unwrap();
    holder.order(&world, "wipe").unwrap();
    while let Some(ended) =
        runtime.block_on(async { timeout(wait::DEADLINE, flood.join_next()).await }).unwrap()
    {
        let last = ended.unwrap();
        assert!(last.is_none_or(|last| last == COMMAND_WAITS), "the connections were cut");
    }

    world.stop().unwrap();
    let journal = journal(&world).unwrap();
    let of_the_device =
        journal.iter().filter(|body| body.subject.device == Some(enrolment)).map(|body| body.what);
    let (before, from_the_wipe): (Vec<_>, Vec<_>) = {
        let all: Vec<_> = of_the_device.collect();
        let wiped = all.iter().position(|what| *what == Happening::DeviceWiped).unwrap();
        (all[..wiped].to_vec(), all[wiped..].to_vec())
    };
    assert!(before.contains(&Happening::NoteDeleted), "the control: they were stored until then");
    assert_eq!(from_the_wipe, [Happening::DeviceWiped, Happening::DeviceSealed]);
}

/// Stores one tombstone of a note after the other, which takes one message each; the last answer, if there was one.
async fn store_notes(device: Arc<RawDevice>, stored: Arc<AtomicUsize>) -> Option<Answer> {
    loop {
        let offer = NoteOffer { id: make_id(), parent: None, base: 0, contents: None };
        match device.ask(&offer).await {
            Ok(answer) if answer.kind() == Some(Kind::NoteStored) => {
                stored.fetch_add(1, Ordering::SeqCst);
            }
            Ok(answer) => return Some(answer),
            // The connection is known to be closed before anything can be sent.
            Err(_) => return None,
        }
    }
}

struct Racer {
    server: SocketAddr,
    identity: Identity,
    stolen: Arc<StolenHome>,
    /// Somebody was granted an unlock.
    begun: Arc<AtomicBool>,
    /// The wipe was acknowledged to who ordered it.
    wiped: Arc<AtomicBool>,
}

impl Racer {
    /// Unlocks again and again, four at once, over new connections where old ones are closed, until the wipe comes.
    async fn race(self) {
        loop {
            let Ok(device) = RawDevice::connect(self.server, Some(&self.identity)).await else { continue };
            let one = || self.unlock(&device);
            loop {
                let (a, b, c, d) = tokio::join!(one(), one(), one(), one());
                let kinds = [a, b, c, d].map(|answer| answer.as_ref().and_then(Answer::kind));
                if kinds.contains(&Some(Kind::Command)) {
                    return;
                }
                if kinds != [Some(Kind::UnlockGranted); 4] {
                    assert!(kinds.iter().flatten().all(|kind| *kind == Kind::UnlockGranted), "{kinds:?}");
                    break;
                }
            }
        }
    }

    /// One unlock. The last answer; `None` if the connection broke on the way.
    async fn unlock(&self, device: &RawDevice) -> Option<Answer> {
        let after_the_wipe = self.wiped.load(Ordering::SeqCst);
        let mut half = match self.stolen.begin_online(device).await {
            Ok(half) => half,
            Err(Unopened::NoHelp(answer)) => return Some(answer),
            Err(_) => return None,
        };
        assert!(!after_the_wipe, "KE2 to a KE1 that was sent after the wipe was acknowledged");
        let after_the_wipe = self.wiped.load(Ordering::SeqCst);
        let answer = half.stream.ask(&UnlockFinish { ke3: half.ke3 }).await.ok()?;
        if answer.kind() == Some(Kind::UnlockGranted) {
            assert!(!after_the_wipe, "a KE3 that was sent after the wipe was acknowledged is granted");
            self.begun.store(true, Ordering::SeqCst);
        }
        Some(answer)
    }
}
