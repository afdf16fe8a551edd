//! What is set aside because it failed by itself: it holds up nothing behind it, and is tried again after a pause that grows.

use std::time::Duration;

use crate::clock::BootTime;

/// The first pause where asking again costs little.
pub(crate) const SOON: Duration = Duration::from_secs(5);
/// The first pause where all of it came and was of no use: it will most likely come as wrong, over a link that may cost money.
pub(crate) const LATER: Duration = Duration::from_secs(10 * 60);
/// How often the pause doubles: up to 21 minutes, or two days.
const DOUBLINGS: u32 = 8;

/// How often something has failed, and until when it is set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Aside {
    times: u32,
    until: BootTime,
}

impl Aside {
    /// It has failed, for the first time or after it had been set aside before.
    pub(crate) fn again(before: Option<Self>, first: Duration, now: BootTime) -> Self {
        let times = before.map_or(0, |before| (before.times + 1).min(DOUBLINGS));
        Self { times, until: now.after(first.saturating_mul(1 << times)) }
    }

    /// Whether it is not its turn yet.
    pub(crate) fn waits(self, now: BootTime) -> bool {
        now < self.until
    }

    /// When it is tried again.
    pub(crate) fn until(self) -> BootTime {
        self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_doubles_the_pause_and_it_does_not_grow_for_ever() {
        let mut now = BootTime::default();
        let mut aside = None;
        let mut pauses = Vec::new();
        for _ in 0..40 {
            let next = Aside::again(aside, SOON, now);
            assert!(next.waits(now) && !next.waits(next.until()));
            pauses.push(now.until(next.until()).as_secs());
            (aside, now) = (Some(next), next.until());
        }
        assert_eq!(pauses[..4], [5, 10, 20, 40]);
        assert!(pauses[10..].iter().all(|pause| *pause == 5 * 256));
    }
}
