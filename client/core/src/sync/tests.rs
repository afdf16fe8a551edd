//! A phone and a server over a network that loses, repeats, delays and reorders answers, and a phone that is switched off at any
//! moment. Whatever happens, no wrong byte is kept; once the network is good again, the phone has what the server has.

use std::collections::BTreeMap;

use proptest::prelude::*;
use shared::crypto::hazmat::sha256;

use super::*;

/// Bytes of a chunk here.
const CHUNK: usize = 7;
/// Entries of a page here.
const PAGE: usize = 2;

fn contents(id: u8, version: u32) -> Vec<u8> {
    let length = (usize::from(id) * 13 + version as usize * 5) % 40;
    (0..length).map(|at| (at as u8).wrapping_mul(31) ^ id ^ version as u8).collect()
}

fn entry(id: u8, version: u32) -> DocumentEntry {
    let bytes = contents(id, version);
    DocumentEntry {
        id: DocumentId::from_bytes([id; 16]),
        version,
        title: format!("{id}"),
        folder: String::new(),
        media_type: "text/plain".to_owned(),
        size: bytes.len() as u64,
        hash: sha256(&[&bytes]),
        level: 1,
        notice: None,
    }
}

#[derive(Clone)]
enum Answer {
    Page(Ticket, ManifestPage),
    Unchanged(Ticket),
    Chunk(Ticket, DocumentChunk),
    Gone(Ticket),
    Written(Edition, u64),
    Verified(Edition, bool),
}

/// What is durable on the phone.
#[derive(Default)]
struct Disk {
    manifest: Option<Manifest>,
    files: BTreeMap<Edition, Vec<u8>>,
    verified: BTreeSet<Edition>,
}

#[derive(Default)]
struct World {
    published: BTreeMap<u8, u32>,
    /// Versions that were ever given: none comes back.
    given: BTreeMap<u8, u32>,
    disk: Disk,
    sync: Sync,
    under_way: Vec<Answer>,
}

impl World {
    fn manifest(&self) -> Manifest {
        let entries: Vec<DocumentEntry> =
            self.published.iter().map(|(id, version)| entry(*id, *version)).collect();
        Manifest { version: ManifestVersion::of(&entries), entries }
    }

    fn obey(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::AskManifest(ticket, request) => self.tell_manifest(ticket, request),
                Effect::AskDocument(ticket, request) => self.tell_document(ticket, &request),
                Effect::Keep(manifest) => self.disk.manifest = Some(manifest),
                Effect::Write { edition, offset, bytes } => {
                    let file = self.disk.files.entry(edition).or_default();
                    assert_eq!(file.len() as u64, offset, "bytes are appended where the file ends");
                    file.extend(bytes);
                    self.under_way.push(Answer::Written(edition, file.len() as u64));
                }
                Effect::Verify { edition, hash } => {
                    let is_right = sha256(&[&self.disk.files[&edition]]) == hash;
                    if is_right {
                        self.disk.verified.insert(edition);
                    }
                    self.under_way.push(Answer::Verified(edition, is_right));
                }
                Effect::Remove(edition) => {
                    self.disk.files.remove(&edition);
                    self.disk.verified.remove(&edition);
                }
            }
        }
    }

    fn tell_manifest(&mut self, ticket: Ticket, request: ManifestRequest) {
        let Manifest { version, entries } = self.manifest();
        if request.have == Some(version) {
            return self.under_way.push(Answer::Unchanged(ticket));
        }
        let total = entries.len() as u32;
        let mut first = 0;
        let pages: Vec<Vec<DocumentEntry>> = match entries.is_empty() {
            true => vec![Vec::new()],
            false => entries.chunks(PAGE).map(<[DocumentEntry]>::to_vec).collect(),
        };
        for entries in pages {
            let length = entries.len() as u32;
            self.under_way.push(Answer::Page(ticket, ManifestPage { version, first, total, entries }));
            first += length;
        }
    }

    fn tell_document(&mut self, ticket: Ticket, request: &DocumentRequest) {
        let id = request.id.as_bytes()[0];
        if self.published.get(&id) != Some(&request.version) {
            return self.under_way.push(Answer::Gone(ticket));
        }
        let bytes = contents(id, request.version);
        let offset = usize::try_from(request.offset).unwrap();
        let rest = &bytes[offset..];
        if rest.is_empty() {
            self.under_way
                .push(Answer::Chunk(ticket, DocumentChunk { offset: request.offset, bytes: Vec::new() }));
        }
        for (number, part) in rest.chunks(CHUNK).enumerate() {
            let offset = (offset + number * CHUNK) as u64;
            self.under_way.push(Answer::Chunk(ticket, DocumentChunk { offset, bytes: part.to_vec() }));
        }
    }

    fn hear(&mut self, answer: Answer) {
        let effects = match answer {
            Answer::Page(ticket, page) => self.sync.page(ticket, page),
            Answer::Unchanged(ticket) => Ok(self.sync.unchanged(ticket)),
            Answer::Chunk(ticket, chunk) => self.sync.chunk(ticket, chunk),
            Answer::Gone(ticket) => Ok(self.sync.gone(ticket)),
            Answer::Written(edition, upto) => Ok(self.sync.written(edition, upto)),
            Answer::Verified(edition, is_right) => Ok(self.sync.verified(edition, is_right)),
        };
        match effects {
            Ok(effects) => self.obey(effects),
            Err(_) => self.lose_the_network(),
        }
    }

    /// What the disk answers still comes, what the network would bring does not.
    fn lose_the_network(&mut self) {
        self.sync.cut();
        self.under_way.retain(|answer| matches!(answer, Answer::Written(..) | Answer::Verified(..)));
    }

    /// The disk answers in its order, also before a new connection is used.
    fn disk_answers(&mut self) {
        while let Some(at) =
            self.under_way.iter().position(|a| matches!(a, Answer::Written(..) | Answer::Verified(..)))
        {
            let answer = self.under_way.remove(at);
            self.hear(answer);
        }
    }

    fn connect(&mut self) {
        self.disk_answers();
        let effects = self.sync.connected(BootTime::default());
        self.obey(effects);
    }

    fn restart(&mut self) {
        self.under_way.clear();
        let part = |(edition, bytes): (&Edition, &Vec<u8>)| {
            let verified = self.disk.verified.contains(edition);
            (*edition, Part { bytes: bytes.len() as u64, verified })
        };
        self.sync = Sync::resume(self.disk.manifest.clone(), self.disk.files.iter().map(part));
    }

    fn check(&self) {
        for (edition, bytes) in &self.disk.files {
            let right = contents(edition.id.as_bytes()[0], edition.version);
            assert!(right.starts_with(bytes), "a wrong byte of {edition:?}");
            assert!(!self.disk.verified.contains(edition) || *bytes == right);
        }
        let progress = self.sync.progress();
        assert!(progress.there <= progress.documents && progress.bytes_there <= progress.bytes);
    }
}

