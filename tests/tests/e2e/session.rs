//! The session grant: what separates the phone's owner from somebody who has its certificate and keys, and not the PIN.

mod copied;
mod pin;

use anyhow::Result;
use e2e::attacker::{Answer, RawDevice, RawStream};
use e2e::world::World;
use shared::crypto::Secret;
use shared::grant::GrantKey;
use shared::opaque::{LoginStart, client_input};
use shared::wire::{GrantEnd, GrantProof, Kind, PinChange, RefusalReason, UnlockFinish};

use crate::thief::{Holder, PIN, holder, runtime};

/// Asks for content as the first thing on a stream: the beginning of a change of the PIN.
async fn ask_for_content(device: &RawDevice) -> Result<(RawStream, Answer)> {
    let mut rng = rand::rngs::OsRng;
    let input =
        client_input("000000", &Secret::make(&mut rng), shared::ids::EnrolmentId::from_bytes([0; 16]));
    let (_, ke1) = LoginStart::make(input, &mut rng)?;
    let mut stream = device.stream().await?;
    let answer = stream.ask(&PinChange { ke1, vault_epoch: u64::MAX }).await?;
    Ok((stream, answer))
}

async fn content(device: &RawDevice) -> Result<Answer> {
    Ok(ask_for_content(device).await?.1)
}

/// Unlocks with everything that the phone and its owner have; the grant's key.
async fn unlock(thief: &e2e::attacker::StolenHome, device: &RawDevice) -> Result<GrantKey> {
    let mut begun = thief.begin_online(device).await?;
    let answer = begun.stream.ask(&UnlockFinish { ke3: begun.ke3 }).await?;
    anyhow::ensure!(answer.kind() == Some(Kind::UnlockGranted), "{answer:?}");
    Ok(begun.grant_key)
}

async fn prove(device: &RawDevice, holder: &Holder, key: &GrantKey) -> Result<Answer> {
    device.ask(&GrantProof { tag: device.grant_tag(key, holder.enrolment()?)? }).await
}

#[test]
fn a_stolen_device_key_and_secret_get_no_content_without_the_pin() {
    let world = World::new().unwrap();
    let holder = holder(&world, "stolen").unwrap();
    holder.phone.unlock(PIN).unwrap();
    let thief = holder.stolen();
    let identity = thief.identity().unwrap();
    runtime().unwrap().block_on(async {
        let device = RawDevice::connect(world.quic(), Some(&identity)).await.unwrap();
        assert_eq!(device.hello().await.unwrap().kind(), Some(Kind::HelloReply), "the certificate is good");
        assert_eq!(content(&device).await.unwrap().refusal(), Some(RefusalReason::NoGrant));
        for guess in [[0; 32], [0xff; 32]] {
            let answer = prove(&device, &holder, &GrantKey::from_slice(&guess).unwrap()).await.unwrap();
            assert_eq!(answer.refusal(), Some(RefusalReason::NoGrant));
        }
        let tag = [0; 32];
        assert_eq!(device.ask(&GrantEnd { tag }).await.unwrap().refusal(), Some(RefusalReason::NoGrant));
        assert_eq!(content(&device).await.unwrap().refusal(), Some(RefusalReason::NoGrant));

        // The control: with the grant, and nothing else besides, the same question is answered.
        let key = unlock(&thief, &device).await.unwrap();
        assert_eq!(content(&device).await.unwrap().refusal(), Some(RefusalReason::NoGrant), "not proved yet");
        assert_eq!(prove(&device, &holder, &key).await.unwrap().kind(), Some(Kind::GrantAccepted));
        assert_eq!(content(&device).await.unwrap().kind(), Some(Kind::UnlockChallenge));
    });
}

