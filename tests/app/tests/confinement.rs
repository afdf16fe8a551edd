//! The app takes its own access to files away before it opens anything, and says so.
//!
//! That the program as it is installed does all it has to while it is confined is shown on a display, in `clipboard::program`.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::process::Command;

use client::{Options, confinement};
use client_agent::Confinement;
use client_ui::Screen;
use e2e::world::kernel;
use e2e_app::play;

pub(crate) fn tests() -> Vec<e2e_app::Test> {
    vec![(
        "confinement::the_app_reaches_its_home_and_the_list_and_nothing_else_or_says_that_it_can",
        reaches_its_home,
    )]
}

/// Something that is tried, and its name.
type Act = (&'static str, fn(&Path) -> io::Result<()>);

/// What a fault in a library might be made to do.
const ACTS: [Act; 6] = [
    ("reading another program's file", |outside| fs::read(outside.join("neighbour/secret")).map(drop)),
    ("listing another folder", |outside| fs::read_dir(outside).map(drop)),
    ("writing there", |outside| fs::write(outside.join("left"), "smoke")),
    ("reading who has accounts here", |_| fs::read("/etc/passwd").map(drop)),
    ("listing everything", |_| fs::read_dir("/").map(drop)),
    ("running a program", |_| Command::new("/bin/true").status().map(drop)),
];

/// Says in the environment that this process is the confined one, and where it tries.
const FOLDER: &str = "E2E_APP_CONFINED_IN";

/// Each act is tried here, and by a process that has confined itself before it has a second thread.
fn reaches_its_home() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return confined(Path::new(&folder));
    }
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("neighbour")).expect("a folder");
    fs::write(folder.path().join("neighbour/secret"), "not ours").expect("a file");
    for (what, act) in ACTS {
        act(folder.path()).unwrap_or_else(|error| panic!("{what}, the control: {error}"));
    }
    let mut again = Command::new(std::env::current_exe().expect("this program"));
    let ended = again.env(FOLDER, folder.path()).status().expect("a process");
    assert!(ended.success(), "{ended}");
}

fn confined(folder: &Path) {
    let home = folder.join("app");
    let said = confinement::confine(&home);
    println!("the app says {said:?}");
    let can = kernel::confinement(true);
    assert!(kernel::is_all_that_can_be(&said, true), "{said:?}, and the kernel can {can:?}");
    let confined = !matches!(said, Confinement::None(_));
    for (what, act) in ACTS {
        let refused = act(folder).is_err_and(|error| error.kind() == ErrorKind::PermissionDenied);
        assert_eq!(refused, confined, "{what}");
    }
    fs::write(home.join("device"), "")
        .and_then(|()| fs::remove_file(home.join("device")))
        .expect("its own home");
    for listed in ["/etc/hosts", "/etc/resolv.conf", "/etc/fonts/fonts.conf"] {
        fs::read(listed).unwrap_or_else(|error| panic!("{listed}: {error}"));
    }

    let options = Options { confinement: said, ..Options::new(home) };
    play(options, "", move |hands| {
        hands.wait_for_screen(Screen::Welcome);
        hands.touch("Settings");
        hands.touch("About this app");
        hands.wait_for_screen(Screen::About);
        hands.wait_for(if confined {
            "Access to files is restricted"
        } else {
            "Access to files is not restricted"
        });
        let status = hands.agent().status();
        assert_eq!(!matches!(status.confinement, Confinement::None(_)), confined, "the agent says the same");
    });
}
