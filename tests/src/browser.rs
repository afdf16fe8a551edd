//! A real browser: headless Chromium, driven over WebDriver by a chromedriver of its own.
//!
//! A [`Browser`] is asked in the words of whoever looks at the page: [`Browser::fill`] takes a field's label,
//! [`Browser::click`] the text of a button, [`Browser::see`] waits for words. What a page must be like stands in `inspect`.
//! Nothing here knows the console's pages.

mod cdp;
mod driver;
mod inspect;
mod page;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use fantoccini::Client;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::world::{Process, wait};

pub use inspect::Violation;

/// The language that the browser asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// 日本語.
    Japanese,
    /// English.
    English,
}

impl Language {
    /// The tag of `Accept-Language` (RFC 5646).
    pub fn tag(self) -> &'static str {
        match self {
            Self::Japanese => "ja",
            Self::English => "en",
        }
    }
}

/// What kind of browser somebody has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Whether pages may run scripts.
    pub javascript: bool,
    /// Width of the page's area in CSS pixels, one to a pixel of a picture. Below 600 it is a phone's.
    pub width: u32,
    /// Its height.
    pub height: u32,
    /// Whether dark colours are preferred.
    pub dark: bool,
    /// The language asked for.
    pub language: Language,
}

impl Default for Options {
    fn default() -> Self {
        Self { javascript: true, width: 1_280, height: 800, dark: false, language: Language::Japanese }
    }
}

impl Options {
    /// As it is on a desk, scripts off.
    pub fn without_javascript() -> Self {
        Self { javascript: false, ..Self::default() }
    }

    /// A phone's browser.
    pub fn narrow() -> Self {
        Self { width: 390, height: 844, ..Self::default() }
    }
}

/// A running browser with one page. Dropping it ends it.
pub struct Browser {
    options: Options,
    client: Client,
    runtime: Runtime,
    // In this order: the browser's folder goes when the browser is gone.
    _driver: Process,
    profile: TempDir,
}

impl Browser {
    /// Starts a browser with an empty page. Certificates are not checked: the page's address is the test's own.
    ///
    /// # Errors
    /// When Chromium or chromedriver does not start, with what it said.
    pub fn open(options: Options) -> Result<Self> {
        let profile = tempfile::Builder::new().prefix("tamatebako-browser-").tempdir()?;
        let (process, address) = driver::start(profile.path())?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let client = runtime.block_on(driver::session(&address, profile.path(), &options));
        let client =
            client.with_context(|| format!("no browser:\n{}{}", process.printed(), process.log()))?;
        let browser = Self { options, client, runtime, _driver: process, profile };
        browser.emulate(options)?;
        Ok(browser)
    }

    /// Another size, other colours. Scripts and language stay as they were at the start.
    ///
    /// # Errors
    /// When the browser refuses, or is asked for what only a new one can do.
    pub fn change(&mut self, options: Options) -> Result<()> {
        let fixed = (self.options.javascript, self.options.language);
        ensure!(fixed == (options.javascript, options.language), "scripts and language need a new browser");
        self.emulate(options)?;
        self.options = options;
        Ok(())
    }

    fn emulate(&self, options: Options) -> Result<()> {
        // A phone's viewport obeys the page's <meta name="viewport">, as a phone does.
        let (width, height, mobile) = (options.width, options.height, options.width < 600);
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile });
        self.cdp("Emulation.setDeviceMetricsOverride", metrics)?;
        let scheme = if options.dark { "dark" } else { "light" };
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.cdp("Emulation.setEmulatedMedia", features)?;
        Ok(())
    }

    /// What kind of browser this is.
    pub fn options(&self) -> Options {
        self.options
    }

    /// Opens an address and waits until its page is loaded.
    ///
    /// # Errors
    /// When nobody answers there.
    pub fn go(&self, address: &str) -> Result<()> {
        self.wait(self.client.goto(address)).with_context(|| format!("opening {address}"))?;
        Ok(())
    }

    /// Loads the page again.
    ///
    /// # Errors
    /// When nobody answers any more.
    pub fn reload(&self) -> Result<()> {
        Ok(self.wait(self.client.refresh())?)
    }

    /// The address of the page.
    ///
    /// # Errors
    /// When the browser has ended.
    pub fn address(&self) -> Result<url::Url> {
        Ok(self.wait(self.client.current_url())?)
    }

    /// The page's title.
    ///
    /// # Errors
    /// When the browser has ended.
    pub fn title(&self) -> Result<String> {
        Ok(self.wait(self.client.title())?)
    }

    /// The text that can be seen.
    ///
    /// # Errors
    /// When the browser has ended.
    pub fn text(&self) -> Result<String> {
        let text = self.script("return document.body ? document.body.innerText : ''", vec![])?;
        Ok(text.as_str().context("the page's text")?.to_owned())
    }

    /// Runs a script of the test in the page. It runs also where the page's own scripts may not.
    ///
    /// # Errors
    /// When the script throws.
    pub fn script(&self, source: &str, arguments: Vec<Value>) -> Result<Value> {
        Ok(self.wait(self.client.execute(source, arguments))?)
    }

    /// Waits for the file that was asked for, and takes it out of the folder of downloads.
    ///
    /// # Errors
    /// When none comes, or more than one.
    pub fn downloaded(&self) -> Result<PathBuf> {
        let folder = driver::downloads(self.profile.path());
        let file = wait::until("a downloaded file", || {
            let files: Vec<PathBuf> = std::fs::read_dir(&folder)
                .ok()?
                .map(|entry| entry.ok().map(|e| e.path()))
                .collect::<Option<_>>()?;
            // While it comes it has a name of the browser's own.
            let is_whole = |file: &PathBuf| {
                let name = file.file_name().unwrap_or_default().to_string_lossy();
                !name.ends_with(".crdownload") && !name.starts_with('.')
            };
            (!files.is_empty() && files.iter().all(is_whole)).then_some(files)
        })?;
        let [file] = &file[..] else { bail!("several files were downloaded: {file:?}") };
        let taken = self.profile.path().join(file.file_name().context("a file's name")?);
        std::fs::rename(file, &taken)?;
        Ok(taken)
    }

    /// Forgets all cookies of this address: a sign-out that the server does not notice.
    ///
    /// # Errors
    /// When the browser has ended.
    pub fn forget_cookies(&self) -> Result<()> {
        Ok(self.wait(self.client.delete_all_cookies())?)
    }

    /// Where the browser stands, for messages.
    fn described(&self) -> String {
        let address = self.address().map_or_else(|error| error.to_string(), String::from);
        let text = self.text().unwrap_or_else(|error| error.to_string());
        format!("--- the page {address} shows ---\n{text}\n---")
    }

    fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.described());
            drop(self.picture(&failure_picture()));
        }
        // Chromium ends with its session; killing chromedriver alone would leave it.
        let closed = self.client.clone().close();
        let closed = self.runtime.block_on(async { tokio::time::timeout(CLOSING, closed).await });
        if !matches!(closed, Ok(Ok(()))) {
            eprintln!("the browser does not close: {closed:?}");
        }
    }
}

/// Where the page of a failed test is painted: one file a test, which is what its thread is named after.
fn failure_picture() -> PathBuf {
    let test = std::thread::current().name().unwrap_or("main").replace("::", "-");
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../target/failed/{test}.png"))
}

const CLOSING: Duration = Duration::from_secs(20);
