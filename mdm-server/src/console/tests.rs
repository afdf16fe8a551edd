//! What holds for every page, whatever it shows. The routes are read from the source, so that a new page is among them.

use axum::body::Body;
use axum::http::{StatusCode, header};
use mdm_core::operator::Role;
use tower::ServiceExt as _;

use super::*;
use crate::testing::{ReadyOperator, World};

/// Pages that somebody sees who is not signed in.
const OPEN: [&str; 4] = ["/sign-in", "/lost/report", "/invitation/{code}", "/language/{tag}"];
/// Something in the place of a route's parameter.
const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// A path, and whether it is got, posted to, or both.
struct Route {
    path: String,
    get: bool,
    post: bool,
}

fn routes_in_source() -> Vec<Route> {
    let source = include_str!("../console.rs");
    let statements = source.split(".route(").skip(1);
    let route = |statement: &str| {
        let path = statement.split('"').nth(1).unwrap();
        let handlers = &statement[..statement.find("\n        .").unwrap_or(statement.len())];
        Route { path: path.to_owned(), get: handlers.contains("get("), post: handlers.contains("post(") }
    };
    let pages = statements.map(route).filter(|route| !route.path.starts_with("/assets/"));
    let pages: Vec<Route> = pages.filter(|route| !OPEN.contains(&route.path.as_str())).collect();
    assert!(
        pages.len() > 10 && pages.iter().filter(|route| route.post).count() > 5,
        "the routes are not found"
    );
    pages
}

/// The console over a world, and a session.
struct Bench {
    world: World,
    console: Console,
}

impl Bench {
    fn new() -> Self {
        let world = World::new();
        let console = Console::new(world.service.clone());
        Self { world, console }
    }

    /// A signed-in browser: its cookie and the token of its forms.
    async fn signed_in(&self, role: Role) -> (String, String) {
        let ReadyOperator { operator, .. } = self.world.ready(&format!("{role:?}"), role).await;
        let cookie = self.console.sessions.begin(operator.id, operator.session_epoch, self.world.now());
        let key = session::SessionKey::of(&cookie);
        let csrf = self.console.sessions.find(key, true, self.world.now()).unwrap().csrf;
        (format!("{}={}", viewer::SESSION_COOKIE, cookie.as_str()), csrf)
    }

    async fn ask(&self, request: Request) -> Response {
        routes(self.console.clone()).oneshot(request).await.unwrap()
    }
}

fn request(method: Method, path: &str, cookie: Option<&str>) -> axum::http::request::Builder {
    let part = |part: &str| if part.starts_with('{') { ID.to_owned() } else { part.to_owned() };
    let path = path.split('/').map(part).collect::<Vec<String>>().join("/");
    let builder = Request::builder().method(method).uri(path).header(header::HOST, "mdm:8443");
    match cookie {
        Some(cookie) => builder.header(header::COOKIE, cookie),
        None => builder,
    }
}

fn get_page(path: &str, cookie: Option<&str>) -> Request {
    request(Method::GET, path, cookie).body(Body::empty()).unwrap()
}

fn post_form(path: &str, cookie: Option<&str>, origin: &str, body: String) -> Request {
    request(Method::POST, path, cookie)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::ORIGIN, origin)
        .body(Body::from(body))
        .unwrap()
}

fn post_file(path: &str, cookie: &str, csrf: &str) -> Request {
    let part =
        |head: &str, body: &str| format!("--x\r\nContent-Disposition: form-data; {head}\r\n\r\n{body}\r\n");
    let body = part("name=\"csrf\"", csrf) + &part("name=\"file\"; filename=\"a.csv\"", "a,b") + "--x--\r\n";
    request(Method::POST, path, Some(cookie))
        .header(header::CONTENT_TYPE, "multipart/form-data; boundary=x")
        .header(header::ORIGIN, HERE)
        .body(Body::from(body))
        .unwrap()
}

const HERE: &str = "https://mdm:8443";

