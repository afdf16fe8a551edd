//! How often one device may do what costs the server a commit: begin a PIN exchange, and call. Who has a device's key can ask as
//! often as they like; the limit of attempts bounds only the wrong PINs.

use std::num::NonZeroU32;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use shared::ids::EnrolmentId;

use super::exchange::ExchangeError;

/// Devices whose count is kept; beyond, those that are full again are forgotten.
const REMEMBERED: usize = 20_000;

/// Hellos of one device in a minute. A phone makes one in some minutes, and on a network that breaks after every hello a few in
/// the first seconds, then one in fifteen.
pub(crate) const CALLS_PER_MINUTE: u32 = 60;
/// What a device reports in a minute without being asked for more than that: commands applied, new pins taken. Counted apart,
/// so that who has a device's key and never says hello does not keep its phone from calling.
pub(crate) const REPORTS_PER_MINUTE: u32 = 30;

/// The counters of one kind of act, in memory: a restart begins them anew.
pub(crate) struct DeviceRate(DefaultKeyedRateLimiter<EnrolmentId>);

impl DeviceRate {
    /// So many in a minute, and twice as many at once.
    pub(crate) fn new(per_minute: u32) -> Self {
        let per_minute = NonZeroU32::new(per_minute).unwrap_or(NonZeroU32::MIN);
        let burst = per_minute.saturating_mul(NonZeroU32::MIN.saturating_add(1));
        Self(RateLimiter::keyed(Quota::per_minute(per_minute).allow_burst(burst)))
    }

    /// Counts one, or says when the next may come.
    pub(super) fn admit(&self, enrolment: EnrolmentId) -> Result<(), ExchangeError> {
        if self.0.len() > REMEMBERED {
            self.0.retain_recent();
        }
        self.0.check_key(&enrolment).map_err(|not_before| {
            let wait = not_before.wait_time_from(DefaultClock::default().now());
            let seconds = u32::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u32::MAX);
            ExchangeError::TooSoon { seconds: seconds.max(1) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_asks_too_often_is_told_when_to_come_again_and_others_are_not() {
        let rate = DeviceRate::new(6);
        let (hostile, honest) = (EnrolmentId::from_bytes([1; 16]), EnrolmentId::from_bytes([2; 16]));
        let admitted = (0..100).filter(|_| rate.admit(hostile).is_ok()).count();
        assert_eq!(admitted, 12);
        let Err(ExchangeError::TooSoon { seconds }) = rate.admit(hostile) else { panic!("it is too soon") };
        assert!((1..=10).contains(&seconds), "{seconds}");
        assert!(rate.admit(honest).is_ok());
    }
}
