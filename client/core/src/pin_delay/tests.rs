//! What a wrong PIN costs, and what shortens it: nothing.

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;

const FIRST: Duration = Duration::from_secs(30);

fn boot(seconds: u64) -> BootTime {
    BootTime::from_start(Duration::from_secs(seconds))
}

fn moment(seconds: u64) -> Moment {
    Moment { now: Timestamp::UNIX_EPOCH, boot: boot(seconds) }
}

#[test]
fn the_wait_begins_with_the_third_wrong_pin_and_doubles_up_to_half_an_hour() {
    let mut delay = PinDelay::default();
    let mut waits = Vec::new();
    for _ in 0..12 {
        delay = delay.charged(boot(100), FIRST);
        waits.push(delay.left(boot(100)).map_or(0, |wait| wait.as_secs()));
    }
    assert_eq!(waits, [0, 0, 30, 60, 120, 240, 480, 960, 1800, 1800, 1800, 1800]);
    assert_eq!(delay.left(boot(100 + 1799)), Some(Duration::from_secs(1)));
    assert_eq!(delay.left(boot(100 + 1800)), None);
    for _ in 0..300 {
        delay = delay.charged(boot(5000), FIRST);
    }
    assert_eq!(delay.left(boot(5000)), Some(LONGEST), "and stays there");
}

#[test]
fn a_policy_without_a_wait_counts_nothing() {
    let delay = PinDelay::default().charged(boot(1), Duration::ZERO);
    assert_eq!((delay, delay.to_stored([1; 16])), (PinDelay::default(), None));
}

#[test]
fn a_restart_of_the_app_goes_on_and_one_of_the_device_begins_the_wait_anew() {
    let mut delay = PinDelay::default();
    for _ in 0..4 {
        delay = delay.charged(boot(1000), FIRST);
    }
    let stored = delay.to_stored([1; 16]).unwrap();
    assert_eq!(stored.resume(moment(1020), [1; 16]).left(boot(1020)), Some(Duration::from_secs(40)));
    assert_eq!(stored.resume(moment(1060), [1; 16]).left(boot(1060)), None, "the app was closed that long");
    assert_eq!(stored.resume(moment(5), [2; 16]).left(boot(5)), Some(Duration::from_secs(60)));
    assert_eq!(stored.resume(moment(5000), [2; 16]).left(boot(5000)), Some(Duration::from_secs(60)));
    assert_eq!(stored.resume(moment(5000), [2; 16]).wrong(), 4);
    let nameless = delay.to_stored([0; 16]).unwrap();
    assert_eq!(nameless.resume(moment(1050), [0; 16]).left(boot(1050)), Some(Duration::from_secs(60)));
}

proptest! {
    /// Whatever restarts, of the app or the device, come in between: the next try is never sooner than without them.
    #[test]
    fn no_restart_shortens_the_wait(
        wrong in 1_u8..12,
        steps in proptest::collection::vec((0_u64..400, 0_u8..3), 0..8),
    ) {
        let mut delay = PinDelay::default();
        let (mut now, mut id) = (1000_u64, 1_u8);
        for _ in 0..wrong {
            delay = delay.charged(boot(now), FIRST);
        }
        let mut left = delay.left(boot(now)).unwrap_or_default();
        for (pause, restart) in steps {
            left = left.saturating_sub(Duration::from_secs(pause));
            now += pause;
            if restart > 0 {
                let stored = delay.to_stored([id; 16]).unwrap();
                if restart == 2 {
                    (now, id) = (1, id + 1);
                }
                delay = stored.resume(moment(now), [id; 16]);
            }
            prop_assert!(delay.left(boot(now)).unwrap_or_default() >= left);
            prop_assert_eq!(delay.wrong(), wrong);
        }
    }
}
