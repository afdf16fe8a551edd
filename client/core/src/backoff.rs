//! How long to wait before the next try to connect: exponential, with full jitter, so that thousands of phones do not
//! return in step after an outage.

use std::time::Duration;

use rand::Rng;

/// The waiting times of one series of failures.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
    /// The last wait was left out because the server had asked for it.
    hurried: bool,
}

impl Backoff {
    /// Waits up to `first` after one failure, up to twice that after two, never over `longest`.
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, failures: 0, hurried: false }
    }

    /// The ceiling of the next wait.
    fn ceiling(&self, longest: Duration) -> Duration {
        self.first.saturating_mul(1 << self.failures.min(20)).min(longest)
    }

    /// How long to wait after one more failure: between half the ceiling and the ceiling.
    pub fn failed(&mut self, rng: &mut impl Rng) -> Duration {
        self.failed_within(self.longest, rng)
    }

    /// The same after a failure that waiting does not cure soon: the waits go on growing up to `longest`.
    pub fn failed_within(&mut self, longest: Duration, rng: &mut impl Rng) -> Duration {
        let ceiling = self.ceiling(longest);
        self.failures = self.failures.saturating_add(1);
        self.hurried = false;
        ceiling.mul_f64(rng.gen_range(0.5..=1.0))
    }

    /// How long to wait after the server has hung up and asked to be called again: not at all, and no failure is counted; but
    /// the second time in a row it is one, so that no server keeps a phone busy.
    pub fn called_back(&mut self, rng: &mut impl Rng) -> Duration {
        if self.hurried {
            return self.failed(rng);
        }
        self.hurried = true;
        Duration::ZERO
    }

    /// The next failure is the first of a new series.
    pub fn succeeded(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::SeedableRng;

    #[test]
    fn a_server_is_called_back_at_once_but_not_twice_in_a_row() {
        let mut rng = rand::rngs::StdRng::seed_from_u64(1);
        let (first, longest) = (Duration::from_secs(1), Duration::from_secs(30));
        let mut backoff = Backoff::new(first, longest);
        backoff.failed(&mut rng);
        for _ in 0..3 {
            assert_eq!(backoff.called_back(&mut rng), Duration::ZERO);
            backoff.succeeded();
            assert!(backoff.called_back(&mut rng) >= first / 2);
        }
        assert_eq!(backoff.called_back(&mut rng), Duration::ZERO);
        assert!(backoff.failed(&mut rng) >= first, "the second failure, not the third");
    }

    #[test]
    fn what_waiting_does_not_cure_is_asked_more_and_more_rarely_and_other_failures_are_not_held_up_by_it() {
        let mut rng = rand::rngs::StdRng::seed_from_u64(1);
        let (longest, rare) = (Duration::from_secs(15), Duration::from_secs(900));
        let mut backoff = Backoff::new(Duration::from_millis(250), longest);
        let hours = Duration::from_secs(24 * 3600);
        let (mut waited, mut asked) = (Duration::ZERO, 0);
        while waited < hours {
            waited += backoff.failed_within(rare, &mut rng);
            asked += 1;
        }
        assert!((100..250).contains(&asked), "{asked} times in a day");
        assert!(backoff.failed(&mut rng) <= longest, "a network that failed is tried again soon");
    }

    proptest! {
        #[test]
        fn waits_grow_to_the_longest_and_start_again(seed: u64, failures in 1_u32..200) {
            let mut rng = rand::rngs::StdRng::seed_from_u64(seed);
            let (first, longest) = (Duration::from_millis(250), Duration::from_secs(30));
            let mut backoff = Backoff::new(first, longest);
            let mut ceiling = first;
            for _ in 0..failures {
                let wait = backoff.failed(&mut rng);
                prop_assert!(wait <= ceiling && wait * 2 >= ceiling);
                ceiling = (ceiling * 2).min(longest);
            }
            backoff.succeeded();
            prop_assert!(backoff.failed(&mut rng) <= first);
        }
    }
}
