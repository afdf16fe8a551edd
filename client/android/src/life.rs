//! The life of an activity, and what follows from it. Out of sight is out of hand: the app locks once it is stopped.

/// What the system tells an activity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// It can be seen.
    Start,
    /// It has the person's attention.
    Resume,
    /// Something is in front of it: a question of the system, a split screen. It may still be seen.
    Pause,
    /// It cannot be seen any more.
    Stop,
    /// It ends.
    Destroy,
}

/// What the app does then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Nothing.
    Nothing,
    /// Store what was typed, and lock.
    Lock,
    /// Look whether the connection still stands: what the system froze may be gone.
    Look,
    /// Store what was typed, lock, and end.
    End,
}

/// Where the activity is in its life.
#[derive(Debug, Default)]
pub struct Life {
    seen: bool,
    ended: bool,
}

impl Life {
    /// Takes a moment, and says what follows.
    pub fn at(&mut self, moment: Moment) -> Act {
        match moment {
            Moment::Destroy if !self.ended => {
                (self.seen, self.ended) = (false, true);
                Act::End
            }
            _ if self.ended => Act::Nothing,
            Moment::Stop if self.seen => {
                self.seen = false;
                Act::Lock
            }
            Moment::Start | Moment::Resume if !self.seen => {
                self.seen = true;
                Act::Look
            }
            Moment::Start | Moment::Resume | Moment::Pause | Moment::Stop | Moment::Destroy => Act::Nothing,
        }
    }
}
