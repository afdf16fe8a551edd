//! Pool, seats, the waiting list, and how they stood day by day. A seat is held on the account; the pool counts them, so
//! that one record guards "assigned never exceeds size".

mod notice;

pub use notice::{Due, MAX_STEP_DAYS, Notice, NoticeReason, day_of};

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use shared::ids::AccountId;

use crate::change::{Changeset, Key, Record, Stored};

/// N seats.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// How many seats there are.
    pub size: u32,
    /// How many of them are held back for disaster support staff.
    pub reserved: u32,
    /// How many accounts hold one.
    pub assigned: u32,
    /// Of those, how many are temporary: they come out of the reserve first.
    #[serde(default)]
    pub temporary: u32,
}

impl Pool {
    /// Seats that can be given out now to staff.
    pub fn free(&self) -> u32 {
        self.size.saturating_sub(self.spoken_for())
    }

    /// Seats that can be given out now: to temporary accounts all that nobody holds, to others not the reserve.
    pub fn free_for(&self, temporary: bool) -> u32 {
        if temporary { self.size.saturating_sub(self.assigned) } else { self.free() }
    }

    /// Seats that are held, and what is left of the reserve.
    pub fn spoken_for(&self) -> u32 {
        let staff = self.assigned.saturating_sub(self.temporary);
        staff.saturating_add(self.reserved.max(self.temporary))
    }

    /// Counts a seat that is given out.
    pub fn give(&mut self, temporary: bool) {
        self.assigned += 1;
        self.temporary += u32::from(temporary);
    }

    /// Counts a seat that comes back.
    pub fn take(&mut self, temporary: bool) {
        self.assigned = self.assigned.saturating_sub(1);
        self.temporary = self.temporary.saturating_sub(u32::from(temporary));
    }
}

/// How many seats there are, as somebody says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolSize {
    /// All of them.
    pub size: u32,
    /// Of those, held back for temporary accounts; as before if absent.
    pub reserved: Option<u32>,
}

impl From<u32> for PoolSize {
    fn from(size: u32) -> Self {
        Self { size, reserved: None }
    }
}

/// A wish without a free seat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingEntry {
    /// Who waits.
    pub account: AccountId,
    /// Since when; with the place below, the order of the list.
    pub since: Timestamp,
    /// Place among those who began to wait at the same time: the row in the roster.
    pub place: u32,
}

/// How many [`DayOfUse`] are kept: three years of them. Counted, not dated: a clock that is wrong by years for an hour must not
/// delete what was written before.
pub const MAX_DAYS_OF_USE: usize = 3 * 366;

/// How the pool stood on one day: counts, nobody's name. A day on which no server ran has none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayOfUse {
    /// The calendar day in the organisation's zone.
    pub day: Date,
    /// Seats of the pool.
    pub size: u32,
    /// Of those, held back.
    pub reserved: u32,
    /// Of those, held by an account.
    pub assigned: u32,
    /// Accounts that waited for one.
    pub waiting: u32,
    /// Accounts that held one and had not signed in.
    pub never_signed_in: u32,
}

impl DayOfUse {
    /// The sample of a day.
    pub fn of(day: Date, pool: &Pool, waiting: usize, never_signed_in: usize) -> Self {
        let count = |many: usize| u32::try_from(many).unwrap_or(u32::MAX);
        Self {
            day,
            size: pool.size,
            reserved: pool.reserved,
            assigned: pool.assigned,
            waiting: count(waiting),
            never_signed_in: count(never_signed_in),
        }
    }
}

/// Stores the sample of a day, and deletes the oldest of those that are more than [`MAX_DAYS_OF_USE`] with it. `kept` are all
/// there are, the oldest first. Nothing if the day has its sample: a clock that goes back overwrites nothing.
pub fn sample(kept: &[Stored<DayOfUse>], today: DayOfUse) -> Changeset {
    let mut changes = Changeset::default();
    if kept.iter().any(|day| day.value.day == today.day) {
        return changes;
    }
    let surplus = (kept.len() + 1).saturating_sub(MAX_DAYS_OF_USE);
    for oldest in kept.iter().take(surplus) {
        changes.delete(oldest.version, Key::DayOfUse(oldest.value.day));
    }
    changes.insert(Record::DayOfUse(today));
    changes
}

