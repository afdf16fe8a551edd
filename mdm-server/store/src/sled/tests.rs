//! The suite in a folder, and what only a folder can suffer.

use std::path::Path;
use std::sync::Arc;

use mdm_core::audit::{Actor, AuditEvent, Happening, Subject};
use mdm_core::change::{Changeset, Record};
use tempfile::TempDir;

use super::{Options, open};
use crate::conformance::{Place, journal, samples, store_suite};
use crate::error::{CommitError, OpenError};
use crate::traits::Store;

/// No reserve: the machine that runs the tests may be nearly full.
fn options() -> Options {
    Options { reserve_bytes: 0, last_bytes: 0, ..Options::default() }
}

impl Place for TempDir {
    fn open(&self) -> Arc<dyn Store> {
        open(&self.path().join("store"), options()).unwrap()
    }
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

store_suite!(folder());

fn blobs(folder: &Path) -> usize {
    std::fs::read_dir(folder.join("blobs")).unwrap().count()
}

#[tokio::test]
async fn no_value_goes_to_the_files_that_sled_does_not_sync() {
    let folder = folder();
    let store = folder.open();
    for number in 0..60 {
        let chunk = Record::PlanChunk(samples::plan_chunk(1, number, 370));
        store.commit(samples::inserts([chunk])).await.unwrap();
    }
    assert_eq!(blobs(&folder.path().join("store")), 0);

    // The control: whole values of that size do go there.
    let plain = sled::open(folder.path().join("plain")).unwrap();
    for number in 0..60_u8 {
        plain.insert([number], vec![number; 64_000]).unwrap();
    }
    plain.flush().unwrap();
    assert_ne!(blobs(&folder.path().join("plain")), 0);
}

#[tokio::test]
async fn a_snapshot_that_a_killed_start_left_half_written_is_no_obstacle() {
    let folder = folder();
    let store = folder.open();
    let chunk = Record::PlanChunk(samples::plan_chunk(1, 0, 3));
    let head = store.commit(samples::inserts([chunk])).await.unwrap().head;
    drop(store);
    for content in [&b""[..], b"half a snapshot"] {
        let half = folder.path().join("store").join("snap.00000000FFFFFFFF.generating");
        std::fs::write(&half, content).unwrap();
        // The control: sled itself takes it for a snapshot.
        let plain = tempfile::tempdir().unwrap();
        for file in std::fs::read_dir(folder.path().join("store")).unwrap() {
            let file = file.unwrap();
            if file.file_type().unwrap().is_file() {
                std::fs::copy(file.path(), plain.path().join(file.file_name())).unwrap();
            }
        }
        assert!(matches!(sled::open(plain.path()), Err(sled::Error::Corruption { .. })));

        let store = folder.open();
        assert_eq!(store.journal_head().await.unwrap(), head);
        assert!(!half.exists());
    }
}

#[tokio::test]
async fn one_folder_is_open_once() {
    let folder = folder();
    let store = folder.open();
    let second = open(&folder.path().join("store"), options());
    assert!(matches!(second.err(), Some(OpenError::InUse { .. })));
    drop(store);
    folder.open();
}

async fn filled() -> TempDir {
    let folder = folder();
    let store = folder.open();
    for number in 0..200 {
        let mut changes = samples::inserts([Record::Account(samples::account(number))]);
        changes.note(samples::event(number));
        store.commit(changes).await.unwrap();
    }
    folder
}

#[tokio::test]
async fn a_database_that_ends_early_is_reported_by_name() {
    let folder = filled().await;
    let db = folder.path().join("store/db");
    let whole = std::fs::read(&db).unwrap();
    let used = whole.iter().rposition(|byte| *byte != 0).unwrap();
    // Control: what is only padding may be cut.
    std::fs::write(&db, &whole).unwrap();
    assert_eq!(journal::check(&folder.open()).await.len(), 200);

    for part in 0..20 {
        // Also what sled wrote on closing is taken away again with each try.
        std::fs::write(&db, &whole[..used * part / 20]).unwrap();
        match open(&folder.path().join("store"), options()) {
            Err(OpenError::Damaged { path, detail }) => {
                assert_eq!(path, folder.path().join("store"));
                let message = OpenError::Damaged { path, detail }.to_string();
                assert!(message.contains("restore it from its newest backup"));
            }
            Ok(store) => panic!("{} of 200 events after a cut", journal::all_entries(&store).await.len()),
            Err(other) => panic!("{other}"),
        }
        for entry in std::fs::read_dir(folder.path().join("store")).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().unwrap().to_string_lossy().starts_with("snap") {
                std::fs::remove_file(path).unwrap();
            }
        }
    }
}

#[tokio::test]
async fn a_database_of_garbage_is_reported_by_name() {
    let folder = filled().await;
    let db = folder.path().join("store/db");
    let length = std::fs::metadata(&db).unwrap().len();
    for filler in [0x00_u8, 0x5a, 0xff] {
        std::fs::write(&db, vec![filler; usize::try_from(length).unwrap()]).unwrap();
        let result = open(&folder.path().join("store"), options());
        assert!(matches!(result.err(), Some(OpenError::Damaged { .. })), "{filler:#x}");
    }
    std::fs::write(&db, b"name,number\r\n").unwrap();
    assert!(matches!(open(&folder.path().join("store"), options()).err(), Some(OpenError::Damaged { .. })));
    std::fs::write(folder.path().join("store/conf"), b"name,number\r\n").unwrap();
    assert!(open(&folder.path().join("store"), options()).is_err());
}

