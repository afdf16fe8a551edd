//! The last owner stays, whatever is done and however much at once; invitations are open once; a code counts once.

mod history;

use jiff::SignedDuration;
use shared::ids::OperatorId;

use super::rules::{self, Acting, InvitationGone, NewOperator, OperatorError};
use super::sign_in::{self, Failure, NotAccepted};
use super::*;
use crate::audit::{Actor, Happening, PersonalValue};
use crate::change::{Changeset, Record, Stored};
use crate::quarantine::replay::Fate;
use crate::testing::{noon, rng, stored};

fn id(number: u8) -> OperatorId {
    OperatorId::from_bytes([number; 16])
}

fn name(text: &str) -> OperatorName {
    OperatorName::new(text).unwrap()
}

fn acting() -> Acting {
    Acting { actor: Actor::Operator(id(0)), now: noon() }
}

fn personal() -> PersonalValue {
    PersonalValue::make("source", "192.0.2.1", &mut rng())
}

fn invitation(number: u8) -> Invitation {
    Invitation {
        hash: InvitationHash([number; 32]),
        expires_at: noon() + INVITATION_VALID_FOR,
        totp_secret: SealedTotpSecret(vec![number; 48]),
    }
}

fn credentials(last_step: u64) -> Credentials {
    let password = PasswordHash("$argon2id$…".to_owned());
    Credentials { password, totp_secret: SealedTotpSecret(vec![1; 48]), last_step }
}

fn new_operator(number: u8, role: Role) -> NewOperator {
    let invitation = invitation(number);
    NewOperator { id: id(number), name: name(&format!("n{number}")), role, invitation, token: None }
}

fn ready(number: u8, role: Role) -> Stored<Operator> {
    stored(Operator {
        id: id(number),
        name: name(&format!("n{number}")),
        role,
        token: None,
        sign_in: SignIn::Ready(credentials(100)),
        session_epoch: 7,
        created_at: noon(),
        disabled_at: None,
        deputy: None,
    })
}

fn invited(number: u8, role: Role) -> Stored<Operator> {
    let mut operator = ready(number, role);
    operator.value.sign_in = SignIn::Invited(invitation(number));
    operator
}

/// The operator as a changeset stores them.
fn written(changes: &Changeset, id: OperatorId) -> Operator {
    let write = changes.writes.iter().find_map(|write| match &write.record {
        Some(Record::Operator(operator)) if operator.id == id => Some(operator.clone()),
        _ => None,
    });
    write.expect("the changeset stores the operator")
}

fn noted(changes: &Changeset) -> Vec<Happening> {
    changes.events.iter().map(|event| event.what).collect()
}

#[test]
fn each_role_may_do_its_own_and_only_the_owner_administers_operators() {
    let acts =
        [Act::Read, Act::Manage, Act::Approve, Act::Codes, Act::Block, Act::Wipe, Act::Audit, Act::Operators];
    let may = |role: Role| acts.into_iter().filter(|act| role.may(*act)).collect::<Vec<_>>();
    assert_eq!(may(Role::Owner), acts);
    assert_eq!(
        may(Role::Operator),
        [Act::Read, Act::Manage, Act::Approve, Act::Codes, Act::Block, Act::Wipe]
    );
    assert_eq!(may(Role::Helpdesk), [Act::Read, Act::Block]);
    assert_eq!(may(Role::Auditor), [Act::Read, Act::Audit]);
}

#[test]
fn an_operator_is_invited_under_a_name_that_nobody_has() {
    let all = [ready(1, Role::Owner)];
    let changes = rules::invite(&all, new_operator(2, Role::Helpdesk), personal(), acting()).unwrap();
    let operator = written(&changes, id(2));
    assert_eq!(operator.open_invitation(noon()), Some(&invitation(2)));
    assert_eq!((operator.credentials(), operator.token), (None, None));
    assert_eq!(noted(&changes), [Happening::OperatorInvited]);

    let taken = NewOperator { name: name("N1"), ..new_operator(2, Role::Helpdesk) };
    let refused = rules::invite(&all, taken, personal(), acting());
    assert_eq!(refused, Err(OperatorError::NameTaken(name("N1"))));
}

#[test]
fn the_first_owner_begins_with_a_token_and_the_journal_says_so() {
    let first = NewOperator { token: Some(TokenHash([1; 32])), ..new_operator(1, Role::Owner) };
    let changes = rules::invite(&[], first, personal(), acting()).unwrap();
    assert_eq!(noted(&changes), [Happening::OperatorInvited, Happening::TokenMade]);
}