#[derive(Debug, Clone)]
enum Step {
    Publish(u8),
    Unpublish(u8),
    Connect,
    News,
    Hear(prop::sample::Index),
    HearFirst,
    Repeat(prop::sample::Index),
    Lose(prop::sample::Index),
    LoseAll,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0_u8..6).prop_map(Step::Publish),
        1 => (0_u8..6).prop_map(Step::Unpublish),
        2 => Just(Step::Connect),
        1 => Just(Step::News),
        3 => any::<prop::sample::Index>().prop_map(Step::Hear),
        12 => Just(Step::HearFirst),
        1 => any::<prop::sample::Index>().prop_map(Step::Repeat),
        1 => any::<prop::sample::Index>().prop_map(Step::Lose),
        1 => Just(Step::LoseAll),
        1 => Just(Step::Restart),
    ]
}

fn take(world: &mut World, step: &Step) {
    let is_of_the_network = |answer: &Answer| !matches!(answer, Answer::Written(..) | Answer::Verified(..));
    match step {
        Step::Publish(id) => {
            let given = world.given.entry(*id).or_default();
            *given += 1;
            world.published.insert(*id, *given);
        }
        Step::Unpublish(id) => drop(world.published.remove(id)),
        Step::Connect => {
            world.lose_the_network();
            world.connect();
        }
        Step::News => {
            let effects = world.sync.news();
            world.obey(effects);
        }
        Step::HearFirst if !world.under_way.is_empty() => {
            let answer = world.under_way.remove(0);
            world.hear(answer);
        }
        Step::Hear(index) if !world.under_way.is_empty() => {
            // Writes are answered in their order; the network may bring anything before them.
            let at = index.index(world.under_way.len());
            let at = if is_of_the_network(&world.under_way[at]) { at } else { 0 };
            let answer = world.under_way.remove(at);
            world.hear(answer);
        }
        Step::Repeat(index) if !world.under_way.is_empty() => {
            let answer = world.under_way[index.index(world.under_way.len())].clone();
            if is_of_the_network(&answer) {
                world.hear(answer);
            }
        }
        Step::Lose(index) if !world.under_way.is_empty() => {
            let at = index.index(world.under_way.len());
            if is_of_the_network(&world.under_way[at]) {
                world.under_way.remove(at);
            }
        }
        Step::LoseAll => world.lose_the_network(),
        Step::Restart => world.restart(),
        Step::HearFirst | Step::Hear(_) | Step::Repeat(_) | Step::Lose(_) => {}
    }
}

