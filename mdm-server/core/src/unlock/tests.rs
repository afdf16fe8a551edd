//! Who is helped, what is promised first, and what a verified unlock changes.

use super::*;
use crate::testing::{account, code, device, noon, public_key, rng, stored, written_code, written_device};
use rand::rngs::StdRng;
use shared::crypto::Secret;
use shared::ids::EnrolmentId;
use shared::opaque::{
    LoginStart, RegistrationStart, ServerSetup, Stretching, client_input, record_from_upload,
};

/// A real login: there is no other way to a [`VerifiedLogin`].
pub(crate) fn verified(enrolment: EnrolmentId) -> VerifiedLogin {
    let mut rng: StdRng = rng();
    let setup = ServerSetup::make(&mut rng);
    let credential = Secret::make(&mut rng);
    let input = client_input("482915", &Secret::make(&mut rng), enrolment);
    let (client, request) = RegistrationStart::make(input.clone(), &mut rng).unwrap();
    let response = setup.registration_response(&request, &credential).unwrap();
    let (upload, _) = client.finish(&response, enrolment, Stretching::default(), &mut rng).unwrap();
    let record = record_from_upload(&upload).unwrap();
    let (client, ke1) = LoginStart::make(input, &mut rng).unwrap();
    let (pending, ke2) = setup.login(&record, &credential, enrolment, &ke1, &mut rng).unwrap();
    let finished = client.finish(&ke2, enrolment, Stretching::default(), &mut rng).unwrap();
    pending.finish(&finished.ke3).unwrap()
}

fn unlocking(device: Device) -> Unlocking {
    Unlocking {
        device: stored(device),
        account: stored(account()),
        codes: vec![],
        vault_epoch: 4,
        server_epoch: 7,
    }
}

fn seal() -> GrantSeal {
    GrantSeal::derive(&Secret::make(&mut rng()))
}

fn policy(lease_mode: LeaseMode) -> Policy {
    Policy { lease_mode, lease_seconds: 3600, max_open_seconds: 900, ..Policy::default() }
}

fn in_seconds(seconds: i64) -> Timestamp {
    noon() + SignedDuration::from_secs(seconds)
}

#[test]
fn before_ke2_it_is_recorded_how_long_the_vault_may_be_open() {
    let device = device(&account(), public_key(), DeviceState::Live);
    let changes = admit(stored(device), &account(), &policy(LeaseMode::None), noon()).unwrap();
    let device = written_device(&changes);
    assert_eq!(device.may_be_open_until, Some(in_seconds(900)));

    let longer = Device { may_be_open_until: Some(in_seconds(5000)), ..device };
    let changes = admit(stored(longer), &account(), &policy(LeaseMode::None), noon()).unwrap();
    assert_eq!(written_device(&changes).may_be_open_until, Some(in_seconds(5000)), "never shortened");
}

#[test]
fn help_is_withheld_from_blocked_enrolling_and_departed() {
    let refusal = |state, account: &Account| {
        let device = device(account, public_key(), state);
        admit(stored(device), account, &Policy::default(), noon()).err()
    };
    assert_eq!(refusal(DeviceState::Blocked, &account()), Some(RefusalReason::Blocked));
    assert_eq!(refusal(DeviceState::Enrolling, &account()), Some(RefusalReason::NotEnrolled));
    let suspended = Account { state: AccountState::Suspended, ..account() };
    assert_eq!(refusal(DeviceState::Live, &suspended), Some(RefusalReason::Blocked));
    let reclaimed = Account { seat: None, ..account() };
    assert_eq!(refusal(DeviceState::Live, &reclaimed), Some(RefusalReason::Blocked));
}

#[test]
fn the_first_unlock_activates_the_account_and_uses_the_code_up() {
    let device = device(&account(), public_key(), DeviceState::Live);
    let mut bound = code(&account());
    bound.state = CodeState::Bound(device.enrolment);
    let login = verified(device.enrolment);
    let unlocking = Unlocking { codes: vec![stored(bound)], ..unlocking(device.clone()) };
    let granted = grant(&login, unlocking, &policy(LeaseMode::None), &seal(), noon(), &mut rng()).unwrap();
    let used = written_code(&granted.changes).unwrap();
    assert_eq!((used.state, used.sealed.len()), (CodeState::Used(device.enrolment), 0));
    let active = granted.changes.writes.iter().any(
        |w| matches!(&w.record, Some(Record::Account(a)) if a.state == AccountState::Active && a.signed_in_at.is_some()),
    );
    assert!(active);
    assert_eq!(written_device(&granted.changes).vault_epoch, 5);
}

#[test]
fn a_lease_is_recorded_before_it_is_granted() {
    let device = device(&account(), public_key(), DeviceState::Live);
    let login = verified(device.enrolment);
    let granted =
        grant(&login, unlocking(device.clone()), &policy(LeaseMode::Volatile), &seal(), noon(), &mut rng())
            .unwrap();
    assert_eq!(granted.lease.unwrap().seconds, 3600);
    assert_eq!(written_device(&granted.changes).may_be_open_until, Some(in_seconds(3600)));

    let granted =
        grant(&login, unlocking(device), &policy(LeaseMode::None), &seal(), noon(), &mut rng()).unwrap();
    assert_eq!((granted.lease, granted.may_be_open_until), (None, in_seconds(900)));
}

#[test]
fn a_durable_lease_on_a_software_key_is_remembered_for_ever() {
    let device = device(&account(), public_key(), DeviceState::Live);
    let login = verified(device.enrolment);
    let after = |device: Device, mode| {
        written_device(
            &grant(&login, unlocking(device), &policy(mode), &seal(), noon(), &mut rng()).unwrap().changes,
        )
    };
    let volatile = after(device, LeaseMode::Volatile);
    assert!(!volatile.copy_may_open);
    let durable = after(volatile, LeaseMode::Durable);
    assert!(durable.copy_may_open);
    assert!(after(durable, LeaseMode::None).copy_may_open);
}

#[test]
fn a_login_of_another_enrolment_or_after_a_block_grants_nothing() {
    let device = device(&account(), public_key(), DeviceState::Live);
    let elsewhere = verified(EnrolmentId::from_bytes([9; 16]));
    let refused =
        grant(&elsewhere, unlocking(device.clone()), &Policy::default(), &seal(), noon(), &mut rng());
    assert_eq!(refused.err(), Some(RefusalReason::ProofFailed));

    let login = verified(device.enrolment);
    let blocked = Device { state: DeviceState::Blocked, ..device };
    let refused = grant(&login, unlocking(blocked), &Policy::default(), &seal(), noon(), &mut rng());
    assert_eq!(refused.err(), Some(RefusalReason::Blocked));
}

#[test]
fn attempts_are_given_back_by_somebody_with_a_reason_to_a_device_that_has_a_pin() {
    let reset = |state, reason: &str| {
        let device = device(&account(), public_key(), state);
        attempts_reset(&device, Actor::Server, reason, noon(), &mut rng())
    };
    let changes = reset(DeviceState::Blocked, " found after the holidays ").unwrap();
    assert!(changes.writes.is_empty(), "the counter is in the key file");
    assert_eq!(changes.events.len(), 1);
    assert_eq!(changes.events[0].what, Happening::AttemptsReset);
    assert!(matches!(reset(DeviceState::Live, " "), Err(CommandError::Reason)));
    assert!(matches!(reset(DeviceState::Enrolling, "why"), Err(CommandError::Enrolling)));
}
