//! The app's stories against a real server process, without a display.

mod close;
mod covered;
mod damage;
mod enrol;
mod life;
mod lock;
mod pin;
mod two_devices;

use std::path::PathBuf;

use client::Options;
use client_ui::Screen;
use e2e::world::{Person, Site, World};
use e2e_app::Hands;
use serde_json::Value;

/// The PIN of everybody here.
const PIN: &str = "271828";

/// The stories. Each wants a process of its own.
pub(crate) fn tests() -> Vec<e2e_app::Test> {
    vec![
        ("story::from_the_letter_to_the_receipt", life::from_the_letter_to_the_receipt),
        ("story::what_is_typed_wrong_at_enrolment_is_said_and_can_be_cured", enrol::typed_wrong),
        ("story::without_a_server_enrolment_says_so_and_goes_on_later", enrol::without_a_server),
        ("story::an_app_that_nobody_touches_locks", lock::idle),
        ("story::a_closed_vault_without_a_lease_wants_a_fresh_process", lock::restart),
        (
            "story::what_was_typed_when_the_vault_was_closed_is_stored_when_it_opens",
            lock::blocked_while_typing,
        ),
        ("story::a_home_that_is_damaged_while_the_vault_is_open_closes_it", lock::damaged_while_open),
        ("story::what_was_typed_is_stored_before_the_window_closes", close::stored),
        ("story::a_save_that_fails_is_said_and_tried_again", close::save_fails),
        ("story::closing_is_refused_once_while_something_typed_is_not_stored", close::refused),
        ("story::a_damaged_home_says_what_is_safe", close::damaged),
        (
            "story::a_damaged_vault_is_repaired_or_started_over_and_says_what_is_lost",
            damage::repaired_and_started_over,
        ),
        ("story::what_is_damaged_in_an_open_vault_is_said_and_repaired", damage::one_item),
        ("story::the_pin_is_changed_and_what_is_wrong_with_it_is_said", pin::changed),
        ("story::after_wrong_pins_the_screen_says_when_the_next_may_be_typed", pin::waits),
        (
            "story::what_two_devices_make_of_one_note_is_shown_and_nothing_is_overwritten",
            two_devices::edit_one_note,
        ),
        ("story::what_is_open_is_hidden_while_another_window_is_in_front", covered::behind),
        ("story::what_is_open_is_marked_with_the_device", covered::marked),
        ("story::what_was_chosen_for_the_eye_is_kept", close::preferences),
    ]
}

/// A world with one person who can enrol, and a folder for the app.
fn world() -> (World, Person) {
    let world = World::new().expect("a server");
    let person = world.hire("知事部局", 1).expect("a person").remove(0);
    (world, person)
}

fn home(site: &Site) -> PathBuf {
    site.folder().join("phones").join("app")
}

fn options(site: &Site) -> Options {
    Options { server: Some(site.quic().to_string()), ..Options::new(home(site)) }
}

/// From the welcome to an open vault, by a typed code.
fn enrol(hands: &Hands, code: &str) {
    begin_to_enrol(hands, code);
    hands.wait_for_screen(Screen::Home);
}

/// From the welcome to the last touch before the enrolment.
fn begin_to_enrol(hands: &Hands, code: &str) {
    hands.touch("Agree and begin");
    hands.write_into("Activation code", code);
    hands.touch("Next: choose a PIN");
    choose_pin(hands, PIN);
}

fn choose_pin(hands: &Hands, pin: &str) {
    hands.wait_for("New PIN");
    hands.type_pin(pin, "Next");
    hands.wait_for("The same PIN again");
    hands.type_pin(pin, "Set this PIN");
}

/// A new note, saved.
fn write_note(hands: &Hands, title: &str, body: &str) {
    hands.touch("Notes");
    hands.touch("New note");
    hands.write_into("Title", title);
    hands.write_into("Text of the note", body);
    hands.wait_for("Saved");
}

fn unlock(hands: &Hands) {
    hands.wait_for_screen(Screen::Unlock);
    hands.type_pin(PIN, "Open");
}

fn device(site: &Site) -> Value {
    site.devices().expect("devices").remove(0)
}

/// `mdmctl devices block|unblock|wipe`.
fn order(site: &Site, what: &str) {
    let id = device(site)["id"].as_str().expect("an id").to_owned();
    site.mdmctl(&["devices", what, &id, "--reason", "left in a taxi"]).expect("an order");
}
