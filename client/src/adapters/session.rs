//! The session: from consent to erased, what the person asks for and what happens by itself.

mod acts;
mod callbacks;
mod idle;
mod mending;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use client_agent::confine::{Gap, Unconfined};
use client_agent::{Confinement, Event, Platform, Status, moment};
use client_core::Notice;
use client_ui::{self as ui, Problem, Screen};
use jiff::{Timestamp, Zoned};
use shared::activation_code::ActivationCode;
use shared::policy::ClipboardMode;
use slint::{ModelRc, Timer, TimerMode, VecModel};
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use self::idle::Idle;
use self::mending::Damage;
use super::covering::{self, Cover};
use super::documents::Documents;
use super::erasing;
use super::look::Look;
use super::notes::Notes;
use super::shared::{Shared, spawn};
use super::stage::Stage;
use crate::app::End;
use crate::engine::{Engine, Told};
use crate::viewer::Viewer;
use crate::{problem, times};

/// How often times and the state of the connection are looked at without an event.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// What a wait is looked at after its end.
const MOMENT: Duration = Duration::from_millis(50);

/// How the session behaves.
pub(crate) struct SessionOptions {
    /// `host:port` to begin with.
    pub(crate) server: Option<String>,
    /// Without a key or touch for this long, the app locks.
    pub(crate) idle_lock: Duration,
    /// Ends the process for a fresh one once an open vault was closed and no lease runs.
    pub(crate) restart_when_closed: bool,
    /// How far this process has confined itself.
    pub(crate) confinement: Confinement,
    /// Where the keys are; none keeps them in files of the home.
    pub(crate) device: Option<Platform>,
    /// What shows documents.
    pub(crate) viewer: Viewer,
}

/// A code that was typed, until the PIN is chosen.
struct Begun {
    code: ActivationCode,
    server: String,
}

/// The session's adapter.
pub(crate) struct Session {
    shared: Rc<Shared>,
    notes: Rc<Notes>,
    documents: Rc<Documents>,
    look: Rc<Look>,
    _cover: Cover,
    options: SessionOptions,
    runtime: Handle,
    told: UnboundedSender<Told>,
    stage: Cell<Stage>,
    begun: RefCell<Option<Begun>>,
    /// The PIN of the broken enrolment's slot does not belong to the server's record: the code may be typed again.
    enrol_again: Cell<bool>,
    busy: Cell<bool>,
    damage: Damage,
    idle: Idle,
    clock: Timer,
    /// Until the next PIN may be typed.
    waiting: Timer,
    /// Looks at the status are numbered, so that an older one never overwrites a newer.
    looked: Cell<u64>,
    applied: Cell<u64>,
    /// The vault was open in this process.
    was_open: Cell<bool>,
    close_refused: Cell<bool>,
    /// How the app is to end; the first reason counts.
    end: Cell<Option<End>>,
}

impl Session {
    /// Opens the home, shows where the person stands, and answers the screens from now on.
    pub(crate) fn start(
        shared: Rc<Shared>,
        options: SessionOptions,
        runtime: Handle,
        (told, events): (UnboundedSender<Told>, UnboundedReceiver<Told>),
    ) -> Rc<Self> {
        let look = Look::start(&shared);
        let cover = Cover::start(&shared);
        let documents = Documents::start(&shared, options.viewer.clone());
        let notes = Notes::start(&shared, &documents);
        let session = Rc::new(Self {
            shared,
            notes,
            documents,
            look,
            _cover: cover,
            idle: Idle::new(options.idle_lock),
            options,
            runtime,
            told,
            stage: Cell::new(Stage::New),
            begun: RefCell::default(),
            enrol_again: Cell::default(),
            busy: Cell::default(),
            damage: Damage::default(),
            clock: Timer::default(),
            waiting: Timer::default(),
            looked: Cell::default(),
            applied: Cell::default(),
            was_open: Cell::default(),
            close_refused: Cell::default(),
            end: Cell::default(),
        });
        session.show_what_never_changes();
        session.answer_callbacks();
        session.open_home();
        spawn(Rc::clone(&session).follow(events));
        session.look_regularly();
        session
    }

