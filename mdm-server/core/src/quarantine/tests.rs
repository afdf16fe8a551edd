//! What begins a quarantine, what goes on in it, and what ends it.

use jiff::SignedDuration;
use shared::crypto::hazmat::sha256;
use shared::ids::CommandId;
use shared::signed::{Action, Order};

use super::replay::{Replay, Tombstone};
use super::*;
use crate::audit::{self, Body, GENESIS, PersonalValue};
use crate::command::{self, CommandError, Instruction};
use crate::device::{Device, DeviceState};
use crate::testing::{account, device, noon, public_key, rng, software_key, stored, written_device};

fn at(minutes: i64) -> Timestamp {
    noon().saturating_add(SignedDuration::from_mins(minutes)).unwrap()
}

fn head(sequence: u64, line: &str) -> JournalHead {
    JournalHead { sequence, hash: sha256(&[line.as_bytes()]) }
}

fn checkpoint(sequence: u64, line: &str, minutes: i64) -> Checkpoint {
    Checkpoint { head: head(sequence, line), at: at(minutes) }
}

fn written(changes: &Changeset) -> Stored<ServerState> {
    match changes.writes.as_slice() {
        [crate::change::Write { record: Some(Record::Server(state)), .. }] => stored(state.clone()),
        other => panic!("the state of the server and nothing else should be written: {other:?}"),
    }
}

fn restored(state: ServerState, minutes: i64) -> Stored<ServerState> {
    let entering = Entering { cause: Cause::Restored, known: head(7, "old"), known_until: at(0), seen: None };
    written(&enter(stored(state), entering, at(minutes)))
}

#[test]
fn the_epoch_rises_with_each_restore_also_of_one_backup() {
    let backup = ServerState::default();
    let first = restored(backup.clone(), 10).value.epoch;
    let second = restored(backup, 20).value.epoch;
    assert!(0 < first && first < second, "{first} {second}");
    // A clock that was set back takes no epoch back.
    let ahead = ServerState { epoch: u32::MAX - 1, ..ServerState::default() };
    assert_eq!(restored(ahead, 10).value.epoch, u32::MAX);
}

#[test]
fn a_command_of_a_new_epoch_stands_above_all_that_were_forgotten() {
    let mut phone = device(&account(), public_key(), DeviceState::Live);
    phone.last_command = Order { epoch: 0, counter: 3 };
    let instruction = Instruction { actor: Actor::Server, reason: "left in a taxi", now: noon(), epoch: 40 };
    let issued = command::block(stored(phone), &instruction, &software_key(), &mut rng()).unwrap();
    let phone = written_device(&issued.changes);
    assert_eq!(phone.last_command, Order { epoch: 40, counter: 1 });
    let issued = command::unblock(stored(phone), true, &instruction, &software_key(), &mut rng()).unwrap();
    assert_eq!(written_device(&issued.changes).last_command, Order { epoch: 40, counter: 2 });
}

#[test]
fn a_checkpoint_of_the_journal_says_nothing_new() {
    let seen = checkpoint(5, "ours", 1);
    assert_eq!(judge(&seen, Some(seen.head.hash), stored(ServerState::default())), Verdict::Known);
}

#[test]
fn a_checkpoint_beyond_the_journal_or_of_another_line_says_that_something_is_forgotten() {
    let beyond = checkpoint(50, "ours", 1);
    assert_eq!(judge(&beyond, None, stored(ServerState::default())), Verdict::Forgotten(Seen::from(&beyond)));
    let forked = checkpoint(5, "another", 1);
    assert_eq!(
        judge(&forked, Some(head(5, "ours").hash), stored(ServerState::default())),
        Verdict::Forgotten(Seen::from(&forked))
    );
}

#[test]
fn in_quarantine_the_newest_checkpoint_is_noted_and_no_older_one() {
    let state = restored(ServerState::default(), 10);
    let Verdict::Noted(Some(changes)) = judge(&checkpoint(60, "old", 6), None, state) else { panic!() };
    let state = written(&changes);
    assert_eq!(judge(&checkpoint(50, "old", 5), None, state.clone()), Verdict::Noted(None));
    assert_eq!(judge(&checkpoint(60, "old", 6), None, state), Verdict::Noted(None));
}

#[test]
fn a_journal_that_ends_before_what_a_device_has_seen_ends_no_quarantine() {
    let state = restored(ServerState::default(), 10);
    let Verdict::Noted(Some(changes)) = judge(&checkpoint(60, "old", 6), None, state) else { panic!() };
    let state = written(&changes);
    let refused = leave(state.clone(), Account::Journal(at(5)), 0, at(11)).unwrap_err();
    assert_eq!(refused, LeaveError::JournalTooOld { until: at(5), seen: at(6) });
    let left = written(&leave(state, Account::Journal(at(6)), 0, at(11)).unwrap());
    assert!(!left.value.is_quarantined());
    // The devices go on showing the old line: what the journal covers begins no other quarantine, what it does not does.
    assert_eq!(judge(&checkpoint(60, "old", 6), None, left.clone()), Verdict::Known);
    let later = checkpoint(61, "old", 7);
    assert_eq!(judge(&later, None, left), Verdict::Forgotten(Seen::from(&later)));
}

