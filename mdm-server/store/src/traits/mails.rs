//! Reading the queue of mail.

use mdm_core::change::Stored;
use mdm_core::code::CodeIndex;
use mdm_core::mail::MailItem;
use shared::ids::BatchId;

use super::Read;

/// Mail that is to be sent or was, at most one a code.
pub trait Mails: Send + Sync {
    /// That of a code.
    fn mail(&self, code: CodeIndex) -> Read<'_, Option<Stored<MailItem>>>;

    /// The first of those that wait, the earliest time first.
    fn queued_mail(&self, limit: usize) -> Read<'_, Vec<Stored<MailItem>>>;

    /// A page of those of a batch, in the order of their codes' indices.
    fn mail_of_batch(
        &self,
        batch: BatchId,
        after: Option<CodeIndex>,
        limit: usize,
    ) -> Read<'_, Vec<Stored<MailItem>>>;
}