/// A good network from now on.
fn settle(world: &mut World) {
    world.lose_the_network();
    world.connect();
    let mut patience = 10_000;
    while !world.under_way.is_empty() {
        let answer = world.under_way.remove(0);
        world.hear(answer);
        patience -= 1;
        assert!(patience > 0, "it never ends");
    }
}

fn is_there(world: &World) {
    let manifest = world.manifest();
    assert_eq!(world.disk.manifest.as_ref(), Some(&manifest));
    let wanted: BTreeSet<Edition> = manifest.entries.iter().map(Edition::of).collect();
    assert_eq!(world.disk.verified, wanted, "what is there and right");
    assert!(world.disk.files.keys().all(|edition| wanted.contains(edition)), "what is left over");
    let progress = world.sync.progress();
    assert_eq!((progress.documents, progress.there), (wanted.len(), wanted.len()));
    assert_eq!(progress.bytes, progress.bytes_there);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]
    #[test]
    fn whatever_the_network_does_the_phone_ends_with_what_the_server_has(
        steps in proptest::collection::vec(step(), 0..120),
    ) {
        let mut world = World::default();
        for step in &steps {
            take(&mut world, step);
            world.check();
        }
        settle(&mut world);
        world.check();
        is_there(&world);
    }
}

#[test]
fn a_download_goes_on_where_it_was_cut_also_after_a_restart() {
    let mut world = World::default();
    world.published.insert(2, 1);
    assert!(contents(2, 1).len() > 4 * CHUNK, "several chunks");
    world.connect();
    for _ in 0..4 {
        let answer = world.under_way.remove(0);
        world.hear(answer);
    }
    world.disk_answers();
    let there: u64 = world.disk.files.values().map(|bytes| bytes.len() as u64).sum();
    assert!(there > 0);
    world.restart();
    let effects = world.sync.connected(BootTime::default());
    world.obey(effects);
    let answer = world.under_way.remove(0);
    assert!(matches!(answer, Answer::Unchanged(_)), "the manifest was kept");
    let Answer::Unchanged(ticket) = answer else { return };
    let effects = world.sync.unchanged(ticket);
    let [Effect::AskDocument(_, request)] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!(request.offset, there);
}

#[test]
fn contents_with_another_hash_are_thrown_away_and_not_asked_for_again_and_again() {
    let mut world = World::default();
    world.published.insert(3, 1);
    let mut lie = entry(3, 1);
    lie.hash = [0; 32];
    let entries = vec![lie];
    let version = ManifestVersion::of(&entries);
    let effects = world.sync.connected(BootTime::default());
    let [Effect::AskManifest(ticket, _)] = effects[..] else { panic!("{effects:?}") };
    let page = ManifestPage { version, first: 0, total: 1, entries };
    let effects = world.sync.page(ticket, page).unwrap();
    world.obey(effects);
    while !world.under_way.is_empty() {
        let answer = world.under_way.remove(0);
        world.hear(answer);
    }
    assert!(world.disk.files.is_empty() && world.disk.verified.is_empty());
    assert_eq!(world.sync.progress().there, 0);
}

#[test]
fn a_server_that_lies_about_pages_or_chunks_is_left() {
    let asked = || {
        let mut sync = Sync::default();
        let effects = sync.connected(BootTime::default());
        let [Effect::AskManifest(ticket, _)] = effects[..] else { panic!("{effects:?}") };
        (sync, ticket)
    };
    let entries = vec![entry(3, 1)];
    let version = ManifestVersion::of(&entries);
    let page = |first, total, entries: &[DocumentEntry]| ManifestPage {
        version,
        first,
        total,
        entries: entries.to_vec(),
    };
    let twice = [entry(3, 1), entry(3, 1)];
    for (wrong, why) in [
        (page(1, 1, &entries), Misbehaviour::Pages),
        (page(0, 0, &entries), Misbehaviour::Pages),
        (page(0, 2, &[]), Misbehaviour::Pages),
        (page(0, u32::MAX, &entries), Misbehaviour::Pages),
        (page(0, 1, &[entry(4, 1)]), Misbehaviour::Version),
        (ManifestPage { version: ManifestVersion::of(&twice), ..page(0, 2, &twice) }, Misbehaviour::Version),
    ] {
        let (mut sync, ticket) = asked();
        assert_eq!(sync.page(ticket, wrong.clone()), Err(why), "{wrong:?}");
    }
    let size = entries[0].size;
    for (offset, length) in [(1, 7), (0, usize::try_from(size).unwrap() + 1), (0, 0), (u64::MAX, 7)] {
        let (mut sync, ticket) = asked();
        let effects = sync.page(ticket, page(0, 1, &entries)).unwrap();
        let Some(Effect::AskDocument(ticket, _)) = effects.last() else { panic!("{effects:?}") };
        let chunk = DocumentChunk { offset, bytes: vec![0; length] };
        assert_eq!(sync.chunk(*ticket, chunk), Err(Misbehaviour::Chunk), "{length} bytes at {offset}");
    }
}

