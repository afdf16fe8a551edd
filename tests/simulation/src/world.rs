//! One history: the acts of a script on a world, the invariants after every event, and at the end the healing after which
//! everything that was promised has to come true.

mod heal;

use std::rc::Rc;
use std::time::Duration;

use shared::activation_code::ActivationCode;
use shared::opaque::{LoginStart, client_input};
use shared::policy::{LeaseMode, Policy};
use shared::signed::Action;
use shared::wire::{UnlockChallenge, UnlockStart};

use crate::executor::{Owner, settle};
use crate::fault::Fault;
use crate::log::Counts;
use crate::network::{Door, Exchange, connect};
use crate::phone::Phone;
use crate::phone::run::TICK;
use crate::script::{Act, Script};
use crate::server::Server;
use crate::sim::{Sim, keyring};
use crate::watch::Violation;

/// How many events a history may take before it counts as one that never ends.
const MOST_EVENTS: u64 = 20_000;

/// What became of a history.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Steps taken.
    pub events: u64,
    /// Checks made.
    pub checks: u64,
    /// How often each kind of event and fault happened.
    pub counts: Counts,
    /// What did not hold, if anything.
    pub violation: Option<Violation>,
    /// A line an event, if it was asked for.
    pub log: Vec<String>,
}

/// Plays a script.
pub fn play(script: &Script, fault: Fault, keep_log: bool) -> Outcome {
    let world = World::new(script, fault, keep_log);
    world.run(script);
    let sim = &world.sim;
    sim.log.count("history");
    let outcome = Outcome {
        events: sim.executor.events(),
        checks: sim.watch.checks(),
        counts: sim.log.counts(),
        violation: sim.watch.violation(),
        log: sim.log.lines(),
    };
    world.take_down();
    outcome
}

struct World {
    sim: Rc<Sim>,
    phones: Vec<Rc<Phone>>,
    server: std::cell::RefCell<Option<Rc<Server>>>,
}

impl World {
    fn new(script: &Script, fault: Fault, keep_log: bool) -> Self {
        let sim = Sim::new(script.settings.clone(), fault, script.seed, keep_log);
        let phones: Vec<_> = (0..script.settings.phones).map(|index| Phone::new(&sim, index)).collect();
        let world = Self { sim, phones, server: std::cell::RefCell::default() };
        world.start_server(script.settings.policy.lease_mode);
        for phone in &world.phones {
            phone.start_app();
        }
        world
    }

    fn run(&self, script: &Script) {
        let pool = script.settings.pool;
        self.order(move |server| async move { server.set_pool(pool).await });
        self.pass(Duration::from_secs(1));
        for (gap, act) in &script.acts {
            self.pass(*gap);
            if self.sim.watch.violation().is_some() {
                return;
            }
            self.perform(*act);
        }
        self.pass(Duration::from_secs(60));
        self.sim.check_journal();
        self.heal();
        self.sim.check_journal();
    }

    /// Lets time pass, and looks at everything after every event.
    fn pass(&self, duration: Duration) {
        let executor = &self.sim.executor;
        let until = executor.now().saturating_add(duration);
        while executor.step(until) {
            self.after_event();
            if self.sim.watch.violation().is_some() {
                return;
            }
            if executor.events() > MOST_EVENTS {
                return self.sim.unexpected(|| format!("{MOST_EVENTS} events, and no end"));
            }
        }
        self.after_event();
        self.sim.wires.borrow_mut().retain(|wire| !wire.is_over());
    }

    fn after_event(&self) {
        if self.sim.server_fuse.has_burnt_down() {
            self.sim.log.count("fault: server crash after a commit");
            self.crash_server();
        }
        for phone in &self.phones {
            let Some(agent) = phone.agent() else { continue };
            if phone.body.powered.get() {
                agent.check_open(TICK);
            } else {
                phone.say("fault: power cut in a write", String::new);
                phone.lose_power();
            }
        }
    }

    fn start_server(&self, lease_mode: LeaseMode) {
        let policy = Policy { lease_mode, ..self.sim.settings.policy.clone() };
        *self.server.borrow_mut() = Some(Server::start(&self.sim, policy));
        self.sim.reachable.notify_waiters();
    }

    fn crash_server(&self) {
        self.sim.server_fuse.put_out();
        self.sim.executor.kill(Owner::Server);
        if self.server.borrow_mut().take().is_some() {
            self.sim.log.count("fault: server crash");
            for wire in self.sim.wires.borrow().iter() {
                wire.break_down();
            }
        }
    }

    /// Something that a person has the server do; refusals by the rules are an answer.
    fn order<F>(&self, order: impl FnOnce(Rc<Server>) -> F)
    where
        F: Future<Output = Result<(), crate::server::ServerError>> + 'static,
    {
        let Some(server) = self.server.borrow().clone() else {
            return self.sim.log.count("act: the server is down");
        };
        let work = order(server.clone());
        self.sim.executor.spawn(Owner::Server, async move {
            let done = work.await;
            server.report(done);
        });
    }

