//! Server and phone at once: both lose their power at one moment, each what it loses, while a certificate is renewed, the
//! vault is unlocked anew within a lease, the PIN is changed, something is stored and the phone is blocked.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use e2e::world::powercut::{Disk, Loss, Recorder, Recording, Tree};
use e2e::world::{Launch, Process, World};
use jiff::{SignedDuration, Timestamp};
use mdm_core::change::{Changeset, Record};
use mdm_core::device::{Device, DeviceState as Standing};
use mdm_server::keyring::{Keyring, read_master_key};
use mdm_server::server::{open_store, open_unlock_records};
use mdm_store::{Charge, Charged};
use rand::rngs::OsRng;
use shared::crypto::Secret;
use shared::ids::EnrolmentId;
use shared::opaque::{ExportKey, FinishedLogin, LoginStart, Stretching, client_input};
use vault::{Collection, DurableLease, Home, LoadSlotError, Slot, SlotError, SlotKind, Vault, VaultKey};

use super::points;
use crate::thief::{Holder, MARKER, MEMO, PIN, holder, runtime};

const NEW: &str = "135792468";
const NOTE: &str = "note";
/// How many points besides those where something was acknowledged.
const POINTS: usize = 48;

/// What is asked for, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Renew,
    Unlock,
    ChangePin,
    Store,
    Block,
    Obey,
}

struct Story {
    recording: Recording,
    /// When each began, and when its answer was there.
    steps: Vec<(Step, usize, usize)>,
}

impl Story {
    fn began(&self, step: Step, at: usize) -> bool {
        self.steps.iter().any(|(one, began, _)| *one == step && at >= *began)
    }

    fn answered(&self, step: Step, at: usize) -> bool {
        self.steps.iter().any(|(one, _, answered)| *one == step && at >= *answered)
    }
}

/// The certificate of a device of a stopped server is to be renewed at its next hello.
fn make_due(world: &World, enrolment: EnrolmentId) -> Result<()> {
    runtime()?.block_on(async {
        let store = open_store(&world.data())?;
        let stored = store.device(enrolment).await?.context("the device")?;
        let certificate_until = Timestamp::now() + SignedDuration::from_hours(24);
        let mut changes = Changeset::default();
        changes.update(stored.version, Record::Device(Device { certificate_until, ..stored.value }));
        store.commit(changes).await?;
        Ok(())
    })
}

fn story(world: &mut World, holder: &Holder) -> Result<Story> {
    let recorder = Recorder::of_parts(world, world.folder(), &[Path::new("data"), Path::new("phones")])?;
    world.start_with(&Launch::with(recorder.shim()))?;
    let note = world.file("note", MARKER)?;
    let note = note.to_str().context("a path in UTF-8")?;
    let mut steps = Vec::new();
    for step in [Step::Renew, Step::Unlock, Step::ChangePin, Step::Store, Step::Block, Step::Obey] {
        let began = recorder.now()?;
        let phone = |arguments: &[&str]| {
            let mut command = holder.phone.command(arguments)?;
            Process::spawn("phone", recorder.prepare(&mut command))?.finish()?.expect_success(arguments[0])
        };
        match step {
            Step::Renew | Step::Obey => drop(phone(&["sync"])?),
            Step::Unlock => drop(phone(&["unlock", "--pin", PIN])?),
            Step::ChangePin => drop(phone(&["change-pin", "--pin", PIN, "--new-pin", NEW])?),
            Step::Store => drop(phone(&["put", NOTE, note, "--pin", NEW])?),
            Step::Block => drop(holder.order(world, "block")?),
        }
        steps.push((step, began, recorder.now()?));
    }
    world.stop()?;
    Ok(Story { recording: recorder.finish()?, steps })
}

