//! Unlocking as an attack: attempts are counted whatever is sent, keys nobody registered get no answer, and a hostile peer
//! harms nobody else.

use std::fs;

use anyhow::Result;
use e2e::attacker::{
    Answer, FalseServer, Identity, RawDevice, RawEnrol, StolenHome, Unopened, frame, hostile_frame,
};
use e2e::world::{Site, World};
use mdm_core::audit::Happening;
use shared::wire::{
    HelloReply, Kind, Message, RefusalReason, UnlockFinish, UnlockGranted, UnlockStart, Unsupported,
};

use crate::thief::{Holder, MARKER, MEMO, PIN, flood, holder, runtime};

/// A server that gives `attempts` attempts.
fn world_with(attempts: u16) -> Result<World> {
    let mut world = World::prepared()?;
    world.edit_config(|config| {
        config.devices.unlock_attempts = attempts;
        config.devices.logins_per_minute = 10_000;
    })?;
    world.start()?;
    Ok(world)
}

#[test]
fn a_thousand_ke1s_without_ke3_get_ten_answers_and_a_restart_gives_none_back() {
    let mut world = World::new().unwrap();
    let runtime = runtime().unwrap();
    let holder = holder(&world, "ke1").unwrap();
    let identity = holder.identity().unwrap();

    assert_eq!(runtime.block_on(flood(&world, &identity, 1_000)).unwrap(), 10);
    assert_eq!(holder.shown(&world).unwrap()["attempts_left"], 0);

    world.restart().unwrap();
    assert_eq!(runtime.block_on(flood(&world, &identity, 40)).unwrap(), 0);
    world.kill().unwrap();
    world.start().unwrap();
    assert_eq!(runtime.block_on(flood(&world, &identity, 40)).unwrap(), 0);

    let said = holder.phone.try_unlock(PIN).unwrap().expect_failure("unlocking without attempts").unwrap();
    assert!(said.contains("no attempts are left"), "{said}");
}

#[test]
fn the_same_thousand_ke1s_get_as_many_answers_as_there_are_attempts() {
    let world = world_with(100).unwrap();
    let holder = holder(&world, "ke1").unwrap();
    let identity = holder.identity().unwrap();
    let answered = runtime().unwrap().block_on(flood(&world, &identity, 1_000)).unwrap();
    assert_eq!(answered, 100, "the flood has to reach the limit for the test of ten to mean something");
}

#[test]
fn only_a_verified_pin_gives_attempts_back() {
    let world = World::new().unwrap();
    let runtime = runtime().unwrap();
    let holder = holder(&world, "back").unwrap();
    let identity = holder.identity().unwrap();
    let left = || holder.shown(&world).unwrap()["attempts_left"].clone();
    let lose_eight = || {
        let device = runtime.block_on(RawDevice::connect(world.quic(), Some(&identity))).unwrap();
        for _ in 0..8 {
            let (_, answer) = runtime.block_on(device.start_unlock()).unwrap();
            assert_eq!(answer.kind(), Some(Kind::UnlockChallenge));
        }
    };

    lose_eight();
    assert_eq!(left(), 2);
    let wrong = holder.phone.try_unlock("000000000").unwrap();
    wrong.expect_failure("a wrong PIN").unwrap();
    assert_eq!(left(), 1, "a wrong PIN gives nothing back");
    holder.phone.unlock(PIN).unwrap();
    assert_eq!(left(), 10);
    lose_eight();
    assert_eq!(left(), 2, "they can be lost anew");
}

#[test]
fn attempts_that_are_used_up_are_given_back_by_an_operator_and_the_pin_is_the_same() {
    let mut world = World::new().unwrap();
    let runtime = runtime().unwrap();
    let holder = holder(&world, "reset").unwrap();
    let identity = holder.identity().unwrap();
    assert_eq!(runtime.block_on(flood(&world, &identity, 40)).unwrap(), 10);
    holder.phone.try_unlock(PIN).unwrap().expect_failure("no attempts are left").unwrap();
    let reset = holder.order(&world, "reset-attempts").unwrap();
    assert_eq!(reset["attempts_left"], 10, "{reset}");
    world.restart().unwrap();
    holder.phone.try_unlock("000000000").unwrap().expect_failure("a wrong PIN is wrong as before").unwrap();
    assert_eq!(holder.shown(&world).unwrap()["attempts_left"], 9);
    holder.phone.unlock(PIN).unwrap();
    world.stop().unwrap();
    let happened = crate::thief::journal(&world).unwrap();
    let resets = happened.iter().filter(|body| body.what == Happening::AttemptsReset).count();
    assert_eq!(resets, 1, "the journal says it");
}

