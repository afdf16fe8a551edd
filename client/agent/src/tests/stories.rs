//! What people do with a phone: enrol, unlock, store, work without the server, be blocked and unblocked.

use std::future::Future;
use std::sync::Arc;

use client_core::{State, UnlockRefusal};
use shared::policy::LeaseMode;
use shared::signed::Action;
use zeroize::Zeroizing;

use super::peer::Peer;
use super::{MARKER, Watch, files_with, left_without_server, new_home, open, pin, request};
use crate::agent::Agent;
use crate::enrol::EnrolError;
use crate::error::AgentError;
use crate::platform::Platform;
use crate::unlock::{UnlockError, Unlocked};

fn get(agent: &crate::Agent, name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    agent.get(name, &mut bytes).unwrap();
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_enrols_unlocks_and_keeps_a_file_over_a_restart() {
    let peer = Peer::start(LeaseMode::None).await;
    let (folder, home) = new_home();
    let agent = open(&home);
    assert_eq!(agent.enrol(request(&peer)).await.unwrap().enrolment, peer.enrolment);
    let (link, unlocked) = agent.connect_and_unlock(pin()).await.unwrap();
    assert_eq!(unlocked, Unlocked::Online);
    let content = MARKER.repeat(20_000);
    agent.put(MARKER, &mut content.as_bytes()).unwrap();
    agent.close(link.unwrap()).await;
    drop(agent);

    let agent = open(&home);
    assert!(matches!(agent.list(), Err(AgentError::Vault(_))), "closed after a restart");
    let (link, _) = agent.connect_and_unlock(pin()).await.unwrap();
    assert_eq!(get(&agent, MARKER), content.as_bytes());
    assert_eq!(peer.shared.lock().unwrap().epochs, [0, 1], "each unlock is counted");
    assert_eq!(agent.status().vault_epoch, 2);
    agent.close(link.unwrap()).await;
    assert_eq!(files_with(folder.path(), MARKER.as_bytes()), Vec::<String>::new());
    std::fs::write(folder.path().join("control"), MARKER).unwrap();
    assert_eq!(files_with(folder.path(), MARKER.as_bytes()), ["control"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_pin_opens_nothing_and_says_what_is_left() {
    let peer = Peer::start(LeaseMode::None).await;
    let (_folder, home) = new_home();
    let agent = open(&home);
    agent.enrol(request(&peer)).await.unwrap();
    let wrong = agent.connect_and_unlock(Zeroizing::new("000000".to_owned())).await;
    assert!(matches!(wrong, Err(UnlockError::PinWrong { attempts_left: 9 })));
    assert_eq!(agent.state(), State::Locked);
    assert_eq!(agent.status().vault_epoch, 0, "only a right PIN counts");
    let (_link, unlocked) = agent.connect_and_unlock(pin()).await.unwrap();
    assert_eq!(unlocked, Unlocked::Online);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unlock_that_is_given_up_leaves_the_vault_closed_and_the_next_one_free() {
    let peer = Peer::start(LeaseMode::None).await;
    let (_folder, home) = new_home();
    let agent = open(&home);
    agent.enrol(request(&peer)).await.unwrap();
    let (_link, _) = agent.connect_and_unlock(pin()).await.unwrap();
    {
        let mut unlock = std::pin::pin!(agent.unlock(pin()));
        while agent.state() != State::Unlocking {
            let polled =
                std::future::poll_fn(|context| std::task::Poll::Ready(unlock.as_mut().poll(context)));
            assert!(polled.await.is_pending());
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(agent.state(), State::Locked);
    assert!(agent.list().is_err());
    assert_eq!(agent.unlock(pin()).await.unwrap(), Unlocked::Online);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pin_that_is_too_short_can_be_chosen_again() {
    let peer = Peer::start(LeaseMode::None).await;
    let (_folder, home) = new_home();
    let agent = open(&home);
    let mut short = request(&peer);
    short.pin = Zeroizing::new("4829".to_owned());
    assert!(matches!(agent.enrol(short).await, Err(EnrolError::PinLength { min: 6 })));
    agent.enrol(request(&peer)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volatile_lease_opens_the_vault_offline_in_this_process_only() {
    let peer = Peer::start(LeaseMode::Volatile).await;
    let (folder, home) = new_home();
    let agent = open(&home);
    agent.enrol(request(&peer)).await.unwrap();
    let (link, _) = agent.connect_and_unlock(pin()).await.unwrap();
    agent.put("a", &mut &b"smoke"[..]).unwrap();
    agent.lock();
    agent.close(link.unwrap()).await;
    peer.shut();

    let wrong = agent.unlock(Zeroizing::new("000000".to_owned())).await;
    assert!(matches!(wrong, Err(UnlockError::PinWrongOffline { tries_left: 4 })), "{wrong:?}");
    assert_eq!(agent.unlock(pin()).await.unwrap(), Unlocked::Offline);
    assert_eq!(get(&agent, "a"), b"smoke");

    let secret = agent.inner().lease_secret.clone().unwrap();
    assert_eq!(files_with(folder.path(), secret.expose()), Vec::<String>::new());
    assert!(home.offline_slot().exists());
    drop(agent);
    let agent = open(&home);
    assert!(matches!(agent.unlock(pin()).await, Err(UnlockError::Offline)));
    assert!(!home.offline_slot().exists(), "a slot that nothing opens any more is removed at start");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_durable_lease_opens_the_vault_offline_after_a_restart() {
    let peer = Peer::start(LeaseMode::Durable).await;
    let (folder, home) = new_home();
    let agent = open(&home);
    agent.enrol(request(&peer)).await.unwrap();
    let (link, _) = agent.connect_and_unlock(pin()).await.unwrap();
    let secret = agent.inner().lease_secret.clone().unwrap();
    assert_eq!(
        files_with(folder.path(), secret.expose()),
        ["lease-secret"],
        "the search finds what is stored"
    );
    agent.close(link.unwrap()).await;
    peer.shut();
    drop(agent);

    let agent = open(&home);
    let wrong = agent.unlock(Zeroizing::new("000000".to_owned())).await;
    assert!(matches!(wrong, Err(UnlockError::PinWrongOffline { tries_left: 4 })));
    drop(agent);
    let agent = open(&home);
    assert_eq!(agent.inner().session.lease(crate::moment().boot).unwrap().tries_left(), 4, "tries survive");
    assert_eq!(agent.unlock(pin()).await.unwrap(), Unlocked::Offline);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_durable_lease_stores_at_each_start_what_it_has_used_up() {
    let peer = Peer::start(LeaseMode::Durable).await;
    let (_folder, home) = new_home();
    let agent = open(&home);
    agent.enrol(request(&peer)).await.unwrap();
    let (link, _) = agent.connect_and_unlock(pin()).await.unwrap();
    agent.close(link.unwrap()).await;
    drop(agent);
    let stored = || std::fs::read(home.lease()).unwrap();
    let before = stored();
    drop(open(&home));
    assert_ne!(stored(), before);

    // Where it cannot be stored, it ends: a start that leaves no trace could be repeated for ever.
    std::fs::create_dir(home.slots_dir().join("lease.tmp")).unwrap();
    let opened =
        Agent::open(home.clone(), Platform::software(&home, "test", "0"), Arc::new(Watch::default()));
    assert!(opened.is_err(), "and says which file");
    assert!(!home.lease_secret().exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_killed_at_every_try_runs_out_of_tries() {
    let (_folder, home, agent) = left_without_server(LeaseMode::Durable).await;
    drop(agent);
    for _ in 0..client_core::lease::OFFLINE_TRIES {
        let agent = open(&home);
        let mut inner = agent.inner();
        inner.session.begin_offline_unlock(crate::moment()).unwrap();
        agent.store_lease(&inner).unwrap();
        // Killed here: before anybody knows whether the PIN was right.
    }
    let agent = open(&home);
    assert!(matches!(agent.unlock(pin()).await, Err(UnlockError::Offline)), "the right PIN comes too late");
    assert!(!home.offline_slot().exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pushed_block_locks_until_it_is_lifted_also_over_a_restart() {
    let peer = Peer::start(LeaseMode::Volatile).await;
    let (_folder, home) = new_home();
    let agent = open(&home);
    agent.enrol(request(&peer)).await.unwrap();
    let (link, _) = agent.connect_and_unlock(pin()).await.unwrap();
    let block = peer.command(Action::Block, 1);
    assert_eq!(peer.push(block.clone()).await.unwrap().last_applied.counter, 1);
    assert_eq!(agent.state(), State::Blocked);
    assert!(!home.offline_slot().exists());
    assert!(agent.list().is_err());
    agent.close(link.unwrap()).await;
    drop(agent);

    let agent = open(&home);
    let refused = agent.connect_and_unlock(pin()).await;
    assert!(matches!(refused, Err(UnlockError::Agent(AgentError::Refused(UnlockRefusal::Blocked)))));
    peer.shared.lock().unwrap().pending = vec![block, peer.command(Action::Unblock, 2)];
    let (link, _) = agent.connect_and_unlock(pin()).await.unwrap();
    assert_eq!(peer.shared.lock().unwrap().applied.last().unwrap().counter, 2, "and the server was told");
    agent.close(link.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unlock_that_cannot_be_written_down_leaves_the_vault_closed() {
    let peer = Peer::start(LeaseMode::Volatile).await;
    let (_folder, home) = new_home();
    let agent = open(&home);
    agent.enrol(request(&peer)).await.unwrap();
    // A folder where the offline slot is written first: the disk refuses.
    let obstacle = home.slots_dir().join("offline.tmp");
    std::fs::create_dir(&obstacle).unwrap();
    let refused = agent.connect_and_unlock(pin()).await;
    assert!(matches!(refused, Err(UnlockError::Agent(AgentError::File(_)))), "{refused:?}");
    assert_eq!(agent.state(), State::Locked);
    assert!(matches!(agent.list(), Err(AgentError::Vault(_))));
    assert!(agent.inner().session.lease(crate::moment().boot).is_none());

    std::fs::remove_dir(&obstacle).unwrap();
    let (_link, unlocked) = agent.connect_and_unlock(pin()).await.unwrap();
    assert_eq!(unlocked, Unlocked::Online, "the store was free to be opened");
    agent.list().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_read_from_a_vault_that_outlives_its_session() {
    let peer = Peer::start(LeaseMode::None).await;
    let (_folder, home) = new_home();
    let agent = open(&home);
    agent.enrol(request(&peer)).await.unwrap();
    let (_link, _) = agent.connect_and_unlock(pin()).await.unwrap();
    agent.list().unwrap();
    // The effects, which close the vault, are not executed.
    agent.inner().session.lock();
    assert!(matches!(agent.list(), Err(AgentError::Vault(_))));
}
