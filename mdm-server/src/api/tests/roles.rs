//! Who may do what.

use std::net::SocketAddr;

use axum::extract::ConnectInfo;

use super::*;

const ID: &str = "0192f0c1-2345-7abc-8def-0123456789ab";

/// Every route below /api/v1, and who may call it, as the design's section 11 has it.
fn routes() -> Vec<(&'static str, String, Vec<Role>)> {
    use Role::{Auditor, Helpdesk, Operator, Owner};
    let read = || vec![Owner, Operator, Helpdesk, Auditor];
    let manage = || vec![Owner, Operator];
    let block = || vec![Owner, Operator, Helpdesk];
    let audit = || vec![Owner, Auditor];
    let owner = || vec![Owner];
    [
        ("GET", "batches".to_owned(), read()),
        ("POST", UPLOAD.trim_start_matches("/api/v1/").to_owned(), manage()),
        ("GET", format!("batches/{ID}"), read()),
        ("GET", format!("batches/{ID}/items"), read()),
        ("GET", format!("batches/{ID}/difference?older={ID}"), read()),
        ("GET", format!("batches/{ID}/rejected"), manage()),
        ("POST", format!("batches/{ID}/decided"), manage()),
        ("POST", format!("batches/{ID}/approve"), manage()),
        ("POST", format!("batches/{ID}/schedule"), manage()),
        ("POST", format!("batches/{ID}/apply"), manage()),
        ("POST", format!("batches/{ID}/undo"), manage()),
        ("POST", format!("batches/{ID}/cancel"), manage()),
        ("POST", format!("batches/{ID}/acknowledge"), owner()),
        ("GET", format!("batches/{ID}/mail"), manage()),
        ("POST", format!("batches/{ID}/mail"), manage()),
        ("POST", format!("batches/{ID}/mail/cancel"), manage()),
        ("POST", "codes/export".to_owned(), manage()),
        ("GET", "accounts".to_owned(), read()),
        ("GET", "accounts/001".to_owned(), read()),
        ("POST", "accounts/001/code".to_owned(), manage()),
        ("GET", "licenses".to_owned(), read()),
        ("PUT", "licenses/pool".to_owned(), manage()),
        ("POST", "licenses/reclaim".to_owned(), manage()),
        ("GET", "licenses/noticed".to_owned(), read()),
        ("GET", "licenses/ending".to_owned(), read()),
        ("GET", "licenses/days".to_owned(), read()),
        ("GET", "waitlist".to_owned(), read()),
        ("POST", "waitlist".to_owned(), manage()),
        ("GET", "devices".to_owned(), read()),
        ("GET", format!("devices/{ID}"), read()),
        ("POST", format!("devices/{ID}/block"), block()),
        ("POST", format!("devices/{ID}/unblock"), block()),
        ("POST", format!("devices/{ID}/wipe"), manage()),
        ("POST", format!("devices/{ID}/reset-attempts"), manage()),
        ("GET", "documents".to_owned(), read()),
        ("POST", "documents".to_owned(), manage()),
        ("GET", format!("documents/{ID}"), read()),
        ("PUT", format!("documents/{ID}"), manage()),
        ("POST", format!("documents/{ID}/unpublish"), manage()),
        ("GET", format!("documents/{ID}/content"), manage()),
        ("GET", "operators".to_owned(), read()),
        ("POST", "operators".to_owned(), owner()),
        ("POST", format!("operators/{ID}/invitation"), owner()),
        ("PUT", format!("operators/{ID}/role"), owner()),
        ("PUT", format!("operators/{ID}/deputy"), owner()),
        ("DELETE", format!("operators/{ID}/deputy"), owner()),
        ("POST", format!("operators/{ID}/disable"), owner()),
        ("POST", format!("operators/{ID}/enable"), owner()),
        ("POST", format!("operators/{ID}/token"), owner()),
        ("DELETE", format!("operators/{ID}/token"), owner()),
        ("GET", "columns".to_owned(), read()),
        ("PUT", "columns".to_owned(), manage()),
        ("GET", "substitutes".to_owned(), read()),
        ("PUT", "substitutes".to_owned(), manage()),
        ("GET", "server".to_owned(), read()),
        ("GET", "audit/entries".to_owned(), audit()),
        ("GET", "audit/checkpoint".to_owned(), audit()),
    ]
    .into_iter()
    .map(|(method, path, who)| (method, format!("/api/v1/{path}"), who))
    .collect()
}