#[test]
fn an_invitation_is_accepted_once_and_in_time() {
    let operator = invited(1, Role::Operator);
    let hash = invitation(1).hash;
    let changes = rules::accept(operator.clone(), hash, credentials(5), noon()).unwrap();
    let accepted = written(&changes, id(1));
    assert_eq!(accepted.credentials(), Some(&credentials(5)));
    assert_ne!(accepted.session_epoch, operator.value.session_epoch);
    assert_eq!(noted(&changes), [Happening::OperatorReady]);
    assert_eq!(changes.events[0].actor, Actor::Operator(id(1)));

    let gone = |operator, hash, now| rules::accept(operator, hash, credentials(5), now);
    assert_eq!(gone(stored(accepted), hash, noon()), Err(InvitationGone), "a second time");
    let late = noon() + INVITATION_VALID_FOR;
    assert_eq!(gone(operator.clone(), hash, late), Err(InvitationGone));
    assert!(gone(operator.clone(), hash, late - SignedDuration::from_secs(1)).is_ok(), "control");
    assert_eq!(gone(operator.clone(), InvitationHash([9; 32]), noon()), Err(InvitationGone), "replaced");
    let mut disabled = operator;
    disabled.value.disabled_at = Some(noon());
    assert_eq!(gone(disabled, hash, noon()), Err(InvitationGone), "disabled");
}

#[test]
fn another_invitation_voids_password_phone_and_sessions_but_not_the_token() {
    let mut helpdesk = ready(2, Role::Helpdesk);
    helpdesk.value.token = Some(TokenHash([2; 32]));
    let all = [ready(1, Role::Owner), helpdesk.clone()];
    let changes = rules::reinvite(&all, id(2), invitation(3), acting()).unwrap();
    let operator = written(&changes, id(2));
    assert_eq!(operator.credentials(), None);
    assert_eq!(operator.open_invitation(noon()), Some(&invitation(3)));
    assert_ne!(operator.session_epoch, helpdesk.value.session_epoch);
    assert_eq!(operator.token, helpdesk.value.token);
}

#[test]
fn the_last_owner_who_can_sign_in_stays() {
    let all = [ready(1, Role::Owner), invited(2, Role::Owner), ready(3, Role::Operator)];
    assert_eq!(rules::disable(&all, id(1), acting()), Err(OperatorError::LastOwner));
    assert_eq!(rules::set_role(&all, id(1), Role::Operator, acting()), Err(OperatorError::LastOwner));
    assert_eq!(rules::reinvite(&all, id(1), invitation(4), acting()), Err(OperatorError::LastOwner));
    // Control: what takes no owner away.
    assert!(rules::disable(&all, id(2), acting()).is_ok());
    assert!(rules::disable(&all, id(3), acting()).is_ok());

    let all = [ready(1, Role::Owner), ready(2, Role::Owner)];
    assert!(rules::disable(&all, id(1), acting()).is_ok());
    let mut all = all;
    all[1].value.disabled_at = Some(noon());
    assert_eq!(rules::disable(&all, id(1), acting()), Err(OperatorError::LastOwner));
}

#[test]
fn an_owner_who_never_signed_in_keeps_what_lets_them_act() {
    let mut first = invited(1, Role::Owner);
    first.value.token = Some(TokenHash([1; 32]));
    let all = [first, invited(2, Role::Owner)];
    assert_eq!(rules::revoke_token(&all, id(1), acting()), Err(OperatorError::LastOwner));
    assert_eq!(rules::disable(&all, id(1), acting()), Err(OperatorError::LastOwner));
    assert!(rules::reinvite(&all, id(1), invitation(5), acting()).is_ok());
}

#[test]
fn who_takes_an_owner_away_writes_the_owner_who_stays() {
    let all = [ready(1, Role::Owner), ready(2, Role::Owner), ready(3, Role::Helpdesk)];
    let changes = rules::disable(&all, id(1), acting()).unwrap();
    assert_eq!(written(&changes, id(2)), all[1].value);
    assert_eq!(changes.writes.len(), 2);
    let changes = rules::disable(&all, id(3), acting()).unwrap();
    assert_eq!(changes.writes.len(), 1, "nobody has to stay for a helpdesk");
}

