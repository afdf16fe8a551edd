//! Documents are made into pictures and text by a process of their own: this program once more, with nothing in it but the one
//! document. It reaches no file, has a limit of memory and of time, and may end as it likes: the app goes on.
//!
//! ```text
//! app ── length u32 BE ‖ CBOR (media type, ask) ‖ the document ──> stdin of the process
//! app <── CBOR (content, or why not) ──────────────────────────── its stdout
//! ```
//!
//! On Android a program cannot start itself: there it is a thread, with the limits of the `viewer` crate alone.

pub(crate) mod drawing;

use std::io::{self, Read as _, Write as _};
use std::path::PathBuf;

use anyhow::Context as _;
use client_agent::confine;
use rustix::process::{Resource, Rlimit, setrlimit};
use serde::{Deserialize, Serialize};
use viewer::{Ask, Content, MAX_SIDE, MAX_SOURCE, MAX_TEXT, ViewError};

pub use drawing::fill;

/// Tells this program to be such a process.
pub const ARGUMENT: &str = "--show-one-document";

/// Bytes of address space of the process: the program itself, a document and its pixels, several times over.
pub const MAX_MEMORY: u64 = 1 << 30;
/// Its processor time, in seconds. A page takes a fraction of one.
pub const MAX_SECONDS: u64 = 10;
/// What the app waits for it at most, also where it waits for something itself.
#[cfg(not(target_os = "android"))]
const WAIT: std::time::Duration = std::time::Duration::from_secs(30);
/// Most bytes of an answer: a picture of the largest size, or a text with what CBOR needs around it.
const MAX_ANSWER: u64 = (MAX_SIDE as u64 * MAX_SIDE as u64 * 4) + 8 * MAX_TEXT as u64;
/// Most bytes of what is asked, without the document.
const MAX_ASKED: u32 = 4 * 1024;

/// Why a document is not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotShown {
    /// By what it is.
    #[error(transparent)]
    Document(#[from] ViewError),
    /// The process came to its limits, or ended otherwise.
    #[error("showing the document takes more memory or time than it is given")]
    TooMuch,
    /// There was no process.
    #[error("what shows documents did not start")]
    NotStarted,
}

#[derive(Serialize, Deserialize)]
struct Asked {
    declared: String,
    ask: Ask,
}

/// Shows documents.
#[derive(Debug, Clone)]
pub struct Viewer {
    #[cfg_attr(target_os = "android", expect(dead_code, reason = "a thread there"))]
    program: PathBuf,
}

impl Default for Viewer {
    /// By this program.
    fn default() -> Self {
        Self { program: PathBuf::from("/proc/self/exe") }
    }
}

impl Viewer {
    /// By another program, which understands [`ARGUMENT`].
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into() }
    }

    /// What of a document can be drawn. Whoever drops this ends the process.
    #[cfg(not(target_os = "android"))]
    pub async fn view(&self, bytes: &[u8], declared: &str, ask: Ask) -> Result<Content, NotShown> {
        use std::process::Stdio;
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

        if bytes.len() > MAX_SOURCE {
            return Err(ViewError::TooLarge.into());
        }
        let mut command = tokio::process::Command::new(&self.program);
        command.arg(ARGUMENT).env_clear().kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().map_err(|error| {
            tracing::warn!(%error, "what shows documents did not start");
            NotShown::NotStarted
        })?;
        let (stdin, stdout) = (process.stdin.take(), process.stdout.take());
        let (Some(mut stdin), Some(stdout)) = (stdin, stdout) else { return Err(NotShown::NotStarted) };
        let asked = asked(declared, ask);
        let exchange = async {
            let send = async {
                stdin.write_all(&asked).await?;
                stdin.write_all(bytes).await?;
                drop(stdin);
                io::Result::Ok(())
            };
            let mut answer = Vec::new();
            let mut bounded = stdout.take(MAX_ANSWER);
            // It may end before it has read everything: what counts is its answer.
            let (_, read) = tokio::join!(send, bounded.read_to_end(&mut answer));
            read.map(|_| answer)
        };
        let answer = tokio::time::timeout(WAIT, exchange).await;
        let answer = answer.ok().and_then(Result::ok).ok_or(NotShown::TooMuch)?;
        checked(&answer)
    }

    /// What of a document can be drawn.
    #[cfg(target_os = "android")]
    pub async fn view(&self, bytes: &[u8], declared: &str, ask: Ask) -> Result<Content, NotShown> {
        let (bytes, declared) = (bytes.to_vec(), declared.to_owned());
        let shown = tokio::task::spawn_blocking(move || viewer::view(bytes, &declared, ask));
        Ok(shown.await.map_err(|_| NotShown::TooMuch)??)
    }
}

#[cfg_attr(target_os = "android", expect(dead_code, reason = "a thread there"))]
fn asked(declared: &str, ask: Ask) -> Vec<u8> {
    let declared = declared.chars().take(100).collect();
    let mut cbor = Vec::new();
    ciborium::into_writer(&Asked { declared, ask }, &mut cbor).expect("a vector takes any bytes");
    let length = u32::try_from(cbor.len()).expect("a few hundred bytes");
    [&length.to_be_bytes()[..], &cbor].concat()
}

/// An answer is looked at like anything from outside.
#[cfg_attr(target_os = "android", expect(dead_code, reason = "a thread there"))]
fn checked(answer: &[u8]) -> Result<Content, NotShown> {
    let content: Result<Content, ViewError> = ciborium::from_reader(answer).map_err(|_| NotShown::TooMuch)?;
    let content = content?;
    let whole = match &content {
        Content::Picture(picture) | Content::Page { picture, .. } => picture.is_whole(),
        _ => true,
    };
    if whole { Ok(content) } else { Err(NotShown::TooMuch) }
}

/// Is such a process: reads one document, answers, and is done.
pub fn serve() -> anyhow::Result<()> {
    // Without it the memory and time that follow would still be bounded; the app has confined itself before.
    let _confinement = confine::confine_to_nothing();
    for (resource, limit) in
        [(Resource::As, MAX_MEMORY), (Resource::Cpu, MAX_SECONDS), (Resource::Fsize, 0), (Resource::Core, 0)]
    {
        let limit = Rlimit { current: Some(limit), maximum: Some(limit) };
        setrlimit(resource, limit).context("the limits of this process")?;
    }
    let mut stdin = io::stdin().lock();
    let mut length = [0; 4];
    stdin.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length);
    anyhow::ensure!(length <= MAX_ASKED, "more is asked than is read");
    let mut cbor = vec![0; length as usize];
    stdin.read_exact(&mut cbor)?;
    let Asked { declared, ask } = ciborium::from_reader(cbor.as_slice())?;
    let mut bytes = Vec::new();
    stdin.take(MAX_SOURCE as u64 + 1).read_to_end(&mut bytes)?;
    let shown = viewer::view(bytes, &declared, ask);
    let mut answer = Vec::new();
    ciborium::into_writer(&shown, &mut answer)?;
    let mut stdout = io::stdout().lock();
    stdout.write_all(&answer)?;
    stdout.flush()?;
    Ok(())
}
