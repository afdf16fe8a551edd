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
}

impl Backoff {
    /// Waits up to `first` after one failure, up to twice that after two, never over `longest`.
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, failures: 0 }
    }

    /// The ceiling of the next wait.
    fn ceiling(&self) -> Duration {
        self.first.saturating_mul(1 << self.failures.min(20)).min(self.longest)
    }

    /// How long to wait after one more failure: between half the ceiling and the ceiling.
    pub fn failed(&mut self, rng: &mut impl Rng) -> Duration {
        let ceiling = self.ceiling();
        self.failures = self.failures.saturating_add(1);
        ceiling.mul_f64(rng.gen_range(0.5..=1.0))
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
