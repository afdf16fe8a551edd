//! Commands and receipts: which are obeyed, which are not, and what a block withholds.

mod block;

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use e2e::attacker::{Answer, FalseLink, FalseServer, Identity, RawDevice};
use e2e::world::{LocalWorld, Process, World};
use jiff::Timestamp;
use mdm_server::service::Service;
use rand::rngs::OsRng;
use serde_json::Value;
use shared::cose::{self, Signer, SoftwareKey};
use shared::crypto::hazmat::sha256;
use shared::ids::{CommandId, EnrolmentId};
use shared::policy::LeaseMode;
use shared::signed::{Action, Command, ErasureStep, Lease, Order, Receipt};
use shared::wire::{CommandResult, ReceiptAck, ReceiptMessage, RefusalReason};
use tokio::runtime::Runtime;

use crate::thief::{Holder, edit_state, holder, left_in, runtime};

/// A phone that is connected to a server with the stolen TLS key of its own server.
struct Deceived {
    world: LocalWorld,
    runtime: Runtime,
    holder: Holder,
    process: Process,
    link: FalseLink,
    _server: FalseServer,
}

impl Deceived {
    fn new() -> Result<Self> {
        let world = LocalWorld::new()?;
        let holder = holder(&world, "deceived")?;
        let runtime = runtime()?;
        let service = world.service()?;
        let stolen = Identity::self_signed(service.keyring.tls_pkcs8(), e2e::attacker::Validity::ALWAYS)?;
        let server = runtime.block_on(async { FalseServer::start(&stolen) })?;
        edit_state(&holder.phone, |state| state.server = server.address().to_string())?;
        let process = holder.phone.spawn(&["run"])?;
        let link = runtime.block_on(server.accept())?;
        process.wait_for_line("connecting", |line| (line == "connected").then_some(()))?;
        Ok(Self { world, runtime, holder, process, link, _server: server })
    }

    fn service(&self) -> Result<std::sync::Arc<Service>> {
        self.world.service()
    }

    fn enrolment(&self) -> Result<EnrolmentId> {
        self.holder.enrolment()
    }

    fn push(&self, command: &[u8]) -> Result<Answer> {
        self.runtime.block_on(self.link.command(command))
    }

    /// A command as the real server would sign it.
    fn signed(&self, action: Action, counter: u32) -> Result<Vec<u8>> {
        let service = self.service()?;
        Ok(cose::sign(&command(action, counter), self.enrolment()?.as_bytes(), &service.keyring.command)?)
    }

    fn status(&self) -> Result<Value> {
        self.holder.phone.status()
    }

    /// The phone has obeyed a wipe: nothing is left, and the receipt is the device's.
    fn expect_erased(mut self, command: &[u8]) -> Result<()> {
        let service = self.service()?;
        let enrolment = self.enrolment()?;
        let receipt = self.runtime.block_on(self.link.receipt())?;
        let device = self.world.block_on(service.store.device(enrolment))?.context("a device")?.value;
        let receipt: Receipt = cose::verify(&receipt, enrolment.as_bytes(), &device.key)?;
        let key = service.keyring.command.public_key();
        let wipe: Command = cose::verify(command, enrolment.as_bytes(), key)?;
        assert_eq!(receipt.command, wipe.id);
        self.process.finish()?.expect_success("phone run")?;
        assert_eq!(left_in(self.holder.phone.home())?, [PathBuf::from("gone")]);
        Ok(())
    }
}

fn command(action: Action, counter: u32) -> Command {
    let now = Timestamp::now();
    Command {
        id: CommandId::make(now, &mut OsRng),
        order: Order { epoch: 0, counter },
        action,
        issued_at: now,
    }
}

fn applied(counter: u32) -> CommandResult {
    CommandResult { last_applied: Order { epoch: 0, counter } }
}

/// A phone that obeys a wipe ends its stream without a word; the connection may have been left by then as well.
fn is_unanswered(answer: &Answer) -> bool {
    matches!(answer, Answer::End | Answer::Closed(0))
}

#[test]
fn a_command_that_is_changed_by_one_byte_is_refused_and_unchanged_it_is_obeyed() {
    let deceived = Deceived::new().unwrap();
    let wipe = deceived.signed(Action::Wipe, 1).unwrap();
    for at in 0..wipe.len() {
        for bit in [0x01, 0x80] {
            let mut changed = wipe.clone();
            changed[at] ^= bit;
            let answer = deceived.push(&changed).unwrap();
            assert_eq!(answer.refusal(), Some(RefusalReason::ProofFailed), "byte {at}: {answer:?}");
        }
    }
    for cut in [0, 1, wipe.len() / 2, wipe.len() - 1] {
        let answer = deceived.push(&wipe[..cut]).unwrap();
        assert_eq!(answer.refusal(), Some(RefusalReason::ProofFailed), "cut at {cut}: {answer:?}");
    }
    assert_eq!(deceived.status().unwrap()["state"], "locked");
    assert!(is_unanswered(&deceived.push(&wipe).unwrap()), "a wipe is answered by a receipt, not here");
    deceived.expect_erased(&wipe).unwrap();
}

