//! Commands and receipts: what is issued, what is refused, and what happens once only.

use super::*;
use crate::testing::{
    account, code, device, noon, public_key, rng, software_key, stored, written_code, written_device,
};
use shared::cose::SoftwareKey;
use shared::ids::BatchId;
use shared::signed::ErasureStep;

fn instruction() -> Instruction<'static> {
    Instruction { actor: Actor::Server, reason: "left in a taxi", now: noon(), epoch: 0 }
}

fn live() -> Device {
    device(&account(), public_key(), DeviceState::Live)
}

fn wiped(key: &SoftwareKey, signer: &SoftwareKey) -> Device {
    let device = device(&account(), key.public_key().clone(), DeviceState::Live);
    let issued = wipe(stored(device), vec![], &instruction(), signer, &mut rng()).unwrap();
    written_device(&issued.changes)
}

fn signed_receipt(device: &Device, key: &SoftwareKey, steps: Vec<ErasureStep>) -> Vec<u8> {
    let command = device.wipe().unwrap().command;
    let receipt = Receipt { command, erased_at: noon(), steps, checkpoint: None };
    cose::sign(&receipt, device.enrolment.as_bytes(), key).unwrap()
}

#[test]
fn commands_are_signed_for_one_device_and_counted() {
    let signer = software_key();
    let issued = block(stored(live()), vec![], &instruction(), &signer, &mut rng()).unwrap();
    let blocked = written_device(&issued.changes);
    let command: Command =
        cose::verify(&issued.signed, blocked.enrolment.as_bytes(), signer.public_key()).unwrap();
    assert_eq!((command.action, command.order.counter), (Action::Block, 1));

    let issued = unblock(stored(blocked), true, &instruction(), &signer, &mut rng()).unwrap();
    let live = written_device(&issued.changes);
    assert_eq!((live.state, live.last_command.counter), (DeviceState::Live, 2));
}

#[test]
fn a_device_of_somebody_who_left_stays_blocked() {
    let blocked = device(&account(), public_key(), DeviceState::Blocked);
    let refused = unblock(stored(blocked), false, &instruction(), &software_key(), &mut rng());
    assert!(matches!(refused, Err(CommandError::AccountMayNotWork)));
}

#[test]
fn nothing_follows_a_wipe() {
    let signer = software_key();
    let wiped = wiped(&software_key(), &signer);
    let again = wipe(stored(wiped.clone()), vec![], &instruction(), &signer, &mut rng());
    assert!(matches!(again, Err(CommandError::AlreadyWiped)));
    let blocked = block(stored(wiped.clone()), vec![], &instruction(), &signer, &mut rng());
    assert!(matches!(blocked, Err(CommandError::AlreadyWiped)));
    let unblocked = unblock(stored(wiped), true, &instruction(), &signer, &mut rng());
    assert!(matches!(unblocked, Err(CommandError::AlreadyWiped)));
}

#[test]
fn a_wipe_kills_the_code_that_is_bound_to_the_device_and_no_other() {
    let device = live();
    let mut bound = code(&account());
    bound.state = CodeState::Bound(device.enrolment);
    let open = code(&account());
    let codes = vec![stored(bound), stored(open)];
    let issued = wipe(stored(device), codes, &instruction(), &software_key(), &mut rng()).unwrap();
    let ended = written_code(&issued.changes).unwrap();
    assert_eq!((ended.state, ended.sealed.len()), (CodeState::Replaced, 0));
    let codes = issued.changes.writes.iter().filter(|w| matches!(w.record, Some(Record::Code(_)))).count();
    assert_eq!(codes, 1);
}

#[test]
fn what_a_device_asked_for_another_ends_with_its_block_or_wipe() {
    let signer = software_key();
    let other = EnrolmentId::from_bytes([9; 16]);
    let codes = |device: &Device| {
        let asked = |state, asked_by| CodeRecord { state, asked_by, ..code(&account()) };
        let theirs = Some(device.enrolment);
        vec![
            stored(asked(CodeState::Bound(other), theirs)),
            stored(asked(CodeState::Used(other), theirs)),
            stored(asked(CodeState::Open, Some(other))),
            stored(asked(CodeState::Open, None)),
        ]
    };
    let ended = |issued: Issued| {
        let codes =
            issued.changes.writes.iter().filter(|w| matches!(w.record, Some(Record::Code(_)))).count();
        (codes, written_code(&issued.changes).map(|code| (code.state, code.asked_by)))
    };
    let device = live();
    let theirs = (1, Some((CodeState::Replaced, Some(device.enrolment))));
    let blocked = block(stored(device.clone()), codes(&device), &instruction(), &signer, &mut rng());
    assert_eq!(ended(blocked.unwrap()), theirs);
    let (stored_device, sign) = (stored(device.clone()), CopySign::Forked);
    let copied =
        suspect_copy(stored_device, codes(&device), sign, 0, &instruction(), &signer, &mut rng()).unwrap();
    assert_eq!(ended(copied.unwrap()), theirs);
    let wiped = wipe(stored(device.clone()), codes(&device), &instruction(), &signer, &mut rng());
    assert_eq!(ended(wiped.unwrap()), theirs);
}