#[test]
fn the_machine_of_the_server_lets_a_disabled_owner_in_again_and_nobody_else() {
    let mut owner = ready(1, Role::Owner);
    owner.value.disabled_at = Some(noon());
    let all = [owner, ready(2, Role::Helpdesk)];
    let server = Acting { actor: Actor::Server, now: noon() };
    let changes = rules::rescue(&all, id(1), invitation(6), server).unwrap();
    let operator = written(&changes, id(1));
    assert_eq!(operator.open_invitation(noon()), Some(&invitation(6)));
    assert_eq!(noted(&changes), [Happening::OperatorInvited]);
    assert!(changes.events[0].facts.contains(&("rescue".to_owned(), "true".to_owned())));
    let refused = rules::rescue(&all, id(2), invitation(6), server);
    assert_eq!(refused, Err(OperatorError::NotAnOwner(name("n2"))));
}

#[test]
fn who_is_disabled_can_be_enabled_and_nothing_else() {
    let all = [ready(1, Role::Owner), ready(2, Role::Operator)];
    let disabled = written(&rules::disable(&all, id(2), acting()).unwrap(), id(2));
    assert_eq!(disabled.credentials(), None);
    let all = [all[0].clone(), stored(disabled.clone())];
    let refused = Err(OperatorError::Disabled(name("n2")));
    assert_eq!(rules::set_role(&all, id(2), Role::Owner, acting()), refused);
    assert_eq!(rules::reinvite(&all, id(2), invitation(2), acting()), refused);
    assert_eq!(rules::set_token(&all, id(2), TokenHash([2; 32]), acting()), refused);

    let enabled = written(&rules::enable(&all, id(2), acting()).unwrap(), id(2));
    assert!(enabled.credentials().is_some());
    assert_ne!(enabled.session_epoch, disabled.session_epoch, "sessions do not come back");
}

#[test]
fn what_is_so_already_changes_nothing() {
    let all = [ready(1, Role::Owner), ready(2, Role::Operator)];
    let nothing = Ok(Changeset::default());
    assert_eq!(rules::set_role(&all, id(1), Role::Owner, acting()), nothing);
    assert_eq!(rules::enable(&all, id(2), acting()), nothing);
    assert_eq!(rules::revoke_token(&all, id(2), acting()), nothing);
    assert_eq!(rules::enable(&all, id(9), acting()), Err(OperatorError::Unknown(id(9))));
}

#[test]
fn a_code_counts_once_and_none_before_it_any_more() {
    let operator = ready(1, Role::Operator);
    let password = credentials(0).password;
    let sign_in = |operator: &Stored<Operator>, step| {
        sign_in::signed_in(operator.clone(), &password, step, personal(), noon())
    };
    let changes = sign_in(&operator, 101).unwrap();
    assert_eq!(noted(&changes), [Happening::SignedIn]);
    let after = stored(written(&changes, id(1)));
    for spent in [101, 100, 99] {
        assert_eq!(sign_in(&after, spent), Err(NotAccepted::CodeSpent));
        assert_eq!(sign_in::confirmed(after.clone(), spent, noon()), Err(NotAccepted::CodeSpent));
    }
    let confirmed = sign_in::confirmed(after, 102, noon()).unwrap();
    assert_eq!(noted(&confirmed), [Happening::SecondFactorConfirmed]);
    assert_eq!(sign_in(&stored(written(&confirmed, id(1))), 102), Err(NotAccepted::CodeSpent));
}

#[test]
fn nobody_signs_in_who_was_changed_since_the_password_was_compared() {
    let operator = ready(1, Role::Operator);
    let sign_in = |operator| sign_in::signed_in(operator, &credentials(0).password, 101, personal(), noon());
    assert!(sign_in(operator.clone()).is_ok(), "control");
    let mut disabled = operator.clone();
    disabled.value.disabled_at = Some(noon());
    assert_eq!(sign_in(disabled.clone()), Err(NotAccepted::NotReady));
    assert_eq!(sign_in::confirmed(disabled, 101, noon()), Err(NotAccepted::NotReady));
    assert_eq!(sign_in(invited(1, Role::Operator)), Err(NotAccepted::NotReady));
    let mut other = operator;
    let SignIn::Ready(credentials) = &mut other.value.sign_in else { panic!("is ready") };
    credentials.password = PasswordHash("$argon2id$other".to_owned());
    assert_eq!(sign_in(other), Err(NotAccepted::PasswordChanged));
}

#[test]
fn a_failed_attempt_is_nobodys_act_until_a_session_made_it() {
    let failed = |failure| sign_in::failed(Some(id(1)), failure, None, noon()).actor;
    assert_eq!(failed(Failure::Password), Actor::Visitor);
    assert_eq!(failed(Failure::SecondFactor), Actor::Operator(id(1)));
}

