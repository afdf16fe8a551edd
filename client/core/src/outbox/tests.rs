//! Two phones of one account and a server, over a network that loses questions and answers, delivers late what was given up, and
//! breaks at any moment; phones that are switched off, and people who go on typing meanwhile. Whatever happens, no edit is lost
//! that nobody has seen and replaced, and none is stored twice; in the end all have the same.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use shared::crypto::hazmat::sha256;
use shared::ids::NoteId;
use shared::wire::NOTE_MEDIA_TYPE;

use super::*;

const ERA: u32 = 3;
/// Entries of a page here.
const PAGE: usize = 2;

fn id(number: u16) -> NoteId {
    let mut bytes = [0; 16];
    bytes[14..].copy_from_slice(&number.to_be_bytes());
    NoteId::from_bytes(bytes)
}

fn hash(bytes: &[u8]) -> Hash {
    sha256(&[bytes])
}

enum Answer {
    Stored(u32),
    Conflict(NoteEntry),
}

/// The rule of the server, told the long way round.
#[derive(Default)]
struct Server {
    era: u32,
    changes: u64,
    notes: BTreeMap<NoteId, NoteEntry>,
    log: BTreeMap<NoteId, Vec<Option<Hash>>>,
    contents: BTreeMap<Hash, Vec<u8>>,
}

impl Server {
    fn take(&mut self, offer: &NoteOffer, bytes: Option<&[u8]>) -> Answer {
        let hash = offer.contents.as_ref().map(|contents| contents.hash);
        assert_eq!(bytes.map(self::hash), hash, "what is sent is what was offered");
        let log = self.log.entry(offer.id).or_default();
        let (base, newest) = (offer.base as usize, log.len());
        if newest > 0 && log.get(base) == Some(&hash) {
            return Answer::Stored(offer.base + 1);
        }
        if newest > 0 && log.last() == Some(&hash) {
            return Answer::Stored(newest as u32);
        }
        if newest > 0 && newest != base {
            return Answer::Conflict(self.notes[&offer.id].clone());
        }
        log.push(hash);
        self.contents.extend(hash.zip(bytes.map(<[u8]>::to_vec)));
        self.changes += 1;
        let entry = NoteEntry {
            id: offer.id,
            parent: offer.parent,
            revision: newest as u32 + 1,
            change: self.changes,
            contents: offer.contents.clone(),
        };
        self.notes.insert(offer.id, entry);
        Answer::Stored(newest as u32 + 1)
    }

    fn pages(&self, request: &NotesRequest) -> Vec<NotesPage> {
        let era = ERA + self.era;
        let after = if request.era == Some(era) { request.after } else { 0 };
        let mut changed: Vec<NoteEntry> =
            self.notes.values().filter(|entry| entry.change > after).cloned().collect();
        changed.sort_by_key(|entry| entry.change);
        let mut upto = after;
        let mut pages = Vec::new();
        for entries in changed.chunks(PAGE) {
            upto = entries[entries.len() - 1].change;
            pages.push(NotesPage { era, upto, entries: entries.to_vec(), more: true });
        }
        pages.push(NotesPage { era, upto, entries: Vec::new(), more: false });
        pages
    }

    fn live(&self) -> BTreeMap<NoteId, Vec<u8>> {
        let live = self.notes.values().filter_map(|entry| entry.hash().map(|hash| (entry.id, hash)));
        live.map(|(id, hash)| (id, self.contents[&hash].clone())).collect()
    }
}

#[derive(Default)]
struct Phone {
    version: u64,
    files: BTreeMap<NoteId, (Local, Vec<u8>)>,
    /// Durable.
    records: BTreeMap<NoteId, Record>,
    cursor: Option<Cursor>,
    outbox: Outbox,
    in_hand: Option<Step>,
}

impl Phone {
    fn write(&mut self, name: NoteName, bytes: Vec<u8>) -> u64 {
        self.version += 1;
        let local = Local { name, version: self.version, size: bytes.len() as u64 };
        self.files.insert(name.id, (local, bytes));
        self.version
    }