/// How many days the server lived through after `day`: those of `days` that come after it. What gives people days to react
/// counts these, so that no time passes while the server is down or its clock is wrong.
pub fn lived_since(days: &[Date], day: Date) -> u32 {
    u32::try_from(days.iter().filter(|lived| **lived > day).count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan as _;
    use jiff::civil::date;

    use super::*;
    use crate::change::Version;

    fn on(day: Date) -> DayOfUse {
        DayOfUse::of(day, &Pool { size: 10, reserved: 1, assigned: 4, temporary: 0 }, 2, 3)
    }

    fn kept(days: impl IntoIterator<Item = Date>) -> Vec<Stored<DayOfUse>> {
        days.into_iter().map(|day| Stored { version: Version(1), value: on(day) }).collect()
    }

    #[test]
    fn temporary_seats_come_out_of_the_reserve_first() {
        let mut pool = Pool { size: 10, reserved: 3, assigned: 6, temporary: 0 };
        assert_eq!((pool.free_for(false), pool.free_for(true)), (1, 4));
        for _ in 0..3 {
            pool.give(true);
        }
        assert_eq!((pool.free_for(false), pool.free_for(true)), (1, 1), "staff lose nothing by it");
        pool.give(true);
        assert_eq!((pool.free_for(false), pool.free_for(true)), (0, 0));
        pool.take(false);
        assert_eq!((pool.free_for(false), pool.free_for(true)), (1, 1));
        for _ in 0..4 {
            pool.take(true);
        }
        assert_eq!((pool.free_for(false), pool.free_for(true)), (2, 5), "the reserve is kept again");
    }

    #[test]
    fn a_day_has_one_sample_whatever_the_clock_does() {
        let (yesterday, today) = (date(2027, 3, 31), date(2027, 4, 1));
        let changes = sample(&kept([yesterday]), on(today));
        assert_eq!(changes.writes.len(), 1);
        assert_eq!(
            changes.writes[0].expected,
            Version(0),
            "what another stored meanwhile is not overwritten"
        );
        assert!(changes.events.is_empty(), "nobody decided it");
        assert_eq!(sample(&kept([yesterday, today]), on(today)), Changeset::default());
        assert_eq!(sample(&kept([yesterday, today]), on(yesterday)), Changeset::default(), "it went back");
    }

    #[test]
    fn the_oldest_goes_when_there_are_three_years_of_them() {
        let first = date(2027, 4, 1);
        let days: Vec<Date> =
            (0..MAX_DAYS_OF_USE).map(|n| first.saturating_add(i32::try_from(n).unwrap().days())).collect();
        let next = days[MAX_DAYS_OF_USE - 1].tomorrow().unwrap();
        let changes = sample(&kept(days.iter().copied()), on(next));
        let written: Vec<_> =
            changes.writes.iter().map(|write| (&write.key, write.record.is_some())).collect();
        assert_eq!(written, [(&Key::DayOfUse(first), false), (&Key::DayOfUse(next), true)]);
        assert_eq!(sample(&kept(days[1..].iter().copied()), on(next)).writes.len(), 1);
        let far = date(2090, 1, 1);
        assert_eq!(
            sample(&kept(days.iter().copied()), on(far)).writes.len(),
            2,
            "a wrong clock costs one day"
        );
    }

    #[test]
    fn days_without_a_sample_are_not_lived() {
        let days = [date(2027, 4, 1), date(2027, 4, 2), date(2027, 4, 9)];
        assert_eq!(lived_since(&days, date(2027, 3, 31)), 3);
        assert_eq!(lived_since(&days, date(2027, 4, 2)), 1, "the day itself does not count");
        assert_eq!(lived_since(&days, date(2027, 4, 9)), 0);
        assert_eq!(lived_since(&[], date(2027, 4, 1)), 0);
    }
}
