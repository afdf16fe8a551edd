//! Histories of honest folders never fork; copies do.

use proptest::prelude::*;

use super::*;
use crate::code::{CodeRecord, CodeState};
use crate::device::DeviceState;
use crate::enrol::{self, Registration};
use crate::testing::{account, code, description, device, noon, public_key, rng, stored, written_device};

fn id(number: u16) -> RunId {
    let [high, low] = number.to_be_bytes();
    let mut bytes = [0; 16];
    (bytes[0], bytes[1]) = (high, low);
    RunId::from_bytes(bytes)
}

fn run(number: u16, after: Option<u16>) -> Option<Run> {
    Some(Run { id: id(number), after: after.map(id) })
}

/// What a server knows after these hellos, each of which it takes.
fn after(hellos: &[Option<Run>]) -> Runs {
    hellos.iter().fold(Runs::default(), |runs, said| runs.follow(*said, 1).unwrap())
}

#[test]
fn runs_of_one_folder_follow_and_repeat() {
    let runs = after(&[
        run(1, None),
        run(1, None),
        run(2, Some(1)),
        run(3, Some(1)),
        run(3, Some(1)),
        run(4, Some(3)),
    ]);
    assert_eq!(runs, Runs { epoch: 1, anchor: Some(id(3)), since: vec![id(4)] });
}

#[test]
fn a_run_that_comes_again_after_another_has_grown_from_it_is_a_fork() {
    let runs = after(&[run(1, None), run(2, Some(1))]);
    assert_eq!(runs.follow(run(1, None), 1), Err(Forked), "the original is still there");
    assert_eq!(runs.follow(run(3, None), 1), Err(Forked), "an older copy");
    let runs = after(&[run(1, None), run(2, Some(1)), run(3, Some(1)), run(4, Some(3))]);
    assert_eq!(runs.follow(run(5, Some(2)), 1), Err(Forked), "two have grown from run 1");
}

#[test]
fn an_app_that_says_no_run_is_taken_only_before_one_did() {
    assert_eq!(Runs::default().follow(None, 1), Ok(Runs::default()));
    assert_eq!(after(&[run(1, None)]).follow(None, 1), Err(Forked));
    assert_eq!(after(&[run(1, None)]).follow(None, 2), Err(Forked), "nor after a restore");
}

#[test]
fn a_restored_server_takes_whatever_run_comes_first() {
    let runs = after(&[run(1, None)]);
    assert_eq!(runs.follow(run(9, Some(8)), 1), Err(Forked));
    let runs = runs.follow(run(9, Some(8)), 2).unwrap();
    assert_eq!(runs.follow(run(1, None), 2), Err(Forked), "and goes on from there");
}

#[test]
fn an_enrolment_that_is_begun_again_in_one_process_goes_on_in_its_line() {
    let phone = Device {
        runs: after(&[run(1, None), run(2, Some(1))]),
        ..device(&account(), public_key(), DeviceState::Live)
    };
    let bound = CodeRecord { state: CodeState::Bound(phone.enrolment), ..code(&account()) };
    let registration = Registration {
        code: stored(bound.clone()),
        account: account(),
        devices: vec![stored(phone.clone())],
        limit: 1,
        key_is_known: true,
        key: phone.key.clone(),
        description: description(),
        certificate_until: noon(),
    };
    let registered = enrol::register(registration, noon(), &mut rng()).unwrap();
    assert_eq!(registered.enrolment, phone.enrolment);

    // It breaks off there: the process goes on, and the next one begins after the run that its folder still names.
    let broken_off = written_device(&registered.changes);
    assert_eq!(broken_off.runs, phone.runs);
    assert!(broken_off.runs.follow(run(2, Some(1)), 1).is_ok());
    assert!(broken_off.runs.follow(run(3, Some(2)), 1).is_ok());
    assert_eq!(
        broken_off.runs.follow(run(3, None), 1),
        Err(Forked),
        "the control: a folder that has forgotten"
    );

    // It is completed: the same process is the first of a new line, and the next one follows.
    let completed = enrol::complete(stored(broken_off), stored(bound), noon()).unwrap();
    let line = written_device(&completed).runs.follow(run(2, Some(1)), 1).unwrap();
    assert!(line.follow(run(3, Some(2)), 1).is_ok());
    assert_eq!(line.follow(run(3, None), 1), Err(Forked), "the control");
}

