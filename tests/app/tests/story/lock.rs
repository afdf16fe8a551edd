//! What closes the vault, and what becomes of what was being typed.

use std::time::Duration;

use client::{End, Options};
use client_ui::{SaveState, Screen};
use e2e_app::play;
use shared::policy::LeaseMode;
use slint::{Global as _, Model as _};

use super::{begin_to_enrol, enrol, home, options, order, unlock, world, write_note};

/// Without a key or touch the app locks, again and again.
pub(super) fn idle() {
    let (world, person) = world();
    let options = Options { idle_lock: Duration::from_secs(3), ..options(&world) };
    play(options, "", move |hands| {
        begin_to_enrol(&hands, &person.code);
        hands.wait_for_screens(&[Screen::Home, Screen::Unlock]);
        assert!(hands.session(|session| session.get_online()), "nothing but the time has closed it");
        unlock(&hands);
        hands.wait_for_screens(&[Screen::Home, Screen::Unlock]);
    });
    drop(world);
}

/// Where no lease would be lost, the process ends for a fresh one.
pub(super) fn restart() {
    let (mut world, person) = world();
    world.stop().expect("the server stops");
    world.edit_config(|config| config.devices.lease_mode = LeaseMode::None).expect("a configuration");
    world.start().expect("the server starts");
    let options = Options { restart_when_closed: true, ..options(&world) };
    let end = play(options, "", move |hands| {
        enrol(&hands, &person.code);
        write_note(&hands, "Title", "Text");
        hands.touch("Back");
        hands.touch("Lock");
        hands.wait_for_end();
    });
    assert_eq!(end, End::Restart);
    drop(world);
}

/// The organisation closes the vault between a letter and its save: the letter is stored when the vault opens again.
pub(super) fn blocked_while_typing() {
    let (world, person) = world();
    let options = options(&world);
    play(options, "", move |hands| {
        enrol(&hands, &person.code);
        write_note(&hands, "Calf", "limping");
        // The device is blocked here and now, as by a command that arrives after this letter.
        hands.with(|app| {
            client_ui::Notes::get(app).invoke_edited("Calf".into(), "limping, left hind leg".into())
        });
        hands.agent().lock();
        hands.wait_for_screen(Screen::Unlock);
        order(&world, "block");
        hands.wait_for_screen(Screen::Blocked);
        order(&world, "unblock");
        unlock(&hands);
        hands.wait_for_screen(Screen::Home);
        hands.touch("Notes");
        hands.touch("Calf");
        assert_eq!(hands.value("Text of the note"), "limping, left hind leg");
        hands.wait("the save", |app| {
            (client_ui::Notes::get(app).get_saved() == SaveState::Saved).then_some(())
        });
    });
}

/// The device's key is lost, which is noticed at the next connection: the vault is closed, and nothing of it is on the screens.
pub(super) fn damaged_while_open() {
    let (mut world, person) = world();
    let key = home(&world).join("device/key");
    play(options(&world), "", move |hands| {
        enrol(&hands, &person.code);
        write_note(&hands, "Calf", "limping");
        assert!(hands.agent().list().is_ok(), "the vault is open");
        std::fs::remove_file(&key).expect("a file");
        world.stop().expect("the server stops");
        hands.wait_for_screen(Screen::Damaged);
        assert!(hands.agent().list().is_err(), "the vault is closed");
        hands.with(|app| {
            let notes = client_ui::Notes::get(app);
            assert_eq!(notes.get_rows().row_count(), 0);
            assert_eq!(notes.get_current(), client_ui::NoteText::default());
        });
    });
}
