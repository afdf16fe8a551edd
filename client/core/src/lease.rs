//! Leases: how long the vault may be opened without the server, and how that time is measured.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shared::cose::{self, PublicKey, VerifyError};
use shared::ids::EnrolmentId;
use shared::policy::LeaseMode;
use shared::signed::Lease;

use crate::clock::{BootTime, Moment};

/// Wrong PINs that end a lease: after that only the server's counted attempts are left.
pub const OFFLINE_TRIES: u8 = 5;

/// How often a durable lease that runs is stored again, and so the time that a phone which loses power may have run unseen.
const STORE_EVERY: Duration = Duration::from_secs(60);

/// A lease whose signature by the lease key, for this enrolment, was checked, and that grants something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedLease(Lease);

impl VerifiedLease {
    /// Checks a COSE_Sign1. `Ok(None)` if the lease is of no mode or length.
    pub fn verify(
        bytes: &[u8],
        enrolment: EnrolmentId,
        key: &PublicKey,
    ) -> Result<Option<Self>, VerifyError> {
        let lease: Lease = cose::verify(bytes, enrolment.as_bytes(), key)?;
        let grants = lease.mode != LeaseMode::None && lease.seconds > 0;
        Ok(grants.then_some(Self(lease)))
    }

    /// What was granted.
    pub fn lease(&self) -> &Lease {
        &self.0
    }

    /// Starts its time at the moment the server's answer arrived.
    pub fn start(&self, at: Moment) -> RunningLease {
        RunningLease {
            mode: self.0.mode,
            length: Duration::from_secs(self.0.seconds.into()),
            since: at,
            spent: Duration::ZERO,
            stored: at.boot,
            tries_left: OFFLINE_TRIES,
        }
    }
}

/// A lease and its clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningLease {
    mode: LeaseMode,
    length: Duration,
    /// When this run of the process took over.
    since: Moment,
    /// What had been used up by then.
    spent: Duration,
    /// When the driver was last told to store it.
    stored: BootTime,
    tries_left: u8,
}

impl RunningLease {
    /// Volatile or durable.
    pub fn mode(&self) -> LeaseMode {
        self.mode
    }

    /// When it ends, by the boot-time clock.
    pub fn ends(&self) -> BootTime {
        self.since.boot.after(self.length.saturating_sub(self.spent))
    }

    /// The same as a civil time, to be shown.
    pub fn ends_at(&self, moment: Moment) -> Timestamp {
        moment.now.saturating_add(moment.boot.until(self.ends())).unwrap_or(Timestamp::MAX)
    }

    /// Whether it still runs.
    pub fn runs(&self, boot: BootTime) -> bool {
        boot < self.ends() && self.tries_left > 0
    }

    /// Wrong PINs that it still bears.
    pub fn tries_left(&self) -> u8 {
        self.tries_left
    }

    /// Charges one try, before the PIN is tested.
    pub fn charge(&mut self) {
        self.tries_left = self.tries_left.saturating_sub(1);
    }

    /// Gives the tries back, after a right PIN.
    pub fn refund(&mut self) {
        self.tries_left = OFFLINE_TRIES;
    }

    /// Whether it is time to store a durable lease again. If it is, the next time is counted from here.
    pub fn store_is_due(&mut self, boot: BootTime) -> bool {
        let due = self.mode == LeaseMode::Durable && self.stored.until(boot) >= STORE_EVERY;
        if due {
            self.stored = boot;
        }
        due
    }

    /// What a durable lease has to keep on disk to go on after a restart; `boot_id` names this run of the boot-time
    /// clock. `None` for a volatile lease: it ends with the process. A lease without tries is stored as well, so that it does
    /// not come back with one.
    pub fn to_stored(&self, moment: Moment, boot_id: [u8; 16]) -> Option<StoredLease> {
        let run = self.since.boot.until(moment.boot);
        (self.mode == LeaseMode::Durable).then(|| StoredLease {
            length_millis: millis(self.length),
            boot_id,
            boot_millis: millis(moment.boot.since_start()),
            spent_millis: millis(self.spent.saturating_add(run)),
            seen_at: later(self.since.now, run).max(moment.now).as_millisecond(),
            tries_left: self.tries_left,
        })
    }
}

/// Civil time as the boot-time clock has moved it on: setting the civil clock back does not change it.
fn later(at: Timestamp, run: Duration) -> Timestamp {
    at.saturating_add(run).unwrap_or(Timestamp::MAX)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A durable lease between two runs of the app, as it stood when it was stored. Times in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredLease {
    length_millis: u64,
    #[serde(with = "serde_bytes")]
    boot_id: [u8; 16],
    boot_millis: u64,
    spent_millis: u64,
    seen_at: i64,
    tries_left: u8,
}

impl StoredLease {
    /// Goes on with the lease, unless it has ended.
    ///
    /// Within the same start of the device the boot-time clock tells how much more is used up. After a restart, or where the
    /// system does not name its starts (`boot_id` all zero), only civil time can: a clock that stands before the last moment
    /// seen was set back, and ends the lease. So that nobody runs on by restarts and a civil clock that stands, each restart
    /// counts as a minute at least; the driver stores the lease that goes on before it is of use.
    pub fn resume(&self, moment: Moment, boot_id: [u8; 16]) -> Option<RunningLease> {
        let stored_boot = BootTime::from_start(Duration::from_millis(self.boot_millis));
        let seen_at = Timestamp::from_millisecond(self.seen_at).ok()?;
        let same_start = boot_id == self.boot_id && boot_id != [0; 16];
        let (pause, counted) = if same_start && stored_boot <= moment.boot {
            let pause = stored_boot.until(moment.boot);
            (pause, pause)
        } else {
            let pause = Duration::try_from(moment.now.duration_since(seen_at)).ok()?;
            (pause, pause.max(STORE_EVERY))
        };
        let lease = RunningLease {
            mode: LeaseMode::Durable,
            length: Duration::from_millis(self.length_millis),
            since: Moment { now: later(seen_at, pause).max(moment.now), boot: moment.boot },
            spent: Duration::from_millis(self.spent_millis).saturating_add(counted),
            stored: moment.boot,
            tries_left: self.tries_left.min(OFFLINE_TRIES),
        };
        lease.runs(moment.boot).then_some(lease)
    }
}

#[cfg(test)]
mod tests;
