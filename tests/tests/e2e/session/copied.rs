//! A phone's folder that was copied: beside its original, after it, and what only looks like that.

use anyhow::Result;
use e2e::attacker::{Answer, Identity, RawDevice};
use e2e::world::{World, wait};
use shared::wire::{EnrolmentStanding, HelloReply};

use crate::thief::{Holder, PIN, holder, journal, runtime};

fn state(holder: &Holder, world: &World) -> Option<String> {
    holder.shown(world).ok()?["state"].as_str().map(str::to_owned)
}

fn sign(holder: &Holder, world: &World) -> Option<String> {
    holder.shown(world).ok()?["copy"]["sign"].as_str().map(str::to_owned)
}

async fn connect(world: &World, identity: &Identity) -> RawDevice {
    RawDevice::connect(world.quic(), Some(identity)).await.unwrap()
}

async fn standing(device: &RawDevice) -> Result<EnrolmentStanding> {
    Ok(device.hello().await?.message::<HelloReply>()?.standing)
}

/// The same with somebody who answers probes meanwhile.
async fn standing_alive(device: &RawDevice) -> Result<EnrolmentStanding> {
    tokio::select! {
        standing = standing(device) => standing,
        ended = device.answer_probes() => anyhow::bail!("the connection ended: {ended:?}"),
    }
}

#[test]
fn a_copied_folder_beside_its_original_has_both_blocked() {
    let mut world = World::new().unwrap();
    let holder = holder(&world, "original").unwrap();
    holder.phone.unlock(PIN).unwrap();
    let copy = holder.phone.copy("copy").unwrap();
    let original = holder.phone.run().unwrap();
    assert_eq!(state(&holder, &world).as_deref(), Some("live"));

    let second = copy.run().unwrap();
    wait::until("the device is blocked", || {
        (state(&holder, &world).as_deref() == Some("blocked")).then_some(())
    })
    .unwrap();
    assert_eq!(sign(&holder, &world).as_deref(), Some("both_live"));
    for phone in [&holder.phone, &copy] {
        wait::until("both know", || (phone.status().ok()?["state"] == "blocked").then_some(())).unwrap();
        phone.try_unlock(PIN).unwrap().expect_failure("a blocked phone").unwrap();
    }
    // Whoever unblocks while both live is told again: neither stays connected without a hello.
    holder.order(&world, "unblock").unwrap();
    wait::until("the device is blocked again", || {
        (sign(&holder, &world).as_deref() == Some("both_live")).then_some(())
    })
    .unwrap();
    drop((original, second));

    holder.order(&world, "unblock").unwrap();
    assert_eq!(sign(&holder, &world), None, "whoever unblocks has judged it");
    holder.phone.unlock(PIN).unwrap();
    world.stop().unwrap();
    let noted = journal(&world).unwrap();
    let suspected = noted.iter().filter(|entry| entry.what == mdm_core::audit::Happening::CopySuspected);
    assert_eq!(suspected.count(), 2, "noted once each time");
}

#[test]
fn a_phone_that_is_killed_restarted_and_restarted_again_is_no_copy_of_itself() {
    let mut world = World::new().unwrap();
    let holder = holder(&world, "restarted").unwrap();
    for round in 0..3 {
        // The server still holds the connection of the process that was killed: its idle timeout is a minute.
        holder.phone.run().unwrap().kill().unwrap();
        let running = holder.phone.run().unwrap();
        if round == 1 {
            world.kill().unwrap();
            world.start().unwrap();
        }
        running.kill().unwrap();
        holder.phone.unlock(PIN).unwrap();
    }
    world.restart().unwrap();
    let running = holder.phone.run().unwrap();
    world.restart().unwrap();
    wait::until("connected again", || (holder.shown(&world).ok()?["connected"] == true).then_some(()))
        .unwrap();
    assert_eq!(state(&holder, &world).as_deref(), Some("live"));
    assert_eq!(sign(&holder, &world), None);
    drop(running);
}

