//! Approval and time: rule by rule, then any order of steps.

use jiff::SignedDuration;
use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;
use shared::ids::{BatchId, OperatorId};

use super::*;
use crate::account::SourceName;
use crate::batch::{HeldReason, KeptRows, Mode, Origin, PlanSummary, Release, StateWord};
use crate::operator::{Deputy, Invitation, InvitationHash, OperatorName, Role, SealedTotpSecret, SignIn};
use crate::testing::{noon, rng, stored};

const RULES: GuardRules =
    GuardRules { leavers_percent: 10, approval_above: 50, approvers: Approvers::Operators };
const DIGEST: [u8; 32] = [7; 32];
const ROSTER: u64 = 3;

fn operator(number: u8, role: Role) -> Operator {
    let invitation = Invitation {
        hash: InvitationHash([number; 32]),
        expires_at: noon(),
        totp_secret: SealedTotpSecret(Vec::new()),
    };
    Operator {
        id: OperatorId::from_bytes([number; 16]),
        name: OperatorName::new(&format!("op{number}")).unwrap(),
        role,
        token: None,
        sign_in: SignIn::Invited(invitation),
        session_epoch: 0,
        created_at: noon(),
        disabled_at: None,
        deputy: None,
    }
}

fn author() -> Operator {
    operator(1, Role::Operator)
}

fn summary(join: u32, leave: u32) -> PlanSummary {
    PlanSummary { join, leave, present: 100, ..PlanSummary::default() }
}

fn batch(summary: PlanSummary) -> Batch {
    Batch {
        id: BatchId::from_bytes([9; 16]),
        source: SourceName::new("知事部局").unwrap(),
        mode: Mode::Roster,
        uploaded_at: noon(),
        uploaded_by: Actor::Operator(author().id),
        digest: [0; 32],
        encoding: "UTF-8".to_owned(),
        delimiter: "comma".to_owned(),
        layout: "own".to_owned(),
        unused_sheets: Vec::new(),
        lost_zeros: None,
        unused_columns: Vec::new(),
        assigned: Vec::new(),
        private_use: Vec::new(),
        private_use_total: 0,
        normalised_rows: Vec::new(),
        normalised_total: 0,
        like_leave: Vec::new(),
        kept: KeptRows::default(),
        roster_version: ROSTER,
        state: BatchState::Planned,
        summary,
        chunks: 1,
        origin: Origin::File,
        padded_to: None,
        temporary_until: None,
        mends: None,
        earlier_authors: Vec::new(),
        decided: Vec::new(),
        befores: 0,
        plan_digest: DIGEST,
        release: Release::default(),
    }
}

fn words(leavers: Option<u32>) -> Words<'static> {
    Words { looked_at: DIGEST, consent: Consent { leavers }, emergency: None }
}

fn after(changes: &Changeset) -> Batch {
    let [write] = &changes.writes[..] else { panic!("{changes:?}") };
    let Some(Record::Batch(batch)) = &write.record else { panic!("{changes:?}") };
    batch.clone()
}

fn by(batch: &Batch, approver: &Operator, words: Words<'_>) -> Result<Batch, ApprovalError> {
    let changes = approve(stored(batch.clone()), ROSTER, approver, words, &RULES, noon(), &mut rng())?;
    Ok(after(&changes))
}

fn acting(operator: &Operator, now: Timestamp) -> Acting {
    Acting { actor: Actor::Operator(operator.id), now }
}

fn in_hours(hours: i64) -> Timestamp {
    noon() + SignedDuration::from_hours(hours)
}

#[test]
fn few_changes_need_nothing_and_many_somebody_else() {
    let guards = |join, leave| {
        let guards = Guards::of(&summary(join, leave), &RULES);
        (guards.leavers, guards.approval)
    };
    assert_eq!(
        guards(40, 10),
        (None, false),
        "ten of a hundred are not above ten percent, fifty not above fifty"
    );
    assert_eq!(guards(0, 11), (Some(11), true), "leavers above the share ask for both");
    assert_eq!(guards(51, 0), (None, true));
    let nobody_was_there = PlanSummary { leave: 1, ..PlanSummary::default() };
    assert_eq!(Guards::of(&nobody_was_there, &RULES).leavers, Some(1));
}