#[test]
fn an_operator_accounts_for_all_that_was_before_the_quarantine_and_nothing_after() {
    let state = restored(ServerState::default(), 10);
    let left = written(&leave(state, Account::Operator(Actor::Server), 0, at(30)).unwrap());
    assert_eq!(judge(&checkpoint(90, "old", 10), None, left.clone()), Verdict::Known);
    let second_server = checkpoint(91, "old", 11);
    assert!(matches!(judge(&second_server, None, left.clone()), Verdict::Forgotten(_)));
    let again = leave(left, Account::Operator(Actor::Server), 0, at(31));
    assert_eq!(again.unwrap_err(), LeaveError::NotQuarantined);
}

fn bodies(changes: &Changeset) -> Vec<Body> {
    let mut head = GENESIS;
    let link = |event| {
        let entry = audit::link(&head, event);
        head = entry.head();
        entry.body().unwrap()
    };
    changes.events.iter().map(link).collect()
}

#[test]
fn a_wipe_is_read_from_the_journal_and_ordered_again_as_the_same_command() {
    let key = software_key();
    let phone = device(&account(), public_key(), DeviceState::Live);
    let instruction = |epoch| Instruction { actor: Actor::Server, reason: "again", now: noon(), epoch };
    let ordered = command::wipe(stored(phone.clone()), vec![], &instruction(0), &key, &mut rng()).unwrap();

    let mut replay = Replay::default();
    bodies(&ordered.changes).iter().for_each(|body| replay.note(body).unwrap());
    let tombstone = replay.wiped[&phone.enrolment];
    let again =
        command::wipe_again(stored(phone), vec![], &tombstone, &instruction(40), &key, &mut rng()).unwrap();
    let (before, after) = (written_device(&ordered.changes), written_device(&again.changes));
    assert_eq!(before.wipe().unwrap().command, after.wipe().unwrap().command);
    let command = |signed: &[u8], of: &Device| {
        shared::cose::verify::<shared::signed::Command>(signed, of.enrolment.as_bytes(), {
            use shared::cose::Signer as _;
            key.public_key()
        })
        .unwrap()
    };
    assert_eq!(command(&ordered.signed, &before), command(&again.signed, &after));
    assert_eq!(command(&again.signed, &after).action, Action::Wipe);
    let third = command::wipe_again(stored(after), vec![], &tombstone, &instruction(40), &key, &mut rng());
    assert!(matches!(third, Err(CommandError::AlreadyWiped)));
}

#[test]
fn of_blocks_and_unblocks_the_last_counts() {
    let key = software_key();
    let instruction = Instruction { actor: Actor::Server, reason: "lost", now: noon(), epoch: 0 };
    let phone = device(&account(), public_key(), DeviceState::Live);
    let blocked = command::block(stored(phone.clone()), &instruction, &key, &mut rng()).unwrap();
    let mut replay = Replay::default();
    bodies(&blocked.changes).iter().for_each(|body| replay.note(body).unwrap());
    assert!(replay.blocked.contains(&phone.enrolment));
    let phone = written_device(&blocked.changes);
    let found = command::unblock(stored(phone), true, &instruction, &key, &mut rng()).unwrap();
    bodies(&found.changes).iter().for_each(|body| replay.note(body).unwrap());
    assert_eq!(replay, Replay::default());
}

#[test]
fn a_wipe_that_names_no_command_is_not_passed_over() {
    let event = AuditEvent::new(noon(), Actor::Server, Happening::DeviceWiped, Subject::default())
        .personal(PersonalValue::make("reason", "lost", &mut rng()));
    let mut changes = Changeset::default();
    changes.note(event);
    assert!(Replay::default().note(&bodies(&changes)[0]).is_err());
}

#[test]
fn a_tombstone_reads_back() {
    let tombstone = Tombstone {
        enrolment: EnrolmentId::from_bytes([1; 16]),
        command: CommandId::from_bytes([2; 16]),
        order: Order { epoch: 1, counter: 2 },
        at: noon(),
    };
    let mut bytes = Vec::new();
    ciborium::into_writer(&tombstone, &mut bytes).unwrap();
    assert_eq!(ciborium::from_reader::<Tombstone, _>(bytes.as_slice()).unwrap(), tombstone);
}
