//! One line a step, with the time since the beginning.

use std::fmt::Display;
use std::time::Instant;

/// Who tells the story.
pub(super) struct Narrator {
    began: Instant,
}

impl Narrator {
    pub(super) fn begin() -> Self {
        Self { began: Instant::now() }
    }

    /// What happens next.
    pub(super) fn say(&self, what: impl Display) {
        println!("{:>7.2} s  {what}", self.began.elapsed().as_secs_f64());
    }

    /// What came of it.
    pub(super) fn detail(&self, what: impl Display) {
        println!("           {what}");
    }
}
