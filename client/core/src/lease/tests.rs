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
        let mut at = 100;
        for (boot, (pause, restart)) in (1_u8..).zip(pauses) {
            let before = if restart { [boot; 16] } else { BOOT };
            let after = if restart { [boot + 1; 16] } else { BOOT };
            let stored = lease.to_stored(moment(at), before).unwrap();
            at += pause;
            let Some(resumed) = stored.resume(moment(at), after) else {
                prop_assert!(at >= 100 + u64::from(length));
                return Ok(());
            };
            lease = resumed;
            prop_assert_eq!(lease.ends(), moment(100 + u64::from(length)).boot);
        }
    }
}
