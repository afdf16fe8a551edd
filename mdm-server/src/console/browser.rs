//! Somebody's browser for tests of pages: signed in, sends forms as pages do, and follows nothing by itself.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{Method, StatusCode, header};
use mdm_core::operator::Role;
use tower::ServiceExt as _;

use super::{Console, routes, session, viewer};
use crate::testing::{ReadyOperator, World};

/// An answer.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) location: String,
    pub(super) bytes: Vec<u8>,
}

impl Answer {
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// The value of a hidden field.
    pub(super) fn hidden(&self, name: &str) -> String {
        let text = self.text();
        let field = text.split_once(&format!("name=\"{name}\" value=\"")).expect("the field is there").1;
        field.split('"').next().unwrap().to_owned()
    }
}

/// A signed-in browser.
pub(super) struct Browser {
    console: Console,
    cookie: String,
    csrf: String,
    language: &'static str,
}

impl Browser {
    /// Of an operator of this role, in Japanese.
    pub(super) async fn signed_in(world: &World, console: &Console, role: Role) -> Self {
        let ReadyOperator { operator, .. } = world.ready(&format!("{role:?}"), role).await;
        let cookie = console.sessions.begin(operator.id, operator.session_epoch, world.now());
        let key = session::SessionKey::of(&cookie);
        let csrf = console.sessions.find(key, true, world.now()).unwrap().csrf;
        let cookie = format!("{}={}", viewer::SESSION_COOKIE, cookie.as_str());
        Self { console: console.clone(), cookie, csrf, language: "ja" }
    }

    pub(super) fn in_english(mut self) -> Self {
        self.language = "en";
        self
    }

    async fn ask(&self, method: Method, path: &str, kind: &str, body: Vec<u8>) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "mdm:8443")
            .header(header::ORIGIN, "https://mdm:8443")
            .header(header::COOKIE, &self.cookie)
            .header(header::ACCEPT_LANGUAGE, self.language)
            .header(header::CONTENT_TYPE, kind);
        let response =
            routes(self.console.clone()).oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
        let location =
            response.headers().get(header::LOCATION).map(|value| value.to_str().unwrap().to_owned());
        Answer {
            status: response.status(),
            location: location.unwrap_or_default(),
            bytes: to_bytes(response.into_body(), 64 << 20).await.unwrap().to_vec(),
        }
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, "text/plain", Vec::new()).await
    }

    pub(super) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("csrf", &self.csrf).extend_pairs(fields);
        self.ask(Method::POST, path, "application/x-www-form-urlencoded", form.finish().into_bytes()).await
    }

    fn parts(&self, fields: &[(&str, &str)]) -> Vec<u8> {
        let mut body = Vec::new();
        for (field, value) in [("csrf", self.csrf.as_str())].iter().chain(fields) {
            let part = format!("--x\r\nContent-Disposition: form-data; name=\"{field}\"\r\n\r\n{value}\r\n");
            body.extend(part.into_bytes());
        }
        body
    }

    /// A form that might have had a file.
    pub(super) async fn post_multipart(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body = [self.parts(fields), b"--x--\r\n".to_vec()].concat();
        self.ask(Method::POST, path, "multipart/form-data; boundary=x", body).await
    }

    pub(super) async fn post_file(
        &self,
        path: &str,
        fields: &[(&str, &str)],
        name: &str,
        file: &[u8],
    ) -> Answer {
        let mut body = self.parts(fields);
        let head =
            format!("--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n");
        body.extend(head.into_bytes());
        body.extend(file);
        body.extend(b"\r\n--x--\r\n");
        self.ask(Method::POST, path, "multipart/form-data; boundary=x", body).await
    }
}
