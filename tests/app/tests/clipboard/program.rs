//! The program as it is installed, on a display: the guard is in place before its first window, and what was open is not
//! in the memory of the process that comes after.

use std::path::Path;
use std::process::Command;

use e2e::world::{Process, World, binary, kernel, wait};
use shared::policy::LeaseMode;

use super::OUTSIDE;
use super::display::{Display, Watcher};
use super::tries::key;

/// Copies and cuts what was typed into the field for the code, which is on the second screen.
pub(super) fn is_guarded() {
    let folder = tempfile::tempdir().expect("a folder");
    let display = Display::start();
    let watcher = Watcher::start(&display);
    let program = start(&display, &folder.path().join("home"), "localhost:4433");
    let (window, (width, height)) = watcher.find_window();
    watcher.offer(OUTSIDE);
    watcher.settle(window);

    consent(&watcher, window, (width, height));
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

/// From a pasted code to an open vault and back: the same process id, another program run, another window.
pub(super) fn begins_afresh() {
    let mut world = World::prepared().expect("a server");
    world.edit_config(|config| config.devices.lease_mode = LeaseMode::None).expect("a configuration");
    world.start().expect("the server starts");
    let person = world.hire("知事部局", 1).expect("a person").remove(0);
    let display = Display::start();
    let watcher = Watcher::start(&display);
    let home = world.folder().join("phones").join("program");
    let program = start(&display, &home, &world.quic().to_string());
    let (window, (width, height)) = watcher.find_window();
    is_confined(&program, "the program", "confined");

    watcher.offer(&person.code);
    consent(&watcher, window, (width, height));
    watcher.press(&[key::CONTROL, key::V]);
    // From the code to the server, which is filled in, and on.
    for _ in 0..2 {
        watcher.press(&[key::RETURN]);
        come_to_rest(&watcher, window);
    }
    for _ in 0..2 {
        "271828".chars().for_each(|digit| watcher.press(&[u32::from(digit)]));
        watcher.press(&[key::RETURN]);
        come_to_rest(&watcher, window);
    }
    // The lock is the last button of the bar; before there is one, nothing is there.
    let came_up = wait::until("another window", || {
        watcher.click_if_there(window, (width - 32.0, 28.0));
        assert!(!program.has_ended(), "{}{}", program.printed(), program.log());
        watcher.has_come_up().then_some(())
    });
    came_up.unwrap_or_else(|error| panic!("{error}; the program said:\n{}", program.log()));
    watcher.settle(watcher.find_window().0);
    is_confined(&program, "the process that took over", "confined by the process before");
    assert_eq!(world.devices().expect("devices").len(), 1);
    assert!(home.join("vault/slots/online").is_file(), "enrolled");
}

fn start(display: &Display, home: &Path, server: &str) -> Process {
    let mut command = Command::new(binary("tamatebako").expect("the program"));
    command.arg("--home").arg(home).args(["--server", server]).env("DISPLAY", display.name());
    command.env("WINIT_X11_SCALE_FACTOR", "1").env_remove("WAYLAND_DISPLAY").env_remove("XMODIFIERS");
    command.env("RUST_LOG", "client::confinement=info").env("NO_COLOR", "1");
    Process::spawn("tamatebako", &mut command).expect("the program starts")
}

/// As far as this kernel can; what it found out is in the log.
fn is_confined(program: &Process, who: &str, words: &str) {
    let line = match kernel::confinement(true) {
        Some(found) => format!("{words} confinement={found:?}"),
        // Each process asks again.
        None => "confined confinement=None(".to_owned(),
    };
    assert!(program.log().contains(&line), "{who} does not say {line:?}:\n{}", program.log());
}

/// Touches the one button at the foot of the first screen. The field for the code has the keyboard then.
fn consent(watcher: &Watcher, window: u32, (width, height): (f32, f32)) {
    come_to_rest(watcher, window);
    watcher.point(window, (width / 2.0, height - 48.0));
    watcher.button_down(1);
    watcher.button_up(1);
    come_to_rest(watcher, window);
}

/// A screen that comes takes the keyboard when it is drawn, which is after what came before was dealt with. Who has answered
/// several times, one after the other, has drawn in between.
fn come_to_rest(watcher: &Watcher, window: u32) {
    (0..5).for_each(|_| watcher.settle(window));
}
