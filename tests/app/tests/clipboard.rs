//! The edge of the app, on a display with a second client that watches: nothing goes out by any clipboard, and nothing
//! comes in unless the mode says so. The same tries on an unguarded window succeed, which shows that they are real and that
//! the watcher sees.

mod display;
mod program;
mod tries;
mod window;

use std::collections::{BTreeMap, BTreeSet};

use i_slint_backend_testing::{AccessibleRole, ElementQuery};
use shared::policy::ClipboardMode;

use crate::gallery::content::SCENES;
use crate::gallery::stage::{self, View};

use display::Selection;
use tries::{Desk, WayIn, WayOut};
use window::{Guard, Surface};

pub(crate) use window::{is_window, window};

/// What other apps offer.
const OUTSIDE: &str = "314159";

/// Every field of the app that shows its text; `fields` compares them with the fields of the screens.
const TEXTS: [Surface; 6] =
    [Surface::Note, Surface::NoteTitle, Surface::Document, Surface::Search, Surface::Code, Surface::Server];
/// What the pads for digits are called. They are one widget, which `Surface::Pin` stands for.
const PADS: [&str; 4] = ["PIN", "New PIN", "The same PIN again", "PIN used now"];

/// The tests. Each wants a process of its own.
pub(crate) fn tests() -> Vec<e2e_app::Test> {
    vec![
        ("clipboard::the_tries_leak_from_an_unguarded_window", unguarded_leaks),
        ("clipboard::nothing_leaves_while_text_stays_inside", || nothing_leaves(ClipboardMode::Inside)),
        ("clipboard::nothing_leaves_while_text_may_come_in", || nothing_leaves(ClipboardMode::InsideIn)),
        ("clipboard::nothing_leaves_while_copying_is_blocked", || nothing_leaves(ClipboardMode::Blocked)),
        ("clipboard::the_tries_come_into_an_unguarded_window", || comes_in(Guard::Unguarded)),
        ("clipboard::text_comes_in_where_it_may", || comes_in(Guard::Guarded(ClipboardMode::InsideIn))),
        ("clipboard::nothing_comes_in_while_text_stays_inside", || stays_out(ClipboardMode::Inside)),
        ("clipboard::nothing_comes_in_while_copying_is_blocked", || stays_out(ClipboardMode::Blocked)),
        ("clipboard::what_is_copied_inside_is_pasted_inside_unless_that_is_blocked", inside),
        ("clipboard::every_field_of_the_screens_is_among_those_that_are_tried", fields),
        ("clipboard::the_program_itself_is_guarded", program::is_guarded),
        ("clipboard::the_program_begins_afresh_once_the_vault_was_closed", program::begins_afresh),
        ("clipboard::a_pin_is_neither_taken_nor_pasted_whatever_the_window", pin),
    ]
}

/// By which selections the toolkit itself gives text away. It knows neither Control+Insert nor Shift+Delete, which are tried all
/// the same: ten ways give something away.
fn leaks_by(surface: Surface, way: WayOut) -> &'static [Selection] {
    use Selection::{Clipboard, Primary};
    match way {
        // A text that cannot be edited is not cut.
        WayOut::SelectAllAndCut if surface == Surface::Document => &[],
        WayOut::SelectAllAndCopy
        | WayOut::SelectAllAndCut
        | WayOut::SelectAllAndCopyByTheMenu
        | WayOut::SelectAllAndFirstOfTheMenu => &[Clipboard],
        // Who lets go of a button has selected by the mouse.
        WayOut::SelectAllAndCopyByTheRightButton => &[Clipboard],
        WayOut::SelectAllAndControlInsert | WayOut::SelectAllAndShiftDelete => &[],
        // Whatever the mouse selects is in PRIMARY at once.
        WayOut::DoubleClick | WayOut::TripleClick | WayOut::ShiftClick | WayOut::Drag | WayOut::DragOut => {
            &[Primary]
        }
    }
}

fn unguarded_leaks() {
    let mut desk = Desk::open(Guard::Unguarded);
    for surface in TEXTS {
        for way in WayOut::ALL {
            leaks_as_known(&mut desk, surface, way);
        }
    }
}

