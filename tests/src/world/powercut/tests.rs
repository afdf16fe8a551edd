//! The model, shown by writers: one that does all that is needed, and others that leave one thing out, which must be found.

use super::*;

/// Replaces `file` as a program does that cannot afford to lose it.
const CAREFUL: &str = "printf new-new-new > new; sync new; mv -f new file; sync .";
const SEEDS: u64 = 40;

fn recorded(script: &str) -> Recording {
    let site = Site::new().unwrap();
    let folder = site.data();
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("file"), b"old-old-old").unwrap();
    let recorder = Recorder::new(&site, &folder).unwrap();
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script]).current_dir(recorder.shim.folder());
    let output = recorder.prepare(&mut command).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    recorder.finish().unwrap()
}

fn losses() -> impl Iterator<Item = Loss> {
    [Loss::All, Loss::Nothing].into_iter().chain((0..SEEDS).map(Loss::Some))
}

/// All contents of `file` that a power cut may leave after so many changes.
fn left(recording: &Recording, changes: usize) -> Vec<Option<Vec<u8>>> {
    let disk = recording.disk(changes);
    let mut found: Vec<_> = losses().map(|loss| disk.cut(loss).file("file").map(<[u8]>::to_vec)).collect();
    found.sort();
    found.dedup();
    found
}

fn old_or_new(recording: &Recording) -> bool {
    let whole = [Some(b"old-old-old".to_vec()), Some(b"new-new-new".to_vec())];
    (0..=recording.changes.len()).all(|at| left(recording, at).iter().all(|found| whole.contains(found)))
}

fn lasts(recording: &Recording) -> bool {
    left(recording, recording.changes.len()) == [Some(b"new-new-new".to_vec())]
}

#[test]
fn a_careful_writer_leaves_the_old_or_the_new_and_in_the_end_the_new() {
    let recording = recorded(CAREFUL);
    assert!(recording.changes.len() >= 5, "made, written, synced, renamed, synced: {:?}", recording.changes);
    assert!(old_or_new(&recording));
    assert!(lasts(&recording));
    let both = (0..=recording.changes.len()).any(|at| left(&recording, at).len() == 2);
    assert!(both, "between the rename and the sync of the folder either may be left");
}

#[test]
fn a_writer_that_does_not_sync_before_it_renames_is_found_out() {
    assert!(!old_or_new(&recorded("printf new-new-new > new; mv -f new file; sync .")));
}

#[test]
fn a_writer_that_does_not_sync_the_folder_is_found_out() {
    let recording = recorded("printf new-new-new > new; sync new; mv -f new file");
    assert!(old_or_new(&recording));
    assert!(!lasts(&recording));
}

#[test]
fn a_writer_whose_syncs_do_nothing_is_found_out() {
    let recording = recorded(CAREFUL).without_syncs();
    assert!(!old_or_new(&recording));
    assert!(!lasts(&recording));
}

#[test]
fn a_writer_that_writes_in_place_is_torn_at_sectors() {
    let script = "dd if=/dev/zero of=grown bs=4096 count=1 2>/dev/null; sync grown; sync .
        printf x | dd of=grown bs=1 seek=600 conv=notrunc 2>/dev/null
        printf y | dd of=grown bs=1 seek=1600 conv=notrunc 2>/dev/null";
    let recording = recorded(script);
    let disk = recording.disk(recording.changes.len());
    let seen: std::collections::BTreeSet<_> = losses()
        .map(|loss| {
            let tree = disk.cut(loss);
            let grown = tree.file("grown").unwrap();
            assert_eq!(grown.len(), 4096);
            (grown[600] == b'x', grown[1600] == b'y')
        })
        .collect();
    assert_eq!(seen.len(), 4, "each sector by itself: {seen:?}");
}

#[test]
fn a_file_that_was_removed_and_not_synced_may_come_back_and_one_that_was_synced_may_not() {
    let unsynced = recorded("rm file");
    assert_eq!(left(&unsynced, unsynced.changes.len()), [None, Some(b"old-old-old".to_vec())]);
    let synced = recorded("rm file; sync .");
    assert_eq!(left(&synced, synced.changes.len()), [None]);
}

#[test]
fn folders_files_in_them_and_second_names_are_followed() {
    let recording = recorded(
        "mkdir -p a/b; printf 1 > a/b/c; ln a/b/c d; mv a e; printf 2 >> d; rm e/b/c; sync d; sync .",
    );
    let whole = recording.disk(recording.changes.len()).kept();
    assert_eq!(whole.file("d"), Some(&b"12"[..]));
    assert!(whole.has("e/b") && !whole.has("a"));
    // Nobody synced `e/b`: its entries are not promised, and what is not promised is lost with all the rest.
    assert!(!recording.disk(recording.changes.len()).cut(Loss::All).has("e/b"));
}

#[test]
fn a_change_that_goes_past_the_shim_is_a_hole_and_not_passed_over() {
    let site = Site::new().unwrap();
    let folder = site.data();
    std::fs::create_dir(&folder).unwrap();
    let recorder = Recorder::new(&site, &folder).unwrap();
    std::fs::write(folder.join("unseen"), b"by this process, which is not recorded").unwrap();
    let said = recorder.finish().unwrap_err().to_string();
    assert!(said.contains("not complete"), "{said}");
}
