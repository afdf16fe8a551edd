//! Who looks at a page, and whether they may: the proof that a handler asks for in its arguments.

use std::marker::PhantomData;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use axum_extra::extract::cookie::CookieJar;
use mdm_core::audit::Actor;
use mdm_core::operator::{Act, Operator};
use mdm_core::substitute::Tables;

use super::Console;
use super::failure::Failure;
use super::notice::Notice;
use super::page::{Nav, Page, Who};
use super::session::{Session, SessionKey};
use super::words::Language;
use crate::rights::Right;
use crate::use_cases::{UseCaseError, operators, substitutes};

/// Name of the session's cookie. The prefix makes browsers insist on HTTPS, this host alone, and the whole path.
pub(super) const SESSION_COOKIE: &str = "__Host-session";
/// Name of the cookie with the chosen language.
pub(super) const LANGUAGE_COOKIE: &str = "language";
/// What [`live.js`](super::assets) sends when a page refreshes itself.
const BY_ITSELF: &str = "x-live";
/// The stream of ticks: browsers open it again by themselves.
pub(super) const LIVE: &str = "/live";
/// The longest path with query that is kept to come back to.
const PLACE_MAX: usize = 500;

/// Where somebody is and in what language, signed in or not.
#[derive(Clone)]
pub(super) struct Visit {
    /// The language.
    pub(super) language: Language,
    /// Path and query.
    pub(super) place: String,
    /// Where the request comes from.
    pub(super) source: IpAddr,
    /// The session's key, if a cookie was sent.
    pub(super) key: Option<SessionKey>,
    by_hand: bool,
}

impl Visit {
    pub(super) fn of(parts: &Parts) -> Self {
        let cookies = CookieJar::from_headers(&parts.headers);
        let place = parts.uri.path_and_query().map_or("/", |place| place.as_str());
        let connected = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        Self {
            language: language(&parts.headers, &cookies),
            place: if place.len() <= PLACE_MAX {
                place.to_owned()
            } else {
                parts.uri.path().chars().take(PLACE_MAX).collect()
            },
            source: connected.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |info| info.0.ip().to_canonical()),
            key: cookies.get(SESSION_COOKIE).map(|cookie| SessionKey::of(cookie.value())),
            by_hand: !is_by_itself(parts),
        }
    }

    /// A page for somebody who is not signed in.
    pub(super) fn page(&self, console: &Console) -> Page {
        Page {
            nav: Nav::Outside,
            who: None,
            notice: None,
            place: self.place.clone(),
            organisation: console.service.config.organisation.clone(),
            zone: console.service.config.zone(),
            language: self.language,
            quarantined: console.service.quarantine().is_some(),
            substitutes: Arc::default(),
            now: console.service.clock.now(),
        }
    }
}

impl FromRequestParts<Console> for Visit {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &Console) -> Result<Self, Self::Rejection> {
        Ok(Self::of(parts))
    }
}

fn language(headers: &HeaderMap, cookies: &CookieJar) -> Language {
    let chosen = cookies.get(LANGUAGE_COOKIE).and_then(|cookie| Language::by_tag(cookie.value()));
    chosen.unwrap_or_else(|| Language::asked_for(headers))
}

/// The stream or the script of a page, or a page without script that reloads itself.
fn is_by_itself(parts: &Parts) -> bool {
    let asks_live = |query: &str| query.split('&').any(|pair| pair == "live");
    parts.uri.path() == LIVE
        || parts.headers.contains_key(BY_ITSELF)
        || parts.uri.query().is_some_and(asks_live)
}

/// Proof that the request comes from a signed-in operator whose role may do it. There is no other way to get one than
/// from a request.
pub(super) struct Viewer<R> {
    /// Who.
    pub(super) operator: Operator,
    /// Where.
    pub(super) visit: Visit,
    /// Their session.
    pub(super) session: Session,
    /// What finds it.
    pub(super) key: SessionKey,
    substitutes: Arc<Tables>,
    right: PhantomData<R>,
}

impl<R: Right> Viewer<R> {
    /// For the journal.
    pub(super) fn actor(&self) -> Actor {
        Actor::Operator(self.operator.id)
    }

