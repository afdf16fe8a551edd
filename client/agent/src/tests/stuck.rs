//! A disk that refuses to give up the offline slot: a block is not obeyed while it is there, however often it comes, and is
//! tried again.

use client_core::State;
use shared::policy::LeaseMode;
use shared::signed::Action;
use vault::Home;

use super::peer::Peer;
use super::wipe::enrolled;
use super::{new_home, open};

/// Puts a folder in the place of the slot, which can be overwritten no more than a file of a worn-out disk.
fn refuse(home: &Home) {
    std::fs::rename(home.offline_slot(), home.root().join("aside")).unwrap();
    std::fs::create_dir(home.offline_slot()).unwrap();
}

fn relent(home: &Home) {
    std::fs::remove_dir(home.offline_slot()).unwrap();
    std::fs::rename(home.root().join("aside"), home.offline_slot()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_is_not_obeyed_while_the_offline_slot_is_there_and_a_tick_tries_again() {
    let peer = Peer::start(LeaseMode::Volatile).await;
    let (_folder, home) = new_home();
    let agent = enrolled(&peer, &home).await;
    let block = peer.command(Action::Block, 1);
    refuse(&home);
    assert!(agent.obey(&block).is_err());
    assert_eq!(agent.state(), State::Blocked, "whatever the disk says");
    assert!(agent.obey(&block).is_err(), "the same order is no more obeyed the second time");
    relent(&home);
    assert!(home.offline_slot().exists());
    agent.tick();
    assert!(!home.offline_slot().exists());
    agent.obey(&block).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_hears_of_a_block_only_when_the_slot_is_gone() {
    let peer = Peer::start(LeaseMode::Durable).await;
    let (_folder, home) = new_home();
    let agent = enrolled(&peer, &home).await;
    refuse(&home);
    assert!(agent.obey(&peer.command(Action::Block, 1)).is_err());
    let link = agent.connect().await.unwrap();
    agent.greet(&link).await.unwrap();
    let said = || peer.shared.lock().unwrap().said.last().unwrap().map(|order| order.counter);
    assert_eq!(said(), None);
    relent(&home);
    agent.greet(&link).await.unwrap();
    assert!(said() == Some(1) && !home.offline_slot().exists());
    drop(agent);
    assert_eq!(open(&home).state(), State::Blocked);
}
