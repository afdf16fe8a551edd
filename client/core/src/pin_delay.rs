//! The growing wait after wrong PINs, which keeps whoever has the phone in hand from trying many. The wall is the server's count of
//! attempts and, without the server, the lease's tries; this only makes guessing slow.
//!
//! A try is counted before the PIN is tested and taken back if it was not tested or was right, so that killing the app in between
//! is no way round. The wait runs on the boot-time clock. A restart of the device begins it anew: nobody waits less by one.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::{BootTime, Moment};

#[cfg(test)]
mod tests;

/// The wrong PIN after which the first wait comes.
const FIRST_WAIT_AFTER: u8 = 3;
/// The longest wait, unless the policy's first is longer.
const LONGEST: Duration = Duration::from_secs(30 * 60);

/// Wrong PINs in a row, and until when the next has to wait.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PinDelay {
    wrong: u8,
    wait: Option<Wait>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wait {
    since: BootTime,
    length: Duration,
}

impl PinDelay {
    /// Wrong PINs in a row, one that is being tested among them.
    pub fn wrong(self) -> u8 {
        self.wrong
    }

    /// How long the next try has to wait.
    pub fn left(self, boot: BootTime) -> Option<Duration> {
        let Wait { since, length } = self.wait?;
        Some(boot.until(since.after(length))).filter(|left| !left.is_zero())
    }

    /// With one more wrong PIN. `first` is the first wait, which doubles with each further one; none if it is zero.
    pub(crate) fn charged(self, boot: BootTime, first: Duration) -> Self {
        if first.is_zero() {
            return self;
        }
        let wrong = self.wrong.saturating_add(1);
        let doublings = wrong.checked_sub(FIRST_WAIT_AFTER);
        let length = |doublings: u8| {
            let grown = first.saturating_mul(1_u32.checked_shl(doublings.into()).unwrap_or(u32::MAX));
            grown.min(LONGEST.max(first))
        };
        Self { wrong, wait: doublings.map(|doublings| Wait { since: boot, length: length(doublings) }) }
    }

    /// What has to be kept on disk; `boot_id` names this run of the boot-time clock. `None` if no PIN was wrong.
    pub fn to_stored(self, boot_id: [u8; 16]) -> Option<StoredPinDelay> {
        let wait = self.wait.map(|wait| (millis(wait.since.since_start()), millis(wait.length)));
        let (since_millis, wait_millis) = wait.unwrap_or_default();
        (self.wrong > 0).then_some(StoredPinDelay { wrong: self.wrong, boot_id, since_millis, wait_millis })
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The same between two runs of the app. Times in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredPinDelay {
    wrong: u8,
    #[serde(with = "serde_bytes")]
    boot_id: [u8; 16],
    since_millis: u64,
    wait_millis: u64,
}

impl StoredPinDelay {
    /// Goes on. After a restart of the device, or where the system does not name its starts (`boot_id` all zero), the whole wait
    /// begins anew: how much of it has passed nothing tells that cannot be set.
    pub fn resume(&self, moment: Moment, boot_id: [u8; 16]) -> PinDelay {
        let stored = BootTime::from_start(Duration::from_millis(self.since_millis));
        let same_start = boot_id == self.boot_id && boot_id != [0; 16] && stored <= moment.boot;
        let since = if same_start { stored } else { moment.boot };
        let length = Duration::from_millis(self.wait_millis);
        let wait = Some(Wait { since, length }).filter(|wait| !wait.length.is_zero());
        PinDelay { wrong: self.wrong, wait }
    }
}
