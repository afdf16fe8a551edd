//! How often somebody may try. Counted in memory by a clock that nobody sets; a restart forgets it.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock, Reference};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};
use shared::ids::OperatorId;

pub(crate) const fn n(count: u32) -> NonZeroU32 {
    NonZeroU32::new(count).expect("written in this file, and not 0")
}

/// From one source: an office of ten behind one address signs in at half past eight; a program does not get far.
const OF_SOURCE: Quota = Quota::per_minute(n(30));
/// For one name from one source: somebody who mistypes now and then. More than two sign-ins a minute cannot succeed
/// anyway, since a code has 30 seconds.
const OF_NAME_AND_SOURCE: Quota = Quota::per_minute(n(2)).allow_burst(n(10));
/// For one name from all sources it has not signed in from: from many machines at once a password is guessed at no more
/// than 14,400 times a day. Whoever uses this up keeps nobody out who signs in from their usual desk.
const OF_NAME: Quota = Quota::per_minute(n(10)).allow_burst(n(60));
/// Wrong codes beside a right password, and wrong second factors. At 3 of 10^6 codes that count, 480 a day find one in
/// two years.
const WRONG_CODES: u32 = 10;
/// After those, one try in so much time.
const CODE_EVERY: Duration = Duration::from_secs(180);
/// Keys counted before those that are fresh again are forgotten.
const KEYS: usize = 10_000;
/// Most pairs of source and name remembered as usual.
const USUAL: usize = 1_000;

/// Where somebody comes from: one address, of IPv6 a network of 64 bits.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from(u128::from(address) >> 64 << 64)),
        address => address,
    }
}

type Limiter<K, C> = RateLimiter<K, DefaultKeyedStateStore<K>, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// Attempts to sign in, successful ones included.
pub(super) struct Throttle<C: Clock = DefaultClock> {
    clock: C,
    sources: Limiter<IpAddr, C>,
    pairs: Limiter<(String, IpAddr), C>,
    names: Limiter<String, C>,
    /// Whence operators have signed in.
    usual: Mutex<HashSet<(String, IpAddr)>>,
}

impl Default for Throttle {
    fn default() -> Self {
        Self::new(DefaultClock::default())
    }
}

impl<C: Clock + Clone> Throttle<C> {
    pub(super) fn new(clock: C) -> Self {
        Self {
            sources: limiter(OF_SOURCE, &clock),
            pairs: limiter(OF_NAME_AND_SOURCE, &clock),
            names: limiter(OF_NAME, &clock),
            usual: Mutex::default(),
            clock,
        }
    }

    /// Counts an attempt, or says for how many seconds to wait. A text that can be no name counts for its source alone.
    pub(super) fn charge(&self, source: IpAddr, name: Option<&str>) -> Result<(), u64> {
        self.take(&self.sources, &source)?;
        let Some(name) = name else { return Ok(()) };
        let pair = (name.to_owned(), source);
        self.take(&self.pairs, &pair)?;
        if self.usual().contains(&pair) { Ok(()) } else { self.take(&self.names, &pair.0) }
    }

    /// Whether somebody has signed in by that name from there.
    pub(super) fn is_usual(&self, source: IpAddr, name: &str) -> bool {
        self.usual().contains(&(name.to_owned(), source))
    }

    /// Somebody has signed in by that name from there.
    pub(super) fn remember(&self, source: IpAddr, name: String) {
        let mut usual = self.usual();
        if usual.len() >= USUAL {
            usual.clear();
        }
        usual.insert((name, source));
    }

    fn usual(&self) -> std::sync::MutexGuard<'_, HashSet<(String, IpAddr)>> {
        self.usual.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take<K: Hash + Eq + Clone>(&self, limiter: &Limiter<K, C>, key: &K) -> Result<(), u64> {
        if limiter.len() > KEYS {
            limiter.retain_recent();
        }
        limiter.check_key(key).map_err(|until| seconds(until.wait_time_from(self.clock.now())))
    }
}

fn limiter<K: Hash + Eq + Clone, C: Clock + Clone>(quota: Quota, clock: &C) -> Limiter<K, C> {
    RateLimiter::new(quota, DefaultKeyedStateStore::default(), clock.clone())
}

/// Whole seconds, rounded up, so that whoever waits them does not come too early.
fn seconds(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}

/// Codes that an operator may get wrong. A try is charged before the code is looked at, so that tries at the same moment
/// count as well, and given back if the code was right; governor's limiters give nothing back, hence this one of the same
/// kind (GCRA: for each key the time at which all tries will have been given back).
pub(super) struct Tries<C: Clock = DefaultClock> {
    clock: C,
    all_back: Mutex<HashMap<OperatorId, C::Instant>>,
}

impl Default for Tries {
    fn default() -> Self {
        Self::new(DefaultClock::default())
    }
}

