//! One act, as a type: what a handler of the API or the console demands in its arguments; and what the journal hears of
//! those who may not.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use mdm_core::audit::{Actor, AuditEvent, Happening, Subject};
use mdm_core::change::Changeset;
use mdm_core::operator::{Act, Operator};
use shared::ids::OperatorId;

use crate::service::Service;

/// What a handler demands.
pub(crate) trait Right: Send + Sync + 'static {
    /// The act.
    const ACT: Act;
}

macro_rules! right {
    ($($name:ident),+) => {
        $(
            pub(crate) struct $name;
            impl Right for $name {
                const ACT: Act = Act::$name;
            }
        )+
    };
}

right!(Read, Manage, Approve, Codes, Block, Wipe, Audit, Operators);

/// Lines at once that the journal takes of one operator's refused acts, and then one in so much time: it is durable and
/// searched by people.
const LINES: NonZeroU32 = NonZeroU32::new(30).expect("30 is not 0");
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Acts that a role did not allow, in the journal: so many lines for each operator, the others as a number.
pub(crate) struct Refusals {
    lines: DefaultKeyedRateLimiter<OperatorId>,
    unlisted: AtomicU64,
}

impl Default for Refusals {
    fn default() -> Self {
        let quota = Quota::with_period(LINE_EVERY).expect("10 seconds are not 0").allow_burst(LINES);
        Self { lines: RateLimiter::keyed(quota), unlisted: AtomicU64::new(0) }
    }
}

impl Refusals {
    /// Notes a refusal. It stands, whether it could be noted or not.
    pub(crate) async fn note(&self, service: &Service, operator: &Operator, act: Act) {
        if self.lines.check_key(&operator.id).is_err() {
            self.unlisted.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let actor = Actor::Operator(operator.id);
        let mut event =
            AuditEvent::new(service.clock.now(), actor, Happening::ApiRefused, Subject::default())
                .fact("role", format!("{:?}", operator.role))
                .fact("act", format!("{act:?}"));
        let unlisted = self.unlisted.swap(0, Ordering::Relaxed);
        if unlisted > 0 {
            event = event.fact("unlisted", unlisted);
        }
        let mut changes = Changeset::default();
        changes.note(event);
        if let Err(error) = service.commit(changes).await {
            tracing::error!(%error, "a refusal could not be noted in the audit journal");
        }
    }
}
