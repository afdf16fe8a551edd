//! The records that a wipe destroys, and the count of attempts.

use shared::ids::EnrolmentId;
use shared::opaque::{CredentialId, Record, VerifiedLogin};
use zeroize::Zeroizing;

use super::BoxFuture;
use crate::error::IoProblem;

/// What one attempt may use.
pub struct Charged {
    /// The OPAQUE record.
    pub record: Record,
    /// The name under which it was registered.
    pub credential: CredentialId,
    /// How many further attempts there are.
    pub attempts_left: u16,
}

/// The answer to a charge.
pub enum Charge {
    /// The attempt is paid for, durably.
    Charged(Box<Charged>),
    /// No attempts are left. Nothing was charged.
    Exhausted,
    /// There is no record: never registered, or destroyed.
    Missing,
}

/// How many attempts an enrolment has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempts {
    /// Charged since the last verified login.
    pub used: u16,
    /// How many may be.
    pub limit: u16,
}

impl Attempts {
    /// How many are left.
    pub fn left(self) -> u16 {
        self.limit.saturating_sub(self.used)
    }
}

/// Why an operation on unlock records failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum UnlockRecordsError {
    /// A record whose owner has signed in is not replaced by a registration.
    #[error("the enrolment has already signed in with its PIN: its record is not replaced")]
    AlreadySignedIn,
    /// There is no record of this enrolment.
    #[error("there is no unlock record of this enrolment")]
    Missing,
    /// No record is pending, or another than the one that was proved.
    #[error("the new PIN that was proved is not the one that is pending")]
    NothingPending,
    /// The proof is of another enrolment.
    #[error("the verified login is of another enrolment")]
    OtherEnrolment,
    /// The disk did not take the change. An attempt that was being charged stays charged.
    #[error(
        "the key file could not be read or written ({0}): check the disk of the key file and the server's log"
    )]
    Io(IoProblem),
    /// The page is not what was written.
    #[error("page {page} of the key file is damaged: restore the key file from its backup")]
    Damaged {
        /// Which page, from 0.
        page: u64,
    },
    /// The key file is closing.
    #[error("the key file is closed: restart the server")]
    Closed,
}

/// OPAQUE records, credential ids and attempt counters (RFC 9807), one record an enrolment and, while a PIN is changed, a
/// pending one. What is destroyed here is
/// gone from the disk, and no restart, restore of the database or crash gives an attempt back.
pub trait UnlockRecords: Send + Sync {
    /// Stores the record of a registration with all `limit` attempts. A repeated registration before the first verified
    /// login replaces the record, and the old one is gone; after it the call is refused.
    fn put(
        &self,
        enrolment: EnrolmentId,
        credential: CredentialId,
        record: Record,
        limit: u16,
    ) -> BoxFuture<'_, Result<(), UnlockRecordsError>>;

    /// Takes one attempt and gives the record for it. The attempt is durable before this answers; between two credits at
    /// most `limit` calls are answered with a record, however many run at once and whatever restarts.
    fn charge(&self, enrolment: EnrolmentId) -> BoxFuture<'_, Result<Charge, UnlockRecordsError>>;

    /// The same for the pending record; [`Charge::Missing`] if none is.
    fn charge_pending(&self, enrolment: EnrolmentId) -> BoxFuture<'_, Result<Charge, UnlockRecordsError>>;

    /// Stores a record beside the current one, which goes on to hold; one that was pending before is gone. Durable when it
    /// answers.
    fn put_pending(
        &self,
        enrolment: EnrolmentId,
        credential: CredentialId,
        record: Record,
    ) -> BoxFuture<'_, Result<(), UnlockRecordsError>>;

    /// Removes a pending record, durably: no login that is still on its way can make it the current one. None is no error.
    fn drop_pending(&self, enrolment: EnrolmentId) -> BoxFuture<'_, Result<(), UnlockRecordsError>>;

    /// Makes the pending record the current one and gives all attempts back, in one write: at no time do both hold, or
    /// neither. `proved` is the credential of the charge that the login was for; the old record is gone when this answers.
    fn promote(
        &self,
        enrolment: EnrolmentId,
        login: &VerifiedLogin,
        proved: CredentialId,
    ) -> BoxFuture<'_, Result<(), UnlockRecordsError>>;

    /// Gives all attempts back without a login: somebody who may has ordered it, and the journal says who.
    fn reset(&self, enrolment: EnrolmentId) -> BoxFuture<'_, Result<(), UnlockRecordsError>>;

    /// Gives all attempts back, for a verified KE3. Beside [`UnlockRecords::promote`] and [`UnlockRecords::reset`] nothing else
    /// does.
    fn credit(
        &self,
        enrolment: EnrolmentId,
        login: &VerifiedLogin,
    ) -> BoxFuture<'_, Result<(), UnlockRecordsError>>;

    /// The count of attempts; `None` without a record.
    fn attempts(&self, enrolment: EnrolmentId)
    -> BoxFuture<'_, Result<Option<Attempts>, UnlockRecordsError>>;

    /// All enrolments that have a record and no attempt left, in order.
    fn exhausted(&self) -> BoxFuture<'_, Result<Vec<EnrolmentId>, UnlockRecordsError>>;

    /// Overwrites the record, the credential id and the counter with zeros, durably. Idempotent: no record is no error.
    fn destroy(&self, enrolment: EnrolmentId) -> BoxFuture<'_, Result<(), UnlockRecordsError>>;

    /// The whole file as it is on the disk, for a backup: what [`crate::key_file::open`] opens. What is charged at this
    /// moment and not answered yet may not be in it.
    fn copy(&self) -> BoxFuture<'_, Result<Zeroizing<Vec<u8>>, UnlockRecordsError>>;

    /// Leaves every record at most one attempt, durably; a verified KE3 gives the others back. For records that came from a
    /// backup: what was charged after it is forgotten, and somebody may have brought that about.
    fn leave_one_attempt(&self) -> BoxFuture<'_, Result<(), UnlockRecordsError>>;

    /// Which records an enrolment has: the [mark](shared::opaque::record_mark) of the current one and of a pending one. None
    /// without a record.
    fn marks(&self, enrolment: EnrolmentId) -> BoxFuture<'_, Result<Vec<[u8; 32]>, UnlockRecordsError>>;

    /// All enrolments that have a record, in order.
    fn list(&self) -> BoxFuture<'_, Result<Vec<EnrolmentId>, UnlockRecordsError>>;
}
