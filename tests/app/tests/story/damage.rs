//! A vault that is damaged: what is said, what is kept, what the person is asked before anything is lost.

use std::fs;
use std::path::Path;

use client_ui::Screen;
use e2e::world::files;
use e2e_app::{Hands, play};

use super::{PIN, enrol, home, options, unlock, world, write_note};

/// A store that was set back is repaired; one that does not open is started over, but not before the person was asked.
pub(super) fn repaired_and_started_over() {
    let (world, person) = world();
    let (store, aside) = (home(&world).join("vault/store"), world.tmp().join("aside"));
    play(options(&world), "", move |hands| {
        enrol(&hands, &person.code);
        write_note(&hands, "Calf", "limping");
        lock(&hands);
        files::copy(&store, &aside).expect("a copy");
        unlock(&hands);
        hands.wait_for_screen(Screen::Home);
        write_note(&hands, "Barn", "two doors");
        lock(&hands);
        fs::remove_dir_all(&store).and_then(|()| fs::rename(&aside, &store)).expect("an older store");

        unlock(&hands);
        is_repaired(&hands);
        lock(&hands);
        let length = fs::read(store.join("conf")).expect("a file").len();
        fs::write(store.join("conf"), vec![0xa5; length]).expect("a file");
        unlock(&hands);
        is_started_over(&hands, &store);
    });
}

fn lock(hands: &Hands) {
    if hands.session(|session| session.get_screen()) == Screen::Note {
        hands.touch("Back");
    }
    hands.touch("Lock");
    hands.wait_for_screen(Screen::Unlock);
}

fn is_repaired(hands: &Hands) {
    hands.wait_for_screen(Screen::Repair);
    hands.wait_for("The data in this app is damaged");
    hands.wait_for_text("Some of what this app has stored cannot be read. Nothing was changed.");
    hands.touch("Repair");
    hands.wait_for("Type your PIN to repair");
    hands.type_pin(PIN, "Repair");
    hands.wait_for_screen(Screen::Repaired);
    hands.wait_for("Kept");
    hands.wait_for_text("• The newest ");
    hands.touch("Continue");
    hands.wait_for_screen(Screen::Home);
    hands.touch("Notes");
    hands.wait_for("Calf");
    assert!(!hands.seen().contains(&"Barn".to_owned()), "it was lost, and that was said");
}

fn is_started_over(hands: &Hands, store: &Path) {
    hands.wait_for_screen(Screen::Repair);
    hands.wait_for_text("It cannot be repaired.");
    hands.touch("Start over");
    hands.wait_for_text("Notes and photos in this app that were not sent to your organisation.");
    hands.touch("Leave it as it is");
    hands.wait_for("The data in this app is damaged");
    assert!(store.join("db").is_file(), "nothing is thrown away by asking");
    hands.touch("Start over");
    hands.touch("Lose it and start over");
    hands.wait_for("Type your PIN to start over");
    hands.type_pin(PIN, "Start over");
    hands.wait_for_screen(Screen::Repaired);
    hands.wait_for("The app is empty and works again");
    hands.touch("Continue");
    write_note(hands, "Fence", "mended");
    lock(hands);
    unlock(hands);
    hands.wait_for_screen(Screen::Home);
    hands.touch("Notes");
    hands.wait_for("Fence");
}

/// One note that is damaged: the others are read on, and repair says that one is lost.
pub(super) fn one_item() {
    let (world, person) = world();
    let content = home(&world).join("vault/content");
    play(options(&world), "", move |hands| {
        enrol(&hands, &person.code);
        write_note(&hands, "Calf", "limping");
        hands.touch("Back");
        hands.touch("New note");
        let long = "two doors; ".repeat(vault::INLINE_MAX / 5);
        hands.with(move |app| {
            use slint::Global as _;
            client_ui::Notes::get(app).invoke_edited("Barn".into(), long.into());
        });
        hands.wait_for("Saved");
        lock(&hands);
        let contents = files::files(&content).expect("a folder");
        let [barn] = contents.as_slice() else { panic!("{contents:?}") };
        let mut bytes = fs::read(barn).expect("a file");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(barn, bytes).expect("a file");

        unlock(&hands);
        hands.wait_for_screen(Screen::Home);
        hands.wait_for_text("Some of the app's data is damaged");
        hands.touch("Notes");
        hands.wait_for("Calf");
        hands.touch("What to do about the damage");
        hands.wait_for_screen(Screen::Repair);
        hands.touch("Repair");
        hands.wait_for("Type your PIN to repair");
        hands.type_pin(PIN, "Repair");
        hands.wait_for_screen(Screen::Repaired);
        hands.wait_for_text("• A note whose title cannot be read");
        hands.touch("Continue");
        hands.wait_for_screen(Screen::Home);
        hands.wait_for("Calf");
        assert!(!hands.seen().contains(&"What to do about the damage".to_owned()), "nothing is left to do");
    });
    drop(world);
}