#[test]
fn a_command_needs_a_reason_which_stays_out_of_the_chain() {
    let mut silent = instruction();
    silent.reason = "  ";
    let refused = block(stored(live()), vec![], &silent, &software_key(), &mut rng());
    assert!(matches!(refused, Err(CommandError::Reason)));

    let issued = block(stored(live()), vec![], &instruction(), &software_key(), &mut rng()).unwrap();
    let entry = crate::audit::link(&crate::audit::GENESIS, &issued.changes.events[0]);
    assert_eq!(entry.personal[0].value, "left in a taxi");
    assert!(!entry.bytes.windows(4).any(|window| window == b"taxi"));
}

#[test]
fn sealed_is_noted_once_and_only_after_a_wipe() {
    let wiped = wiped(&software_key(), &software_key());
    let changes = sealed(stored(wiped), noon()).unwrap();
    assert_eq!(changes.events[0].what, Happening::DeviceSealed);
    assert!(sealed(stored(written_device(&changes)), noon()).is_none());
    assert!(sealed(stored(live()), noon()).is_none());
}

#[test]
fn the_first_receipt_confirms_the_same_bytes_change_nothing_others_alert() {
    let (key, signer) = (software_key(), software_key());
    let wiped = wiped(&key, &signer);
    let bytes = signed_receipt(&wiped, &key, ErasureStep::ALL.to_vec());
    let changes = receipt(stored(wiped), &bytes, noon()).unwrap().unwrap();
    assert_eq!(changes.events[0].what, Happening::DeviceErased);
    let erased = written_device(&changes);
    assert_eq!(receipt(stored(erased.clone()), &bytes, noon()), Ok(None));

    let twice = [ErasureStep::ALL, ErasureStep::ALL].concat();
    let other = signed_receipt(&erased, &key, twice);
    let changes = receipt(stored(erased), &other, noon()).unwrap().unwrap();
    assert_eq!(changes.events[0].what, Happening::ReceiptAgain);
    assert_eq!(written_device(&changes).wipe().unwrap().further_receipts, 1);
}

#[test]
fn a_receipt_is_refused_from_another_key_for_another_command_or_without_a_wipe() {
    let (key, signer) = (software_key(), software_key());
    let wiped = wiped(&key, &signer);
    let forged = signed_receipt(&wiped, &signer, vec![]);
    assert_eq!(
        receipt(stored(wiped.clone()), &forged, noon()),
        Err(ReceiptError::Verify(VerifyError::WrongKey))
    );

    let mut elsewhere = wiped.clone();
    let DeviceState::Wiped(wipe) = &mut elsewhere.state else { panic!("not wiped") };
    wipe.command = CommandId::from_bytes([1; 16]);
    let other = signed_receipt(&elsewhere, &key, ErasureStep::ALL.to_vec());
    assert_eq!(receipt(stored(wiped.clone()), &other, noon()), Err(ReceiptError::OtherCommand));

    let live = Device { state: DeviceState::Live, ..wiped.clone() };
    let early = signed_receipt(&wiped, &key, ErasureStep::ALL.to_vec());
    assert_eq!(receipt(stored(live), &early, noon()), Err(ReceiptError::NotWiped));

    let silent = signed_receipt(&wiped, &key, vec![ErasureStep::DataRemoved]);
    assert_eq!(receipt(stored(wiped), &silent, noon()), Err(ReceiptError::Incomplete));
}

#[test]
fn a_device_of_which_a_copy_has_called_is_blocked_and_noted_once() {
    let signer = software_key();
    let mut known = live();
    known.vault_epoch = 5;
    let issued =
        suspect_copy(stored(known), vec![], CopySign::Behind, 4, &instruction(), &signer, &mut rng())
            .unwrap()
            .unwrap();
    let blocked = written_device(&issued.changes);
    assert_eq!((&blocked.state, blocked.copy_suspected_at), (&DeviceState::Blocked, Some(noon())));
    let noted: Vec<_> = issued.changes.events.iter().map(|event| event.what).collect();
    assert_eq!(noted, [Happening::CopySuspected, Happening::DeviceBlocked]);
    assert!(
        suspect_copy(
            stored(blocked.clone()),
            vec![],
            CopySign::Behind,
            4,
            &instruction(),
            &signer,
            &mut rng()
        )
        .unwrap()
        .is_none()
    );

    let issued = unblock(stored(blocked), true, &instruction(), &signer, &mut rng()).unwrap();
    assert_eq!(written_device(&issued.changes).copy_suspected_at, None, "whoever unblocks has judged it");
}

