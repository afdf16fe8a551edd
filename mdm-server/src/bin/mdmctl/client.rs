//! The HTTPS side: one agent that trusts one authority, and the server's errors as ours.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mdm_server::api::types::{DOCUMENT_PART, ErrorBody, FILE_PART};
use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::http::{Response, StatusCode};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Body, SendBody};
use zeroize::Zeroizing;

use crate::cli::Connection;
use crate::failure::{self, Failure};

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// Until a server that has not asked for the body is sent it all the same.
const ASKED_FOR_BODY: Duration = Duration::from_secs(20);
/// Longest wait for the beginning of an answer: a large batch takes its time.
const ANSWER: Duration = Duration::from_secs(600);
/// Most bytes of an answer.
const MAX_ANSWER: u64 = 256 * 1024 * 1024;
/// Most bytes of a token's or certificate's file.
const MAX_SMALL_FILE: u64 = 64 * 1024;

/// A server that can be asked.
pub(crate) struct Client {
    agent: Agent,
    base: String,
    authorisation: Zeroizing<String>,
}

/// Names and values of an address's query.
pub(crate) type Query<'a> = &'a [(&'a str, &'a str)];

impl Client {
    /// Reads token and certificate. Nothing is sent yet.
    pub(crate) fn new(connection: &Connection) -> Result<Self, Failure> {
        let server = given(connection.server.as_deref(), "--server URL or MDM_SERVER")?;
        let token = given(connection.token.as_deref(), "--token FILE or MDM_TOKEN")?;
        let ca = given(connection.ca.as_deref(), "--ca FILE or MDM_CA")?;
        if !server.starts_with("https://") {
            return Err(Failure::Usage(format!(
                "the server's address is {server:?}: it begins with https://"
            )));
        }
        warn_if_others_can_read(token);
        let text = Zeroizing::new(small_file(token)?);
        let text = text.trim();
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Failure::Usage(format!(
                "{} holds no API token: a token is one line",
                token.display()
            )));
        }
        Ok(Self {
            agent: agent(ca)?,
            base: server.trim_end_matches('/').to_owned(),
            authorisation: Zeroizing::new(format!("Bearer {text}")),
        })
    }

    fn address(&self, path: &[&str]) -> String {
        let path: Vec<String> = path.iter().map(|segment| encode(segment)).collect();
        format!("{}/api/v1/{}", self.base, path.join("/"))
    }

    pub(crate) fn get<T: DeserializeOwned>(&self, path: &[&str], query: Query<'_>) -> Result<T, Failure> {
        let request = self.agent.get(self.address(path)).query_pairs(query.iter().copied());
        read(request.header("authorization", self.authorisation.as_str()).call())
    }

    pub(crate) fn post<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: Query<'_>,
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        let request = self.agent.post(self.address(path)).query_pairs(query.iter().copied());
        read(request.header("authorization", self.authorisation.as_str()).send_json(body))
    }

    pub(crate) fn put<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        let request = self.agent.put(self.address(path));
        read(request.header("authorization", self.authorisation.as_str()).send_json(body))
    }

    pub(crate) fn delete<T: DeserializeOwned>(&self, path: &[&str]) -> Result<T, Failure> {
        let request = self.agent.delete(self.address(path));
        read(request.header("authorization", self.authorisation.as_str()).call())
    }

    /// Sends a file as the body, once the server has said that it wants it: a wrong token costs no upload.
    pub(crate) fn upload<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: Query<'_>,
        bytes: &[u8],
    ) -> Result<T, Failure> {
        let request = self.agent.post(self.address(path)).query_pairs(query.iter().copied());
        let request = request.header("authorization", self.authorisation.as_str());
        let request = request.header("expect", "100-continue").content_type("application/octet-stream");
        read(request.send(bytes))
    }

    /// Sends a document as `multipart/form-data` (RFC 7578): what is said of it, then `size` bytes of contents as they are read. Their
    /// number is announced, so that a server that does not want as many says so before any is sent.
    pub(crate) fn upload_document<T: DeserializeOwned>(
        &self,
        path: &[&str],
        replaces: bool,
        said: &impl Serialize,
        (contents, size): (impl Read, u64),
    ) -> Result<T, Failure> {
        let said = serde_json::to_string(said)
            .map_err(|error| Failure::Here(format!("cannot write the request as JSON: {error}")))?;
        let boundary = format!("{:032x}", rand::random::<u128>());
        let head = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"{DOCUMENT_PART}\"\r\n\r\n{said}\r\n--{boundary}\r\n\
             Content-Disposition: form-data; name=\"{FILE_PART}\"; filename=\"file\"\r\n\r\n"
        );
        let tail = format!("\r\n--{boundary}--\r\n");
        let length = size.saturating_add((head.len() + tail.len()) as u64);
        let mut body = head.as_bytes().chain(contents.take(size)).chain(tail.as_bytes());
        let address = self.address(path);
        let request = if replaces { self.agent.put(address) } else { self.agent.post(address) };
        let request = request.header("authorization", self.authorisation.as_str());
        let request = request.header("expect", "100-continue").header("content-length", length);
        let request = request.content_type(format!("multipart/form-data; boundary={boundary}"));
        read(request.send(SendBody::from_reader(&mut body)))
    }

    /// The answer's bytes as they are.
    pub(crate) fn get_for_bytes(&self, path: &[&str], query: Query<'_>) -> Result<Vec<u8>, Failure> {
        let request = self.agent.get(self.address(path)).query_pairs(query.iter().copied());
        let mut response = succeeded(request.header("authorization", self.authorisation.as_str()).call())?;
        let bytes = response.body_mut().with_config().limit(MAX_ANSWER).read_to_vec();
        bytes.map_err(|error| unreached(&error))
    }

    /// The same.
    pub(crate) fn post_for_bytes(
        &self,
        path: &[&str],
        query: Query<'_>,
    ) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let request = self.agent.post(self.address(path)).query_pairs(query.iter().copied());
        let mut response =
            succeeded(request.header("authorization", self.authorisation.as_str()).send_empty())?;
        let bytes = response.body_mut().with_config().limit(MAX_ANSWER).read_to_vec();
        bytes.map(Zeroizing::new).map_err(|error| unreached(&error))
    }
}