    /// The page they look at. Takes the notice that was left for them, unless the page only refreshes itself.
    pub(super) fn page(&self, nav: Nav, console: &Console) -> Page {
        let place = self.visit.place.split('?').next().unwrap_or_default();
        let notice = if self.visit.by_hand { console.sessions.take_notice(self.key, place) } else { None };
        let who = Who {
            name: self.operator.name.to_string(),
            role: self.operator.role,
            approves: self.operator.may(Act::Approve, console.service.clock.now()),
            csrf: self.session.csrf.clone(),
        };
        Page {
            nav,
            who: Some(who),
            notice,
            substitutes: Arc::clone(&self.substitutes),
            ..self.visit.page(console)
        }
    }

    /// Leaves a notice for the page that follows.
    pub(super) fn notify(&self, console: &Console, notice: Notice) {
        console.sessions.notify(self.key, notice);
    }
}

impl<R: Right> FromRequestParts<Console> for Viewer<R> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, console: &Console) -> Result<Self, Failure> {
        let visit = Visit::of(parts);
        let back = if parts.method == Method::GET { visit.place.clone() } else { "/".to_owned() };
        let signed_out = || Failure::SignedOut { by_hand: visit.by_hand, back: back.clone() };
        let now = console.service.clock.now();
        let key = visit.key.ok_or_else(signed_out)?;
        let session = console.sessions.find(key, visit.by_hand, now).ok_or_else(signed_out)?;
        // Looked up each time: who is disabled or invited anew is out at once.
        let operator = operators::in_session(&console.service, session.operator, session.epoch).await;
        let operator = operator.map_err(|error| Failure::of(&visit, UseCaseError::from(error)))?;
        let Some(operator) = operator else {
            console.sessions.end(key);
            return Err(signed_out());
        };
        if !operator.may(R::ACT, now) {
            // A page that refreshes itself asks again and again for what a role has just lost.
            if visit.by_hand {
                console.service.refusals.note(&console.service, &operator, R::ACT).await;
            }
            return Err(Failure::Forbidden { visit: Box::new(visit), role: operator.role });
        }
        let substitutes = substitutes::tables(&console.service).await;
        let substitutes = Arc::new(substitutes.map_err(|error| Failure::of(&visit, error))?);
        Ok(Self { operator, visit, session, key, substitutes, right: PhantomData })
    }
}

/// The same with a second factor confirmed just now: for what cannot be taken back or shows secrets. Who has none is led
/// to the page that asks for it, and back.
pub(super) struct Fresh<R>(pub(super) Viewer<R>);

impl<R: Right> FromRequestParts<Console> for Fresh<R> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, console: &Console) -> Result<Self, Failure> {
        let viewer = Viewer::<R>::from_request_parts(parts, console).await?;
        if viewer.session.is_fresh(console.service.clock.now()) {
            return Ok(Self(viewer));
        }
        let back = if parts.method == Method::GET { viewer.visit.place } else { referer(&parts.headers) };
        Err(Failure::Stale { back })
    }
}

/// The page that a form was sent from, as a place of this console.
fn referer(headers: &HeaderMap) -> String {
    let referer = headers.get("referer").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let place = referer.split_once("://").and_then(|(_, rest)| rest.find('/').map(|slash| &rest[slash..]));
    local(place.unwrap_or("/")).to_owned()
}

/// A place of this console to lead somebody to; the beginning if it is anything else.
pub(super) fn local(place: &str) -> &str {
    let bytes = place.as_bytes();
    let is_local = bytes.first() == Some(&b'/')
        && !matches!(bytes.get(1), Some(b'/' | b'\\'))
        && place.len() <= PLACE_MAX
        && bytes.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'\\');
    if is_local { place } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_led_to_another_host() {
        assert_eq!(local("/devices?state=live"), "/devices?state=live");
        for foreign in
            ["//evil.example", "/\\evil.example", "https://evil.example", "", "/a\\b", "/a b", "/\n/x"]
        {
            assert_eq!(local(foreign), "/", "{foreign:?}");
        }
    }
}
