//! The PIN pad: what it tells and what it keeps to itself.

use std::cell::RefCell;
use std::rc::Rc;

use client_ui::{App, Session};
use i_slint_backend_testing::{AccessibleRole, ElementHandle, ElementQuery};
use slint::ComponentHandle;
use slint::platform::{Clipboard, Key};

use super::content::{SCENES, Scene};
use super::stage::{self, View};

/// No property that an assistive program can read holds the digits, and the last one can be taken off.
pub(super) fn hides_digits() {
    let app = stage::open();
    let unlocked = listen(&app);
    stage::show(&app, blank("unlock-wrong"), View::PHONE);

    stage::keys(&app, "80");
    stage::press(&app, "3");
    stage::press(&app, "1文字消す");
    stage::keys(&app, "29x4");
    stage::key(&app, Key::Backspace.into());
    stage::keys(&app, "6");
    assert_eq!(said(&app), ["5桁入力済み"]);
    let tree: Vec<_> = ElementQuery::from_root(&app).find_all();
    for element in &tree {
        for text in [element.accessible_value(), element.accessible_label(), element.accessible_description()]
        {
            assert!(!text.is_some_and(|text| text.contains("80")), "{:?} tells digits", element.id());
        }
    }

    stage::press(&app, "開く");
    assert_eq!(*unlocked.borrow(), ["80296"]);
    assert_eq!(said(&app), ["0桁入力済み"], "what was handed over is forgotten");
}

/// Copying takes nothing out, pasting brings nothing in, and neither loses what was typed.
pub(super) fn ignores_the_clipboard() {
    let app = stage::open();
    let unlocked = listen(&app);
    stage::show(&app, blank("unlock-wrong"), View::PHONE);
    stage::keys(&app, "8029");
    for shortcut in ["a", "c", "x", "v"] {
        stage::with_control(&app, shortcut);
    }
    assert_eq!(said(&app), ["4桁入力済み"]);
    stage::key(&app, Key::Return.into());
    assert_eq!(*unlocked.borrow(), ["8029"]);
    for clipboard in [Clipboard::DefaultClipboard, Clipboard::SelectionClipboard] {
        let held = i_slint_core::with_global_context(
            || panic!("the window has made the context"),
            |context| context.platform().clipboard_text(clipboard),
        );
        assert_eq!(held.expect("a context"), None);
    }
}

/// While an act is under way nothing is typed; afterwards the keyboard is back without a touch.
pub(super) fn types_on() {
    let app = stage::open();
    let unlocked = listen(&app);
    stage::show(&app, blank("unlock-wrong"), View::PHONE);
    stage::keys(&app, "802956\n");
    app.global::<Session<'_>>().set_busy(true);
    stage::settle();
    stage::keys(&app, "11");
    assert_eq!(said(&app), ["0桁入力済み"]);
    app.global::<Session<'_>>().set_busy(false);
    stage::settle();
    stage::keys(&app, "802957\n");
    assert_eq!(*unlocked.borrow(), ["802956", "802957"]);
}

/// The second PIN must be the first; nothing is set otherwise, and both are asked for again.
pub(super) fn different_pins() {
    let app = stage::open();
    let set = Rc::new(RefCell::new(Vec::new()));
    let heard = Rc::clone(&set);
    app.global::<Session<'_>>().on_set_pin(move |first, second| heard.borrow_mut().push((first, second)));
    stage::show(&app, blank("set-pin"), View::PHONE);

    stage::keys(&app, "80295\n");
    assert_eq!(said(&app), ["5桁入力済み"], "too short to go on with");
    stage::keys(&app, "6\n802957\n");
    assert!(set.borrow().is_empty());
    assert!(ElementHandle::find_by_accessible_label(&app, "2回のPINが一致しません").next().is_some());

    stage::keys(&app, "802956\n802956\n");
    assert_eq!(*set.borrow(), [("802956".into(), "802956".into())]);
}

fn listen(app: &App) -> Rc<RefCell<Vec<slint::SharedString>>> {
    let unlocked = Rc::new(RefCell::new(Vec::new()));
    let heard = Rc::clone(&unlocked);
    app.global::<Session<'_>>().on_unlock(move |pin| heard.borrow_mut().push(pin));
    unlocked
}

/// A scene without what it types.
fn blank(name: &str) -> &'static Scene {
    let scene = SCENES.iter().find(|scene| scene.name == name).expect("a scene of the gallery");
    Box::leak(Box::new(Scene { typed: "", pressed: None, ..*scene }))
}

/// What the PIN field tells an assistive program.
fn said(app: &App) -> Vec<String> {
    let fields = ElementQuery::from_root(app).match_accessible_role(AccessibleRole::TextInput).find_all();
    let mut values: Vec<_> =
        fields.iter().filter_map(ElementHandle::accessible_value).map(String::from).collect();
    // The elements that were compiled into one item tell the same.
    values.dedup();
    values
}