fn leads_to_sign_in(response: &Response) -> bool {
    let location = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
    // A stream is not led anywhere: its page is.
    if response.status() == StatusCode::UNAUTHORIZED {
        return true;
    }
    response.status() == StatusCode::SEE_OTHER && location.is_some_and(|place| place.starts_with("/sign-in"))
}

#[tokio::test]
async fn nobody_sees_a_page_without_signing_in() {
    let bench = Bench::new();
    let (cookie, _) = bench.signed_in(Role::Owner).await;
    for route in routes_in_source().iter().filter(|route| route.get) {
        let refused = bench.ask(get_page(&route.path, None)).await;
        assert!(leads_to_sign_in(&refused), "{}: {}", route.path, refused.status());
        let strange = bench.ask(get_page(&route.path, Some("__Host-session=guessed"))).await;
        assert!(leads_to_sign_in(&strange), "{}: {}", route.path, strange.status());
        // The same page for somebody who is signed in: there, or about something that is not.
        let seen = bench.ask(get_page(&route.path, Some(&cookie))).await;
        assert!(!leads_to_sign_in(&seen), "{}", route.path);
        assert!(!seen.status().is_server_error(), "{}: {}", route.path, seen.status());
    }
}

#[tokio::test]
async fn nothing_is_done_by_a_form_that_is_not_ours() {
    let bench = Bench::new();
    let (cookie, csrf) = bench.signed_in(Role::Owner).await;
    for route in routes_in_source().iter().filter(|route| route.post && route.path != "/sign-out") {
        let path = route.path.as_str();
        let signed_out = bench.ask(post_form(path, None, HERE, format!("csrf={csrf}"))).await;
        assert!(leads_to_sign_in(&signed_out), "{path}: {}", signed_out.status());

        let foreign =
            bench.ask(post_form(path, Some(&cookie), "https://evil.example", format!("csrf={csrf}"))).await;
        assert_eq!(foreign.status(), StatusCode::FORBIDDEN, "{path} from another site");

        for body in ["", "csrf=", "csrf=guessed"] {
            let mut refused = bench.ask(post_form(path, Some(&cookie), HERE, body.to_owned())).await;
            if refused.status() == StatusCode::BAD_REQUEST {
                // The form takes a file.
                refused = bench.ask(post_file(path, &cookie, "guessed")).await;
            }
            assert_eq!(refused.status(), StatusCode::FORBIDDEN, "{path} with {body:?}");
        }

        let ours = bench.ask(post_form(path, Some(&cookie), HERE, format!("csrf={csrf}"))).await;
        assert_ne!(ours.status(), StatusCode::FORBIDDEN, "{path}: the control");
    }
}

#[tokio::test]
async fn each_page_is_confined_and_not_kept() {
    let bench = Bench::new();
    let (cookie, _) = bench.signed_in(Role::Owner).await;
    for path in ["/", "/sign-in", "/nowhere", "/operators"] {
        let page = bench.ask(get_page(path, Some(&cookie))).await;
        let header =
            |name: &str| page.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        assert!(
            header("content-security-policy").starts_with("default-src 'none'; script-src 'self';"),
            "{path}"
        );
        assert_eq!(header("cache-control"), "no-store", "{path}");
    }
}

