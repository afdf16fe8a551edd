//! The last answer of a connection says that it is the last (RFC 9112, section 9.6), and reaches whoever is still sending.
//!
//! Whoever is refused by what the head of a request says, or the first part of its body, is answered before the rest has been
//! read, and hyper then ends the connection, since what follows on it would be the rest of that body. A client that was not told
//! sends its next request into a connection that is gone. And one that writes all of its request before it reads would find
//! the connection broken, and never read why: so the rest is read on for a while, and thrown away.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::HeaderValue;
use axum::http::header::{CONNECTION, EXPECT};
use axum::middleware::Next;
use axum::response::Response;
use futures_util::StreamExt as _;
use http_body::{Frame, SizeHint};
use tokio::runtime::Handle;
use tokio::time::timeout;

/// Most bytes that are read and thrown away after an early answer: a document of the usual largest size.
const REST: usize = 256 * 1024 * 1024;
/// For how long, if it keeps coming.
const REST_WITHIN: Duration = Duration::from_secs(60);

/// Answers with `Connection: close` if the request has not been read to its end by then. Each further part of the rest has
/// `patience` to come.
pub(super) async fn say_so(State(patience): State<Duration>, request: Request, next: Next) -> Response {
    let is_read = Arc::new(AtomicBool::new(request.body().is_end_stream()));
    // Who waits to be asked for the body (RFC 9110, section 10.1.1) sends none of it before it is polled.
    let is_coming = !request.headers().contains_key(EXPECT);
    let watched =
        request.map(|body| Body::new(Watched { body, is_read: is_read.clone(), is_coming, patience }));
    let mut response = next.run(watched).await;
    if !is_read.load(Ordering::Relaxed) {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// A body that notes that it has been read to its end, and reads on by itself when it is dropped before.
struct Watched {
    body: Body,
    is_read: Arc<AtomicBool>,
    is_coming: bool,
    patience: Duration,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.is_coming = true;
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if frame.is_none() || self.body.is_end_stream() {
            self.is_read.store(true, Ordering::Relaxed);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if !self.is_coming || self.is_read.load(Ordering::Relaxed) {
            return;
        }
        // Without a runtime the server is gone, and its connections with it.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(throw_away(std::mem::take(&mut self.body), self.patience));
        }
    }
}

/// Reads a body to its end, or as far as it goes.
async fn throw_away(body: Body, patience: Duration) {
    let mut body = body.into_data_stream();
    let mut left = REST;
    let reading = async {
        while let Ok(Some(Ok(bytes))) = timeout(patience, body.next()).await {
            match left.checked_sub(bytes.len()) {
                Some(rest) => left = rest,
                None => return,
            }
        }
    };
    // Whoever sends for longer finds the connection closed.
    let _ = timeout(REST_WITHIN, reading).await;
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use futures_util::stream;

    use super::*;

    #[tokio::test]
    async fn a_body_without_an_end_is_thrown_away_up_to_a_limit() {
        let part = Bytes::from(vec![0; 1024 * 1024]);
        let sent = Arc::new(AtomicUsize::new(0));
        let counted = sent.clone();
        let parts = stream::repeat_with(move || {
            counted.fetch_add(part.len(), Ordering::Relaxed);
            Ok::<_, std::convert::Infallible>(part.clone())
        });
        throw_away(Body::from_stream(parts), REST_WITHIN).await;
        assert_eq!(sent.load(Ordering::Relaxed), REST + 1024 * 1024);
    }

    #[tokio::test]
    async fn who_stalls_is_waited_for_no_longer_than_for_any_part() {
        let parts = stream::once(async { Ok::<_, std::convert::Infallible>(Bytes::from_static(b"x")) });
        let stalled = Body::from_stream(parts.chain(stream::pending()));
        timeout(REST_WITHIN / 2, throw_away(stalled, Duration::from_millis(1))).await.unwrap();
    }
}