#[test]
fn of_a_device_that_was_blocked_before_a_copy_is_noted_without_a_command() {
    let signer = software_key();
    let blocked = device(&account(), public_key(), DeviceState::Blocked);
    let issued =
        suspect_copy(stored(blocked), vec![], CopySign::Behind, 0, &instruction(), &signer, &mut rng())
            .unwrap()
            .unwrap();
    assert!(issued.signed.is_empty());
    assert_eq!(written_device(&issued.changes).copy_suspected_at, Some(noon()));
    let wiped = wiped(&software_key(), &signer);
    assert!(
        suspect_copy(stored(wiped), vec![], CopySign::Behind, 0, &instruction(), &signer, &mut rng())
            .unwrap()
            .is_none()
    );
}

fn blocked_by_batch(batch: BatchId) -> Device {
    let signer = software_key();
    let issued =
        block_by(stored(live()), vec![], BlockedBy::Batch(batch), &instruction(), &signer, &mut rng())
            .unwrap();
    written_device(&issued.changes)
}

fn unblocked(device: Device, undone: BatchId) -> Option<Device> {
    let signer = software_key();
    let by = BlockedBy::Batch(undone);
    let issued = unblock_by(stored(device), by, true, &instruction(), &signer, &mut rng()).unwrap();
    issued.map(|issued| written_device(&issued.changes))
}

#[test]
fn what_a_batch_has_blocked_is_opened_by_its_undo_and_by_that_of_no_other() {
    let [batch, other] = [1, 2].map(|_| BatchId::make(noon(), &mut rand::thread_rng()));
    let device = blocked_by_batch(batch);
    assert_eq!(unblocked(device.clone(), other), None);
    let opened = unblocked(device.clone(), batch).unwrap();
    assert_eq!((opened.state.clone(), opened.blocked_by), (DeviceState::Live, None));
    assert_eq!(unblocked(opened, batch), None, "once");
    let by = BlockedBy::Batch(batch);
    let gone = unblock_by(stored(device), by, false, &instruction(), &software_key(), &mut rng());
    assert!(gone.unwrap().is_none(), "of an account that may not work");
    assert_eq!(unblocked(self::device(&account(), public_key(), DeviceState::Blocked), batch), None);
}

#[test]
fn a_lost_device_that_a_batch_has_blocked_is_blocked_once_more_and_stays_so_when_it_is_undone() {
    let batch = BatchId::make(noon(), &mut rand::thread_rng());
    let signer = software_key();
    let issued = block(stored(blocked_by_batch(batch)), vec![], &instruction(), &signer, &mut rng()).unwrap();
    let lost = written_device(&issued.changes);
    assert_eq!((&lost.state, lost.blocked_by, lost.last_command.counter), (&DeviceState::Blocked, None, 2));
    assert_eq!(unblocked(lost.clone(), batch), None);
    let again = block(stored(lost), vec![], &instruction(), &signer, &mut rng());
    assert!(matches!(again, Err(CommandError::AlreadyBlocked)));
}

#[test]
fn a_device_of_which_a_copy_has_called_since_is_not_opened_by_an_undo() {
    let batch = BatchId::make(noon(), &mut rand::thread_rng());
    let signer = software_key();
    let device = stored(blocked_by_batch(batch));
    let issued =
        suspect_copy(device, vec![], CopySign::Behind, 0, &instruction(), &signer, &mut rng()).unwrap();
    assert_eq!(unblocked(written_device(&issued.unwrap().changes), batch), None);
}

#[test]
fn what_grace_has_blocked_no_batch_takes_over_and_whoever_has_lost_it_does() {
    let batch = BatchId::make(noon(), &mut rand::thread_rng());
    let signer = software_key();
    let block_as = |device, by| block_by(stored(device), vec![], by, &instruction(), &signer, &mut rng());
    let held = written_device(&block_as(live(), BlockedBy::Grace).unwrap().changes);
    let refused = block_as(held.clone(), BlockedBy::Batch(batch));
    assert!(matches!(refused, Err(CommandError::AlreadyBlocked)));
    assert_eq!(unblocked(held.clone(), batch), None);

    let restored = |device| {
        unblock_by(stored(device), BlockedBy::Grace, true, &instruction(), &signer, &mut rng()).unwrap()
    };
    let opened = written_device(&restored(held.clone()).unwrap().changes);
    assert_eq!((opened.state, opened.blocked_by), (DeviceState::Live, None));
    let issued = block(stored(held), vec![], &instruction(), &signer, &mut rng()).unwrap();
    let lost = written_device(&issued.changes);
    assert_eq!(lost.blocked_by, None);
    assert!(restored(lost).is_none(), "a seat that is restored opens no lost phone");
}
