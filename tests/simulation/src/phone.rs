//! The phone's side of the world: its body and disk, the person who holds it, and the run of its process.

pub(crate) mod agent;
pub(crate) mod enrol;
pub(crate) mod erase;
pub(crate) mod hello;
pub(crate) mod run;
pub(crate) mod slots;
pub(crate) mod unlock;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use client_core::{Identity, Progress};
use shared::cose::{PublicKey, SoftwareKey};
use shared::ids::{AccountId, EnrolmentId, RunId};
use shared::policy::{LeaseMode, Policy};
use shared::signed::JournalHead;

use crate::body::Body;
use crate::disk::{Content, Disk, Name};
use crate::executor::Owner;
use crate::sim::Sim;
use crate::watch::Invariant;
use agent::{Agent, OpenError};

/// What the device keeps of its enrolment between two runs: `client_agent::device_state`.
#[derive(Debug, Clone)]
pub(crate) struct DeviceState {
    pub(crate) enrolment: EnrolmentId,
    pub(crate) command_key: PublicKey,
    pub(crate) lease_key: PublicKey,
    pub(crate) checkpoint_key: PublicKey,
    pub(crate) policy: Policy,
    pub(crate) confirmed: bool,
    pub(crate) progress: Progress,
    pub(crate) vault_epoch: u64,
    pub(crate) checkpoint: Option<JournalHead>,
    pub(crate) last_run: Option<RunId>,
}

impl DeviceState {
    pub(crate) fn identity(&self) -> Identity {
        Identity {
            enrolment: self.enrolment,
            command_key: self.command_key.clone(),
            lease_key: self.lease_key.clone(),
        }
    }
}

/// What was acknowledged to the person, and has to be there again.
#[derive(Default)]
pub(crate) struct Promises {
    /// Notes by number, of the vault of this enrolment.
    pub(crate) enrolment: Option<EnrolmentId>,
    /// Enrolments that had a vault here and lost it to another try before they were confirmed: no receipt is owed.
    pub(crate) given_up: BTreeSet<EnrolmentId>,
    /// All that had a vault here.
    pub(crate) enrolments: BTreeSet<EnrolmentId>,
    pub(crate) notes: BTreeMap<u32, Vec<u8>>,
}

/// One phone and the person who holds it.
pub(crate) struct Phone {
    pub(crate) index: usize,
    pub(crate) sim: Rc<Sim>,
    pub(crate) body: Rc<Body>,
    pub(crate) disk: Disk,
    /// Whose it is, once they have a letter.
    pub(crate) account: Cell<Option<AccountId>>,
    /// What the person chose at the last enrolment.
    pub(crate) pin: RefCell<String>,
    /// The keystore's key, by what the disk says of it. What the disk lost is not to be had.
    pub(crate) key: RefCell<Option<Rc<SoftwareKey>>>,
    /// The process; none while it does not run.
    pub(crate) agent: RefCell<Option<Rc<Agent>>>,
    pub(crate) promises: RefCell<Promises>,
    /// The mode of the lease granted last: what may lie on the disk.
    pub(crate) granted_mode: Cell<LeaseMode>,
    pub(crate) notes: Cell<u32>,
}

impl Phone {
    pub(crate) fn new(sim: &Rc<Sim>, index: usize) -> Rc<Self> {
        let body = sim.bodies[index].clone();
        Rc::new(Self {
            index,
            sim: sim.clone(),
            disk: Disk::new(body.clone(), sim.clone()),
            body,
            account: Cell::new(None),
            pin: RefCell::default(),
            key: RefCell::default(),
            agent: RefCell::default(),
            promises: RefCell::default(),
            granted_mode: Cell::new(LeaseMode::None),
            notes: Cell::new(0),
        })
    }

    pub(crate) fn owner(&self) -> Owner {
        Owner::Phone(self.index)
    }

    /// A line of the log.
    pub(crate) fn say(&self, what: &'static str, detail: impl FnOnce() -> String) {
        const NAMES: [&str; 6] = ["phone 0", "phone 1", "phone 2", "phone 3", "phone 4", "phone 5"];
        self.sim.log.line(self.sim.executor.now(), NAMES[self.index % NAMES.len()], what, detail);
    }

