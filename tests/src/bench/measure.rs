//! Times of requests, taken in turns so that whatever else the machine does hits both sides.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::connection::Answer;

/// Times of one page's requests.
#[derive(Debug, Default)]
pub(super) struct Times(Vec<Duration>);

impl Times {
    pub(super) fn add(&mut self, time: Duration) {
        self.0.push(time);
    }

    /// The shortest time that so many of a hundred requests did not exceed (nearest rank); zero without requests.
    pub(super) fn percentile(&self, percent: u8) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * usize::from(percent)).div_ceil(100);
        sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }
}

/// Asks both in turns, `requests` times each, after some that do not count.
pub(super) fn interleaved(
    requests: usize,
    warm_up: usize,
    ours: &mut dyn FnMut() -> Result<Answer>,
    theirs: &mut dyn FnMut() -> Result<Answer>,
) -> Result<(Times, Times)> {
    let mut times = (Times::default(), Times::default());
    for number in 0..warm_up + requests {
        let (our, their) = (ours()?, theirs()?);
        ensure!(their.status == 200, "the peer answers {}", their.status);
        if number >= warm_up {
            times.0.add(our.time);
            times.1.add(their.time);
        }
    }
    Ok(times)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_time_that_was_measured() {
        let mut times = Times::default();
        assert_eq!(times.percentile(95), Duration::ZERO);
        for millis in (1..=20).rev() {
            times.add(Duration::from_millis(millis));
        }
        assert_eq!(times.percentile(50), Duration::from_millis(10));
        assert_eq!(times.percentile(95), Duration::from_millis(19));
        assert_eq!(times.percentile(100), Duration::from_millis(20));
    }
}
