//! The suite on a file and in memory, and what a crash or a stranger's hand can do to the bytes.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use tempfile::TempDir;

use super::book::{Attempted, Book, BookError};
use super::page::{HALF_LEN, PAGE_LEN};
use super::paper::{MemoryPaper, Paper};
use crate::conformance::unlock_records::{contains, secrets};
use crate::conformance::{Desk, samples};
use crate::error::OpenError;
use crate::traits::{Charge, UnlockRecords};

mod on_a_file {
    crate::conformance::unlock_records_suite!(tempfile::tempdir().unwrap());
}

mod in_memory {
    crate::conformance::unlock_records_suite!(super::MemoryPaper::default());
}

impl Desk for TempDir {
    fn open(&self) -> Arc<dyn UnlockRecords> {
        super::open(&self.path().join("unlock.keys")).unwrap()
    }

    fn bytes(&self) -> Vec<u8> {
        std::fs::read(self.path().join("unlock.keys")).unwrap()
    }
}

impl Desk for MemoryPaper {
    fn open(&self) -> Arc<dyn UnlockRecords> {
        Arc::new(super::open_on(self.clone(), Path::new("memory")).unwrap())
    }

    fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().to_vec()
    }
}

const LIMIT: u16 = 10;

fn paper(bytes: Vec<u8>) -> MemoryPaper {
    MemoryPaper(Arc::new(Mutex::new(bytes.into())))
}

/// A book of one enrolment, registered.
fn registered() -> (MemoryPaper, Book<MemoryPaper>) {
    let paper = MemoryPaper::default();
    let mut book = Book::open(paper.clone()).unwrap();
    let (credential, record) = secrets(1);
    book.put(samples::enrolment(1), credential, record, LIMIT).unwrap();
    (paper, book)
}

/// Charges and writes out; whether it was granted, and with the right record.
fn charge(book: &mut Book<impl Paper>) -> bool {
    let charge = book.charge(samples::enrolment(1), Attempted::Current).unwrap();
    book.write_out().unwrap();
    match charge {
        Charge::Charged(charged) => {
            let (credential, record) = secrets(1);
            assert!(charged.credential == credential && charged.record == record);
            true
        }
        Charge::Exhausted => false,
        Charge::Missing => panic!("the record is lost"),
    }
}

/// The header and the only page that is used: thousands of images are opened.
fn small(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(2 * PAGE_LEN);
    bytes
}

/// Every way in which a write of `after` over `before` can be cut off once: its beginning or its end was written.
fn torn(before: &[u8], after: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let from = before.iter().zip(after).position(|(a, b)| a != b).unwrap() / HALF_LEN * HALF_LEN;
    assert!(before[from + HALF_LEN..] == after[from + HALF_LEN..], "one half is written between two syncs");
    (0..=HALF_LEN).flat_map(move |cut| {
        let at = from + cut;
        let beginning = [&after[..at], &before[at..]].concat();
        let end = [&before[..at], &after[at..from + HALF_LEN], &before[from + HALF_LEN..]].concat();
        [beginning, end]
    })
}

#[test]
fn a_charge_torn_at_any_byte_refills_nothing_and_keeps_the_record() {
    for used in [0, 1, LIMIT - 1] {
        let (paper, mut book) = registered();
        (0..used).for_each(|_| assert!(charge(&mut book)));
        let before = small(paper.bytes());
        assert!(charge(&mut book));
        let after = small(paper.bytes());
        let mut counted = 0;
        for (number, image) in torn(&before, &after).enumerate() {
            let mut book = Book::open(super::tests::paper(image)).unwrap();
            let found = book.attempts(samples::enrolment(1)).unwrap().used;
            assert!((used..=used + 1).contains(&found), "{found} after {used}");
            counted += u32::from(found == used + 1);
            // Twice as many charges are tried; at most cuts one tells as much.
            let tries = if number % 64 == 0 { 2 * LIMIT } else { 1 };
            let granted = (0..tries).filter(|_| charge(&mut book)).count();
            assert_eq!(granted, usize::from(tries.min(LIMIT - found)));
        }
        assert!(counted > 500, "a torn write counts as an attempt");
    }
}

