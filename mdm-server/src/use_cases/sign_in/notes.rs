//! Failed sign-ins in the journal: so many lines a minute and no more, whatever somebody sends; the others as a number.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use governor::clock::{Clock, DefaultClock};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};
use mdm_core::audit::AuditEvent;
use mdm_core::change::Changeset;
use mdm_core::operator::sign_in::{Failure, failed_unlisted};

use crate::service::Service;

/// Lines a minute of each kind of failure: guesses at names do not crowd out the wrong code beside a right password.
const LINES: NonZeroU32 = NonZeroU32::new(5).expect("5 is not 0");

/// What a line is about: a failure, or the number of those that got none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Line {
    Failed(Failure),
    Unlisted,
}

/// Which failures get a line.
pub(super) struct Notes<C: Clock = DefaultClock> {
    lines: RateLimiter<Line, DefaultKeyedStateStore<Line>, C, NoOpMiddleware<C::Instant>>,
    unlisted: Arc<AtomicU64>,
}

impl Default for Notes {
    fn default() -> Self {
        Self::new(DefaultClock::default())
    }
}

impl<C: Clock> Notes<C> {
    pub(super) fn new(clock: C) -> Self {
        let lines = RateLimiter::new(Quota::per_minute(LINES), DefaultKeyedStateStore::default(), clock);
        Self { lines, unlisted: Arc::default() }
    }

    /// Whether this one gets a line; else it is counted.
    pub(super) fn has_room(&self, failure: Failure) -> bool {
        let room = self.lines.check_key(&Line::Failed(failure)).is_ok();
        if !room {
            self.unlisted.fetch_add(1, Ordering::Relaxed);
        }
        room
    }

    /// How many were counted since this was asked with success, if that may be said now.
    pub(super) fn take_unlisted(&self) -> Option<u64> {
        if self.unlisted.load(Ordering::Relaxed) == 0 || self.lines.check_key(&Line::Unlisted).is_err() {
            return None;
        }
        Some(self.unlisted.swap(0, Ordering::Relaxed)).filter(|count| *count > 0)
    }
}

impl Notes {
    /// Notes a failure, or counts it. Behind the answer: that some get no line would else show in the time it takes, and
    /// with it what was wrong.
    pub(super) fn note(&self, service: &Service, failure: Failure, event: AuditEvent) {
        if self.has_room(failure) {
            self.commit(service, event, 1);
        }
    }

    /// Notes how many were only counted.
    pub(super) fn note_unlisted(&self, service: &Service) {
        if let Some(count) = self.take_unlisted() {
            self.commit(service, failed_unlisted(count, service.clock.now()), count);
        }
    }

    fn commit(&self, service: &Service, event: AuditEvent, failures: u64) {
        let mut changes = Changeset::default();
        changes.note(event);
        let unlisted = self.unlisted.clone();
        service.commit_behind(changes, move |error| {
            unlisted.fetch_add(failures, Ordering::Relaxed);
            tracing::error!(%error, "failed sign-ins could not be noted in the audit journal yet");
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use governor::clock::FakeRelativeClock;

    use super::*;

    #[test]
    fn each_kind_of_failure_has_its_lines_and_the_rest_is_counted() {
        let clock = FakeRelativeClock::default();
        let notes = Notes::new(clock.clone());
        let lines = |failure, attempts| (0..attempts).filter(|_| notes.has_room(failure)).count();
        assert_eq!(lines(Failure::Name, 1_000), 5);
        assert_eq!(lines(Failure::Code, 5), 5, "not crowded out");
        assert_eq!(notes.take_unlisted(), Some(995));
        assert_eq!(notes.take_unlisted(), None);
        clock.advance(Duration::from_secs(60));
        assert_eq!(lines(Failure::Name, 1_000), 5);
        for _ in 0..20 {
            notes.has_room(Failure::Name);
            notes.take_unlisted();
        }
        assert_eq!(notes.take_unlisted(), None, "lines with the number are bounded as well");
        clock.advance(Duration::from_secs(60));
        assert!(notes.take_unlisted().is_some());
    }
}
