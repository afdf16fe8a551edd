//! A display of its own, and a second client on it that watches, owns and asks for selections, and has hands and a keyboard.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::{Arc, Mutex};

use e2e::world::{Process, wait};
use x11rb::CURRENT_TIME;
use x11rb::connection::Connection as _;
use x11rb::protocol::xfixes::{ConnectionExt as _, SelectionEventMask};
use x11rb::protocol::xproto::{
    Atom, AtomEnum, ClientMessageEvent, ConnectionExt as _, CreateWindowAux, EventMask, InputFocus, MapState,
    PropMode, SELECTION_NOTIFY_EVENT, SelectionNotifyEvent, SelectionRequestEvent, Window, WindowClass,
};
use x11rb::protocol::{Event, xtest};
use x11rb::rust_connection::RustConnection;
use x11rb::wrapper::ConnectionExt as _;

x11rb::atom_manager! {
    /// The names that selections go by.
    pub(super) Names: NamesCookie {
        CLIPBOARD, UTF8_STRING, XdndSelection, TARGETS, FETCHED, WM_PROTOCOLS, _NET_WM_PING,
    }
}

/// The selections that text can leave by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Selection {
    Clipboard,
    Primary,
}

/// A display that nobody else uses.
pub(super) struct Display {
    _server: Process,
    name: String,
}

impl Display {
    /// Starts one.
    pub(super) fn start() -> Self {
        let mut command = Command::new("Xvfb");
        command.args(["-displayfd", "1", "-screen", "0", "1280x1024x24", "-nolisten", "tcp", "-noreset"]);
        let server = Process::spawn("Xvfb", &mut command);
        let server = server.expect("Xvfb is needed: apt-get install xvfb");
        let number = server.wait_for_line("its number", |line| line.parse::<u32>().ok()).expect("a display");
        Self { _server: server, name: format!(":{number}") }
    }

    /// As in `DISPLAY`.
    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

/// What an owner thread shares with the test.
#[derive(Default)]
struct Shared {
    /// What this client offers.
    offered: BTreeMap<Atom, String>,
    /// Selections that another client took.
    taken: Vec<Atom>,
    /// How often somebody asked for what is offered.
    asked: usize,
}

/// The second client.
pub(super) struct Watcher {
    hands: RustConnection,
    owner: Arc<RustConnection>,
    window: Window,
    root: Window,
    names: Names,
    keys: BTreeMap<u32, u8>,
    shared: Arc<Mutex<Shared>>,
}

impl Watcher {
    /// Connects and begins to watch.
    pub(super) fn start(display: &Display) -> Self {
        let (hands, screen) = x11rb::connect(Some(display.name())).expect("the display");
        let (owner, _) = x11rb::connect(Some(display.name())).expect("the display");
        let names = Names::new(&hands).expect("names").reply().expect("names");
        let root = hands.setup().roots[screen].root;
        let window = owner.generate_id().expect("an id");
        owner
            .create_window(
                0,
                window,
                root,
                0,
                0,
                1,
                1,
                0,
                WindowClass::INPUT_OUTPUT,
                0,
                &CreateWindowAux::new(),
            )
            .expect("a window");
        owner.xfixes_query_version(5, 0).expect("XFixes").reply().expect("XFixes");
        let mask = SelectionEventMask::SET_SELECTION_OWNER;
        let watched =
            [names.CLIPBOARD, names.XdndSelection, AtomEnum::PRIMARY.into(), AtomEnum::SECONDARY.into()];
        for selection in watched {
            owner
                .xfixes_select_selection_input(window, selection, mask)
                .expect("XFixes")
                .check()
                .expect("XFixes");
        }
        xtest::ConnectionExt::xtest_get_version(&hands, 2, 2).expect("XTEST").reply().expect("XTEST");
        let aux = x11rb::protocol::xproto::ChangeWindowAttributesAux::new()
            .event_mask(EventMask::SUBSTRUCTURE_NOTIFY);
        hands.change_window_attributes(root, &aux).expect("the root").check().expect("the root");
        let (owner, shared) = (Arc::new(owner), Arc::new(Mutex::default()));
        let keys = keys(&hands);
        let watcher = Self { hands, owner, window, root, names, keys, shared };
        watcher.serve();
        watcher
    }

    /// Answers who asks for what is offered, and writes down who takes it away, until the process ends.
    fn serve(&self) {
        let (owner, shared) = (Arc::clone(&self.owner), Arc::clone(&self.shared));
        let (names, window) = (self.names, self.window);
        std::thread::spawn(move || {
            while let Ok(event) = owner.wait_for_event() {
                match event {
                    Event::SelectionRequest(request) => answer(&owner, names, &shared, &request),
                    Event::XfixesSelectionNotify(notice) if notice.owner != window => {
                        shared.lock().expect("no panic").taken.push(notice.selection);
                    }
                    _ => {}
                }
            }
        });
    }

