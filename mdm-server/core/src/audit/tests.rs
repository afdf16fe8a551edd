//! A journal that verifies, and every way to spoil it.

use super::*;
use rand::SeedableRng;
use shared::signed::JournalHead;

fn journal(length: usize) -> Vec<Entry> {
    let mut rng = rand::rngs::StdRng::seed_from_u64(3);
    let mut head = GENESIS;
    (0..length)
        .map(|n| {
            let event =
                AuditEvent::new(Timestamp::UNIX_EPOCH, Actor::Server, Happening::PoolSet, Subject::default())
                    .fact("size", n)
                    .personal(PersonalValue::make("reason", "a lost phone", &mut rng));
            let entry = link(&head, &event);
            head = entry.head();
            entry
        })
        .collect()
}

#[test]
fn an_untouched_journal_verifies_against_an_anchor_inside_it() {
    let entries = journal(5);
    let verified = verify(&entries, Some(&entries[2].head())).unwrap();
    assert_eq!(verified.head, entries[4].head());
}

#[test]
fn personal_values_can_be_deleted_but_not_replaced() {
    let mut entries = journal(3);
    entries[1].personal.clear();
    assert_eq!(verify(&entries, None).unwrap().personal_deleted, 1);
    entries[2].personal[0].value = "another reason".to_owned();
    assert_eq!(verify(&entries, None), Err(ChainError::Personal(3)));
}

#[test]
fn a_changed_missing_or_swapped_entry_is_named() {
    let mut changed = journal(3);
    let last = changed[1].bytes.len() - 1;
    changed[1].hash[0] ^= 1;
    assert_eq!(verify(&changed, None), Err(ChainError::Changed(2)));
    changed[1].hash[0] ^= 1;
    changed[1].bytes.truncate(last);
    assert_eq!(verify(&changed, None), Err(ChainError::Undecodable(2)));

    let mut missing = journal(3);
    missing.remove(1);
    assert_eq!(verify(&missing, None), Err(ChainError::Sequence { expected: 2, found: 3 }));
}

#[test]
fn a_journal_computed_anew_or_cut_short_lacks_the_anchor() {
    let entries = journal(5);
    let anchor = entries[4].head();
    assert_eq!(verify(&entries[..4], Some(&anchor)), Err(ChainError::Anchor(5)));
    let elsewhere = JournalHead { sequence: 5, hash: [1; 32] };
    assert_eq!(verify(&entries, Some(&elsewhere)), Err(ChainError::Anchor(5)));
}
