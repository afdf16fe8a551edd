//! Invitations, roles and tokens, over the store in memory.

use mdm_core::audit::{Actor, Happening};
use mdm_core::operator::{Act, INVITATION_VALID_FOR, OperatorError, OperatorName, Role};
use totp_rs::Totp;

use super::*;
use crate::testing::{PASSWORD, World};
use crate::use_cases::{Refusal, UseCaseError};

fn name(text: &str) -> OperatorName {
    OperatorName::new(text).unwrap()
}

/// The code that a phone shows which read the QR code.
fn phone(invited: &Invited) -> Totp {
    Totp::from_url(invited.otpauth_url.as_str()).unwrap()
}

fn code(phone: &Totp, world: &World) -> String {
    phone.generate(world.now().as_second().try_into().unwrap()).to_string()
}

async fn open(world: &World, invitation: &Invitation) -> Invited {
    invited(&world.service, &invitation.code).await.unwrap().expect("the invitation is open")
}

async fn noted(world: &World, what: Happening) -> usize {
    world.journal().await.iter().filter(|entry| entry.body().unwrap().what == what).count()
}

#[tokio::test]
async fn an_invited_person_sets_password_and_authenticator_once() {
    let world = World::new();
    let made = invite(&world.service, name("佐藤"), Role::Helpdesk, Actor::Server).await.unwrap();
    assert_eq!(made.expires_at, world.now() + INVITATION_VALID_FOR);
    let shown = open(&world, &made).await;
    let phone = phone(&shown);
    assert_eq!((phone.issuer(), phone.account_name()), (Some("玉手県"), "佐藤"));
    assert_eq!(phone.secret().to_base32(), *shown.secret_base32);

    let operator = accept(&world.service, &made.code, PASSWORD, &code(&phone, &world)).await.unwrap();
    assert!(operator.credentials().is_some() && operator.role == Role::Helpdesk);
    assert_eq!(noted(&world, Happening::OperatorReady).await, 1);
    assert!(invited(&world.service, &made.code).await.unwrap().is_none());
    world.clock.advance(jiff::SignedDuration::from_secs(30));
    let again = accept(&world.service, &made.code, PASSWORD, &code(&phone, &world)).await;
    assert!(matches!(again, Err(AcceptError::Gone)));
}

