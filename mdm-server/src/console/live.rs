//! Pages that follow what happens: a stream of ticks (server-sent events), one after each change. The script of the page
//! then fetches the page again and puts its live parts in place, so that a live page says what a fresh one would.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use futures_util::stream::unfold;
use tokio::time::sleep;

use super::Console;
use super::viewer::Viewer;
use crate::rights::Read;

/// At most one tick in so long: a batch of hundreds of changes is one or two.
const PAUSE: Duration = Duration::from_millis(300);
/// A word now and then, so that nothing on the way takes the stream for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// The ticks.
pub(super) async fn ticks(
    _viewer: Viewer<Read>,
    State(console): State<Console>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let ticks = unfold(console.service.changes(), |mut changes| async move {
        // The sender is gone when the server ends: so does the stream.
        changes.changed().await.ok()?;
        sleep(PAUSE).await;
        let tick = *changes.borrow_and_update();
        Some((Ok(Event::default().data(tick.to_string())), changes))
    });
    Sse::new(ticks).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}
