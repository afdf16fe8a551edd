//! Rounds: everybody does the same slice of work in turn, another one first in each round.

use std::time::{Duration, Instant};

use anyhow::Result;
use rustix::time::{ClockId, clock_gettime};

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clock {
    /// All the time that passes, waiting for the disk included.
    Wall,
    /// The time that the calling thread is on the processor: for what waits for nothing, so that other programs on the
    /// machine do not count.
    Processor,
}

impl Clock {
    fn time<T>(self, work: impl FnOnce() -> T) -> (T, Duration) {
        let now = || {
            let time = clock_gettime(ClockId::ThreadCPUTime);
            Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
        };
        let (wall, processor) = (Instant::now(), now());
        let result = work();
        let time = match self {
            Self::Wall => wall.elapsed(),
            Self::Processor => now().saturating_sub(processor),
        };
        (result, time)
    }
}

/// What one contestant does in one round, and how often that was.
pub(crate) type Slice<'a> = Box<dyn FnMut(usize) -> Result<u32> + 'a>;

/// The median time of one operation for each contestant, over `rounds` rounds and a first one that does not count.
pub(crate) fn interleaved(clock: Clock, rounds: usize, slices: &mut [Slice<'_>]) -> Result<Vec<Duration>> {
    let count = slices.len();
    let mut times = vec![Vec::with_capacity(rounds); count];
    for round in 0..=rounds {
        for turn in 0..count {
            let who = (round + turn) % count;
            let (operations, time) = clock.time(|| slices[who](round));
            let time = time / operations?.max(1);
            if round > 0 {
                times[who].push(time);
            }
        }
    }
    Ok(times.iter_mut().map(|times| median(times)).collect())
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