#[tokio::test]
async fn an_invitation_ends_with_its_day() {
    let world = World::new();
    let made = invite(&world.service, name("a"), Role::Auditor, Actor::Server).await.unwrap();
    let phone = phone(&open(&world, &made).await);
    world.clock.advance_days(1);
    assert!(invited(&world.service, &made.code).await.unwrap().is_none());
    let late = accept(&world.service, &made.code, PASSWORD, &code(&phone, &world)).await;
    assert!(matches!(late, Err(AcceptError::Gone)));
    for text in ["", "x", &"A".repeat(43), &"A".repeat(1_000_000)] {
        assert!(invited(&world.service, text).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn a_weak_password_or_a_wrong_code_leaves_the_invitation_open() {
    let world = World::new();
    let made = invite(&world.service, name("Sato"), Role::Auditor, Actor::Server).await.unwrap();
    let phone = phone(&open(&world, &made).await);
    let accept = async |password: &str, code: &str| accept(&world.service, &made.code, password, code).await;
    let right = code(&phone, &world);
    let weak = [
        ("11 letters!", WeakPassword::TooShort),
        (&"長い".repeat(65), WeakPassword::TooLong),
        (&"x".repeat(100_000), WeakPassword::TooLong),
        ("my name is SATO", WeakPassword::ContainsName),
        ("abcabcabcabcabcabc", WeakPassword::Repetitive),
    ];
    for (password, why) in weak {
        let refused = accept(password, &right).await;
        assert!(
            matches!(refused, Err(AcceptError::Password(found)) if found == why),
            "{password}: {refused:?}"
        );
    }
    for code in ["", "12345", "1234567", "abcdef", &"1".repeat(1_000_000)] {
        assert!(matches!(accept(PASSWORD, code).await, Err(AcceptError::WrongCode)), "{code}");
    }
    world.clock.advance(jiff::SignedDuration::from_secs(90));
    assert!(matches!(accept(PASSWORD, &right).await, Err(AcceptError::WrongCode)), "too old");
    // As phones and Japanese keyboards write it.
    let now = code(&phone, &world);
    let wide: String = now.chars().map(|c| char::from_u32(c as u32 + 0xfee0).unwrap()).collect();
    assert!(accept(PASSWORD, &format!("{} {}", &wide[..9], &wide[9..])).await.is_ok());
}

#[tokio::test]
async fn who_is_invited_anew_has_no_session_and_no_password_any_more() {
    let world = World::new();
    world.ready("owner", Role::Owner).await;
    let sato = world.ready("sato", Role::Operator).await.operator;
    let session = async |epoch| in_session(&world.service, sato.id, epoch).await.unwrap();
    assert!(session(sato.session_epoch).await.is_some(), "control");

    let made = reinvite(&world.service, sato.id, Actor::Server).await.unwrap();
    assert!(session(sato.session_epoch).await.is_none());
    let phone = phone(&open(&world, &made).await);
    let back = accept(&world.service, &made.code, PASSWORD, &code(&phone, &world)).await.unwrap();
    assert!(
        session(sato.session_epoch).await.is_none(),
        "a stolen session does not come back with the owner"
    );
    assert!(session(back.session_epoch).await.is_some());
}

#[tokio::test]
async fn a_disabled_operator_has_no_session_until_they_sign_in_again() {
    let world = World::new();
    let sato = world.ready("sato", Role::Operator).await.operator;
    let disabled = disable(&world.service, sato.id, Actor::Server).await.unwrap();
    assert!(!disabled.is_enabled());
    assert!(in_session(&world.service, sato.id, sato.session_epoch).await.unwrap().is_none());
    let enabled = enable(&world.service, sato.id, Actor::Server).await.unwrap();
    assert!(in_session(&world.service, sato.id, sato.session_epoch).await.unwrap().is_none());
    assert!(in_session(&world.service, sato.id, enabled.session_epoch).await.unwrap().is_some());
}

#[tokio::test]
async fn a_role_is_another_from_now_on() {
    let world = World::new();
    world.ready("owner", Role::Owner).await;
    let sato = world.ready("sato", Role::Auditor).await.operator;
    let changed = set_role(&world.service, sato.id, Role::Operator, Actor::Server).await.unwrap();
    assert!(changed.role.may(Act::Wipe) && !changed.role.may(Act::Audit));
    assert_eq!(noted(&world, Happening::OperatorChanged).await, 1);
}

#[tokio::test]
async fn an_operator_is_found_by_name_in_any_case_or_by_id() {
    let world = World::new();
    let made = invite(&world.service, name("Sato"), Role::Auditor, Actor::Server).await.unwrap();
    let id = made.operator.id;
    for text in ["sato", " SATO", &id.to_string()] {
        assert_eq!(find(&world.service, text).await.unwrap().value.id, id);
    }
    for text in ["saito", "", "a b", &"x".repeat(100_000), "0192f0c1-2345-7abc-8def-0123456789ab"] {
        assert!(matches!(find(&world.service, text).await, Err(UseCaseError::NotFound(_))));
    }
    let taken = invite(&world.service, name("SATO"), Role::Owner, Actor::Server).await;
    let Err(UseCaseError::Refused(Refusal::Operator(OperatorError::NameTaken(_)))) = taken else {
        panic!("a name belongs to one operator");
    };
}

#[tokio::test]
async fn a_token_opens_the_api_until_it_is_replaced_or_revoked() {
    let world = World::new();
    let id = world.ready("sato", Role::Auditor).await.operator.id;
    let opens =
        async |token: &str| world.service.store.operator_by_token(token_hash(token)).await.unwrap().is_some();
    let first = make_token(&world.service, id, Actor::Server).await.unwrap();
    assert!(opens(&first).await);
    let second = make_token(&world.service, id, Actor::Server).await.unwrap();
    assert!(!opens(&first).await && opens(&second).await);
    revoke_token(&world.service, id, Actor::Server).await.unwrap();
    assert!(!opens(&second).await);
    assert_eq!(noted(&world, Happening::TokenMade).await, 2);
    assert_eq!(noted(&world, Happening::TokenRevoked).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_owners_who_disable_each_other_at_once_leave_one() {
    let world = World::new();
    let (a, b) =
        (world.ready("a", Role::Owner).await.operator.id, world.ready("b", Role::Owner).await.operator.id);
    let disable_as_task = |id| {
        let service = world.service.clone();
        tokio::spawn(async move { disable(&service, id, Actor::Server).await.is_ok() })
    };
    for _ in 0..100 {
        let (first, second) = (disable_as_task(a), disable_as_task(b));
        let done = (first.await.unwrap(), second.await.unwrap());
        assert!(done.0 != done.1, "{done:?}");
        let enabled = list(&world.service).await.unwrap();
        assert_eq!(enabled.iter().filter(|operator| operator.credentials().is_some()).count(), 1);
        enable(&world.service, if done.0 { a } else { b }, Actor::Server).await.unwrap();
    }
}

#[test]
fn a_link_names_the_first_host_of_the_certificate() {
    let mut config = crate::testing::config();
    config.listen.https = "127.0.0.1:8443".parse().unwrap();
    assert_eq!(*invitation_link(&config, "CODE"), "https://localhost:8443/invitation/CODE");
    config.listen.https_names = vec!["2001:db8::1".to_owned()];
    assert_eq!(*invitation_link(&config, "CODE"), "https://[2001:db8::1]:8443/invitation/CODE");
}
