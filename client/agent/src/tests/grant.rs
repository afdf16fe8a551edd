//! The session grant on the phone: proved once a connection, kept no longer than somebody needs it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use shared::policy::LeaseMode;
use shared::wire::{Kind, RefusalReason};

use super::peer::Peer;
use super::{files_with, new_home, open, pin, request};
use crate::agent::Agent;
use crate::error::AgentError;
use crate::link::ExchangeError;
use crate::unlock::Unlocked;

/// Until it is so, or for a minute.
pub(super) async fn until(what: &str, so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !so() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn proofs(peer: &Peer) -> usize {
    peer.shared.lock().unwrap().proofs
}

fn is_granted(peer: &Peer) -> bool {
    peer.shared.lock().unwrap().grant.is_some()
}

fn no_grant(outcome: Result<crate::link::Exchange, AgentError>) -> bool {
    let refused = outcome.err();
    matches!(refused, Some(AgentError::Exchange(ExchangeError::Refused(RefusalReason::NoGrant))))
}

async fn running(agent: &Arc<Agent>) -> tokio::task::JoinHandle<()> {
    let task = tokio::spawn({
        let agent = Arc::clone(agent);
        async move { drop(agent.run().await) }
    });
    until("the phone is connected", || agent.connection().is_some()).await;
    task
}

#[tokio::test(flavor = "multi_thread")]
async fn each_connection_is_shown_the_grant_once_before_its_first_content() {
    let peer = Peer::start(LeaseMode::None).await;
    let (_folder, home) = new_home();
    let agent = open(&home);
    agent.enrol(request(&peer)).await.unwrap();
    let first = agent.connect().await.unwrap();
    agent.greet(&first).await.unwrap();
    assert!(no_grant(agent.content(&first.connection).await), "nothing was unlocked");
    agent.unlock(pin()).await.unwrap();
    for _ in 0..3 {
        agent.content(&first.connection).await.unwrap();
    }
    assert_eq!(proofs(&peer), 1);
    let second = agent.connect().await.unwrap();
    agent.content(&second.connection).await.unwrap();
    assert_eq!(proofs(&peer), 2);
    agent.unlock(pin()).await.unwrap();
    agent.content(&second.connection).await.unwrap();
    assert_eq!(proofs(&peer), 3, "another unlock, another grant");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_without_a_lease_ends_the_grant_at_the_server() {
    let peer = Peer::start(LeaseMode::None).await;
    let (_folder, home) = new_home();
    let agent = open(&home);
    agent.enrol(request(&peer)).await.unwrap();
    let run = running(&agent).await;
    agent.unlock(pin()).await.unwrap();
    until("the grant was shown", || proofs(&peer) == 1).await;
    let connection = agent.connection().unwrap();
    agent.lock();
    until("the grant has ended", || !is_granted(&peer)).await;
    assert!(no_grant(agent.content(&connection).await), "the key has left memory");
    agent.unlock(pin()).await.unwrap();
    until("the next is shown", || proofs(&peer) == 2).await;
    assert!(is_granted(&peer), "the end of the old one did not end it");
    run.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn within_a_lease_the_grant_is_kept_under_the_vault_key_and_proved_again() {
    let peer = Peer::start(LeaseMode::Volatile).await;
    let (folder, home) = new_home();
    let agent = open(&home);
    agent.enrol(request(&peer)).await.unwrap();
    let (link, _) = agent.connect_and_unlock(pin()).await.unwrap();
    let link = link.unwrap();
    agent.content(&link.connection).await.unwrap();
    let key = *peer.shared.lock().unwrap().grant.as_ref().unwrap().expose();
    assert!(home.grant().exists());
    assert_eq!(files_with(folder.path(), &key), Vec::<String>::new(), "never in clear");
    agent.lock();
    agent.close(link).await;
    assert!(is_granted(&peer), "a lease runs");

    assert_eq!(agent.unlock(pin()).await.unwrap(), Unlocked::Offline);
    let link = agent.connect().await.unwrap();
    agent.greet(&link).await.unwrap();
    agent.content(&link.connection).await.unwrap();
    assert_eq!(proofs(&peer), 2);
    assert_eq!(peer.heard().iter().filter(|kind| **kind == Kind::UnlockStart).count(), 1, "no PIN was asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_lease_ends_nothing_of_the_grant_stays_on_the_disk() {
    let peer = Peer::start(LeaseMode::Volatile).await;
    let (_folder, home) = new_home();
    let agent = open(&home);
    agent.enrol(request(&peer)).await.unwrap();
    let (link, _) = agent.connect_and_unlock(pin()).await.unwrap();
    agent.lock();
    agent.close(link.unwrap()).await;
    peer.shared.lock().unwrap().policy.lease_mode = LeaseMode::None;
    let link = agent.connect().await.unwrap();
    agent.greet(&link).await.unwrap();
    assert!(!home.grant().exists());
    drop((link, agent));

    let peer = Peer::start(LeaseMode::Volatile).await;
    let (_folder, home) = new_home();
    let agent = open(&home);
    agent.enrol(request(&peer)).await.unwrap();
    let (link, _) = agent.connect_and_unlock(pin()).await.unwrap();
    agent.close(link.unwrap()).await;
    drop(agent);
    assert!(home.grant().exists(), "killed while the lease ran");
    drop(open(&home));
    assert!(!home.grant().exists(), "the next start removes it");
}
