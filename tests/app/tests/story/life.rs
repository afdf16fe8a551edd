//! The whole life of an app on one device.

use std::path::PathBuf;

use client_ui as ui;
use client_ui::Screen;
use e2e::world::{World, files, wait};
use e2e_app::{Hands, play};
use slint::{Global as _, Model as _};

use super::{PIN, choose_pin, device, home, options, order, unlock, world, write_note};

const TITLE: &str = "Barn 3, Tamate village";
const BODY: &str = "Marker-4711: two calves, one limping. 𠮷田 called.\nCome back on Friday.";
const NOTICE: &str = "School lunch in May";
const PICTURE: &str = "The way to the shelter";
const NOTICE_TEXT: &str = "Marker-4712: the menu of May.";

/// Enrolment from a pasted code, a note, a wrong PIN, the server away and back, block, unblock, wipe.
pub(super) fn from_the_letter_to_the_receipt() {
    let (mut world, person) = world();
    let options = options(&world);
    play(options, &person.code.clone(), move |hands| {
        enrols_from_a_pasted_code(&hands, &person.code);
        reads_a_document(&hands, &world);
        reads_a_notice(&hands, &world);
        writes_a_note_and_finds_it(&hands);
        locks(&hands, &world);
        is_told_of_a_wrong_pin(&hands);
        works_on_without_the_server(&hands, &mut world);
        is_blocked_and_unblocked(&hands, &world);
        is_wiped_while_open(&hands, &world);
    });
}

fn enrols_from_a_pasted_code(hands: &Hands, code: &str) {
    hands.wait_for_screen(Screen::Welcome);
    hands.wait_for_text("Only the data inside this app is erased.");
    hands.touch("Agree and begin");
    hands.touch("Paste the code");
    assert_eq!(hands.value("Activation code"), code, "text of other apps may come in before the enrolment");
    hands.touch("Next: choose a PIN");
    choose_pin(hands, PIN);
    hands.wait_for_screen(Screen::Home);
    hands.wait_for("Online");
    hands.wait_for("玉手県");
    let shown = hands.screens();
    assert_eq!(shown, [Screen::Enrol, Screen::SetPin, Screen::Home], "nothing is shown on the way");
}

/// What was published comes by itself after an unlock, into its folder.
fn reads_a_document(hands: &Hands, world: &World) {
    hands.touch("Documents");
    hands.wait_for_text("There are no documents yet.");
    publish(world, "menu.txt", NOTICE_TEXT.as_bytes(), NOTICE);
    publish(world, "map.pdf", &e2e_app::papers::pdf(3), PICTURE);
    hands.touch("Lock");
    unlock(hands);
    hands.wait_for_screen(Screen::Home);
    hands.wait("both documents", |app| {
        let rows = ui::Documents::get(app).get_rows();
        let there = rows.iter().filter(|row| row.state == ui::DocumentState::There).count();
        (there == 2 && ui::Documents::get(app).get_coming() == 0).then_some(())
    });
    hands.wait_for("Schools/Notices");
    hands.touch(PICTURE);
    hands.wait_for_screen(Screen::Document);
    let page = |app: &ui::App| (ui::Viewer::get(app).get_kind(), ui::Viewer::get(app).get_page());
    hands.wait("the first page", move |app| (page(app) == (ui::ViewKind::Page, 1)).then_some(()));
    hands.wait_for("1 of 3");
    hands.touch("Next page");
    hands.wait("the second page", move |app| (page(app) == (ui::ViewKind::Page, 2)).then_some(()));
    let size = |app: &ui::App| ui::Viewer::get(app).get_picture().size();
    let high = hands.with(move |app| size(app));
    hands.touch("Turn to the right");
    let wide = hands.with(move |app| size(app));
    assert_eq!((wide.width, wide.height), (high.height, high.width));
    hands.touch("Back");
    hands.wait("nothing of it", move |app| (size(app).width == 0).then_some(()));
    hands.touch(NOTICE);
    hands.wait_for_screen(Screen::Document);
    hands.wait("the document", |app| {
        (ui::Documents::get(app).get_current().body == NOTICE_TEXT).then_some(())
    });
    hands.touch("Back");
    hands.wait_for_screen(Screen::Home);
}

/// A notice stands before the documents and is unread until it was opened.
fn reads_a_notice(hands: &Hands, world: &World) {
    let text = "Marker-4713: the counter has moved to the second floor.";
    let file = world.file("notice.txt", text.as_bytes()).expect("a file");
    let file = file.to_str().expect("a path in UTF-8");
    let more = ["--notice", "--level", "1", "--title", "The counter has moved", "--organisation"];
    world.mdmctl(&[&["documents", "publish", file], &more[..]].concat()).expect("a notice");
    hands.touch("Lock");
    unlock(hands);
    hands.wait_for_screen(Screen::Home);
    let first = |app: &ui::App| ui::Documents::get(app).get_rows().row_data(0);
    hands.wait("the notice", move |app| {
        let is_there = |row: &ui::DocumentRow| row.state == ui::DocumentState::There;
        first(app).filter(|row| row.notice == ui::NoticeState::Unread && is_there(row)).map(drop)
    });
    hands.wait_for("Notices");
    hands.wait_for("1 notice is unread.");
    hands.touch("The counter has moved");
    hands.wait_for_screen(Screen::Document);
    hands.wait("the notice's text", move |app| {
        (ui::Documents::get(app).get_current().body == text).then_some(())
    });
    hands.touch("Back");
    hands.wait("no unread notice", |app| (ui::Documents::get(app).get_unread() == 0).then_some(()));
}

