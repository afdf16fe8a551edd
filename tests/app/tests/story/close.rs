//! Files: what is stored at the end, what cannot be stored, what cannot be read, what is kept of choices.

use std::fs;

use client::{End, Options};
use client_ui as ui;
use client_ui::{Problem, SaveState, Screen};
use e2e_app::play;
use slint::Global as _;

use super::{PIN, enrol, home, options, world, write_note};

/// Closing at once after the last letter loses none.
pub(super) fn stored() {
    let (world, person) = world();
    let end = play(options(&world), "", move |hands| {
        enrol(&hands, &person.code);
        hands.touch("Notes");
        hands.touch("New note");
        hands.write_into("Text of the note", "typed in haste");
        hands.close_window();
        hands.wait_for_end();
        // The app's lock is on the folder until the process ends: the agent reads what it stored.
        assert!(hands.agent().list().is_err(), "the vault is closed");
    });
    assert_eq!(end, End::Closed);
    // The app's lock is on its folder as long as the process lives.
    let copy = world.phone("app").copy("copy").expect("a copy of the app's home");
    let listed = copy.with_pin(PIN).ls().expect("the PIN opens it");
    assert_eq!(listed.matches("notes/").count(), 1, "one note: {listed}");
}

/// A note that stands beside the store, and not in it.
fn long() -> String {
    "limping, left hind leg; ".repeat(vault::INLINE_MAX / 20)
}

/// The disk does not take it: said, kept, tried again.
pub(super) fn save_fails() {
    let (world, person) = world();
    let content = home(&world).join("vault/content");
    let aside = home(&world).join("vault/aside");
    play(options(&world), "", move |hands| {
        enrol(&hands, &person.code);
        write_note(&hands, "Calf", "limping");
        // What is long is written to the folder of contents, and fails from here on, also for the system's owner.
        fs::rename(&content, &aside).expect("a folder");
        hands.with(|app| ui::Notes::get(app).invoke_edited("Calf".into(), long().into()));
        hands.wait_for("Not saved");
        hands.wait_for("The note could not be saved");
        fs::rename(&aside, &content).expect("a folder");
        hands.wait("the save that is tried again", |app| {
            (ui::Notes::get(app).get_saved() == SaveState::Saved).then_some(())
        });
        hands.touch("Back");
        hands.touch("Lock");
        super::unlock(&hands);
        hands.wait_for_screen(Screen::Home);
        hands.touch("Calf");
        assert_eq!(hands.value("Text of the note"), long());
    });
    drop(world);
}

/// Where what was typed cannot be stored, the first try to close says so, and the second is obeyed.
pub(super) fn refused() {
    let (world, person) = world();
    let content = home(&world).join("vault/content");
    let aside = home(&world).join("vault/aside");
    let end = play(options(&world), "", move |hands| {
        enrol(&hands, &person.code);
        write_note(&hands, "Calf", "limping");
        fs::rename(&content, &aside).expect("a folder");
        hands.with(|app| ui::Notes::get(app).invoke_edited("Calf".into(), long().into()));
        hands.wait_for("Not saved");
        hands.session(|session| session.set_problem(Problem::None));
        hands.close_window();
        hands.wait("the refusal", |app| (ui::Session::get(app).get_problem() != Problem::None).then_some(()));
        hands.wait_for("The note could not be saved");
        hands.close_window();
        hands.wait_for_end();
    });
    assert_eq!(end, End::Closed);
    drop(world);
}

/// A home that does not open is shown with words, and opens once it is whole again.
pub(super) fn damaged() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = folder.path().join("app");
    let state = home.join("device/state");
    fs::create_dir_all(home.join("device")).expect("a folder");
    fs::write(&state, "not a state").expect("a file");
    play(Options::new(home), "", move |hands| {
        hands.wait_for_screen(Screen::Damaged);
        hands.wait_for_text("The app's data cannot be read");
        fs::remove_file(&state).expect("a file");
        hands.touch("Try again");
        hands.wait_for_screen(Screen::Welcome);
    });
}

/// Language, colours and contrast are in a file of the home after they were chosen.
pub(super) fn preferences() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = folder.path().join("app");
    let kept = home.join("device/preferences");
    play(Options::new(home), "", move |hands| {
        hands.wait_for("Agree and begin");
        hands.touch("Settings");
        hands.touch("日本語");
        hands.wait_for("設定");
        hands.touch("暗い");
        hands.touch("高い");
        let stored = e2e::world::wait::until("the file", || {
            fs::read_to_string(&kept).ok().filter(|text| text.contains("true"))
        });
        let expected = r#"{"language":"ja","colours":"dark","text_size":"standard","high_contrast":true}"#;
        assert_eq!(stored.expect("a file"), expected);
        hands.session(|session| assert_eq!(session.get_language(), "ja"));
    });
}
