//! The demo of the README is told to its end.

use e2e::demo::Then;

#[test]
fn the_main_story_goes_as_it_is_told_and_can_be_told_again() {
    let folder = tempfile::tempdir().unwrap();
    let story = folder.path().join("demo");
    e2e::demo::tell(&story, Then::Exit).unwrap();
    e2e::demo::tell(&story, Then::Exit).unwrap();
}

#[test]
fn a_folder_that_is_not_from_a_demo_is_not_emptied() {
    let folder = tempfile::tempdir().unwrap();
    let letter = folder.path().join("letter.txt");
    std::fs::write(&letter, "keep me").unwrap();
    let refused = e2e::demo::tell(folder.path(), Then::Exit).unwrap_err();
    assert!(refused.to_string().contains("not from an earlier demo"), "{refused}");
    assert!(letter.exists());
}