#[test]
fn a_phone_on_another_network_replaces_its_old_connection_and_a_second_run_that_lives_is_a_copy() {
    let world = World::new().unwrap();
    let holder = holder(&world, "network").unwrap();
    let identity = holder.identity().unwrap();
    runtime().unwrap().block_on(async {
        // The control: two connections that live, of one run. It is the run that tells them apart, and nothing else.
        let (old, new) = (connect(&world, &identity).await, connect(&world, &identity).await);
        assert_eq!(standing(&old).await.unwrap(), EnrolmentStanding::Live);
        assert_eq!(standing(&new).await.unwrap(), EnrolmentStanding::Live);
        assert_eq!(standing(&old).await.unwrap(), EnrolmentStanding::Live);
        drop(new);

        // A process that is dead does not answer: its connection is closed, and the next run goes on.
        let next = holder.identity().unwrap();
        let restarted = connect(&world, &next).await;
        assert_eq!(standing(&restarted).await.unwrap(), EnrolmentStanding::Live);
        tokio::select! {
            closed = old.closed() => assert_eq!(closed.unwrap(), Answer::Closed(6)),
            ended = restarted.answer_probes() => panic!("the run that lives was ended: {ended:?}"),
        }
        assert_eq!(standing(&restarted).await.unwrap(), EnrolmentStanding::Live);

        let copy = holder.identity().unwrap();
        let beside = connect(&world, &copy).await;
        assert_eq!(standing(&beside).await.unwrap(), EnrolmentStanding::Live, "before the probe");
        let blocked = async {
            loop {
                if standing(&beside).await.unwrap() == EnrolmentStanding::Blocked {
                    break;
                }
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        };
        tokio::select! {
            blocked = tokio::time::timeout(std::time::Duration::from_secs(60), blocked) => blocked.unwrap(),
            ended = beside.answer_probes() => panic!("{ended:?}"),
            ended = restarted.answer_probes() => panic!("{ended:?}"),
        }
    });
    assert_eq!(sign(&holder, &world).as_deref(), Some("both_live"));
}

#[test]
fn an_original_that_returns_after_its_copy_has_called_forks_and_a_late_hello_of_a_dead_process_does_not() {
    let world = World::new().unwrap();
    let holder = holder(&world, "forked").unwrap();
    runtime().unwrap().block_on(async {
        let original = holder.identity().unwrap();
        let device = connect(&world, &original).await;
        assert_eq!(standing(&device).await.unwrap(), EnrolmentStanding::Live);
        drop(device);
        // The folder was copied after that answer was kept.
        let copy = holder.identity().unwrap().after(Some(original.run().id));
        let device = connect(&world, &copy).await;
        assert_eq!(standing(&device).await.unwrap(), EnrolmentStanding::Live);
        drop(device);

        // The control: the same hello from a process that is dead. It gets no answer, and nobody is blocked.
        let late = connect(&world, &original).await;
        let answer = late.hello().await.unwrap();
        assert_eq!(answer, Answer::End);
        drop(late);
        let device = connect(&world, &copy).await;
        assert_eq!(standing(&device).await.unwrap(), EnrolmentStanding::Live);
        drop(device);

        let returned = connect(&world, &original).await;
        assert_eq!(standing_alive(&returned).await.unwrap(), EnrolmentStanding::Blocked);
        let device = connect(&world, &copy).await;
        assert_eq!(standing(&device).await.unwrap(), EnrolmentStanding::Blocked, "both are");
    });
    assert_eq!(sign(&holder, &world).as_deref(), Some("forked"));
}

#[test]
fn a_hello_without_a_run_after_one_with_a_run_is_nobodys() {
    let world = World::new().unwrap();
    let holder = holder(&world, "runless").unwrap();
    let identity = holder.identity().unwrap();
    runtime().unwrap().block_on(async {
        let device = connect(&world, &identity).await;
        assert_eq!(standing(&device).await.unwrap(), EnrolmentStanding::Live);
        let mut runless = device.hello_message();
        runless.run = None;
        // The control: a hello that was long on its way, of an app that is gone.
        assert_eq!(device.ask(&runless).await.unwrap(), Answer::End);
        assert_eq!(standing(&device).await.unwrap(), EnrolmentStanding::Live);
        drop(device);
        let device = connect(&world, &identity).await;
        tokio::select! {
            answer = device.ask(&runless) => {
                let reply = answer.unwrap().message::<HelloReply>().unwrap();
                assert_eq!(reply.standing, EnrolmentStanding::Blocked);
            }
            ended = device.answer_probes() => panic!("the connection ended: {ended:?}"),
        }
    });
    assert_eq!(sign(&holder, &world).as_deref(), Some("forked"));
}