#[test]
fn a_command_for_another_phone_or_by_another_key_is_refused() {
    let deceived = Deceived::new().unwrap();
    let service = deceived.service().unwrap();
    let enrolment = deceived.enrolment().unwrap();
    let wipe = command(Action::Wipe, 1);
    let other = EnrolmentId::make(Timestamp::now(), &mut OsRng);
    let tls_key = SoftwareKey::from_pkcs8(service.keyring.tls_pkcs8()).unwrap();
    let sign =
        |bound_to: &EnrolmentId, key: &dyn Signer| cose::sign(&wipe, bound_to.as_bytes(), key).unwrap();
    let lease = Lease { mode: LeaseMode::Durable, granted_at: Timestamp::now(), seconds: 60 };
    let refused = [
        ("for another enrolment", sign(&other, &service.keyring.command)),
        ("by the stolen TLS key", sign(&enrolment, &tls_key)),
        ("by the lease key", sign(&enrolment, &service.keyring.lease)),
        ("by the checkpoint key", sign(&enrolment, &service.keyring.checkpoint)),
        ("a lease", cose::sign(&lease, enrolment.as_bytes(), &service.keyring.command).unwrap()),
    ];
    for (what, bytes) in refused {
        let answer = deceived.push(&bytes).unwrap();
        assert_eq!(answer.refusal(), Some(RefusalReason::ProofFailed), "{what}: {answer:?}");
        assert_eq!(deceived.status().unwrap()["state"], "locked", "{what}");
    }
    let rightly = sign(&enrolment, &service.keyring.command);
    assert!(is_unanswered(&deceived.push(&rightly).unwrap()));
    deceived.expect_erased(&rightly).unwrap();
}

#[test]
fn a_replayed_command_has_no_second_effect_and_a_wipe_with_an_old_counter_is_obeyed() {
    let deceived = Deceived::new().unwrap();
    let (block, unblock) =
        (deceived.signed(Action::Block, 5).unwrap(), deceived.signed(Action::Unblock, 6).unwrap());
    let pushed = |command: &[u8]| deceived.push(command).unwrap().message::<CommandResult>().unwrap();
    let state = || deceived.status().unwrap()["state"].clone();

    assert_eq!(pushed(&block), applied(5));
    assert_eq!(state(), "blocked");
    assert_eq!(pushed(&unblock), applied(6));
    assert_eq!(state(), "locked");
    assert_eq!(pushed(&block), applied(6), "a block from before the unblock");
    assert_eq!(state(), "locked");

    // The control: the same block, issued anew, blocks; and the old unblock does not end it.
    assert_eq!(pushed(&deceived.signed(Action::Block, 7).unwrap()), applied(7));
    assert_eq!(pushed(&unblock), applied(7));
    assert_eq!(state(), "blocked");

    let old = deceived.signed(Action::Wipe, 1).unwrap();
    assert!(is_unanswered(&deceived.push(&old).unwrap()));
    deceived.expect_erased(&old).unwrap();
}

#[test]
fn a_receipt_counts_once_by_its_bytes_and_only_from_the_wiped_device() {
    let world = World::new().unwrap();
    let holder = holder(&world, "receipts").unwrap();
    let identity = holder.identity().unwrap();
    let (enrolment, key) = (holder.enrolment().unwrap(), identity.key().unwrap());
    let runtime = runtime().unwrap();
    // On a connection of its own: a wipe ends those that it meets.
    let send = |receipt: &[u8]| {
        let message = ReceiptMessage { receipt: receipt.to_vec() };
        let ask = async { RawDevice::connect(world.quic(), Some(&identity)).await?.ask(&message).await };
        runtime.block_on(ask).unwrap()
    };
    let stranger = Identity::fresh().unwrap().key().unwrap();
    let receipt = |command: CommandId, bound_to: EnrolmentId, by: &dyn Signer| {
        let steps = vec![ErasureStep::KeysDestroyed, ErasureStep::KeysGoneChecked, ErasureStep::DataRemoved];
        let receipt = Receipt { command, erased_at: Timestamp::now(), steps, checkpoint: None };
        cose::sign(&receipt, bound_to.as_bytes(), by).unwrap()
    };
    let nothing_yet = command(Action::Wipe, 1).id;
    assert_eq!(send(&receipt(nothing_yet, enrolment, &key)).refusal(), Some(RefusalReason::ProofFailed));

    let wipe = holder.order(&world, "wipe").unwrap()["wipe"]["command"].as_str().unwrap().parse().unwrap();
    let other = EnrolmentId::make(Timestamp::now(), &mut OsRng);
    for refused in [
        receipt(wipe, enrolment, &stranger),
        receipt(wipe, other, &key),
        receipt(nothing_yet, enrolment, &key),
        vec![0; 100],
    ] {
        assert_eq!(send(&refused).refusal(), Some(RefusalReason::ProofFailed));
        assert!(holder.shown(&world).unwrap()["wipe"]["receipt_sha256"].is_null());
    }
    let first = receipt(wipe, enrolment, &key);
    for _ in 0..3 {
        let ack: ReceiptAck = send(&first).message().unwrap();
        assert_eq!(ack.digest, sha256(&[&first]));
    }
    let shown = holder.shown(&world).unwrap()["wipe"].clone();
    assert_eq!(shown["further_receipts"], 0);
    send(&receipt(wipe, enrolment, &key)).message::<ReceiptAck>().unwrap();
    let again = holder.shown(&world).unwrap()["wipe"].clone();
    assert_eq!(again["further_receipts"], 1, "other bytes may mean a copy");
    assert_eq!(again["receipt_sha256"], shown["receipt_sha256"], "the first receipt stays");
}
