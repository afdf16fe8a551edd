//! Mistakes planted into the drivers: each is caught, by the invariant that it breaks. An invariant that cannot catch its
//! mistake would hold of anything.

use e2e_simulation::{Fault, Invariant, run};

/// Histories within which a mistake has to be found.
const ENOUGH: u64 = 2_000;
/// The seeds from which those are looked for that show only when two things meet in a moment: so many before them say nothing.
const FROM_FOR_AN_ENROLMENT_MEANWHILE: u64 = 7_000;
const FROM_FOR_A_REFUSING_DISK: u64 = 3_000;

fn caught_by(fault: Fault) -> Invariant {
    caught_from(1, ENOUGH, fault)
}

fn caught_from(seed: u64, enough: u64, fault: Fault) -> Invariant {
    let run = run(seed, enough, None, fault);
    let failure = run.failure.unwrap_or_else(|| panic!("{fault:?} was not caught in {enough} histories"));
    println!(
        "{fault:?}: {:?} after {} histories, {} acts\n{failure}\n",
        failure.violation.invariant, run.histories, failure.acts.1
    );
    assert!(failure.replayed, "{fault:?}: a failure comes again when it is played again");
    assert!(failure.to_string().contains(&format!("--seed {}", failure.seed)), "says how it is replayed");
    failure.violation.invariant
}

#[test]
fn a_receipt_before_the_erase_is_caught() {
    assert_eq!(caught_by(Fault::ReceiptBeforeErase), Invariant::ReceiptAfterErase);
}

#[test]
fn an_offline_slot_that_is_kept_at_a_block_is_caught() {
    assert_eq!(caught_by(Fault::OfflineSlotKeptAtBlock), Invariant::BlockedHasNoOfflineSlot);
}

#[test]
fn an_offline_slot_that_the_disk_has_refused_to_give_up_is_caught() {
    // It takes a frame that comes again, too.
    let caught = caught_from(FROM_FOR_A_REFUSING_DISK, ENOUGH, Fault::RefusedSlotLeft);
    assert_eq!(caught, Invariant::BlockedHasNoOfflineSlot);
}

#[test]
fn an_attempt_that_is_not_charged_is_caught() {
    assert_eq!(caught_by(Fault::AttemptNotCharged), Invariant::AnswerIsPaid);
}

#[test]
fn an_answer_before_its_charge_is_caught() {
    assert_eq!(caught_by(Fault::AnswerBeforeCharge), Invariant::AnswerIsPaid);
}

#[test]
fn a_record_destroyed_before_the_wipe_is_committed_is_caught() {
    assert_eq!(caught_by(Fault::SealBeforeCommit), Invariant::SealAfterCommit);
}

#[test]
fn a_volatile_lease_on_the_disk_is_caught() {
    assert_eq!(caught_by(Fault::VolatileLeaseStored), Invariant::VolatileEndsWithProcess);
}

#[test]
fn a_command_that_takes_effect_twice_is_caught() {
    assert_eq!(caught_by(Fault::ProgressForgotten), Invariant::CommandAtMostOnce);
}

#[test]
fn an_answer_before_its_time_is_recorded_is_caught() {
    assert_eq!(caught_by(Fault::AnswerBeforeRecorded), Invariant::OpenOnlyWhileRecorded);
}

#[test]
fn an_unlock_that_is_counted_late_is_caught() {
    assert_eq!(caught_by(Fault::UnlockCountedLate), Invariant::PhoneNeverBehind);
}

#[test]
fn a_receipt_that_is_not_awaited_is_caught() {
    assert_eq!(caught_by(Fault::ReceiptNotAwaited), Invariant::EveryWipeEnds);
}

#[test]
fn a_note_that_is_acknowledged_before_it_is_synced_is_caught() {
    assert_eq!(caught_by(Fault::NoteNotSynced), Invariant::AcknowledgedStays);
}

#[test]
fn seats_that_are_not_counted_are_caught() {
    assert_eq!(caught_by(Fault::SeatsNotCounted), Invariant::SeatsWithinPool);
}

#[test]
fn a_block_that_is_not_noted_is_caught() {
    assert_eq!(caught_by(Fault::BlockNotNoted), Invariant::ChangeIsNoted);
}

#[test]
fn an_account_that_is_closed_with_its_device_alive_is_caught() {
    assert_eq!(caught_by(Fault::ClosedWithoutWipe), Invariant::ClosedHasNoDevice);
}

#[test]
fn an_entry_that_is_missing_in_the_journal_is_caught() {
    assert_eq!(caught_by(Fault::JournalEntryLost), Invariant::JournalVerifies);
}

#[test]
fn a_limit_of_attempts_that_is_not_kept_is_caught() {
    assert_eq!(caught_by(Fault::LimitNotKept), Invariant::AttemptsLimited);
}

#[test]
fn a_state_that_is_written_over_the_old_one_is_caught() {
    assert_eq!(caught_by(Fault::StateInPlace), Invariant::HomeOpens);
}

#[test]
fn a_slot_that_is_not_synced_is_caught() {
    assert_eq!(caught_by(Fault::SlotNotSynced), Invariant::RightPinOpens);
}

#[test]
fn an_enrolment_during_an_unlock_is_caught() {
    // It breaks both: slot and record may be of different tries, and the count begins anew.
    let caught = caught_from(FROM_FOR_AN_ENROLMENT_MEANWHILE, 2 * ENOUGH, Fault::EnrolledWhileUnlocking);
    assert!([Invariant::PhoneNeverBehind, Invariant::RightPinOpens].contains(&caught), "{caught:?}");
}