#[test]
fn a_torn_half_is_counted_once_however_often_the_file_is_opened() {
    let (paper, mut book) = registered();
    let before = paper.bytes();
    assert!(charge(&mut book));
    let image = torn(&before, &paper.bytes()).nth(300).unwrap();
    let paper = super::tests::paper(image);
    for _ in 0..5 {
        let book = Book::open(paper.clone()).unwrap();
        assert_eq!(book.attempts(samples::enrolment(1)).unwrap().used, 1);
    }
}

/// The bytes at each sync.
struct Watched(MemoryPaper, Arc<Mutex<Vec<Vec<u8>>>>);

impl Paper for Watched {
    fn len(&self) -> std::io::Result<u64> {
        self.0.len()
    }
    fn read(&self, at: u64, buffer: &mut [u8]) -> std::io::Result<()> {
        self.0.read(at, buffer)
    }
    fn write(&mut self, at: u64, bytes: &[u8]) -> std::io::Result<()> {
        self.0.write(at, bytes)
    }
    fn sync(&mut self) -> std::io::Result<()> {
        self.1.lock().unwrap().push(small(self.0.bytes()));
        self.0.sync()
    }
}

/// The images at the syncs of `work` on a registered book, the one before it first.
fn watch(work: impl FnOnce(&mut Book<Watched>)) -> Vec<Vec<u8>> {
    let (paper, book) = registered();
    drop(book);
    let images = Arc::default();
    let mut book = Book::open(Watched(paper.clone(), Arc::clone(&images))).unwrap();
    images.lock().unwrap().clear();
    images.lock().unwrap().push(small(paper.bytes()));
    work(&mut book);
    images.lock().unwrap().clone()
}

#[test]
fn a_replaced_registration_torn_at_any_byte_leaves_one_of_the_two() {
    let images = watch(|book| {
        let (credential, record) = secrets(2);
        book.put(samples::enrolment(1), credential, record, LIMIT).unwrap();
    });
    assert_eq!(images.len(), 3);
    for pair in images.windows(2) {
        for (number, image) in torn(&pair[0], &pair[1]).enumerate() {
            let paper = paper(image);
            let mut book = Book::open(paper.clone()).unwrap();
            let charge = book.charge(samples::enrolment(1), Attempted::Current).unwrap();
            let Charge::Charged(charged) = charge else { panic!("the record is lost") };
            let kept = if charged.record == secrets(1).1 { 1 } else { 2 };
            assert!(charged.record == secrets(kept).1 && charged.credential == secrets(kept).0);
            if number % 8 > 1 {
                continue; // the search takes longest
            }
            let other = secrets(3 - kept);
            let bytes = paper.bytes();
            assert!(!contains(&bytes, other.1.expose()) && !contains(&bytes, other.0.expose()));
        }
    }
}

/// Which of the two records an attempt is answered with; the other is nowhere, unless it is pending.
fn opens_with(image: Vec<u8>) -> u32 {
    let paper = paper(image);
    let mut book = Book::open(paper.clone()).unwrap();
    let charge = book.charge(samples::enrolment(1), Attempted::Current).unwrap();
    let Charge::Charged(charged) = charge else { panic!("the record is lost") };
    let current = if charged.record == secrets(1).1 { 1 } else { 2 };
    assert!(charged.record == secrets(current).1 && charged.credential == secrets(current).0);
    let pending = book.charge(samples::enrolment(1), Attempted::Pending).unwrap();
    if let Charge::Charged(pending) = pending {
        assert!(current == 1 && pending.record == secrets(2).1, "only the new one is ever pending");
    } else {
        let other = secrets(3 - current);
        let bytes = paper.bytes();
        assert!(!contains(&bytes, other.1.expose()) && !contains(&bytes, other.0.expose()));
    }
    current
}

#[test]
fn a_changed_pin_torn_at_any_byte_leaves_one_record_that_opens() {
    let images = watch(|book| {
        let (credential, record) = secrets(2);
        book.put_pending(samples::enrolment(1), credential, record).unwrap();
        book.promote(samples::enrolment(1), &secrets(2).0).unwrap();
    });
    assert_eq!(images.len(), 5, "two halves each");
    let mut opened = Vec::new();
    for pair in images.windows(2) {
        let each: Vec<_> = torn(&pair[0], &pair[1]).step_by(7).map(opens_with).collect();
        opened.push((each.contains(&1), each.contains(&2)));
    }
    assert_eq!(opened, [(true, false), (true, false), (true, true), (false, true)], "one write decides");
}