impl<C: Clock> Tries<C> {
    pub(super) fn new(clock: C) -> Self {
        Self { clock, all_back: Mutex::default() }
    }

    /// Counts a try, or says for how many seconds to wait. Only of operators that exist: the map is as long as their list.
    pub(super) fn charge(&self, operator: OperatorId) -> Result<(), u64> {
        let now = self.clock.now();
        let mut all_back = self.all_back.lock().unwrap_or_else(PoisonError::into_inner);
        let back = all_back.get(&operator).copied().unwrap_or(now).max(now);
        let latest = now + (CODE_EVERY * (WRONG_CODES - 1)).into();
        if back > latest {
            return Err(seconds(back.duration_since(latest).into()));
        }
        all_back.insert(operator, back + CODE_EVERY.into());
        Ok(())
    }

    /// Gives a try back.
    pub(super) fn refund(&self, operator: OperatorId) {
        let mut all_back = self.all_back.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(back) = all_back.get_mut(&operator) {
            *back = back.saturating_sub(CODE_EVERY.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;
    use jiff::Timestamp;
    use rand::SeedableRng;

    use super::*;

    fn source(number: u32) -> IpAddr {
        IpAddr::V4(number.into())
    }

    /// How many of `attempts` are let through.
    fn passes(attempts: u32, mut charge: impl FnMut(u32) -> Result<(), u64>) -> u32 {
        (0..attempts).map(|number| u32::from(charge(number).is_ok())).sum()
    }

    fn throttle() -> (Throttle<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        (Throttle::new(clock.clone()), clock)
    }

    #[test]
    fn a_source_tries_thirty_names_a_minute() {
        let (throttle, clock) = throttle();
        let charge = |number: u32| throttle.charge(source(1), Some(&number.to_string()));
        assert_eq!(passes(100, charge), 30);
        assert_eq!(throttle.charge(source(1), None), Err(2));
        assert_eq!(throttle.charge(source(2), None), Ok(()), "another source");
        clock.advance(Duration::from_secs(60));
        assert_eq!(passes(100, |number| charge(100 + number)), 30);
    }

    #[test]
    fn a_name_is_tried_ten_times_from_one_source_and_twice_a_minute_from_then_on() {
        let (throttle, clock) = throttle();
        let charge = |_| throttle.charge(source(1), Some("sato"));
        assert_eq!(passes(20, charge), 10);
        let seconds = throttle.charge(source(1), Some("sato")).unwrap_err();
        assert!((30..=31).contains(&seconds), "{seconds}");
        clock.advance(Duration::from_secs(120));
        assert_eq!(passes(20, charge), 4);
        assert_eq!(throttle.charge(source(1), Some("saito")), Ok(()), "another name");
    }

    #[test]
    fn many_sources_together_try_a_name_sixty_times_and_do_not_keep_its_owner_out() {
        let (throttle, clock) = throttle();
        throttle.remember(source(9_999), "sato".to_owned());
        let charge = |number| throttle.charge(source(number), Some("sato"));
        assert_eq!(passes(1_000, charge), 60);
        clock.advance(Duration::from_secs(60));
        assert_eq!(passes(1_000, |number| charge(2_000 + number)), 10);
        assert_eq!(charge(9_999), Ok(()), "from the usual desk");
        assert!(charge(5_000).is_err(), "control: from elsewhere");
    }

    #[test]
    fn tries_that_were_right_are_given_back_and_wrong_ones_with_time() {
        let clock = FakeRelativeClock::default();
        let tries = Tries::new(clock.clone());
        let mut rng = rand::rngs::StdRng::seed_from_u64(1);
        let [sato, other] = [0; 2].map(|_| OperatorId::make(Timestamp::UNIX_EPOCH, &mut rng));
        for _ in 0..100 {
            assert_eq!(tries.charge(sato), Ok(()));
            tries.refund(sato);
        }
        assert_eq!(passes(100, |_| tries.charge(sato)), WRONG_CODES);
        assert_eq!(tries.charge(other), Ok(()));
        let seconds = tries.charge(sato).unwrap_err();
        assert!((180..=181).contains(&seconds), "{seconds}");
        clock.advance(CODE_EVERY);
        assert_eq!(passes(100, |_| tries.charge(sato)), 1);
        clock.advance(CODE_EVERY * 100);
        assert_eq!(passes(100, |_| tries.charge(sato)), WRONG_CODES, "no more are saved up than there were");
    }

    #[test]
    fn a_network_is_one_source() {
        let one: IpAddr = "2001:db8:1:2:3:4:5:6".parse().unwrap();
        assert_eq!(network(one), "2001:db8:1:2::".parse::<IpAddr>().unwrap());
        assert_eq!(network("::ffff:192.0.2.1".parse().unwrap()), "192.0.2.1".parse::<IpAddr>().unwrap());
    }
}
