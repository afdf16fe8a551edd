//! The console and the API without a browser: requests as anybody can make them, forged ones as well.
//!
//! A [`Web`] keeps cookies as a browser does and follows nothing by itself; what a form needs is read from the page that
//! holds it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use ureq::Agent;
use ureq::http::{HeaderMap, Request, Response};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::world::{Operator, Site};

/// Longest wait for an answer.
const ANSWER: Duration = Duration::from_secs(60);
const BOUNDARY: &str = "----the-form-of-a-test";

/// What the server answered.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// All headers.
    pub headers: HeaderMap,
    /// The body as text.
    pub body: String,
}

impl Answer {
    /// A header as text; empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Where it leads.
    pub fn location(&self) -> &str {
        self.header("location")
    }

    /// The value of a form's field.
    ///
    /// # Errors
    /// When the page has no such field.
    pub fn field(&self, name: &str) -> Result<&str> {
        let marker = format!("name=\"{name}\" value=\"");
        let value = self.body.split_once(&marker).and_then(|(_, rest)| rest.split_once('"'));
        Ok(value.with_context(|| format!("no field {name} in the page, status {}", self.status))?.0)
    }

    /// The text of the element with this id, if it holds nothing but text.
    ///
    /// # Errors
    /// When the page has no such element.
    pub fn element(&self, id: &str) -> Result<&str> {
        let found = self.body.split_once(&format!("id=\"{id}\""));
        let text = found.and_then(|(_, rest)| rest.split_once('>')?.1.split_once('<'));
        Ok(text.with_context(|| format!("no element {id} in the page, status {}", self.status))?.0)
    }

    /// Itself, if it has this status.
    ///
    /// # Errors
    /// Otherwise, with its beginning.
    pub fn expect(self, status: u16) -> Result<Self> {
        if self.status == status {
            return Ok(self);
        }
        let begin: String = self.body.chars().take(2_000).collect();
        bail!("status {} instead of {status}, location {:?}:\n{begin}", self.status, self.location())
    }
}

/// Somebody with an HTTP client.
pub struct Web {
    agent: Agent,
    base: String,
    language: &'static str,
    cookies: Mutex<BTreeMap<String, String>>,
}

impl Web {
    /// Trusts the site's authority; has no cookies.
    ///
    /// # Errors
    /// When the authority's certificate cannot be read.
    pub fn new(site: &Site) -> Result<Self> {
        let certificate = Certificate::from_pem(&std::fs::read(site.ca())?)?;
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
            .timeout_global(Some(ANSWER))
            .build();
        let (agent, base) = (Agent::new_with_config(config), site.console());
        Ok(Self { agent, base, language: "ja", cookies: Mutex::default() })
    }

    /// The same in English.
    pub fn in_english(self) -> Self {
        Self { language: "en", ..self }
    }

