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
            started: at,
            spent: Duration::ZERO,
            tries_left: OFFLINE_TRIES,
        }
    }
}

/// A lease and its clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningLease {
    mode: LeaseMode,
    length: Duration,
    /// When this run of the boot-time clock took over.
    started: Moment,
    /// What earlier runs of the boot-time clock had used up by then.
    spent: Duration,
    tries_left: u8,
}

impl RunningLease {
    /// Volatile or durable.
    pub fn mode(&self) -> LeaseMode {
        self.mode
    }

    /// When it ends, by the boot-time clock.
    pub fn ends(&self) -> BootTime {
        self.started.boot.after(self.length.saturating_sub(self.spent))
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

    /// What a durable lease has to keep on disk to go on after a restart; `boot_id` names this run of the boot-time
    /// clock. `None` for a volatile lease: it ends with the process.
    pub fn to_stored(&self, moment: Moment, boot_id: [u8; 16]) -> Option<StoredLease> {
        (self.mode == LeaseMode::Durable).then(|| StoredLease {
            length_millis: millis(self.length),
            boot_id,
            started_boot_millis: millis(self.started.boot.since_start()),
            started_at: self.started.now.as_millisecond(),
            spent_millis: millis(self.spent),
            seen_at: moment.now.as_millisecond(),
            tries_left: self.tries_left,
        })
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A durable lease between two runs of the app. Times in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredLease {
    length_millis: u64,
    #[serde(with = "serde_bytes")]
    boot_id: [u8; 16],
    started_boot_millis: u64,
    started_at: i64,
    spent_millis: u64,
    seen_at: i64,
    tries_left: u8,
}

impl StoredLease {
    /// Goes on with the lease, unless it has ended.
    ///
    /// Within the same start of the device the boot-time clock tells how much is used up. After a restart only civil time
    /// can: a clock that stands before the last moment seen was set back, and ends the lease.
    pub fn resume(&self, moment: Moment, boot_id: [u8; 16]) -> Option<RunningLease> {
        let spent_before = Duration::from_millis(self.spent_millis);
        let started_boot = BootTime::from_start(Duration::from_millis(self.started_boot_millis));
        let spent = if boot_id == self.boot_id && started_boot <= moment.boot {
            spent_before.saturating_add(started_boot.until(moment.boot))
        } else {
            let now = moment.now.as_millisecond();
            if now < self.seen_at || now < self.started_at {
                return None;
            }
            spent_before.saturating_add(Duration::from_millis(now.abs_diff(self.started_at)))
        };
        let lease = RunningLease {
            mode: LeaseMode::Durable,
            length: Duration::from_millis(self.length_millis),
            started: moment,
            spent,
            tries_left: self.tries_left.min(OFFLINE_TRIES),
        };
        lease.runs(moment.boot).then_some(lease)
    }
}

#[cfg(test)]
mod tests;