    /// How the app ended.
    pub(crate) fn end(&self) -> End {
        self.end.get().unwrap_or(End::Closed)
    }

    fn show_what_never_changes(&self) {
        self.shared.session(|session| {
            session.set_version(env!("CARGO_PKG_VERSION").into());
            let (confinement, gaps) = shown(&self.options.confinement);
            session.set_confinement(confinement);
            session.set_confinement_gaps(gaps);
            session.set_server(self.options.server.as_deref().unwrap_or_default().into());
        });
    }

    fn platform(&self) -> Platform {
        let files = || Platform::software(&self.shared.home, std::env::consts::OS, env!("CARGO_PKG_VERSION"));
        let device = self.options.device.clone().unwrap_or_else(files);
        device.confined(self.options.confinement.clone())
    }

    fn open_home(self: &Rc<Self>) {
        match Engine::open(self.runtime.clone(), &self.shared.home, self.platform(), self.told.clone()) {
            Ok(engine) => {
                let status = engine.agent().status();
                engine.stay_connected();
                self.shared.set_engine(Some(engine));
                self.stage.set(Stage::of(&status));
                self.shared.show(self.stage.get().first());
                self.apply(&status);
            }
            Err(error) => {
                tracing::error!(%error, "the home does not open");
                self.give_up(problem::of_open(&error));
            }
        }
    }

    /// The home cannot be used. Of a vault that was open nothing stays but what could not be stored.
    fn give_up(&self, problem: Problem) {
        if let Some(engine) = self.shared.engine() {
            // Whoever still has a hand on the engine finds the vault closed.
            engine.agent().lock();
        }
        self.shared.set_engine(None);
        // What was looked at before is not so any more.
        self.applied.set(self.looked.get());
        if self.stage.replace(Stage::Damaged) == Stage::Open {
            self.closed();
        }
        self.shared.show(Screen::Damaged);
        self.shared.set_problem(problem);
    }

    fn look_regularly(self: &Rc<Self>) {
        let session = Rc::downgrade(self);
        self.clock.start(TimerMode::Repeated, LOOK_EVERY, move || {
            if let Some(session) = session.upgrade() {
                session.lock_after_sleep();
                spawn(async move { session.refresh().await });
            }
        });
    }

    /// Locks if the device slept through the idle lock's time; says whether it did.
    fn lock_after_sleep(self: &Rc<Self>) -> bool {
        let slept = self.shared.is_open() && self.idle.is_over(moment().boot);
        if slept {
            spawn(Rc::clone(self).lock());
        }
        slept
    }

    /// What happens by itself, until the app ends.
    async fn follow(self: Rc<Self>, mut events: UnboundedReceiver<Told>) {
        while let Some(told) = events.recv().await {
            match told {
                Told::Terminate => Rc::clone(&self).close(true).await,
                #[cfg(target_os = "android")]
                Told::Hidden => Rc::clone(&self).lock().await,
                #[cfg(target_os = "android")]
                Told::Network => {
                    if let Some(engine) = self.shared.engine() {
                        engine.stay_connected();
                    }
                }
                Told::Unusable => {
                    // What can still be stored is. What cannot is kept, and said by the problem that is shown.
                    let _: Result<(), Problem> = self.notes.flush().await;
                    self.give_up(Problem::StorageDamaged);
                }
                // Shown from the event itself: an erase is quicker than a look at the status.
                Told::Event(Event::Session(Notice::Wiping)) => {
                    // What was looked at before is not so any more.
                    self.applied.set(self.looked.get());
                    self.enter(Stage::Erasing);
                }
                Told::Documents => {
                    let documents = Rc::clone(&self.documents);
                    spawn(async move { documents.look().await });
                }
                Told::Notes => self.notes.look_soon(),
                Told::EraseStep(step) => self.show_steps(step.into_next()),
                Told::Event(_) => self.refresh().await,
            }
        }
    }