#[tokio::test]
async fn who_is_disabled_is_out_at_once() {
    let bench = Bench::new();
    let (owner, _) = bench.signed_in(Role::Owner).await;
    let (helpdesk, _) = bench.signed_in(Role::Helpdesk).await;
    assert_eq!(bench.ask(get_page("/", Some(&helpdesk))).await.status(), StatusCode::OK);
    let all = crate::use_cases::operators::list(&bench.world.service).await.unwrap();
    let id = all.iter().find(|operator| operator.role == Role::Helpdesk).unwrap().id;
    crate::use_cases::operators::disable(&bench.world.service, id, mdm_core::audit::Actor::Server)
        .await
        .unwrap();
    assert!(leads_to_sign_in(&bench.ask(get_page("/", Some(&helpdesk))).await));
    assert_eq!(bench.ask(get_page("/", Some(&owner))).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn danger_asks_for_a_fresh_second_factor() {
    let bench = Bench::new();
    let (cookie, csrf) = bench.signed_in(Role::Owner).await;
    bench.world.clock.advance(session::FRESH);
    let page = bench.ask(get_page("/operators/invite", Some(&cookie))).await;
    assert_eq!(page.headers()[header::LOCATION], "/confirm?next=%2Foperators%2Finvite");
    let form =
        post_form("/operators/invite", Some(&cookie), HERE, format!("csrf={csrf}&name=sato&role=owner"));
    let sent = bench.ask(form).await;
    assert_eq!(sent.headers()[header::LOCATION], "/confirm?next=%2F");
    let operators = crate::use_cases::operators::list(&bench.world.service).await.unwrap();
    assert_eq!(operators.len(), 1, "nobody was invited");
}

#[tokio::test]
async fn what_cannot_be_read_is_answered_by_a_page() {
    let bench = Bench::new();
    let (cookie, csrf) = bench.signed_in(Role::Owner).await;
    let kind = |response: &Response| response.headers()[header::CONTENT_TYPE].to_str().unwrap().to_owned();
    let nobody = post_form("/operators/none/role", Some(&cookie), HERE, format!("csrf={csrf}&role=owner"));
    let nobody = bench.ask(nobody).await;
    assert_eq!(
        (nobody.status(), kind(&nobody).as_str()),
        (StatusCode::BAD_REQUEST, "text/html; charset=utf-8")
    );
    let long = format!("csrf={csrf}&name={}&role=owner", "a".repeat(FORM_MAX));
    let long = bench.ask(post_form("/operators/invite", Some(&cookie), HERE, long)).await;
    assert_eq!(kind(&long), "text/html; charset=utf-8");
    assert!(long.status().is_client_error(), "{}", long.status());
}

#[tokio::test]
async fn a_stream_that_opens_itself_again_keeps_no_session_alive() {
    let bench = Bench::new();
    let (cookie, _) = bench.signed_in(Role::Owner).await;
    let over = |response: Response| leads_to_sign_in(&response);
    for _ in 0..3 {
        bench.world.clock.advance(jiff::SignedDuration::from_mins(9));
        assert!(!over(bench.ask(get_page("/accounts?live", Some(&cookie))).await));
        assert_eq!(bench.ask(get_page(viewer::LIVE, Some(&cookie))).await.status(), StatusCode::OK);
    }
    bench.world.clock.advance(jiff::SignedDuration::from_mins(9));
    assert!(over(bench.ask(get_page("/accounts", Some(&cookie))).await), "36 minutes without a person");
}

#[tokio::test]
async fn what_was_done_to_one_is_not_said_on_the_page_of_another() {
    let bench = Bench::new();
    let (cookie, _) = bench.signed_in(Role::Owner).await;
    let key = session::SessionKey::of(cookie.split('=').nth(1).unwrap());
    let wiped = || notice::Notice::done("devices-wiped-now").at("/devices/one");
    bench.console.sessions.notify(key, wiped());
    assert!(bench.console.sessions.take_notice(key, "/devices/another").is_none());
    assert!(bench.console.sessions.take_notice(key, "/devices/one").is_some());
    assert!(bench.console.sessions.take_notice(key, "/devices/one").is_none(), "it is said once");
}

#[tokio::test]
async fn the_journal_takes_only_so_many_refusals() {
    let bench = Bench::new();
    let (cookie, _) = bench.signed_in(Role::Helpdesk).await;
    for _ in 0..200 {
        assert_eq!(bench.ask(get_page("/operators", Some(&cookie))).await.status(), StatusCode::FORBIDDEN);
    }
    let refused =
        |entry: &mdm_core::audit::Entry| entry.body().unwrap().what == mdm_core::audit::Happening::ApiRefused;
    let lines = bench.world.journal().await.iter().filter(|entry| refused(entry)).count();
    assert!((30..=60).contains(&lines), "{lines}");
}
