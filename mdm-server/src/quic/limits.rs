//! Bounds on callers that are not yet known.

use std::net::IpAddr;
use std::num::NonZeroU32;

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

/// Connections from which on a caller must first prove its address (RFC 9000 section 8.1.2).
const CROWDED: usize = 2_000;
/// Connections beyond which new callers are refused.
const FULL: usize = 20_000;
/// Handshakes from one address: an office behind one NAT comes online together.
const HANDSHAKES_PER_SECOND: NonZeroU32 = NonZeroU32::new(50).expect("not zero");
const HANDSHAKE_BURST: NonZeroU32 = NonZeroU32::new(1_000).expect("not zero");
/// Enrolments from one address, a day of letters being opened in one office.
const ENROLMENTS_PER_MINUTE: NonZeroU32 = NonZeroU32::new(60).expect("not zero");
const ENROLMENT_BURST: NonZeroU32 = NonZeroU32::new(200).expect("not zero");

/// The counters.
pub(super) struct Limits {
    handshakes: DefaultKeyedRateLimiter<IpAddr>,
    enrolments: DefaultKeyedRateLimiter<IpAddr>,
}

impl Default for Limits {
    fn default() -> Self {
        let handshakes = Quota::per_second(HANDSHAKES_PER_SECOND).allow_burst(HANDSHAKE_BURST);
        let enrolments = Quota::per_minute(ENROLMENTS_PER_MINUTE).allow_burst(ENROLMENT_BURST);
        Self { handshakes: RateLimiter::keyed(handshakes), enrolments: RateLimiter::keyed(enrolments) }
    }
}

impl Limits {
    pub(super) fn is_crowded(&self, connections: usize) -> bool {
        connections >= CROWDED
    }

    pub(super) fn is_full(&self, connections: usize) -> bool {
        connections >= FULL
    }

    pub(super) fn admits_handshake(&self, source: IpAddr) -> bool {
        if self.handshakes.len() > FULL {
            self.handshakes.retain_recent();
        }
        self.handshakes.check_key(&source).is_ok()
    }

    pub(super) fn admits_enrolment(&self, source: IpAddr) -> bool {
        if self.enrolments.len() > FULL {
            self.enrolments.retain_recent();
        }
        self.enrolments.check_key(&source).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_source_is_cut_off_and_the_others_are_not() {
        let limits = Limits::default();
        let hostile = IpAddr::from([192, 0, 2, 1]);
        let admitted = (0..2_000).filter(|_| limits.admits_enrolment(hostile)).count();
        assert!((200..400).contains(&admitted), "{admitted}");
        assert!(limits.admits_enrolment(IpAddr::from([192, 0, 2, 2])));
    }
}