    fn atom(&self, selection: Selection) -> Atom {
        match selection {
            Selection::Clipboard => self.names.CLIPBOARD,
            Selection::Primary => AtomEnum::PRIMARY.into(),
        }
    }

    /// Becomes the owner of both selections, with this text in each, and forgets what it saw.
    pub(super) fn offer(&self, text: &str) {
        for selection in [Selection::Clipboard, Selection::Primary] {
            let atom = self.atom(selection);
            self.shared.lock().expect("no panic").offered.insert(atom, text.to_owned());
            self.owner.set_selection_owner(self.window, atom, CURRENT_TIME).expect("a selection");
        }
        self.owner.sync().expect("the display");
        self.shared.lock().expect("no panic").taken.clear();
    }

    /// Which selections somebody else has taken, with the text that he gives away.
    pub(super) fn leaks(&self) -> BTreeMap<Selection, String> {
        self.owner.sync().expect("the display");
        let mut leaks = BTreeMap::new();
        for selection in [Selection::Clipboard, Selection::Primary] {
            let atom = self.atom(selection);
            let owner =
                self.hands.get_selection_owner(atom).expect("an owner").reply().expect("an owner").owner;
            let was_taken = self.shared.lock().expect("no panic").taken.contains(&atom);
            if owner != self.window || was_taken {
                leaks.insert(selection, self.fetch(atom));
            }
        }
        // By these the toolkit gives nothing away, guarded or not: it drags no text out of a window.
        for (name, atom) in [("SECONDARY", AtomEnum::SECONDARY.into()), ("drag", self.names.XdndSelection)] {
            assert!(!self.shared.lock().expect("no panic").taken.contains(&atom), "{name} was taken");
        }
        leaks
    }

    /// How often somebody asked for what is offered.
    pub(super) fn asked(&self) -> usize {
        self.shared.lock().expect("no panic").asked
    }

    /// Asks the owner for the text.
    fn fetch(&self, selection: Atom) -> String {
        let (names, window) = (self.names, self.hands.generate_id().expect("an id"));
        let aux = CreateWindowAux::new();
        self.hands
            .create_window(0, window, self.root, 0, 0, 1, 1, 0, WindowClass::INPUT_OUTPUT, 0, &aux)
            .expect("a window");
        self.hands
            .convert_selection(window, selection, names.UTF8_STRING, names.FETCHED, CURRENT_TIME)
            .expect("a request");
        let notice = self.wait_for("the selection's text", |event| match event {
            Event::SelectionNotify(notice) if notice.requestor == window => Some(notice),
            _ => None,
        });
        if notice.property == x11rb::NONE {
            return String::new();
        }
        let property = self.hands.get_property(true, window, names.FETCHED, names.UTF8_STRING, 0, 4096);
        String::from_utf8_lossy(&property.expect("a property").reply().expect("a property").value)
            .into_owned()
    }

    fn wait_for<T>(&self, what: &str, mut pick: impl FnMut(Event) -> Option<T>) -> T {
        self.hands.flush().expect("the display");
        let found = wait::until(what, || {
            while let Some(event) = self.hands.poll_for_event().expect("the display") {
                if let Some(found) = pick(event) {
                    return Some(found);
                }
            }
            None
        });
        found.expect("an event")
    }

    /// The app's window, with its size: the largest that can be seen. It gets the keyboard.
    pub(super) fn find_window(&self) -> (Window, (f32, f32)) {
        let (window, size) = wait::until("the app's window", || self.seen()).expect("a window");
        self.hands.set_input_focus(InputFocus::POINTER_ROOT, window, CURRENT_TIME).expect("the focus");
        self.hands.sync().expect("the display");
        (window, size)
    }

    /// Whether a window has come up since this was asked last, or since the window settled. Another program's can have the
    /// same number.
    pub(super) fn has_come_up(&self) -> bool {
        let mut events = std::iter::from_fn(|| self.hands.poll_for_event().expect("the display"));
        events.any(|event| matches!(event, Event::MapNotify(_)))
    }

    fn seen(&self) -> Option<(Window, (f32, f32))> {
        let tree = self.hands.query_tree(self.root).ok()?.reply().ok()?;
        let mut seen = tree.children.into_iter().filter_map(|window| self.size_if_seen(window));
        seen.rfind(|(_, (width, height))| *width > 300.0 && *height > 300.0)
    }

    fn size_if_seen(&self, window: Window) -> Option<(Window, (f32, f32))> {
        let attributes = self.hands.get_window_attributes(window).ok()?.reply().ok()?;
        let geometry = self.hands.get_geometry(window).ok()?.reply().ok()?;
        let size = (f32::from(geometry.width), f32::from(geometry.height));
        (attributes.map_state == MapState::VIEWABLE).then_some((window, size))
    }

