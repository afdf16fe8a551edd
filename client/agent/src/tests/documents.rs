//! Documents: they come into the vault, go on where they were cut, are shown only when they are right, and go again.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use shared::policy::LeaseMode;
use shared::wire::{CHUNK_MAX, Kind};
use tokio::task::JoinHandle;
use vault::{Home, VaultError};

use super::grant::until;
use super::library::{contents, id};
use super::peer::Peer;
use super::{Watch, files_with, new_home, open, open_watched, pin, request};
use crate::agent::Agent;
use crate::documents::{Document, DocumentState, NoticeState};
use crate::error::AgentError;
use crate::files::FileTransferError;

/// An enrolled phone that runs with an open vault, until it is dropped.
struct Phone {
    agent: Arc<Agent>,
    run: JoinHandle<()>,
}

impl Drop for Phone {
    fn drop(&mut self) {
        self.run.abort();
    }
}

impl Phone {
    async fn of(agent: Arc<Agent>) -> Self {
        let run = tokio::spawn({
            let agent = Arc::clone(&agent);
            async move { drop(agent.run().await) }
        });
        until("the phone is connected", || agent.connection().is_some()).await;
        agent.unlock(pin()).await.unwrap();
        Self { agent, run }
    }

    fn list(&self) -> Vec<Document> {
        self.agent.documents().unwrap()
    }

    fn read(&self, number: u8) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        match self.agent.document(id(number), &mut bytes) {
            Ok(_) => Some(bytes),
            Err(FileTransferError::Agent(AgentError::Vault(VaultError::NotFound))) => None,
            Err(other) => panic!("{other}"),
        }
    }

    /// Bytes of the first document, which is coming.
    fn came(&self) -> u64 {
        match self.list().first().map(|document| document.state) {
            Some(DocumentState::Coming { received }) => received,
            _ => 0,
        }
    }

    /// Has what is missing looked for until it is so.
    async fn look_until(&self, what: &str, so: impl Fn(&[Document]) -> bool) {
        until(what, || {
            self.agent.look_for_documents();
            so(&self.list())
        })
        .await;
    }
}

fn is_there(document: &Document) -> bool {
    matches!(document.state, DocumentState::There { .. })
}

async fn enrolled(mode: LeaseMode) -> (Arc<Peer>, tempfile::TempDir, Home) {
    let peer = Peer::start(mode).await;
    let (folder, home) = new_home();
    open(&home).enrol(request(&peer)).await.unwrap();
    (peer, folder, home)
}

fn sealed_files(home: &Home) -> usize {
    std::fs::read_dir(home.store_dir().with_file_name("content")).unwrap().count()
}

