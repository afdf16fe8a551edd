//! Which codes enrol, which keys they bind, and what is refused.

use jiff::SignedDuration;

use super::*;
use crate::account::AccountState;
use crate::testing::{
    account, code, description, device, noon, public_key, rng, stored, written_code, written_device,
};

fn registration(code: CodeRecord, devices: Vec<Device>, key: PublicKey) -> Registration {
    Registration {
        code: stored(code),
        account: account(),
        devices: devices.into_iter().map(stored).collect(),
        limit: 1,
        key_is_known: false,
        key,
        description: description(),
        certificate_until: noon(),
    }
}

fn refusal(charge: Charge) -> Option<RefusalReason> {
    match charge {
        Charge::Refused(reason, _) => Some(reason),
        Charge::Admitted(_) => None,
    }
}

#[test]
fn ten_tries_are_admitted_and_the_eleventh_kills_the_code() {
    let mut code = code(&account());
    for tries in 1..=10 {
        let Charge::Admitted(changes) = charge(stored(code.clone()), noon()) else { panic!("try {tries}") };
        code = written_code(&changes).unwrap();
        assert_eq!(code.tries, tries);
    }
    let Charge::Refused(RefusalReason::CodeDead, changes) = charge(stored(code), noon()) else {
        panic!("an eleventh try was admitted")
    };
    let dead = written_code(&changes).unwrap();
    assert_eq!((dead.state.clone(), dead.sealed.len()), (CodeState::Dead, 0));
    assert_eq!(changes.events[0].what, Happening::CodeDied);
    assert_eq!(refusal(charge(stored(dead), noon())), Some(RefusalReason::CodeDead));
}

#[test]
fn a_code_is_valid_from_its_first_to_its_last_moment() {
    let code = code(&account());
    let tick = SignedDuration::from_millis(1);
    let at = |now| refusal(charge(stored(code.clone()), now));
    assert_eq!(at(code.valid_from - tick), Some(RefusalReason::CodeNotYetValid));
    assert_eq!(at(code.valid_from), None);
    assert_eq!(at(code.expires_at - tick), None);
    assert_eq!(at(code.expires_at), Some(RefusalReason::CodeExpired));
}

#[test]
fn used_and_replaced_codes_are_refused_and_noted() {
    for state in [CodeState::Used(EnrolmentId::make(noon(), &mut rng())), CodeState::Replaced] {
        let mut code = code(&account());
        code.end(state);
        let Charge::Refused(RefusalReason::CodeUsed, changes) = charge(stored(code), noon()) else {
            panic!("a dead code was admitted")
        };
        assert_eq!(changes.events[0].what, Happening::CodeTried);
    }
}

#[test]
fn the_first_key_binds_the_code_and_may_come_again() {
    let key = public_key();
    let first = register(registration(code(&account()), vec![], key.clone()), noon(), &mut rng()).unwrap();
    let bound = written_code(&first.changes).unwrap();
    let enrolling = written_device(&first.changes);
    assert_eq!(bound.state, CodeState::Bound(first.enrolment));

    let mut again = registration(bound.clone(), vec![enrolling.clone()], key);
    again.key_is_known = true;
    assert_eq!(register(again, noon(), &mut rng()).unwrap().enrolment, first.enrolment);

    let other = registration(bound, vec![enrolling], public_key());
    assert_eq!(register(other, noon(), &mut rng()).err(), Some(RefusalReason::CodeBound));
}

#[test]
fn a_key_that_is_known_already_starts_no_second_enrolment() {
    let mut known = registration(code(&account()), vec![], public_key());
    known.key_is_known = true;
    assert_eq!(register(known, noon(), &mut rng()).err(), Some(RefusalReason::CodeBound));
}

#[test]
fn a_new_code_takes_over_an_enrolment_of_the_same_person_that_broke_off() {
    let key = public_key();
    let broken_off = device(&account(), key.clone(), DeviceState::Enrolling);
    let mut again = registration(code(&account()), vec![broken_off.clone()], key.clone());
    again.key_is_known = true;
    let registered = register(again, noon(), &mut rng()).unwrap();
    assert_eq!(registered.enrolment, broken_off.enrolment);
    assert_eq!(written_code(&registered.changes).unwrap().state, CodeState::Bound(broken_off.enrolment));

    let live = device(&account(), key.clone(), DeviceState::Live);
    let mut live = registration(code(&account()), vec![live], key);
    live.key_is_known = true;
    assert_eq!(register(live, noon(), &mut rng()).err(), Some(RefusalReason::CodeBound));
}

#[test]
fn an_enrolment_that_broke_off_is_not_taken_over_beside_a_device_in_use() {
    let key = public_key();
    let broken_off = device(&account(), key.clone(), DeviceState::Enrolling);
    let mut in_use = device(&account(), public_key(), DeviceState::Live);
    in_use.enrolment = EnrolmentId::from_bytes([3; 16]);
    let mut again = registration(code(&account()), vec![broken_off, in_use], key);
    again.key_is_known = true;
    assert_eq!(register(again, noon(), &mut rng()).err(), Some(RefusalReason::DeviceLimit));
}

#[test]
fn an_account_has_one_device_at_a_time() {
    for (state, expected) in
        [(DeviceState::Live, Some(RefusalReason::DeviceLimit)), (DeviceState::Enrolling, None)]
    {
        let old = device(&account(), public_key(), state);
        let registered =
            register(registration(code(&account()), vec![old], public_key()), noon(), &mut rng());
        assert_eq!(registered.err(), expected);
    }
}

#[test]
fn nobody_enrols_without_a_seat_or_after_leaving() {
    let mut seatless = registration(code(&account()), vec![], public_key());
    seatless.account.seat = None;
    assert_eq!(register(seatless, noon(), &mut rng()).err(), Some(RefusalReason::CodeUsed));
    let mut gone = registration(code(&account()), vec![], public_key());
    gone.account.state = AccountState::Suspended;
    assert_eq!(register(gone, noon(), &mut rng()).err(), Some(RefusalReason::CodeUsed));
}

#[test]
fn an_enrolment_completes_only_while_its_code_is_bound_to_it() {
    let mut bound = code(&account());
    let enrolling = device(&account(), public_key(), DeviceState::Enrolling);
    bound.state = CodeState::Bound(enrolling.enrolment);
    let changes = complete(stored(enrolling.clone()), stored(bound.clone()), noon()).unwrap();
    assert_eq!(written_device(&changes).state, DeviceState::Live);
    // The code is written as well: its end at this moment is a conflict.
    assert!(changes.writes.iter().any(|write| write.record == Some(Record::Code(bound.clone()))));

    bound.end(CodeState::Replaced);
    assert_eq!(complete(stored(enrolling), stored(bound), noon()).err(), Some(RefusalReason::CodeUsed));
}

#[test]
fn a_blocked_or_opened_device_cannot_register_a_pin_by_its_code() {
    let mut bound = code(&account());
    let blocked = device(&account(), public_key(), DeviceState::Blocked);
    bound.state = CodeState::Bound(blocked.enrolment);
    assert_eq!(
        complete(stored(blocked.clone()), stored(bound.clone()), noon()).err(),
        Some(RefusalReason::CodeUsed)
    );
    let opened = Device { state: DeviceState::Live, last_unlock: Some(noon()), ..blocked };
    assert_eq!(complete(stored(opened), stored(bound), noon()).err(), Some(RefusalReason::CodeUsed));
}