    /// Waits until the window has dealt with everything that came before: it answers a ping in its turn.
    pub(super) fn settle(&self, window: Window) {
        let names = self.names;
        let data = [names._NET_WM_PING, CURRENT_TIME, window, 0, 0];
        let ping = ClientMessageEvent::new(32, window, names.WM_PROTOCOLS, data);
        self.hands.send_event(false, window, EventMask::NO_EVENT, ping).expect("a ping");
        self.wait_for("the answer to a ping", |event| match event {
            Event::ClientMessage(pong) if pong.data.as_data32()[0] == names._NET_WM_PING => Some(()),
            _ => None,
        });
    }

    fn fake(&self, kind: u8, detail: u8, at: (i16, i16)) {
        xtest::ConnectionExt::xtest_fake_input(
            &self.hands,
            kind,
            detail,
            CURRENT_TIME,
            self.root,
            at.0,
            at.1,
            0,
        )
        .expect("an input");
        self.hands.sync().expect("the display");
    }

    /// Presses keys together, in this order, and releases them.
    pub(super) fn press(&self, keysyms: &[u32]) {
        let codes: Vec<u8> = keysyms.iter().map(|keysym| self.keys[keysym]).collect();
        codes.iter().for_each(|code| self.fake(2, *code, (0, 0)));
        codes.iter().rev().for_each(|code| self.fake(3, *code, (0, 0)));
    }

    /// Presses a key and keeps it down.
    pub(super) fn key_down(&self, keysym: u32) {
        self.fake(2, self.keys[&keysym], (0, 0));
    }

    /// Releases it.
    pub(super) fn key_up(&self, keysym: u32) {
        self.fake(3, self.keys[&keysym], (0, 0));
    }

    /// Moves the pointer to a place of the window.
    pub(super) fn point(&self, window: Window, at: (f32, f32)) {
        let origin = self.hands.translate_coordinates(window, self.root, at.0 as i16, at.1 as i16);
        let origin = origin.expect("a place").reply().expect("a place");
        self.fake(6, 0, (origin.dst_x, origin.dst_y));
    }

    /// Touches a place of a window, which may be gone by now.
    pub(super) fn click_if_there(&self, window: Window, at: (f32, f32)) {
        if self.seen().is_some_and(|(now, _)| now == window) {
            self.fake(6, 0, (at.0 as i16, at.1 as i16));
            self.button_down(1);
            self.button_up(1);
        }
    }

    /// Presses a button of the mouse.
    pub(super) fn button_down(&self, button: u8) {
        self.fake(4, button, (0, 0));
    }

    /// Releases it.
    pub(super) fn button_up(&self, button: u8) {
        self.fake(5, button, (0, 0));
    }
}

fn answer(owner: &RustConnection, names: Names, shared: &Mutex<Shared>, request: &SelectionRequestEvent) {
    let offered = {
        let mut shared = shared.lock().expect("no panic");
        shared.asked += 1;
        shared.offered.get(&request.selection).cloned()
    };
    let (target, property) = (request.target, request.property);
    let written = match offered {
        Some(_) if target == names.TARGETS => owner
            .change_property32(
                PropMode::REPLACE,
                request.requestor,
                property,
                AtomEnum::ATOM,
                &[names.TARGETS, names.UTF8_STRING],
            )
            .is_ok(),
        Some(text) if target == names.UTF8_STRING => owner
            .change_property8(PropMode::REPLACE, request.requestor, property, target, text.as_bytes())
            .is_ok(),
        _ => false,
    };
    let notice = SelectionNotifyEvent {
        response_type: SELECTION_NOTIFY_EVENT,
        sequence: 0,
        time: request.time,
        requestor: request.requestor,
        selection: request.selection,
        target,
        property: if written { property } else { x11rb::NONE },
    };
    // Who asked may be gone by now.
    let sent = owner.send_event(false, request.requestor, EventMask::NO_EVENT, notice);
    if sent.is_ok() && owner.flush().is_err() {
        eprintln!("the display is gone");
    }
}

/// The code of each key that has a symbol without a modifier.
fn keys(connection: &RustConnection) -> BTreeMap<u32, u8> {
    let (first, last) = (connection.setup().min_keycode, connection.setup().max_keycode);
    let mapping = connection.get_keyboard_mapping(first, last - first + 1);
    let mapping = mapping.expect("a keyboard").reply().expect("a keyboard");
    let per_key = usize::from(mapping.keysyms_per_keycode);
    let mut keys = BTreeMap::new();
    for (code, symbols) in (first..=last).zip(mapping.keysyms.chunks(per_key)) {
        // The first key of a symbol: some have it twice.
        keys.entry(symbols[0]).or_insert(code);
    }
    keys
}
