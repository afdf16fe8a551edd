//! The PIN is changed by the person.

use client_ui::{Problem, Screen};
use e2e_app::{Hands, play};

use super::{PIN, enrol, options, world};

const NEW: &str = "161803";

/// A PIN that is wrong, the same, without a server, and at last another; and that one opens from then on.
pub(super) fn changed() {
    let (mut world, person) = world();
    play(options(&world), "", move |hands| {
        enrol(&hands, &person.code);
        hands.touch("Settings");
        hands.touch("Change the PIN");
        type_pins(&hands, "314159", NEW);
        hands.wait_for_text("The PIN is wrong");
        assert_eq!(hands.session(|session| session.get_attempts_left()), 9);

        hands.type_pin(PIN, "Next");
        hands.wait_for("New PIN");
        hands.type_pin(PIN, "Next");
        hands.wait_for_text("This is the PIN you use now");
        hands.touch("Back");

        world.stop().expect("the server stops");
        hands.wait("a connection that is gone", |app| {
            use slint::Global as _;
            (!client_ui::Session::get(app).get_online()).then_some(())
        });
        type_pins(&hands, PIN, NEW);
        hands.wait_for_text("The server cannot be reached");
        hands.wait_for_text("The PIN you use now still holds.");
        world.start().expect("the server starts");
        hands.wait("a connection", |app| {
            use slint::Global as _;
            client_ui::Session::get(app).get_online().then_some(())
        });

        type_pins(&hands, PIN, NEW);
        hands.wait_for_screen(Screen::Settings);
        hands.wait_for_text("The PIN was changed");
        hands.touch("Back");
        hands.wait_for_screen(Screen::Home);
        hands.touch("Lock");
        hands.wait_for_screen(Screen::Unlock);
        hands.type_pin(PIN, "Open");
        hands.wait_for_text("The PIN is wrong");
        hands.type_pin(NEW, "Open");
        hands.wait_for_screen(Screen::Home);
        assert_eq!(hands.session(|session| session.get_problem()), Problem::None);
    });
}

/// After three wrong PINs the next has to wait; the screen says until when, the button waits, and then the right one opens.
pub(super) fn waits() {
    let (mut world, person) = world();
    world.stop().expect("the server stops");
    world.edit_config(|config| config.devices.wrong_pin_delay_seconds = 20).expect("a configuration");
    world.start().expect("the server starts");
    play(options(&world), "", move |hands| {
        enrol(&hands, &person.code);
        hands.touch("Lock");
        hands.wait_for_screen(Screen::Unlock);
        for left in [9, 8, 7] {
            assert_eq!(hands.session(|session| session.get_pin_wait()), "");
            hands.type_pin("314159", "Open");
            hands.wait("the answer", move |app| {
                use slint::Global as _;
                (client_ui::Session::get(app).get_attempts_left() == left).then_some(())
            });
        }
        hands.wait_for("Please wait before the next PIN");
        let at = hands.session(|session| session.get_pin_wait());
        hands.wait_for_text("7 attempts are left.");
        assert!(
            hands.seen().iter().any(|text| text.ends_with(&format!("typed at {at}."))),
            "{:?}",
            hands.seen()
        );
        // The button waits until then.
        hands.type_pin(PIN, "Open");
        hands.wait_for_screen(Screen::Home);
        assert_eq!(hands.session(|session| session.get_pin_wait()), "");
    });
    drop(world);
}

fn type_pins(hands: &Hands, old: &str, new: &str) {
    hands.wait_for("PIN used now");
    hands.type_pin(old, "Next");
    hands.wait_for("New PIN");
    hands.type_pin(new, "Next");
    hands.wait_for("The same PIN again");
    hands.type_pin(new, "Change to this PIN");
}