fn publish(world: &World, name: &str, bytes: &[u8], title: &str) {
    let file = world.file(name, bytes).expect("a file");
    let file = file.to_str().expect("a path in UTF-8");
    let more = ["--level", "2", "--title", title, "--folder", "Schools/Notices", "--organisation"];
    world.mdmctl(&[&["documents", "publish", file], &more[..]].concat()).expect("a document");
    std::fs::remove_file(file).expect("a file");
}

fn writes_a_note_and_finds_it(hands: &Hands) {
    write_note(hands, TITLE, BODY);
    assert_eq!(hands.value("Text of the note"), BODY);
    hands.touch("Back");
    hands.wait_for(TITLE);
    hands.write_into("Search documents and notes", "nowhere");
    hands.wait_for_text("No note matches");
    hands.touch("Clear the search");
    hands.write("LIMPING");
    hands.wait_for(TITLE);
    hands.touch("Clear the search");
}

/// Closed: nothing on the screens, nothing readable on the disk, here or at the server.
fn locks(hands: &Hands, world: &World) {
    hands.touch("Lock");
    hands.wait_for_screen(Screen::Unlock);
    hands.with(|app| {
        let (notes, documents) = (ui::Notes::get(app), ui::Documents::get(app));
        assert_eq!((notes.get_rows().row_count(), documents.get_rows().row_count()), (0, 0));
        assert_eq!(notes.get_current(), ui::NoteText::default());
        assert_eq!(documents.get_current(), ui::DocumentText::default());
        assert_eq!(notes.get_search(), "");
    });
    nothing_is_readable(world);
}

fn nothing_is_readable(world: &World) {
    for text in ["Marker-4711", "Marker-4712", TITLE, PIN] {
        let found = files::containing(world.folder(), text.as_bytes()).expect("a folder");
        assert_eq!(found, Vec::<PathBuf>::new(), "{text}");
        assert!(!world.log().contains(text), "{text} in the server's log");
    }
}

fn is_told_of_a_wrong_pin(hands: &Hands) {
    hands.type_pin("314159", "Open");
    let words = hands.wait_for_text("The PIN is wrong");
    let left = hands.session(|session| session.get_attempts_left());
    assert!((1..10).contains(&left), "{words}: {left}");
    hands.wait_for_text(&format!("{left} attempts are left"));
    hands.type_pin("314159", "Open");
    hands.wait_for_text(&format!("{} attempts are left", left - 1));
    unlock(hands);
    hands.wait_for_screen(Screen::Home);
    hands.touch("Notes");
    hands.touch(TITLE);
    assert_eq!(hands.value("Text of the note"), BODY);
    hands.touch("Back");
}

fn works_on_without_the_server(hands: &Hands, world: &mut World) {
    world.stop().expect("the server stops");
    hands.wait_for_text("Offline. Can be opened without a connection until ");
    hands.touch("Lock");
    unlock(hands);
    hands.wait_for_screen(Screen::Home);
    hands.wait_for(TITLE);
    world.start().expect("the server starts");
    hands.wait_for("Online");
}

fn is_blocked_and_unblocked(hands: &Hands, world: &World) {
    hands.touch(TITLE);
    hands.wait_for_screen(Screen::Note);
    order(world, "block");
    hands.wait_for_screen(Screen::Blocked);
    hands.wait_for("Use is stopped");
    hands.with(|app| assert_eq!(ui::Notes::get(app).get_current(), ui::NoteText::default()));
    order(world, "unblock");
    unlock(hands);
    hands.wait_for_screen(Screen::Home);
    hands.wait_for(TITLE);
}

fn is_wiped_while_open(hands: &Hands, world: &World) {
    hands.touch(TITLE);
    hands.wait_for_screen(Screen::Note);
    hands.screens();
    order(world, "wipe");
    hands.wait_for("Proof of erasure sent");
    let shown = hands.screens();
    assert_eq!(shown, [Screen::Erasing, Screen::Erased]);
    assert!(hands.session(|session| session.get_erase_steps().iter().all(|step| step.done)));
    let wipe = wait::until("the receipt at the server", || {
        let wipe = device(world)["wipe"].clone();
        wipe["receipt_sha256"].is_string().then_some(wipe)
    });
    assert!(wipe.expect("a receipt")["sealed_at"].is_string());
    nothing_is_readable(world);
    let left = files::files(&home(world)).expect("a folder");
    assert_eq!(left, [home(world).join("gone")]);
}
