//! The change of a PIN: wherever it is cut off, one PIN opens the vault, online and within a lease, and the other does not.

use std::sync::Arc;

use client_core::State;
use shared::policy::LeaseMode;
use vault::Home;
use zeroize::Zeroizing;

use super::peer::{Lie, Peer};
use super::{PIN, new_home, open, pin, request};
use crate::agent::Agent;
use crate::link::Link;
use crate::pin::ChangePinError;
use crate::unlock::{UnlockError, Unlocked};

const NEW: &str = "731046";

fn new_pin() -> Zeroizing<String> {
    Zeroizing::new(NEW.to_owned())
}

/// A phone with a file in its open vault.
async fn unlocked(peer: &Peer, home: &Home) -> (Arc<Agent>, Link) {
    let agent = open(home);
    agent.enrol(request(peer)).await.unwrap();
    let (link, _) = agent.connect_and_unlock(pin()).await.unwrap();
    agent.put("memo", &mut &b"smoke"[..]).unwrap();
    (agent, link.unwrap())
}

/// Whether a PIN opens the vault with the server; the file is there then.
async fn opens(agent: &Arc<Agent>, pin: &str) -> bool {
    match agent.unlock(Zeroizing::new(pin.to_owned())).await {
        Ok(how) => {
            assert_eq!(how, Unlocked::Online);
            let mut content = Vec::new();
            agent.get("memo", &mut content).unwrap();
            assert_eq!(content, b"smoke");
            true
        }
        Err(UnlockError::PinWrong { .. }) => false,
        Err(other) => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_pin_opens_the_vault_and_the_old_one_does_not_with_and_without_the_server() {
    let peer = Peer::start(LeaseMode::Volatile).await;
    let (_folder, home) = new_home();
    let (agent, link) = unlocked(&peer, &home).await;
    agent.change_pin(pin(), new_pin()).await.unwrap();
    assert_eq!(agent.state(), State::Open, "nobody is interrupted");
    agent.lock();
    agent.close(link).await;

    let wrong = agent.unlock(pin()).await;
    assert!(matches!(wrong, Err(UnlockError::PinWrongOffline { .. })), "{wrong:?}");
    assert_eq!(agent.unlock(new_pin()).await.unwrap(), Unlocked::Offline);
    drop(agent);
    let agent = open(&home);
    let link = agent.connect().await.unwrap();
    agent.greet(&link).await.unwrap();
    assert!(!opens(&agent, PIN).await);
    assert!(opens(&agent, NEW).await);
    agent.change_pin(new_pin(), pin()).await.unwrap();
    assert!(opens(&agent, PIN).await && !home.next_slot().exists());
    agent.close(link).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_become_a_pin_changes_nothing() {
    let peer = Peer::start(LeaseMode::None).await;
    let (_folder, home) = new_home();
    let (agent, link) = unlocked(&peer, &home).await;
    let change = async |old: &str, new: &str| {
        agent.change_pin(Zeroizing::new(old.to_owned()), Zeroizing::new(new.to_owned())).await
    };
    assert!(matches!(change(PIN, "1234").await, Err(ChangePinError::PinLength { min: 6 })));
    assert!(matches!(change(PIN, PIN).await, Err(ChangePinError::SamePin)));
    let wrong = change("000000", NEW).await;
    assert!(matches!(wrong, Err(ChangePinError::PinWrong { attempts_left: 9 })));
    assert_eq!(agent.state(), State::Open);
    assert!(!home.next_slot().exists());
    assert!(opens(&agent, PIN).await);
    agent.close(link).await;
    assert!(matches!(change(PIN, NEW).await, Err(ChangePinError::NotConnected)));
}

/// Cuts a change off, on a phone that lives on and on one that is killed; which PIN holds then.
async fn cut_off(lie: Lie) -> &'static str {
    let mut holding = Vec::new();
    for killed in [false, true] {
        let peer = Peer::start(LeaseMode::Durable).await;
        let (_folder, home) = new_home();
        let (agent, link) = unlocked(&peer, &home).await;
        peer.lie(Some(lie));
        let outcome = agent.change_pin(pin(), new_pin()).await;
        let was_sure = !matches!(outcome, Err(ChangePinError::Unclear));
        assert!(outcome.is_err());
        assert!(home.next_slot().exists());
        peer.lie(None);
        let agent = if killed {
            drop((link, agent));
            open(&home)
        } else {
            if !was_sure {
                assert_eq!(agent.state(), State::Locked, "until the server has said which PIN holds");
            }
            agent
        };
        // The old PIN opens within the lease only where it surely still holds.
        if !was_sure {
            assert!(!home.offline_slot().exists());
        }
        let link = agent.connect().await.unwrap();
        agent.greet(&link).await.unwrap();
        let (old, new) = (opens(&agent, PIN).await, opens(&agent, NEW).await);
        assert!(old != new, "{lie:?}: one of them");
        holding.push(if old { PIN } else { NEW });
        // And the next change goes through, whatever the last one has left.
        let (from, to) = if old { (pin(), new_pin()) } else { (new_pin(), pin()) };
        assert!(opens(&agent, &from).await);
        agent.change_pin(from.clone(), to.clone()).await.unwrap();
        assert!(opens(&agent, &to).await && !opens(&agent, &from).await);
        agent.close(link).await;
    }
    assert_eq!(holding[0], holding[1]);
    holding[0]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_cut_off_before_its_proof_leaves_the_old_pin() {
    assert_eq!(cut_off(Lie::LosesNewPin).await, PIN);
    assert_eq!(cut_off(Lie::LosesPinProof).await, PIN);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_whose_answer_is_lost_leaves_the_new_pin() {
    assert_eq!(cut_off(Lie::NoPinChanged).await, NEW);
}