    /// Looks how the device stands, and shows it.
    async fn refresh(self: &Rc<Self>) {
        let Some(engine) = self.shared.engine() else { return };
        let number = self.looked.get() + 1;
        self.looked.set(number);
        match engine.status().await {
            Ok(status) if number > self.applied.get() => {
                self.applied.set(number);
                self.apply(&status);
            }
            Ok(_) => {}
            Err(error) => tracing::error!(%error, "the status is not known"),
        }
    }

    fn apply(self: &Rc<Self>, status: &Status) {
        self.show_status(status);
        self.wait_for_pin(status);
        self.set_clipboard_mode(status);
        let stage = Stage::of(status);
        // While enrolment runs, the session is locked for a moment on its way to open.
        if !(self.busy.get() && self.begun.borrow().is_some()) {
            self.enter(stage);
        }
        if self.may_restart(status) {
            self.finish(End::Restart);
        }
    }

    fn show_status(&self, status: &Status) {
        let now = Zoned::now();
        let lease = status.lease.as_ref();
        let time = |at: Option<jiff::Timestamp>| at.map_or_else(String::new, |at| times::moment(at, &now));
        let min = self.shared.engine().map(|engine| engine.policy().pin_min_length);
        self.shared.session(|session| {
            session.set_online(status.connected);
            session.set_watermark(covering::mark(status.enrolment, now.date()).into());
            session.set_lease_running(lease.is_some());
            session.set_lease_ends(time(lease.map(|lease| lease.ends_at)).into());
            session.set_open_until(time(status.open_until).into());
            session.set_pin_wait(
                status.unlock_after.map_or_else(String::new, |at| times::second(at, &now)).into(),
            );
            if let Some(organisation) = &status.organisation {
                session.set_organisation(organisation.as_str().into());
            }
            if let Some(server) = &status.server {
                session.set_server(server.as_str().into());
            }
            if let Some(min) = min.filter(|_| status.enrolment.is_some()) {
                session.set_pin_min_length(min.into());
            }
        });
        if let Some(wipe) = &status.wipe {
            self.show_steps(wipe.next);
            self.shared.session(|session| session.set_receipt_acknowledged(wipe.acknowledged));
        }
    }

    /// Looks again when the next PIN may be typed.
    fn wait_for_pin(self: &Rc<Self>, status: &Status) {
        let Some(at) = status.unlock_after else { return self.waiting.stop() };
        let left = Duration::try_from(at.duration_since(Timestamp::now())).unwrap_or_default();
        let session = Rc::downgrade(self);
        self.waiting.start(TimerMode::SingleShot, left + MOMENT, move || {
            if let Some(session) = session.upgrade() {
                spawn(async move { session.refresh().await });
            }
        });
    }

    fn show_steps(&self, next: Option<client_core::EraseStep>) {
        let steps = ModelRc::new(VecModel::from(erasing::steps(next)));
        self.shared.session(|session| session.set_erase_steps(steps));
    }

    /// Before an enrolment there is nothing to keep inside, and a code to be pasted.
    fn set_clipboard_mode(&self, status: &Status) {
        let policy = self.shared.engine().map(|engine| engine.policy().clipboard).unwrap_or_default();
        let mode = if status.enrolment.is_none() { ClipboardMode::InsideIn } else { policy };
        if self.shared.clipboard.mode() != mode {
            self.shared.clipboard.set_mode(mode);
        }
        self.shared.session(|session| session.set_paste_allowed(mode == ClipboardMode::InsideIn));
    }

    /// Where the person stands now. What is shown changes only with the stage.
    fn enter(self: &Rc<Self>, stage: Stage) {
        let before = self.stage.replace(stage);
        if before == stage {
            return;
        }
        if matches!(stage, Stage::Erasing | Stage::Erased { .. }) {
            self.notes.forget();
        }
        self.shared.show(stage.first());
        if stage == Stage::Open {
            self.opened();
        } else if before == Stage::Open {
            self.closed();
        }
    }

