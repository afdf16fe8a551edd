//! The app's own screens in a real window, in a process of their own, filled with marked text: guarded as the app is, or not.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use client_ui as ui;
use client_ui::{Documents, Notes, Screen, Session};
use i_slint_backend_testing::{AccessibleRole, ElementHandle, ElementQuery};
use serde::{Deserialize, Serialize};
use shared::policy::ClipboardMode;
use slint::{ComponentHandle as _, Global as _, LogicalSize, ModelRc, VecModel};

use super::display::Display;

/// Says in the environment that this process is a window, and which.
const WINDOW: &str = "E2E_APP_WINDOW";
/// Its size.
pub(super) const SIZE: (f32, f32) = (390.0, 844.0);

/// How the window's clipboard is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Guard {
    /// As the app has it, in this mode.
    Guarded(ClipboardMode),
    /// The toolkit's own platform.
    Unguarded,
}

/// What the window is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Request {
    /// A fresh screen with its text in it; it answers with its fields.
    Show(Surface),
    /// The fields as they are now.
    Read,
}

/// What text is tried to be taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Surface {
    Note,
    NoteTitle,
    Document,
    Search,
    Code,
    Server,
    Pin,
}

impl Surface {
    fn screen(self) -> Screen {
        match self {
            Self::Note | Self::NoteTitle => Screen::Note,
            Self::Document => Screen::Document,
            Self::Search => Screen::Home,
            Self::Code | Self::Server => Screen::Enrol,
            Self::Pin => Screen::Unlock,
        }
    }

    /// What an accessibility client calls the field.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Note => "Text of the note",
            Self::NoteTitle => "Title",
            Self::Document => "Text of the document",
            Self::Search => "Search documents and notes",
            Self::Code => "Activation code",
            Self::Server => "Server address",
            Self::Pin => "PIN",
        }
    }

    /// The text that is in it; digits, where it is the PIN.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Note => "marked-note-body another-word of-the-note and-more",
            Self::NoteTitle => "marked-note-title another-word of-the-title",
            Self::Document => "marked-document another-word of-the-document",
            Self::Search => "marked-search another-word in-search",
            Self::Code => "marked-code another-word in-code",
            Self::Server => "marked-server.example another-word in-server",
            Self::Pin => "271828",
        }
    }
}

/// A field of the window: where it is and what an accessibility client reads in it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Field {
    pub(super) x: f32,
    pub(super) y: f32,
    pub(super) width: f32,
    pub(super) height: f32,
    pub(super) value: String,
}

type Fields = BTreeMap<String, Field>;

/// Whether this process is a window.
pub(crate) fn is_window() -> bool {
    std::env::var_os(WINDOW).is_some()
}

/// The window's process.
pub(crate) fn window() {
    let guard = std::env::var(WINDOW).expect("asked before");
    match serde_json::from_str(&guard).expect("a guard") {
        Guard::Guarded(mode) => client::platform::install().expect("a platform").set_mode(mode),
        Guard::Unguarded => {
            let builder = i_slint_backend_winit::Backend::builder().with_renderer_name("software");
            let backend = builder.build().expect("a backend");
            slint::platform::set_platform(Box::new(backend)).expect("no other platform");
        }
    }
    let window = ui::App::new().expect("a window");
    slint::select_bundled_translation("en").expect("a language");
    window.window().set_size(LogicalSize::new(SIZE.0, SIZE.1));
    let weak = window.as_weak();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines() {
            let request = serde_json::from_str(&line.expect("a line")).expect("a request");
            weak.upgrade_in_event_loop(move |window| serve(&window, request)).expect("an event loop");
        }
        slint::quit_event_loop().expect("an event loop");
    });
    window.show().expect("a visible window");
    slint::run_event_loop_until_quit().expect("an event loop");
}

