//! The wait after wrong PINs, over restarts of the app, with the server and without.

use std::sync::Arc;

use client_core::{Notice, State, UnlockRefusal};
use shared::policy::LeaseMode;
use shared::wire::Kind;
use zeroize::Zeroizing;

use super::peer::Peer;
use super::{PIN, Watch, left_without_server, new_home, open, open_watched, pin, request};
use crate::agent::{Agent, Event};
use crate::error::AgentError;
use crate::pin::ChangePinError;
use crate::unlock::UnlockError;

async fn wrong(agent: &Arc<Agent>) -> UnlockError {
    agent.unlock(Zeroizing::new("000000".to_owned())).await.unwrap_err()
}

/// Whether the right PIN, too, has to wait.
async fn waits(agent: &Arc<Agent>) -> bool {
    let refused = agent.unlock(pin()).await;
    matches!(
        refused,
        Err(UnlockError::Agent(AgentError::Refused(UnlockRefusal::TooSoon { seconds: 1..=60 })))
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fourth_pin_has_to_wait_also_after_a_restart() {
    let peer = Peer::start(LeaseMode::None).await;
    let (_folder, home) = new_home();
    let watch = Arc::new(Watch::default());
    let agent = open_watched(&home, watch.clone());
    agent.enrol(request(&peer)).await.unwrap();
    let (link, _) = agent.connect_and_unlock(pin()).await.unwrap();
    for _ in 0..3 {
        assert!(agent.status().unlock_after.is_none());
        assert!(matches!(wrong(&agent).await, UnlockError::PinWrong { .. }));
    }
    assert!(watch.events.lock().unwrap().contains(&Event::Session(Notice::PinsDelayed)));
    assert!(waits(&agent).await);
    assert_eq!((agent.state(), agent.status().wrong_pins), (State::Locked, 3));
    agent.close(link.unwrap()).await;
    drop(agent);

    let agent = open(&home);
    assert!(agent.status().unlock_after.is_some());
    let refused = agent.connect_and_unlock(pin()).await.err().unwrap();
    assert!(refused.to_string().contains("try again in"), "{refused}");
    // The control: the wait over, the same PIN opens, and the count begins anew.
    let now = crate::moment();
    let past = client_core::Moment { boot: client_core::BootTime::from_start(Default::default()), ..now };
    let waited = agent.inner().device.as_ref().unwrap().pin_delay.clone().unwrap();
    assert!(waited.resume(now, crate::clock::boot_id()).left(now.boot).is_some());
    {
        let mut inner = agent.inner();
        let over = waited.resume(past, [7; 16]);
        assert!(over.left(now.boot).is_none(), "this machine is up for longer than the wait");
        let device = inner.device.clone().unwrap();
        let session =
            client_core::Session::enrolled(device.identity(), device.policy.clone(), device.progress, None);
        inner.session = session.after_wrong_pins(over);
    }
    agent.connect_and_unlock(pin()).await.unwrap();
    assert_eq!(agent.status().wrong_pins, 0);
    drop(agent);
    assert_eq!(open(&home).status().wrong_pins, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn within_a_durable_lease_the_wait_outlasts_the_process_and_charges_no_try() {
    let (_folder, home, agent) = left_without_server(LeaseMode::Durable).await;
    for left in [4, 3, 2] {
        assert!(
            matches!(wrong(&agent).await, UnlockError::PinWrongOffline { tries_left } if tries_left == left)
        );
    }
    assert!(waits(&agent).await);
    drop(agent);
    let agent = open(&home);
    assert!(waits(&agent).await);
    let tries = agent.inner().session.lease(crate::moment().boot).unwrap().tries_left();
    assert_eq!(tries, 2, "who has to wait is charged nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_tries_pins_by_changing_the_pin_has_to_wait_as_well() {
    let peer = Peer::start(LeaseMode::Volatile).await;
    let (_folder, home) = new_home();
    let agent = open(&home);
    agent.enrol(request(&peer)).await.unwrap();
    let (link, _) = agent.connect_and_unlock(pin()).await.unwrap();
    let change = async |old: &str| {
        agent.change_pin(Zeroizing::new(old.to_owned()), Zeroizing::new("731046".to_owned())).await
    };
    for wrong in 1..=3 {
        assert!(matches!(change("000000").await, Err(ChangePinError::PinWrong { .. })));
        assert_eq!(agent.status().wrong_pins, wrong);
    }
    let heard = peer.heard().len();
    let too_soon = |refused| {
        matches!(
            refused,
            Err(ChangePinError::Agent(AgentError::Refused(UnlockRefusal::TooSoon { seconds: 1..=60 })))
        )
    };
    assert!(too_soon(change(PIN).await), "the right one, too");
    assert_eq!(peer.heard().len(), heard, "nothing was asked of the server");
    assert_eq!(agent.state(), State::Open);
    // The screen that opens the vault waits as well, and after a restart.
    agent.lock();
    assert!(waits(&agent).await);
    agent.close(link.unwrap()).await;
    drop(agent);
    assert!(open(&home).status().unlock_after.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_old_pin_ends_the_count_and_one_that_was_not_tested_does_not_add_to_it() {
    let peer = Peer::start(LeaseMode::None).await;
    let (_folder, home) = new_home();
    let agent = open(&home);
    agent.enrol(request(&peer)).await.unwrap();
    let (link, _) = agent.connect_and_unlock(pin()).await.unwrap();
    let change = async |old: &str, new: &str| {
        agent.change_pin(Zeroizing::new(old.to_owned()), Zeroizing::new(new.to_owned())).await
    };
    for _ in 0..2 {
        assert!(matches!(change("000000", "731046").await, Err(ChangePinError::PinWrong { .. })));
    }
    change(PIN, "731046").await.unwrap();
    assert_eq!(agent.status().wrong_pins, 0);
    peer.shared.lock().unwrap().hang_up_at = Some((Kind::PinChange, 1));
    assert!(change("731046", PIN).await.is_err());
    assert_eq!(agent.status().wrong_pins, 0, "nobody has tested it");
    agent.close(link.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pin_that_no_server_has_tested_does_not_count() {
    let (_folder, _home, agent) = left_without_server(LeaseMode::None).await;
    for _ in 0..5 {
        assert!(matches!(agent.unlock(pin()).await, Err(UnlockError::Offline)));
    }
    assert_eq!(agent.status().wrong_pins, 0);
}