#[tokio::test]
async fn each_role_may_do_what_the_design_says_and_nothing_else() {
    for role in [Role::Owner, Role::Operator, Role::Helpdesk, Role::Auditor] {
        // The journal takes only so many lines at once of what one operator is refused.
        for part in routes().chunks(20) {
            let api = Api::new().await;
            let token = if role == Role::Owner { api.owner.clone() } else { api.world.operator(role).await };
            for (method, path, who) in part {
                let refused = api.noted(Happening::ApiRefused).await;
                let status = api.call(&token, method, path, "").await.status;
                let may = who.contains(&role);
                assert_eq!(status != StatusCode::FORBIDDEN, may, "{role:?} {method} {path}: {status}");
                assert_ne!(status, StatusCode::UNAUTHORIZED);
                let noted = api.noted(Happening::ApiRefused).await - refused;
                assert_eq!(noted, usize::from(!may), "a refusal, and only that, is in the journal");
            }
        }
    }
}

#[tokio::test]
async fn nothing_is_answered_without_a_right_token() {
    let api = Api::new().await;
    for (last, (method, path, _)) in (1..).zip(routes()) {
        let mut without = Request::builder().method(method).uri(&path).body(Body::empty()).unwrap();
        without.extensions_mut().insert(from([192, 0, 2, last]));
        assert_eq!(api.send(without).await.status, StatusCode::UNAUTHORIZED, "{method} {path}");
    }
    for header_value in ["Bearer wrong", "Bearer ", "Basic token-of-Owner", "token-of-Owner"] {
        let wrong = Request::builder().uri("/api/v1/licenses").header(header::AUTHORIZATION, header_value);
        let answer = api.send(wrong.body(Body::empty()).unwrap()).await;
        assert!(!answer.status.is_success(), "{header_value}");
    }
    assert_eq!(api.call(&api.owner, "GET", "/api/v1/licenses", "").await.status, StatusCode::OK, "control");
}

#[tokio::test]
async fn a_helpdesk_blocks_and_unblocks_but_does_not_wipe() {
    let api = Api::new().await;
    let helpdesk = api.world.operator(Role::Helpdesk).await;
    api.must("PUT", "/api/v1/licenses/pool", r#"{"size":3}"#).await;
    api.put_into_force(STAFF).await;
    let account = api.world.account("001").await.id;
    let device = api.world.device(account, mdm_core::device::DeviceState::Live).await;
    let reason = r#"{"reason":"タクシーに置き忘れ"}"#;

    let wiped = api.call(&helpdesk, "POST", &format!("/api/v1/devices/{device}/wipe"), reason).await;
    assert_eq!(wiped.status, StatusCode::FORBIDDEN);
    assert_eq!(wiped.body["error"]["code"], "forbidden");
    let blocked = api.call(&helpdesk, "POST", &format!("/api/v1/devices/{device}/block"), reason).await;
    assert_eq!((blocked.status, &blocked.body["state"]), (StatusCode::OK, &Value::from("blocked")));
    let unblocked = api.call(&helpdesk, "POST", &format!("/api/v1/devices/{device}/unblock"), reason).await;
    assert_eq!(unblocked.body["state"], "live");
}

fn from(address: [u8; 4]) -> ConnectInfo<SocketAddr> {
    ConnectInfo(SocketAddr::from((address, 50_000)))
}

#[tokio::test]
async fn wrong_tokens_are_counted_by_source_and_a_right_one_is_still_heard() {
    let api = Api::new().await;
    let call = async |token: &str, address: [u8; 4]| {
        let request = Request::builder().uri("/api/v1/licenses");
        let request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        let mut request = request.body(Body::empty()).unwrap();
        request.extensions_mut().insert(from(address));
        api.send(request).await.status
    };
    let (guessing, other) = ([192, 0, 2, 1], [192, 0, 2, 2]);
    let mut told_to_wait = false;
    for _ in 0..200 {
        told_to_wait |= call("wrong", guessing).await == StatusCode::TOO_MANY_REQUESTS;
    }
    assert!(told_to_wait);
    assert_eq!(call("wrong", other).await, StatusCode::UNAUTHORIZED);
    assert_eq!(call(&api.owner, guessing).await, StatusCode::OK);
}

#[tokio::test]
async fn health_needs_no_token_and_says_nothing() {
    let api = Api::new().await;
    for (path, said) in [("/healthz", "ok\n"), ("/readyz", "ready\n")] {
        let answer = api.send(Request::builder().uri(path).body(Body::empty()).unwrap()).await;
        assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, Some(said)));
    }
}

#[tokio::test]
async fn no_answer_may_be_kept_on_the_way() {
    let api = Api::new().await;
    let request = Request::builder()
        .method("POST")
        .uri("/api/v1/codes/export")
        .header(header::AUTHORIZATION, format!("Bearer {}", api.owner));
    for request in [request, Request::builder().uri("/api/v1/accounts")] {
        let response = api.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
    }
}