    fn version_of(&self, id: NoteId) -> Option<u64> {
        self.files.get(&id).map(|(local, _)| local.version)
    }

    fn look(&mut self) {
        self.outbox.look(self.files.values().map(|(local, _)| *local));
    }

    fn restart(&mut self) {
        self.outbox = Outbox::resume(self.cursor, self.records.clone());
        self.in_hand = None;
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Luck {
    Good,
    QuestionLost,
    /// It arrives when nobody waits for the answer any more.
    QuestionLate,
    AnswerLost,
}

#[derive(Default)]
struct World {
    server: Server,
    phones: [Phone; 2],
    late: Vec<(NoteOffer, Option<Vec<u8>>)>,
    ids: u16,
    texts: u32,
    edits: BTreeSet<Vec<u8>>,
    /// Contents that a person has seen and replaced or deleted.
    superseded: BTreeSet<Vec<u8>>,
}

impl World {
    fn text(&mut self) -> Vec<u8> {
        self.texts += 1;
        let text = self.texts.to_string().into_bytes();
        self.edits.insert(text.clone());
        text
    }

    fn make(&mut self, phone: usize) {
        self.ids += 1;
        let (name, text) = (NoteName { parent: None, id: id(self.ids) }, self.text());
        self.phones[phone].write(name, text);
    }

    fn pick(&self, phone: usize, which: prop::sample::Index) -> Option<(Local, Vec<u8>)> {
        let files = &self.phones[phone].files;
        (!files.is_empty()).then(|| files.values().nth(which.index(files.len())).cloned()).flatten()
    }

    fn edit(&mut self, phone: usize, which: prop::sample::Index) {
        let Some((local, before)) = self.pick(phone, which) else { return };
        self.superseded.insert(before);
        let text = self.text();
        self.phones[phone].write(local.name, text);
    }

    fn delete(&mut self, phone: usize, which: prop::sample::Index) {
        let Some((local, before)) = self.pick(phone, which) else { return };
        self.superseded.insert(before);
        self.phones[phone].files.remove(&local.name.id);
    }

    fn decide(&mut self, phone: usize) {
        let phone = &mut self.phones[phone];
        phone.look();
        phone.in_hand = Some(phone.outbox.next_step());
    }

    fn act(&mut self, number: usize, luck: Luck) {
        let phone = &mut self.phones[number];
        let Some(step) = phone.in_hand.take() else { return };
        match step {
            Step::Idle => {}
            Step::Hash(local) => {
                if let Some((now, bytes)) = phone.files.get(&local.name.id)
                    && now.version == local.version
                {
                    phone.outbox.hashed(local, hash(bytes));
                }
            }
            Step::Ask(request) => match luck {
                Luck::Good => {
                    self.server.pages(&request).into_iter().for_each(|page| phone.outbox.heard(page))
                }
                Luck::AnswerLost => {
                    phone.outbox.heard(self.server.pages(&request).swap_remove(0));
                    phone.outbox.cut();
                }
                _ => phone.outbox.cut(),
            },
            Step::Keep(records, cursor) => {
                phone.records.extend(records.iter().cloned());
                phone.cursor = cursor.or(phone.cursor);
                phone.outbox.kept(&records, cursor);
            }
            Step::Offer(offer, local) => self.send(number, &offer, local, luck),
            Step::Fetch { entry, name, over, record } => {
                let current = &self.server.notes[&entry.id];
                if luck != Luck::Good {
                    return phone.outbox.cut();
                }
                if current.revision != entry.revision {
                    return phone.outbox.gone(entry.id);
                }
                let bytes = self.server.contents[&entry.hash().unwrap()].clone();
                if phone.version_of(entry.id) == over {
                    let version = phone.write(name, bytes);
                    phone.records.insert(entry.id, record.clone());
                    phone.outbox.settled(entry.id, record, Some(version));
                }
            }
            Step::Remove(local, record) => {
                if phone.version_of(local.name.id) == Some(local.version) {
                    phone.files.remove(&local.name.id);
                    phone.records.insert(local.name.id, record.clone());
                    phone.outbox.settled(local.name.id, record, None);
                }
            }
            Step::Copy(local, record) => {
                if phone.version_of(local.name.id) == Some(local.version) {
                    self.ids += 1;
                    let copy = id(self.ids);
                    let bytes = phone.files[&local.name.id].1.clone();
                    phone.write(NoteName { id: copy, ..local.name }, bytes);
                    phone.records.insert(local.name.id, record.clone());
                    let of = Record { copy_of: Some(local.name.id), ..Record::default() };
                    phone.records.insert(copy, of);
                    phone.outbox.copied(local.name.id, record, copy);
                }
            }
        }
    }

    fn send(&mut self, number: usize, offer: &NoteOffer, local: Option<Local>, luck: Luck) {
        let phone = &mut self.phones[number];
        if phone.version_of(offer.id) != local.map(|local| local.version) {
            return;
        }
        let bytes = phone.files.get(&offer.id).map(|(_, bytes)| bytes.clone());
        match luck {
            Luck::QuestionLost => phone.outbox.cut(),
            Luck::QuestionLate => {
                self.late.push((offer.clone(), bytes));
                phone.outbox.cut();
            }
            Luck::AnswerLost => {
                drop(self.server.take(offer, bytes.as_deref()));
                phone.outbox.cut();
            }
            Luck::Good => match self.server.take(offer, bytes.as_deref()) {
                Answer::Stored(revision) => phone.outbox.stored(offer, local, revision),
                Answer::Conflict(entry) => phone.outbox.conflict(offer, entry),
            },
        }
    }

    fn deliver(&mut self, which: prop::sample::Index) {
        if !self.late.is_empty() {
            let (offer, bytes) = self.late.remove(which.index(self.late.len()));
            drop(self.server.take(&offer, bytes.as_deref()));
        }
    }

    /// A good network from now on, until nobody has anything to do.
    fn settle(&mut self) {
        self.settle_at(Duration::ZERO);
    }

    fn settle_at(&mut self, since_start: Duration) {
        self.settle_at_boot(BootTime::from_start(since_start));
    }

    fn settle_at_boot(&mut self, now: BootTime) {
        for (offer, bytes) in std::mem::take(&mut self.late) {
            drop(self.server.take(&offer, bytes.as_deref()));
        }
        let mut patience = 10_000;
        let mut quiet = 0;
        while quiet < 2 {
            let before = self.server.changes;
            for number in 0..self.phones.len() {
                self.phones[number].outbox.connected(now);
                loop {
                    self.decide(number);
                    if self.phones[number].in_hand == Some(Step::Idle) {
                        break;
                    }
                    self.act(number, Luck::Good);
                    patience -= 1;
                    assert!(patience > 0, "it never ends: {:?}", self.phones[number].in_hand);
                }
            }
            quiet = if self.server.changes == before { quiet + 1 } else { 0 };
        }
    }

    fn check_the_end(&self) {
        let live = self.server.live();
        for phone in &self.phones {
            let files: BTreeMap<NoteId, Vec<u8>> =
                phone.files.iter().map(|(id, (_, bytes))| (*id, bytes.clone())).collect();
            assert_eq!(files, live, "every phone has what the server has");
            let counts = phone.outbox.counts();
            assert_eq!((counts.unsent, counts.coming, counts.notes), (0, 0, live.len()), "{counts:?}");
        }
        let live: BTreeSet<&Vec<u8>> = live.values().collect();
        for text in &self.edits {
            assert!(live.contains(text) || self.superseded.contains(text), "{text:?} is lost");
        }
    }

    /// At any time: no contents are stored twice.
    fn check(&self) {
        let mut seen = BTreeSet::new();
        for hash in self.server.log.values().flatten().flatten() {
            assert!(seen.insert(*hash), "an edit was stored twice");
        }
    }
}

#[derive(Debug, Clone)]
enum Act {
    Make(usize),
    Edit(usize, prop::sample::Index),
    Delete(usize, prop::sample::Index),
    Connect(usize),
    Decide(usize),
    Do(usize, Luck),
    /// Decide and do, so that histories get somewhere.
    Go(usize, u8),
    Deliver(prop::sample::Index),
    Restart(usize),
}

fn act() -> impl Strategy<Value = Act> {
    let which = any::<prop::sample::Index>;
    let luck = prop_oneof![
        3 => Just(Luck::Good),
        1 => Just(Luck::QuestionLost),
        1 => Just(Luck::QuestionLate),
        2 => Just(Luck::AnswerLost),
    ];
    prop_oneof![
        2 => (0_usize..2).prop_map(Act::Make),
        5 => (0_usize..2, which()).prop_map(|(phone, which)| Act::Edit(phone, which)),
        2 => (0_usize..2, which()).prop_map(|(phone, which)| Act::Delete(phone, which)),
        4 => (0_usize..2).prop_map(Act::Connect),
        4 => (0_usize..2).prop_map(Act::Decide),
        6 => (0_usize..2, luck).prop_map(|(phone, luck)| Act::Do(phone, luck)),
        8 => (0_usize..2, 1_u8..12).prop_map(|(phone, steps)| Act::Go(phone, steps)),
        2 => which().prop_map(Act::Deliver),
        1 => (0_usize..2).prop_map(Act::Restart),
    ]
}

fn take(world: &mut World, act: &Act) {
    match act {
        Act::Make(phone) => world.make(*phone),
        Act::Edit(phone, which) => world.edit(*phone, *which),
        Act::Delete(phone, which) => world.delete(*phone, *which),
        Act::Connect(phone) => world.phones[*phone].outbox.connected(BootTime::default()),
        Act::Decide(phone) => world.decide(*phone),
        Act::Do(phone, luck) => world.act(*phone, *luck),
        Act::Go(phone, steps) => {
            for _ in 0..*steps {
                world.decide(*phone);
                world.act(*phone, Luck::Good);
            }
        }
        Act::Deliver(which) => world.deliver(*which),
        Act::Restart(phone) => world.phones[*phone].restart(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(700))]
    #[test]
    fn whatever_happens_no_edit_is_lost_and_each_is_stored_once(
        acts in proptest::collection::vec(act(), 0..100),
    ) {
        let mut world = World::default();
        for act in &acts {
            take(&mut world, act);
            world.check();
        }
        world.settle();
        world.check();
        world.check_the_end();
    }
}

fn settled(texts: usize) -> World {
    let mut world = World::default();
    (0..texts).for_each(|_| world.make(0));
    world.settle();
    world.check_the_end();
    world
}

fn first(world: &World, phone: usize) -> NoteId {
    *world.phones[phone].files.keys().next().unwrap()
}

fn write(world: &mut World, phone: usize, text: &str) {
    let id = first(world, phone);
    let local = world.phones[phone].files[&id].0;
    world.phones[phone].write(local.name, text.as_bytes().to_vec());
}

fn until_the_offer(world: &mut World, phone: usize) {
    world.phones[phone].outbox.connected(BootTime::default());
    loop {
        world.decide(phone);
        if matches!(world.phones[phone].in_hand, Some(Step::Offer(..))) {
            return;
        }
        world.act(phone, Luck::Good);
    }
}

#[test]
fn two_phones_that_edit_the_same_note_end_with_both_edits() {
    let mut world = settled(1);
    write(&mut world, 0, "甲");
    write(&mut world, 1, "乙");
    world.settle();
    let texts: BTreeSet<Vec<u8>> = world.server.live().into_values().collect();
    assert_eq!(texts, BTreeSet::from(["甲".as_bytes().to_vec(), "乙".as_bytes().to_vec()]));
    let copies: Vec<NoteId> = world.phones[1]
        .files
        .keys()
        .filter(|id| world.phones[1].outbox.standing(**id).1.is_some())
        .copied()
        .collect();
    assert_eq!(copies.len(), 1, "the second to come keeps its edit as a copy, and it says so");
    assert_eq!(world.phones[1].files[&copies[0]].1, "乙".as_bytes());
}

#[test]
fn an_edit_after_a_lost_answer_makes_no_copy() {
    let mut world = settled(1);
    write(&mut world, 0, "一");
    until_the_offer(&mut world, 0);
    world.act(0, Luck::AnswerLost);
    world.phones[0].restart();
    write(&mut world, 0, "二");
    world.settle();
    assert_eq!(world.server.live().into_values().collect::<Vec<_>>(), ["二".as_bytes()]);
    assert_eq!(world.server.log[&first(&world, 0)].len(), 3);
}

#[test]
fn what_was_undone_after_a_lost_answer_is_undone_everywhere() {
    let mut world = settled(1);
    let before = world.server.live().into_values().next().unwrap();
    write(&mut world, 0, "余計");
    until_the_offer(&mut world, 0);
    world.act(0, Luck::AnswerLost);
    write(&mut world, 0, std::str::from_utf8(&before).unwrap());
    world.settle();
    assert_eq!(world.server.live().into_values().collect::<Vec<_>>(), [before]);
}

#[test]
fn what_was_deleted_after_a_lost_answer_stays_deleted() {
    let mut world = World::default();
    world.make(0);
    until_the_offer(&mut world, 0);
    world.act(0, Luck::AnswerLost);
    world.phones[0].files.clear();
    world.settle();
    assert!(world.server.live().is_empty());
}

#[test]
fn an_edit_wins_against_a_deletion() {
    for order in [[0, 1], [1, 0]] {
        let mut world = settled(1);
        write(&mut world, 0, "牛舎");
        world.phones[1].files.clear();
        for phone in order {
            until_the_offer(&mut world, phone);
            world.act(phone, Luck::Good);
        }
        world.settle();
        assert_eq!(world.server.live().into_values().collect::<Vec<_>>(), ["牛舎".as_bytes()]);
        assert!(world.phones.iter().all(|phone| phone.files.len() == 1));
    }
}

#[test]
fn nothing_is_read_or_asked_anew_after_a_restart() {
    let mut world = settled(3);
    for phone in 0..2 {
        world.phones[phone].restart();
        world.phones[phone].outbox.connected(BootTime::default());
        world.decide(phone);
        let Some(Step::Ask(request)) = &world.phones[phone].in_hand else { panic!("it asks first") };
        assert_eq!((request.era, request.after), (Some(ERA), 3));
        world.act(phone, Luck::Good);
        world.decide(phone);
        assert_eq!(world.phones[phone].in_hand, Some(Step::Idle));
    }
}

#[test]
fn what_a_restored_server_has_forgotten_is_sent_again_and_nothing_of_others_is_overwritten() {
    let mut world = settled(2);
    let backup = (world.server.changes, world.server.notes.clone(), world.server.log.clone());
    write(&mut world, 0, "控えの後");
    world.make(0);
    world.settle();
    let forgotten = world.texts.to_string().into_bytes();
    (world.server.changes, world.server.notes, world.server.log) = backup;
    world.server.era = 1;
    world.settle();
    let texts: Vec<Vec<u8>> = world.server.live().into_values().collect();
    // What the restored server had of the note is what was edited: it is no copy.
    assert_eq!(texts.len(), 3, "{texts:?}");
    for text in ["控えの後".as_bytes(), &forgotten, b"2"] {
        assert!(texts.iter().any(|there| there == text), "{texts:?}");
    }
}

/// What a server has.
type Backup = (u64, BTreeMap<NoteId, NoteEntry>, BTreeMap<NoteId, Vec<Option<Hash>>>);

/// The server as it was, in another era.
fn restored(world: &mut World, backup: Backup) {
    (world.server.changes, world.server.notes, world.server.log) = backup;
    world.server.era += 1;
}

fn backup(world: &World) -> Backup {
    (world.server.changes, world.server.notes.clone(), world.server.log.clone())
}

#[test]
fn after_a_restore_an_edit_does_not_conflict_with_what_it_was_made_from() {
    let mut world = settled(1);
    let oldest = backup(&world);
    for text in ["二", "三", "四"] {
        write(&mut world, 0, text);
        world.settle();
    }
    let newest = backup(&world);
    // The other phone, which has nothing to say, calls first; behind an edit that it has not seen it would keep a copy.
    for (backup, text) in [(newest, "五"), (oldest, "六")] {
        write(&mut world, 1, text);
        restored(&mut world, backup);
        world.settle();
        assert_eq!(world.server.live().into_values().collect::<Vec<_>>(), [text.as_bytes()]);
    }
}

#[test]
fn what_was_deleted_before_a_restore_does_not_come_back() {
    let mut world = settled(2);
    let backup = backup(&world);
    let id = first(&world, 0);
    world.phones[0].files.remove(&id);
    restored(&mut world, backup);
    world.settle();
    assert!(!world.server.live().contains_key(&id) && world.server.live().len() == 1);
}

#[test]
fn after_a_restore_an_edit_of_another_device_is_not_overwritten() {
    let mut world = settled(1);
    let backup = backup(&world);
    write(&mut world, 0, "甲");
    world.settle();
    write(&mut world, 0, "甲二");
    restored(&mut world, backup);
    let id = first(&world, 1);
    let contents =
        NoteContents { media_type: NOTE_MEDIA_TYPE.to_owned(), size: 3, hash: hash("乙".as_bytes()) };
    let offer = NoteOffer { id, parent: None, base: 1, contents: Some(contents) };
    assert!(matches!(world.server.take(&offer, Some("乙".as_bytes())), Answer::Stored(2)));
    world.settle();
    let texts: BTreeSet<Vec<u8>> = world.server.live().into_values().collect();
    assert!(texts.contains("乙".as_bytes()) && texts.contains("甲二".as_bytes()), "{texts:?}");
}

#[test]
fn what_cannot_be_read_waits_and_holds_up_no_other() {
    let mut world = World::default();
    (0..3).for_each(|_| world.make(0));
    let broken = first(&world, 0);
    world.phones[0].outbox.connected(BootTime::default());
    let mut offered = BTreeSet::new();
    loop {
        world.decide(0);
        match world.phones[0].in_hand.clone() {
            Some(Step::Idle) => break,
            Some(Step::Hash(local)) if local.name.id == broken => world.phones[0].outbox.unreadable(local),
            Some(Step::Offer(offer, _)) => {
                offered.insert(offer.id);
                world.act(0, Luck::Good);
            }
            _ => world.act(0, Luck::Good),
        }
    }
    assert_eq!(offered, BTreeSet::from([id(2), id(3)]), "the others went up");
    let outbox = &mut world.phones[0].outbox;
    assert_eq!(outbox.standing(broken).0, Standing::Stuck(Problem::Unreadable));
    assert!(outbox.unhashed().is_empty());
    let pause = outbox.next_try().unwrap();
    // Another pass before its turn leaves it; then it is tried again, and goes up if it can be read.
    outbox.connected(BootTime::default());
    world.settle_at(pause - Duration::from_millis(1));
    assert_eq!(world.phones[0].outbox.standing(broken).0, Standing::Stuck(Problem::Unreadable));
    world.settle_at(pause);
    assert_eq!(world.phones[0].outbox.standing(broken).0, Standing::Sent);
    assert_eq!(world.phones[0].outbox.next_try(), None);
}

#[test]
fn what_is_not_given_waits_and_holds_up_no_other() {
    let mut world = World::default();
    (0..3).for_each(|_| world.make(0));
    while world.server.live().len() < 3 {
        world.phones[0].outbox.connected(BootTime::default());
        until_the_offer(&mut world, 0);
        world.act(0, Luck::Good);
    }
    let broken = first(&world, 0);
    world.phones[1].outbox.connected(BootTime::default());
    loop {
        world.decide(1);
        match world.phones[1].in_hand.clone() {
            Some(Step::Idle) => break,
            Some(Step::Fetch { entry, .. }) if entry.id == broken => world.phones[1].outbox.not_given(&entry),
            _ => world.act(1, Luck::Good),
        }
    }
    assert_eq!(world.phones[1].files.keys().copied().collect::<Vec<_>>(), [id(2), id(3)]);
    assert_eq!(world.phones[1].cursor, None, "what is not here is asked for again after a restart");
    let pause = world.phones[1].outbox.next_try().unwrap();
    world.settle_at(pause);
    assert_eq!(world.phones[1].files.len(), 3);
}

#[test]
fn a_refusal_outlasts_the_pass_and_the_pauses_grow() {
    let mut world = World::default();
    world.make(0);
    let mut now = BootTime::default();
    let mut pauses = Vec::new();
    for _ in 0..3 {
        world.phones[0].outbox.connected(now);
        world.decide(0);
        while !matches!(world.phones[0].in_hand, Some(Step::Offer(..))) {
            world.act(0, Luck::Good);
            world.decide(0);
        }
        let Some(Step::Offer(offer, _)) = world.phones[0].in_hand.take() else { panic!("an offer") };
        world.phones[0].outbox.refused(&offer, RefusalReason::NotesFull);
        let pause = world.phones[0].outbox.next_try().unwrap();
        pauses.push(pause.as_secs());
        // Passes come with every edit; it is offered again only after its pause.
        world.settle_at_boot(now.after(pause / 2));
        assert!(world.server.live().is_empty());
        now = now.after(pause);
    }
    assert_eq!(pauses, [5, 10, 20]);
}

#[test]
fn what_the_server_refuses_stays_and_is_said_until_it_is_changed() {
    let mut world = settled(1);
    world.make(0);
    until_the_offer(&mut world, 0);
    let Some(Step::Offer(offer, _)) = world.phones[0].in_hand.take() else { panic!("an offer") };
    world.phones[0].outbox.refused(&offer, RefusalReason::NoteTooLarge);
    world.decide(0);
    assert_eq!(world.phones[0].in_hand, Some(Step::Idle), "it does not ask again and again");
    let outbox = &world.phones[0].outbox;
    assert_eq!(outbox.standing(offer.id).0, Standing::Stuck(Problem::TooLarge));
    let counts = outbox.counts();
    assert_eq!((counts.notes, counts.unsent, counts.stuck), (2, 1, 1));
    let local = world.phones[0].files[&offer.id].0;
    world.phones[0].write(local.name, b"short".to_vec());
    world.settle();
    assert_eq!(world.phones[0].outbox.standing(offer.id).0, Standing::Sent);
}

#[test]
fn what_this_version_does_not_know_is_not_fetched() {
    let mut world = settled(1);
    let contents = NoteContents { media_type: "video/mp4".to_owned(), size: 1, hash: [7; 32] };
    let offer = NoteOffer { id: id(999), parent: None, base: 0, contents: Some(contents) };
    world.server.log.insert(offer.id, vec![Some([7; 32])]);
    world.server.changes += 1;
    let entry = NoteEntry {
        id: offer.id,
        parent: None,
        revision: 1,
        change: world.server.changes,
        contents: offer.contents,
    };
    world.server.notes.insert(entry.id, entry);
    world.settle();
    assert_eq!(world.phones[0].files.len(), 1);
    assert_eq!(world.phones[0].outbox.counts().coming, 1);
}
