//! Operators by the API, from the invitation to the end of a token.

use mdm_core::audit::Actor;

use super::*;
use crate::testing::PASSWORD;
use crate::use_cases::operators;

#[tokio::test]
async fn an_operator_is_invited_given_a_token_and_disabled() {
    let api = Api::new().await;
    let request = r#"{"name":"佐藤","role":"helpdesk"}"#;
    let made = api.must("POST", "/api/v1/operators", request).await;
    assert_eq!(
        (&made["operator"]["state"], &made["operator"]["role"]),
        (&"invited".into(), &"helpdesk".into())
    );
    let link = made["link"].as_str().unwrap();
    let code = link.strip_prefix("https://localhost:0/invitation/").unwrap();
    let shown = operators::invited(&api.world.service, code).await.unwrap().unwrap();
    assert_eq!(shown.operator.name.as_str(), "佐藤");

    let path = |verb: &str| format!("/api/v1/operators/%E4%BD%90%E8%97%A4/{verb}");
    let token = api.must("POST", &path("token"), "").await["token"].as_str().unwrap().to_owned();
    let status =
        async |method, path: &str, body: &str| api.call(&token, method, path, body.to_owned()).await.status;
    assert_eq!(status("GET", "/api/v1/accounts", "").await, StatusCode::OK);
    assert_eq!(status("PUT", "/api/v1/licenses/pool", r#"{"size":1}"#).await, StatusCode::FORBIDDEN);
    api.must("PUT", &path("role"), r#"{"role":"operator"}"#).await;
    assert_eq!(status("PUT", "/api/v1/licenses/pool", r#"{"size":1}"#).await, StatusCode::OK);

    let disabled = api.must("POST", &path("disable"), "").await;
    assert_eq!(disabled["state"], "disabled");
    assert_eq!(status("GET", "/api/v1/accounts", "").await, StatusCode::UNAUTHORIZED);
    api.must("POST", &path("enable"), "").await;
    assert_eq!(status("GET", "/api/v1/accounts", "").await, StatusCode::OK);
    let revoked = api.must("DELETE", &path("token"), "").await;
    assert_eq!(revoked["has_token"], false);
    assert_eq!(status("GET", "/api/v1/accounts", "").await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_list_names_operators_and_none_of_their_secrets() {
    let api = Api::new().await;
    let sato = api.world.ready("sato", Role::Operator).await;
    let auditor = api.world.operator(Role::Auditor).await;
    let list = api.call(&auditor, "GET", "/api/v1/operators", "").await.body;
    let rows = list.as_array().unwrap();
    let named = |name: &str| rows.iter().find(|row| row["name"] == name).unwrap();
    assert_eq!((rows.len(), &named("Owner")["role"]), (3, &"owner".into()));
    let keys: Vec<_> = named("sato").as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["created_at", "has_token", "id", "name", "role", "state"]);
    let text = list.to_string();
    let kept = &sato.operator.credentials().unwrap().password.0;
    assert!(!text.contains("argon2") && !text.contains(kept) && !text.contains(PASSWORD));
}

#[tokio::test]
async fn what_the_rules_refuse_says_so() {
    let api = Api::new().await;
    let cases = [
        ("POST", "operators", r#"{"name":"a b","role":"helpdesk"}"#, 400, "bad-request"),
        ("POST", "operators", r#"{"name":"a","role":"boss"}"#, 400, "bad-request"),
        ("POST", "operators", r#"{"name":"oWNER","role":"helpdesk"}"#, 409, "refused"),
        ("POST", "operators/owner/disable", "", 409, "refused"),
        ("PUT", "operators/owner/role", r#"{"role":"auditor"}"#, 409, "refused"),
        ("DELETE", "operators/owner/token", "", 409, "refused"),
        ("POST", "operators/nobody/disable", "", 404, "not-found"),
    ];
    for (method, path, body, status, code) in cases {
        let answer = api.call(&api.owner, method, &format!("/api/v1/{path}"), body).await;
        let got = (answer.status.as_u16(), answer.body["error"]["code"].as_str());
        assert_eq!(got, (status, Some(code)), "{method} {path}: {}", answer.body);
    }
    // Control: with another owner who can sign in, the first may go.
    api.world.ready("second", Role::Owner).await;
    let first = operators::find(&api.world.service, "owner").await.unwrap().value.id;
    operators::disable(&api.world.service, first, Actor::Server).await.unwrap();
}