fn given<'a, T: ?Sized>(value: Option<&'a T>, what: &str) -> Result<&'a T, Failure> {
    value.ok_or_else(|| Failure::Usage(format!("which server, and as whom? Give {what}")))
}

fn agent(ca: &Path) -> Result<Agent, Failure> {
    let pem = small_file(ca)?;
    let certificate = Certificate::from_pem(pem.as_bytes())
        .map_err(|_| Failure::Usage(format!("{} holds no certificate in PEM form", ca.display())))?;
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::new(vec![certificate])))
        .unversioned_rustls_crypto_provider(mdm_server::tls::provider())
        .build();
    let config = Agent::config_builder()
        .tls_config(tls)
        .https_only(true)
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .timeout_connect(Some(CONNECT))
        .timeout_await_100(Some(ASKED_FOR_BODY))
        .timeout_recv_response(Some(ANSWER))
        .build();
    Ok(config.into())
}

fn small_file(path: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(|error| failure::file(path, "read", &error))?;
    let read = file.take(MAX_SMALL_FILE + 1).read_to_string(&mut text);
    read.map_err(|error| failure::file(path, "read", &error))?;
    if text.len() as u64 > MAX_SMALL_FILE {
        return Err(Failure::Usage(format!("{} is too large: is it the right file?", path.display())));
    }
    Ok(text)
}

fn warn_if_others_can_read(token: &Path) {
    let mode = std::fs::metadata(token).map(|metadata| metadata.permissions().mode());
    if mode.is_ok_and(|mode| mode & 0o077 != 0) {
        eprintln!("mdmctl: warning: others on this machine can read {0}: chmod 600 {0}", token.display());
    }
}

fn read<T: DeserializeOwned>(answer: Result<Response<Body>, ureq::Error>) -> Result<T, Failure> {
    let mut response = succeeded(answer)?;
    let body = response.body_mut().with_config().limit(MAX_ANSWER).read_json();
    body.map_err(|error| {
        Failure::Here(format!(
            "the server's answer is not understood ({error}): is mdmctl of the same version?"
        ))
    })
}

fn succeeded(answer: Result<Response<Body>, ureq::Error>) -> Result<Response<Body>, Failure> {
    let mut response = answer.map_err(|error| unreached(&error))?;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    match response.body_mut().with_config().limit(MAX_SMALL_FILE).read_json::<ErrorBody>() {
        Ok(ErrorBody { error }) => Err(Failure::Server { code: error.code, message: error.message }),
        Err(_) => Err(not_ours(status)),
    }
}

fn not_ours(status: StatusCode) -> Failure {
    Failure::Here(format!("the server answered {status} without saying why: is it a Tamatebako server?"))
}

fn unreached(error: &ureq::Error) -> Failure {
    let by_rustls = |error: &std::io::Error| error.get_ref().is_some_and(|cause| cause.is::<rustls::Error>());
    let cure = match error {
        ureq::Error::Io(error) if by_rustls(error) => {
            "check that --ca is this server's authority and that --server names a host in its certificate"
        }
        ureq::Error::BadUri(_) => "check --server",
        _ => "check --server, and that the server runs and can be reached from here",
    };
    Failure::Here(format!("the server was not reached ({error}): {cure}"))
}

/// A path segment: everything but letters, digits and `-._~` as percent signs (RFC 3986 section 2.1).
fn encode(segment: &str) -> String {
    let mut encoded = String::with_capacity(segment.len());
    for byte in segment.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_staff_number_cannot_become_another_path() {
        assert_eq!(encode("001234"), "001234");
        assert_eq!(encode("../devices?x=1"), "..%2Fdevices%3Fx%3D1");
        assert_eq!(encode("職"), "%E8%81%B7");
    }

    #[test]
    fn without_a_server_the_command_line_is_wrong() {
        let nothing = Connection { server: None, token: None, ca: None };
        assert_eq!(Client::new(&nothing).err().unwrap().status(), 2);
        let plain =
            Connection { server: Some("http://s".into()), token: Some("t".into()), ca: Some("c".into()) };
        assert!(Client::new(&plain).err().unwrap().to_string().contains("https://"));
    }
}
