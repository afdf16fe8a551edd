//! Enrolment when something is not as it should be.

use client::Options;
use client_ui::{Problem, Screen};
use e2e_app::play;

use super::{PIN, choose_pin, options, world};

/// A mistyped code, a wrong address, a code that is not known, a PIN that is shorter than the server wants.
pub(super) fn typed_wrong() {
    let (mut world, person) = world();
    // The policy is not known here before the enrolment.
    world.stop().expect("the server stops");
    world.edit_config(|config| config.devices.pin_min_length = 8).expect("a configuration");
    world.start().expect("the server starts");
    let options = Options { server: None, ..options(&world) };
    let server = world.quic().to_string();
    play(options, "", move |hands| {
        hands.touch("Agree and begin");
        hands.touch("Next: choose a PIN");
        hands.wait_for("Please type the code on the letter.");
        let mistyped = format!("{}{}", &person.code[..1], person.code.replace('-', " ").to_lowercase());
        hands.write_into("Activation code", &mistyped);
        hands.write_into("Server address", "two words");
        hands.touch("Next: choose a PIN");
        hands.wait_for_text("The server address cannot be read");

        hands.touch("Server address");
        hands.control("a");
        hands.write(&server);
        hands.touch("Next: choose a PIN");
        hands.wait_for_text("The activation code is not right");

        hands.touch("Activation code");
        hands.control("a");
        hands.write("00000-00000-00000-00000-0");
        hands.touch("Next: choose a PIN");
        choose_pin(&hands, PIN);
        hands.wait_for_screen(Screen::Enrol);
        hands.wait_for_text("The activation code is not right");

        // As people type: small letters, no hyphens.
        hands.write_into("Activation code", &person.code.replace('-', "").to_lowercase());
        hands.touch("Next: choose a PIN");
        choose_pin(&hands, PIN);
        hands.wait_for_text("The PIN is too short");
        assert_eq!(
            hands.session(|session| (session.get_screen(), session.get_pin_min_length())),
            (Screen::SetPin, 8)
        );
        choose_pin(&hands, "27182818");
        hands.wait_for_screen(Screen::Home);
        assert_eq!(hands.session(|session| session.get_problem()), Problem::None);
    });
}

/// The server does not answer: the code is not used up, and the same screen goes on when it does.
pub(super) fn without_a_server() {
    let (mut world, person) = world();
    world.stop().expect("the server stops");
    let options = options(&world);
    play(options, "", move |hands| {
        hands.touch("Agree and begin");
        hands.write_into("Activation code", &person.code);
        hands.touch("Next: choose a PIN");
        choose_pin(&hands, PIN);
        hands.wait("words for no answer", |app| {
            use slint::Global as _;
            let problem = client_ui::Session::get(app).get_problem();
            matches!(problem, Problem::UdpBlocked | Problem::Offline).then_some(())
        });
        hands.wait_for_screen(Screen::SetPin);
        world.start().expect("the server starts");
        choose_pin(&hands, PIN);
        hands.wait_for_screen(Screen::Home);
    });
}