/// One folder: the process that has it open, and what lies on the disk.
#[derive(Debug, Clone)]
struct Folder {
    disk: Option<RunId>,
    process: Run,
}

#[derive(Debug, Clone)]
enum Event {
    /// Hello, answered; whether the answer arrives and is kept.
    Hello { kept: bool },
    /// The process dies, however, and begins anew.
    Restart,
    /// The process enrols once more; whether it gets as far as a new PIN.
    EnrolAgain { completed: bool },
    /// The server is restored from a backup of then.
    Restore { back: usize },
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        6 => any::<bool>().prop_map(|kept| Event::Hello { kept }),
        4 => Just(Event::Restart),
        1 => any::<bool>().prop_map(|completed| Event::EnrolAgain { completed }),
        1 => (0_usize..20).prop_map(|back| Event::Restore { back }),
    ];
    proptest::collection::vec(event, 1..120)
}

struct World {
    next: u16,
    epoch: u32,
    server: Runs,
    backups: Vec<Runs>,
}

impl World {
    fn new() -> Self {
        Self { next: 0, epoch: 0, server: Runs::default(), backups: vec![Runs::default()] }
    }

    fn open(&mut self, disk: Option<RunId>) -> Folder {
        self.next += 1;
        Folder { disk, process: Run { id: id(self.next), after: disk } }
    }

    /// [`enrol::complete`] begins a new line. The folder keeps the name of its last run.
    fn enrol_again(&mut self, completed: bool) {
        if completed {
            self.server = Runs::default();
            self.backups.push(self.server.clone());
        }
    }

    fn hello(&mut self, folder: &mut Folder, kept: bool) -> Result<(), Forked> {
        self.server = self.server.follow(Some(folder.process), self.epoch)?;
        self.backups.push(self.server.clone());
        if kept {
            folder.disk = Some(folder.process.id);
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn no_history_of_one_folder_is_a_fork(events in events()) {
        let mut world = World::new();
        let mut folder = world.open(None);
        for event in events {
            match event {
                Event::Hello { kept } => prop_assert_eq!(world.hello(&mut folder, kept), Ok(())),
                Event::Restart => folder = world.open(folder.disk),
                Event::EnrolAgain { completed } => world.enrol_again(completed),
                Event::Restore { back } => {
                    let kept = world.backups.len().saturating_sub(back).max(1);
                    world.backups.truncate(kept);
                    world.server = world.backups[kept - 1].clone();
                    world.epoch += 1;
                }
            }
        }
    }

    /// A copy and its original, both of which say hello and keep the answer: one of them is found out within three hellos of each,
    /// whatever went before. That neither ever lives beside the other is no way out.
    #[test]
    fn a_copy_and_its_original_fork(events in events(), copy_first: bool) {
        let mut world = World::new();
        let mut folder = world.open(None);
        for event in events {
            match event {
                Event::Hello { kept } => world.hello(&mut folder, kept).unwrap(),
                Event::Restart => folder = world.open(folder.disk),
                Event::EnrolAgain { completed } => world.enrol_again(completed),
                Event::Restore { .. } => {}
            }
        }
        world.hello(&mut folder, true).unwrap();
        let mut pair = [folder.clone(), world.open(folder.disk)];
        if copy_first {
            pair.swap(0, 1);
        }
        let mut found = false;
        for _ in 0..3 {
            for one in &mut pair {
                found |= world.hello(one, true).is_err();
                *one = world.open(one.disk);
            }
        }
        prop_assert!(found);
    }
}