    /// Opens a page.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn get(&self, path: &str) -> Result<Answer> {
        self.send("GET", path, &[], &[])
    }

    /// Sends a form as a page of this console would.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn post(&self, path: &str, fields: &[(&str, &str)]) -> Result<Answer> {
        self.post_from(path, fields, &[("origin", &self.base), ("sec-fetch-site", "same-origin")])
    }

    /// Sends a form with these headers alone.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn post_from(&self, path: &str, fields: &[(&str, &str)], headers: &[(&str, &str)]) -> Result<Answer> {
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        let body = body.extend_pairs(fields).finish();
        let kind = ("content-type", "application/x-www-form-urlencoded");
        self.send("POST", path, &[headers, &[kind]].concat(), body.as_bytes())
    }

    /// Sends a form with a file, as a page of this console would.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn upload(&self, path: &str, fields: &[(&str, &str)], file: (&str, &[u8])) -> Result<Answer> {
        let mut body = String::new();
        for (name, value) in fields {
            write!(
                body,
                "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
            )?;
        }
        let (name, bytes) = file;
        write!(
            body,
            "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{name}\"; filename=\"staff.csv\"\r\n\
             content-type: text/csv\r\n\r\n"
        )?;
        let mut body = body.into_bytes();
        body.extend_from_slice(bytes);
        body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        let headers =
            [("content-type", kind.as_str()), ("origin", &self.base), ("sec-fetch-site", "same-origin")];
        self.send("POST", path, &headers, &body)
    }

    /// Asks the API with a token and a JSON body, if it is not null.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn api(&self, method: &str, path: &str, token: &str, body: &Value) -> Result<Answer> {
        let authorisation = format!("Bearer {token}");
        let headers = [("authorization", authorisation.as_str()), ("content-type", "application/json")];
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        self.send(method, &format!("/api/v1{path}"), &headers, &body)
    }

    /// Sends a request as it is given, with the cookies.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Answer> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header("accept-language", self.language);
        let cookies = self.cookie_header();
        if !cookies.is_empty() {
            request = request.header("cookie", cookies);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let said = || format!("{method} {path}");
        let mut response: Response<ureq::Body> =
            self.agent.run(request.body(body.to_vec())?).with_context(said)?;
        self.keep_cookies(response.headers());
        let bytes = response.body_mut().with_config().limit(64 << 20).read_to_vec().with_context(said)?;
        Ok(Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: String::from_utf8_lossy(&bytes).into_owned(),
        })
    }

    /// Signs an operator in.
    ///
    /// # Errors
    /// When the console refuses.
    pub fn sign_in(&self, operator: &Operator) -> Result<()> {
        self.try_sign_in(&operator.name, &operator.password, &operator.code()?)?.expect(303).map(drop)
    }

    /// Sends the form of the sign-in page.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn try_sign_in(&self, name: &str, password: &str, code: &str) -> Result<Answer> {
        self.post("/sign-in", &[("name", name), ("password", password), ("code", code), ("next", "/")])
    }

    /// The token that the forms of this session carry.
    ///
    /// # Errors
    /// When nobody is signed in.
    pub fn csrf(&self) -> Result<String> {
        Ok(self.get("/")?.expect(200)?.field("csrf")?.to_owned())
    }

    /// The value of a cookie.
    pub fn cookie(&self, name: &str) -> Option<String> {
        self.jar().get(name).cloned()
    }

    fn jar(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.cookies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cookie_header(&self) -> String {
        let pairs: Vec<String> = self.jar().iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join("; ")
    }

    fn keep_cookies(&self, headers: &HeaderMap) {
        for cookie in headers.get_all("set-cookie").iter().filter_map(|value| value.to_str().ok()) {
            let pair = cookie.split(';').next().unwrap_or_default();
            let Some((name, value)) = pair.split_once('=') else { continue };
            if value.is_empty() {
                self.jar().remove(name);
            } else {
                self.jar().insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

impl Site {
    /// The console's address, without a slash at its end.
    pub fn console(&self) -> String {
        format!("https://{}", self.https())
    }

    /// The first owner, made ready at the page of their invitation.
    ///
    /// # Errors
    /// When the invitation is gone or the page refuses.
    pub fn owner(&self) -> Result<Operator> {
        let link = std::fs::read_to_string(self.secrets().join(mdm_server::init::OWNER_INVITATION_FILE))?;
        self.accept_invitation(&link, "owner")
    }

    /// A new operator with a role (owner, operator, helpdesk, auditor), invited by the first owner and made ready.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn operator(&self, name: &str, role: &str) -> Result<Operator> {
        self.accept_invitation(&self.invite(name, role)?, name)
    }

    /// Invites an operator in the first owner's name and gives the link.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn invite(&self, name: &str, role: &str) -> Result<String> {
        let body = serde_json::json!({ "name": name, "role": role });
        let invited = self.ask_as_owner("POST", "/operators", &body)?;
        Ok(invited["link"].as_str().context("a link")?.to_owned())
    }

    /// All operators, as the API lists them.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn operators(&self) -> Result<Vec<Value>> {
        let list = self.ask_as_owner("GET", "/operators", &Value::Null)?;
        let items = list.get("items").unwrap_or(&list).as_array();
        Ok(items.context("a list of operators")?.clone())
    }

    /// Asks the API with the first owner's token.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn ask_as_owner(&self, method: &str, path: &str, body: &Value) -> Result<Value> {
        let token = std::fs::read_to_string(self.token_file())?;
        let answer = Web::new(self)?.api(method, path, token.trim(), body)?;
        ensure!((200..300).contains(&answer.status), "{method} {path}: {} {}", answer.status, answer.body);
        Ok(serde_json::from_str(&answer.body)?)
    }

    /// Makes the first owner another API token in the console, as they must after a restore, and puts it where the old one was.
    ///
    /// # Errors
    /// When the console refuses.
    pub fn renew_token(&self, owner: &Operator) -> Result<()> {
        let web = Web::new(self)?;
        web.sign_in(owner)?;
        let page = web.get(&format!("/operators/{}", owner.name))?.expect(200)?;
        let path = page.body.split("action=\"").filter_map(|rest| rest.split_once('"'));
        let path = path.map(|(path, _)| path).find(|path| path.ends_with("/token"));
        let made =
            web.post(path.context("a form for a token")?, &[("csrf", page.field("csrf")?)])?.expect(200)?;
        Ok(std::fs::write(self.token_file(), made.element("api-token")?)?)
    }

    /// Sets a password and confirms the authenticator, as the invited person does.
    ///
    /// # Errors
    /// When the page refuses.
    pub fn accept_invitation(&self, link: &str, name: &str) -> Result<Operator> {
        let path = link.trim().find("/invitation/").map(|start| &link.trim()[start..]);
        let (path, web) = (path.context("a link to an invitation")?, Web::new(self)?);
        let page = web.get(path)?.expect(200)?;
        let operator = Operator::new(name, page.element("totp-secret")?)?;
        let (password, code) = (operator.password.as_str(), operator.code()?);
        let form = [("password", password), ("again", password), ("code", &code)];
        web.post(path, &form)?.expect(303)?;
        Ok(operator)
    }
}