#[test]
fn the_author_does_not_approve_and_another_does() {
    let batch = batch(summary(60, 0));
    assert_eq!(may_apply(&batch, Consent::default(), &RULES), Err(ApprovalError::NeedsApproval));
    assert_eq!(by(&batch, &author(), words(None)), Err(ApprovalError::OwnPlan));
    let mut author_and_owner = author();
    author_and_owner.role = Role::Owner;
    assert_eq!(by(&batch, &author_and_owner, words(None)), Err(ApprovalError::OwnPlan));
    for role in [Role::Helpdesk, Role::Auditor] {
        assert_eq!(
            by(&batch, &operator(2, role), words(None)),
            Err(ApprovalError::NotAnApprover),
            "{role:?}"
        );
    }
    let approved = by(&batch, &operator(2, Role::Operator), words(None)).unwrap();
    assert_eq!(approved.state, BatchState::Approved);
    assert_eq!(may_apply(&approved, Consent::default(), &RULES), Ok(()));
    let again = by(&approved, &operator(3, Role::Owner), words(None));
    assert_eq!(again, Err(ApprovalError::NotNow(NotNow(StateWord::Approved))));
}

#[test]
fn where_owners_approve_an_operator_does_so_only_as_their_deputy() {
    let rules = GuardRules { approvers: Approvers::Owners, ..RULES };
    let planned = batch(summary(60, 0));
    let mut deputy = operator(2, Role::Operator);
    let try_as = |deputy: &Operator, now| {
        approve(stored(planned.clone()), ROSTER, deputy, words(None), &rules, now, &mut rng())
    };
    assert_eq!(try_as(&deputy, noon()), Err(ApprovalError::NotAnApprover));
    deputy.deputy = Some(Deputy { from: in_hours(1), until: in_hours(2) });
    assert_eq!(try_as(&deputy, in_hours(0)), Err(ApprovalError::NotAnApprover), "too early");
    assert_eq!(try_as(&deputy, in_hours(2)), Err(ApprovalError::NotAnApprover), "too late");
    let changes = try_as(&deputy, in_hours(1)).unwrap();
    assert!(
        changes.events[0].facts.contains(&("as".to_owned(), "deputy".to_owned())),
        "{:?}",
        changes.events
    );
    assert_eq!(after(&changes).release.approval.unwrap().capacity, Capacity::Deputy);
    deputy.id = author().id;
    assert_eq!(try_as(&deputy, in_hours(1)), Err(ApprovalError::OwnPlan), "a deputy is still the author");
}

#[test]
fn the_number_of_leavers_is_typed_and_never_told() {
    let batch = batch(summary(0, 37));
    let second = operator(2, Role::Owner);
    for (typed, error) in [
        (None, ApprovalError::LeaversNotTyped),
        (Some(36), ApprovalError::LeaversDiffer),
        (Some(0), ApprovalError::LeaversDiffer),
    ] {
        assert!(!error.to_string().contains("37"));
        assert_eq!(by(&batch, &second, words(typed)), Err(error.clone()));
        assert_eq!(may_apply(&batch, Consent { leavers: typed }, &RULES), Err(error.clone()));
        let scheduled = schedule(
            stored(batch.clone()),
            ROSTER,
            in_hours(1),
            Consent { leavers: typed },
            &RULES,
            acting(&second, noon()),
        );
        assert_eq!(scheduled, Err(error));
    }
    assert!(by(&batch, &second, words(Some(37))).is_ok());
}

#[test]
fn what_was_looked_at_is_what_is_approved() {
    let batch = batch(summary(60, 0));
    let other = Words { looked_at: [8; 32], ..words(None) };
    assert_eq!(by(&batch, &operator(2, Role::Owner), other), Err(ApprovalError::AnotherPlan));
    let stale = approve(
        stored(batch),
        ROSTER + 1,
        &operator(2, Role::Owner),
        words(None),
        &RULES,
        noon(),
        &mut rng(),
    );
    assert_eq!(stale, Err(ApprovalError::Stale));
}

#[test]
fn an_emergency_is_the_authors_has_a_reason_and_is_seen_until_another_owner_takes_note() {
    let planned = batch(summary(60, 0));
    let because = |reason| Words { emergency: Some(reason), ..words(None) };
    assert_eq!(by(&planned, &author(), because("  ")), Err(ApprovalError::Reason));
    assert_eq!(by(&planned, &operator(2, Role::Owner), because("急ぎ")), Err(ApprovalError::NoEmergency));
    let changes = approve(stored(planned), ROSTER, &author(), because("急ぎ"), &RULES, noon(), &mut rng());
    let changes = changes.unwrap();
    assert_eq!(changes.events[0].what, Happening::BatchSelfApproved);
    let approved = after(&changes);
    assert!(approved.unacknowledged_emergency().is_some());

    let own = acknowledge(stored(approved.clone()), false, acting(&author(), noon()));
    assert_eq!(own, Err(ApprovalError::OwnEmergency));
    assert!(
        acknowledge(stored(approved.clone()), true, acting(&author(), noon())).is_ok(),
        "nobody else is there"
    );
    let seen = acknowledge(stored(approved), false, acting(&operator(2, Role::Owner), noon())).unwrap();
    let seen = after(&seen);
    assert!(seen.unacknowledged_emergency().is_none());
    let again = acknowledge(stored(seen), false, acting(&operator(3, Role::Owner), noon()));
    assert_eq!(again, Err(ApprovalError::NothingToAcknowledge));
}

