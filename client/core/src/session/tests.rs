//! The session against a server that signs what it is asked to: single stories, then any history.

mod delay;

use super::*;
use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;
use shared::cose::{self, Signer, SoftwareKey};
use shared::ids::CommandId;
use shared::signed::{Action, Command, Lease};

/// The keys of a server, and one enrolment of it.
pub(crate) struct Server {
    pub(crate) enrolment: EnrolmentId,
    command: SoftwareKey,
    lease: SoftwareKey,
}

fn key() -> SoftwareKey {
    SoftwareKey::from_pkcs8(&SoftwareKey::make_pkcs8().unwrap()).unwrap()
}

/// Both clocks, `seconds` after the device started.
pub(crate) fn moment(seconds: u64) -> Moment {
    let now = Timestamp::from_second(1_800_000_000 + i64::try_from(seconds).unwrap()).unwrap();
    Moment { now, boot: BootTime::from_start(Duration::from_secs(seconds)) }
}

impl Server {
    pub(crate) fn make(seed: u64) -> Self {
        let enrolment = EnrolmentId::make(moment(seed).now, &mut StdRng::seed_from_u64(seed));
        Self { enrolment, command: key(), lease: key() }
    }

    pub(crate) fn command_key(&self) -> PublicKey {
        self.command.public_key().clone()
    }

    pub(crate) fn lease_key(&self) -> PublicKey {
        self.lease.public_key().clone()
    }

    pub(crate) fn command(&self, action: Action, order: Order) -> Vec<u8> {
        self.command_for(self.enrolment, action, order)
    }

    pub(crate) fn command_for(&self, enrolment: EnrolmentId, action: Action, order: Order) -> Vec<u8> {
        let id = CommandId::make(moment(0).now, &mut StdRng::seed_from_u64(order.counter.into()));
        let command = Command { id, order, action, issued_at: moment(0).now };
        cose::sign(&command, enrolment.as_bytes(), &self.command).unwrap()
    }

    pub(crate) fn verified(&self, action: Action, order: Order) -> VerifiedCommand {
        let bytes = self.command(action, order);
        VerifiedCommand::verify(&bytes, self.enrolment, &self.command_key()).unwrap()
    }

    pub(crate) fn wipe(&self, order: Order) -> WipeAuthorised {
        match self.verified(Action::Wipe, order).accept(None) {
            Accepted::Wipe(wipe) => wipe,
            other => panic!("a wipe was accepted as {other:?}"),
        }
    }

    pub(crate) fn lease(&self, mode: LeaseMode, seconds: u32) -> Vec<u8> {
        let lease = Lease { mode, granted_at: moment(0).now, seconds };
        cose::sign(&lease, self.enrolment.as_bytes(), &self.lease).unwrap()
    }

    fn grant(&self, mode: LeaseMode, seconds: u32) -> UnlockGranted {
        let lease = (mode != LeaseMode::None).then(|| self.lease(mode, seconds).into());
        UnlockGranted { lease, policy: policy(mode), may_be_open_until: moment(0).now }
    }

    fn session(&self) -> Session {
        let identity = Identity {
            enrolment: self.enrolment,
            command_key: self.command_key(),
            lease_key: self.lease_key(),
        };
        Session::enrolled(identity, policy(LeaseMode::None), Progress::default(), None)
    }
}

const MAX_OPEN: u64 = 900;

fn policy(lease_mode: LeaseMode) -> Policy {
    Policy { lease_mode, max_open_seconds: MAX_OPEN as u32, wrong_pin_delay_seconds: 0, ..Policy::default() }
}

fn order(counter: u32) -> Order {
    Order { epoch: 0, counter }
}

fn unlock_online(server: &Server, session: &mut Session, at: u64, mode: LeaseMode, seconds: u32) {
    session.begin_online_unlock(moment(0)).unwrap();
    let lease = session.granted(&server.grant(mode, seconds)).unwrap();
    session.opened_online(moment(at), lease.as_ref());
}

#[test]
fn without_a_lease_the_vault_closes_max_open_after_the_unlock() {
    let server = Server::make(1);
    let mut session = server.session();
    unlock_online(&server, &mut session, 100, LeaseMode::None, 0);
    assert_eq!(session.next_deadline(), Some(moment(100 + MAX_OPEN).boot));
    assert_eq!(session.tick(moment(99 + MAX_OPEN)), vec![]);
    let closed = vec![Effect::CloseVault, Effect::Notify(Notice::Locked)];
    assert_eq!(session.tick(moment(100 + MAX_OPEN)), closed);
    assert_eq!(session.begin_offline_unlock(moment(101 + MAX_OPEN)), Err(UnlockRefusal::NoLease));
}

