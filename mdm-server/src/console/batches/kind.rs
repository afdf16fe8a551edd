//! The kinds of lines that a plan's page can be asked for.

use mdm_core::batch::{PlanSummary, PlanWord};

use crate::console::page::Page;

/// Which lines are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// All that change anything.
    Changes,
    /// One kind.
    Word(PlanWord),
    /// Whose wish for a seat would have to wait.
    Waiting,
}

/// The kinds in the order of their counts on the page. The last two are of undos only.
pub(super) const WORDS: [PlanWord; 9] = [
    PlanWord::Join,
    PlanWord::Move,
    PlanWord::Change,
    PlanWord::Return,
    PlanWord::Leave,
    PlanWord::Unchanged,
    PlanWord::Rejected,
    PlanWord::SeatBack,
    PlanWord::NotUndone,
];

impl Kind {
    /// By its name in an address; all changes if there is none.
    pub(super) fn named(name: &str) -> Self {
        let word = WORDS.into_iter().find(|word| Self::Word(*word).name() == name);
        match word {
            Some(word) => Self::Word(word),
            None if name == Self::Waiting.name() => Self::Waiting,
            None => Self::Changes,
        }
    }

    /// Its name in an address.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Changes => "changes",
            Self::Waiting => "waiting",
            Self::Word(PlanWord::Join) => "join",
            Self::Word(PlanWord::Move) => "move",
            Self::Word(PlanWord::Change) => "change",
            Self::Word(PlanWord::Return) => "return",
            Self::Word(PlanWord::Leave) => "leave",
            Self::Word(PlanWord::Unchanged) => "unchanged",
            Self::Word(PlanWord::Rejected) => "rejected",
            Self::Word(PlanWord::SeatBack) => "seat-back",
            Self::Word(PlanWord::NotUndone) => "not-undone",
        }
    }

    /// In words.
    pub(super) fn said(self, page: &Page) -> String {
        page.say(match self {
            Self::Changes => "batches-kind-changes",
            Self::Waiting => "batches-kind-waiting",
            Self::Word(PlanWord::Join) => "batches-kind-join",
            Self::Word(PlanWord::Move) => "batches-kind-move",
            Self::Word(PlanWord::Change) => "batches-kind-change",
            Self::Word(PlanWord::Return) => "batches-kind-return",
            Self::Word(PlanWord::Leave) => "batches-kind-leave",
            Self::Word(PlanWord::Unchanged) => "batches-kind-unchanged",
            Self::Word(PlanWord::Rejected) => "batches-kind-rejected",
            Self::Word(PlanWord::SeatBack) => "batches-undo-kind-seat-back",
            Self::Word(PlanWord::NotUndone) => "batches-undo-kind-not-undone",
        })
    }

    /// In the words of an undo: what becomes of people by it.
    pub(super) fn said_of_undo(self, page: &Page) -> String {
        match self {
            Self::Changes => page.say("batches-undo-kind-changes"),
            Self::Word(PlanWord::Move) => page.say("batches-undo-kind-move"),
            Self::Word(PlanWord::Change) => page.say("batches-undo-kind-change"),
            Self::Word(PlanWord::Return) => page.say("batches-undo-kind-return"),
            Self::Word(PlanWord::Leave) => page.say("batches-undo-kind-leave"),
            other => other.said(page),
        }
    }

    /// Whether a plan has such lines at all: those of files differ from those of undos.
    pub(super) fn is_of(self, undo: bool) -> bool {
        use PlanWord::{Join, NotUndone, Rejected, SeatBack, Unchanged};
        match self {
            Self::Word(Join | Unchanged | Rejected) => !undo,
            Self::Word(SeatBack | NotUndone) => undo,
            Self::Changes | Self::Waiting | Self::Word(_) => true,
        }
    }

    /// Whether lines of this kind belong to it. Those that would wait are known by their positions.
    pub(super) fn takes(self, word: PlanWord) -> bool {
        match self {
            Self::Changes => !matches!(word, PlanWord::Unchanged | PlanWord::Rejected | PlanWord::NotUndone),
            Self::Word(wanted) => wanted == word,
            Self::Waiting => false,
        }
    }
}

/// How many lines of a kind a plan has.
pub(super) fn count(summary: &PlanSummary, word: PlanWord) -> u32 {
    match word {
        PlanWord::Join => summary.join,
        PlanWord::Move => summary.moved,
        PlanWord::Change => summary.change,
        PlanWord::Return => summary.returned,
        PlanWord::Leave => summary.leave,
        PlanWord::Unchanged => summary.unchanged,
        PlanWord::Rejected => summary.rejected,
        PlanWord::SeatBack => summary.seats_back,
        PlanWord::NotUndone => summary.not_undone,
    }
}
