//! Notes and photos: made offline they go up once, and what two devices made of one note is there twice; without the PIN, and after a
//! wipe, nothing goes up.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use e2e::attacker::{RawDevice, RawStream};
use e2e::world::{LocalWorld, Phone, RunningPhone, Site, World, wait};
use mdm_core::audit::Happening;
use mdm_core::note::Note;
use mdm_server::use_cases::notes::{self, Taken};
use rand::rngs::OsRng;
use serde_json::Value;
use shared::crypto::hazmat::sha256;
use shared::ids::{AccountId, EnrolmentId, NoteId};
use shared::wire::{
    CHUNK_MAX, Kind, NOTE_MEDIA_TYPE, NoteChunk, NoteContents, NoteOffer, NoteRequest, NoteStored,
    NoteWanted, NotesPage, NotesRequest, RefusalReason,
};

use crate::documents::sign_in;
use crate::prepared::exported_journal;
use crate::thief::{MARKER, PIN, enrolled, holder, runtime};

/// How long a busy machine is given to send something.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) fn make_id() -> NoteId {
    NoteId::make(jiff::Timestamp::now(), &mut OsRng)
}

pub(crate) fn name(id: NoteId) -> String {
    format!("notes/{id}")
}

/// A photo of 200,000 bytes that repeat nowhere near a chunk's length.
fn photo() -> Vec<u8> {
    (0..200_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// What `phone notes` says.
pub(crate) fn listed(phone: &Phone) -> Result<Vec<Value>> {
    let said = phone.call(&["notes", "--json"])?.expect_success("phone notes")?;
    serde_json::from_slice(&said.stdout).with_context(|| said.text())
}

fn states(phone: &Phone) -> Vec<String> {
    listed(phone).unwrap().iter().map(|note| note["state"].as_str().unwrap().to_owned()).collect()
}

pub(crate) fn until_sent(phone: &Phone, count: usize) {
    let sent = wait::within(PATIENCE, || (states(phone) == vec!["sent"; count]).then_some(()));
    assert!(sent.is_some(), "not sent: {:?}", listed(phone));
}

/// How many revisions the journal knows.
pub(crate) fn stored(site: &Site) -> usize {
    exported_journal(site).iter().filter(|entry| entry.what == Happening::NoteStored).count()
}

fn switched_on(phone: &Phone) -> RunningPhone {
    let running = phone.run().unwrap();
    phone.unlock(PIN).unwrap();
    running
}

#[test]
fn what_was_made_offline_goes_up_once_and_comes_to_the_next_phone_of_the_same_person() {
    let mut world = World::new().unwrap();
    let holder = holder(&world, "委員会").unwrap();
    let running = switched_on(&holder.phone);
    world.kill().unwrap();
    let (note, picture) = (make_id(), make_id());
    let photo_name = format!("notes/{note}/{picture}.jpg");
    holder.phone.put(&name(note), MARKER).unwrap();
    holder.phone.put(&photo_name, &photo()).unwrap();
    holder.phone.put("other/file", b"stays").unwrap();
    assert_eq!(states(&holder.phone), ["unsent", "unsent"]);

    world.start().unwrap();
    until_sent(&holder.phone, 2);
    assert_eq!(stored(&world), 2);
    let text = running.process().printed();
    assert!(text.contains("notes: 2, unsent 0"), "{text}");
    // Another connection asks and sends nothing anew.
    world.restart().unwrap();
    holder.phone.put(&name(note), MARKER).unwrap();
    until_sent(&holder.phone, 2);
    assert_eq!(stored(&world), 2, "the same text is no revision");
    for file in std::fs::read_dir(world.data().join("notes")).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(MARKER.len()).any(|part| part == MARKER), "sealed on the server's disk");
    }
    running.kill().unwrap();

    // The phone is lost and wiped; its person enrols another one.
    holder.order(&world, "wipe").unwrap();
    let account = world.device(&holder.device).unwrap()["account"].as_str().unwrap().to_owned();
    world.mdmctl(&["codes", "reissue", &account]).unwrap();
    let person = world.codes().unwrap().into_iter().find(|person| person.account == account).unwrap();
    let next = enrolled(&world, &person, "next").unwrap();
    let _running = switched_on(&next.phone);
    until_sent(&next.phone, 2);
    assert_eq!(next.phone.get(&name(note)).unwrap(), MARKER);
    assert!(next.phone.get(&photo_name).unwrap() == photo());
    assert_eq!(stored(&world), 2);
    let listed = next.phone.ls().unwrap();
    assert!(!listed.contains("other/file"), "{listed}");
}