#[test]
fn the_pin_opens_nothing_without_the_secret_of_the_phone() {
    let world = World::new().unwrap();
    let runtime = runtime().unwrap();
    let holder = holder(&world, "secret").unwrap();
    let memo = world.file("memo.txt", MARKER).unwrap();
    holder.put(MEMO, &memo).unwrap();

    let other = holder.phone.copy("other-secret").unwrap();
    fs::write(other.home().join("device/secret"), [7; 32]).unwrap();
    let other = StolenHome::new(other.home(), PIN);
    let opened = runtime.block_on(other.open_online(world.quic()));
    assert!(
        matches!(opened, Err(Unopened::WrongPin)),
        "the device secret is part of what the PIN is tested with"
    );

    let whole = holder.copied("whole").unwrap();
    let key = runtime.block_on(whole.open_online(world.quic())).unwrap();
    assert_eq!(whole.file(&key, MEMO).unwrap(), MARKER);
}

#[test]
fn without_a_registered_key_nothing_is_answered() {
    let world = World::new().unwrap();
    let holder = holder(&world, "keys").unwrap();
    runtime().unwrap().block_on(async {
        let nobody = RawDevice::connect(world.quic(), None).await.unwrap();
        assert_eq!(unanswered(&nobody).await, Answer::Closed(1));

        let stranger = Identity::fresh().unwrap();
        let stranger = RawDevice::connect(world.quic(), Some(&stranger)).await.unwrap();
        assert_eq!(unanswered(&stranger).await, Answer::Closed(2));

        let known = RawDevice::connect(world.quic(), Some(&holder.identity().unwrap())).await.unwrap();
        known.hello().await.unwrap().message::<HelloReply>().unwrap();
    });
}

/// Says hello to a server that should close; how it closed.
async fn unanswered(device: &RawDevice) -> Answer {
    if let Ok(answer) = device.hello().await {
        assert!(!matches!(answer, Answer::Frame(_)), "{answer:?}");
    }
    device.closed().await.unwrap()
}

#[test]
fn hostile_frames_are_cut_off_and_an_honest_phone_is_served_meanwhile() {
    let world = World::new().unwrap();
    let runtime = runtime().unwrap();
    let honest = holder(&world, "honest").unwrap();
    let hostile = holder(&world, "hostile").unwrap();
    let identity = hostile.identity().unwrap();

    let kept = runtime.block_on(async {
        let device = RawDevice::connect(world.quic(), Some(&identity)).await.unwrap();
        for (what, bytes) in hostile_openings().unwrap() {
            let mut stream = device.stream().await.unwrap();
            stream.send_bytes(&bytes).await.unwrap();
            let answer = stream.answer().await;
            assert_eq!(answer.refusal(), Some(RefusalReason::Malformed), "{what}: {answer:?}");
            assert_eq!(stream.answer().await, Answer::End, "{what}");
        }
        // Half a frame on each of many streams: they hold nothing but their own place.
        let mut kept = Vec::new();
        for _ in 0..12 {
            let mut stream = device.stream().await.unwrap();
            stream.send_bytes(&[0, 0, 0x40]).await.unwrap();
            kept.push(stream);
        }
        device.hello().await.unwrap().message::<HelloReply>().unwrap();
        let mut enrolling = RawEnrol::connect(world.quic()).await.unwrap();
        enrolling.stream.send_bytes(&[0xff; 4096]).await.unwrap();
        assert_eq!(enrolling.stream.answer().await.refusal(), Some(RefusalReason::Malformed));
        (device, kept)
    });
    serve_honestly(&world, &honest);
    drop(kept);
}

/// First frames that are no beginning of anything.
fn hostile_openings() -> Result<Vec<(&'static str, Vec<u8>)>> {
    let hello = Kind::Hello.number();
    let over = vec![0; Kind::UnlockStart.limit() + 1];
    Ok(vec![
        ("a length of 4 GiB", vec![0xff; 8]),
        ("a length one over the limit", (16_401_u32).to_be_bytes().to_vec()),
        ("garbage", [&64_u32.to_be_bytes(), [0xa5; 64].as_slice()].concat()),
        ("nothing at all", 0_u32.to_be_bytes().to_vec()),
        ("another version", hostile_frame(2, hello, b"\xa0")?),
        ("a body over its limit", frame(Kind::UnlockStart.number(), &over)?),
        ("a body that is no map", frame(hello, b"\x83\x01\x02\x03")?),
        ("a map that lacks everything", frame(hello, b"\xa0")?),
        ("a KE1 that is no group element", UnlockStart { ke1: vec![0xff; 96], vault_epoch: 0 }.to_frame()),
        ("an end without a beginning", UnlockFinish { ke3: vec![1; 64] }.to_frame()),
        ("a message of the server's", frame(Kind::HelloReply.number(), b"\xa0")?),
    ])
}

