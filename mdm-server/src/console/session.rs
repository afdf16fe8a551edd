//! Who is signed in: sessions in memory. Not here: what they may do ([`super::viewer`]) and how they sign in
//! ([`super::sign_in`]).
//!
//! A restart signs everybody out, and nothing of a session is on a disk that could be copied. The cookie holds 256 random
//! bits of which only the hash is kept here.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use data_encoding::BASE64URL_NOPAD;
use jiff::{SignedDuration, Timestamp};
use rand::rngs::OsRng;
use shared::crypto::Secret;
use shared::crypto::hazmat::sha256;
use shared::ids::OperatorId;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use super::notice::Notice;

/// Without a request for so long, a session is over.
pub(super) const IDLE: SignedDuration = SignedDuration::from_mins(30);
/// Whatever is done in it, a session is over after a working day.
pub(super) const LONGEST: SignedDuration = SignedDuration::from_hours(10);
/// How long a confirmed second factor counts as fresh.
pub(super) const FRESH: SignedDuration = SignedDuration::from_mins(5);
/// A clock that is kept right goes back by less.
const CORRECTION: SignedDuration = SignedDuration::from_mins(1);
/// Sessions at once, in all and of one operator: the oldest ends when there are more.
const SESSIONS: usize = 1_000;
const SESSIONS_OF_ONE: usize = 5;
/// Live pages that one session may have open.
const STREAMS: usize = 12;

/// What finds a session: the hash of the cookie's value.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct SessionKey([u8; 32]);

impl SessionKey {
    /// Of a cookie's value.
    pub(super) fn of(cookie: &str) -> Self {
        Self(sha256(&[cookie.as_bytes()]))
    }
}

/// One signed-in browser.
#[derive(Clone)]
pub(super) struct Session {
    /// Who.
    pub(super) operator: OperatorId,
    /// Their [`session_epoch`](mdm_core::operator::Operator::session_epoch) when it began: it ends when that moves on.
    pub(super) epoch: u32,
    /// What each form of this session carries.
    pub(super) csrf: String,
    /// When the second factor was last confirmed.
    pub(super) confirmed_at: Timestamp,
    /// Places for streams of ticks.
    pub(super) streams: Arc<Semaphore>,
    signed_in_at: Timestamp,
    last_seen: Timestamp,
    notice: Option<Notice>,
}

impl Session {
    fn is_over(&self, now: Timestamp) -> bool {
        !within(self.last_seen, IDLE, now) || !within(self.signed_in_at, LONGEST, now)
    }

    /// Whether the second factor was confirmed just now.
    pub(super) fn is_fresh(&self, now: Timestamp) -> bool {
        within(self.confirmed_at, FRESH, now)
    }
}

/// Whether `at` is less than `longest` ago. A time that is yet to come by more than a correction of the clock is not: a
/// clock that was set back prolongs nothing.
fn within(at: Timestamp, longest: SignedDuration, now: Timestamp) -> bool {
    (-CORRECTION..longest).contains(&now.duration_since(at))
}

/// All sessions.
#[derive(Default)]
pub(super) struct Sessions(Mutex<HashMap<SessionKey, Session>>);

impl Sessions {
    fn all(&self) -> MutexGuard<'_, HashMap<SessionKey, Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a session of an operator who has just shown password and code. Gives the cookie's value.
    pub(super) fn begin(&self, operator: OperatorId, epoch: u32, now: Timestamp) -> Zeroizing<String> {
        let cookie = random_text();
        let session = Session {
            operator,
            epoch,
            csrf: random_text().to_string(),
            confirmed_at: now,
            streams: Arc::new(Semaphore::new(STREAMS)),
            signed_in_at: now,
            last_seen: now,
            notice: None,
        };
        let mut all = self.all();
        all.retain(|_, session| !session.is_over(now));
        while all.values().filter(|session| session.operator == operator).count() >= SESSIONS_OF_ONE {
            end_oldest(&mut all, |session| session.operator == operator);
        }
        while all.len() >= SESSIONS {
            end_oldest(&mut all, |_| true);
        }
        all.insert(SessionKey::of(&cookie), session);
        cookie
    }

