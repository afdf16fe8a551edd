//! One note, the app, and another device of the same person.

use std::time::Duration;

use client_ui as ui;
use client_ui::{NoteState, Screen};
use e2e::world::{Phone, World, wait};
use e2e_app::{Hands, play};
use serde_json::{Value, json};
use slint::{Global as _, Model as _};

use super::{PIN, enrol, options, write_note};

/// How long a busy machine is given to send something.
const PATIENCE: Duration = Duration::from_secs(120);

/// What is told apart is the text.
const CHANGED: &str = "2027-04-01T03:00:00Z";

/// The other device, whose notes are written by hand.
struct Other(Phone);

impl Other {
    fn write(&self, name: &str, body: &str) {
        let note = json!({"version": 1, "title": "Calf", "body": body, "changed": CHANGED});
        self.0.put(name, note.to_string().as_bytes()).expect("a note");
        let sent =
            wait::within(PATIENCE, || self.notes().iter().all(|note| note["state"] == "sent").then_some(()));
        assert!(sent.is_some(), "not sent: {:?}", self.notes());
    }

    fn notes(&self) -> Vec<Value> {
        let said =
            self.0.call(&["notes", "--json"]).expect("a phone").expect_success("notes").expect("notes");
        serde_json::from_slice(&said.stdout).expect("JSON")
    }

    fn body(&self, name: &str) -> Option<String> {
        let note: Value = serde_json::from_slice(&self.0.get(name).ok()?).ok()?;
        Some(note["body"].as_str()?.to_owned())
    }
}

fn rows(hands: &Hands) -> Vec<ui::NoteRow> {
    hands.with(|app| ui::Notes::get(app).get_rows().iter().collect())
}

fn row_with(hands: &Hands, preview: &str) -> ui::NoteRow {
    let preview = preview.to_owned();
    hands.wait(&format!("a row with {preview}"), move |app| {
        ui::Notes::get(app).get_rows().iter().find(|row| row.preview == preview.as_str())
    })
}

fn sent(hands: &Hands) {
    hands.wait("all is sent", |app| {
        let notes = ui::Notes::get(app);
        let all = notes.get_rows().iter().all(|row| row.state == NoteState::Sent);
        (all && notes.get_unsent() == 0).then_some(())
    });
}

/// What the app has not sent it says; what the other device writes is shown at once, never over what is open; what both have
/// written is kept twice; what the other deletes goes.
pub(super) fn edit_one_note() {
    let mut world = World::prepared().expect("a server");
    world.edit_config(|config| config.devices.per_account = 2).expect("a configuration");
    world.start().expect("the server starts");
    let person = world.hire("知事部局", 1).expect("a person").remove(0);
    let other = world.phone("other");
    other.enrol(&person.code, PIN).expect("an enrolment");
    let said = other.with_pin(PIN).call(&["second-device"]).expect("a phone").text();
    let code = said.lines().find_map(|line| line.strip_prefix("code")).expect("a code").trim().to_owned();
    let running = other.run().expect("a phone");
    other.unlock(PIN).expect("an open vault");
    play(options(&world), "", move |hands| {
        enrol(&hands, &code);
        let other = Other(other);
        let name = is_marked_until_it_is_sent(&hands, &mut world);
        is_not_overwritten_while_it_is_open(&hands, &other, &name);
        is_kept_twice_where_both_have_written(&hands, &other, &name);
        goes_where_the_other_has_deleted_it(&hands, &other, &name);
        drop(running);
    });
}

fn is_marked_until_it_is_sent(hands: &Hands, world: &mut World) -> String {
    world.stop().expect("the server stops");
    write_note(hands, "Calf", "limping");
    hands.touch("Back");
    hands.wait_for_text("1 change is not sent yet.");
    assert_eq!(row_with(hands, "limping").state, NoteState::Unsent);
    world.start().expect("the server starts");
    sent(hands);
    format!("notes/{}", rows(hands)[0].id)
}

fn is_not_overwritten_while_it_is_open(hands: &Hands, other: &Other, name: &str) {
    hands.touch("Calf");
    other.write(&format!("notes/{}", other_id(1)), "a reason to look");
    let came = wait::within(PATIENCE, || (other.body(name)? == "limping").then_some(()));
    assert!(came.is_some(), "{:?}", other.notes());
    other.write(name, "limping less");
    hands.agent().look_for_notes();
    hands.wait_for("This note was changed on another device");
    assert_eq!(hands.value("Text of the note"), "limping", "what is open stays as it is");
    hands.touch("Show the new version");
    hands.wait("the new version", |app| {
        (ui::Notes::get(app).get_current().body == "limping less").then_some(())
    });
    assert_eq!(hands.value("Text of the note"), "limping less");
    hands.touch("Back");
    row_with(hands, "a reason to look");
}

fn is_kept_twice_where_both_have_written(hands: &Hands, other: &Other, name: &str) {
    let id = name.trim_start_matches("notes/").to_owned();
    hands.with(move |app| ui::Notes::get(app).invoke_open(id.into()));
    hands.wait_for_screen(Screen::Note);
    other.write(name, "walks again");
    hands.with(|app| ui::Notes::get(app).invoke_edited("Calf".into(), "limping more".into()));
    hands.wait_for("A note was changed on two devices");
    hands.with(|app| ui::Notes::get(app).invoke_edited("Calf".into(), "limping more, called the vet".into()));
    hands.wait_for("Saved");
    hands.touch("Back");
    row_with(hands, "walks again");
    let copy = row_with(hands, "limping more, called the vet");
    assert!(copy.copy && rows(hands).len() == 3, "{:?}", rows(hands));
    sent(hands);
    other.write(&format!("notes/{}", other_id(2)), "another reason to look");
    let copy = format!("notes/{}", copy.id);
    let came =
        wait::within(PATIENCE, || (other.body(&copy)? == "limping more, called the vet").then_some(()));
    assert!(came.is_some(), "{:?}", other.notes());
    assert_eq!(other.body(name).as_deref(), Some("walks again"));
}

fn goes_where_the_other_has_deleted_it(hands: &Hands, other: &Other, name: &str) {
    let id = name.trim_start_matches("notes/").to_owned();
    hands.with(move |app| ui::Notes::get(app).invoke_open(id.into()));
    hands.wait_for_screen(Screen::Note);
    other.0.call(&["rm", name]).expect("a phone").expect_success("rm").expect("rm");
    let told = wait::within(PATIENCE, || {
        hands.agent().look_for_notes();
        hands.seen().iter().any(|text| text == "This note was deleted on another device").then_some(())
    });
    assert!(told.is_some(), "{:?}", hands.seen());
    assert_eq!(hands.value("Text of the note"), "walks again");
    hands.touch("Back");
    hands.wait("its row is gone", |app| {
        ui::Notes::get(app).get_rows().iter().all(|row| row.preview != "walks again").then_some(())
    });
}

fn other_id(number: u8) -> shared::ids::NoteId {
    shared::ids::NoteId::from_bytes([number; 16])
}
