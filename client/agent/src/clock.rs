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

/// Names this run of the boot-time clock: a UUID that Linux makes at each start (`/proc/sys/kernel/random/boot_id`). All zero
/// where the system gives none, which is the same run as no other (`StoredLease::resume`).
pub fn boot_id() -> [u8; 16] {
    parse_boot_id(&std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default())
}

fn parse_boot_id(text: &str) -> [u8; 16] {
    let digits = text.trim_end().replace('-', "");
    let id = data_encoding::HEXLOWER.decode(digits.as_bytes()).ok();
    id.and_then(|id| id.try_into().ok()).unwrap_or([0; 16])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boot_id_is_a_whole_uuid_or_none() {
        let id = parse_boot_id("00112233-4455-6677-8899-aabbccddeeff\n");
        assert_eq!(id[..3], [0x00, 0x11, 0x22]);
        assert_eq!(id[15], 0xff);
        for text in ["", "\n", "00112233", "00112233-4455-6677-8899-aabbccddeefg", "restricted"] {
            assert_eq!(parse_boot_id(text), [0; 16], "{text:?}");
        }
        assert_ne!(boot_id(), [0; 16], "this system gives one");
    }
}
