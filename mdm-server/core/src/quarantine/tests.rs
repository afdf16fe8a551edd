//! What begins a quarantine, what goes on in it, and what ends it.

use jiff::SignedDuration;
use shared::crypto::hazmat::sha256;
use shared::ids::{CommandId, OperatorId};
use shared::signed::{Action, Order};

use super::replay::{Fate, ProvenPin, Replay, Tombstone};
use super::*;
use crate::audit::{self, Body, GENESIS, PersonalValue};
use crate::command::{self, CommandError, Instruction};
use crate::device::{Device, DeviceState};
use crate::operator::Role;
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
        [crate::change::Write { record: Some(Record::Server(state)), .. }, ..] => stored(state.clone()),
        other => panic!("the state of the server should be written first: {other:?}"),
    }
}

fn restored(state: ServerState, minutes: i64) -> Stored<ServerState> {
    written(&enter(stored(state), &[], entering(), at(minutes)))
}

fn entering() -> Entering {
    Entering { cause: Cause::Restored, known: head(7, "old"), known_until: at(0), seen: None, key_file: None }
}

/// By a journal that was signed then.
fn journal(minutes: i64) -> Account {
    Account::Journal { until: at(minutes), nothing_since: false }
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
    let issued = command::block(stored(phone), vec![], &instruction, &software_key(), &mut rng()).unwrap();
    let phone = written_device(&issued.changes);
    assert_eq!(phone.last_command, Order { epoch: 40, counter: 1 });
    let issued = command::unblock(stored(phone), true, &instruction, &software_key(), &mut rng()).unwrap();
    assert_eq!(written_device(&issued.changes).last_command, Order { epoch: 40, counter: 2 });
}

#[test]
fn a_checkpoint_of_the_journal_says_nothing_new() {
    let seen = checkpoint(5, "ours", 1);
    assert_eq!(judge(&seen, Some(seen.head.hash), &stored(ServerState::default())), Verdict::Known);
}

#[test]
fn a_checkpoint_beyond_the_journal_or_of_another_line_says_that_something_is_forgotten() {
    let beyond = checkpoint(50, "ours", 1);
    assert_eq!(
        judge(&beyond, None, &stored(ServerState::default())),
        Verdict::Forgotten(Seen::from(&beyond))
    );
    let forked = checkpoint(5, "another", 1);
    assert_eq!(
        judge(&forked, Some(head(5, "ours").hash), &stored(ServerState::default())),
        Verdict::Forgotten(Seen::from(&forked))
    );
}

#[test]
fn in_quarantine_the_newest_checkpoint_is_noted_and_no_older_one() {
    let state = restored(ServerState::default(), 10);
    let Verdict::Noted(Some(changes)) = judge(&checkpoint(60, "old", 6), None, &state) else { panic!() };
    let state = written(&changes);
    assert_eq!(judge(&checkpoint(50, "old", 5), None, &state), Verdict::Noted(None));
    assert_eq!(judge(&checkpoint(60, "old", 6), None, &state), Verdict::Noted(None));
}

#[test]
fn a_journal_that_ends_before_what_a_device_has_seen_ends_no_quarantine() {
    let state = restored(ServerState::default(), 10);
    let Verdict::Noted(Some(changes)) = judge(&checkpoint(60, "old", 6), None, &state) else { panic!() };
    let state = written(&changes);
    let refused = leave(state.clone(), journal(5), 0, at(11)).unwrap_err();
    assert_eq!(refused, LeaveError::JournalTooOld { until: at(5), seen: at(6) });
    let left = written(&leave(state, journal(6), 0, at(11)).unwrap());
    assert!(!left.value.is_quarantined());
    // The devices go on showing the old line: what the journal covers begins no other quarantine, what it does not does.
    assert_eq!(judge(&checkpoint(60, "old", 6), None, &left), Verdict::Known);
    let later = checkpoint(61, "old", 7);
    assert_eq!(judge(&later, None, &left), Verdict::Forgotten(Seen::from(&later)));
}

#[test]
fn an_operator_accounts_for_all_that_was_before_the_quarantine_and_nothing_after() {
    let state = restored(ServerState::default(), 10);
    let left = written(&leave(state, Account::Operator(Actor::Server), 0, at(30)).unwrap());
    assert_eq!(judge(&checkpoint(90, "old", 10), None, &left), Verdict::Known);
    let second_server = checkpoint(91, "old", 11);
    assert!(matches!(judge(&second_server, None, &left), Verdict::Forgotten(_)));
    let again = leave(left, Account::Operator(Actor::Server), 0, at(31));
    assert_eq!(again.unwrap_err(), LeaveError::NotQuarantined);
}

