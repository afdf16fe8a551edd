//! The keyboard alone: it reaches every control, shows where it is, and counts as a sign of life.

use std::cell::Cell;
use std::rc::Rc;

use client_ui::{App, Session};
use slint::platform::{Key, WindowEvent};
use slint::{ComponentHandle, LogicalPosition};

use super::content::SCENES;
use super::geometry::{Seen, everything};
use super::stage::{self, View};

/// The inner line of the focus ring. Nothing else on a light screen has this colour.
const RING: (u8, u8, u8) = (0xff, 0xd4, 0x3d);
/// One scene of each screen that has controls.
const WALKED: [&str; 13] = [
    "welcome",
    "enrol",
    "set-pin",
    "unlock",
    "change-pin",
    "repair",
    "repair-start-over",
    "home",
    "note-delete",
    "settings",
    "blocked",
    "erased",
    "damaged",
];

/// Walks once around each screen with the tabulator.
pub(super) fn reaches_everything() {
    let app = stage::open();
    for scene in SCENES.iter().filter(|scene| WALKED.contains(&scene.name)) {
        stage::show(&app, scene, View { size: (390.0, 1000.0), ..View::PHONE });
        let controls: Vec<_> = everything(&app).into_iter().filter(Seen::is_enabled_control).collect();
        assert!(!controls.is_empty(), "{} has controls", scene.name);
        let mut left = controls.clone();
        for _ in 0..2 * controls.len() {
            if let Some((x, y)) = ring(&app) {
                // The innermost: the button that clears a search stands inside its field.
                let hit = controls
                    .iter()
                    .filter(|control| control.holds(x, y))
                    .min_by(|a, b| a.area().total_cmp(&b.area()));
                let hit = hit.unwrap_or_else(|| panic!("{}: a ring around nothing at {x}, {y}", scene.name));
                left.retain(|control| control != hit);
            }
            stage::key(&app, Key::Tab.into());
        }
        assert!(left.is_empty(), "{}: the keyboard does not reach, or does not show: {left:#?}", scene.name);
    }
}

/// A key and a move of the pointer are told to the idle lock, wherever they go.
pub(super) fn tells_activity() {
    let app = stage::open();
    let told = Rc::new(Cell::new(0));
    let counter = Rc::clone(&told);
    app.global::<Session<'_>>().on_activity(move || counter.set(counter.get() + 1));
    let home = SCENES.iter().find(|scene| scene.name == "home").expect("a scene of the gallery");
    stage::show(&app, home, View::PHONE);

    let since = |act: &dyn Fn()| {
        told.set(0);
        act();
        stage::settle();
        told.get()
    };
    assert_eq!(since(&|| {}), 0, "time alone is no activity");
    // Keys go where the focus is.
    stage::key(&app, Key::Tab.into());
    assert!(since(&|| stage::key(&app, Key::F5.into())) > 0, "a key that nothing takes");
    let position = LogicalPosition::new(200.0, 700.0);
    assert!(since(&|| app.window().dispatch_event(WindowEvent::PointerMoved { position })) > 0);
    assert!(since(&|| stage::press(&app, "ノート")) > 0);
}

/// The middle of the focus ring that is seen.
fn ring(app: &App) -> Option<(f32, f32)> {
    let picture = stage::snapshot(app);
    let width = picture.width() as usize;
    let inside = |pixel: &slint::Rgba8Pixel| (pixel.r, pixel.g, pixel.b) == RING;
    let found = picture.as_slice().iter().enumerate().filter(|(_, pixel)| inside(pixel));
    let corners = found.map(|(at, _)| (at % width, at / width)).fold(None, |corners, (x, y)| {
        let (left, top, right, bottom) = corners.unwrap_or((x, y, x, y));
        Some((left.min(x), top.min(y), right.max(x), bottom.max(y)))
    });
    corners.map(|(left, top, right, bottom)| ((left + right) as f32 / 2.0, (top + bottom) as f32 / 2.0))
}