#[test]
fn a_first_registration_torn_at_any_byte_leaves_it_or_nothing() {
    let (paper, mut book) = registered();
    book.destroy(samples::enrolment(1)).unwrap();
    drop(book);
    let images = Arc::default();
    let mut book = Book::open(Watched(paper.clone(), Arc::clone(&images))).unwrap();
    images.lock().unwrap().clear();
    images.lock().unwrap().push(small(paper.bytes()));
    let (credential, record) = secrets(2);
    book.put(samples::enrolment(2), credential, record, LIMIT).unwrap();
    let images = images.lock().unwrap();
    assert_eq!(images.len(), 3);
    for pair in images.windows(2) {
        for image in torn(&pair[0], &pair[1]) {
            let paper = super::tests::paper(image);
            let book = Book::open(paper.clone()).unwrap();
            if book.list().is_empty() {
                assert!(!contains(&paper.bytes(), secrets(2).1.expose()));
            } else {
                assert_eq!(book.list(), [samples::enrolment(2)]);
            }
        }
    }
}

#[test]
fn a_destruction_torn_at_any_byte_is_finished_by_the_next() {
    let images = watch(|book| {
        assert!(charge(book));
        book.destroy(samples::enrolment(1)).unwrap();
    });
    // Registered, charged, older half zeroed, both zeroed.
    assert_eq!(images.len(), 4);
    for pair in images[1..].windows(2) {
        for image in torn(&pair[0], &pair[1]) {
            let paper = paper(image);
            let mut book = Book::open(paper.clone()).unwrap();
            if let Some(attempts) = book.attempts(samples::enrolment(1)) {
                assert!(attempts.used >= 1, "a torn destruction must not refill");
            }
            book.destroy(samples::enrolment(1)).unwrap();
            let (credential, record) = secrets(1);
            let bytes = paper.bytes();
            assert!(!contains(&bytes, record.expose()) && !contains(&bytes, credential.expose()));
        }
    }
}

/// Loses what was not synced.
#[derive(Clone, Default)]
struct Lossy {
    now: MemoryPaper,
    synced: MemoryPaper,
    /// The control: a disk that only pretends.
    sync_does_nothing: bool,
}

impl Paper for Lossy {
    fn len(&self) -> std::io::Result<u64> {
        self.now.len()
    }
    fn read(&self, at: u64, buffer: &mut [u8]) -> std::io::Result<()> {
        self.now.read(at, buffer)
    }
    fn write(&mut self, at: u64, bytes: &[u8]) -> std::io::Result<()> {
        self.now.write(at, bytes)
    }
    fn sync(&mut self) -> std::io::Result<()> {
        if !self.sync_does_nothing {
            *self.synced.0.lock().unwrap() = self.now.0.lock().unwrap().clone();
        }
        Ok(())
    }
}

async fn attempts_after_power_cut(sync_does_nothing: bool) -> u16 {
    let mut lossy = Lossy::default();
    let records: Arc<dyn UnlockRecords> =
        Arc::new(super::open_on(lossy.clone(), Path::new("lossy")).unwrap());
    crate::conformance::unlock_records::register(&records, 1).await;
    drop(records);
    lossy.sync_does_nothing = sync_does_nothing;
    let records: Arc<dyn UnlockRecords> =
        Arc::new(super::open_on(lossy.clone(), Path::new("lossy")).unwrap());
    for _ in 0..7 {
        assert!(matches!(records.charge(samples::enrolment(1)).await.unwrap(), Charge::Charged(_)));
    }
    // The power goes right after the last answer.
    let image = paper(lossy.synced.bytes());
    image.open().attempts(samples::enrolment(1)).await.unwrap().unwrap().used
}

#[tokio::test]
async fn a_charge_is_durable_before_it_is_answered() {
    assert_eq!(attempts_after_power_cut(false).await, 7);
    assert_eq!(attempts_after_power_cut(true).await, 0);
}

/// Fails while told to.
struct Broken(MemoryPaper, Arc<Mutex<bool>>);