/// A record of the key file and a PIN.
type LoginInput = (Vec<u8>, &'static str);
/// An offline slot, the lease beside it, and a PIN.
type OfflineInput = (Vec<u8>, Vec<u8>, &'static str);

/// What is needed to look at what is left, and what was worked out before: Argon2id is slow and its inputs are few.
struct Eye {
    enrolment: EnrolmentId,
    device_secret: Secret<32>,
    keyring: Keyring,
    /// The certificate before and after it was renewed.
    certificates: [Vec<u8>; 2],
    logins: RefCell<HashMap<LoginInput, Option<ExportKey>>>,
    offline: RefCell<HashMap<OfflineInput, bool>>,
}

impl Eye {
    /// What a login with this PIN against this record gives the phone.
    fn login(&self, charged: &Charged, pin: &'static str) -> Result<Option<ExportKey>> {
        let key = (charged.record.expose().to_vec(), pin);
        if let Some(known) = self.logins.borrow().get(&key) {
            return Ok(known.clone());
        }
        let input = client_input(pin, &self.device_secret, self.enrolment);
        let (start, ke1) = LoginStart::make(input, &mut OsRng)?;
        let (_, ke2) = self.keyring.opaque.login(
            &charged.record,
            &charged.credential,
            self.enrolment,
            &ke1,
            &mut OsRng,
        )?;
        let finished = start.finish(&ke2, self.enrolment, Stretching::default(), &mut OsRng);
        let export_key = finished.ok().map(|FinishedLogin { export_key, .. }| export_key);
        self.logins.borrow_mut().insert(key, export_key.clone());
        Ok(export_key)
    }

    /// The vault key by this PIN, with the server's help: either slot may fit, as the phone tries both.
    fn open(&self, home: &Home, charged: &Charged, pin: &'static str) -> Result<Option<VaultKey>> {
        let Some(export_key) = self.login(charged, pin)? else { return Ok(None) };
        let slots = [Slot::load(home, SlotKind::Online)?, Slot::load_next(home)?];
        let opened =
            slots.iter().flatten().find_map(|slot| slot.open_online(&export_key, &self.device_secret).ok());
        Ok(opened)
    }

    /// Whether this PIN opens what a lease has left on the phone, without the server.
    fn opens_offline(&self, home: &Home, pin: &'static str) -> Result<bool> {
        let slot = match Slot::load(home, SlotKind::Offline) {
            // Overwritten and not yet unlinked.
            Err(LoadSlotError::Slot(SlotError::Malformed)) => None,
            loaded => loaded?,
        };
        let (Some(slot), Some(lease)) = (slot, DurableLease::load(home)?) else { return Ok(false) };
        let key = (slot.to_bytes(), lease.secret.expose().to_vec(), pin);
        if let Some(known) = self.offline.borrow().get(&key) {
            return Ok(*known);
        }
        let opened = slot.open_offline(pin, &self.device_secret, &lease.secret).is_ok();
        self.offline.borrow_mut().insert(key, opened);
        Ok(opened)
    }
}

/// The server's side of what is left.
struct Left {
    device: Device,
    charged: Box<Charged>,
}

async fn look_at_server(data: &Path, enrolment: EnrolmentId) -> Result<Left> {
    let device = open_store(data)?.device(enrolment).await?.context("the device is gone")?.value;
    match open_unlock_records(data)?.charge(enrolment).await? {
        Charge::Charged(charged) => Ok(Left { device, charged }),
        Charge::Exhausted => anyhow::bail!("all attempts are charged, of which one was wrong at most"),
        Charge::Missing => anyhow::bail!("the record of a device that is not wiped is gone"),
    }
}

fn check(story: &Story, eye: &Eye, data: &Path, home: &Path, at: usize) -> Result<&'static str> {
    let (began, answered) = (|step| story.began(step, at), |step| story.answered(step, at));
    let left = runtime()?.block_on(look_at_server(data, eye.enrolment))?;
    let home = Home::new(home);
    let state = client_agent::DeviceState::load(&home)?.context("the phone's state is gone")?;

    let [before, after] = &eye.certificates;
    ensure!(state.certificate == *before || state.certificate == *after, "another certificate");
    ensure!(
        !answered(Step::Renew) || state.certificate == *after,
        "renewed, and the old certificate is back"
    );

    let (old, new) = (eye.open(&home, &left.charged, PIN)?, eye.open(&home, &left.charged, NEW)?);
    let (holds, key) = match (old, new) {
        (Some(key), None) => (PIN, key),
        (None, Some(key)) => (NEW, key),
        (old, new) => anyhow::bail!("the old PIN opens: {}, the new one: {}", old.is_some(), new.is_some()),
    };
    ensure!(began(Step::ChangePin) || holds == PIN, "the new PIN holds before it was chosen");
    ensure!(!answered(Step::ChangePin) || holds == NEW, "the change was acknowledged, and the old PIN holds");

    let other = if holds == PIN { NEW } else { PIN };
    ensure!(!eye.opens_offline(&home, other)?, "the lease opens by the PIN that does not hold");
    let leased = eye.opens_offline(&home, holds)?;
    let is_promised = |from, until| answered(from) && !began(until);
    let promised = is_promised(Step::Unlock, Step::ChangePin) || is_promised(Step::ChangePin, Step::Store);
    ensure!(leased || !promised, "a lease was granted, and its slot does not open");
    let slots = [home.offline_slot(), home.lease_secret()].map(|path| path.exists());
    ensure!(!answered(Step::Obey) || slots == [false; 2], "blocked, and of a lease there is {slots:?}");
    ensure!(!answered(Step::Obey) || state.progress.blocked, "the block was obeyed, and is forgotten");
    let standing = &left.device.state;
    ensure!(!answered(Step::Block) || *standing == Standing::Blocked, "blocked, and now {standing:?}");
    ensure!(left.device.vault_epoch <= state.vault_epoch, "the phone is taken for an older copy of itself");

    let vault = Vault::open(&home, &key, eye.enrolment)?;
    let read = |name: &str| -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        vault.load_file(Collection::Files, name, &mut bytes)?;
        Ok(bytes)
    };
    ensure!(read(MEMO)? == MARKER, "the memo is another");
    ensure!(!answered(Step::Store) || read(NOTE)? == MARKER, "the note was stored, and is another");
    Ok(holds)
}

