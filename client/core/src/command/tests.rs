//! Which commands are obeyed: changed, foreign, replayed and old ones.

use super::*;
use crate::session::tests::Server;
use proptest::prelude::*;

fn order(epoch: u32, counter: u32) -> Order {
    Order { epoch, counter }
}

#[test]
fn a_command_for_another_enrolment_is_refused() {
    let (server, other) = (Server::make(1), Server::make(2));
    let bytes = server.command(Action::Wipe, order(0, 1));
    let refused = VerifiedCommand::verify(&bytes, other.enrolment, &server.command_key());
    assert_eq!(refused, Err(VerifyError::BadSignature));
}

#[test]
fn a_command_signed_by_another_key_is_refused() {
    let (server, other) = (Server::make(1), Server::make(2));
    let bytes = other.command_for(server.enrolment, Action::Wipe, order(0, 1));
    let refused = VerifiedCommand::verify(&bytes, server.enrolment, &server.command_key());
    assert_eq!(refused, Err(VerifyError::WrongKey));
}

#[test]
fn a_command_changed_by_one_byte_is_refused() {
    let server = Server::make(1);
    let bytes = server.command(Action::Wipe, order(0, 1));
    assert!(VerifiedCommand::verify(&bytes, server.enrolment, &server.command_key()).is_ok());
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        let refused = VerifiedCommand::verify(&changed, server.enrolment, &server.command_key());
        assert!(refused.is_err(), "byte {at}");
    }
}

#[test]
fn an_intent_that_is_no_wipe_authorises_nothing() {
    let server = Server::make(1);
    let key = server.command_key();
    let block = server.command(Action::Block, order(0, 1));
    assert_eq!(WipeAuthorised::from_intent(&block, server.enrolment, &key), Err(IntentError::NotAWipe));
    let torn = &server.command(Action::Wipe, order(0, 1))[..40];
    assert!(matches!(
        WipeAuthorised::from_intent(torn, server.enrolment, &key),
        Err(IntentError::Unverified(VerifyError::Malformed))
    ));
}

proptest! {
    #[test]
    fn only_a_wipe_is_obeyed_at_any_counter(epoch in 0_u32..3, counter in 0_u32..5, last in (0_u32..3, 0_u32..5)) {
        let server = Server::make(1);
        let last = order(last.0, last.1);
        let newer = order(epoch, counter) > last;
        for action in [Action::Block, Action::Unblock, Action::Wipe] {
            let accepted = server.verified(action, order(epoch, counter)).accept(Some(last));
            match action {
                Action::Wipe => prop_assert!(matches!(accepted, Accepted::Wipe(_))),
                _ => prop_assert_eq!(accepted == Accepted::Repeated, !newer),
            }
        }
    }
}
