//! Where the person stands, and which screens can be reached from there.

use client_agent::Status;
use client_core::{EraseStep, State};
use client_ui::Screen;

/// Where the person stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The home cannot be used.
    Damaged,
    /// Nothing is enrolled.
    New,
    /// The vault is closed.
    Locked,
    /// The vault is open.
    Open,
    /// Blocked by the organisation.
    Blocked,
    /// Keys and data are being destroyed.
    Erasing,
    /// Keys and data are gone.
    Erased {
        /// The server has the receipt.
        acknowledged: bool,
    },
}

impl Stage {
    /// The stage of a device that stands like this.
    pub(super) fn of(status: &Status) -> Self {
        match status.state {
            State::Unenrolled => Self::New,
            State::Locked | State::Unlocking => Self::Locked,
            State::Open => Self::Open,
            State::Blocked => Self::Blocked,
            State::Gone => Self::Erased { acknowledged: true },
            State::Wiping => match &status.wipe {
                Some(wipe) if wipe.next.is_none_or(|next| next >= EraseStep::SendReceipt) => {
                    Self::Erased { acknowledged: wipe.acknowledged }
                }
                _ => Self::Erasing,
            },
        }
    }

    /// The screen on which it begins.
    pub(super) fn first(self) -> Screen {
        match self {
            Self::Damaged => Screen::Damaged,
            Self::New => Screen::Welcome,
            Self::Locked => Screen::Unlock,
            Self::Open => Screen::Home,
            Self::Blocked => Screen::Blocked,
            Self::Erasing => Screen::Erasing,
            Self::Erased { .. } => Screen::Erased,
        }
    }

    /// Whether a screen can be reached.
    pub(super) fn reaches(self, screen: Screen) -> bool {
        let enrols = || matches!(screen, Screen::Welcome | Screen::Enrol | Screen::SetPin);
        let looks_around = || matches!(screen, Screen::Settings | Screen::About);
        screen == self.first()
            || match self {
                Self::New | Self::Erased { acknowledged: true } => enrols() || looks_around(),
                Self::Open => {
                    let inside = [Screen::Note, Screen::Document, Screen::ChangePin, Screen::Repaired];
                    inside.contains(&screen) || screen == Screen::Repair || looks_around()
                }
                Self::Locked => screen == Screen::Repair || looks_around(),
                Self::Blocked | Self::Damaged | Self::Erased { acknowledged: false } => looks_around(),
                Self::Erasing => false,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAGES: [Stage; 8] = [
        Stage::Damaged,
        Stage::New,
        Stage::Locked,
        Stage::Open,
        Stage::Blocked,
        Stage::Erasing,
        Stage::Erased { acknowledged: false },
        Stage::Erased { acknowledged: true },
    ];

    #[test]
    fn what_is_in_the_vault_is_shown_only_while_it_is_open() {
        for stage in STAGES {
            for screen in [Screen::Home, Screen::Note, Screen::Document, Screen::ChangePin, Screen::Repaired]
            {
                assert_eq!(stage.reaches(screen), stage == Stage::Open, "{stage:?} {screen:?}");
            }
        }
    }

    #[test]
    fn a_new_enrolment_begins_only_where_there_is_none() {
        for stage in STAGES {
            let may = matches!(stage, Stage::New | Stage::Erased { acknowledged: true });
            assert_eq!(stage.reaches(Screen::SetPin), may, "{stage:?}");
        }
    }

    #[test]
    fn every_stage_reaches_its_own_screen_and_nobody_elses() {
        for stage in STAGES {
            assert!(stage.reaches(stage.first()));
            for screen in [Screen::Blocked, Screen::Erasing, Screen::Erased, Screen::Damaged, Screen::Unlock]
            {
                assert_eq!(stage.reaches(screen), stage.first() == screen, "{stage:?} {screen:?}");
            }
        }
    }
}
