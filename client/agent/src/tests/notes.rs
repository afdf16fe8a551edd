//! Notes: an edit is bound to what was opened, what fails by itself holds up nothing else.

use std::sync::Arc;

use client_core::outbox::NoteName;
use shared::ids::NoteId;
use shared::policy::LeaseMode;
use tokio::task::JoinHandle;
use vault::Home;

use super::grant::until;
use super::peer::Peer;
use super::{left_without_server, new_home, open, pin, request};
use crate::agent::Agent;
use crate::outbox::{NoteState, NoteStatus, SavedNote};

fn id(number: u8) -> NoteId {
    NoteId::from_bytes([number; 16])
}

fn file(id: NoteId) -> String {
    NoteName { parent: None, id }.to_string()
}

fn text(agent: &Agent, id: NoteId) -> Vec<u8> {
    agent.note(id, 1 << 20).unwrap().1.to_vec()
}

fn status(agent: &Agent, id: NoteId) -> Option<NoteStatus> {
    agent.notes().unwrap().into_iter().find(|note| note.id == id)
}

/// What another device has made of a note is put in its place.
fn comes(agent: &Agent, id: NoteId, mut text: &[u8]) {
    agent.put(&file(id), &mut text).unwrap();
}

/// An open vault with a note that was opened in this version.
async fn opened() -> (tempfile::TempDir, Arc<Agent>, u64) {
    let (folder, _home, agent) = left_without_server(LeaseMode::Volatile).await;
    agent.unlock(pin()).await.unwrap();
    let saved = agent.save_note(id(1), None, b"first").unwrap();
    assert_eq!(saved.id, id(1));
    (folder, agent, saved.version)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_of_a_note_that_changed_meanwhile_is_kept_beside_it() {
    let (_folder, agent, version) = opened().await;
    comes(&agent, id(1), b"theirs");
    let saved = agent.save_note(id(1), Some(version), b"mine").unwrap();
    assert_ne!(saved.id, id(1));
    assert_eq!((text(&agent, id(1)), text(&agent, saved.id)), (b"theirs".to_vec(), b"mine".to_vec()));
    assert_eq!(status(&agent, saved.id).unwrap().copy_of, Some(id(1)));
    // From there the person writes on.
    let again = agent.save_note(saved.id, Some(saved.version), b"mine too").unwrap();
    assert_eq!((again.id, agent.notes().unwrap().len()), (saved.id, 2));

    // The control: an edit that is bound to nothing takes the other's place.
    comes(&agent, id(1), b"mine");
    assert_eq!(text(&agent, id(1)), b"mine");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_of_a_note_that_was_deleted_meanwhile_puts_it_back() {
    let (_folder, agent, version) = opened().await;
    agent.delete(&file(id(1))).unwrap();
    let saved = agent.save_note(id(1), Some(version), b"edited").unwrap();
    assert_eq!((saved.id, text(&agent, id(1))), (id(1), b"edited".to_vec()));
    assert_eq!(agent.notes().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_is_stored_again_is_no_conflict_with_itself() {
    let (_folder, agent, version) = opened().await;
    let saved = agent.save_note(id(1), Some(version), b"mine").unwrap();
    // The answer was lost: the app still holds the version that it had opened.
    assert_eq!(agent.save_note(id(1), Some(version), b"mine").unwrap(), saved);
    assert_eq!(agent.notes().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_note_that_changed_meanwhile_is_not_deleted() {
    let (_folder, agent, version) = opened().await;
    comes(&agent, id(1), b"theirs");
    assert!(!agent.delete_note(id(1), version).unwrap());
    assert_eq!(text(&agent, id(1)), b"theirs");
    let (newest, _) = agent.note(id(1), 100).unwrap();
    assert!(agent.delete_note(id(1), newest).unwrap());
    assert!(agent.delete_note(id(1), newest).unwrap(), "gone is gone");
    assert!(agent.notes().unwrap().is_empty());
}

/// A phone that runs with an open vault, until it is dropped.
struct Phone {
    peer: Arc<Peer>,
    agent: Arc<Agent>,
    run: JoinHandle<()>,
    home: Home,
    _folder: tempfile::TempDir,
}

impl Drop for Phone {
    fn drop(&mut self) {
        self.run.abort();
    }
}

impl Phone {
    async fn start() -> Self {
        let peer = Peer::start(LeaseMode::Volatile).await;
        let (folder, home) = new_home();
        let agent = open(&home);
        agent.enrol(request(&peer)).await.unwrap();
        let run = tokio::spawn({
            let agent = Arc::clone(&agent);
            async move { drop(agent.run().await) }
        });
        until("the phone is connected", || agent.connection().is_some()).await;
        agent.unlock(pin()).await.unwrap();
        Self { peer, agent, run, home, _folder: folder }
    }

    async fn until_state(&self, id: NoteId, state: NoteState) {
        let is_so = || status(&self.agent, id).is_some_and(|note| note.state == state);
        until(&format!("{id} is {state:?}"), is_so).await;
    }

    async fn until_there(&self, id: NoteId, expected: &[u8]) {
        let is_there = || status(&self.agent, id).is_some() && text(&self.agent, id) == expected;
        until(&format!("{id} is there"), is_there).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_writes_on_in_a_note_that_became_a_copy_writes_in_the_copy() {
    let phone = Phone::start().await;
    let saved = phone.agent.save_note(id(1), None, b"first").unwrap();
    phone.until_state(id(1), NoteState::Sent).await;
    phone.peer.notebook(|notebook| notebook.edit(id(1), b"theirs"));
    let mine = phone.agent.save_note(id(1), Some(saved.version), b"mine").unwrap();
    assert_eq!(mine.id, id(1), "nothing has come yet");
    phone.until_there(id(1), b"theirs").await;
    let copies = phone.agent.notes().unwrap();
    let copy = copies.iter().find(|note| note.copy_of == Some(id(1))).unwrap();
    assert_eq!(copy.moved_from, Some(mine.version));

    let on = phone.agent.save_note(id(1), Some(mine.version), b"mine, and more").unwrap();
    assert_eq!(on.id, copy.id);
    assert_eq!(
        (text(&phone.agent, on.id), phone.agent.notes().unwrap().len()),
        (b"mine, and more".to_vec(), 2)
    );
    let SavedNote { id: copy, .. } = on;
    until("both are at the server", || {
        phone.peer.notebook(|notebook| {
            notebook.text(id(1)).as_deref() == Some(b"theirs")
                && notebook.text(copy).as_deref() == Some(b"mine, and more")
        })
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_photo_that_cannot_be_read_holds_up_no_other_note() {
    let phone = Phone::start().await;
    phone.peer.hang_up();
    let photo = NoteName { parent: Some(id(1)), id: id(2) };
    phone.agent.lock();
    phone.agent.unlock(pin()).await.unwrap();
    let bytes = super::library::contents(1, 300_000);
    phone.agent.put(&photo.to_string(), &mut bytes.as_slice()).unwrap();
    let folder = phone.home.store_dir().with_file_name("content");
    let sealed = std::fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    let whole = std::fs::read(&sealed).unwrap();
    let mut damaged = whole.clone();
    damaged[100_000] ^= 1;
    std::fs::write(&sealed, damaged).unwrap();
    // Its id comes before that of the note, and it was there first.
    phone.agent.save_note(id(3), None, b"a note").unwrap();
    phone.agent.put(&NoteName { parent: Some(id(3)), id: id(4) }.to_string(), &mut &b"photo"[..]).unwrap();
    phone.until_state(id(3), NoteState::Sent).await;
    phone.until_state(id(4), NoteState::Sent).await;
    phone.until_state(id(2), NoteState::Unreadable).await;
    assert_eq!(phone.agent.notes_progress().unwrap().stuck, 1);
    // The disk gives it after all: it goes up by itself.
    std::fs::write(&sealed, whole).unwrap();
    phone.until_state(id(2), NoteState::Sent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_note_that_the_server_fails_with_holds_up_no_other_in_either_direction() {
    let phone = Phone::start().await;
    let broken = [id(1), id(5)];
    phone.peer.notebook(|notebook| {
        notebook.broken.extend(broken);
        notebook.edit(id(1), b"theirs 1");
        notebook.edit(id(2), b"theirs 2");
    });
    phone.agent.save_note(id(5), None, b"mine 5").unwrap();
    phone.agent.save_note(id(6), None, b"mine 6").unwrap();
    phone.until_there(id(2), b"theirs 2").await;
    phone.until_state(id(6), NoteState::Sent).await;
    phone.until_state(id(5), NoteState::Refused).await;
    let progress = phone.agent.notes_progress().unwrap();
    assert_eq!((progress.coming, progress.stuck), (1, 1), "{progress:?}");
    phone.peer.notebook(|notebook| notebook.broken.clear());
    phone.until_there(id(1), b"theirs 1").await;
    phone.until_state(id(5), NoteState::Sent).await;
    assert_eq!(phone.peer.notebook(|notebook| notebook.revision(id(5))), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_device_deletes_is_told_and_gone() {
    let phone = Phone::start().await;
    phone.agent.save_note(id(1), None, b"first").unwrap();
    phone.until_state(id(1), NoteState::Sent).await;
    phone.peer.notebook(|notebook| notebook.delete(id(1)));
    phone.agent.look_for_notes();
    until("it is gone", || status(&phone.agent, id(1)).is_none()).await;
}
