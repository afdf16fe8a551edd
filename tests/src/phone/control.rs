//! The socket of a running phone: one request as a JSON line, one answer as a JSON line.
//!
//! Content follows the request `put` and precedes the end of the answer to `get` in pieces of `u32 length ‖ bytes`; length 0
//! ends it, [`FAILED`] in an answer is followed by a JSON line with the error. The socket lies in the home, which only its owner can enter.

use std::fs::File;
use std::io::{BufRead, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail};
use client_agent::{Agent, Document, FileTransferError, NoteStatus, Status, Unlocked};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::ids::DocumentId;
use tokio::runtime::Handle;
use vault::{EntryInfo, Home};
use zeroize::Zeroizing;

use super::buffered::Buffered;
use super::memory::{Memory, Needle};
use super::{PhoneCommand, print};

const LINE_LIMIT: u64 = 64 * 1024;
const ANSWER_LIMIT: u64 = 64 * 1024 * 1024;
const PIECE_LIMIT: usize = 1024 * 1024;
/// In place of a piece's length: an error follows.
pub const FAILED: u32 = u32::MAX;

#[derive(Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
enum Request {
    Unlock { pin: Zeroizing<String> },
    ChangePin { pin: Zeroizing<String>, new_pin: Zeroizing<String> },
    SecondDevice,
    Lock,
    Put { name: String },
    Get { name: String },
    Rm { name: String },
    Ls,
    Documents,
    Document { id: DocumentId },
    Notes,
    Status,
    Panic,
    Scan { needles: Vec<Needle>, planted: bool },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Ok(Value),
    Error(String),
}

/// A socket address that is short however long the home's path is.
struct SocketPath {
    _folder: File,
    path: PathBuf,
}

impl SocketPath {
    fn of(home: &Home) -> std::io::Result<Self> {
        let folder = File::open(home.root())?;
        let socket = home.socket();
        let name = socket.file_name().unwrap_or_default();
        let path = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd())).join(name);
        Ok(Self { _folder: folder, path })
    }
}

/// What a running phone answers with.
#[derive(Clone)]
pub(super) struct Served {
    pub(super) agent: Arc<Agent>,
    pub(super) runtime: Handle,
    pub(super) memory: Option<Arc<Memory>>,
}

/// The running phone's side. Dropping it removes the socket.
pub(super) struct Server {
    socket: PathBuf,
}

impl Drop for Server {
    fn drop(&mut self) {
        // A socket that is left is removed by the next phone.
        let _ = std::fs::remove_file(&self.socket);
    }
}

/// Removes a socket that is nobody's: the caller holds the home.
pub(super) fn remove_socket(home: &Home) {
    // One that cannot be removed stops the next run, with the reason.
    let _ = std::fs::remove_file(home.socket());
}

impl Server {
    /// Serves in threads of its own. The caller holds the home, so that a socket that is there is nobody's.
    pub(super) fn start(home: &Home, served: Served) -> std::io::Result<Self> {
        let socket = home.socket();
        match std::fs::remove_file(&socket) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(SocketPath::of(home)?.path)?;
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let served = served.clone();
                std::thread::spawn(move || {
                    if let Err(error) = serve(&served, &stream) {
                        tracing::debug!(%error, "a command was not answered");
                    }
                });
            }
        });
        Ok(Self { socket })
    }
}

fn send(mut stream: &UnixStream, value: &impl Serialize) -> anyhow::Result<()> {
    // Large enough for a PIN, so that no copy is left behind by growing.
    let mut line = Zeroizing::new(Vec::with_capacity(1024));
    serde_json::to_writer(&mut *line, value)?;
    line.push(b'\n');
    Ok(stream.write_all(&line)?)
}

fn receive<T: for<'a> Deserialize<'a>>(reader: &mut impl BufRead, limit: u64) -> anyhow::Result<T> {
    let mut line = Zeroizing::new(Vec::with_capacity(1024));
    reader.take(limit).read_until(b'\n', &mut line)?;
    if line.last() != Some(&b'\n') {
        bail!("the running phone ended before it answered");
    }
    Ok(serde_json::from_slice(&line)?)
}

