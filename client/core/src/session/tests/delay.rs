//! Wrong PINs, and the wait that they cost: what the session does with it. How long it is, `pin_delay` has.

use super::*;

/// Begins to delay from now on.
fn delay(session: &mut Session) {
    let patient = Policy { wrong_pin_delay_seconds: 30, ..policy(LeaseMode::Volatile) };
    assert_eq!(session.policy_received(&patient), vec![]);
}

fn delaying() -> Session {
    let mut session = Server::make(1).session();
    delay(&mut session);
    session
}

fn wrong_pin(session: &mut Session, at: u64) -> Vec<Effect> {
    session.begin_online_unlock(moment(at)).unwrap();
    session.unlock_failed(moment(at), Tested::Wrong)
}

#[test]
fn after_three_wrong_pins_the_next_has_to_wait_and_a_right_one_ends_that() {
    let mut session = delaying();
    assert_eq!(wrong_pin(&mut session, 10), vec![]);
    assert_eq!(wrong_pin(&mut session, 10), vec![]);
    assert_eq!(wrong_pin(&mut session, 10), vec![Effect::Notify(Notice::PinsDelayed)]);
    assert_eq!(session.begin_online_unlock(moment(11)), Err(UnlockRefusal::TooSoon { seconds: 29 }));
    session.begin_online_unlock(moment(40)).unwrap();
    let opened = session.opened_online(moment(40), None);
    assert_eq!(opened, vec![Effect::StorePinDelay, Effect::Notify(Notice::Unlocked)]);
    session.lock();
    for wrong in 1..=3 {
        wrong_pin(&mut session, 50);
        assert_eq!(session.pin_delay().wrong(), wrong, "counted from the beginning");
    }
}

#[test]
fn a_pin_counts_as_wrong_before_it_is_tested_and_no_more_when_it_was_not() {
    let mut session = delaying();
    for _ in 0..2 {
        wrong_pin(&mut session, 10);
    }
    session.begin_online_unlock(moment(10)).unwrap();
    let killed = session.pin_delay_to_store([1; 16]).unwrap().resume(moment(11), [1; 16]);
    assert_eq!((killed.wrong(), killed.left(moment(11).boot).map(|left| left.as_secs())), (3, Some(29)));
    // The network failed: the server has tested nothing.
    let undone = session.unlock_failed(moment(12), Tested::NotWrong);
    assert_eq!(undone, vec![Effect::StorePinDelay]);
    assert_eq!((session.pin_delay().wrong(), session.pin_delay().left(moment(12).boot)), (2, None));

    let mut restarted = delaying().after_wrong_pins(killed);
    assert_eq!(restarted.begin_online_unlock(moment(20)), Err(UnlockRefusal::TooSoon { seconds: 20 }));
}

#[test]
fn within_a_lease_the_next_pin_has_to_wait_as_well_and_no_try_is_charged_for_it() {
    let server = Server::make(1);
    let mut session = server.session();
    unlock_online(&server, &mut session, 10, LeaseMode::Volatile, 5000);
    session.lock();
    delay(&mut session);
    for _ in 0..3 {
        session.begin_offline_unlock(moment(20)).unwrap();
        session.unlock_failed(moment(20), Tested::Wrong);
    }
    assert_eq!(session.begin_offline_unlock(moment(21)), Err(UnlockRefusal::TooSoon { seconds: 29 }));
    assert_eq!(
        session.begin_online_unlock(moment(21)),
        Err(UnlockRefusal::TooSoon { seconds: 29 }),
        "nor online"
    );
    assert_eq!(session.lease(moment(21).boot).unwrap().tries_left(), 2);
    session.begin_offline_unlock(moment(50)).unwrap();
    let opened = session.opened_offline(moment(50));
    assert_eq!(opened, vec![Effect::StorePinDelay, Effect::Notify(Notice::Unlocked)]);
}
