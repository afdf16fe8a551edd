//! The app as a whole: one window, one home, one runtime beside the event loop.

use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use client_agent::{Agent, Confinement, Platform};
use client_ui as ui;
use slint::{CloseRequestResponse, ComponentHandle as _, PlatformError};
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use vault::Home;

use crate::adapters::{Session, SessionOptions, Shared};
use crate::engine::Told;
use crate::platform::AppClipboard;
use crate::viewer::Viewer;

/// How long what still runs beside the event loop may take to end.
const END_WITHIN: Duration = Duration::from_secs(2);

/// How the app is started.
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder of its files; made if there is none.
    pub home: PathBuf,
    /// `host:port` of the server, filled in where it is asked for.
    pub server: Option<String>,
    /// Without a key or touch for this long, the app locks.
    pub idle_lock: Duration,
    /// Whether [`App::run`] ends with [`End::Restart`] once an open vault was closed and no lease runs.
    pub restart_when_closed: bool,
    /// How far this process has confined itself.
    pub confinement: Confinement,
    /// Where the keys are; none keeps them in files of the home.
    pub device: Option<Platform>,
    /// What shows documents.
    pub viewer: Viewer,
}

impl Options {
    /// Five minutes without a key or touch: long enough to read a page, shorter than a phone stays on a desk unattended.
    pub const IDLE_LOCK: Duration = Duration::from_secs(5 * 60);

    /// The usual ones for the home in `home`.
    pub fn new(home: impl Into<PathBuf>) -> Self {
        Self {
            home: home.into(),
            server: None,
            idle_lock: Self::IDLE_LOCK,
            restart_when_closed: false,
            confinement: Confinement::default(),
            device: None,
            viewer: Viewer::default(),
        }
    }
}

/// How the app ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The person closed it.
    Closed,
    /// The vault was closed: a fresh process is to take over, in whose memory nothing of the vault is.
    Restart,
}

/// Tells the app what happened outside of it.
#[cfg(target_os = "android")]
pub(crate) struct Teller(UnboundedSender<Told>);

#[cfg(target_os = "android")]
impl Teller {
    pub(crate) fn tell(&self, told: Told) {
        if self.0.send(told).is_err() {
            tracing::debug!(?told, "told when the app had ended");
        }
    }
}

/// Why the app does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The window.
    #[error("the window cannot be opened: {0}")]
    Window(#[from] PlatformError),
    /// Threads, sockets.
    #[error("the system does not give what the app needs: {0}")]
    Runtime(#[from] std::io::Error),
}

/// The app.
pub struct App {
    window: ui::App,
    session: Rc<Session>,
    shared: Rc<Shared>,
    told: UnboundedSender<Told>,
    runtime: Runtime,
}

impl App {
    /// Opens home and window. The guarded platform that `clipboard` belongs to is installed before this.
    ///
    /// A home that cannot be used is no error here: the window says what is safe and what to do.
    pub fn start(options: Options, clipboard: AppClipboard) -> Result<Self, StartError> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let window = ui::App::new()?;
        let shared = Shared::new(&window, Home::new(options.home), clipboard);
        let (told, events) = unbounded_channel();
        let session_options = SessionOptions {
            server: options.server,
            idle_lock: options.idle_lock,
            restart_when_closed: options.restart_when_closed,
            confinement: options.confinement,
            device: options.device,
            viewer: options.viewer,
        };
        let session = Session::start(
            Rc::clone(&shared),
            session_options,
            runtime.handle().clone(),
            (told.clone(), events),
        );
        let listener = Rc::downgrade(&session);
        window.window().on_close_requested(move || {
            if let Some(session) = listener.upgrade() {
                crate::adapters::spawn(session.close(false));
            }
            // Closed by the session, once what was typed is stored.
            CloseRequestResponse::KeepWindowShown
        });
        Ok(Self { window, session, shared, told, runtime })
    }

    /// The window.
    pub fn window(&self) -> &ui::App {
        &self.window
    }

    /// The agent behind the screens; `None` while the home cannot be used.
    pub fn agent(&self) -> Option<Arc<Agent>> {
        self.shared.engine().map(|engine| Arc::clone(engine.agent()))
    }

    /// Has `watcher` told of every screen that is shown from now on.
    pub fn watch_screens(&self, watcher: impl Fn(ui::Screen) + 'static) {
        self.shared.watch_screens(Box::new(watcher));
    }

    /// Tells the app what happened outside of it, from any thread.
    #[cfg(target_os = "android")]
    pub(crate) fn teller(&self) -> Teller {
        Teller(self.told.clone())
    }

    /// Ends in an orderly way when the system says so (SIGTERM, SIGINT): what was typed is stored before.
    pub fn end_on_signals(&self) -> std::io::Result<()> {
        use tokio::signal::unix::{SignalKind, signal};
        let _runtime = self.runtime.enter();
        for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
            let (mut signals, told) = (signal(kind)?, self.told.clone());
            self.runtime.spawn(async move {
                // Nobody listens any more once the app has ended.
                while signals.recv().await.is_some() && told.send(Told::Terminate).is_ok() {}
            });
        }
        Ok(())
    }

    /// Shows the window and runs the event loop until the app ends.
    pub fn run(self) -> Result<End, PlatformError> {
        self.window.show()?;
        slint::run_event_loop_until_quit()?;
        let end = self.session.end();
        self.window.hide()?;
        if let Some(agent) = self.agent() {
            agent.lock();
        }
        drop((self.window, self.session, self.shared));
        self.runtime.shutdown_timeout(END_WITHIN);
        Ok(end)
    }
}
