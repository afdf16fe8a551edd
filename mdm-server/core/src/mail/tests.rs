use rand::SeedableRng;
use rand::rngs::StdRng;
use shared::crypto::Secret;

use super::*;
use crate::change::Version;
use crate::code::CodeKeys;

fn now() -> Timestamp {
    "2027-04-01T00:00:00+09:00".parse().unwrap()
}

fn code(rng: &mut StdRng, valid_from: Timestamp) -> CodeRecord {
    let account = AccountId::make(now(), rng);
    CodeKeys::derive(&Secret::make(rng)).issue(account, now(), valid_from, rng)
}

fn stored(changes: &Changeset) -> Stored<MailItem> {
    match changes.writes.as_slice() {
        [write] => match &write.record {
            Some(Record::Mail(item)) => {
                Stored { version: Version(write.expected.0 + 1), value: item.clone() }
            }
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

fn queued(rng: &mut StdRng) -> (CodeRecord, Stored<MailItem>) {
    let code = code(rng, now());
    let id = MailId::make(now(), rng);
    let item = stored(&queue(&code, None, None, id, now()).unwrap());
    (code, item)
}

#[test]
fn asking_twice_changes_nothing_and_what_failed_is_tried_again_under_its_own_id() {
    let mut rng = StdRng::seed_from_u64(1);
    let (code, item) = queued(&mut rng);
    let other = MailId::make(now(), &mut rng);
    assert_eq!(queue(&code, Some(item.clone()), None, other, now()), None);

    let sent = tried(item.clone(), Tried::Sent, now(), &mut rng).unwrap();
    assert_eq!(sent.events[0].what, Happening::CodeMailed);
    assert_eq!(queue(&code, Some(stored(&sent)), None, other, now()), None, "it is there already");
    assert_eq!(
        tried(stored(&sent), Tried::Later(Obstacle::NoConnection), now(), &mut rng),
        None,
        "it does not wait any more"
    );

    let failed = tried(item.clone(), Tried::Failed(Failure::Refused), now(), &mut rng).unwrap();
    assert_eq!(failed.events[0].what, Happening::CodeNotMailed);
    assert!(failed.events[0].facts.contains(&("why".to_owned(), "refused".to_owned())));
    assert_eq!(stored(&failed).value.due(), None);
    let again = stored(&queue(&code, Some(stored(&failed)), None, other, now()).unwrap());
    assert_eq!(again.value, item.value, "one that came twice is recognised by its id");
}

#[test]
fn why_a_mail_waits_is_kept_until_it_is_asked_for_anew() {
    let mut rng = StdRng::seed_from_u64(5);
    let (code, item) = queued(&mut rng);
    let waits = stored(&tried(item, Tried::Later(Obstacle::SignIn), now(), &mut rng).unwrap());
    assert!(matches!(
        waits.value.state,
        MailState::Queued { tries: 1, obstacle: Some(Obstacle::SignIn), .. }
    ));
    let failed = stored(&tried(waits, Tried::Failed(Failure::Refused), now(), &mut rng).unwrap());
    let again = stored(&queue(&code, Some(failed), None, MailId::make(now(), &mut rng), now()).unwrap());
    assert!(matches!(again.value.state, MailState::Queued { tries: 0, obstacle: None, .. }));
}

#[test]
fn what_waits_can_be_called_off_and_asked_for_again_and_what_had_left_is_noted() {
    let mut rng = StdRng::seed_from_u64(6);
    let (code, item) = queued(&mut rng);
    let changes = cancel(item.clone(), Actor::Server, now()).unwrap();
    assert_eq!(changes.events[0].what, Happening::CodeMailCancelled);
    let cancelled = stored(&changes);
    assert_eq!(cancelled.value.due(), None);
    assert_eq!(cancel(cancelled.clone(), Actor::Server, now()), None, "once");
    for how in [Tried::Later(Obstacle::Later), Tried::Failed(Failure::Refused)] {
        assert_eq!(tried(cancelled.clone(), how, now(), &mut rng), None, "it stays called off");
    }
    let sent = stored(&tried(cancelled.clone(), Tried::Sent, now(), &mut rng).unwrap());
    assert_eq!(sent.value.state, MailState::Sent { at: now() }, "it was on its way");
    assert_eq!(cancel(sent, Actor::Server, now()), None);
    let again = queue(&code, Some(cancelled), None, MailId::make(now(), &mut rng), now()).unwrap();
    assert_eq!(stored(&again).value, item.value);
}

#[test]
fn nothing_is_sent_before_its_code_works() {
    let mut rng = StdRng::seed_from_u64(2);
    let later = now() + SignedDuration::from_hours(30);
    let code = code(&mut rng, later);
    let item = stored(&queue(&code, None, None, MailId::make(now(), &mut rng), now()).unwrap());
    assert_eq!(item.value.due(), Some(later));
}

#[test]
fn pauses_double_up_to_an_hour_and_after_a_day_it_is_given_up() {
    let mut rng = StdRng::seed_from_u64(3);
    let (_, mut item) = queued(&mut rng);
    let (mut at, mut pauses) = (now(), Vec::new());
    loop {
        let changes = tried(item, Tried::Later(Obstacle::NoConnection), at, &mut rng).unwrap();
        item = stored(&changes);
        let Some(due) = item.value.due() else {
            assert_eq!(item.value.state, MailState::Failed { at, why: Failure::GivenUp });
            break;
        };
        assert_eq!(changes.events, [], "the journal hears of ends only");
        pauses.push(due.duration_since(at).as_secs());
        at = due;
    }
    let longest = [60, 120, 240, 480, 960, 1920, 3600, 3600];
    for (pause, whole) in pauses.iter().zip(longest) {
        assert!((whole..=whole + whole / 4).contains(pause), "{pauses:?}");
    }
    let whole = at.duration_since(now());
    assert!((24..26).contains(&whole.as_hours()), "{whole}");
}

#[test]
fn a_mail_brings_codes_that_open_a_first_device_and_no_others() {
    let mut rng = StdRng::seed_from_u64(4);
    let open = code(&mut rng, now());
    assert!(can_bring(&open, now()));
    assert!(!can_bring(&open, open.expires_at));
    let mut replaced = open.clone();
    replaced.end(CodeState::Replaced);
    assert!(!can_bring(&replaced, now()));
    let asked = CodeRecord { asked_by: Some(shared::ids::EnrolmentId::from_bytes([1; 16])), ..open };
    assert!(!can_bring(&asked, now()), "a device shows it itself");
}