#[test]
fn after_a_full_disk_nothing_is_fetched_before_the_next_connection() {
    let mut world = World::default();
    world.published.extend([(3, 1), (4, 1)]);
    world.connect();
    let answer = world.under_way.remove(0);
    world.hear(answer);
    assert!(world.sync.fetching.is_some());
    world.sync.write_failed();
    world.under_way.clear();
    assert!(world.sync.news().is_empty());
    settle(&mut world);
    is_there(&world);
}

#[test]
fn what_a_phone_that_went_off_did_not_get_to_remove_goes_after_the_next_look() {
    let mut world = World::default();
    world.published.extend([(2, 1), (3, 1)]);
    settle(&mut world);
    world.published.remove(&2);
    let effects = world.sync.news();
    world.obey(effects);
    let Answer::Page(ticket, page) = world.under_way.remove(0) else { panic!("a page") };
    let effects = world.sync.page(ticket, page).unwrap();
    let [Effect::Keep(manifest), Effect::Remove(_)] = effects.as_slice() else { panic!("{effects:?}") };
    world.disk.manifest = Some(manifest.clone());
    world.restart();
    settle(&mut world);
    is_there(&world);
}

#[test]
fn a_download_that_was_begun_is_ended_before_another_begins() {
    let mut world = World::default();
    world.published.extend([(2, 1), (4, 1)]);
    settle(&mut world);
    let manifest = world.manifest();
    let begun = Edition::of(&manifest.entries[1]);
    let part = Part { bytes: 7, verified: false };
    let mut sync = Sync::resume(Some(manifest), [(begun, part)]);
    sync.stands_at(begun, 5);
    let effects = sync.connected(BootTime::default());
    let [Effect::AskManifest(ticket, _)] = effects[..] else { panic!("{effects:?}") };
    let effects = sync.unchanged(ticket);
    let [Effect::AskDocument(ticket, request)] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!((request.id, request.offset), (begun.id, 5));
    assert!(sync.awaits(*ticket));
    assert_eq!(sync.gone(*ticket).first(), Some(&Effect::Remove(begun)), "what is gone there goes here");
}

#[test]
fn what_is_not_given_waits_longer_each_time_and_the_next_document_is_asked_for() {
    let entries = vec![entry(3, 1), entry(4, 1)];
    let (broken, other) = (Edition::of(&entries[0]), Edition::of(&entries[1]));
    let manifest = Manifest { version: ManifestVersion::of(&entries), entries };
    let whole = Part { bytes: contents(4, 1).len() as u64, verified: true };
    let mut sync = Sync::resume(Some(manifest), []);
    let mut now = BootTime::default();
    let asked = |effects: &[Effect]| match effects {
        [Effect::AskDocument(ticket, request)] => Some((*ticket, request.id)),
        _ => None,
    };
    let begin = |sync: &mut Sync, now| {
        let effects = sync.connected(now);
        let [Effect::AskManifest(ticket, _)] = effects[..] else { panic!("{effects:?}") };
        sync.unchanged(ticket)
    };
    let effects = begin(&mut sync, now);
    let (ticket, id) = asked(&effects).unwrap();
    assert_eq!(id, broken.id);
    let effects = sync.failed(ticket);
    assert_eq!(asked(&effects).unwrap().1, other.id);
    assert!(sync.is_wrong(broken) && !sync.is_wrong(other));
    sync.parts.insert(other, whole);

    let mut pauses = Vec::new();
    for _ in 0..3 {
        let pause = sync.next_try().unwrap();
        pauses.push(pause.as_secs());
        assert_eq!(asked(&begin(&mut sync, now.after(pause / 2))), None, "not before its time");
        now = now.after(pause);
        let (ticket, id) = asked(&begin(&mut sync, now)).unwrap();
        assert_eq!(id, broken.id);
        assert!(sync.failed(ticket).is_empty());
    }
    assert_eq!(pauses, [5, 10, 20]);
}
