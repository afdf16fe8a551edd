//! The idle lock: for how long nobody has touched the app.

use std::cell::Cell;
use std::time::Duration;

use client_core::BootTime;
use slint::{Timer, TimerMode};

/// Counts from the last key or touch. The toolkit's timer stands still while the device sleeps; the boot-time clock does not.
pub(super) struct Idle {
    limit: Duration,
    since: Cell<BootTime>,
    timer: Timer,
}

impl Idle {
    pub(super) fn new(limit: Duration) -> Self {
        Self { limit, since: Cell::new(BootTime::from_start(Duration::ZERO)), timer: Timer::default() }
    }

    /// A key or a touch at `at`: counts from there, and calls `over` once the limit is reached.
    pub(super) fn start(&self, at: BootTime, over: impl FnMut() + 'static) {
        self.since.set(at);
        self.timer.start(TimerMode::SingleShot, self.limit, over);
    }

    pub(super) fn stop(&self) {
        self.timer.stop();
    }

    /// Whether the limit is reached at `at`, asleep or awake.
    pub(super) fn is_over(&self, at: BootTime) -> bool {
        self.since.get().until(at) >= self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleep_counts_as_idleness() {
        let idle = Idle::new(Duration::from_secs(300));
        let touched = BootTime::from_start(Duration::from_secs(5000));
        idle.since.set(touched);
        assert!(!idle.is_over(touched.after(Duration::from_secs(299))));
        // The timer, which was never started here, has not called anybody.
        assert!(idle.is_over(touched.after(Duration::from_secs(300))));
        assert!(idle.is_over(touched.after(Duration::from_secs(8 * 3600))));
    }
}
