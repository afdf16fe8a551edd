//! 休職・育休: days that make nobody's seat unused. An absence says nothing of devices: who is absent may work with them.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::account::Account;
use crate::approval::Acting;
use crate::audit::{AuditEvent, Happening, Subject};
use crate::change::{Changeset, Record, Stored};

/// How many absences an account keeps: the oldest that is over goes.
pub const MAX_ABSENCES: usize = 8;

/// Days away from work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Absence {
    /// The first day.
    pub from: Date,
    /// The last one, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Date>,
}

impl Absence {
    /// Whether it covers a day.
    pub fn covers(&self, day: Date) -> bool {
        self.from <= day && self.until.is_none_or(|last| day <= last)
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.covers(other.from) || other.covers(self.from)
    }
}

/// Why an absence is not noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AbsenceError {
    /// It ends before it begins.
    #[error("the last day is before the first: write them the other way round")]
    Backwards,
    /// Another one has some of its days.
    #[error("another absence, from {}, has some of these days: end or remove that one first", .0.from)]
    Overlaps(Absence),
    /// There are as many as are kept, and none is over.
    #[error("the account has 8 absences that are not over: remove one first")]
    TooMany,
    /// None begins on this day.
    #[error("no absence begins on {0}: look at the person for its first day")]
    NotThere(Date),
}

/// Notes an absence. One that begins on the same day gets the new end.
pub fn note(
    mut account: Stored<Account>,
    absence: Absence,
    today: Date,
    acting: Acting,
) -> Result<Changeset, AbsenceError> {
    if absence.until.is_some_and(|last| last < absence.from) {
        return Err(AbsenceError::Backwards);
    }
    let absences = &mut account.value.absences;
    absences.retain(|other| other.from != absence.from);
    if let Some(other) = absences.iter().find(|other| other.overlaps(&absence)) {
        return Err(AbsenceError::Overlaps(*other));
    }
    if absences.len() == MAX_ABSENCES {
        // They are in order.
        let over = absences.iter().position(|other| other.until.is_some_and(|last| last < today));
        absences.remove(over.ok_or(AbsenceError::TooMany)?);
    }
    absences.push(absence);
    absences.sort_unstable_by_key(|absence| absence.from);
    let event = event(&account.value, Happening::AbsenceNoted, absence.from, acting);
    let event = absence.until.into_iter().fold(event, |event, last| event.fact("until", last));
    Ok(changed(account, event))
}

/// Removes an absence that was noted by mistake: its days count again.
pub fn remove(mut account: Stored<Account>, from: Date, acting: Acting) -> Result<Changeset, AbsenceError> {
    let absences = &mut account.value.absences;
    let place = absences.iter().position(|absence| absence.from == from);
    absences.remove(place.ok_or(AbsenceError::NotThere(from))?);
    let event = event(&account.value, Happening::AbsenceRemoved, from, acting);
    Ok(changed(account, event))
}

fn event(account: &Account, what: Happening, from: Date, acting: Acting) -> AuditEvent {
    AuditEvent::new(acting.now, acting.actor, what, Subject::account(account.id)).fact("from", from)
}

fn changed(account: Stored<Account>, event: AuditEvent) -> Changeset {
    let mut changes = Changeset::default();
    changes.note(event);
    changes.update(account.version, Record::Account(account.value));
    changes
}

/// How many of the days after `first`, up to and with `last`, an absence covers.
pub(crate) fn days_absent(absences: &[Absence], first: Date, last: Date) -> u32 {
    let days = |absence: &Absence| {
        let from = absence.from.max(first.tomorrow().unwrap_or(Date::MAX));
        let until = absence.until.unwrap_or(last).min(last);
        let days = from.until(until).map_or(-1, |span| span.get_days());
        u32::try_from(days + 1).unwrap_or(0)
    };
    absences.iter().map(days).sum()
}

#[cfg(test)]
mod tests;