#[test]
fn a_hello_may_shorten_what_an_unlock_was_granted_but_not_lengthen_it() {
    let server = Server::make(1);
    let mut session = server.session();
    let hello = |session: &mut Session, max_open: u32| {
        session.policy_received(&Policy { max_open_seconds: max_open, ..policy(LeaseMode::None) });
        session.open_until()
    };
    unlock_online(&server, &mut session, 100, LeaseMode::None, 0);
    assert_eq!(hello(&mut session, 7200), Some(moment(100 + MAX_OPEN).boot));
    assert_eq!(hello(&mut session, 60), Some(moment(160).boot));
    assert_eq!(hello(&mut session, 7200), Some(moment(160).boot));
    session.lock();
    unlock_online(&server, &mut session, 200, LeaseMode::None, 0);
    assert_eq!(session.open_until(), Some(moment(200 + MAX_OPEN).boot), "the next unlock is granted anew");
}

#[test]
fn within_a_lease_the_vault_opens_without_the_server_and_closes_at_its_end() {
    let server = Server::make(1);
    let mut session = server.session();
    unlock_online(&server, &mut session, 0, LeaseMode::Volatile, 5000);
    session.lock();
    session.begin_offline_unlock(moment(4000)).unwrap();
    assert_eq!(session.opened_offline(moment(4001)), vec![Effect::Notify(Notice::Unlocked)]);
    assert_eq!(session.tick(moment(4999)), vec![]);
    let ended = vec![Effect::CloseVault, Effect::Notify(Notice::Locked), Effect::DropOfflineSlot];
    assert_eq!(session.tick(moment(5000)), ended);
}

#[test]
fn wrong_pins_without_the_server_end_the_lease() {
    let server = Server::make(1);
    let mut session = server.session();
    unlock_online(&server, &mut session, 0, LeaseMode::Volatile, 5000);
    session.lock();
    for _ in 1..crate::lease::OFFLINE_TRIES {
        session.begin_offline_unlock(moment(10)).unwrap();
        assert_eq!(session.unlock_failed(moment(11), Tested::Wrong), vec![]);
    }
    session.begin_offline_unlock(moment(12)).unwrap();
    assert_eq!(session.unlock_failed(moment(13), Tested::Wrong), vec![Effect::DropOfflineSlot]);
    assert_eq!(session.begin_offline_unlock(moment(14)), Err(UnlockRefusal::NoLease));
}

#[test]
fn a_durable_lease_is_stored_while_it_runs_and_after_its_last_try() {
    let server = Server::make(1);
    let mut session = server.session();
    unlock_online(&server, &mut session, 0, LeaseMode::Durable, 5000);
    assert_eq!(session.tick(moment(59)), vec![]);
    assert_eq!(session.tick(moment(60)), vec![Effect::StoreLease]);
    session.lock();
    for _ in 1..crate::lease::OFFLINE_TRIES {
        session.begin_offline_unlock(moment(70)).unwrap();
        session.unlock_failed(moment(70), Tested::Wrong);
    }
    session.begin_offline_unlock(moment(71)).unwrap();
    let stored =
        session.lease_to_store(moment(71), [1; 16]).expect("the last try is stored before the PIN is tested");
    assert_eq!(stored.resume(moment(72), [1; 16]), None);
}

#[test]
fn a_lease_signed_by_another_key_opens_nothing() {
    let (server, other) = (Server::make(1), Server::make(1));
    let mut session = server.session();
    session.begin_online_unlock(moment(0)).unwrap();
    let refused = session.granted(&other.grant(LeaseMode::Volatile, 5000));
    assert_eq!(refused, Err(VerifyError::WrongKey));
}

#[test]
fn a_block_that_overtakes_an_unlock_wins() {
    let server = Server::make(1);
    let mut session = server.session();
    session.begin_online_unlock(moment(0)).unwrap();
    let lease = session.granted(&server.grant(LeaseMode::Volatile, 5000)).unwrap();
    session.handle_command(&server.command(Action::Block, order(1))).unwrap();
    let undone = vec![Effect::CloseVault, Effect::DropOfflineSlot];
    assert_eq!(session.opened_online(moment(1), lease.as_ref()), undone);
    assert_eq!(session.state(), State::Blocked);
}

