//! Bounds on callers that are not yet known. An IPv6 source is its /64: whoever has one address of it has all.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

/// Connections from which on a caller must first prove its address (RFC 9000 section 8.1.2).
const CROWDED: usize = 2_000;
/// Connections beyond which new callers are refused.
const FULL: usize = 20_000;
/// Handshakes from one source that has not proved its address; beyond, it is asked to.
const UNPROVED_PER_SECOND: NonZeroU32 = NonZeroU32::new(50).expect("not zero");
/// Handshakes from one address: an office behind one NAT comes online together.
const HANDSHAKES_PER_SECOND: NonZeroU32 = NonZeroU32::new(50).expect("not zero");
const HANDSHAKE_BURST: NonZeroU32 = NonZeroU32::new(1_000).expect("not zero");
/// Enrolments from one address, a day of letters being opened in one office.
const ENROLMENTS_PER_MINUTE: NonZeroU32 = NonZeroU32::new(60).expect("not zero");
const ENROLMENT_BURST: NonZeroU32 = NonZeroU32::new(200).expect("not zero");
/// Questions for the server's pins from one address: after a recovery an office asks together, once each.
const PIN_QUESTIONS_PER_SECOND: NonZeroU32 = NonZeroU32::new(20).expect("not zero");
const PIN_QUESTION_BURST: NonZeroU32 = NonZeroU32::new(1_000).expect("not zero");

/// The counters.
pub(super) struct Limits {
    unproved: DefaultKeyedRateLimiter<IpAddr>,
    handshakes: DefaultKeyedRateLimiter<IpAddr>,
    enrolments: DefaultKeyedRateLimiter<IpAddr>,
    pin_questions: DefaultKeyedRateLimiter<IpAddr>,
}

impl Default for Limits {
    fn default() -> Self {
        let unproved = Quota::per_second(UNPROVED_PER_SECOND);
        let handshakes = Quota::per_second(HANDSHAKES_PER_SECOND).allow_burst(HANDSHAKE_BURST);
        let enrolments = Quota::per_minute(ENROLMENTS_PER_MINUTE).allow_burst(ENROLMENT_BURST);
        let pins = Quota::per_second(PIN_QUESTIONS_PER_SECOND).allow_burst(PIN_QUESTION_BURST);
        Self {
            unproved: RateLimiter::keyed(unproved),
            handshakes: RateLimiter::keyed(handshakes),
            enrolments: RateLimiter::keyed(enrolments),
            pin_questions: RateLimiter::keyed(pins),
        }
    }
}

impl Limits {
    pub(super) fn is_crowded(&self, connections: usize) -> bool {
        connections >= CROWDED
    }

    pub(super) fn is_full(&self, connections: usize) -> bool {
        connections >= FULL
    }

    pub(super) fn admits_unproved(&self, source: IpAddr) -> bool {
        admits(&self.unproved, source)
    }

    pub(super) fn admits_handshake(&self, source: IpAddr) -> bool {
        admits(&self.handshakes, source)
    }

    pub(super) fn admits_enrolment(&self, source: IpAddr) -> bool {
        admits(&self.enrolments, source)
    }

    pub(super) fn admits_question_for_pins(&self, source: IpAddr) -> bool {
        admits(&self.pin_questions, source)
    }
}

fn admits(limiter: &DefaultKeyedRateLimiter<IpAddr>, source: IpAddr) -> bool {
    if limiter.len() > FULL {
        limiter.retain_recent();
    }
    limiter.check_key(&network(source)).is_ok()
}

fn network(source: IpAddr) -> IpAddr {
    match source {
        IpAddr::V4(_) => source,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
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
        let admitted = (0..20_000).filter(|_| limits.admits_question_for_pins(hostile)).count();
        assert!((1_000..10_000).contains(&admitted), "{admitted}");
        assert!(limits.admits_question_for_pins(IpAddr::from([192, 0, 2, 2])));
    }

    #[test]
    fn forged_packets_use_up_nothing_of_those_who_prove_their_address() {
        let limits = Limits::default();
        let office = IpAddr::from([192, 0, 2, 1]);
        let unproved = (0..2_000).filter(|_| limits.admits_unproved(office)).count();
        assert!(unproved < 200, "{unproved}");
        assert!(limits.admits_handshake(office));
    }

    #[test]
    fn all_addresses_of_an_ipv6_network_are_one_source() {
        let address = |last| IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, last]);
        assert_eq!(network(address(1)), network(address(2)));
        assert_ne!(network(address(1)), network(IpAddr::from([0x2001, 0xdb8, 0, 2, 0, 0, 0, 1])));
    }
}