    pub(crate) fn moment(&self) -> client_core::Moment {
        self.body.moment(self.sim.executor.now())
    }

    /// The running process.
    pub(crate) fn agent(&self) -> Option<Rc<Agent>> {
        self.agent.borrow().clone()
    }

    /// Starts the app.
    pub(crate) fn start_app(self: &Rc<Self>) {
        if !self.body.powered.get() || self.agent.borrow().is_some() {
            return;
        }
        let opened = Agent::open(self);
        self.sim.watch.check(Invariant::HomeOpens, !matches!(opened, Err(OpenError::Damaged)), || {
            format!("the app of phone {} does not open its home", self.index)
        });
        let Ok(agent) = opened else { return };
        self.say("phone: app started", || format!("{:?}", agent.state()));
        *self.agent.borrow_mut() = Some(agent.clone());
        self.sim.executor.spawn(self.owner(), agent.run());
    }

    /// The process ends without a word: its memory is gone, what it wrote stays with the system.
    pub(crate) fn kill_app(&self) {
        self.sim.executor.kill(self.owner());
        if self.agent.borrow_mut().take().is_some() {
            for wire in self.sim.wires.borrow().iter().filter(|wire| wire.is_of(self.index)) {
                wire.break_down();
            }
        }
        self.check_nothing_opens();
    }

    /// The power is gone, whatever the phone was doing.
    pub(crate) fn lose_power(&self) {
        self.body.powered.set(false);
        self.body.asleep.set(false);
        self.sim.executor.thaw(self.owner());
        self.disk.lose_power();
        self.kill_app();
    }

    /// Switches on.
    pub(crate) fn switch_on(self: &Rc<Self>) {
        if self.body.powered.get() {
            return;
        }
        // A system that does not name its starts is all zero.
        let boot_id = if self.sim.draw(0..8) == 0 { [0; 16] } else { self.sim.random() };
        self.body.boot(self.sim.executor.now(), boot_id);
        self.say("phone: switched on", String::new);
        self.start_app();
    }

    /// The process has ended: whoever takes the disk and knows the PIN opens nothing without the server, unless a durable
    /// lease was granted.
    fn check_nothing_opens(&self) {
        if self.granted_mode.get() == LeaseMode::Durable {
            return;
        }
        let pin = self.pin.borrow();
        let opened = slots::open_offline_from_disk(&self.disk, &pin);
        self.sim.watch.check(Invariant::VolatileEndsWithProcess, !opened, || {
            format!("the disk of phone {} opens its offline slot without a process", self.index)
        });
    }

    /// Whether anything on the disk holds or helps to derive the vault key, or may after a power cut.
    pub(crate) fn keys_left(&self) -> Vec<Name> {
        Name::KEYS
            .into_iter()
            .filter(|name| holds(self.disk.read(*name)) || holds(self.disk.durable(*name)))
            .collect()
    }

    /// A receipt exists from now on, or leaves.
    pub(crate) fn check_receipt(&self, what: &str) {
        let (keys, data) = (self.keys_left(), self.disk.data_left());
        self.sim.watch.check(Invariant::ReceiptAfterErase, keys.is_empty() && data.is_empty(), || {
            format!("phone {} {what} a receipt while {keys:?} and {data:?} are there", self.index)
        });
    }

    /// What the phone says of itself leaves: hello or the result of a command.
    pub(crate) fn check_blocked(&self, device: &DeviceState) {
        if !device.progress.blocked {
            return;
        }
        let left: Vec<Name> = [Name::OfflineSlot, Name::LeaseSecret]
            .into_iter()
            .filter(|name| holds(self.disk.durable(*name)))
            .collect();
        self.sim.watch.check(Invariant::BlockedHasNoOfflineSlot, left.is_empty(), || {
            format!("phone {} says that it is blocked and has {left:?}", self.index)
        });
    }
}

/// Zeros hold nothing: a file that was overwritten may come back by its name.
fn holds(content: Option<Content>) -> bool {
    content.is_some_and(|content| !matches!(content, Content::Zeros))
}