/// What each side may have lost when both go at once.
const LOSSES: [(Loss, Loss); 6] = [
    (Loss::Nothing, Loss::Nothing),
    (Loss::All, Loss::All),
    (Loss::All, Loss::Nothing),
    (Loss::Nothing, Loss::All),
    (Loss::Some(1), Loss::Some(2)),
    (Loss::Some(3), Loss::Some(4)),
];

fn by_point(loss: Loss, at: usize) -> Loss {
    match loss {
        Loss::Some(seed) => Loss::Some(seed + 16 * at as u64),
        whole => whole,
    }
}

/// Puts what is left of both into a folder and looks at it.
fn cut(
    story: &Story,
    eye: &Eye,
    at: usize,
    server: (&Disk, Loss),
    phone: (&Disk, Loss),
) -> Result<&'static str> {
    let place = tempfile::TempDir::new()?;
    let (data, home) = (place.path().join("data"), place.path().join("phone"));
    let left = |(disk, loss): (&Disk, Loss), part: &str| -> Tree { disk.cut(loss).part(part) };
    let (server, phone) = (left(server, "data"), left(phone, "phones/both"));
    for tree in [&server, &phone] {
        let readable = tree.containing(MARKER);
        ensure!(readable.is_empty(), "what was stored is readable in {readable:?}");
    }
    server.write(&data)?;
    phone.write(&home)?;
    check(story, eye, &data, &home, at)
}

