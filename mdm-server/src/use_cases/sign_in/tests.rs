//! Signing in and confirming, over the store in memory. The limits by themselves are tested beside them.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use mdm_core::audit::{Actor, Happening};
use mdm_core::operator::Role;

use super::*;
use crate::testing::{PASSWORD, ReadyOperator, World};
use crate::use_cases::operators;

const DESK: &str = "192.0.2.1";

fn from(address: &str) -> IpAddr {
    address.parse().unwrap()
}

/// Another source each time, so that only what is counted by name or operator counts.
fn elsewhere(number: u8) -> IpAddr {
    IpAddr::from([198, 51, 100, number])
}

async fn sign_in_at(world: &World, name: &str, password: &str, code: &str) -> Result<Operator, SignInError> {
    sign_in(&world.service, name, password, code, from(DESK)).await
}

async fn sato() -> (World, ReadyOperator) {
    let world = World::new();
    let sato = world.ready("sato", Role::Operator).await;
    (world, sato)
}

/// What the journal says was wrong, in order, as soon as it has so many lines about it: they are written behind the
/// answers.
async fn failures(world: &World, at_least: usize) -> Vec<String> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let journal = world.journal().await;
        let facts = journal.iter().map(|entry| entry.body().unwrap()).flat_map(|body| body.facts);
        let wrong: Vec<_> = facts.filter(|(name, _)| name == "wrong").map(|(_, value)| value).collect();
        if wrong.len() >= at_least {
            return wrong;
        }
        assert!(Instant::now() < deadline, "{wrong:?} and no more");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn noted(world: &World, what: Happening) -> usize {
    world.journal().await.iter().filter(|entry| entry.body().unwrap().what == what).count()
}

#[tokio::test]
async fn name_password_and_code_sign_in_and_the_code_is_spent() {
    let (world, sato) = sato().await;
    let code = sato.code_at(world.now());
    let operator = sign_in_at(&world, " SATO ", PASSWORD, &code).await.unwrap();
    assert_eq!((operator.id, operator.session_epoch), (sato.operator.id, sato.operator.session_epoch));
    assert_eq!(noted(&world, Happening::SignedIn).await, 1);

    assert!(matches!(sign_in_at(&world, "sato", PASSWORD, &code).await, Err(SignInError::Wrong)));
    assert!(matches!(confirm(&world.service, sato.operator.id, &code).await, Err(ConfirmError::Wrong)));
    world.clock.advance(SignedDuration::from_secs(30));
    let next = sato.code_at(world.now());
    assert!(confirm(&world.service, sato.operator.id, &next).await.is_ok());
    assert!(matches!(confirm(&world.service, sato.operator.id, &next).await, Err(ConfirmError::Wrong)));
    assert_eq!(noted(&world, Happening::SecondFactorConfirmed).await, 1);
    sign_out(&world.service, sato.operator.id).await.unwrap();
    assert_eq!(noted(&world, Happening::SignedOut).await, 1);
}

#[tokio::test]
async fn a_code_counts_half_a_minute_early_or_late_and_no_longer() {
    let (world, sato) = sato().await;
    for seconds in [-60, 60] {
        let code = sato.code_at(world.now() + SignedDuration::from_secs(seconds));
        assert!(matches!(sign_in_at(&world, "sato", PASSWORD, &code).await, Err(SignInError::Wrong)));
    }
    for seconds in [-30, 0, 30] {
        let code = sato.code_at(world.now() + SignedDuration::from_secs(seconds));
        assert!(sign_in_at(&world, "sato", PASSWORD, &code).await.is_ok(), "{seconds}");
    }
}

#[tokio::test]
async fn whatever_is_wrong_has_one_answer_and_the_journal_knows_which() {
    let (world, sato) = sato().await;
    let gone = world.ready("gone", Role::Operator).await;
    operators::disable(&world.service, gone.operator.id, Actor::Server).await.unwrap();
    let invited = mdm_core::operator::OperatorName::new("new").unwrap();
    operators::invite(&world.service, invited, Role::Operator, Actor::Server).await.unwrap();
    let code = sato.code_at(world.now());
    let cases = [
        ("nobody", PASSWORD, code.clone(), "name"),
        ("not a name\u{0}", PASSWORD, code.clone(), "name"),
        ("sato", "correct horse batterz", code.clone(), "password"),
        ("sato", "", code.clone(), "password"),
        ("sato", PASSWORD, "000000x".to_owned(), "code"),
        ("gone", PASSWORD, gone.code_at(world.now()), "not-ready"),
        ("new", PASSWORD, code.clone(), "not-ready"),
    ];
    for (count, (name, password, code, wrong)) in (1..).zip(&cases) {
        let answer = sign_in_at(&world, name, password, code).await;
        assert!(matches!(answer, Err(SignInError::Wrong)), "{name}: {answer:?}");
        assert_eq!(failures(&world, count).await.last().map(String::as_str), Some(*wrong), "{name}");
    }
    assert!(sign_in_at(&world, "sato", PASSWORD, &code).await.is_ok(), "control");
}

