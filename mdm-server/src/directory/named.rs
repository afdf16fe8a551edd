//! What events are about, and that every change the directory must hear of has its event.

use std::collections::BTreeSet;

use mdm_core::audit::{Happening, Subject};
use mdm_core::change::{Changeset, Key, Record, Write};
use mdm_core::device::Device;
use mdm_store::Store;
use shared::ids::{AccountId, BatchId, DocumentId, EnrolmentId};

use super::devices::KnownDevice;

/// What some events are about.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) accounts: BTreeSet<AccountId>,
    pub(super) devices: BTreeSet<EnrolmentId>,
    pub(super) batches: BTreeSet<BatchId>,
    pub(super) documents: BTreeSet<DocumentId>,
    /// Whose activation code may be another.
    pub(super) codes: BTreeSet<AccountId>,
    /// Whether the pool or the waiting list may be another.
    pub(super) seats: bool,
}

impl Named {
    pub(super) fn add(&mut self, what: Happening, subject: &Subject) {
        self.devices.extend(subject.device);
        self.documents.extend(subject.document);
        self.codes.extend(subject.account.filter(|_| may_change_code(what)));
        match subject.account {
            // An event of an account during a batch names the batch as well.
            None => self.batches.extend(subject.batch),
            Some(account) if may_change_account(what) => {
                self.accounts.insert(account);
            }
            Some(_) => {}
        }
        self.seats |= may_change_account(what);
    }

    fn covers(&self, key: &Key) -> bool {
        match key {
            Key::Account(account) => self.accounts.contains(account),
            Key::Device(enrolment) => self.devices.contains(enrolment),
            Key::Batch(batch) => self.batches.contains(batch),
            Key::Document(document) => self.documents.contains(document),
            Key::Pool | Key::Waiting(_) => self.seats,
            Key::Roster(_)
            | Key::Assignments(_)
            | Key::Substitutes(_)
            | Key::Code(_)
            | Key::Loss(_)
            // Whether a code is on its way by mail is not in the directory.
            | Key::Mail(_)
            | Key::Command(_)
            | Key::PlanChunk(..)
            | Key::BeforeChunk(..)
            | Key::UploadPart(..)
            | Key::Operator(_)
            | Key::Note(..)
            | Key::Shelf(_)
            // Nobody decided how many seats were held on a day, and it is not in the directory: it has no event.
            | Key::DayOfUse(_)
            | Key::Server => true,
        }
    }
}

/// Whether an event may come with a change of an account, of the pool or of the waiting list.
fn may_change_account(what: Happening) -> bool {
    match what {
        Happening::BatchApplied
        | Happening::AccountJoined
        | Happening::AccountChanged
        | Happening::AccountReturned
        | Happening::AccountLeft
        | Happening::AccountSignedIn
        | Happening::AccountClosed
        | Happening::PoolSet
        | Happening::SeatAssigned
        | Happening::SeatReclaimed
        | Happening::SeatNoticed
        | Happening::SeatHeld
        | Happening::SeatNoticeEnded
        | Happening::SeatRestored
        | Happening::AbsenceNoted
        | Happening::AbsenceRemoved
        | Happening::WaitingAdded
        | Happening::CodeIssued => true,
        Happening::ServerInitialised
        | Happening::ServerStarted
        | Happening::ApiRefused
        | Happening::BatchUploaded
        | Happening::BatchRefused
        | Happening::UndoPlanned
        | Happening::BatchApproved
        | Happening::BatchSelfApproved
        | Happening::SelfApprovalAcknowledged
        | Happening::BatchScheduled
        | Happening::BatchHeld
        | Happening::BatchCancelled
        | Happening::BatchReplaced
        | Happening::BatchLinesDeleted
        | Happening::UploadForgotten
        | Happening::NumberDecided
        | Happening::ColumnsAssigned
        | Happening::ColumnsForgotten
        | Happening::SubstituteSet
        | Happening::SubstituteRemoved
        | Happening::CodesExported
        | Happening::CodeHandedOut
        | Happening::CodeMailed
        | Happening::CodeNotMailed
        | Happening::CodeMailCancelled
        | Happening::CodeTried
        | Happening::CodeDied
        | Happening::CodeExpired
        | Happening::DeviceRegistered
        | Happening::DeviceEnrolled
        | Happening::UnlockCharged
        | Happening::UnlockGranted
        | Happening::UnlockRefused
        | Happening::AttemptsExhausted
        | Happening::AttemptsReset
        | Happening::PinProven
        | Happening::UnlockRecordDestroyed
        | Happening::DeviceBlocked
        | Happening::DeviceUnblocked
        | Happening::DeviceWiped
        | Happening::DeviceSealed
        | Happening::DeviceErased
        | Happening::ReceiptAgain
        | Happening::CertificateRenewed
        | Happening::JournalExported
        | Happening::BackupMade
        | Happening::PinsRotated
        | Happening::PinsRecovered
        | Happening::QuarantineEntered
        | Happening::QuarantineEnded
        | Happening::JournalFollowed
        | Happening::CopySuspected
        | Happening::OperatorInvited
        | Happening::OperatorReady
        | Happening::OperatorChanged
        | Happening::OperatorDisabled
        | Happening::OperatorEnabled
        | Happening::DeputyNamed
        | Happening::DeputyEnded
        | Happening::TokenMade
        | Happening::TokenRevoked
        | Happening::SignedIn
        | Happening::SignInFailed
        | Happening::SignedOut
        | Happening::SecondFactorConfirmed
        | Happening::DocumentPublished
        | Happening::DocumentReplaced
        | Happening::DocumentUnpublished
        | Happening::DocumentOpened
        | Happening::NoteStored
        | Happening::NoteDeleted => false,
    }
}

/// Whether an event may come with a change of a code, or of whether somebody needs one.
fn may_change_code(what: Happening) -> bool {
    let changes_code = matches!(
        what,
        Happening::CodeDied
            | Happening::CodeExpired
            | Happening::DeviceRegistered
            | Happening::DeviceEnrolled
            | Happening::UnlockGranted
            | Happening::DeviceWiped
    );
    changes_code || may_change_account(what)
}

/// A write of the change that the directory would not hear of: a mistake of whoever made the change.
pub(crate) async fn unheard(store: &dyn Store, changes: &Changeset) -> Option<Key> {
    let mut named = Named::default();
    changes.events.iter().for_each(|event| named.add(event.what, &event.subject));
    for write in &changes.writes {
        if !named.covers(&write.key) && !is_said_between_events(store, write).await {
            return Some(write.key.clone());
        }
    }
    None
}

/// Whether only that changes which a device says without an event.
async fn is_said_between_events(store: &dyn Store, write: &Write) -> bool {
    let (Key::Device(enrolment), Some(Record::Device(after))) = (&write.key, &write.record) else {
        return false;
    };
    match store.device(*enrolment).await {
        Ok(Some(before)) if before.version == write.expected => same(before.value, after),
        Ok(None) => false,
        // Another version: the commit will be refused. An error: it will say so.
        Ok(Some(_)) | Err(_) => true,
    }
}

fn same(before: Device, after: &Device) -> bool {
    KnownDevice::from(before) == KnownDevice::from(after.clone())
}
