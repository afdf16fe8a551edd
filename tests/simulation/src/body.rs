//! The body of a phone: whether it has power and coverage, and what its two clocks say.

use std::cell::Cell;
use std::time::Duration;

use client_core::{BootTime, Moment};
use jiff::{SignedDuration, Timestamp};

/// When the histories begin: the first of April in Japan.
const BEGIN: i64 = 1_806_505_200;

/// True civil time, which the server's clock shows.
pub(crate) fn civil(now: Duration) -> Timestamp {
    let begin = Timestamp::from_second(BEGIN).unwrap_or(Timestamp::UNIX_EPOCH);
    begin
        .saturating_add(SignedDuration::try_from(now).unwrap_or(SignedDuration::MAX))
        .unwrap_or(Timestamp::MAX)
}

/// What is not the phone's software.
pub(crate) struct Body {
    /// Goes at a power cut, in the midst of a write.
    pub(crate) powered: Cell<bool>,
    /// Whether radio reaches anything.
    pub(crate) coverage: Cell<bool>,
    /// Asleep: its boot-time clock goes on, its tasks do not.
    pub(crate) asleep: Cell<bool>,
    /// When it was started last.
    booted: Cell<Duration>,
    boot_id: Cell<[u8; 16]>,
    /// How far its civil clock is off, in milliseconds.
    off_by: Cell<i64>,
    /// Somebody has set the civil clock while a lease lay on the disk.
    pub(crate) clock_was_set: Cell<bool>,
}

impl Body {
    pub(crate) fn new() -> Self {
        Self {
            powered: Cell::new(true),
            coverage: Cell::new(true),
            asleep: Cell::new(false),
            booted: Cell::new(Duration::ZERO),
            boot_id: Cell::new([1; 16]),
            off_by: Cell::new(0),
            clock_was_set: Cell::new(false),
        }
    }

    /// Whether a frame can reach it or leave it.
    pub(crate) fn is_reachable(&self) -> bool {
        self.powered.get() && self.coverage.get() && !self.asleep.get()
    }

    /// The boot-time clock begins again.
    pub(crate) fn boot(&self, now: Duration, boot_id: [u8; 16]) {
        self.powered.set(true);
        self.asleep.set(false);
        self.booted.set(now);
        self.boot_id.set(boot_id);
    }

    pub(crate) fn boot_id(&self) -> [u8; 16] {
        self.boot_id.get()
    }

    /// Both clocks.
    pub(crate) fn moment(&self, now: Duration) -> Moment {
        let off = SignedDuration::from_millis(self.off_by.get());
        Moment {
            now: civil(now).saturating_add(off).unwrap_or(Timestamp::MAX),
            boot: BootTime::from_start(now.saturating_sub(self.booted.get())),
        }
    }

    /// Sets the civil clock.
    pub(crate) fn set_clock(&self, off_by: i64) {
        self.off_by.set(off_by);
        self.clock_was_set.set(true);
    }
}