    /// The session that is meant, unless it is over. `by_hand`: a person asked, which keeps it alive; a page that refreshes
    /// itself does not.
    pub(super) fn find(&self, key: SessionKey, by_hand: bool, now: Timestamp) -> Option<Session> {
        let mut all = self.all();
        let session = all.get_mut(&key)?;
        if session.is_over(now) {
            all.remove(&key);
            return None;
        }
        if by_hand {
            session.last_seen = now;
        }
        Some(session.clone())
    }

    /// Notes that the second factor was confirmed.
    pub(super) fn confirm(&self, key: SessionKey, now: Timestamp) {
        if let Some(session) = self.all().get_mut(&key) {
            session.confirmed_at = now;
        }
    }

    /// Leaves a notice for the next page.
    pub(super) fn notify(&self, key: SessionKey, notice: Notice) {
        if let Some(session) = self.all().get_mut(&key) {
            session.notice = Some(notice);
        }
    }

    /// Takes the notice that was left, if it belongs at `place`.
    pub(super) fn take_notice(&self, key: SessionKey, place: &str) -> Option<Notice> {
        self.all().get_mut(&key)?.notice.take_if(|notice| notice.belongs_at(place))
    }

    /// Ends one session.
    pub(super) fn end(&self, key: SessionKey) {
        self.all().remove(&key);
    }
}

fn end_oldest(all: &mut HashMap<SessionKey, Session>, of: impl Fn(&Session) -> bool) {
    let oldest =
        all.iter().filter(|(_, session)| of(session)).min_by_key(|(_, session)| session.signed_in_at);
    if let Some(key) = oldest.map(|(key, _)| *key) {
        all.remove(&key);
    }
}

/// 256 random bits in base64url.
fn random_text() -> Zeroizing<String> {
    Zeroizing::new(BASE64URL_NOPAD.encode(Secret::<32>::make(&mut OsRng).expose()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::april;

    fn at(minutes: i64) -> Timestamp {
        april().checked_add(SignedDuration::from_mins(minutes)).unwrap()
    }

    fn operator() -> OperatorId {
        OperatorId::make(april(), &mut OsRng)
    }

    #[test]
    fn a_session_ends_when_nobody_asks_and_at_the_end_of_the_day() {
        let sessions = Sessions::default();
        let idle = SessionKey::of(&sessions.begin(operator(), 0, at(0)));
        assert!(sessions.find(idle, true, at(29)).is_some());
        assert!(sessions.find(idle, true, at(58)).is_some(), "each request by hand keeps it");
        assert!(sessions.find(idle, false, at(70)).is_some());
        assert!(
            sessions.find(idle, false, at(88)).is_none(),
            "a page that refreshes itself does not keep it"
        );

        let busy = SessionKey::of(&sessions.begin(operator(), 0, at(0)));
        for minutes in (0..600).step_by(20) {
            assert!(sessions.find(busy, true, at(minutes)).is_some());
        }
        assert!(sessions.find(busy, true, at(600)).is_none());
    }

    #[test]
    fn a_second_factor_is_fresh_for_five_minutes() {
        let sessions = Sessions::default();
        let key = SessionKey::of(&sessions.begin(operator(), 0, at(0)));
        let fresh = |minutes| sessions.find(key, true, at(minutes)).unwrap().is_fresh(at(minutes));
        assert!(fresh(4));
        assert!(!fresh(5));
        sessions.confirm(key, at(20));
        assert!(fresh(24));
        assert!(sessions.find(key, true, at(18)).is_none(), "a clock that was set back prolongs nothing");
    }

    #[test]
    fn one_operator_has_so_many_sessions_and_no_more() {
        let sessions = Sessions::default();
        let (one, other) = (operator(), operator());
        let others = SessionKey::of(&sessions.begin(other, 0, at(0)));
        let keys: Vec<SessionKey> =
            (0..=SESSIONS_OF_ONE).map(|n| SessionKey::of(&sessions.begin(one, 0, at(n as i64)))).collect();
        assert!(sessions.find(keys[0], true, at(9)).is_none(), "the oldest ended");
        assert!(keys[1..].iter().all(|key| sessions.find(*key, true, at(9)).is_some()));
        assert!(sessions.find(others, true, at(9)).is_some());
    }
}
