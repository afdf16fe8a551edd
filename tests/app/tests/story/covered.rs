//! What an open vault shows while another window is in front, and on a photograph.

use client_ui as ui;
use client_ui::Screen;
use e2e_app::{Hands, play};
use slint::platform::WindowEvent;
use slint::{ComponentHandle as _, Global as _};

use super::{choose_pin, device, enrol, options, world, write_note};

const COVER: &str = "Hidden while another app is in front. Touch to go on.";

/// Two notes look alike while another window is in front, and different before and after.
pub(super) fn behind() {
    let (world, person) = world();
    play(options(&world), "", move |hands| {
        hands.wait_for_screen(Screen::Welcome);
        in_front(&hands, false);
        // Before there is anything to be hidden, nothing is.
        assert!(!hands.seen().iter().any(|text| text == COVER));
        in_front(&hands, true);
        enrol(&hands, &person.code);
        write_note(&hands, "Calf", "limping");
        let first = looks(&hands);
        in_front(&hands, false);
        hands.wait_for(COVER);
        let covered = looks(&hands);
        in_front(&hands, true);
        hands.write_into("Text of the note", "another text, which the picture shows");
        hands.wait_for("Saved");
        assert!(looks(&hands) != first, "the control: a text is in the picture");
        in_front(&hands, false);
        hands.wait_for(COVER);
        assert!(looks(&hands) == covered, "nothing of the text is in the picture");
        // Where no window is ever said to be in front, a touch is enough.
        hands.touch(COVER);
        assert!(looks(&hands) != covered);
        in_front(&hands, true);
        hands.touch("Back");
        hands.wait_for_screen(Screen::Home);
    });
}

/// The device is named in the picture, as the console names it.
pub(super) fn marked() {
    let (world, person) = world();
    play(options(&world), "", move |hands| {
        hands.touch("Agree and begin");
        hands.write_into("Activation code", &person.code);
        hands.touch("Next: choose a PIN");
        assert_eq!(mark(&hands), "", "nobody is enrolled");
        choose_pin(&hands, super::PIN);
        hands.wait_for_screen(Screen::Home);
        let id = device(&world)["id"].as_str().expect("an id").to_owned();
        assert!(mark(&hands).starts_with(&id), "{} names {id}", mark(&hands));
        let with = looks(&hands);
        hands.with(|app| ui::Session::get(app).set_watermark("".into()));
        assert!(looks(&hands) != with, "the mark is in the picture");
    });
}

fn mark(hands: &Hands) -> String {
    hands.session(|session| session.get_watermark().to_string())
}

fn in_front(hands: &Hands, is_in_front: bool) {
    hands.with(move |app| app.window().dispatch_event(WindowEvent::WindowActiveChanged(is_in_front)));
}

/// Every pixel of the window.
fn looks(hands: &Hands) -> Vec<u8> {
    hands.with(|app| app.window().take_snapshot().expect("a picture").as_bytes().to_vec())
}