    fn perform(&self, act: Act) {
        self.sim.log.line(self.sim.executor.now(), "act", kind(act), || format!("{act:?}"));
        match act {
            Act::Enrol(phone) => self.enrol(phone),
            Act::Unlock(phone) => self.unlock(phone, true),
            Act::WrongPin(phone) => self.unlock(phone, false),
            Act::Lock(phone) => _ = self.phones[phone].agent().map(|agent| agent.lock()),
            Act::Note(phone) => self.note(phone),
            Act::NoCoverage(phone) => {
                if self.sim.bodies[phone].coverage.replace(false) {
                    self.sim.log.count("fault: no coverage");
                }
                self.break_wires(phone);
            }
            Act::Coverage(phone) => {
                self.sim.bodies[phone].coverage.set(true);
                self.sim.reachable.notify_waiters();
            }
            Act::SwitchOff(phone) => {
                if self.sim.bodies[phone].powered.get() {
                    self.sim.log.count("fault: switched off");
                }
                self.phones[phone].lose_power();
            }
            Act::SwitchOn(phone) => {
                self.phones[phone].switch_on();
                self.sim.reachable.notify_waiters();
            }
            Act::Sleep(phone) => self.sleep(phone),
            Act::Wake(phone) => self.wake(phone),
            Act::KillApp(phone) => self.kill_app(phone),
            Act::CutPower(phone, writes) => self.phones[phone].disk.light_fuse(writes),
            Act::WearOut(phone, one_in) => self.phones[phone].disk.wear_out(one_in),
            Act::SetClock(phone, off_by) => {
                self.sim.bodies[phone].set_clock(off_by);
                self.sim.log.count("fault: clock set");
            }
            Act::Thief(phone, times) => self.thief(phone, times),
            Act::Block(phone) => self.command(phone, Action::Block),
            Act::Unblock(phone) => self.command(phone, Action::Unblock),
            Act::Wipe(phone) => self.command(phone, Action::Wipe),
            Act::Reissue(phone) => {
                if let Some(account) = self.account_of(phone) {
                    self.order(move |server| async move { server.reissue(account).await });
                }
            }
            Act::Batch(people) => {
                let file = staff_file(self.sim.settings.staff, people);
                self.order(move |server| async move { server.batch(&file).await });
            }
            Act::Reclaim(days) => self.order(move |server| async move { server.reclaim(days).await }),
            Act::SetPool(size) => self.order(move |server| async move { server.set_pool(size).await }),
            Act::Scheduler => self.scheduler(),
            Act::CrashServer => self.crash_server(),
            Act::CrashAfterCommits(commits) => self.sim.server_fuse.light(commits),
            Act::StartServer(lease_mode) => {
                self.sim.server_fuse.put_out();
                if self.server.borrow().is_none() {
                    self.start_server(lease_mode);
                    self.sim.log.count("server: started again");
                }
            }
            Act::Weather(weather) => {
                if self.sim.weather.replace(weather) != weather {
                    self.sim.log.count("fault: weather turns");
                }
            }
        }
        self.after_event();
    }

    fn account_of(&self, phone: usize) -> Option<shared::ids::AccountId> {
        let number = staff_number(phone);
        let accounts = self.sim.watch.accounts();
        let theirs = accounts.into_iter().filter(|account| account.current().staff_number.as_str() == number);
        theirs.map(|account| account.id).next_back()
    }

    /// The person types the code from the newest letter, and a new PIN.
    fn enrol(&self, index: usize) {
        let phone = &self.phones[index];
        let (Some(agent), Some(account)) = (phone.agent(), self.account_of(index)) else { return };
        let codes = settle(self.sim.store.codes_of_account(account)).unwrap_or_default();
        let letter = codes.iter().rev().find_map(|code| keyring().codes.open(&code.value).ok());
        let Some(code): Option<ActivationCode> = letter else {
            return self.sim.log.count("act: no letter to enrol with");
        };
        phone.account.set(Some(account));
        let pin = format!("pin-{}", self.sim.draw(0..1000));
        self.sim.executor.spawn(phone.owner(), async move {
            if let Err(error) = agent.enrol(code, pin).await {
                agent.phone.say("phone: enrolment failed", || error.to_string());
            }
        });
    }

    fn unlock(&self, index: usize, right: bool) {
        let phone = &self.phones[index];
        let Some(agent) = phone.agent() else { return };
        let pin = if right { phone.pin.borrow().clone() } else { "another".to_owned() };
        self.sim.executor.spawn(phone.owner(), async move {
            match agent.unlock_and_fetch(pin).await {
                Ok(_) if !right => agent.phone.sim.unexpected(|| "a wrong PIN opened the vault".to_owned()),
                Ok(_) => {}
                Err(error) => agent.phone.say("phone: unlock failed", || error.to_string()),
            }
        });
    }

    fn note(&self, index: usize) {
        let Some(agent) = self.phones[index].agent() else { return };
        if let Err(error) = agent.write_note() {
            agent.phone.say("phone: no note", || error.to_string());
        }
    }

    fn break_wires(&self, phone: usize) {
        for wire in self.sim.wires.borrow().iter().filter(|wire| wire.is_of(phone)) {
            wire.break_down();
        }
    }