fn in_clear(folder: &Path, bytes: &[u8]) -> Vec<String> {
    files_with(folder, &bytes[bytes.len() / 2..][..64])
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_comes_and_what_is_replaced_or_unpublished_goes() {
    let (peer, folder, home) = enrolled(LeaseMode::None).await;
    let (first, second) = (contents(1, 400_000), contents(2, 90_000));
    peer.library(|library| {
        library.publish(1, &first);
        library.publish(2, &second);
        library.publish(3, b"");
    });
    let watch = Arc::new(Watch::default());
    let phone = Phone::of(open_watched(&home, Arc::clone(&watch))).await;
    phone.look_until("all are there", |list| list.len() == 3 && list.iter().all(is_there)).await;
    assert_eq!(phone.read(1).unwrap(), first);
    assert_eq!(phone.read(2).unwrap(), second);
    assert_eq!(phone.read(3).unwrap(), b"");
    assert_eq!(in_clear(folder.path(), &first), Vec::<String>::new());
    let last = *watch.documents.lock().unwrap().last().unwrap();
    assert_eq!((last.documents, last.there, last.bytes), (3, 3, last.bytes_there));

    peer.library(|library| {
        library.publish(1, &second);
        library.unpublish(2);
    });
    phone
        .look_until("the replaced one is there", |list| {
            list.len() == 2 && list.iter().all(is_there) && list[0].version == 2
        })
        .await;
    assert_eq!(phone.read(1).unwrap(), second);
    assert_eq!(phone.read(2), None);
    peer.library(|library| [1, 3].map(|number| library.unpublish(number)));
    phone.look_until("nothing is listed", <[Document]>::is_empty).await;
    until("nothing is left", || sealed_files(&home) == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_is_unread_until_it_was_read_and_again_when_it_was_corrected() {
    let (peer, _folder, home) = enrolled(LeaseMode::None).await;
    let at = Timestamp::from_second(1_800_000_000).unwrap();
    peer.library(|library| {
        library.notify(1, "会計課の窓口は2階です。", at);
        library.publish(2, b"a document");
    });
    let phone = Phone::of(open(&home)).await;
    let read = |list: &[Document]| list.first().and_then(|first| first.notice).map(|notice| notice.is_read);
    phone.look_until("both are there", |list| list.len() == 2 && list.iter().all(is_there)).await;
    let list = phone.list();
    assert_eq!(list[0].notice, Some(NoticeState { published_at: at, is_read: false }));
    assert_eq!(list[1].notice, None);
    for number in [1, 1, 2, 9] {
        phone.agent.mark_read(id(number)).unwrap();
    }
    assert_eq!(read(&phone.list()), Some(true));
    drop(phone);
    let phone = Phone::of(open(&home)).await;
    assert_eq!(read(&phone.list()), Some(true), "after a restart as well");
    peer.library(|library| library.notify(1, "会計課の窓口は1階です。", at));
    phone
        .look_until("the corrected one is there", |list| list[0].version == 2 && list.iter().all(is_there))
        .await;
    assert_eq!(read(&phone.list()), Some(false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_was_cut_goes_on_at_the_byte_where_it_stood() {
    let (peer, _folder, home) = enrolled(LeaseMode::None).await;
    let bytes = contents(7, 600_000);
    peer.library(|library| {
        library.publish(1, &bytes);
        library.wait_after = Some(9);
    });
    let phone = Phone::of(open(&home)).await;
    until("ten chunks are there", || phone.came() == 10 * CHUNK_MAX as u64).await;
    peer.library(|library| (library.hang_up, library.wait_after) = (true, None));
    phone.look_until("it is there", |list| list.iter().any(is_there)).await;
    let offsets = peer.library(|library| library.offsets.clone());
    assert_eq!(offsets, [0, 10 * CHUNK_MAX as u64], "nothing came twice");
    assert_eq!(phone.read(1).unwrap(), bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_in_the_middle_and_a_restart_lose_less_than_a_chunk_of_the_vault() {
    let (peer, folder, home) = enrolled(LeaseMode::None).await;
    let bytes = contents(9, 700_000);
    peer.library(|library| {
        library.publish(1, &bytes);
        library.wait_after = Some(20);
    });
    let phone = Phone::of(open(&home)).await;
    until("a part is there", || phone.came() > 20 * CHUNK_MAX as u64).await;
    assert_eq!(phone.read(1), None, "a part is not shown");
    phone.agent.lock();
    assert!(matches!(phone.agent.documents(), Err(AgentError::Vault(VaultError::Closed))));
    drop(phone);
    assert_eq!(in_clear(folder.path(), &bytes[..200_000]), Vec::<String>::new());
    peer.library(|library| library.wait_after = None);
    let phone = Phone::of(open(&home)).await;
    phone.look_until("it is there", |list| list.iter().any(is_there)).await;
    let offsets = peer.library(|library| library.offsets.clone());
    let [0, again] = offsets[..] else { panic!("{offsets:?}") };
    assert!(again >= 20 * CHUNK_MAX as u64 - 64 * 1024, "{again}");
    assert_eq!(phone.read(1).unwrap(), bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn contents_that_are_not_what_the_manifest_says_are_never_shown() {
    let (peer, _folder, home) = enrolled(LeaseMode::None).await;
    peer.library(|library| {
        library.publish(1, &contents(3, 100_000));
        library.spoil(1);
        library.publish(2, b"another");
    });
    let phone = Phone::of(open(&home)).await;
    phone
        .look_until("it is known to be wrong", |list| {
            list.iter().any(|document| document.state == DocumentState::Failed) && list.iter().any(is_there)
        })
        .await;
    assert_eq!(phone.read(1), None);
    assert_eq!(phone.read(2).unwrap(), b"another", "the others come");
    assert_eq!(sealed_files(&home), 1, "nothing of it is kept");
    let asked = peer.library(|library| library.offsets.len());
    for _ in 0..3 {
        let before = manifests(&peer);
        phone.agent.look_for_documents();
        until("it was looked for again", || manifests(&peer) > before).await;
    }
    assert_eq!(peer.library(|library| library.offsets.len()), asked, "it is not asked for again and again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_the_server_fails_with_holds_up_no_other() {
    let (peer, _folder, home) = enrolled(LeaseMode::None).await;
    peer.library(|library| {
        library.publish(1, b"first");
        library.publish(2, b"second");
        library.broken = Some(1);
    });
    let phone = Phone::of(open(&home)).await;
    phone
        .look_until("the other is there", |list| {
            list.len() == 2 && list[0].state == DocumentState::Failed && is_there(&list[1])
        })
        .await;
    peer.library(|library| library.broken = None);
    // By itself, after a pause.
    until("it is there", || phone.list().iter().all(is_there)).await;
    assert_eq!(phone.read(1).unwrap(), b"first");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_is_damaged_in_the_vault_is_fetched_again() {
    let (peer, _folder, home) = enrolled(LeaseMode::None).await;
    let bytes = contents(5, 300_000);
    peer.library(|library| library.publish(1, &bytes));
    let phone = Phone::of(open(&home)).await;
    phone.look_until("it is there", |list| list.iter().any(is_there)).await;
    let folder = home.store_dir().with_file_name("content");
    let file = std::fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    let mut sealed = std::fs::read(&file).unwrap();
    sealed[100_000] ^= 1;
    std::fs::write(&file, sealed).unwrap();
    let damaged = phone.agent.document(id(1), &mut Vec::new());
    assert!(matches!(damaged, Err(FileTransferError::Agent(AgentError::Vault(VaultError::Damaged(_))))));
    phone.look_until("it is there again", |list| list.iter().any(is_there)).await;
    assert_eq!(phone.read(1).unwrap(), bytes);
}

fn manifests(peer: &Peer) -> usize {
    peer.heard().iter().filter(|kind| **kind == Kind::ManifestRequest).count()
}
