//! The two clocks that rules are written against; where they are read is the shell's business.

use std::time::Duration;

use jiff::Timestamp;

/// Time since the device started, sleep included (`CLOCK_BOOTTIME`). Nobody can set it back without a restart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct BootTime(Duration);

impl BootTime {
    /// The clock's reading.
    pub fn from_start(since_start: Duration) -> Self {
        Self(since_start)
    }

    /// The reading as a duration since the device started.
    pub fn since_start(self) -> Duration {
        self.0
    }

    /// A later reading.
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }

    /// How long from `self` to `later`; zero if that is past.
    pub fn until(self, later: Self) -> Duration {
        later.0.saturating_sub(self.0)
    }
}

/// Both clocks, read together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Civil time by the device's own clock. Anyone can set it: shown and recorded, never what a rule depends on while
    /// the boot-time clock can tell.
    pub now: Timestamp,
    /// The boot-time clock.
    pub boot: BootTime,
}
