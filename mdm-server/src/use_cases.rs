//! What can be had done, by API and scheduler alike: load, decide, commit, then act on it.

pub mod accounts;
pub mod batches;
pub mod codes;
pub mod columns;
pub mod devices;
pub mod documents;
mod error;
pub mod journal;
pub mod letters;
pub mod licenses;
mod load;
pub(crate) mod losses;
pub mod mail;
pub mod notes;
pub mod operators;
pub mod sign_in;
pub mod statement;
pub mod substitutes;

pub use error::{Missing, Refusal, UseCaseError};

use mdm_store::CommitError;

/// How often a use case tries before a conflict is its answer. Each conflict is somebody else's success; an activation code
/// that many try at once changes eleven times until it is dead, and who lost all those races must still be told so.
const TRIES: usize = 16;
const _: () = assert!(TRIES > mdm_core::code::MAX_TRIES as usize + 1);

/// Runs `attempt` again while its commit meets a record that has changed since it was loaded.
pub async fn retry_on_conflict<T, F>(mut attempt: impl FnMut() -> F) -> Result<T, UseCaseError>
where
    F: Future<Output = Result<T, UseCaseError>>,
{
    for _ in 1..TRIES {
        match attempt().await {
            Err(UseCaseError::Commit(CommitError::Conflict(conflict))) => {
                tracing::debug!(?conflict, "loading again after a conflict");
            }
            done => return done,
        }
    }
    attempt().await
}

/// Carries `work` out though its caller goes away: an order is not half an order because a laptop was closed.
pub async fn to_the_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, UseCaseError>> + Send + 'static,
) -> Result<T, UseCaseError> {
    match tokio::spawn(work).await {
        Ok(ended) => ended,
        Err(failed) => match failed.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(Refusal::ShuttingDown.into()),
        },
    }
}
