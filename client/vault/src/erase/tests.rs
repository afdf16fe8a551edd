//! What an erase leaves in a home, and what it must not touch before its time.

use super::*;
use jiff::Timestamp;
use rand::SeedableRng;
use rand::rngs::StdRng;

fn home() -> (tempfile::TempDir, Home) {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::new(folder.path().join("home"));
    home.create().unwrap();
    files::create_dir(&home.device_dir()).unwrap();
    files::create_dir(&home.slots_dir()).unwrap();
    files::create_dir(&home.store_dir()).unwrap();
    for path in key_files(&home) {
        files::replace(&path, b"secret").unwrap();
    }
    for path in [home.device_key(), home.state(), home.receipt(), home.store_dir().join("db")] {
        files::replace(&path, b"other").unwrap();
    }
    fs::create_dir(home.root().join("cache")).unwrap();
    fs::write(home.root().join("cache/thumbnail"), b"picture").unwrap();
    fs::write(home.root().join("app.log"), b"log").unwrap();
    crate::intent::preallocate(&home).unwrap();
    (folder, home)
}

fn command() -> CommandId {
    CommandId::make(Timestamp::UNIX_EPOCH, &mut StdRng::seed_from_u64(1))
}

fn names(home: &Home) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(home.root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn every_step_can_be_done_twice_and_only_the_marker_stays() {
    let (_folder, home) = home();
    for _ in 0..2 {
        destroy_keys(&home).unwrap();
        check_keys_gone(&home).unwrap();
        remove_data(&home).unwrap();
        assert_eq!(names(&home), ["device", "wipe-intent"]);
    }
    assert!(findings(&home, command()).receipt_stored);
    for _ in 0..2 {
        store_acked(&home, command()).unwrap();
        assert!(findings(&home, command()).acked);
        delete_identity(&home).unwrap();
    }
    delete_intent(&home).unwrap();
    delete_intent(&home).unwrap();
    assert_eq!(names(&home), ["gone"]);
    assert_eq!(acked(&home), Some(command()));
}

#[test]
fn a_key_that_still_loads_is_named() {
    let (_folder, home) = home();
    destroy_keys(&home).unwrap();
    for path in key_files(&home) {
        fs::write(&path, b"again").unwrap();
        assert!(matches!(check_keys_gone(&home), Err(KeysRemain::Loads(found)) if found == path));
        fs::remove_file(path).unwrap();
    }
    check_keys_gone(&home).unwrap();
}

#[test]
fn destroying_overwrites_the_bytes_that_were_there() {
    let (_folder, home) = home();
    let kept = home.root().join("second-name");
    fs::hard_link(home.device_secret(), &kept).unwrap();
    files::destroy(&home.device_secret()).unwrap();
    assert_eq!(fs::read(kept).unwrap(), [0; 6]);
}

#[test]
fn a_folder_of_someone_else_is_no_home() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("family.jpg"), b"picture").unwrap();
    let refused = Home::new(folder.path()).create();
    assert!(matches!(refused, Err(crate::HomeError::Foreign(_))));
}

#[test]
fn a_home_is_used_by_one_process_at_a_time() {
    let (_folder, home) = home();
    let lock = home.lock().unwrap();
    assert!(matches!(home.lock(), Err(crate::HomeError::InUse(_))));
    drop(lock);
    assert!(home.lock().is_ok());
}

#[test]
fn the_intent_is_there_before_it_is_needed_and_says_what_was_written() {
    use crate::intent::{self, StoredIntent};
    let (_folder, home) = home();
    assert_eq!(intent::load(&home).unwrap(), StoredIntent::Empty);
    let before = fs::metadata(home.intent()).unwrap().len();
    intent::write(&home, b"signed").unwrap();
    assert_eq!(fs::metadata(home.intent()).unwrap().len(), before, "written in place");
    assert_eq!(intent::load(&home).unwrap(), StoredIntent::Written(b"signed".to_vec()));
    intent::preallocate(&home).unwrap();
    assert_eq!(intent::load(&home).unwrap(), StoredIntent::Written(b"signed".to_vec()));
    fs::write(home.intent(), [0xff; 4096]).unwrap();
    assert_eq!(intent::load(&home).unwrap(), StoredIntent::Damaged);
    delete_intent(&home).unwrap();
    assert_eq!(intent::load(&home).unwrap(), StoredIntent::Absent);
}
