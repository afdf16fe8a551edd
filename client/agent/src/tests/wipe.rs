//! The erase on real files: pushed or met at hello, killed after each step, resumed before anything else.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use client_core::{EraseStep, State};
use shared::policy::LeaseMode;
use shared::signed::ErasureStep;
use vault::Home;

use super::peer::Peer;
use super::{Watch, new_home, open, open_watched, pin, request};
use crate::agent::{Agent, Event};
use crate::error::AgentError;
use crate::status::erase_report;

fn names(home: &Home) -> Vec<String> {
    let entries = std::fs::read_dir(home.root()).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

pub(super) async fn enrolled(peer: &Peer, home: &Home) -> Arc<Agent> {
    let agent = open(home);
    agent.enrol(request(peer)).await.unwrap();
    let (link, _) = agent.connect_and_unlock(pin()).await.unwrap();
    agent.put("a", &mut &b"smoke"[..]).unwrap();
    agent.close(link.unwrap()).await;
    agent
}

pub(super) fn assert_erased(peer: &Peer, home: &Home) {
    assert_eq!(names(home), ["gone"]);
    let receipts = peer.shared.lock().unwrap().receipts.clone();
    assert!(receipts.windows(2).all(|pair| pair[0] == pair[1]), "the same bytes at every try");
    assert_eq!(peer.receipt(&receipts[0]).steps, ErasureStep::ALL);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_phone_obeys_a_pushed_wipe_to_the_end() {
    let peer = Peer::start(LeaseMode::Volatile).await;
    let (_folder, home) = new_home();
    drop(enrolled(&peer, &home).await);
    let watch = Arc::new(Watch::default());
    let agent = open_watched(&home, Arc::clone(&watch));
    let running = tokio::spawn({
        let agent = Arc::clone(&agent);
        async move { agent.run().await }
    });
    while agent.connection().is_none() || !watch.events.lock().unwrap().contains(&Event::Connected) {
        tokio::task::yield_now().await;
    }
    agent.unlock(pin()).await.unwrap();
    let wipe = peer.wipe();
    assert!(peer.push(wipe).await.is_err(), "a wipe is answered by a receipt alone");
    running.await.unwrap().unwrap();
    assert_erased(&peer, &home);
    assert!(matches!(agent.list(), Err(AgentError::Wiped)));
    let events = watch.events.lock().unwrap().clone();
    let erased = events.iter().position(|event| *event == Event::Erased).unwrap();
    let acknowledged = events.iter().position(|event| *event == Event::ReceiptAcknowledged).unwrap();
    assert!(erased < acknowledged);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wipe_waits_for_a_phone_that_is_switched_off() {
    let peer = Peer::start(LeaseMode::None).await;
    let (_folder, home) = new_home();
    drop(enrolled(&peer, &home).await);
    peer.wipe();
    let agent = open(&home);
    let refused = agent.connect_and_unlock(pin()).await;
    assert!(refused.is_err(), "no unlock after a wipe");
    assert_erased(&peer, &home);
    drop(agent);

    let agent = open(&home);
    assert_eq!(agent.state(), State::Gone);
    assert!(matches!(agent.connect().await, Err(AgentError::Wiped)));
    assert!(agent.status().wipe.unwrap().acknowledged);
}

/// Kills a phone after `step`, on its first erase.
async fn kill_after(home: &Home, step: EraseStep) {
    let watch = Watch { die_after: Some(step), ..Watch::default() };
    let agent = open_watched(home, Arc::new(watch));
    let dying = Arc::clone(&agent);
    let died = tokio::spawn(async move {
        let link = dying.connect().await?;
        dying.greet(&link).await
    })
    .await;
    assert!(!matches!(died, Ok(Ok(()))), "it died after {step:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_any_step_the_erase_ends_at_the_next_start() {
    for step in EraseStep::ALL {
        let peer = Peer::start(LeaseMode::Durable).await;
        let (_folder, home) = new_home();
        drop(enrolled(&peer, &home).await);
        peer.wipe();
        kill_after(&home, step).await;
        let report = erase_report(&home);
        assert_eq!(report.intent_written, step != EraseStep::DeleteIntent, "{step:?}");

        // The next start is of the least ambitious kind, and offline: it asks for the status.
        let agent = open(&home);
        let status = agent.status();
        assert!(matches!(status.state, State::Wiping | State::Gone), "{step:?}");
        let report = erase_report(&home);
        assert!(report.keys_gone && report.data_removed, "{step:?}");
        if status.state == State::Wiping {
            let stored = std::fs::read(home.receipt()).unwrap();
            drop(agent);
            let agent = open(&home);
            assert_eq!(std::fs::read(home.receipt()).unwrap(), stored, "signed once");
            let link = agent.connect().await.unwrap();
            agent.greet(&link).await.unwrap();
            assert_eq!(peer.shared.lock().unwrap().receipts.last().unwrap(), &stored);
        }
        assert_erased(&peer, &home);
        assert!(erase_report(&home).finished);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_intent_is_no_wipe_and_the_server_sends_it_again() {
    let peer = Peer::start(LeaseMode::None).await;
    let (_folder, home) = new_home();
    drop(enrolled(&peer, &home).await);
    let wipe = peer.wipe();
    vault::intent::write(&home, &wipe[..wipe.len() - 10]).unwrap();
    let agent = open(&home);
    assert_eq!(agent.state(), State::Locked);
    assert!(home.online_slot().exists(), "bytes that nobody signed destroy nothing");
    let link = agent.connect().await.unwrap();
    agent.greet(&link).await.unwrap();
    assert_erased(&peer, &home);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erase_that_cannot_write_its_intent_goes_on() {
    let peer = Peer::start(LeaseMode::None).await;
    let (_folder, home) = new_home();
    drop(enrolled(&peer, &home).await);
    std::fs::remove_file(home.intent()).unwrap();
    std::fs::create_dir(home.intent()).unwrap();
    let agent = open_with_broken_intent(&home);
    assert!(agent.is_err(), "a folder in its place is an error, not a silence");
    std::fs::remove_dir(home.intent()).unwrap();
    let agent = open(&home);
    std::fs::create_dir(home.intent()).unwrap();
    let wipe = peer.wipe();
    let obeyed = catch_unwind(AssertUnwindSafe(|| agent.obey(&wipe)));
    assert!(obeyed.is_ok());
    assert!(!home.vault_dir().exists() && !home.device_secret().exists());
}

fn open_with_broken_intent(home: &Home) -> Result<Arc<Agent>, crate::OpenError> {
    let platform = crate::Platform::software(home, "test", "0");
    Agent::open(home.clone(), platform, Arc::new(Watch::default()))
}
