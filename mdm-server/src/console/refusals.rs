//! Why something was not done, in the viewer's language: each reason of [`crate::use_cases::UseCaseError`] has words.

use super::words::Language;
use crate::use_cases::UseCaseError;

/// The reason in words.
pub(super) fn text(language: Language, error: &UseCaseError) -> String {
    match error {
        UseCaseError::NotFound(_) => language.say("refusals-not-found", &[]),
        UseCaseError::Refused(_) => language.say("refusals-refused", &[]),
        UseCaseError::Read(_) | UseCaseError::Commit(_) | UseCaseError::UnlockRecords { .. } | UseCaseError::Sign(_) => {
            language.say("refusals-storage", &[])
        }
    }
}
