//! The program as it is installed: the guard is in place before its first window.

use std::process::Command;

use e2e::world::{Process, binary, wait};

use super::OUTSIDE;
use super::display::{Display, Watcher};
use super::tries::key;

/// Copies and cuts what was typed into the field for the code, which is on the second screen.
pub(super) fn is_guarded() {
    let folder = tempfile::tempdir().expect("a folder");
    let display = Display::start();
    let watcher = Watcher::start(&display);
    let mut command = Command::new(binary("tamatebako").expect("the program"));
    command.arg("--home").arg(folder.path().join("home")).env("DISPLAY", display.name());
    command.env("WINIT_X11_SCALE_FACTOR", "1").env_remove("WAYLAND_DISPLAY").env_remove("XMODIFIERS");
    let program = Process::spawn("tamatebako", &mut command).expect("the program starts");
    let (window, (width, height)) = watcher.find_window();
    watcher.offer(OUTSIDE);
    watcher.settle(window);

    // The one button at the foot: consent. The field for the code has the keyboard then.
    watcher.point(window, (width / 2.0, height - 48.0));
    watcher.button_down(1);
    watcher.button_up(1);
    watcher.settle(window);
    "marked".chars().for_each(|letter| watcher.press(&[u32::from(letter)]));
    watcher.press(&[key::CONTROL, key::A]);
    watcher.press(&[key::CONTROL, key::C]);
    // Where text may come in, a copy looks at what the other apps have: so it was a copy, and the guard had it.
    wait::until("a copy", || (watcher.asked() > 0).then_some(())).unwrap_or_else(|error| {
        panic!("{error}; the program said:\n{}", program.log());
    });
    watcher.press(&[key::CONTROL, key::X]);
    watcher.settle(window);
    assert!(watcher.leaks().is_empty());
    assert!(!program.has_ended(), "{}", program.log());
}
