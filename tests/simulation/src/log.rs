//! What happened: a line an event for whoever reads a failure, and how often each kind of event and fault came.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

/// How often each kind of event or fault happened, by its name.
pub type Counts = BTreeMap<&'static str, u64>;

/// The log of one history.
#[derive(Default)]
pub(crate) struct Log {
    /// `None` if nobody reads it: a history is replayed for its log.
    lines: Option<RefCell<Vec<String>>>,
    counts: RefCell<Counts>,
}

impl Log {
    pub(crate) fn new(read: bool) -> Self {
        Self { lines: read.then(RefCell::default), counts: RefCell::default() }
    }

    /// Counts one `what`.
    pub(crate) fn count(&self, what: &'static str) {
        *self.counts.borrow_mut().entry(what).or_default() += 1;
    }

    /// Writes a line, and counts one `what`.
    pub(crate) fn line(&self, at: Duration, who: &str, what: &'static str, detail: impl FnOnce() -> String) {
        self.count(what);
        if let Some(lines) = &self.lines {
            lines.borrow_mut().push(format!("{} {who:<9} {what:<28} {}", shown(at), detail()));
        }
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts.borrow().clone()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.as_ref().map(|lines| lines.borrow().clone()).unwrap_or_default()
    }
}

/// Days, hours, minutes, seconds and milliseconds since the history began.
pub(crate) fn shown(at: Duration) -> String {
    let (seconds, millis) = (at.as_secs(), at.subsec_millis());
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    format!("{days:>3}d {hours:02}:{minutes:02}:{:02}.{millis:03}", seconds % 60)
}