fn serve(served: &Served, stream: &UnixStream) -> anyhow::Result<()> {
    let agent = &served.agent;
    let mut reader = Buffered::new(stream);
    let request: Request = receive(&mut reader, LINE_LIMIT)?;
    let answer = match request {
        Request::Get { name } => return serve_contents(stream, |out| agent.get(&name, out)),
        Request::Document { id } => return serve_contents(stream, |out| agent.document(id, out)),
        Request::Put { name } => put(agent, &name, &mut reader),
        Request::Scan { needles, planted } => scan(served, &needles, planted),
        Request::Panic => panic!("somebody asked for it, in the state {:?}", agent.state()),
        request => answer(agent, &served.runtime, request),
    };
    let answer = match answer {
        Ok(value) => Answer::Ok(value),
        Err(error) => Answer::Error(format!("{error:#}")),
    };
    send(stream, &answer)
}

fn answer(agent: &Arc<Agent>, runtime: &Handle, request: Request) -> anyhow::Result<Value> {
    Ok(match request {
        Request::Unlock { pin } => {
            let unlocked = runtime.block_on(agent.unlock(pin))?;
            Value::from(if unlocked == Unlocked::Online { "with the server" } else { "within the lease" })
        }
        Request::ChangePin { pin, new_pin } => {
            runtime.block_on(agent.change_pin(pin, new_pin))?;
            Value::Null
        }
        Request::SecondDevice => Value::from(print::invitation(&runtime.block_on(agent.second_device())?)),
        Request::Lock => {
            agent.lock();
            Value::Null
        }
        Request::Rm { name } => {
            agent.delete(&name)?;
            Value::Null
        }
        Request::Ls => serde_json::to_value(agent.list()?.iter().map(to_item).collect::<Vec<_>>())?,
        Request::Documents => serde_json::to_value(agent.documents()?)?,
        Request::Notes => serde_json::to_value(agent.notes()?)?,
        Request::Status => serde_json::to_value(agent.status())?,
        Request::Get { .. }
        | Request::Document { .. }
        | Request::Put { .. }
        | Request::Scan { .. }
        | Request::Panic => {
            bail!("answered elsewhere")
        }
    })
}

fn scan(served: &Served, needles: &[Needle], planted: bool) -> anyhow::Result<Value> {
    let memory = served.memory.as_ref().context("this phone was not started to be searched")?;
    Ok(serde_json::to_value(memory.scan(needles, planted)?)?)
}

fn put(agent: &Agent, name: &str, reader: &mut Buffered<'_>) -> anyhow::Result<Value> {
    let mut source = Received { reader, left: 0, ended: false };
    let stored = agent.put(name, &mut source);
    // An answer before the content has arrived would be lost: what is left is read.
    std::io::copy(&mut source, &mut std::io::sink())?;
    Ok(Value::from(stored?.size))
}

/// Reads pieces. A command that ends before its content was complete is an error, not a shorter file.
struct Received<'a, 'b> {
    reader: &'a mut Buffered<'b>,
    left: usize,
    ended: bool,
}

impl Read for Received<'_, '_> {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        if self.left == 0 && !self.ended {
            let mut length = [0; 4];
            self.reader.read_exact(&mut length)?;
            self.left = u32::from_be_bytes(length).try_into().unwrap_or(usize::MAX);
            self.ended = self.left == 0;
        }
        let most = bytes.len().min(self.left);
        if most == 0 {
            return Ok(0);
        }
        let n = self.reader.read(&mut bytes[..most])?;
        if n == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= n;
        Ok(n)
    }
}

/// Writes pieces, each with its length.
struct Pieces<'a>(&'a UnixStream);

impl Write for Pieces<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let piece = &bytes[..bytes.len().min(PIECE_LIMIT)];
        if piece.is_empty() {
            return Ok(0);
        }
        let length = u32::try_from(piece.len()).expect("a piece is at most 1 MiB");
        self.0.write_all(&length.to_be_bytes())?;
        self.0.write_all(piece)?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

