//! How lease time is measured, also across restarts of the app and of the device.

use super::*;
use crate::session::tests::{Server, moment};
use proptest::prelude::*;

const BOOT: [u8; 16] = [1; 16];
const NEXT_BOOT: [u8; 16] = [2; 16];

fn durable(seconds: u32) -> RunningLease {
    let server = Server::make(1);
    let bytes = server.lease(LeaseMode::Durable, seconds);
    VerifiedLease::verify(&bytes, server.enrolment, &server.lease_key()).unwrap().unwrap().start(moment(100))
}

#[test]
fn a_lease_of_no_mode_or_length_grants_nothing() {
    let server = Server::make(1);
    for bytes in [server.lease(LeaseMode::None, 60), server.lease(LeaseMode::Volatile, 0)] {
        assert_eq!(VerifiedLease::verify(&bytes, server.enrolment, &server.lease_key()), Ok(None));
    }
}

#[test]
fn a_volatile_lease_is_never_stored() {
    let server = Server::make(1);
    let bytes = server.lease(LeaseMode::Volatile, 60);
    let lease = VerifiedLease::verify(&bytes, server.enrolment, &server.lease_key()).unwrap().unwrap();
    assert_eq!(lease.start(moment(0)).to_stored(moment(1), BOOT), None);
}

#[test]
fn a_clock_set_back_over_a_restart_ends_the_lease() {
    let stored = durable(3600).to_stored(moment(200), BOOT).unwrap();
    let set_back = Moment { now: moment(199).now, boot: BootTime::from_start(Duration::from_secs(3)) };
    assert_eq!(stored.resume(set_back, NEXT_BOOT), None);
    let honest = Moment { now: moment(201).now, ..set_back };
    assert!(stored.resume(honest, NEXT_BOOT).is_some());
}

/// Civil time and the boot-time clock apart.
fn clocks(civil: u64, boot: u64) -> Moment {
    Moment { now: moment(civil).now, boot: moment(boot).boot }
}

#[test]
fn what_has_run_stays_spent_though_the_clock_is_set_back_while_it_runs() {
    let lease = durable(3600);
    // 3400 seconds have run; the civil clock says that no time has passed.
    let stored = lease.to_stored(clocks(100, 3500), BOOT).unwrap();
    assert_eq!(stored.resume(clocks(101, 3), NEXT_BOOT), None, "earlier than what was seen");
    let resumed = stored.resume(clocks(3570, 3), NEXT_BOOT).unwrap();
    assert_eq!(resumed.ends(), moment(3 + 3600 - 3400 - 70).boot);
    let again = resumed.to_stored(clocks(0, 13), NEXT_BOOT).unwrap();
    assert_eq!(again.resume(clocks(3579, 1), [3; 16]), None, "still earlier, in the run after it");
    assert!(again.resume(clocks(3580, 1), [3; 16]).is_some());
}

#[test]
fn restarts_while_the_civil_clock_stands_use_the_lease_up() {
    let mut stored = durable(3600).to_stored(moment(100), BOOT).unwrap();
    let mut restarts = 0;
    for boot in 2_u8.. {
        let Some(lease) = stored.resume(clocks(100, 1), [boot; 16]) else { break };
        // Power is cut just before the lease would have been stored again.
        stored = lease.to_stored(clocks(100, 1), [boot; 16]).unwrap();
        restarts += 1;
    }
    assert_eq!(restarts, 59);
}

#[test]
fn a_durable_lease_is_stored_again_every_minute() {
    let mut lease = durable(3600);
    assert!(!lease.store_is_due(moment(159).boot));
    assert!(lease.store_is_due(moment(160).boot));
    assert!(!lease.store_is_due(moment(219).boot));
    assert!(lease.store_is_due(moment(220).boot));
}

#[test]
fn a_start_without_a_name_is_never_the_same_start() {
    let stored = durable(3600).to_stored(moment(200), [0; 16]).unwrap();
    // By the boot-time clock 10 seconds have passed, by civil time 3000: the longer one counts.
    let resumed = stored.resume(clocks(3200, 210), [0; 16]).unwrap();
    assert_eq!(resumed.ends(), moment(210 + 500).boot);
    assert_eq!(stored.resume(clocks(199, 210), [0; 16]), None);
    let named = durable(3600).to_stored(moment(200), BOOT).unwrap();
    assert_eq!(named.resume(clocks(199, 210), BOOT).unwrap().ends(), moment(3700).boot, "the control");
}

#[test]
fn wrong_pins_end_the_lease() {
    let mut lease = durable(3600);
    for _ in 0..OFFLINE_TRIES {
        assert!(lease.runs(moment(101).boot));
        lease.charge();
    }
    assert!(!lease.runs(moment(101).boot));
    assert_eq!(lease.to_stored(moment(101), BOOT).unwrap().resume(moment(102), BOOT), None);
}

proptest! {
    #[test]
    fn restarts_never_lengthen_a_lease(length in 1_u32..5000, pauses in prop::collection::vec((0_u64..800, any::<bool>()), 0..10)) {
        let mut lease = durable(length);
        let (mut at, mut restarts) = (100, 0);
        for (boot, (pause, restart)) in (1_u8..).zip(pauses) {
            let before = if restart { [boot; 16] } else { BOOT };
            let after = if restart { [boot + 1; 16] } else { BOOT };
            let stored = lease.to_stored(moment(at), before).unwrap();
            at += pause;
            restarts += u64::from(restart);
            let Some(resumed) = stored.resume(moment(at), after) else {
                prop_assert!(at + 60 * restarts >= 100 + u64::from(length));
                return Ok(());
            };
            lease = resumed;
            let granted = moment(100 + u64::from(length)).boot;
            prop_assert!(lease.ends() <= granted);
            prop_assert!(lease.ends().after(Duration::from_secs(60 * restarts)) >= granted);
        }
    }
}