#[test]
fn a_time_that_was_wished_is_taken_with_the_approval_and_changing_it_voids_none() {
    let plan = batch(summary(60, 0));
    let at = |batch: &Batch, time, now| {
        schedule(stored(batch.clone()), ROSTER, time, Consent::default(), &RULES, acting(&author(), now))
    };
    assert_eq!(at(&plan, noon(), noon()), Err(ApprovalError::TimeIsPast));
    assert_eq!(at(&plan, in_hours(367 * 24), noon()), Err(ApprovalError::TimeIsFar));
    let wished = after(&at(&plan, in_hours(1), noon()).unwrap());
    assert_eq!((wished.state.word(), wished.due()), (StateWord::Planned, None), "nobody has approved it");
    let approved = by(&wished, &operator(2, Role::Owner), words(None)).unwrap();
    assert_eq!((approved.state.word(), approved.due()), (StateWord::Scheduled, Some(in_hours(1))));
    let later = after(&at(&approved, in_hours(2), noon()).unwrap());
    assert_eq!((later.due(), later.release.approval), (Some(in_hours(2)), approved.release.approval));
}

#[test]
fn what_could_not_take_effect_is_held_once_and_tried_again_only_when_somebody_decided() {
    let plan = batch(summary(1, 0));
    let scheduled =
        schedule(stored(plan), ROSTER, in_hours(1), Consent::default(), &RULES, acting(&author(), noon()));
    let scheduled = after(&scheduled.unwrap());
    let changes = hold(stored(scheduled), HeldReason::Stale, in_hours(1)).unwrap();
    assert_eq!(changes.events[0].what, Happening::BatchHeld);
    let held = after(&changes);
    assert_eq!((held.state.word(), held.due()), (StateWord::Scheduled, None));
    assert!(hold(stored(held.clone()), HeldReason::Stale, in_hours(2)).is_none());
    let again = schedule(
        stored(held),
        ROSTER,
        in_hours(3),
        Consent::default(),
        &RULES,
        acting(&author(), in_hours(2)),
    );
    assert_eq!(after(&again.unwrap()).due(), Some(in_hours(3)));
}

#[test]
fn a_newer_file_takes_the_place_of_one_for_the_same_time_or_of_one_that_is_held() {
    let mut older = batch(summary(1, 0));
    let newer = Batch { id: BatchId::from_bytes([10; 16]), ..older.clone() };
    assert!(is_replaced_by(&older, &newer));
    assert!(!is_replaced_by(&older, &older), "a batch is not newer than itself");
    let elsewhere = Batch { source: SourceName::new("教育委員会").unwrap(), ..newer.clone() };
    assert!(!is_replaced_by(&older, &elsewhere));
    let some = Batch { mode: Mode::Upsert, ..newer.clone() };
    assert!(!is_replaced_by(&older, &some), "some rows are no roster");
    assert!(!is_replaced_by(&some, &older), "nor the other way round");
    let mended = Batch { id: BatchId::from_bytes([11; 16]), ..some.clone() };
    assert!(!is_replaced_by(&some, &mended), "the rest of some rows is no newer version of them");
    older.release.effective_at = Some(in_hours(1));
    older.state = BatchState::Scheduled;
    assert!(!is_replaced_by(&older, &newer), "for another time");
    let held = after(&hold(stored(older.clone()), HeldReason::Stale, in_hours(1)).unwrap());
    assert!(is_replaced_by(&held, &newer));
    assert!(!is_replaced_by(&held, &some));
    older.state = BatchState::Applied { at: noon() };
    older.release.effective_at = None;
    assert!(!is_replaced_by(&older, &newer), "what is in force stays");
    assert!(replace(stored(older), newer.id, acting(&author(), noon())).is_err());
}

