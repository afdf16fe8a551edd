//! What is too large, not understood or not there: a status, a code and a sentence, and nothing changed.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Bytes;

use super::*;
use crate::api::types::{MAX_BODY, MAX_UPLOAD};

/// A body of endless chunks that counts the bytes taken from it.
fn endless() -> (Body, Arc<AtomicUsize>) {
    let taken = Arc::new(AtomicUsize::new(0));
    let counter = taken.clone();
    let chunk = Bytes::from(vec![b'a'; 1 << 20]);
    let chunks = futures_util::stream::repeat_with(move || {
        counter.fetch_add(chunk.len(), Ordering::Relaxed);
        Ok::<_, Infallible>(chunk.clone())
    });
    (Body::from_stream(chunks), taken)
}

#[tokio::test]
async fn an_upload_beyond_the_limit_is_cut_off_there() {
    let api = Api::new().await;
    let (body, taken) = endless();
    let answer = api.call(&api.owner, "POST", UPLOAD, body).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(answer.body["error"]["message"].as_str().unwrap().contains("52428800 bytes"), "{}", answer.body);
    let taken = taken.load(Ordering::Relaxed);
    assert!((MAX_UPLOAD..MAX_UPLOAD + (4 << 20)).contains(&taken), "{taken}");
}

#[tokio::test]
async fn an_upload_that_announces_too_much_is_not_read_at_all() {
    let api = Api::new().await;
    let (body, taken) = endless();
    let request = Request::builder()
        .method("POST")
        .uri(UPLOAD)
        .header(header::AUTHORIZATION, format!("Bearer {}", api.owner))
        .header(header::CONTENT_LENGTH, 200_000_000);
    let answer = api.send(request.body(body).unwrap()).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(taken.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn nothing_is_read_from_who_may_not_upload() {
    let api = Api::new().await;
    let auditor = api.world.operator(Role::Auditor).await;
    for (token, status) in [("wrong", StatusCode::UNAUTHORIZED), (&auditor, StatusCode::FORBIDDEN)] {
        let (body, taken) = endless();
        assert_eq!(api.call(token, "POST", UPLOAD, body).await.status, status);
        assert_eq!(taken.load(Ordering::Relaxed), 0);
    }
}

#[tokio::test]
async fn other_bodies_end_at_64_kib_and_uploads_do_not() {
    let api = Api::new().await;
    let reason = |length: usize| format!(r#"{{"size":1,"x":"{}"}}"#, "a".repeat(length));
    let large = api.call(&api.owner, "PUT", "/api/v1/licenses/pool", reason(MAX_BODY)).await;
    assert_eq!(large.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(large.body["error"]["message"].as_str().unwrap().contains("65536 bytes"));
    // Control: below the limit it is read, and refused for what is in it.
    let small = api.call(&api.owner, "PUT", "/api/v1/licenses/pool", reason(100)).await;
    assert_eq!(small.status, StatusCode::BAD_REQUEST);

    let mut rows = String::from("職員番号,氏名,所属\n");
    (0..5_000).for_each(|number| rows.push_str(&format!("{number:06},山田太郎,総務課\n")));
    assert!(rows.len() > MAX_BODY);
    api.upload(rows).await;
}

#[tokio::test]
async fn a_file_that_is_no_staff_file_is_refused_by_name_and_noted() {
    let api = Api::new().await;
    let png: &[u8] = b"\x89PNG\r\n\x1a\n0000";
    let cases: [(&[u8], &str); 4] = [
        (png, "not-text"),
        (b"", "empty"),
        ("氏名,所属\n山田,総務課\n".as_bytes(), "missing-column"),
        ("職員番号,氏名,所属\n".as_bytes(), "no-rows"),
    ];
    for (number, (file, code)) in cases.iter().enumerate() {
        let answer = api.call(&api.owner, "POST", UPLOAD, file.to_vec()).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", answer.body);
        assert_eq!(answer.body["error"]["code"], *code);
        assert_eq!(api.noted(Happening::BatchRefused).await, number + 1);
    }
    assert_eq!(api.must("GET", "/api/v1/batches", "").await["items"], Value::Array(Vec::new()));
}

#[tokio::test]
async fn what_is_not_there_or_not_understood_says_so_in_json() {
    let api = Api::new().await;
    let unknown = "0192f0c1-2345-7abc-8def-0123456789ab";
    let cases = [
        ("GET", format!("/api/v1/devices/{unknown}"), "", 404, "not-found"),
        ("GET", format!("/api/v1/accounts/{unknown}"), "", 404, "not-found"),
        ("GET", "/api/v1/accounts/999".to_owned(), "", 404, "not-found"),
        ("GET", format!("/api/v1/batches/{unknown}"), "", 404, "not-found"),
        ("GET", "/api/v1/devices/phone".to_owned(), "", 400, "bad-request"),
        ("GET", "/api/v1/accounts?limit=0".to_owned(), "", 400, "bad-request"),
        ("GET", "/api/v1/accounts?limit=1001".to_owned(), "", 400, "bad-request"),
        ("GET", "/api/v1/accounts?after=x".to_owned(), "", 400, "bad-request"),
        ("POST", "/api/v1/batches?source=a".to_owned(), "", 400, "bad-request"),
        ("POST", "/api/v1/batches?source=&mode=roster".to_owned(), "x", 400, "bad-request"),
        ("POST", "/api/v1/batches?source=a&mode=roster&encoding=ebcdic".to_owned(), "x", 400, "bad-request"),
        ("PUT", "/api/v1/licenses/pool".to_owned(), "{", 400, "bad-request"),
        ("PUT", "/api/v1/licenses/pool".to_owned(), r#"{"size":-1}"#, 400, "bad-request"),
        ("POST", format!("/api/v1/devices/{unknown}/wipe"), "{}", 400, "bad-request"),
        ("DELETE", format!("/api/v1/devices/{unknown}"), "", 405, "method-not-allowed"),
        ("GET", "/api/v1/nothing".to_owned(), "", 404, "no-such-route"),
    ];
    for (method, path, body, status, code) in cases {
        let answer = api.call(&api.owner, method, &path, body).await;
        let got = (answer.status.as_u16(), answer.body["error"]["code"].as_str());
        assert_eq!(got, (status, Some(code)), "{method} {path}: {}", answer.body);
        assert!(!answer.body["error"]["message"].as_str().unwrap().is_empty());
    }
}