impl Paper for Broken {
    fn len(&self) -> std::io::Result<u64> {
        self.0.len()
    }
    fn read(&self, at: u64, buffer: &mut [u8]) -> std::io::Result<()> {
        self.0.read(at, buffer)
    }
    fn write(&mut self, at: u64, bytes: &[u8]) -> std::io::Result<()> {
        self.0.write(at, bytes)
    }
    fn sync(&mut self) -> std::io::Result<()> {
        match *self.1.lock().unwrap() {
            true => Err(std::io::ErrorKind::StorageFull.into()),
            false => Ok(()),
        }
    }
}

#[test]
fn an_attempt_that_the_disk_refused_stays_charged() {
    let (paper, book) = registered();
    drop(book);
    let broken = Arc::new(Mutex::new(false));
    let mut book = Book::open(Broken(paper.clone(), Arc::clone(&broken))).unwrap();
    *broken.lock().unwrap() = true;
    for _ in 0..3 {
        assert!(matches!(
            book.charge(samples::enrolment(1), Attempted::Current).unwrap(),
            Charge::Charged(_)
        ));
        assert!(book.write_out().is_err());
    }
    *broken.lock().unwrap() = false;
    let granted = (0..2 * LIMIT).filter(|_| charge(&mut book)).count();
    assert_eq!(granted, usize::from(LIMIT) - 3);
    assert_eq!(Book::open(paper).unwrap().attempts(samples::enrolment(1)).unwrap().used, LIMIT);
}

#[test]
fn a_page_whose_destruction_failed_gives_no_record_any_more() {
    let (paper, book) = registered();
    drop(book);
    let broken = Arc::new(Mutex::new(false));
    let mut book = Book::open(Broken(paper, Arc::clone(&broken))).unwrap();
    *broken.lock().unwrap() = true;
    assert!(book.destroy(samples::enrolment(1)).is_err());
    assert!(matches!(book.charge(samples::enrolment(1), Attempted::Current).unwrap(), Charge::Exhausted));
    *broken.lock().unwrap() = false;
    book.destroy(samples::enrolment(1)).unwrap();
    assert!(matches!(book.charge(samples::enrolment(1), Attempted::Current).unwrap(), Charge::Missing));
}

fn damage(change: impl FnOnce(&mut Vec<u8>)) -> Option<String> {
    let (paper, _) = registered();
    let mut bytes = paper.bytes();
    change(&mut bytes);
    match Book::open(super::tests::paper(bytes)) {
        Err(BookError::Damaged(detail)) => Some(detail),
        Err(BookError::Io(error)) => panic!("{error}"),
        Ok(_) => None,
    }
}

#[test]
fn what_is_no_key_file_is_refused_by_name() {
    assert_eq!(damage(|_| {}), None);
    assert!(damage(|bytes| bytes[0] = b'x').unwrap().contains("begin like a key file"));
    assert!(damage(|bytes| *bytes = b"name,number\r\n".to_vec()).is_some());
    assert!(damage(|bytes| bytes[3 * PAGE_LEN..][..100].fill(0x5a)).unwrap().contains("page 3"));
    assert!(damage(|bytes| bytes.extend_from_slice(&[0x5a; 100])).unwrap().contains("page 17"));
    let both = damage(|bytes| {
        bytes[PAGE_LEN + 300] = 1;
        bytes[PAGE_LEN + HALF_LEN + 300] = 1;
    });
    assert!(both.unwrap().contains("page 1"));
    let twice = damage(|bytes| bytes.copy_within(PAGE_LEN..2 * PAGE_LEN, 2 * PAGE_LEN));
    assert!(twice.unwrap().contains("pages 1 and 2 are of one enrolment"));
    // A growth that a crash cut off is no damage.
    assert_eq!(damage(|bytes| bytes.extend_from_slice(&[0; 100])), None);
    assert_eq!(damage(|bytes| bytes.truncate(0)), None);
    assert_eq!(damage(|bytes| bytes.truncate(9)), None);
}

#[tokio::test]
async fn the_file_is_the_servers_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("unlock.keys");
    let records = super::open(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(matches!(super::open(&path).err(), Some(OpenError::InUse { .. })));
    drop(records);
    std::fs::write(&path, b"name,number\r\n").unwrap();
    let error = super::open(&path).err().unwrap();
    assert!(error.to_string().contains("unlock.keys is damaged"));
    assert!(matches!(super::open(folder.path()).err(), Some(OpenError::Io { .. })));
}
