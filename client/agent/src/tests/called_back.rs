//! A server that hangs up because a command waits: the phone connects once more, fetches it and obeys.

use std::sync::Arc;

use client_core::{State, UnlockRefusal};
use shared::policy::LeaseMode;
use shared::signed::Action;
use shared::wire::Kind;

use super::peer::Peer;
use super::wipe::{assert_erased, enrolled};
use super::{Watch, new_home, open, open_watched, pin};
use crate::agent::Event;
use crate::error::AgentError;
use crate::unlock::UnlockError;

fn hang_up(peer: &Peer, at: Kind, times: usize, waits: Option<Action>) {
    let mut shared = peer.shared.lock().unwrap();
    shared.heard.clear();
    shared.hang_up_at = Some((at, times));
    shared.waits = waits;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hello_that_is_cut_off_for_a_wipe_is_said_again_and_the_wipe_obeyed() {
    let peer = Peer::start(LeaseMode::None).await;
    let (_folder, home) = new_home();
    drop(enrolled(&peer, &home).await);
    hang_up(&peer, Kind::Hello, 1, Some(Action::Wipe));
    let agent = open(&home);
    let link = agent.connect().await.unwrap();
    agent.greet(&link).await.unwrap();
    assert_erased(&peer, &home);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unlock_that_is_cut_off_for_a_wipe_ends_in_the_wipe_and_not_in_the_lease() {
    let peer = Peer::start(LeaseMode::Durable).await;
    let (_folder, home) = new_home();
    let agent = enrolled(&peer, &home).await;
    assert!(agent.status().lease.is_some(), "the lease would open the vault");
    hang_up(&peer, Kind::UnlockStart, 1, Some(Action::Wipe));
    let refused = agent.connect_and_unlock(pin()).await;
    assert!(matches!(refused, Err(UnlockError::Agent(AgentError::Wiped))), "{refused:?}");
    assert_erased(&peer, &home);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unlock_that_is_cut_off_for_a_block_is_refused_as_blocked() {
    let peer = Peer::start(LeaseMode::Volatile).await;
    let (_folder, home) = new_home();
    let agent = enrolled(&peer, &home).await;
    hang_up(&peer, Kind::UnlockStart, 1, Some(Action::Block));
    let refused = agent.connect_and_unlock(pin()).await;
    let blocked = AgentError::Refused(UnlockRefusal::Blocked).to_string();
    assert_eq!(refused.err().map(|error| error.to_string()), Some(blocked));
    assert_eq!(agent.state(), State::Blocked);
    assert!(!home.offline_slot().exists());
    assert_eq!(peer.shared.lock().unwrap().applied.last().unwrap().counter, 1, "and the server was told");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_always_hangs_up_is_called_back_once() {
    let peer = Peer::start(LeaseMode::Volatile).await;
    let (_folder, home) = new_home();
    let agent = enrolled(&peer, &home).await;
    hang_up(&peer, Kind::Hello, usize::MAX, None);
    let link = agent.connect().await.unwrap();
    assert!(matches!(agent.greet(&link).await, Err(AgentError::Exchange(_))));
    assert_eq!(peer.heard(), [Kind::Hello, Kind::Hello]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_phone_calls_back_and_obeys_the_wipe() {
    let peer = Peer::start(LeaseMode::Volatile).await;
    let (_folder, home) = new_home();
    drop(enrolled(&peer, &home).await);
    let watch = Arc::new(Watch::default());
    let agent = open_watched(&home, Arc::clone(&watch));
    let running = tokio::spawn({
        let agent = Arc::clone(&agent);
        async move { agent.run().await }
    });
    while !watch.events.lock().unwrap().contains(&Event::Connected) {
        tokio::task::yield_now().await;
    }
    peer.wipe();
    peer.ask_for_a_call();
    running.await.unwrap().unwrap();
    assert_erased(&peer, &home);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_that_stops_running_lets_go_of_its_home() {
    let peer = Peer::start(LeaseMode::Volatile).await;
    let (_folder, home) = new_home();
    drop(enrolled(&peer, &home).await);
    let watch = Arc::new(Watch::default());
    let agent = open_watched(&home, Arc::clone(&watch));
    let running = tokio::spawn({
        let agent = Arc::clone(&agent);
        async move { agent.run().await }
    });
    while !watch.events.lock().unwrap().contains(&Event::Connected) {
        tokio::task::yield_now().await;
    }
    let kept = Arc::downgrade(&agent);
    drop(agent);
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());
    // The home opens again only once nothing of the first agent is left.
    drop(open(&home));
    assert!(kept.upgrade().is_none());
}
