//! Who is given a code for another device, and what it is worth.

use shared::cose::PublicKey;
use shared::crypto::Secret;
use shared::ids::EnrolmentId;
use shared::policy::{LeaseMode, Policy};

use super::*;
use crate::account::AccountState;
use crate::device::DeviceState;
use crate::enrol::{Registration, register};
use crate::grant::{GrantSeal, Moment, content, prove};
use crate::testing::{
    account, description, device, noon, public_key, rng, stored, written_code, written_device,
};
use crate::unlock::{self, Unlocking};

fn active() -> Account {
    Account { state: AccountState::Active, ..account() }
}

fn keys() -> CodeKeys {
    CodeKeys::derive(&Secret::from_slice(&[4; 32]).unwrap())
}

/// A device that is unlocked, and the proof that it is.
fn unlocked() -> (Device, ContentAccess) {
    let seal = GrantSeal::derive(&Secret::from_slice(&[3; 32]).unwrap());
    let device = device(&account(), public_key(), DeviceState::Live);
    let login = unlock::tests::verified(device.enrolment);
    let policy = Policy { lease_mode: LeaseMode::None, ..Policy::default() };
    let unlocking = Unlocking {
        device: stored(device),
        account: stored(account()),
        codes: vec![],
        vault_epoch: 1,
        server_epoch: 7,
    };
    let granted = unlock::grant(&login, unlocking, &policy, &seal, noon(), &mut rng()).unwrap();
    let device = written_device(&granted.changes);
    let moment = Moment { now: noon(), server_epoch: 7 };
    let tag = login.grant_key().tag(device.enrolment, &[7; 32]);
    let proven = prove(&seal, &device, &active(), &[7; 32], &tag, moment).unwrap();
    let access = content(&device, &active(), Some(&proven), moment).unwrap();
    (device, access)
}

fn ask(device: &Device, access: ContentAccess, codes: Vec<CodeRecord>, limit: usize) -> Asked {
    let codes = codes.into_iter().map(stored).collect();
    Asked { access, account: active(), devices: vec![stored(device.clone())], codes, limit }
}

fn asked(
    device: &Device,
    access: ContentAccess,
    codes: Vec<CodeRecord>,
    limit: usize,
) -> Result<Given, RefusalReason> {
    give(ask(device, access, codes, limit), &keys(), noon(), &mut rng())
}

fn after(minutes: i64) -> Timestamp {
    noon() + SignedDuration::from_mins(minutes)
}

#[test]
fn a_code_is_good_for_ten_minutes_and_the_journal_says_who_asked() {
    let (device, access) = unlocked();
    let given = asked(&device, access, vec![], 2).unwrap();
    assert_eq!((given.code.expires_at, given.code.asked_by), (after(10), Some(device.enrolment)));
    assert_eq!(written_code(&given.changes), Some(given.code.clone()));
    let event = &given.changes.events[0];
    assert_eq!((event.what, event.actor), (Happening::CodeIssued, Actor::Device(device.enrolment)));
    assert!(keys().open(&given.code).is_ok());
}

#[test]
fn an_account_has_as_many_devices_as_its_limit_and_no_more() {
    let (device, access) = unlocked();
    assert_eq!(asked(&device, access, vec![], 1).err(), Some(RefusalReason::DeviceLimit));
    assert!(asked(&device, access, vec![], 2).is_ok());
}

#[test]
fn one_code_is_outstanding_and_its_device_is_given_it_again() {
    let (device, access) = unlocked();
    let first = asked(&device, access, vec![], 3).unwrap().code;
    let again = asked(&device, access, vec![first.clone()], 3).unwrap();
    assert!(again.changes.writes.is_empty());
    assert_eq!(again.code, first);

    let refused = |code: CodeRecord| asked(&device, access, vec![code], 3).err();
    let outstanding = Some(RefusalReason::CodeOutstanding);
    let letter = CodeRecord { asked_by: None, ..first.clone() };
    assert_eq!(refused(letter), outstanding, "the code of a letter");
    let other = EnrolmentId::from_bytes([9; 16]);
    assert_eq!(refused(CodeRecord { asked_by: Some(other), ..first.clone() }), outstanding);
    assert_eq!(refused(CodeRecord { state: CodeState::Bound(other), ..first.clone() }), outstanding);
    for state in [CodeState::Used(other), CodeState::Replaced, CodeState::Dead, CodeState::Expired] {
        assert_eq!(refused(CodeRecord { state, ..first.clone() }), None);
    }
    let late = give(ask(&device, access, vec![first], 3), &keys(), after(10), &mut rng()).unwrap();
    assert_eq!(late.code.expires_at, after(20), "a fresh one");
}

#[test]
fn nobody_gets_a_code_for_an_account_without_seat_or_of_somebody_else() {
    let (device, access) = unlocked();
    let of = |account| {
        let asked = Asked { account, ..ask(&device, access, vec![], 2) };
        give(asked, &keys(), noon(), &mut rng()).err()
    };
    assert_eq!(of(active()), None);
    assert_eq!(of(Account { seat: None, ..active() }), Some(RefusalReason::Blocked));
    assert_eq!(of(Account { state: AccountState::Suspended, ..active() }), Some(RefusalReason::Blocked));
    let stranger = shared::ids::AccountId::from_bytes([9; 16]);
    assert_eq!(of(Account { id: stranger, ..active() }), Some(RefusalReason::Blocked));
}

#[test]
fn the_code_of_a_device_that_was_blocked_or_wiped_meanwhile_enrols_nothing() {
    let (device, access) = unlocked();
    let code = asked(&device, access, vec![], 2).unwrap().code;
    let with = |state: DeviceState| {
        let registration = Registration {
            code: stored(code.clone()),
            account: active(),
            devices: vec![stored(Device { state, ..device.clone() })],
            limit: 2,
            key_is_known: false,
            key: other_key(),
            description: description(),
            certificate_until: noon(),
        };
        register(registration, noon(), &mut rng()).map(drop)
    };
    assert_eq!(with(DeviceState::Blocked), Err(RefusalReason::CodeUsed));
    assert_eq!(with(DeviceState::Enrolling), Err(RefusalReason::CodeUsed));
    assert_eq!(with(DeviceState::Live), Ok(()));
}

fn other_key() -> PublicKey {
    use shared::cose::{Signer as _, SoftwareKey};
    SoftwareKey::from_pkcs8(&SoftwareKey::make_pkcs8().unwrap()).unwrap().public_key().clone()
}