#[test]
fn a_journal_that_no_device_bears_out_ends_no_quarantine_without_a_word() {
    let state = restored(ServerState::default(), 10);
    let refused = leave(state.clone(), journal(5), 0, at(11)).unwrap_err();
    assert_eq!(refused, LeaveError::NobodyHeard { until: at(5) });
    // What it says is known from then on, and the quarantine speaks of the rest.
    let followed_to = followed(state.clone(), at(5), at(11)).unwrap();
    let state_after = written(&followed_to);
    assert_eq!(state_after.value.quarantine.as_ref().unwrap().known_until, at(5));
    assert_eq!(followed(state_after.clone(), at(5), at(12)), None);
    // A device that has seen no more bears it out: loaded again, it ends the quarantine. One that has seen more does not.
    let Verdict::Noted(Some(seen)) = judge(&checkpoint(40, "old", 5), None, &state_after) else {
        panic!("what the journal holds says something until the quarantine ends")
    };
    let borne_out = written(&seen);
    assert!(matches!(judge(&checkpoint(41, "old", 6), None, &borne_out), Verdict::Noted(Some(_))));
    let left = written(&leave(borne_out, journal(5), 0, at(12)).unwrap());
    assert_eq!(judge(&checkpoint(40, "old", 5), None, &left), Verdict::Known);
    // With it, it does.
    let with_word = Account::Journal { until: at(5), nothing_since: true };
    assert!(!written(&leave(state, with_word, 0, at(11)).unwrap()).value.is_quarantined());
    // A word does not stand against what a device has seen.
    let Verdict::Noted(Some(seen)) =
        judge(&checkpoint(60, "old", 6), None, &restored(ServerState::default(), 10))
    else {
        panic!()
    };
    let refused = leave(written(&seen), with_word, 0, at(11)).unwrap_err();
    assert_eq!(refused, LeaveError::JournalTooOld { until: at(5), seen: at(6) });
}

#[test]
fn a_quarantine_that_came_with_the_backup_is_not_forgotten() {
    let before = restored(ServerState::default(), 10);
    let Verdict::Noted(Some(seen)) = judge(&checkpoint(60, "old", 6), None, &before) else { panic!() };
    let before = written(&seen);
    let again = Entering { known: head(30, "restored"), known_until: at(20), ..entering() };
    let quarantine = written(&enter(before, &[], again, at(30))).value.quarantine.unwrap();
    assert_eq!((quarantine.known, quarantine.known_until), (head(7, "old"), at(0)));
    assert_eq!(quarantine.seen.unwrap().at, at(6));
}

#[test]
fn a_pin_that_was_changed_after_the_key_file_was_copied_is_lost_in_it() {
    let (old, new) = ([1; 32], [2; 32]);
    let pin = ProvenPin { at: at(5), mark: Some(new) };
    assert!(pin.is_lost_in(Some(at(4)), &[old]));
    assert!(pin.is_lost_in(None, &[old]));
    // The copy was made between the proof and the change: both are in it.
    assert!(!pin.is_lost_in(Some(at(4)), &[old, new]));
    assert!(!pin.is_lost_in(Some(at(4)), &[new]));
    // The key file is newer and has another PIN yet.
    assert!(!pin.is_lost_in(Some(at(6)), &[[3; 32]]));
    // A journal that does not say which is believed the worst of.
    assert!(ProvenPin { mark: None, ..pin }.is_lost_in(Some(at(4)), &[new]));
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
    let blocked = command::block(stored(phone.clone()), vec![], &instruction, &key, &mut rng()).unwrap();
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

#[test]
fn a_change_of_a_pin_and_what_became_of_operators_are_read_from_the_journal() {
    let phone = device(&account(), public_key(), DeviceState::Live);
    let mut changes = crate::unlock::pin_proven(stored(phone.clone()), &[1; 32], at(1));
    changes.extend(crate::unlock::pin_proven(stored(phone.clone()), &[2; 32], at(2)));
    let id = OperatorId::from_bytes([3; 16]);
    let event = |what, facts: &[(&str, &str)]| {
        let event = AuditEvent::new(at(3), Actor::Server, what, Subject::default()).fact("operator", id);
        facts.iter().fold(event, |event, (name, value)| event.fact(name, value))
    };
    changes.note(event(Happening::OperatorInvited, &[("role", "auditor")]));
    changes.note(event(Happening::OperatorDisabled, &[]));
    changes.note(event(Happening::OperatorEnabled, &[]));
    changes.note(event(Happening::OperatorChanged, &[("role_before", "owner"), ("role", "auditor")]));
    let mut replay = Replay::default();
    bodies(&changes).iter().for_each(|body| replay.note(body).unwrap());
    assert_eq!(replay.pins[&phone.enrolment], ProvenPin { at: at(2), mark: Some([2; 32]) });
    let mut fate = Fate { role: Some(Role::Auditor), ..Fate::default() };
    assert_eq!(replay.operators[&id], fate);
    let mut changes = Changeset::default();
    changes.note(event(Happening::OperatorInvited, &[("role", "auditor"), ("again", "true")]));
    changes.note(event(Happening::OperatorDisabled, &[]));
    bodies(&changes).iter().for_each(|body| replay.note(body).unwrap());
    (fate.invited_anew, fate.disabled) = (true, true);
    assert_eq!(replay.operators[&id], fate);
}
