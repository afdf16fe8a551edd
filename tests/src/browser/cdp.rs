//! The DevTools protocol, which chromedriver passes on: for what WebDriver has no words for.

use anyhow::{Context as _, Result};
use fantoccini::wd::WebDriverCompatibleCommand;
use http::Method;
use serde_json::{Value, json};
use url::{ParseError, Url};

use super::Browser;

#[derive(Debug)]
struct Call {
    command: &'static str,
    parameters: Value,
}

impl WebDriverCompatibleCommand for Call {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/goog/cdp/execute", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(json!({ "cmd": self.command, "params": self.parameters }).to_string()))
    }
}

impl Browser {
    /// Calls a method of the protocol.
    pub(super) fn cdp(&self, command: &'static str, parameters: Value) -> Result<Value> {
        self.wait(self.client.issue_cmd(Call { command, parameters })).context(command)
    }
}
