//! How a running server is asked for a backup, or to load a journal that ends its quarantine: a socket in the data folder, which
//! belongs to the server's user alone. One request a connection, a line of JSON each way.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Mutex, watch};

use super::make::{self, Made, Order};
use crate::quarantine::replay::{self, Loaded};
use crate::service::Service;

/// The socket in the data folder.
const SOCKET: &str = "control";
/// No request or answer is longer.
const LIMIT: u64 = 4 * 1024 * 1024;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Request {
    Backup(Order),
    LoadJournal { journal: PathBuf, nothing_since: bool },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Made(Made),
    Loaded(Loaded),
    Refused(String),
}

/// Why a running server did not do it.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// It said why.
    #[error("{0}")]
    Refused(String),
    /// It went away, or speaks another language.
    #[error("the running server does not answer ({0}): look into its log")]
    Io(#[from] io::Error),
}

fn path(data: &Path) -> PathBuf {
    data.join(SOCKET)
}

/// The server's end. `None` where the socket cannot be made, for example below a path that is too long for one: backups
/// then need the server to be stopped.
pub fn listen(data: &Path) -> Option<UnixListener> {
    let path = path(data);
    let made = || {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        Ok(listener)
    };
    made()
        .inspect_err(|error| {
            tracing::warn!(path = %path.display(), %error, "no control socket: backups need this server to be stopped");
        })
        .ok()
}

/// Answers until `shutdown` says true or its sender is gone.
pub async fn serve(service: Arc<Service>, listener: UnixListener, mut shutdown: watch::Receiver<bool>) {
    let one_at_a_time = Arc::new(Mutex::new(()));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = shutdown.wait_for(|ends| *ends) => break,
        };
        let Ok((stream, _)) = accepted else { continue };
        let (service, one_at_a_time) = (service.clone(), one_at_a_time.clone());
        tokio::spawn(async move {
            let _turn = one_at_a_time.lock().await;
            if let Err(error) = answer(&service, stream).await {
                tracing::warn!(%error, "a request on the control socket was not answered");
            }
        });
    }
    // The next start removes what is left.
    let _ = fs::remove_file(path(&service.config.data));
}

async fn answer(service: &Service, mut stream: UnixStream) -> io::Result<()> {
    let request = line(&mut stream).await?;
    let answer = match serde_json::from_slice(&request) {
        Ok(Request::Backup(order)) => match make::make(service, &order).await {
            Ok(made) => Answer::Made(made),
            Err(error) => {
                tracing::error!(%error, "a backup failed");
                Answer::Refused(error.to_string())
            }
        },
        Ok(Request::LoadJournal { journal, nothing_since }) => {
            match replay::load(service, &journal, nothing_since).await {
                Ok(loaded) => Answer::Loaded(loaded),
                Err(error) => {
                    tracing::error!(%error, "a journal was not loaded");
                    Answer::Refused(error.to_string())
                }
            }
        }
        Err(error) => Answer::Refused(format!("the request is not understood: {error}")),
    };
    write(&mut stream, &answer).await
}

async fn line(stream: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    BufReader::new(stream.take(LIMIT)).read_until(b'\n', &mut bytes).await?;
    Ok(bytes)
}

async fn write(stream: &mut UnixStream, message: &impl Serialize) -> io::Result<()> {
    let mut bytes = serde_json::to_vec(message)?;
    bytes.push(b'\n');
    stream.write_all(&bytes).await?;
    stream.shutdown().await
}

/// Asks the server of a data folder for a backup, if one runs there.
pub async fn ask(data: &Path, order: Order) -> Option<Result<Made, AskError>> {
    let answer = exchange(data, Request::Backup(order)).await?;
    Some(answer.and_then(|answer| match answer {
        Answer::Made(made) => Ok(made),
        other => Err(other.into()),
    }))
}

/// The same for a journal.
pub async fn load_journal(
    data: &Path,
    journal: PathBuf,
    nothing_since: bool,
) -> Option<Result<Loaded, AskError>> {
    let answer = exchange(data, Request::LoadJournal { journal, nothing_since }).await?;
    Some(answer.and_then(|answer| match answer {
        Answer::Loaded(loaded) => Ok(loaded),
        other => Err(other.into()),
    }))
}

impl From<Answer> for AskError {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Refused(why) => Self::Refused(why),
            Answer::Made(_) | Answer::Loaded(_) => {
                Self::Io(io::Error::new(io::ErrorKind::InvalidData, "it answered something else"))
            }
        }
    }
}

async fn exchange(data: &Path, request: Request) -> Option<Result<Answer, AskError>> {
    let mut stream = UnixStream::connect(path(data)).await.ok()?;
    let asked = async {
        let mut request = serde_json::to_vec(&request).map_err(io::Error::from)?;
        request.push(b'\n');
        stream.write_all(&request).await?;
        Ok(serde_json::from_slice(&line(&mut stream).await?).map_err(io::Error::from)?)
    };
    Some(asked.await)
}
