//! What the app keeps of its access to files when it confines itself: the agent's list, and what the toolkit reads. How the
//! kernel is asked is `client-agent`'s part.

use std::path::{Path, PathBuf};

use client_agent::Confinement;
use client_agent::confine::{self, Access, Allowed, Plan};
use vault::Home;

/// Tells the process that takes over how it is confined.
const VARIABLE: &str = "TAMATEBAKO_CONFINEMENT";

/// What the toolkit reads, and why. Sockets of the display and of D-Bus need no entry: connecting is not restricted.
const TOOLKIT: [(&str, &str); 11] = [
    ("/usr/share/fonts", "fonts"),
    ("/usr/local/share/fonts", "fonts"),
    ("/etc/fonts", "which font stands in for which"),
    ("/usr/share/fontconfig", "the same"),
    ("/var/cache/fontconfig", "what is known of the fonts: without it each start reads all of them"),
    ("/usr/share/X11", "keyboard layouts, composed characters"),
    ("/usr/share/xkeyboard-config-2", "keyboard layouts"),
    ("/usr/share/locale", "names of the languages that composed characters go by"),
    ("/usr/share/icons", "shapes of the pointer"),
    ("/etc/machine-id", "D-Bus finds its session by it"),
    ("/var/lib/dbus/machine-id", "the same"),
];

/// The same under the person's home folder.
const PERSONAL: [(&str, &str); 8] = [
    (".fonts", "fonts"),
    (".local/share/fonts", "fonts"),
    (".config/fontconfig", "which font stands in for which"),
    (".cache/fontconfig", "what is known of the fonts"),
    (".XCompose", "composed characters"),
    (".Xauthority", "proves to the display that this is the same person"),
    (".icons", "shapes of the pointer"),
    (".local/share/icons", "shapes of the pointer"),
];

/// Confines this process to `home` and the list, or finds that it was confined by the one that it took over from.
pub fn confine(home: &Path) -> Confinement {
    let told = std::env::var(VARIABLE).ok();
    if let Some(confinement) = told.and_then(|told| confine::inherited(&told)) {
        tracing::info!(?confinement, "confined by the process before");
        return confinement;
    }
    let home = Home::new(home);
    if let Err(error) = home.create() {
        // The window will say it.
        tracing::warn!(%error, "the home cannot be made");
    }
    let toolkit = TOOLKIT.iter().map(|(path, _why)| PathBuf::from(path));
    let person = std::env::var_os("HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let personal = person.iter().flat_map(|person| PERSONAL.map(|(path, _why)| person.join(path)));
    let authority = std::env::var_os("XAUTHORITY").map(PathBuf::from);
    let read = toolkit.chain(personal).chain(authority).map(|path| Allowed::new(path, Access::Read));
    // The window's pixels are handed to an X server in memory that begins as a file there.
    let pixels = Allowed::new("/dev/shm", Access::ReadWrite);
    // X servers are tried by a socket without a file first, and libraries give up when that is denied.
    let plan = Plan::new(&home).with(read).with([pixels]).with_restart().with_abstract_sockets();
    let confinement = confine::confine(&plan);
    tracing::info!(?confinement, "confined");
    confinement
}

/// The variable for the process that takes over.
pub fn tell(confinement: &Confinement) -> Option<(&'static str, String)> {
    serde_json::to_string(confinement).ok().map(|told| (VARIABLE, told))
}