#[test]
fn a_repeated_command_has_no_second_effect() {
    let server = Server::make(1);
    let mut session = server.session();
    let (block, unblock) =
        (server.command(Action::Block, order(1)), server.command(Action::Unblock, order(2)));
    assert!(!session.handle_command(&block).unwrap().is_empty());
    assert_eq!(session.handle_command(&block), Ok(vec![]));
    assert!(!session.handle_command(&unblock).unwrap().is_empty());
    assert_eq!(session.handle_command(&block), Ok(vec![]));
    assert_eq!(session.state(), State::Locked);

    let wipe = server.command(Action::Wipe, order(0));
    assert!(matches!(session.handle_command(&wipe).unwrap()[..], [_, Effect::Erase(_)]));
    assert_eq!(session.handle_command(&wipe), Ok(vec![]));
    assert_eq!(session.begin_online_unlock(moment(0)), Err(UnlockRefusal::Wiped));
}

#[test]
fn a_restart_remembers_a_block() {
    let server = Server::make(1);
    let mut session = server.session();
    session.handle_command(&server.command(Action::Block, order(1))).unwrap();
    let identity = session.identity().unwrap().clone();
    let mut session = Session::enrolled(identity, policy(LeaseMode::None), session.progress(), None);
    assert_eq!(session.begin_online_unlock(moment(0)), Err(UnlockRefusal::Blocked));
}

#[test]
fn a_lease_ends_when_the_policy_no_longer_allows_its_mode() {
    let server = Server::make(1);
    let mut session = server.session();
    unlock_online(&server, &mut session, 0, LeaseMode::Volatile, 5000);
    assert_eq!(session.policy_received(&policy(LeaseMode::Durable)), vec![]);
    assert_eq!(session.policy_received(&policy(LeaseMode::None)), vec![Effect::DropOfflineSlot]);
}

#[test]
fn a_vault_opened_within_a_lease_closes_when_the_policy_ends_that_lease() {
    let server = Server::make(1);
    let mut session = server.session();
    unlock_online(&server, &mut session, 0, LeaseMode::Durable, 5000);
    let lease = session.lease_to_store(moment(10), [1; 16]).unwrap().resume(moment(20), [1; 16]);
    let identity = session.identity().unwrap().clone();
    let mut restarted = Session::enrolled(identity, policy(LeaseMode::Durable), Progress::default(), lease);
    restarted.begin_offline_unlock(moment(20)).unwrap();
    restarted.opened_offline(moment(20));
    let closed = vec![Effect::CloseVault, Effect::Notify(Notice::Locked), Effect::DropOfflineSlot];
    assert_eq!(restarted.policy_received(&policy(LeaseMode::Volatile)), closed);
}

#[derive(Debug, Clone)]
enum Event {
    Online(LeaseMode, u32),
    /// The server grants, but the disk is full.
    OnlineNotKept(LeaseMode, u32),
    Offline {
        right_pin: bool,
    },
    Fail,
    Lock,
    Pass(u64),
    Hello {
        max_open: u32,
    },
    Withheld,
    Command(Action, u32),
    Restart,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let mode = prop::sample::select(vec![LeaseMode::None, LeaseMode::Volatile, LeaseMode::Durable]);
    let reversible = prop::sample::select(vec![Action::Block, Action::Unblock]);
    let event = prop_oneof![
        4 => (mode.clone(), 1_u32..4000).prop_map(|(mode, seconds)| Event::Online(mode, seconds)),
        1 => (mode, 1_u32..4000).prop_map(|(mode, seconds)| Event::OnlineNotKept(mode, seconds)),
        4 => any::<bool>().prop_map(|right_pin| Event::Offline { right_pin }),
        1 => Just(Event::Fail),
        2 => Just(Event::Lock),
        4 => (0_u64..2000).prop_map(Event::Pass),
        2 => (1_u32..5000).prop_map(|max_open| Event::Hello { max_open }),
        1 => Just(Event::Withheld),
        3 => (reversible, 0_u32..20).prop_map(|(action, counter)| Event::Command(action, counter)),
        1 => Just(Event::Command(Action::Wipe, 0)),
        1 => Just(Event::Restart),
    ];
    prop::collection::vec(event, 0..60)
}

