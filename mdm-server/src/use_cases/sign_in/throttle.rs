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

const fn n(count: u32) -> NonZeroU32 {
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

/// Whole seconds, at least one.
fn seconds(wait: Duration) -> u64 {
    wait.as_secs() + 1
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