    fn opened(self: &Rc<Self>) {
        self.was_open.set(true);
        self.shared.set_open(true);
        self.shared.session(|session| session.set_vault_open(true));
        self.count_idle();
        self.tell_mended();
        let session = Rc::clone(self);
        spawn(async move {
            session.notes.list();
            session.notes.look().await;
            // What could not be stored before the vault was closed.
            session.notes.save_now();
            session.documents.look().await;
        });
    }

    /// Nothing of the vault stays on the screens.
    fn closed(&self) {
        self.shared.set_open(false);
        self.shared.session(|session| {
            session.set_vault_open(false);
            session.set_repaired(ui::Repaired::default());
        });
        self.idle.stop();
        self.notes.clear();
        self.documents.clear();
        self.shared.clipboard.clear();
    }

    /// The toolkit's strings cannot be overwritten. A fresh process has none of them; but it would not have a volatile lease
    /// either, and nothing typed may be lost.
    fn may_restart(&self, status: &Status) -> bool {
        let at_rest =
            matches!(self.stage.get(), Stage::Locked | Stage::Blocked | Stage::Erased { acknowledged: true });
        self.options.restart_when_closed
            && self.was_open.get()
            && at_rest
            && !self.busy.get()
            && !self.damage.is_being_mended()
            && status.lease.is_none()
            && !self.notes.has_unsaved()
    }

    fn finish(&self, end: End) {
        self.end.set(self.end.get().or(Some(end)));
        if let Err(error) = slint::quit_event_loop() {
            tracing::error!(%error, "the event loop does not end");
        }
    }

    /// A key or a touch: the idle lock starts again, unless this one is what woke the device too late.
    fn rest_idle(self: &Rc<Self>) {
        if self.shared.is_open() && !self.lock_after_sleep() {
            self.count_idle();
        }
    }

    fn count_idle(self: &Rc<Self>) {
        let session = Rc::downgrade(self);
        self.idle.start(moment().boot, move || {
            if let Some(session) = session.upgrade() {
                spawn(session.lock());
            }
        });
    }

    fn reaches(&self, screen: Screen) -> bool {
        let there = match screen {
            Screen::Note => self.notes.is_open(),
            Screen::Document => self.documents.is_open(),
            Screen::SetPin => self.begun.borrow().is_some(),
            Screen::Repair => self.shared.way_back().is_some(),
            // Shown once, by what it tells of.
            Screen::Repaired => false,
            _ => true,
        };
        let again = self.enrol_again.get() && matches!(screen, Screen::Enrol | Screen::SetPin);
        there && (again || self.stage.get().reaches(screen))
    }
}

/// What comes after a step that was done.
trait IntoNext {
    fn into_next(self) -> Option<Self>
    where
        Self: Sized;
}

impl IntoNext for client_core::EraseStep {
    fn into_next(self) -> Option<Self> {
        Self::ALL.into_iter().find(|step| *step > self)
    }
}

/// What the screens say of a confinement. That sockets without a file stay open is in their text always.
fn shown(confinement: &Confinement) -> (ui::Confinement, ui::ConfinementGaps) {
    let gaps = match confinement {
        Confinement::Partial(gaps) => gaps.as_slice(),
        _ => &[],
    };
    let gaps = ui::ConfinementGaps {
        truncation: gaps.contains(&Gap::Truncation),
        devices: gaps.contains(&Gap::DeviceControl),
        signals: gaps.contains(&Gap::Signals),
    };
    let shown = match confinement {
        Confinement::Full | Confinement::Partial(_) => ui::Confinement::Restricted,
        Confinement::None(Unconfined::NotSupported | Unconfined::SwitchedOff) => ui::Confinement::Unsupported,
        Confinement::None(Unconfined::NoHome) => ui::Confinement::NoHome,
        Confinement::None(Unconfined::NotAsked) => ui::Confinement::NotAsked,
        Confinement::None(Unconfined::LateThreads | Unconfined::Refused | Unconfined::WithoutEffect) => {
            ui::Confinement::Refused
        }
    };
    (shown, gaps)
}