/// What the driver holds by obeying the effects: the vault, the offline slot with its lease, progress on disk.
#[derive(Default)]
struct Driver {
    vault_open: bool,
    offline_until: Option<u64>,
    stored: Progress,
    erases: usize,
    applied: Vec<Order>,
}

impl Driver {
    fn execute(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::CloseVault => self.vault_open = false,
                Effect::DropOfflineSlot => self.offline_until = None,
                Effect::Store(progress) => {
                    self.stored = progress;
                    self.applied.extend(progress.last_applied);
                }
                Effect::Erase(_) => {
                    (self.vault_open, self.offline_until) = (false, None);
                    self.erases += 1;
                }
                Effect::StoreLease | Effect::StorePinDelay | Effect::Notify(_) => {}
            }
        }
    }

    fn online(
        &mut self,
        server: &Server,
        session: &mut Session,
        at: u64,
        (mode, seconds): (LeaseMode, u32),
        kept: bool,
    ) {
        if session.begin_online_unlock(moment(0)).is_err() {
            return;
        }
        let lease = session.granted(&server.grant(mode, seconds)).unwrap();
        self.vault_open = true;
        if lease.is_some() {
            self.offline_until = Some(at + u64::from(seconds));
        }
        self.execute(match kept {
            true => session.opened_online(moment(at), lease.as_ref()),
            false => session.opening_failed(),
        });
    }

    fn offline(&mut self, session: &mut Session, at: u64, right_pin: bool) {
        if session.begin_offline_unlock(moment(at)).is_err() {
            return;
        }
        assert!(self.offline_until.is_some_and(|until| at < until), "offline only within a lease");
        if right_pin {
            self.vault_open = true;
            self.execute(session.opened_offline(moment(at)));
        } else {
            self.execute(session.unlock_failed(moment(at), Tested::Wrong));
        }
    }

    fn check(&self, session: &Session, at: u64, unlocked: u64) {
        let open = session.state() == State::Open;
        assert_eq!(self.vault_open, open, "the vault is open exactly when the session says so");
        assert_eq!(self.stored, session.progress(), "what commands changed is on disk");
        if open {
            let until = (unlocked + MAX_OPEN).max(self.offline_until.unwrap_or(0));
            assert!(at < until, "open at {at}, though only until {until}");
        }
        if matches!(session.state(), State::Blocked | State::Wiping) {
            assert_eq!(self.offline_until, None, "no offline slot outlives a block or wipe");
        }
        assert!(self.applied.windows(2).all(|pair| pair[0] < pair[1]), "each command applies once, in order");
        assert!(self.erases <= 1);
        assert_eq!(self.erases == 1, session.state() == State::Wiping);
    }
}

proptest! {
    #[test]
    fn any_history_keeps_the_rules(events in events()) {
        let server = Server::make(1);
        let (mut session, mut driver) = (server.session(), Driver::default());
        let (mut at, mut unlocked) = (0, 0);
        for event in events {
            match event {
                Event::Online(mode, seconds) => {
                    if session.state() == State::Locked {
                        unlocked = at;
                    }
                    driver.online(&server, &mut session, at, (mode, seconds), true);
                }
                Event::OnlineNotKept(mode, seconds) => {
                    driver.online(&server, &mut session, at, (mode, seconds), false);
                }
                Event::Offline { right_pin } => driver.offline(&mut session, at, right_pin),
                Event::Fail => driver.execute(session.unlock_failed(moment(at), Tested::Wrong)),
                Event::Lock => driver.execute(session.lock()),
                Event::Pass(seconds) => at += seconds,
                Event::Hello { max_open } => {
                    let hello = Policy { max_open_seconds: max_open, ..policy(LeaseMode::Durable) };
                    driver.execute(session.policy_received(&hello));
                }
                Event::Withheld => driver.execute(session.help_withheld()),
                Event::Command(action, counter) => {
                    driver.execute(session.handle_command(&server.command(action, order(counter))).unwrap());
                }
                Event::Restart if session.state() != State::Wiping => {
                    let identity = session.identity().unwrap().clone();
                    session = Session::enrolled(identity, session.policy().clone(), driver.stored, None);
                    driver.vault_open = false;
                    driver.offline_until = None;
                }
                Event::Restart => {}
            }
            driver.execute(session.tick(moment(at)));
            driver.check(&session, at, unlocked);
        }
    }
}