#[tokio::test]
async fn without_its_parent_a_folder_is_not_made() {
    let folder = folder();
    let missing = open(&folder.path().join("not/there"), options());
    assert!(matches!(missing.err(), Some(OpenError::Io { .. })));
}

#[tokio::test]
async fn a_nearly_full_disk_refuses_the_commit_and_nothing_else() {
    let folder = filled().await;
    let path = folder.path().join("store");
    let store = open(&path, Options { reserve_bytes: u64::MAX, ..Options::default() }).unwrap();
    let mut changes = samples::inserts([Record::Account(samples::account(500))]);
    changes.note(samples::event(500));
    for _ in 0..3 {
        let error = store.commit(changes.clone()).await.unwrap_err();
        assert!(matches!(error, CommitError::Full(_)) && error.to_string().contains("free space"));
    }
    assert_eq!(store.account(samples::account_id(500)).await.unwrap(), None);
    assert_eq!(journal::check(&store).await.len(), 200);
    drop(store);
    // The last bytes are kept from everybody.
    let store = open(&path, Options { last_bytes: u64::MAX, ..options() }).unwrap();
    assert!(matches!(store.commit(urgent(501)).await, Err(CommitError::Full(_))));
    drop(store);
    let store = folder.open();
    store.commit(changes).await.unwrap();
    assert_eq!(journal::check(&store).await.len(), 201);
}

/// A block, as far as the store knows one.
fn urgent(number: u32) -> Changeset {
    let mut changes = samples::inserts([Record::Account(samples::account(number))]);
    let at = samples::event(number).at;
    let subject = Subject::default();
    changes.note(AuditEvent::new(at, Actor::Server, Happening::DeviceBlocked, subject));
    changes
}

#[tokio::test]
async fn a_block_goes_through_on_a_disk_that_is_too_full_for_anything_else() {
    let folder = folder();
    let path = folder.path().join("store");
    let store = open(&path, Options { reserve_bytes: u64::MAX, ..options() }).unwrap();
    let mut ordinary = urgent(1);
    ordinary.events[0].what = Happening::DeviceUnblocked;
    assert!(matches!(store.commit(ordinary).await, Err(CommitError::Full(_))), "the control");
    store.commit(urgent(1)).await.unwrap();
    assert!(store.account(samples::account_id(1)).await.unwrap().is_some());
}

/// Set in the child process of the test below.
const CHILD: &str = "MDM_STORE_TEST_FULL_FOLDER";

/// A limit on the size of files makes each write beyond it fail as on a full disk, in the middle of sled's work.
#[tokio::test]
async fn a_disk_that_fills_up_in_the_middle_loses_nothing_acknowledged() {
    if let Some(folder) = std::env::var_os(CHILD) {
        return fill_up(Path::new(&folder)).await;
    }
    let folder = folder();
    let path = folder.path().join("store");
    let test = "sled::tests::a_disk_that_fills_up_in_the_middle_loses_nothing_acknowledged";
    let output = std::process::Command::new("sh")
        // 8 MiB in blocks of 512 bytes; the signal that comes with the limit is ignored, so that writes fail instead.
        .args(["-c", "trap '' XFSZ; ulimit -f 16384; exec \"$0\" --exact \"$1\" --nocapture"])
        .arg(std::env::current_exe().unwrap())
        .arg(test)
        .env(CHILD, &path)
        .output()
        .unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let acknowledged: usize =
        said.lines().find_map(|line| line.strip_prefix("acknowledged: ")).unwrap().parse().unwrap();
    // A change of which the store could not tell whether it is stored may be there; what was acknowledged is.
    let untold = usize::from(said.lines().any(|line| line == "untold"));
    let store = open(&path, options()).unwrap();
    let found = journal::check(&store).await.len();
    assert!((acknowledged..=acknowledged + untold).contains(&found), "{found} of {acknowledged}");
}

async fn fill_up(path: &Path) {
    let store = open(path, options()).unwrap();
    let (mut acknowledged, mut refused, mut untold) = (0, 0, false);
    for number in 0..3_000 {
        let mut changes = samples::inserts([Record::PlanChunk(samples::plan_chunk(1, number, 60))]);
        changes.note(samples::event(number));
        match store.commit(changes).await {
            Ok(committed) => {
                acknowledged += 1;
                assert_eq!(committed.head.sequence, acknowledged);
            }
            Err(CommitError::Full(_)) => refused += 1,
            // The limit met sled also when it opened again: the store says so and takes nothing more.
            Err(CommitError::Unknown(_)) => {
                untold = true;
                break;
            }
            Err(other) => panic!("{other}"),
        }
        assert_eq!(store.journal_head().await.unwrap().sequence, acknowledged);
        if refused == 5 {
            break;
        }
    }
    assert!(acknowledged > 0 && (refused == 5 || untold), "{acknowledged} acknowledged, {refused} refused");
    println!("\nacknowledged: {acknowledged}{}", if untold { "\nuntold" } else { "" });
}