#[test]
fn a_sent_photo_that_a_repair_drops_comes_back_and_is_not_taken_for_deleted() {
    let world = World::new().unwrap();
    let holder = holder(&world, "repaired").unwrap();
    let running = switched_on(&holder.phone);
    let (note, picture) = (make_id(), make_id());
    let photo_name = format!("notes/{note}/{picture}.jpg");
    holder.phone.put(&name(note), MARKER).unwrap();
    holder.phone.put(&photo_name, &photo()).unwrap();
    until_sent(&holder.phone, 2);
    running.kill().unwrap();
    let contents = e2e::world::files::files(&holder.phone.home().join("vault/content")).unwrap();
    let [content] = contents.as_slice() else { panic!("{contents:?}") };
    let mut bytes = std::fs::read(content).unwrap();
    bytes[1000] ^= 1;
    std::fs::write(content, bytes).unwrap();

    let repaired = holder.phone.call(&["repair", "--pin", PIN]).unwrap().expect_success("repair").unwrap();
    assert!(repaired.text().contains(&format!("lost: Files {photo_name}: chunk")), "{}", repaired.text());
    let _running = switched_on(&holder.phone);
    wait::until("the photo is back", || (holder.phone.get(&photo_name).ok()? == photo()).then_some(()))
        .unwrap();
    until_sent(&holder.phone, 2);
    assert_eq!(holder.phone.get(&name(note)).unwrap(), MARKER);
    assert_eq!(stored(&world), 2, "nothing was sent anew");
}

/// Another device of the same account, played at the server's store.
struct OtherDevice<'a> {
    world: &'a LocalWorld,
    account: AccountId,
}

impl OtherDevice<'_> {
    fn note(&self, id: NoteId) -> Option<Note> {
        let service = self.world.service().unwrap();
        let stored = self.world.block_on(async { service.store.note(self.account, id).await.unwrap() });
        stored.map(|stored| stored.value)
    }

    fn edit(&self, id: NoteId, base: u32, text: Option<&[u8]>) -> Taken {
        let service = self.world.service().unwrap();
        let contents = text.map(|text| NoteContents {
            media_type: NOTE_MEDIA_TYPE.to_owned(),
            size: text.len() as u64,
            hash: sha256(&[text]),
        });
        let offer = NoteOffer { id, parent: None, base, contents };
        let by = (self.account, EnrolmentId::from_bytes([9; 16]));
        self.world.block_on(async {
            let received = text.map(|text| {
                let mut writer = service.notes.begin(None, &mut OsRng).unwrap();
                writer.push(text).unwrap();
                writer.finish().unwrap()
            });
            notes::take(&service, by, &offer, received).await.unwrap()
        })
    }
}

