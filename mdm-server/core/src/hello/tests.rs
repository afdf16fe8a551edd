//! What a calling device is told.

use super::*;
use crate::testing::{account, device, noon, public_key, stored, written_device};
use shared::ids::CommandId;

fn hello(last_applied: Option<Order>) -> Hello {
    Hello {
        app_version: "0.2.0".to_owned(),
        last_applied,
        vault_epoch: 0,
        checkpoint: None,
        signed_checkpoint: None,
        not_enforced: vec![],
        run: None,
        pins: None,
    }
}

fn order(counter: u32) -> Order {
    Order { epoch: 0, counter }
}

fn command(device: &Device, counter: u32, action: Action) -> CommandRecord {
    CommandRecord {
        id: CommandId::from_bytes([counter as u8; 16]),
        enrolment: device.enrolment,
        order: order(counter),
        action,
        issued_at: noon(),
        signed: vec![counter as u8],
    }
}

#[test]
fn a_device_is_sent_the_newest_command_if_it_has_not_applied_it() {
    let device = device(&account(), public_key(), DeviceState::Live);
    let commands = [command(&device, 1, Action::Block), command(&device, 2, Action::Unblock)];
    let sent = |last| {
        greet(stored(device.clone()), &account(), &commands, &hello(last), 0, noon()).unwrap().commands
    };
    assert_eq!(sent(None), [[2]]);
    assert_eq!(sent(Some(order(1))), [[2]]);
    assert!(sent(Some(order(2))).is_empty());
}

#[test]
fn somebody_without_a_seat_is_told_blocked() {
    let device = device(&account(), public_key(), DeviceState::Live);
    let mut reclaimed = account();
    reclaimed.seat = None;
    let greeting = greet(stored(device), &reclaimed, &[], &hello(None), 0, noon()).unwrap();
    assert_eq!(greeting.standing, EnrolmentStanding::Blocked);
}

#[test]
fn a_certificate_is_renewed_in_its_last_thirty_days() {
    let device = device(&account(), public_key(), DeviceState::Live);
    let renew = |now| greet(stored(device.clone()), &account(), &[], &hello(None), 0, now).unwrap().renew;
    let last_month = device.certificate_until - RENEW_BEFORE;
    assert!(!renew(last_month));
    assert!(renew(last_month + SignedDuration::from_secs(1)));
    assert!(renew(device.certificate_until + SignedDuration::from_hours(365 * 24)), "long expired");
}

#[test]
fn a_certificate_is_given_only_when_it_is_due() {
    let device = device(&account(), public_key(), DeviceState::Live);
    assert_eq!(super::renew(stored(device.clone()), noon()).err(), Some(RefusalReason::TooManyTries));
    let changes = super::renew(stored(device.clone()), device.certificate_until).unwrap();
    assert!(written_device(&changes).certificate_until > device.certificate_until);
}

#[test]
fn what_was_applied_never_goes_back_nor_past_what_was_issued() {
    let mut device = device(&account(), public_key(), DeviceState::Live);
    device.last_command = order(3);
    let device = written_device(&applied(stored(device), order(2), noon()));
    let device = written_device(&applied(stored(device), order(1), noon()));
    assert_eq!(device.last_applied, Some(order(2)));
    let device = written_device(&applied(stored(device), order(9), noon()));
    assert_eq!(device.last_applied, Some(order(3)));
}

#[test]
fn a_device_that_was_opened_less_often_than_is_known_is_behind_and_one_ahead_is_not() {
    let mut known = device(&account(), public_key(), DeviceState::Live);
    (known.vault_epoch, known.last_unlock) = (5, Some(noon()));
    assert!(is_behind(&known, 4) && !is_behind(&known, 5) && !is_behind(&known, 9));
    // A hello that was on its way while the vault was opened, and only that.
    let later = |minutes| noon().saturating_add(SignedDuration::from_mins(minutes)).unwrap();
    assert!(is_overtaken(&known, 4, later(1)));
    assert!(!is_overtaken(&known, 4, later(2)) && !is_overtaken(&known, 3, later(1)));
}
