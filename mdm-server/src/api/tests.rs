//! The API in process, over the store in memory: what callers with each role get.

mod flow;
mod limits;
mod operators;
mod roles;
mod succession;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use mdm_core::audit::Happening;
use mdm_core::operator::Role;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::testing::World;

/// A staff file: three people who ask for a seat, one who does not.
const STAFF: &str = "職員番号,氏名,フリガナ,所属,利用\n\
    001,髙橋太郎,タカハシタロウ,総務課,○\n\
    002,﨑山花子,サキヤマハナコ,税務課,○\n\
    003,濵田次郎,ハマダジロウ,福祉課,○\n\
    004,佐藤三郎,サトウサブロウ,福祉課,×\n";

/// An answer: its status and its JSON, or its text as a JSON string.
struct Answer {
    status: StatusCode,
    body: Value,
}

/// The router and an owner.
struct Api {
    world: World,
    router: Router,
    owner: String,
}

impl Api {
    async fn new() -> Self {
        let world = World::new();
        let owner = world.operator(Role::Owner).await;
        Self { router: super::router(world.service.clone()), world, owner }
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let bytes = axum::body::to_bytes(response.into_body(), 16 << 20).await.unwrap();
        let text = || Value::String(String::from_utf8_lossy(&bytes).into_owned());
        Answer { status, body: serde_json::from_slice(&bytes).unwrap_or_else(|_| text()) }
    }

    async fn call(&self, token: &str, method: &str, path: &str, body: impl Into<Body>) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(body.into()).unwrap()).await
    }

    /// A call of the owner that must succeed.
    async fn must(&self, method: &str, path: &str, body: impl Into<Body>) -> Value {
        let answer = self.call(&self.owner, method, path, body).await;
        assert!(answer.status.is_success(), "{method} {path}: {} {}", answer.status, answer.body);
        answer.body
    }

    /// Uploads a file of the source 知事部局 in roster mode and gives the batch's id.
    async fn upload(&self, file: impl Into<Body>) -> String {
        let batch = self.must("POST", UPLOAD, file).await;
        batch["id"].as_str().unwrap().to_owned()
    }

    /// Uploads a file and applies it, with the approval of an operator if it needs one.
    async fn put_into_force(&self, file: impl Into<Body>) -> Value {
        let batch = self.must("POST", UPLOAD, file).await;
        let path = format!("/api/v1/batches/{}", batch["id"].as_str().unwrap());
        let leavers = &batch["summary"]["leave"];
        if batch["plan"]["needs_approval"] == true {
            let approval = json!({ "plan_digest": batch["plan"]["digest"], "confirm_leavers": leavers });
            let second = self.world.operator(Role::Operator).await;
            let answer = self.call(&second, "POST", &format!("{path}/approve"), approval.to_string()).await;
            assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        }
        self.must("POST", &format!("{path}/apply"), json!({ "confirm_leavers": leavers }).to_string()).await
    }

    async fn noted(&self, what: Happening) -> usize {
        let journal = self.world.journal().await;
        journal.iter().filter(|entry| entry.body().unwrap().what == what).count()
    }
}

/// `source=知事部局&mode=roster`.
const UPLOAD: &str = "/api/v1/batches?source=%E7%9F%A5%E4%BA%8B%E9%83%A8%E5%B1%80&mode=roster";
