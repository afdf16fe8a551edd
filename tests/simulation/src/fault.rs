//! Mistakes that can be planted into the world's drivers, to see that the invariants catch them. None is in a shipped crate.

/// One planted mistake.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Fault {
    /// The drivers do what their counterparts do.
    #[default]
    None,
    /// The phone signs its receipt before it destroys anything.
    ReceiptBeforeErase,
    /// The phone leaves the offline slot where it is when it is blocked.
    OfflineSlotKeptAtBlock,
    /// The server answers KE1 without charging an attempt.
    AttemptNotCharged,
    /// The server sends KE2, and charges the attempt then.
    AnswerBeforeCharge,
    /// The server destroys the record, and commits the wipe then.
    SealBeforeCommit,
    /// The phone writes the secret of a volatile lease to its disk.
    VolatileLeaseStored,
    /// The phone forgets which command it applied last.
    ProgressForgotten,
    /// The server answers KE1 before it has recorded how long the vault may be open.
    AnswerBeforeRecorded,
    /// The phone counts an unlock when it was granted, not before KE3 leaves.
    UnlockCountedLate,
    /// The phone does not wait until its receipt is acknowledged.
    ReceiptNotAwaited,
    /// The phone says that a note is kept before it is synced.
    NoteNotSynced,
    /// The server gives out seats and does not count them in the pool.
    SeatsNotCounted,
    /// The server blocks a device without a word in the journal.
    BlockNotNoted,
    /// The scheduler closes accounts whose devices are not wiped.
    ClosedWithoutWipe,
    /// Of the journal that is handed out an entry is missing.
    JournalEntryLost,
    /// The server lets more attempts be made than the limit.
    LimitNotKept,
    /// The phone writes its state over the old one instead of beside it.
    StateInPlace,
    /// The phone does not sync its online slot.
    SlotNotSynced,
    /// The phone enrols again while a PIN is being tested, and forgets what it has unlocked.
    EnrolledWhileUnlocking,
    /// The phone lets an offline slot be that its disk has refused to give up.
    RefusedSlotLeft,
}

impl Fault {
    /// Every mistake.
    pub const PLANTED: [Self; 20] = [
        Self::ReceiptBeforeErase,
        Self::OfflineSlotKeptAtBlock,
        Self::AttemptNotCharged,
        Self::AnswerBeforeCharge,
        Self::SealBeforeCommit,
        Self::VolatileLeaseStored,
        Self::ProgressForgotten,
        Self::AnswerBeforeRecorded,
        Self::UnlockCountedLate,
        Self::ReceiptNotAwaited,
        Self::NoteNotSynced,
        Self::SeatsNotCounted,
        Self::BlockNotNoted,
        Self::ClosedWithoutWipe,
        Self::JournalEntryLost,
        Self::LimitNotKept,
        Self::StateInPlace,
        Self::SlotNotSynced,
        Self::EnrolledWhileUnlocking,
        Self::RefusedSlotLeft,
    ];
}