    fn sleep(&self, phone: usize) {
        if self.phones[phone].agent().is_some() {
            self.sim.log.count("fault: asleep");
            self.sim.bodies[phone].asleep.set(true);
            self.sim.executor.freeze(self.phones[phone].owner());
            self.break_wires(phone);
        }
    }

    /// The first thing that happens is that time has passed.
    fn wake(&self, phone: usize) {
        self.sim.executor.thaw(self.phones[phone].owner());
        if let Some(agent) = self.phones[phone].agent() {
            agent.tick();
        }
        self.sim.bodies[phone].asleep.set(false);
        self.sim.reachable.notify_waiters();
    }

    /// The process ends, and the person starts it again.
    fn kill_app(&self, index: usize) {
        let phone = self.phones[index].clone();
        if phone.agent().is_none() {
            return;
        }
        self.wake(index);
        phone.kill_app();
        self.sim.log.count("fault: app killed");
        let sim = self.sim.clone();
        self.sim.executor.spawn(Owner::World, async move {
            sim.executor.sleep(Duration::from_millis(sim.draw(100..5000))).await;
            phone.start_app();
        });
    }

    /// Whoever has the device key, and no PIN: KE1 after KE1, never KE3.
    fn thief(&self, index: usize, times: u32) {
        let phone = self.phones[index].clone();
        let Some(agent) = phone.agent() else { return };
        let Ok(key) = agent.device_key() else { return };
        let Some(device) = agent.inner.borrow().device.clone() else { return };
        let sim = self.sim.clone();
        self.sim.executor.spawn(Owner::World, async move {
            let key = shared::cose::Signer::public_key(&*key).clone();
            let Some(connection) = connect(&sim, phone.index, Door::Device(key)).await else { return };
            for _ in 0..times {
                let rng = &mut sim.crypto.clone();
                let secret = shared::crypto::Secret::make(rng);
                let input = client_input("a guess", &secret, device.enrolment);
                let Ok((_, ke1)) = LoginStart::make(input, rng) else { return };
                let start = UnlockStart { ke1, vault_epoch: device.vault_epoch };
                let answer = Exchange::ask::<_, UnlockChallenge>(&connection, &start).await;
                sim.log.count(if answer.is_ok() { "thief: answered" } else { "thief: not answered" });
            }
        });
    }

    fn command(&self, phone: usize, action: Action) {
        let Some(account) = self.account_of(phone) else { return };
        self.order(move |server| async move {
            server.order(account, action).await;
            Ok(())
        });
    }

    fn scheduler(&self) {
        self.order(|server| async move {
            server.tick().await;
            Ok(())
        });
    }

    /// Tasks hold what holds them: they go first.
    fn take_down(self) {
        self.sim.executor.kill(Owner::Server);
        self.sim.executor.kill(Owner::World);
        for phone in &self.phones {
            self.sim.executor.kill(phone.owner());
            phone.agent.borrow_mut().take();
        }
        self.sim.wires.borrow_mut().clear();
    }
}

fn staff_number(phone: usize) -> String {
    format!("10{phone:02}")
}

fn staff_file(staff: usize, people: u32) -> String {
    let mut file = String::from("職員番号,氏名,所属,職名,利用\n");
    // One who is always there: an empty file is no roster.
    file.push_str("9999,常勤 花子,総務課,,\n");
    for number in (0..staff).filter(|number| people & (1 << number) != 0) {
        file.push_str(&format!("{},職員 {number},総務課,,○\n", staff_number(number)));
    }
    file
}

fn kind(act: Act) -> &'static str {
    match act {
        Act::Enrol(_) => "act: enrol",
        Act::Unlock(_) => "act: unlock",
        Act::WrongPin(_) => "act: wrong PIN",
        Act::Lock(_) => "act: lock",
        Act::Note(_) => "act: note",
        Act::NoCoverage(_) => "act: no coverage",
        Act::Coverage(_) => "act: coverage",
        Act::SwitchOff(_) => "act: switch off",
        Act::SwitchOn(_) => "act: switch on",
        Act::Sleep(_) => "act: sleep",
        Act::Wake(_) => "act: wake",
        Act::KillApp(_) => "act: kill app",
        Act::CutPower(..) => "act: fuse lit",
        Act::WearOut(..) => "act: disk wears out",
        Act::SetClock(..) => "act: set clock",
        Act::Thief(..) => "act: thief",
        Act::Block(_) => "act: block",
        Act::Unblock(_) => "act: unblock",
        Act::Wipe(_) => "act: wipe",
        Act::Reissue(_) => "act: reissue",
        Act::Batch(_) => "act: batch",
        Act::Reclaim(_) => "act: reclaim",
        Act::SetPool(_) => "act: set pool",
        Act::Scheduler => "act: scheduler",
        Act::CrashServer => "act: crash server",
        Act::CrashAfterCommits(_) => "act: server's fuse lit",
        Act::StartServer(_) => "act: start server",
        Act::Weather(_) => "act: weather",
    }
}
