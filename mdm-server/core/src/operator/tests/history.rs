//! Random histories, two changes decided from the same sight of things at a time: whoever commits second meets the
//! versions of the first.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::change::{Key, Version};

#[derive(Debug, Clone, Copy)]
enum Step {
    Invite(Role),
    Reinvite,
    Accept,
    Role(Role),
    Disable,
    Enable,
    Token,
    Revoke,
}

fn step() -> impl Strategy<Value = (u8, Step)> {
    let role = prop_oneof![Just(Role::Owner), Just(Role::Operator), Just(Role::Auditor)];
    let step = prop_oneof![
        1 => role.clone().prop_map(Step::Invite),
        1 => Just(Step::Reinvite),
        2 => Just(Step::Accept),
        1 => role.prop_map(Step::Role),
        2 => Just(Step::Disable),
        1 => Just(Step::Enable),
        1 => Just(Step::Token),
        1 => Just(Step::Revoke),
    ];
    (1_u8..5, step)
}

/// What is stored.
#[derive(Debug, Clone, Default)]
struct Book(BTreeMap<OperatorId, Stored<Operator>>);

impl Book {
    fn begin() -> Self {
        let first = NewOperator { token: Some(TokenHash([1; 32])), ..new_operator(1, Role::Owner) };
        let mut book = Self::default();
        assert!(book.commit(&rules::invite(&[], first, personal(), acting()).unwrap()));
        book
    }

    fn all(&self) -> Vec<Stored<Operator>> {
        self.0.values().cloned().collect()
    }

    fn decide(&self, (number, step): (u8, Step)) -> Option<Changeset> {
        let (all, id, acting) = (self.all(), id(number), acting());
        match step {
            Step::Invite(role) => rules::invite(&all, new_operator(number, role), personal(), acting).ok(),
            Step::Reinvite => rules::reinvite(&all, id, invitation(number), acting).ok(),
            Step::Accept => {
                let operator = self.0.get(&id)?.clone();
                rules::accept(operator, invitation(number).hash, credentials(0), noon()).ok()
            }
            Step::Role(role) => rules::set_role(&all, id, role, acting).ok(),
            Step::Disable => rules::disable(&all, id, acting).ok(),
            Step::Enable => rules::enable(&all, id, acting).ok(),
            Step::Token => rules::set_token(&all, id, TokenHash([number; 32]), acting).ok(),
            Step::Revoke => rules::revoke_token(&all, id, acting).ok(),
        }
    }

    /// As a store does it: all of it, if every version is as expected.
    fn commit(&mut self, changes: &Changeset) -> bool {
        let version = |key: &Key| match key {
            Key::Operator(id) => self.0.get(id).map_or(Version(0), |stored| stored.version),
            other => panic!("operators do not write {other:?}"),
        };
        if changes.writes.iter().any(|write| version(&write.key) != write.expected) {
            return false;
        }
        for write in &changes.writes {
            let Some(Record::Operator(value)) = &write.record else { panic!("operators are never deleted") };
            let version = Version(write.expected.0 + 1);
            self.0.insert(value.id, Stored { version, value: value.clone() });
        }
        true
    }

    fn owners(&self) -> impl Iterator<Item = &Operator> {
        self.0.values().map(|stored| &stored.value).filter(|operator| operator.role == Role::Owner)
    }

    fn owner_signs_in(&self) -> bool {
        self.owners().any(|owner| owner.credentials().is_some())
    }

    fn owner_acts(&self) -> bool {
        self.owner_signs_in() || self.owners().any(|owner| owner.is_enabled() && owner.token.is_some())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn an_owner_who_can_act_is_always_left_and_one_who_can_sign_in_ever_after(
        pairs in prop::collection::vec((step(), step()), 1..30)
    ) {
        let mut book = Book::begin();
        let mut signed_in = false;
        for (first, second) in pairs {
            let decided = [book.decide(first), book.decide(second)];
            for changes in decided.into_iter().flatten() {
                book.commit(&changes);
                signed_in |= book.owner_signs_in();
                prop_assert!(book.owner_acts(), "{book:?}");
                prop_assert!(!signed_in || book.owner_signs_in(), "{book:?}");
            }
        }
    }
}
