//! Pages that follow what happens: a stream of ticks (server-sent events), one after each change. The script of the page
//! then fetches the page again and puts its live parts in place, so that a live page says what a fresh one would.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use futures_util::stream::unfold;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{sleep, timeout};

use super::Console;
use super::session::SessionKey;
use super::viewer::Viewer;
use crate::rights::Read;

/// At most one tick in so long: a batch of hundreds of changes is one or two.
const PAUSE: Duration = Duration::from_millis(300);
/// How often a stream looks whether its session is over.
const LOOK: Duration = Duration::from_secs(30);
/// A word now and then, so that nothing on the way takes the stream for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// The ticks.
pub(super) async fn ticks(
    viewer: Viewer<Read>,
    State(console): State<Console>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, StatusCode> {
    let place =
        viewer.session.streams.clone().try_acquire_owned().map_err(|_| StatusCode::TOO_MANY_REQUESTS)?;
    let changes = console.service.changes();
    let begun = Following { console, key: viewer.key, changes, _place: place };
    let ticks = unfold(begun, |mut following| async move {
        let tick = following.next().await?;
        Some((Ok(Event::default().data(tick.to_string())), following))
    });
    Ok(Sse::new(ticks).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

/// One stream of a session.
struct Following {
    console: Console,
    key: SessionKey,
    changes: watch::Receiver<u64>,
    _place: OwnedSemaphorePermit,
}

impl Following {
    /// The next tick; none when the session is over, or the server.
    async fn next(&mut self) -> Option<u64> {
        loop {
            let changed = timeout(LOOK, self.changes.changed()).await;
            self.console.sessions.find(self.key, false, self.console.service.clock.now())?;
            match changed {
                Err(_) => {}
                // The sender is gone when the server ends.
                Ok(Err(_)) => return None,
                Ok(Ok(())) => {
                    sleep(PAUSE).await;
                    return Some(*self.changes.borrow_and_update());
                }
            }
        }
    }
}