#[test]
fn neither_password_nor_secret_is_in_debug_text() {
    let text = format!("{:?} {:?}", ready(1, Role::Owner), invited(2, Role::Owner));
    assert!(text.contains("PasswordHash(…)") && text.contains("SealedTotpSecret(…)"));
    assert!(!text.contains("argon2id") && !text.contains("[1, 1"));
}

#[test]
fn a_server_that_has_forgotten_something_ends_tokens_and_open_invitations() {
    let mut owner = ready(1, Role::Owner);
    owner.value.token = Some(TokenHash([1; 32]));
    let open = invited(2, Role::Operator);
    let (untouched, long_over) = (ready(3, Role::Auditor), {
        let mut over = invited(4, Role::Helpdesk);
        over.value.sign_in = SignIn::Invited(Invitation { expires_at: noon(), ..invitation(4) });
        over
    });
    let held = rules::hold(&[owner.clone(), open.clone(), untouched, long_over], "restored", acting());
    assert_eq!(held.writes.len(), 2, "who has neither stays as they are");
    let held_owner = written(&held, id(1));
    assert_eq!(held_owner.token, None);
    assert_eq!(held_owner.sign_in, owner.value.sign_in, "an owner can still sign in");
    assert_ne!(held_owner.session_epoch, owner.value.session_epoch);
    let invited = written(&held, id(2));
    assert!(open.value.open_invitation(noon()).is_some()); // the control
    assert_eq!(invited.open_invitation(noon()), None);
    let noted: Vec<_> = held.events.iter().map(|event| event.what).collect();
    assert_eq!(noted, [Happening::TokenRevoked, Happening::OperatorChanged]);
}

#[test]
fn what_became_of_an_operator_is_done_again_also_to_the_last_owner() {
    let acting = acting();
    let suffer = |stored, fate| rules::suffer(stored, fate, acting, &mut rng());
    let disabled = Fate { disabled: true, ..Fate::default() };
    let last = ready(1, Role::Owner);
    // The rule that stands in the way of operators.
    let refused = rules::disable(std::slice::from_ref(&last), id(1), acting).unwrap_err();
    assert_eq!(refused, OperatorError::LastOwner);
    let changes = suffer(last.clone(), disabled).unwrap();
    let owner = written(&changes, id(1));
    assert!(!owner.is_enabled() && owner.session_epoch != last.value.session_epoch);
    assert!(!rules::an_owner_signs_in([&owner]) && rules::an_owner_signs_in([&last.value]));
    // The way back, from the machine of the server.
    let rescued = rules::rescue(&[stored(owner.clone())], id(1), invitation(9), acting).unwrap();
    assert!(written(&rescued, id(1)).open_invitation(noon()).is_some());

    let fate = Fate { role: Some(Role::Helpdesk), invited_anew: true, disabled: false };
    let changed = written(&suffer(ready(2, Role::Owner), fate).unwrap(), id(2));
    assert_eq!(
        (changed.role, changed.credentials(), changed.open_invitation(noon())),
        (Role::Helpdesk, None, None)
    );
    assert!(changed.is_enabled());
    // Again, nothing is left to do; and nobody is enabled.
    assert_eq!(suffer(stored(changed), fate), None);
    assert_eq!(suffer(stored(owner), Fate::default()), None);
}

#[test]
fn a_deputy_approves_in_their_time_and_does_nothing_else() {
    let all = [ready(1, Role::Owner), ready(2, Role::Helpdesk)];
    let day = |days: i64| noon() + SignedDuration::from_hours(24 * days);
    let named = |from, until| rules::set_deputy(&all, id(2), Some(Deputy { from, until }), acting());
    for (from, until) in [(day(1), day(1)), (day(-2), day(-1)), (day(0), day(93))] {
        assert_eq!(named(from, until), Err(OperatorError::DeputyTime));
    }
    let changes = named(day(1), day(3)).unwrap();
    assert_eq!(changes.events[0].what, Happening::DeputyNamed);
    let deputy = written(&changes, id(2));
    let may = |act, now| deputy.may(act, now);
    assert_eq!([0, 1, 2, 3].map(|days| may(Act::Approve, day(days))), [false, true, true, false]);
    assert!(!may(Act::Manage, day(1)) && !may(Act::Codes, day(1)) && !may(Act::Wipe, day(1)));

    let ended = rules::set_deputy(&[all[0].clone(), stored(deputy)], id(2), None, acting()).unwrap();
    assert!(!written(&ended, id(2)).may(Act::Approve, day(1)));
}