fn serve_contents(
    stream: &UnixStream,
    write_out: impl FnOnce(&mut Pieces<'_>) -> Result<u64, FileTransferError>,
) -> anyhow::Result<()> {
    let mut writer = stream;
    match write_out(&mut Pieces(stream)) {
        Ok(_) => Ok(writer.write_all(&0_u32.to_be_bytes())?),
        Err(error) => {
            writer.write_all(&FAILED.to_be_bytes())?;
            send(stream, &Answer::Error(error.to_string()))
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Item {
    name: String,
    size: u64,
    version: u64,
    stored_at: jiff::Timestamp,
}

fn to_item(info: &EntryInfo) -> Item {
    Item { name: info.name.clone(), size: info.size, version: info.version, stored_at: info.stored_at }
}

fn from_item(item: Item) -> EntryInfo {
    EntryInfo { name: item.name, size: item.size, version: item.version, stored_at: item.stored_at }
}

/// A command's side.
pub struct Client(UnixStream);

impl Client {
    /// Connects to the phone that runs in `home`, if one does.
    pub(super) fn connect(home: &Home) -> Option<Self> {
        UnixStream::connect(SocketPath::of(home).ok()?.path).ok().map(Self)
    }

    fn exchange(&mut self, request: &Request) -> anyhow::Result<Value> {
        send(&self.0, request)?;
        self.answer()
    }

    fn answer(&mut self) -> anyhow::Result<Value> {
        match receive(&mut Buffered::new(&self.0), ANSWER_LIMIT)? {
            Answer::Ok(value) => Ok(value),
            Answer::Error(error) => bail!(error),
        }
    }

    /// Has the running phone do a command, and prints its answer as a one-shot would.
    pub(super) fn ask(&mut self, command: PhoneCommand, source: Option<File>) -> anyhow::Result<()> {
        match command {
            PhoneCommand::Unlock { pin } => {
                let how = self.exchange(&Request::Unlock { pin: pin.read()? })?;
                println!("the vault opened {}", how.as_str().unwrap_or_default());
            }
            PhoneCommand::ChangePin { pin, new_pin } => {
                let new_pin = Zeroizing::new(new_pin);
                drop(self.exchange(&Request::ChangePin { pin: pin.read()?, new_pin })?);
                println!("the new PIN holds");
            }
            PhoneCommand::SecondDevice { .. } => {
                let said = self.exchange(&Request::SecondDevice)?;
                println!("{}", said.as_str().unwrap_or_default());
            }
            PhoneCommand::Lock => drop(self.exchange(&Request::Lock)?),
            PhoneCommand::Put { name, .. } => {
                send(&self.0, &Request::Put { name })?;
                let mut source = source.context("a file to store")?;
                std::io::copy(&mut source, &mut Pieces(&self.0))?;
                (&self.0).write_all(&0_u32.to_be_bytes())?;
                println!("stored {} bytes", self.answer()?);
            }
            PhoneCommand::Get { name, .. } => self.get(&Request::Get { name })?,
            PhoneCommand::Document { id, .. } => self.get(&Request::Document { id })?,
            PhoneCommand::Documents { json, .. } => {
                let documents: Vec<Document> = serde_json::from_value(self.exchange(&Request::Documents)?)?;
                print::documents(&documents, json)?;
            }
            PhoneCommand::Notes { json, .. } => {
                let notes: Vec<NoteStatus> = serde_json::from_value(self.exchange(&Request::Notes)?)?;
                print::notes(&notes, json)?;
            }
            PhoneCommand::Rm { name, .. } => drop(self.exchange(&Request::Rm { name })?),
            PhoneCommand::Ls { .. } => {
                let items: Vec<Item> = serde_json::from_value(self.exchange(&Request::Ls)?)?;
                items.into_iter().for_each(|item| println!("{}", print::entry(&from_item(item))));
            }
            PhoneCommand::Status { json } => {
                let status: Status = serde_json::from_value(self.exchange(&Request::Status)?)?;
                print::status(&status, json)?;
            }
            PhoneCommand::Panic => drop(self.exchange(&Request::Panic)?),
            PhoneCommand::Scan { planted, needles } => {
                let needles =
                    needles.iter().map(|text| Needle::parse(text)).collect::<anyhow::Result<_>>()?;
                println!("{}", self.exchange(&Request::Scan { needles, planted })?);
            }
            _ => bail!("a phone runs in this home: end it first"),
        }
        Ok(())
    }

    fn get(&mut self, request: &Request) -> anyhow::Result<()> {
        send(&self.0, request)?;
        let mut reader = Buffered::new(&self.0);
        let mut out = std::io::stdout().lock();
        let mut piece = Zeroizing::new(Vec::with_capacity(64 * 1024));
        loop {
            let mut length = [0; 4];
            reader.read_exact(&mut length).context("the running phone ended before the file was complete")?;
            match u32::from_be_bytes(length) {
                0 => return Ok(out.flush()?),
                FAILED => match receive(&mut reader, LINE_LIMIT)? {
                    Answer::Error(error) => bail!(error),
                    Answer::Ok(_) => bail!("the running phone gave an answer that is not understood"),
                },
                length => {
                    let length = usize::try_from(length)?;
                    if length > PIECE_LIMIT {
                        bail!("the running phone gave a piece over the limit");
                    }
                    piece.clear();
                    piece.resize(length, 0);
                    reader.read_exact(&mut piece)?;
                    out.write_all(&piece)?;
                }
            }
        }
    }
}
