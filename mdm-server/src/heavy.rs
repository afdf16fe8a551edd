//! Work on whole personnel files, on one thread of its own, one piece after the other. Two files at once would need twice the
//! memory; and what one piece has given back the next one takes, since an allocator keeps freed memory for the thread that had it.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{Sender, channel};
use std::thread;

use mdm_store::CommitError;
use tokio::sync::oneshot;

use crate::use_cases::UseCaseError;

type Work = Box<dyn FnOnce() + Send>;

/// The thread. It ends with what was asked for last, when this is dropped.
pub(crate) struct Heavy {
    queue: Sender<Work>,
}

impl Heavy {
    pub(crate) fn start() -> Self {
        let (queue, asked) = channel::<Work>();
        let work = move || asked.into_iter().for_each(|work| work());
        if let Err(error) = thread::Builder::new().name("personnel".to_owned()).spawn(work) {
            // The queue is closed by now, which whoever asks is told.
            tracing::error!(%error, "no thread for personnel files can be started");
        }
        Self { queue }
    }

    /// Does something there and waits for it. A panic of it goes on here. Once called it is done, even if nobody waits any more.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, UseCaseError> {
        let (done, wait) = oneshot::channel();
        let work = move || drop(done.send(catch_unwind(AssertUnwindSafe(work))));
        self.queue.send(Box::new(work)).map_err(|_| CommitError::Closed)?;
        match wait.await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(panic)) => resume_unwind(panic),
            Err(_) => Err(CommitError::Closed.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_heard_by_who_asked_and_the_next_piece_is_done() {
        let heavy = std::sync::Arc::new(Heavy::start());
        let asked = std::sync::Arc::clone(&heavy);
        let panicked = tokio::spawn(async move { asked.run(|| panic!("as it should")).await }).await;
        assert!(panicked.unwrap_err().is_panic());
        let first = heavy.run(|| thread::current().id()).await.unwrap();
        assert_eq!(heavy.run(|| thread::current().id()).await.unwrap(), first);
        assert_ne!(first, thread::current().id());
    }
}
