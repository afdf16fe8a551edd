//! The HTTPS listener under API and console: who may hold a connection, and for how long without saying anything.
//!
//! HTTP/1.1 only: an early refusal of an upload is lost with its HTTP/2 stream, and hyper's automatic choice waits without
//! end for a client that says nothing at all.

mod last;
mod places;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum_server::tls_rustls::RustlsConfig;
use hyper_util::rt::TokioTimer;
use tower_http::timeout::RequestBodyTimeoutLayer;

use places::{Doorkeeper, Places};

/// Time for the head of a request, and for each further part of its body.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Answers with `app` until the handle says to stop.
pub(crate) async fn serve(
    app: Router,
    listener: TcpListener,
    tls: rustls::ServerConfig,
    handle: axum_server::Handle<SocketAddr>,
    patience: Duration,
) {
    let say_so = axum::middleware::from_fn_with_state(patience, last::say_so);
    let app = app.layer(RequestBodyTimeoutLayer::new(patience)).layer(say_so);
    let server = match axum_server::from_tcp(listener) {
        Ok(server) => server,
        Err(error) => return tracing::error!(%error, "HTTPS does not start"),
    };
    let tls = RustlsConfig::from_config(Arc::new(tls));
    let mut server = server.acceptor(Doorkeeper::new(tls, Places::default())).handle(handle).http1_only();
    // Without a timer of its own hyper would wait for ever for the rest of a request that somebody began.
    server.http_builder().http1().timer(TokioTimer::new()).header_read_timeout(patience);
    if let Err(error) = server.serve(app.into_make_service_with_connect_info::<SocketAddr>()).await {
        tracing::error!(%error, "HTTPS ended");
    }
}

#[cfg(test)]
mod tests;
