//! Servers that are not what they say: the client stops, and has said no more than it had to.

use client_core::State;
use shared::policy::LeaseMode;
use shared::signed::Action;
use shared::wire::{Kind, RefusalReason};

use super::peer::{Lie, Peer};
use super::{new_home, open, pin, request};
use crate::enrol::{EnrolError, Enrolled};
use crate::error::AgentError;
use crate::link::{ConnectError, ExchangeError};
use crate::unlock::{UnlockError, Unlocked};

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_know_the_code_hears_nothing_but_the_proof() {
    let peer = Peer::start(LeaseMode::None).await;
    peer.lie(Some(Lie::NoProof));
    let (_folder, home) = new_home();
    let agent = open(&home);
    assert!(matches!(agent.enrol(request(&peer)).await, Err(EnrolError::ServerNotProven)));
    assert_eq!(peer.heard(), [Kind::EnrolStart]);
    assert!(!home.device_key().exists(), "no key was made for it");

    peer.lie(None);
    agent.enrol(request(&peer)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_another_key_than_the_qr_code_says_hears_nothing() {
    let peer = Peer::start(LeaseMode::None).await;
    let (_folder, home) = new_home();
    let mut with_pins = request(&peer);
    with_pins.pins = vec![[1; 32], [2; 32]];
    let refused = open(&home).enrol(with_pins).await;
    assert!(
        matches!(refused, Err(EnrolError::Agent(AgentError::Connect(ConnectError::WrongServer(_))))),
        "{refused:?}"
    );
    assert_eq!(peer.heard(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_names_other_pins_or_certifies_another_key_enrols_nobody() {
    for lie in [Lie::OtherPins, Lie::OtherCertificate] {
        let peer = Peer::start(LeaseMode::None).await;
        peer.lie(Some(lie));
        let (_folder, home) = new_home();
        let refused = open(&home).enrol(request(&peer)).await;
        match lie {
            Lie::OtherPins => assert!(matches!(refused, Err(EnrolError::KeyNotPinned))),
            _ => {
                assert!(
                    matches!(refused, Err(EnrolError::Agent(AgentError::WrongCertificate))),
                    "{refused:?}"
                )
            }
        }
        assert_eq!(peer.heard(), [Kind::EnrolStart, Kind::EnrolRegister], "no PIN for {lie:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_enrolled_device_talks_to_its_own_server_only() {
    let (peer, other) = (Peer::start(LeaseMode::None).await, Peer::start(LeaseMode::None).await);
    let (_folder, home) = new_home();
    let agent = open(&home);
    agent.enrol(request(&peer)).await.unwrap();
    agent.inner().device.as_mut().unwrap().server = other.address();
    let refused = agent.connect().await;
    assert!(matches!(refused, Err(AgentError::Connect(ConnectError::WrongServer(_)))), "{refused:?}");
    assert_eq!(other.heard(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_and_changed_commands_are_refused() {
    let (peer, other) = (Peer::start(LeaseMode::None).await, Peer::start(LeaseMode::None).await);
    let (_folder, home) = new_home();
    let agent = open(&home);
    agent.enrol(request(&peer)).await.unwrap();
    let link = agent.connect().await.unwrap();
    agent.greet(&link).await.unwrap();

    let forged = other.command(Action::Wipe, 9);
    let mut changed = peer.command(Action::Wipe, 9);
    *changed.last_mut().unwrap() ^= 1;
    for command in [forged, changed, b"smoke".to_vec()] {
        assert!(matches!(peer.push(command).await, Err(ExchangeError::Refused(_))));
    }
    agent.unlock(pin()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_to_the_upload_is_repeated_with_the_same_key() {
    let peer = Peer::start(LeaseMode::None).await;
    peer.lie(Some(Lie::NoDone));
    let (_folder, home) = new_home();
    let agent = open(&home);
    assert!(agent.enrol(request(&peer)).await.is_err());
    drop(agent);

    peer.lie(None);
    let agent = open(&home);
    agent.enrol(request(&peer)).await.unwrap();
    let keys = peer.shared.lock().unwrap().device_keys.clone();
    assert_eq!(keys.len(), 2);
    assert_eq!(keys[0], keys[1]);
    assert!(matches!(agent.enrol(request(&peer)).await, Err(EnrolError::AlreadyEnrolled)));
    let (link, _) = agent.connect_and_unlock(pin()).await.unwrap();
    agent.close(link.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_whose_slot_is_of_a_broken_try_uses_no_code_up_and_enrols_again() {
    let peer = Peer::start(LeaseMode::None).await;
    let (_folder, home) = new_home();
    let agent = open(&home);
    // The first try is complete at the server, the second replaces vault and slot and goes no further.
    for lie in [Lie::NoDone, Lie::NoUpload] {
        peer.lie(Some(lie));
        assert!(agent.enrol(request(&peer)).await.is_err());
    }
    peer.lie(None);
    let refused = agent.connect_and_unlock(pin()).await;
    assert!(matches!(refused, Err(UnlockError::EnrolAgain)), "{refused:?}");
    assert_eq!(peer.heard().last(), Some(&Kind::UnlockStart), "KE3 would have used the code up");
    assert_eq!(agent.state(), State::Locked);

    // A hello was answered by now, also before this start.
    drop(agent);
    let agent = open(&home);
    agent.enrol(request(&peer)).await.unwrap();
    let (_link, unlocked) = agent.connect_and_unlock(pin()).await.unwrap();
    assert_eq!(unlocked, Unlocked::Online);
    assert!(matches!(agent.enrol(request(&peer)).await, Err(EnrolError::AlreadyEnrolled)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_enrolment_whose_vault_was_opened_is_complete_though_the_server_never_said_so() {
    let peer = Peer::start(LeaseMode::None).await;
    peer.lie(Some(Lie::NoDone));
    let (_folder, home) = new_home();
    let agent = open(&home);
    assert!(agent.enrol(request(&peer)).await.is_err());
    let (_link, unlocked) = agent.connect_and_unlock(pin()).await.unwrap();
    assert_eq!(unlocked, Unlocked::Online);
    assert!(matches!(agent.enrol(request(&peer)).await, Err(EnrolError::AlreadyEnrolled)));
}

fn is_bound(outcome: &Result<Enrolled, EnrolError>) -> bool {
    let refused = AgentError::Exchange(ExchangeError::Refused(RefusalReason::CodeBound)).to_string();
    matches!(outcome, Err(EnrolError::Agent(error)) if error.to_string() == refused)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_that_was_begun_for_another_person_begins_afresh() {
    let peer = Peer::start(LeaseMode::None).await;
    peer.lie(Some(Lie::NoDone));
    let (_folder, home) = new_home();
    let agent = open(&home);
    assert!(agent.enrol(request(&peer)).await.is_err());
    drop(agent);
    peer.lie(None);
    let old = peer.shared.lock().unwrap().device_keys[0].clone();
    peer.shared.lock().unwrap().foreign_key = Some(old.clone());

    let agent = open(&home);
    assert!(matches!(agent.enrol(request(&peer)).await, Err(EnrolError::BegunForAnother)));
    let tries = peer.heard().into_iter().filter(|kind| *kind == Kind::EnrolRegister).count();
    assert_eq!(tries, 2, "it does not try again by itself");
    assert_eq!(agent.state(), State::Unenrolled);
    for left in [home.device_key(), home.device_secret(), home.state(), home.vault_dir()] {
        assert!(!left.exists(), "{} is gone", left.display());
    }
    drop(agent);
    let agent = open(&home);
    agent.enrol(request(&peer)).await.unwrap();
    assert_ne!(peer.shared.lock().unwrap().device_keys.last(), Some(&old));
    let (_link, unlocked) = agent.connect_and_unlock(pin()).await.unwrap();
    assert_eq!(unlocked, Unlocked::Online);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_another_phone_has_used_is_refused_as_such_each_time() {
    let peer = Peer::start(LeaseMode::None).await;
    peer.lie(Some(Lie::Bound));
    let (_folder, home) = new_home();
    let agent = open(&home);
    for _ in 0..2 {
        let refused = agent.enrol(request(&peer)).await;
        assert!(is_bound(&refused), "{refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_server_that_has_proved_the_code_makes_a_phone_begin_afresh() {
    let peer = Peer::start(LeaseMode::None).await;
    let (_folder, home) = new_home();
    let agent = open(&home);
    for lie in [Lie::NoDone, Lie::BoundUnproven] {
        peer.lie(Some(lie));
        assert!(agent.enrol(request(&peer)).await.is_err());
    }
    assert!(home.device_key().exists() && home.online_slot().exists());
    let (link, _) = agent.connect_and_unlock(pin()).await.unwrap();
    agent.put("a", &mut &b"smoke"[..]).unwrap();
    agent.close(link.unwrap()).await;

    // And never one whose vault was opened.
    peer.lie(Some(Lie::Bound));
    assert!(matches!(agent.enrol(request(&peer)).await, Err(EnrolError::AlreadyEnrolled)));
    assert!(home.device_key().exists() && home.online_slot().exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_is_not_forgotten_for_an_acknowledgement_of_another() {
    let peer = Peer::start(LeaseMode::None).await;
    let (_folder, home) = new_home();
    let agent = open(&home);
    agent.enrol(request(&peer)).await.unwrap();
    peer.wipe();
    peer.lie(Some(Lie::OtherAck));
    let link = agent.connect().await.unwrap();
    assert!(matches!(agent.greet(&link).await, Err(AgentError::WrongAck)));
    assert!(home.receipt().exists());
    peer.lie(None);
    agent.greet(&link).await.unwrap();
    assert!(!home.device_dir().exists());
}