fn serve_honestly(site: &Site, holder: &Holder) {
    let memo = site.file("memo.txt", MARKER).unwrap();
    holder.put(MEMO, &memo).unwrap();
    let got = holder.phone.call(&["get", MEMO, "--pin", PIN]).unwrap();
    assert_eq!(got.expect_success("phone get").unwrap().stdout, MARKER);
}

#[test]
fn a_message_of_an_unknown_kind_is_answered_and_the_stream_lives_on() {
    let world = World::new().unwrap();
    let holder = holder(&world, "kinds").unwrap();
    let stolen = holder.stolen();
    runtime().unwrap().block_on(async {
        let device = RawDevice::connect(world.quic(), Some(&stolen.identity().unwrap())).await.unwrap();
        let mut stream = device.stream().await.unwrap();
        for kind in [9_u16, 99, 60_000] {
            stream.send_bytes(&frame(kind, b"\xa0").unwrap()).await.unwrap();
            assert_eq!(stream.answer().await.message::<Unsupported>().unwrap(), Unsupported { kind });
        }
        stream.ask(&device.hello_message()).await.unwrap().message::<HelloReply>().unwrap();

        // In the middle of an unlock as well.
        let mut begun = stolen.begin_online(&device).await.unwrap();
        begun.stream.send_bytes(&frame(99, b"\xa0").unwrap()).await.unwrap();
        begun.stream.answer().await.message::<Unsupported>().unwrap();
        begun.stream.ask(&UnlockFinish { ke3: begun.ke3 }).await.unwrap().message::<UnlockGranted>().unwrap();
    });
}

#[test]
fn a_ke3_for_another_ke2_is_refused_and_gives_nothing_back() {
    let world = World::new().unwrap();
    let holder = holder(&world, "ke3").unwrap();
    let stolen = holder.stolen();
    let left = || holder.shown(&world).unwrap()["attempts_left"].clone();
    runtime().unwrap().block_on(async {
        let device = RawDevice::connect(world.quic(), Some(&stolen.identity().unwrap())).await.unwrap();
        let (mut first, mut second) =
            (stolen.begin_online(&device).await.unwrap(), stolen.begin_online(&device).await.unwrap());
        let answer = second.stream.ask(&UnlockFinish { ke3: first.ke3.clone() }).await.unwrap();
        assert_eq!(answer.refusal(), Some(RefusalReason::PinWrong));
        assert_eq!(left(), 8);
        let answer = first.stream.ask(&UnlockFinish { ke3: first.ke3 }).await.unwrap();
        answer.message::<UnlockGranted>().unwrap();
        assert_eq!(left(), 10);
    });
}

#[test]
fn no_session_is_resumed_and_no_early_data_is_taken() {
    let world = World::new().unwrap();
    let holder = holder(&world, "early").unwrap();
    let identity = holder.identity().unwrap();
    runtime().unwrap().block_on(async {
        assert_eq!(RawDevice::come_early(world.quic(), &identity, 5).await.unwrap(), 0);

        // The control: the same client at a server that is left as TLS libraries make it.
        let lax = FalseServer::start(&Identity::fresh().unwrap()).unwrap();
        let address = lax.address();
        let serving = tokio::spawn(async move { while lax.accept().await.is_ok() {} });
        assert!(RawDevice::come_early(address, &identity, 5).await.unwrap() > 0);
        serving.abort();
    });
}

#[test]
fn a_device_has_two_connections_at_most_and_the_newest_are_kept() {
    let world = World::new().unwrap();
    let holder = holder(&world, "three").unwrap();
    let identity = holder.identity().unwrap();
    runtime().unwrap().block_on(async {
        let mut devices = Vec::new();
        for _ in 0..3 {
            let device = RawDevice::connect(world.quic(), Some(&identity)).await.unwrap();
            device.hello().await.unwrap().message::<HelloReply>().unwrap();
            devices.push(device);
        }
        assert_eq!(devices[0].closed().await.unwrap(), Answer::Closed(6));
        for device in &devices[1..] {
            device.hello().await.unwrap().message::<HelloReply>().unwrap();
        }
    });
}