#[test]
fn two_devices_that_edit_one_note_keep_both_edits_and_an_edit_wins_against_a_deletion() {
    let mut world = LocalWorld::new().unwrap();
    let holder = holder(&world, "委員会").unwrap();
    let account = world.device(&holder.device).unwrap()["account"].as_str().unwrap().parse().unwrap();
    let _running = switched_on(&holder.phone);
    let (note, deleted) = (make_id(), make_id());
    holder.phone.put(&name(note), b"first").unwrap();
    holder.phone.put(&name(deleted), b"short-lived").unwrap();
    until_sent(&holder.phone, 2);

    // Offline, while the other device goes on.
    let quic = world.quic();
    world.stop().unwrap();
    holder.phone.put(&name(note), b"mine").unwrap();
    holder.phone.put(&name(deleted), b"edited after all").unwrap();
    world.start().unwrap();
    assert_eq!(world.quic(), quic);
    let other = OtherDevice { world: &world, account };
    // The phone may be quicker than this: then the conflict is the other's.
    let was_first = other.edit(note, 1, Some(b"theirs")) == Taken::Stored(2);
    other.edit(deleted, 1, None);
    until_sent(&holder.phone, if was_first { 3 } else { 2 });
    let kept = |name: &str| holder.phone.get(name).unwrap();
    if was_first {
        let notes = listed(&holder.phone).unwrap();
        let copy = notes.iter().find(|listed| listed["copy_of"] == note.to_string()).unwrap();
        assert_eq!(kept(copy["name"].as_str().unwrap()), b"mine");
        assert_eq!(kept(&name(note)), b"theirs");
        let copy: NoteId = copy["id"].as_str().unwrap().parse().unwrap();
        assert_eq!(other.note(copy).unwrap().revision, 1, "it went up by itself");
    } else {
        assert_eq!(kept(&name(note)), b"mine");
    }
    assert_eq!(kept(&name(deleted)), b"edited after all");
    assert!(other.note(deleted).unwrap().held.is_some());

    // What the other device makes, edits and deletes comes by itself at the next look.
    let theirs = make_id();
    assert_eq!(other.edit(theirs, 0, Some(b"new")), Taken::Stored(1));
    let revision = other.note(deleted).unwrap().revision;
    assert_eq!(other.edit(deleted, revision, None), Taken::Stored(revision + 1));
    holder.phone.put(&name(make_id()), b"a reason to look").unwrap();
    let came = wait::within(PATIENCE, || {
        let list = holder.phone.ls().ok()?;
        (list.contains(&name(theirs)) && !list.contains(&name(deleted))).then_some(())
    });
    assert!(came.is_some(), "{}", holder.phone.ls().unwrap());
    assert_eq!(kept(&name(theirs)), b"new");

    // A deletion here is one there.
    let newest = other.note(theirs).unwrap().revision;
    holder.phone.call(&["rm", &name(theirs)]).unwrap().expect_success("rm").unwrap();
    let gone = wait::within(PATIENCE, || {
        other.note(theirs).filter(|note| note.held.is_none()).map(|note| note.revision)
    });
    assert_eq!(gone, Some(newest + 1));
}

#[test]
fn a_note_that_the_server_does_not_take_stays_and_says_why() {
    let mut world = LocalWorld::prepared().unwrap();
    world
        .edit_config(|config| {
            config.notes.largest_mib = 1;
            config.notes.account_mib = 1;
            config.notes.all_together_mib = 2;
        })
        .unwrap();
    world.start().unwrap();
    let holder = holder(&world, "委員会").unwrap();
    let _running = switched_on(&holder.phone);
    let (large, full, small) = (make_id(), make_id(), make_id());
    holder.phone.put(&name(large), &vec![7; 1024 * 1024 + 1]).unwrap();
    let state = |id: NoteId| {
        let notes = listed(&holder.phone).unwrap();
        let note = notes.iter().find(|note| note["id"] == id.to_string()).unwrap();
        note["state"].as_str().unwrap().to_owned()
    };
    let until = |id: NoteId, wanted: &str| {
        let reached = wait::within(PATIENCE, || (state(id) == wanted).then_some(()));
        assert!(reached.is_some(), "{wanted}: {:?}", listed(&holder.phone));
    };
    until(large, "too_large");
    holder.phone.put(&name(small), &vec![1; 600 * 1024]).unwrap();
    until(small, "sent");
    holder.phone.put(&name(full), &vec![2; 600 * 1024]).unwrap();
    until(full, "full");
    assert_eq!(holder.phone.get(&name(full)).unwrap(), vec![2; 600 * 1024], "it stays");
    // Made smaller, it goes up.
    holder.phone.put(&name(large), b"shorter").unwrap();
    until(large, "sent");
    assert_eq!(stored(&world), 2);
}

fn offer(id: NoteId, text: &[u8]) -> NoteOffer {
    let contents = NoteContents {
        media_type: NOTE_MEDIA_TYPE.to_owned(),
        size: text.len() as u64,
        hash: sha256(&[text]),
    };
    NoteOffer { id, parent: None, base: 0, contents: Some(contents) }
}

/// Offers a note; gives the stream and the offset from which it is wanted.
async fn begin(device: &RawDevice, offer: &NoteOffer) -> Result<(RawStream, usize)> {
    let mut stream = device.stream().await?;
    let wanted: NoteWanted = stream.ask(offer).await?.message()?;
    Ok((stream, usize::try_from(wanted.offset)?))
}

/// Sends contents from an offset on; with `chunks`, no more of those.
async fn send(stream: &mut RawStream, from: usize, bytes: &[u8], chunks: Option<usize>) -> Result<()> {
    let parts = bytes[from..].chunks(CHUNK_MAX).take(chunks.unwrap_or(usize::MAX));
    for (number, part) in parts.enumerate() {
        let offset = (from + number * CHUNK_MAX) as u64;
        stream.send(&NoteChunk { offset, bytes: part.to_vec() }).await?;
    }
    Ok(())
}

