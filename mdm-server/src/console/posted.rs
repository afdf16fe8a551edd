//! What forms send: bounded, and only from pages of the viewer's own session.

use std::collections::HashMap;

use axum::body::Bytes;
use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{FromRequest, Multipart, RawForm, Request};
use axum::http::HeaderMap;
use axum::http::header::{HOST, ORIGIN};
use serde::de::DeserializeOwned;
use subtle::ConstantTimeEq as _;

use super::Console;
use super::failure::Failure;
use super::viewer::Visit;

/// The most fields of an upload form besides its file, two of them for each column, and the most bytes of one.
const FIELDS: usize = 20 + 2 * mdm_core::sheet::MAX_ASSIGNED;
const FIELD_MAX: usize = 1_000;
/// The form's field with the session's token.
pub(super) const TOKEN: &str = "csrf";

/// A form of a signed-in viewer: its token is that of their session.
pub(super) struct Posted<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Console> for Posted<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, console: &Console) -> Result<Self, Failure> {
        let (request, visit) = visit(request).await;
        let malformed = || Failure::Malformed(visit.language);
        let RawForm(body) = RawForm::from_request(request, console).await.map_err(|_| malformed())?;
        let (token, rest) = parted(&body);
        check(&token.ok_or(Failure::Forged(visit.language))?, &visit, console)?;
        Ok(Self(serde_urlencoded::from_str(&rest).map_err(|_| malformed())?))
    }
}

/// The token of a form, and what else it sends. A form that is a button alone has nothing left, which is what `()` is read from.
pub(super) fn parted(body: &[u8]) -> (Option<String>, String) {
    let (tokens, rest): (Vec<_>, Vec<_>) = form_urlencoded::parse(body).partition(|(name, _)| name == TOKEN);
    let token = tokens.first().map(|(_, token)| token.to_string());
    (token, form_urlencoded::Serializer::new(String::new()).extend_pairs(rest).finish())
}

/// Who sent it, and the request as it was.
pub(super) async fn visit(request: Request) -> (Request, Visit) {
    let (parts, body) = request.into_parts();
    let visit = Visit::of(&parts);
    (Request::from_parts(parts, body), visit)
}

/// Whether a token is that of the visitor's session.
pub(super) fn check(token: &str, visit: &Visit, console: &Console) -> Result<(), Failure> {
    let session = visit.key.and_then(|key| console.sessions.find(key, true, console.service.clock.now()));
    let session = session.ok_or_else(|| Failure::SignedOut { by_hand: true, back: "/".to_owned() })?;
    if bool::from(session.csrf.as_bytes().ct_eq(token.as_bytes())) {
        Ok(())
    } else {
        Err(Failure::Forged(visit.language))
    }
}

/// A form with a file, of a signed-in viewer. The token comes before the file, which is not read without it.
pub(super) struct Uploaded {
    /// The file's bytes.
    pub(super) file: Bytes,
    /// Its name, as the browser sent it.
    pub(super) file_name: Option<String>,
    fields: HashMap<String, String>,
}

impl Uploaded {
    /// A field; empty if it was not sent.
    pub(super) fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }
}

impl FromRequest<Console> for Uploaded {
    type Rejection = Failure;

    async fn from_request(request: Request, console: &Console) -> Result<Self, Failure> {
        let (request, visit) = visit(request).await;
        let malformed = |_| Failure::Malformed(visit.language);
        let mut form = Multipart::from_request(request, console)
            .await
            .map_err(|_| Failure::Malformed(visit.language))?;
        let mut uploaded = Self { file: Bytes::new(), file_name: None, fields: HashMap::new() };
        while let Some(field) = form.next_field().await.map_err(malformed)? {
            if field.file_name().is_some() {
                check(uploaded.field(TOKEN), &visit, console)?;
                uploaded.file_name = field.file_name().map(str::to_owned);
                uploaded.file = field.bytes().await.map_err(|error| too_large(&error, &visit))?;
            } else {
                let (name, value) = text(field, &visit).await?;
                uploaded.fields.insert(name, value);
            }
            if uploaded.fields.len() > FIELDS {
                return Err(Failure::Malformed(visit.language));
            }
        }
        check(uploaded.field(TOKEN), &visit, console)?;
        Ok(uploaded)
    }
}

fn too_large(error: &MultipartError, visit: &Visit) -> Failure {
    match error.status() {
        axum::http::StatusCode::PAYLOAD_TOO_LARGE => Failure::TooLarge(visit.language),
        _ => Failure::Malformed(visit.language),
    }
}

async fn text(mut field: Field<'_>, visit: &Visit) -> Result<(String, String), Failure> {
    let malformed = || Failure::Malformed(visit.language);
    let name = field.name().filter(|name| name.len() <= FIELD_MAX).ok_or_else(malformed)?.to_owned();
    let mut value = Vec::new();
    while let Some(chunk) = field.chunk().await.map_err(|_| malformed())? {
        value.extend_from_slice(&chunk);
        if value.len() > FIELD_MAX {
            return Err(malformed());
        }
    }
    Ok((name, String::from_utf8(value).map_err(|_| malformed())?))
}

/// Whether a request that changes something comes from a page of this console, by what the browser says of it (`Origin`,
/// RFC 6454; `Sec-Fetch-Site`, Fetch Metadata). Also where there is no session yet to have a token.
pub(super) fn is_from_here(headers: &HeaderMap) -> bool {
    let text = |value: Option<&axum::http::HeaderValue>| {
        value.and_then(|value| value.to_str().ok()).map(str::to_owned)
    };
    let site = text(headers.get("sec-fetch-site"));
    if site.is_some_and(|site| site != "same-origin" && site != "none") {
        return false;
    }
    match (text(headers.get(ORIGIN)), text(headers.get(HOST))) {
        (None, _) => true,
        (Some(origin), Some(host)) => origin == format!("https://{host}"),
        (Some(_), None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderName, HeaderValue};

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn only_pages_of_this_console_may_change_something() {
        assert!(is_from_here(&headers(&[("host", "mdm:8443"), ("origin", "https://mdm:8443")])));
        assert!(is_from_here(&headers(&[("host", "mdm:8443"), ("sec-fetch-site", "same-origin")])));
        assert!(!is_from_here(&headers(&[("host", "mdm:8443"), ("origin", "https://evil.example")])));
        assert!(!is_from_here(&headers(&[("host", "mdm:8443"), ("origin", "http://mdm:8443")])));
        assert!(!is_from_here(&headers(&[("host", "mdm:8443"), ("origin", "null")])));
        assert!(!is_from_here(&headers(&[("host", "mdm:8443"), ("sec-fetch-site", "cross-site")])));
        assert!(!is_from_here(&headers(&[("host", "mdm:8443"), ("sec-fetch-site", "same-site")])));
    }
}
