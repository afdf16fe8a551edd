//! What a grant opens, to whom, on which connection, and everything that ends it.

use super::*;
use crate::account::{AccountState, Seat};
use crate::audit::Actor;
use crate::change::Version;
use crate::command::{self, Instruction};
use crate::device::DeviceState;
use crate::testing::{account, device, noon, public_key, rng, stored, written_device};
use crate::unlock::Unlocking;
use jiff::SignedDuration;
use shared::cose::SoftwareKey;
use shared::policy::{LeaseMode, Policy};

const EXPORTER: [u8; 32] = [7; 32];
const EPOCH: u32 = 7;

fn moment(now: Timestamp) -> Moment {
    Moment { now, server_epoch: EPOCH }
}

fn seal() -> GrantSeal {
    GrantSeal::derive(&Secret::from_slice(&[3; 32]).unwrap())
}

fn at(seconds: i64) -> Timestamp {
    noon() + SignedDuration::from_secs(seconds)
}

/// A device after a login whose policy lets the vault stay open for 900 seconds, and the key that its phone has.
fn unlocked() -> (Device, GrantKey) {
    let device = device(&account(), public_key(), DeviceState::Live);
    unlocked_again(device, noon())
}

fn unlocked_again(device: Device, now: Timestamp) -> (Device, GrantKey) {
    let login = crate::unlock::tests::verified(device.enrolment);
    let policy = Policy { lease_mode: LeaseMode::None, max_open_seconds: 900, ..Policy::default() };
    let unlocking = Unlocking {
        device: stored(device),
        account: stored(account()),
        codes: vec![],
        vault_epoch: 1,
        server_epoch: EPOCH,
    };
    let granted = crate::unlock::grant(&login, unlocking, &policy, &seal(), now, &mut rng()).unwrap();
    (written_device(&granted.changes), login.grant_key().clone())
}

fn proven(device: &Device, key: &GrantKey, now: Timestamp) -> Result<ProvenGrant, RefusalReason> {
    let tag = key.tag(device.enrolment, &EXPORTER);
    prove(&seal(), device, &active(), &EXPORTER, &tag, moment(now))
}

/// The account as its first unlock leaves it.
fn active() -> Account {
    Account { state: AccountState::Active, ..account() }
}

#[test]
fn a_login_grants_content_until_the_vault_closes_by_itself() {
    let (device, key) = unlocked();
    let proven = proven(&device, &key, noon()).unwrap();
    assert_eq!(proven.until(), at(900));
    let access = content(&device, &active(), Some(&proven), moment(at(899))).unwrap();
    assert_eq!((access.enrolment(), access.account()), (device.enrolment, account().id));
    assert_eq!(content(&device, &active(), Some(&proven), moment(at(900))), Err(RefusalReason::NoGrant));
    assert_eq!(super::tests::proven(&device, &key, at(900)), Err(RefusalReason::NoGrant));
}

#[test]
fn without_a_proof_on_this_connection_there_is_nothing() {
    let (device, key) = unlocked();
    assert_eq!(content(&device, &active(), None, moment(noon())), Err(RefusalReason::NoGrant));
    let elsewhere = key.tag(device.enrolment, &[8; 32]);
    assert_eq!(
        prove(&seal(), &device, &active(), &EXPORTER, &elsewhere, moment(noon())),
        Err(RefusalReason::NoGrant)
    );
    let never = Device { grant: None, ..device };
    assert_eq!(proven(&never, &key, noon()), Err(RefusalReason::NoGrant));
}

#[test]
fn a_newer_login_ends_the_grant_of_the_older() {
    let (device, old_key) = unlocked();
    let old = proven(&device, &old_key, noon()).unwrap();
    let (mut device, _) = unlocked_again(device, at(10));
    assert_eq!(content(&device, &active(), Some(&old), moment(at(11))), Err(RefusalReason::NoGrant));
    // Every login has another key; that the test's logins are of one seed does not matter to the stored grant.
    device.grant = Some(seal().make(
        &GrantKey::from_slice(&[9; 32]).unwrap(),
        device.enrolment,
        EPOCH,
        at(10)..at(900),
        &mut rng(),
    ));
    assert_eq!(proven(&device, &old_key, at(11)), Err(RefusalReason::NoGrant));
}