#[test]
fn only_a_proven_session_sends_and_reads_notes_and_none_after_a_wipe() {
    let world = World::new().unwrap();
    let holder = holder(&world, "委員会").unwrap();
    let others = world.hire("知事部局", 1).unwrap().remove(0);
    let other = enrolled(&world, &others, "other").unwrap();
    let (runtime, bytes) = (runtime().unwrap(), photo());
    let (cut, late) = (offer(make_id(), &bytes), offer(make_id(), b"late"));
    let ask = NotesRequest { era: None, after: 0 };
    let key = runtime.block_on(async {
        let connect =
            async || RawDevice::connect(world.quic(), Some(&holder.identity().unwrap())).await.unwrap();
        let device = connect().await;
        let key = sign_in(&device, &holder).await.unwrap();
        let read = NoteRequest { id: cut.id, revision: 1, offset: 0 };
        for answer in [
            device.ask(&cut).await.unwrap(),
            device.ask(&ask).await.unwrap(),
            device.ask(&read).await.unwrap(),
        ] {
            assert_eq!(answer.refusal(), Some(RefusalReason::NoGrant), "a certificate alone");
        }
        let enrolment = holder.enrolment().unwrap();
        device.prove_grant(&key, enrolment).await.unwrap();
        let (mut stream, from) = begin(&device, &cut).await.unwrap();
        assert_eq!(from, 0);
        send(&mut stream, from, &bytes, Some(5)).await.unwrap();
        drop((stream, device));

        // Cut off in the middle, it goes on where it stood.
        let device = connect().await;
        device.prove_grant(&key, enrolment).await.unwrap();
        let (mut stream, from) = go_on(&device, &cut).await;
        assert!(from <= 5 * CHUNK_MAX, "from {from}");
        send(&mut stream, from, &bytes, None).await.unwrap();
        let stored: NoteStored = stream.answer().await.message().unwrap();
        assert_eq!(stored.revision, 1);
        let again: NoteStored = device.ask(&cut).await.unwrap().message().unwrap();
        assert_eq!(again.revision, 1, "an answer that was lost is given again");
        let page: NotesPage = device.ask(&ask).await.unwrap().message().unwrap();
        assert_eq!((page.upto, page.more, page.entries.len()), (1, false, 1));
        // Other bytes than were offered.
        let lie = offer(make_id(), b"said");
        let mut stream = device.stream().await.unwrap();
        assert_eq!(stream.ask(&lie).await.unwrap().kind(), Some(Kind::NoteWanted));
        let chunk = NoteChunk { offset: 0, bytes: b"sent".to_vec() };
        assert_eq!(stream.ask(&chunk).await.unwrap().refusal(), Some(RefusalReason::Malformed));

        let stranger = RawDevice::connect(world.quic(), Some(&other.identity().unwrap())).await.unwrap();
        let their_key = sign_in(&stranger, &other).await.unwrap();
        stranger.prove_grant(&their_key, other.enrolment().unwrap()).await.unwrap();
        assert_eq!(stranger.ask(&read).await.unwrap().kind(), Some(Kind::NoteGone), "of another account");
        let page: NotesPage = stranger.ask(&ask).await.unwrap().message().unwrap();
        assert!(page.entries.is_empty());
        key
    });
    assert_eq!(stored(&world), 1);

    holder.order(&world, "wipe").unwrap();
    runtime.block_on(async {
        let device = RawDevice::connect(world.quic(), Some(&holder.identity().unwrap())).await.unwrap();
        let proved = device.prove_grant(&key, holder.enrolment().unwrap()).await.unwrap();
        assert_eq!(proved.kind(), Some(Kind::Command), "the wipe and nothing else");
        for answer in [device.ask(&late).await.unwrap(), device.ask(&ask).await.unwrap()] {
            assert_eq!(answer.kind(), Some(Kind::Command), "the wipe and nothing else");
        }
    });
    assert_eq!(stored(&world), 1);
}

/// Offers it again until the server has noticed that the stream broke on which a part of it had come.
async fn go_on(device: &RawDevice, offer: &NoteOffer) -> (RawStream, usize) {
    let start = Instant::now();
    loop {
        let (stream, from) = begin(device, offer).await.unwrap();
        if from > 0 {
            return (stream, from);
        }
        assert!(start.elapsed() < PATIENCE, "what came is not kept");
    }
}