#[test]
fn whenever_both_lose_their_power_one_pin_opens_the_vault_and_what_was_acknowledged_holds() {
    let mut world = World::with_durable_leases().unwrap();
    world.start().unwrap();
    let holder = holder(&world, "both").unwrap();
    holder.put(MEMO, &world.file("memo", MARKER).unwrap()).unwrap();
    let enrolment = holder.enrolment().unwrap();
    world.stop().unwrap();
    make_due(&world, enrolment).unwrap();
    let home = Home::new(holder.phone.home());
    let certificate = || client_agent::DeviceState::load(&home).unwrap().unwrap().certificate;
    let before = certificate();
    let story = story(&mut world, &holder).unwrap();
    assert_ne!(before, certificate(), "the certificate was renewed");
    let eye = Eye {
        enrolment,
        device_secret: Secret::from_slice(&std::fs::read(home.device_secret()).unwrap()).unwrap(),
        keyring: Keyring::open(&world.data(), &read_master_key(&world.secrets()).unwrap()).unwrap(),
        certificates: [before, certificate()],
        logins: RefCell::default(),
        offline: RefCell::default(),
    };

    let answers: Vec<usize> = story.steps.iter().map(|(.., answered)| *answered).collect();
    let points = points(&story.recording, POINTS, &answers);
    let (mut cuts, mut old, mut within) = (0, 0, [0; 6]);
    for at in &points {
        let disk = story.recording.disk(*at);
        for (server, phone) in LOSSES {
            let (server, phone) = (by_point(server, *at), by_point(phone, *at));
            let holds = cut(&story, &eye, *at, (&disk, server), (&disk, phone)).with_context(|| {
                format!("cut after {at} of {answers:?}; the server loses {server:?}, the phone {phone:?}")
            });
            cuts += 1;
            old += usize::from(holds.unwrap() == PIN);
        }
        if let Some(step) =
            story.steps.iter().position(|(_, began, answered)| (*began..*answered).contains(at))
        {
            within[step] += 1;
        }
    }
    let changes = story.recording.changes.len();
    println!(
        "both: {changes} changes and syncs, {} points, {cuts} cuts, {within:?} inside the steps",
        points.len()
    );
    println!("the old PIN held after {old} of them; the steps: {:?}", story.steps);
    assert!(old > 0 && old < cuts, "cuts on one side of the change only");
    assert!(within.iter().all(|points| *points > 0), "no cut fell into one of the steps: {within:?}");

    // A phone that was cut in the midst of a change has an offline slot of zeros, and no fault: it asks for the server.
    let cut_off = |name: &str, zeros: bool| {
        let phone = world.phone(name);
        let (.., answered) = story.steps.iter().find(|(step, ..)| *step == Step::ChangePin).unwrap();
        story.recording.disk(*answered).cut(Loss::All).part("phones/both").write(phone.home()).unwrap();
        let slot = Home::new(phone.home()).offline_slot();
        let length = std::fs::metadata(&slot).unwrap().len();
        if zeros {
            std::fs::write(slot, vec![0; usize::try_from(length).unwrap()]).unwrap();
        }
        phone.try_unlock(NEW).unwrap()
    };
    let opened = cut_off("whole", false).expect_success("an unlock within the lease").unwrap().text();
    assert!(opened.contains("within the lease"), "{opened}");
    let said = cut_off("zeros", true).expect_failure("an unlock without a slot").unwrap();
    assert!(!said.contains("damaged"), "{said}");

    // The controls: of two sides that do not sync, each loses what the other relies on.
    let acknowledged = story.steps.iter().find(|(step, ..)| *step == Step::ChangePin).unwrap().2;
    let (synced, risky) =
        (story.recording.disk(acknowledged), story.recording.disk_without_syncs(acknowledged));
    for (server, phone) in [(&synced, &risky), (&risky, &synced)] {
        let said =
            cut(&story, &eye, acknowledged, (server, Loss::All), (phone, Loss::All)).unwrap_err().to_string();
        println!("without the syncs of one side: {said}");
    }
    let whole = cut(&story, &eye, acknowledged, (&risky, Loss::Nothing), (&risky, Loss::Nothing));
    assert_eq!(whole.unwrap(), NEW, "what nothing is lost of is whole: the complaints are of the loss");
}