#[test]
fn a_sealed_key_moved_to_another_enrolment_or_server_opens_nothing() {
    let (first, key) = unlocked();
    let other = Device { enrolment: EnrolmentId::from_bytes([1; 16]), ..first.clone() };
    assert_eq!(proven(&other, &key, noon()), Err(RefusalReason::NoGrant));
    let tag = key.tag(first.enrolment, &EXPORTER);
    let foreign = GrantSeal::derive(&Secret::from_slice(&[4; 32]).unwrap());
    assert_eq!(
        prove(&foreign, &first, &active(), &EXPORTER, &tag, moment(noon())),
        Err(RefusalReason::NoGrant)
    );
}

#[test]
fn block_and_wipe_end_it_in_their_own_commit() {
    let (device, key) = unlocked();
    let proven = proven(&device, &key, noon()).unwrap();
    let signer = SoftwareKey::from_pkcs8(&SoftwareKey::make_pkcs8().unwrap()).unwrap();
    let instruction = Instruction { actor: Actor::Server, reason: "lost", now: at(1), epoch: 0 };

    let blocked = command::block(stored(device.clone()), vec![], &instruction, &signer, &mut rng()).unwrap();
    let blocked = written_device(&blocked.changes);
    assert_eq!(content(&blocked, &active(), Some(&proven), moment(at(1))), Err(RefusalReason::Blocked));
    let unblocked = command::unblock(stored(blocked), true, &instruction, &signer, &mut rng()).unwrap();
    let unblocked = written_device(&unblocked.changes);
    assert_eq!(content(&unblocked, &active(), Some(&proven), moment(at(2))), Err(RefusalReason::NoGrant));

    let wiped = command::wipe(stored(device), vec![], &instruction, &signer, &mut rng()).unwrap();
    let wiped = written_device(&wiped.changes);
    assert_eq!(wiped.grant, None, "not even sealed");
    assert_eq!(content(&wiped, &active(), Some(&proven), moment(at(1))), Err(RefusalReason::DeviceUnknown));
}

#[test]
fn suspension_and_a_lost_seat_end_it_for_good() {
    let (device, key) = unlocked();
    let proven = proven(&device, &key, noon()).unwrap();
    let access = |account: &Account| content(&device, account, Some(&proven), moment(at(20)));
    let suspended = Account { state: AccountState::Suspended, state_since: at(5), ..active() };
    assert_eq!(access(&suspended), Err(RefusalReason::Blocked));
    let back = Account { state: AccountState::Active, state_since: at(10), ..suspended };
    assert_eq!(access(&back), Err(RefusalReason::NoGrant), "a return does not bring an old grant back");

    assert_eq!(access(&Account { seat: None, ..active() }), Err(RefusalReason::Blocked));
    let reseated = Account { seat: Some(Seat::new(at(10))), ..active() };
    assert_eq!(access(&reseated), Err(RefusalReason::NoGrant));
}

#[test]
fn the_device_ends_its_own_grant_and_no_newer_one() {
    let (device, key) = unlocked();
    let old = proven(&device, &key, noon()).unwrap();
    let ended = end(Stored { version: Version(3), value: device.clone() }, &old).unwrap();
    assert_eq!(written_device(&ended).grant, None);
    let (newer, _) = unlocked_again(device, at(10));
    assert_eq!(end(Stored { version: Version(4), value: newer }, &old), None);
}

#[test]
fn a_grant_of_another_epoch_of_the_server_holds_no_more() {
    let (device, key) = unlocked();
    let proven = proven(&device, &key, noon()).unwrap();
    // Restored, or out of a quarantine, with a clock that says the very same time.
    let later = Moment { now: noon(), server_epoch: EPOCH + 1 };
    assert_eq!(content(&device, &active(), Some(&proven), later), Err(RefusalReason::NoGrant));
    let tag = key.tag(device.enrolment, &EXPORTER);
    assert_eq!(prove(&seal(), &device, &active(), &EXPORTER, &tag, later), Err(RefusalReason::NoGrant));
    // The control.
    assert!(content(&device, &active(), Some(&proven), moment(noon())).is_ok());
}
