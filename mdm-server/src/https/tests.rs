use std::io::Read;
use std::net::TcpStream;
use std::sync::Arc;

use axum::http::StatusCode;
use axum::routing::{get, post};
use futures_util::StreamExt as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::*;

/// A server whose patience is short, and a client that has shaken hands with it.
async fn connected() -> (StreamOwned<ClientConnection, TcpStream>, axum_server::Handle<SocketAddr>) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let certificate: CertificateDer<'static> = made.cert.der().clone();
    let tls = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let app = Router::new()
        .route("/", get(async || "here"))
        .route("/read", post(async |body: axum::body::Bytes| body.len().to_string()))
        .route("/refuse", post(async || StatusCode::FORBIDDEN))
        .route(
            "/refuse-later",
            post(async |body: axum::body::Body| {
                let _first = body.into_data_stream().next().await;
                StatusCode::FORBIDDEN
            }),
        );
    let handle = axum_server::Handle::new();
    tokio::spawn(serve(app, listener, tls, handle.clone(), Duration::from_millis(300)));

    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let socket = TcpStream::connect(address).unwrap();
    // Far beyond the server's patience: what ends before is ended by the server.
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let session = ClientConnection::new(Arc::new(client), name).unwrap();
    (StreamOwned::new(session, socket), handle)
}

/// What the server says until it ends the connection.
async fn said_after(send: &'static str) -> String {
    let (mut stream, _handle) = connected().await;
    let said = tokio::task::spawn_blocking(move || {
        use std::io::Write as _;
        stream.write_all(send.as_bytes()).unwrap();
        stream.flush().unwrap();
        let mut said = Vec::new();
        match stream.read_to_end(&mut said) {
            // Some servers say farewell in TLS, some do not: both have ended it.
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {}
            Err(error) => panic!("not ended by the server: {error}"),
        }
        String::from_utf8(said).unwrap()
    });
    said.await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_says_nothing_or_half_of_something_is_cut_off() {
    assert!(!said_after("").await.contains("here"));
    assert!(!said_after("GET / HTTP/1.1\r\nHost: localhost\r\n").await.contains("here"));
    let half = said_after("POST /read HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n12345").await;
    assert!(!half.contains("200 OK"), "{half}");
    let whole = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert!(said_after(whole).await.ends_with("here"), "the control");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_given_before_the_body_came_says_that_it_is_the_last() {
    let refused = said_after("POST /refuse HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n").await;
    assert!(refused.starts_with("HTTP/1.1 403"), "{refused}");
    assert!(refused.contains("connection: close"), "{refused}");

    // Read to the end, and a request without a body: neither ends the connection.
    let read = "POST /read HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n12345";
    let then = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let said = said_after([read, then].concat().leak()).await;
    assert!(said.ends_with("here") && !said.contains("connection: close"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_writes_all_of_a_refused_upload_before_reading_hears_why() {
    // More than the sockets between the two hold.
    const LENGTH: usize = 32 * 1024 * 1024;
    let refused =
        |head: &str| format!("POST {head} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {LENGTH}\r\n\r\n");
    // Answered by the head, and after the first part of the body.
    for head in [refused("/refuse"), refused("/refuse-later")] {
        let upload: &'static str = (head + &"x".repeat(LENGTH)).leak();
        let said = said_after(upload).await;
        assert!(said.starts_with("HTTP/1.1 403") && said.contains("connection: close"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_first_is_answered_and_sends_nothing() {
    let head =
        "POST /refuse HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    let said = said_after(head).await;
    assert!(said.starts_with("HTTP/1.1 403"), "not asked for a body that nobody wants: {said}");
}
