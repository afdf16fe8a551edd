//! The agent against a peer on the loopback that speaks the wire, and lies where a test wants it to.

mod called_back;
mod delay;
mod documents;
mod grant;
mod library;
mod lies;
mod new_pin;
mod notebook;
mod notes;
mod peer;
mod stories;
mod stuck;
mod wipe;

use std::path::Path;
use std::sync::{Arc, Mutex};

use client_core::EraseStep;
use shared::activation_code::ActivationCode;
use shared::policy::LeaseMode;
use vault::Home;
use zeroize::Zeroizing;

use crate::agent::{Agent, Event, Observer};
use crate::documents::DocumentsProgress;
use crate::enrol::EnrolRequest;
use crate::platform::Platform;

pub(super) const PIN: &str = "482915";
pub(super) const MARKER: &str = "marker-9b1e";

/// Remembers events; panics after a step of an erase if it is told to, which is how a phone dies here.
#[derive(Default)]
pub(super) struct Watch {
    pub(super) events: Mutex<Vec<Event>>,
    pub(super) documents: Mutex<Vec<DocumentsProgress>>,
    pub(super) die_after: Option<EraseStep>,
}

impl Observer for Watch {
    fn event(&self, event: Event) {
        self.events.lock().unwrap().push(event);
    }

    fn documents(&self, progress: DocumentsProgress) {
        self.documents.lock().unwrap().push(progress);
    }

    fn erase_step_done(&self, step: EraseStep) {
        if self.die_after == Some(step) {
            panic!("this phone dies after {step:?}");
        }
    }
}

/// A home in a folder of its own.
pub(super) fn new_home() -> (tempfile::TempDir, Home) {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::new(folder.path().join("home"));
    home.create().unwrap();
    (folder, home)
}

pub(super) fn open(home: &Home) -> Arc<Agent> {
    open_watched(home, Arc::default())
}

pub(super) fn open_watched(home: &Home, watch: Arc<Watch>) -> Arc<Agent> {
    // The tasks of an agent that was dropped hold the home a moment longer.
    for _ in 0..200 {
        match Agent::open(home.clone(), Platform::software(home, "test", "0"), Arc::clone(&watch) as _) {
            Err(crate::OpenError::Home(vault::HomeError::InUse(_))) => {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            opened => return opened.unwrap(),
        }
    }
    panic!("the home stays in use");
}

pub(super) fn pin() -> Zeroizing<String> {
    Zeroizing::new(PIN.to_owned())
}

pub(super) fn request(peer: &peer::Peer) -> EnrolRequest {
    let code: &ActivationCode = &peer.code;
    EnrolRequest { code: code.clone(), server: peer.address(), pin: pin(), pins: Vec::new() }
}

/// A phone that enrolled and was unlocked once, and whose server is not there any more.
pub(super) async fn left_without_server(mode: LeaseMode) -> (tempfile::TempDir, Home, Arc<Agent>) {
    let peer = peer::Peer::start(mode).await;
    let (folder, home) = new_home();
    let agent = open(&home);
    agent.enrol(request(&peer)).await.unwrap();
    let (link, _) = agent.connect_and_unlock(pin()).await.unwrap();
    agent.close(link.unwrap()).await;
    peer.shut();
    (folder, home, agent)
}

/// The files under `folder` that contain `bytes`.
pub(super) fn files_with(folder: &Path, bytes: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_with(&path, bytes));
        } else if path.is_file() && std::fs::read(&path).unwrap().windows(bytes.len()).any(|w| w == bytes) {
            found.push(path.file_name().unwrap().to_string_lossy().into_owned());
        }
    }
    found
}