#[tokio::test]
async fn what_was_typed_is_not_in_the_journal_but_where_from_is_beside_it() {
    let (world, _) = sato().await;
    let typed = "MyPasswordInTheWrongField";
    sign_in_at(&world, typed, "another secret text", "123456").await.unwrap_err();
    failures(&world, 1).await;
    let journal = world.journal().await;
    let last = journal.last().unwrap();
    let text = format!("{:?} {:?}", last.body().unwrap(), last.personal);
    assert!(!text.contains(typed) && !text.contains("another secret") && !text.contains("123456"), "{text}");
    assert!(last.personal.iter().any(|value| value.field == "source" && value.value == DESK));
    assert!(!String::from_utf8_lossy(&last.bytes).contains(DESK), "in the chain is its commitment alone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_the_same_code_at_the_same_moment_one_counts() {
    for _ in 0..3 {
        let (world, sato) = sato().await;
        let code = sato.code_at(world.now());
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..6 {
            let (service, code) = (world.service.clone(), code.clone());
            tasks.spawn(async move {
                sign_in(&service, "sato", PASSWORD, &code, elsewhere(number)).await.is_ok()
            });
        }
        let signed_in = tasks.join_all().await.into_iter().filter(|ok| *ok).count();
        assert_eq!(signed_in, 1);
    }
}

#[tokio::test]
async fn who_tries_too_often_waits_and_others_do_not() {
    let (world, sato) = sato().await;
    let mut waits = None;
    for _ in 0..40 {
        if let Err(SignInError::Wait { seconds }) = sign_in_at(&world, "sato", "wrong password", "1").await {
            waits = Some(seconds);
            break;
        }
    }
    assert!(waits.is_some_and(|seconds| (1..=31).contains(&seconds)), "{waits:?}");
    // Told to wait is told to wait, with the right password too.
    let code = sato.code_at(world.now());
    assert!(matches!(sign_in_at(&world, "sato", PASSWORD, &code).await, Err(SignInError::Wait { .. })));
    assert!(sign_in(&world.service, "sato", PASSWORD, &code, elsewhere(1)).await.is_ok());
}

#[tokio::test]
async fn who_knows_the_password_does_not_find_the_code_by_trying() {
    let (world, sato) = sato().await;
    let right = sato.code_at(world.now());
    for number in 0..20 {
        let answer = sign_in(&world.service, "sato", PASSWORD, "12345x", elsewhere(number)).await;
        assert!(matches!(answer, Err(SignInError::Wrong)), "{answer:?}");
    }
    let answer = sign_in(&world.service, "sato", PASSWORD, &right, elsewhere(20)).await;
    assert!(matches!(answer, Err(SignInError::Wrong)), "beyond the limit the right code is as wrong as any");
    let wrong = failures(&world, 10).await;
    assert!(wrong.contains(&"code".to_owned()) && wrong.contains(&"too-many".to_owned()), "{wrong:?}");
    assert!(
        confirm(&world.service, sato.operator.id, &right).await.is_ok(),
        "sessions have tries of their own"
    );
}

#[tokio::test]
async fn wrong_second_factors_have_to_wait_and_right_ones_cost_nothing() {
    let (world, sato) = sato().await;
    let id = sato.operator.id;
    for _ in 0..30 {
        confirm(&world.service, id, &sato.code_at(world.now())).await.unwrap();
        world.clock.advance(SignedDuration::from_secs(30));
    }
    let mut waits = None;
    for tries in 0..30 {
        match confirm(&world.service, id, "12345x").await {
            Err(ConfirmError::Wait { seconds }) => {
                waits = Some((tries, seconds));
                break;
            }
            other => assert!(matches!(other, Err(ConfirmError::Wrong)), "{other:?}"),
        }
    }
    assert!(waits.is_some_and(|(tries, seconds)| tries >= 10 && seconds <= 181), "{waits:?}");
    let right = sato.code_at(world.now());
    assert!(matches!(confirm(&world.service, id, &right).await, Err(ConfirmError::Wait { .. })));
}

#[tokio::test]
async fn a_flood_of_failures_is_a_few_lines_and_a_number() {
    let (world, _) = sato().await;
    let attempts = 40;
    for number in 0..attempts {
        let name = format!("nobody{number}");
        sign_in(&world.service, &name, "wrong password", "1", elsewhere(number)).await.unwrap_err();
    }
    note_unlisted(&world.service);
    let unlisted = attempts_not_listed(&world).await;
    assert!(unlisted > usize::from(attempts) / 2, "{unlisted} without a line");
    let lines = failures(&world, usize::from(attempts) - unlisted).await.len();
    assert_eq!(lines + unlisted, usize::from(attempts));
    assert!(world.service.sign_ins.notes.take_unlisted().is_none(), "a number is said once");
}

async fn attempts_not_listed(world: &World) -> usize {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let journal = world.journal().await;
        let mut facts = journal.iter().map(|entry| entry.body().unwrap()).flat_map(|body| body.facts);
        if let Some((_, count)) = facts.find(|(name, _)| name == "attempts_not_listed") {
            return count.parse().unwrap();
        }
        assert!(Instant::now() < deadline, "no number");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