/// A double click that a busy machine has torn apart is none, and is tried again.
fn leaks_as_known(desk: &mut Desk, surface: Surface, way: WayOut) {
    const TRIES: usize = 5;
    let is_surfaces = |text: &String| !text.trim().is_empty() && surface.text().contains(text.trim());
    let mut leaks = BTreeMap::new();
    for _ in 0..TRIES {
        desk.watcher.offer(OUTSIDE);
        desk.try_out(surface, way);
        leaks = desk.watcher.leaks();
        if leaks.keys().eq(leaks_by(surface, way)) && leaks.values().all(is_surfaces) {
            return;
        }
    }
    panic!("{surface:?} {way:?}: the toolkit does something else than is known here: {leaks:#?}");
}

fn nothing_leaves(mode: ClipboardMode) {
    let mut desk = Desk::open(Guard::Guarded(mode));
    desk.watcher.offer(OUTSIDE);
    for surface in TEXTS {
        for way in WayOut::ALL {
            desk.try_out(surface, way);
            assert!(desk.watcher.leaks().is_empty(), "{surface:?} {way:?}");
        }
    }
}

fn comes_in(guard: Guard) {
    let mut desk = Desk::open(guard);
    for surface in TEXTS.into_iter().filter(|surface| *surface != Surface::Document) {
        for way in WayIn::ALL {
            desk.watcher.offer(OUTSIDE);
            let text = desk.try_in(surface, way);
            // The toolkit knows no Shift+Insert, which is tried all the same.
            let expected = way != WayIn::ShiftInsert;
            assert_eq!(text.contains(OUTSIDE), expected, "{surface:?} {way:?}: {text:?}");
        }
    }
}

fn stays_out(mode: ClipboardMode) {
    let mut desk = Desk::open(Guard::Guarded(mode));
    desk.watcher.offer(OUTSIDE);
    for surface in TEXTS {
        for way in WayIn::ALL {
            assert_eq!(desk.try_in(surface, way), surface.text(), "{surface:?} {way:?}");
        }
    }
}

/// From the running screens, in each state that the gallery knows.
fn fields() {
    let app = stage::open();
    let mut found = BTreeSet::new();
    for scene in SCENES {
        stage::show(&app, scene, View { language: "en", ..View::PHONE });
        let inputs =
            ElementQuery::from_root(&app).match_accessible_role(AccessibleRole::TextInput).find_all();
        found.extend(inputs.into_iter().filter_map(|field| Some(field.accessible_label()?.to_string())));
    }
    let tried = TEXTS.iter().map(|surface| surface.label()).chain(PADS);
    assert_eq!(found, tried.map(str::to_owned).collect());
}

fn inside() {
    for (mode, is_pasted) in
        [(ClipboardMode::Inside, true), (ClipboardMode::InsideIn, true), (ClipboardMode::Blocked, false)]
    {
        let mut desk = Desk::open(Guard::Guarded(mode));
        desk.watcher.offer(OUTSIDE);
        let text = desk.copy_and_paste_inside(Surface::NoteTitle);
        let expected =
            if is_pasted { Surface::NoteTitle.text().repeat(2) } else { Surface::NoteTitle.text().into() };
        assert_eq!(text, expected, "{mode:?}");
        assert!(desk.watcher.leaks().is_empty());
    }
}

/// The PIN's digits are in no text field: also the toolkit's own platform gets nothing of them.
fn pin() {
    for guard in
        [Guard::Unguarded, Guard::Guarded(ClipboardMode::Inside), Guard::Guarded(ClipboardMode::InsideIn)]
    {
        let mut desk = Desk::open(guard);
        desk.watcher.offer(OUTSIDE);
        let typed = format!("{} digits typed", Surface::Pin.text().len());
        for way in WayOut::ALL {
            desk.try_out(Surface::Pin, way);
            assert!(desk.watcher.leaks().is_empty(), "{guard:?} {way:?}");
        }
        // There is no menu: its keys would confirm the PIN.
        for way in WayIn::ALL.into_iter().filter(|way| *way != WayIn::PasteByTheMenu) {
            assert_eq!(desk.try_in(Surface::Pin, way), typed, "{guard:?} {way:?}");
        }
    }
}