#[test]
fn lines_are_deleted_thirty_days_after_the_end_and_never_before_one() {
    let mut plan = batch(summary(1, 0));
    assert!(delete_lines(stored(plan.clone()), in_hours(24 * 300)).is_none(), "still open");
    plan.state = BatchState::Cancelled { at: noon(), by: Actor::Server, why: "x".to_owned() };
    assert!(delete_lines(stored(plan.clone()), in_hours(24 * 30 - 1)).is_none());
    let deleted = after(&delete_lines(stored(plan), in_hours(24 * 30)).unwrap());
    assert_eq!(deleted.release.lines_deleted_at, Some(in_hours(24 * 30)));
    assert!(delete_lines(stored(deleted), in_hours(24 * 40)).is_none());
}

/// What somebody tries.
#[derive(Debug, Clone)]
enum Try {
    Approve { who: u8, emergency: bool, typed: Option<u32> },
    Schedule { in_hours: i64, typed: Option<u32> },
    Apply { typed: Option<u32> },
    Cancel,
    Replace,
    Hold,
}

fn tries() -> impl Strategy<Value = Try> {
    let typed = || prop_oneof![Just(None), Just(Some(0)), Just(Some(30))];
    prop_oneof![
        3 => (1u8..4, any::<bool>(), typed())
            .prop_map(|(who, emergency, typed)| Try::Approve { who, emergency, typed }),
        3 => (-1i64..3, typed()).prop_map(|(in_hours, typed)| Try::Schedule { in_hours, typed }),
        2 => typed().prop_map(|typed| Try::Apply { typed }),
        1 => Just(Try::Cancel),
        1 => Just(Try::Replace),
        1 => Just(Try::Hold),
    ]
}

fn attempt(batch: &Batch, what: &Try, now: Timestamp) -> Result<Changeset, ApprovalError> {
    let batch = stored(batch.clone());
    let acting = acting(&author(), now);
    let mut rng = StdRng::seed_from_u64(1);
    match *what {
        Try::Approve { who, emergency, typed } => {
            let words = Words { emergency: emergency.then_some("急ぎ"), ..words(typed) };
            approve(batch, ROSTER, &operator(who, Role::Operator), words, &RULES, now, &mut rng)
        }
        Try::Schedule { in_hours, typed } => {
            let time = now + SignedDuration::from_hours(in_hours);
            schedule(batch, ROSTER, time, Consent { leavers: typed }, &RULES, acting)
        }
        Try::Apply { typed } => {
            may_apply(&batch.value, Consent { leavers: typed }, &RULES)?;
            let mut applied = batch;
            let event = acting.event(Happening::BatchApplied, &applied.value);
            applied.value.state = BatchState::Applied { at: now };
            Ok(changed(applied, event))
        }
        Try::Cancel => cancel(batch, "x", acting, &mut rng),
        Try::Replace => replace(batch, BatchId::from_bytes([10; 16]), acting),
        Try::Hold => Ok(hold(batch, HeldReason::Stale, now).unwrap_or_default()),
    }
}

proptest! {
    /// In whatever order people try things: what asks for a second person or a number does not go on without, an end is an
    /// end, an approval stays, and each step leaves one event.
    #[test]
    fn no_order_of_steps_leads_round_a_guard(
        many in any::<bool>(),
        leave in prop_oneof![Just(0u32), Just(30)],
        tries in prop::collection::vec(tries(), 0..12),
    ) {
        let mut batch = batch(summary(if many { 60 } else { 1 }, leave));
        let guards = Guards::of(&batch.summary, &RULES);
        for (hour, what) in (0..).zip(&tries) {
            let Ok(changes) = attempt(&batch, what, in_hours(hour)) else { continue };
            if changes.writes.is_empty() {
                prop_assert!(changes.events.is_empty());
                continue;
            }
            prop_assert_eq!(changes.events.len(), 1);
            let next = after(&changes);
            prop_assert!(batch.state.is_open(), "{:?} after {:?}", what, batch.state);
            let goes_on = matches!(next.state.word(), StateWord::Approved | StateWord::Scheduled | StateWord::Applied);
            if goes_on && guards.approval {
                let approval = next.release.approval.as_ref().expect("an approval");
                let is_author = approval.by == batch.uploaded_by;
                prop_assert_eq!(is_author, matches!(approval.capacity, Capacity::Emergency { .. }));
            }
            if let (Try::Approve { typed, .. } | Try::Schedule { typed, .. } | Try::Apply { typed }, Some(count)) =
                (what, guards.leavers)
            {
                prop_assert_eq!(*typed, Some(count));
            }
            if batch.release.approval.is_some() {
                prop_assert_eq!(&batch.release.approval, &next.release.approval);
            }
            batch = next;
        }
    }
}
