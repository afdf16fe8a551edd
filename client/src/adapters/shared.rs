//! What the adapters share: the window, the engine behind it, and the screen that is shown.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use client_agent::WayBack;
use client_ui as ui;
use client_ui::{Problem, Repair, Screen};
use slint::{ComponentHandle as _, Global as _};
use vault::Home;

use crate::engine::Engine;
use crate::platform::AppClipboard;

type Watcher = Box<dyn Fn(Screen)>;

/// What the adapters share.
pub(crate) struct Shared {
    window: slint::Weak<ui::App>,
    pub(crate) home: Home,
    pub(crate) clipboard: AppClipboard,
    engine: RefCell<Option<Rc<Engine>>>,
    screen: Cell<Screen>,
    is_open: Cell<bool>,
    way_back: Cell<Option<WayBack>>,
    watchers: RefCell<Vec<Watcher>>,
}

impl Shared {
    pub(crate) fn new(window: &ui::App, home: Home, clipboard: AppClipboard) -> Rc<Self> {
        Rc::new(Self {
            window: window.as_weak(),
            home,
            clipboard,
            engine: RefCell::default(),
            screen: Cell::new(Screen::Welcome),
            is_open: Cell::default(),
            way_back: Cell::default(),
            watchers: RefCell::default(),
        })
    }

    /// Runs `act` on the window, while there is one.
    pub(super) fn with_window<T>(&self, act: impl FnOnce(&ui::App) -> T) -> Option<T> {
        self.window.upgrade().map(|window| act(&window))
    }

    /// Runs `act` on the session's global.
    pub(super) fn session(&self, act: impl FnOnce(ui::Session<'_>)) {
        self.with_window(|window| act(ui::Session::get(window)));
    }

    /// The engine; `None` while the home cannot be used.
    pub(crate) fn engine(&self) -> Option<Rc<Engine>> {
        self.engine.borrow().clone()
    }

    pub(super) fn set_engine(&self, engine: Option<Engine>) {
        *self.engine.borrow_mut() = engine.map(Rc::new);
    }

    /// Whether the vault is open, as far as the screens know.
    pub(super) fn is_open(&self) -> bool {
        self.is_open.get()
    }

    pub(super) fn set_open(&self, is_open: bool) {
        self.is_open.set(is_open);
    }

    /// Shows a screen. The last screen's problem goes with it.
    pub(super) fn show(&self, screen: Screen) {
        if self.screen.replace(screen) != screen {
            self.set_problem(Problem::None);
        }
        self.session(|session| session.set_screen(screen));
        self.watchers.borrow().iter().for_each(|watcher| watcher(screen));
    }

    /// Is told of every screen from now on.
    pub(crate) fn watch_screens(&self, watcher: Watcher) {
        self.watchers.borrow_mut().push(watcher);
    }

    /// What helps against the damage that is known.
    pub(super) fn way_back(&self) -> Option<WayBack> {
        self.way_back.get()
    }

    /// Offers a way back from damage, or none any more.
    pub(super) fn offer(&self, way: Option<WayBack>) {
        self.way_back.set(way);
        self.session(|session| session.set_repair(repair_of(way)));
    }

    /// Says what went wrong, or that nothing did.
    pub(super) fn set_problem(&self, problem: Problem) {
        if problem == Problem::ItemDamaged {
            // The rest can be read, and the person decides when it is repaired.
            self.offer(Some(WayBack::Repair));
        }
        self.session(|session| session.set_problem(problem));
    }
}

pub(super) fn repair_of(way: Option<WayBack>) -> Repair {
    match way {
        None => Repair::None,
        Some(WayBack::Repair) => Repair::Repair,
        Some(WayBack::StartOver) => Repair::StartOver,
    }
}

/// Runs a future on the UI thread.
pub(crate) fn spawn(future: impl Future<Output = ()> + 'static) {
    if let Err(error) = slint::spawn_local(future) {
        tracing::error!(%error, "the event loop does not run");
    }
}