fn serve(window: &ui::App, request: Request) {
    match request {
        Request::Read => reply(window),
        Request::Show(surface) => {
            // A screen that is shown again is a fresh one once the old one is gone.
            Session::get(window).set_screen(Screen::Erasing);
            assert_eq!(fields(window).len(), 0);
            fill(window, surface);
            Session::get(window).set_screen(surface.screen());
            reply(window);
        }
    }
}

fn fill(window: &ui::App, surface: Surface) {
    let note = ui::NoteText {
        id: "note".into(),
        title: Surface::NoteTitle.text().into(),
        body: Surface::Note.text().into(),
    };
    let row = ui::DocumentRow { id: "document".into(), title: "A document".into(), ..Default::default() };
    let document = ui::DocumentText {
        id: "document".into(),
        title: "Document".into(),
        body: Surface::Document.text().into(),
        changed: "2027-04-01".into(),
    };
    Session::get(window).set_server(Surface::Server.text().into());
    Notes::get(window).set_current(note);
    Notes::get(window).set_search(if surface == Surface::Search { surface.text().into() } else { "".into() });
    Documents::get(window).set_rows(ModelRc::new(VecModel::from(vec![row])));
    Documents::get(window).set_current(document);
}

fn fields(window: &ui::App) -> Vec<ElementHandle> {
    ElementQuery::from_root(window).match_accessible_role(AccessibleRole::TextInput).find_all()
}

fn reply(window: &ui::App) {
    let field = |element: ElementHandle| {
        let (at, size) = (element.absolute_position(), element.size());
        let value = element.accessible_value().unwrap_or_default().to_string();
        let field = Field { x: at.x, y: at.y, width: size.width, height: size.height, value };
        Some((element.accessible_label()?.to_string(), field))
    };
    let fields: Fields = fields(window).into_iter().filter_map(field).collect();
    println!("{}", serde_json::to_string(&fields).expect("fields encode"));
    std::io::stdout().flush().expect("whoever asked is there");
}

/// A window process, from outside. Dropping it ends it.
pub(super) struct WindowProcess {
    child: Child,
    requests: ChildStdin,
    replies: BufReader<ChildStdout>,
}

impl WindowProcess {
    /// Opens a window on a display.
    pub(super) fn open(display: &Display, guard: Guard) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command
            .env(WINDOW, serde_json::to_string(&guard).expect("a guard encodes"))
            .env("DISPLAY", display.name())
            .env("WINIT_X11_SCALE_FACTOR", "1")
            .env_remove("WAYLAND_DISPLAY")
            .env_remove("XMODIFIERS")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().expect("a window process");
        let requests = child.stdin.take().expect("asked for");
        let replies = BufReader::new(child.stdout.take().expect("asked for"));
        Self { child, requests, replies }
    }

    fn ask(&mut self, request: Request) -> Fields {
        let line = serde_json::to_string(&request).expect("a request encodes");
        writeln!(self.requests, "{line}").expect("the window process lives");
        let mut reply = String::new();
        self.replies.read_line(&mut reply).expect("the window process lives");
        serde_json::from_str(&reply).unwrap_or_else(|error| panic!("{error} in {reply:?}"))
    }

    /// Shows a surface afresh, and says where its field is.
    pub(super) fn show(&mut self, surface: Surface) -> Field {
        self.field_of(Request::Show(surface), surface)
    }

    /// The field as it is now.
    pub(super) fn read(&mut self, surface: Surface) -> Field {
        self.field_of(Request::Read, surface)
    }

    fn field_of(&mut self, request: Request, surface: Surface) -> Field {
        let mut fields = self.ask(request);
        let known: Vec<_> = fields.keys().cloned().collect();
        fields
            .remove(surface.label())
            .unwrap_or_else(|| panic!("{:?} is not among {known:?}", surface.label()))
    }
}

impl Drop for WindowProcess {
    fn drop(&mut self) {
        self.child.kill().expect("the window process can be ended");
        self.child.wait().expect("the window process ends");
    }
}
