//! Where the clocks of [`client_core::Moment`] are read.

use std::time::Duration;

use client_core::{BootTime, Moment};
use jiff::Timestamp;
use rustix::time::{ClockId, clock_gettime};

/// Both clocks now.
pub fn moment() -> Moment {
    let boot = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(boot.tv_sec).unwrap_or(0);
    let nanos = u32::try_from(boot.tv_nsec).unwrap_or(0);
    Moment { now: Timestamp::now(), boot: BootTime::from_start(Duration::new(seconds, nanos)) }
}

/// Names this run of the boot-time clock. Zero where the system gives none: no run is then taken for another, since a
/// stored zero is compared with the clock as well.
pub fn boot_id() -> [u8; 16] {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let digits: Vec<u8> =
        text.chars().filter_map(|c| c.to_digit(16)).filter_map(|d| u8::try_from(d).ok()).collect();
    let mut id = [0; 16];
    for (byte, pair) in id.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = pair[0] << 4 | pair[1];
    }
    id
}