#[test]
fn a_proof_is_worth_nothing_on_another_connection_and_after_a_newer_unlock() {
    let world = World::new().unwrap();
    let holder = holder(&world, "elsewhere").unwrap();
    let thief = holder.stolen();
    let identity = thief.identity().unwrap();
    runtime().unwrap().block_on(async {
        let first = RawDevice::connect(world.quic(), Some(&identity)).await.unwrap();
        let key = unlock(&thief, &first).await.unwrap();
        let tag = first.grant_tag(&key, holder.enrolment().unwrap()).unwrap();
        let second = RawDevice::connect(world.quic(), Some(&identity)).await.unwrap();
        let replayed = second.ask(&GrantProof { tag }).await.unwrap();
        assert_eq!(replayed.refusal(), Some(RefusalReason::NoGrant));
        assert_eq!(prove(&first, &holder, &key).await.unwrap().kind(), Some(Kind::GrantAccepted));
        assert_eq!(
            prove(&second, &holder, &key).await.unwrap().kind(),
            Some(Kind::GrantAccepted),
            "once each"
        );

        let newer = unlock(&thief, &second).await.unwrap();
        for device in [&first, &second] {
            assert_eq!(content(device).await.unwrap().refusal(), Some(RefusalReason::NoGrant));
            let old = prove(device, &holder, &key).await.unwrap();
            assert_eq!(old.refusal(), Some(RefusalReason::NoGrant));
        }
        assert_eq!(prove(&first, &holder, &newer).await.unwrap().kind(), Some(Kind::GrantAccepted));
        let old = GrantEnd { tag };
        assert_eq!(
            first.ask(&old).await.unwrap().refusal(),
            Some(RefusalReason::NoGrant),
            "of the old grant"
        );
        assert_eq!(content(&first).await.unwrap().kind(), Some(Kind::UnlockChallenge));
        let end = GrantEnd { tag: first.grant_tag(&newer, holder.enrolment().unwrap()).unwrap() };
        assert_eq!(first.ask(&end).await.unwrap().kind(), Some(Kind::GrantEnded));
        assert_eq!(content(&first).await.unwrap().refusal(), Some(RefusalReason::NoGrant));
        let again = prove(&first, &holder, &newer).await.unwrap();
        assert_eq!(again.refusal(), Some(RefusalReason::NoGrant), "ended for every connection");
    });
}

#[test]
fn block_and_wipe_end_content_on_connections_that_had_proved_it() {
    let world = World::new().unwrap();
    let holder = holder(&world, "ended").unwrap();
    let thief = holder.stolen();
    let identity = thief.identity().unwrap();
    let runtime = runtime().unwrap();
    let (device, key) = runtime.block_on(async {
        let device = RawDevice::connect(world.quic(), Some(&identity)).await.unwrap();
        let key = unlock(&thief, &device).await.unwrap();
        assert_eq!(prove(&device, &holder, &key).await.unwrap().kind(), Some(Kind::GrantAccepted));
        (device, key)
    });
    let ask = |device: &RawDevice| runtime.block_on(content(device)).unwrap();

    holder.order(&world, "block").unwrap();
    assert_eq!(ask(&device).refusal(), Some(RefusalReason::Blocked));
    holder.order(&world, "unblock").unwrap();
    assert_eq!(ask(&device).refusal(), Some(RefusalReason::NoGrant), "an unblock brings no grant back");
    let again = runtime.block_on(prove(&device, &holder, &key)).unwrap();
    assert_eq!(again.refusal(), Some(RefusalReason::NoGrant));

    let key = runtime.block_on(unlock(&thief, &device)).unwrap();
    let proved = runtime.block_on(prove(&device, &holder, &key)).unwrap();
    assert_eq!(proved.kind(), Some(Kind::GrantAccepted));
    holder.order(&world, "wipe").unwrap();
    // The connection that had proved it is asked first: it was cut off, and says so.
    let old = runtime.block_on(ask_for_content(&device));
    let closed = runtime.block_on(device.closed()).unwrap();
    assert_eq!(closed, Answer::Closed(5), "a command waits");
    assert!(old.is_err() || old.is_ok_and(|(_, answer)| answer == Answer::Closed(5)));
    let device = runtime.block_on(RawDevice::connect(world.quic(), Some(&identity))).unwrap();
    assert_eq!(ask(&device).kind(), Some(Kind::Command), "the wipe and nothing else");
    assert_eq!(runtime.block_on(prove(&device, &holder, &key)).unwrap().kind(), Some(Kind::Command));
}
