//! A journal as exported, then damaged in every way that a file can be.

use std::io::{BufReader, Read};

use mdm_core::audit::{Actor, AuditEvent, GENESIS, Happening, Subject, link};
use rand::SeedableRng;
use rand::rngs::StdRng;
use shared::cose::{Signer, SoftwareKey};

use super::*;

struct Export {
    lines: Vec<String>,
    key: SoftwareKey,
    heads: Vec<JournalHead>,
}

fn key() -> SoftwareKey {
    SoftwareKey::from_pkcs8(&SoftwareKey::make_pkcs8().unwrap()).unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn view(entry: &Entry) -> String {
    let personal: Vec<serde_json::Value> = entry
        .personal
        .iter()
        .map(|value| {
            serde_json::json!({
                "field": value.field, "salt": HEXLOWER.encode(&value.salt), "value": value.value
            })
        })
        .collect();
    serde_json::json!({
        "sequence": entry.sequence,
        "bytes": BASE64.encode(&entry.bytes),
        "hash": HEXLOWER.encode(&entry.hash),
        "personal": personal,
    })
    .to_string()
}

fn checkpoint_line(head: &JournalHead, key: &SoftwareKey) -> String {
    let signed = cose::sign(&Checkpoint { head: head.clone(), at: at(99) }, b"", key).unwrap();
    serde_json::to_string(&CheckpointView {
        sequence: head.sequence,
        hash: HEXLOWER.encode(&head.hash),
        at: at(99),
        checkpoint: BASE64.encode(&signed),
        key: BASE64.encode(key.public_key().spki_der()),
    })
    .unwrap()
}

/// Entries 1 to `count`, each with a reason, and a checkpoint.
fn export(count: u64) -> Export {
    let mut rng = StdRng::seed_from_u64(3);
    let key = key();
    let (mut heads, mut lines) = (vec![GENESIS], Vec::new());
    for number in 1..=count {
        let second = i64::try_from(number).unwrap();
        let event = AuditEvent::new(at(second), Actor::Server, Happening::DeviceBlocked, Subject::default())
            .personal(PersonalValue::make("reason", &format!("reason {number}"), &mut rng));
        let entry = link(heads.last().unwrap(), &event);
        lines.push(view(&entry));
        heads.push(entry.head());
    }
    lines.push(checkpoint_line(heads.last().unwrap(), &key));
    Export { lines, key, heads }
}

fn check(lines: &[String], anchors: &Anchors) -> Result<Verdict, JournalError> {
    verify(BufReader::new((lines.join("\n") + "\n").as_bytes()), anchors)
}

fn anchored(export: &Export) -> Anchors {
    Anchors { key: Some(export.key.public_key().fingerprint()), at_least: None }
}

#[test]
fn an_untouched_export_verifies_and_says_what_vouches_for_it() {
    let export = export(5);
    let alone = check(&export.lines, &Anchors::default()).unwrap();
    assert!(!alone.anchored);
    assert!(alone.verdict.starts_with("internally consistent only"));
    let by_key = check(&export.lines, &anchored(&export)).unwrap();
    assert!(by_key.anchored && by_key.entries == 5);
    let by_entry = Anchors { key: None, at_least: Some(export.heads[3].clone()) };
    assert!(check(&export.lines, &by_entry).unwrap().anchored);
}

#[test]
fn an_empty_journal_verifies() {
    assert_eq!(check(&export(0).lines, &Anchors::default()).unwrap().entries, 0);
}

#[test]
fn a_tampered_line_is_named() {
    let export = export(5);
    let mut lines = export.lines.clone();
    // Another reason beside an untouched entry.
    lines[2] = lines[2].replace("reason 3", "reason 9");
    let error = check(&lines, &Anchors::default()).unwrap_err();
    assert!(matches!(error, JournalError::Chain { line: 3, cause: ChainError::Personal(3) }), "{error}");

    // The entry's own bytes: one bit of a commitment whose value is said to be deleted.
    let mut line: EntryView = serde_json::from_str(&export.lines[2]).unwrap();
    let mut bytes = BASE64.decode(line.bytes.as_bytes()).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    line.bytes = BASE64.encode(&bytes);
    line.personal.clear();
    lines = export.lines.clone();
    lines[2] = serde_json::to_string(&line).unwrap();
    let error = check(&lines, &Anchors::default()).unwrap_err();
    assert!(matches!(error, JournalError::Chain { line: 3, cause: ChainError::Changed(3) }), "{error}");
}

#[test]
fn deleted_personal_values_are_counted_and_break_nothing() {
    let export = export(3);
    let mut lines = export.lines.clone();
    let mut line: EntryView = serde_json::from_str(&lines[1]).unwrap();
    line.personal.clear();
    lines[1] = serde_json::to_string(&line).unwrap();
    assert_eq!(check(&lines, &anchored(&export)).unwrap().personal_values_deleted, 1);
}

#[test]
fn reordered_missing_and_repeated_entries_are_named() {
    let export = export(5);
    let mut swapped = export.lines.clone();
    swapped.swap(1, 2);
    let mut missing = export.lines.clone();
    missing.remove(1);
    let mut repeated = export.lines.clone();
    repeated.insert(1, repeated[0].clone());
    for (lines, found) in [(swapped, 3), (missing, 3), (repeated, 1)] {
        let error = check(&lines, &Anchors::default()).unwrap_err();
        let expected = ChainError::Sequence { expected: 2, found };
        assert!(matches!(&error, JournalError::Chain { line: 2, cause } if *cause == expected), "{error}");
    }
}

#[test]
fn a_truncated_file_is_no_export() {
    let export = export(5);
    let whole = export.lines.join("\n") + "\n";
    let checkpoint_begins = whole.len() - export.lines[5].len() - 1;
    let error = verify(&whole.as_bytes()[..checkpoint_begins], &Anchors::default()).unwrap_err();
    assert!(matches!(error, JournalError::NoCheckpoint { entries: 5 }), "{error}");
    let error = verify(&whole.as_bytes()[..whole.len() - 20], &Anchors::default()).unwrap_err();
    assert!(matches!(error, JournalError::NotAnEntry { line: 6, entry: 6, .. }), "{error}");

    // Entries cut off, the checkpoint kept.
    let mut shortened = export.lines.clone();
    shortened.remove(4);
    let error = check(&shortened, &Anchors::default()).unwrap_err();
    assert!(matches!(error, JournalError::OtherHead { signed: 5, found: 4 }), "{error}");
}

#[test]
fn a_journal_made_anew_verifies_by_itself_but_against_no_anchor() {
    let (genuine, forged) = (export(5), export(5));
    assert!(
        check(&forged.lines, &Anchors::default()).is_ok(),
        "control: the forgery is consistent in itself"
    );
    let error = check(&forged.lines, &anchored(&genuine)).unwrap_err();
    assert!(matches!(error, JournalError::OtherKey { .. }), "{error}");

    // Claims the genuine key without being able to sign for it.
    let mut claimed = forged.lines.clone();
    let mut line: CheckpointView = serde_json::from_str(&claimed[5]).unwrap();
    line.key = BASE64.encode(genuine.key.public_key().spki_der());
    claimed[5] = serde_json::to_string(&line).unwrap();
    let error = check(&claimed, &anchored(&genuine)).unwrap_err();
    assert!(matches!(error, JournalError::Checkpoint(VerifyError::WrongKey)), "{error}");

    let other = Anchors { key: None, at_least: Some(JournalHead { sequence: 3, hash: [7; 32] }) };
    assert!(matches!(check(&forged.lines, &other), Err(JournalError::AnchorDiffers(3))));
    let later = Anchors { key: None, at_least: Some(JournalHead { sequence: 8, hash: [7; 32] }) };
    assert!(matches!(check(&forged.lines, &later), Err(JournalError::AnchorMissing { wanted: 8, last: 5 })));
}

#[test]
fn nothing_may_follow_the_checkpoint() {
    let export = export(2);
    let mut lines = export.lines.clone();
    lines.push(lines[0].clone());
    assert!(matches!(check(&lines, &anchored(&export)), Err(JournalError::AfterCheckpoint { line: 4 })));
}

#[test]
fn a_huge_line_is_refused_before_it_is_read_to_its_end() {
    /// Never ends, and counts what was taken from it.
    struct Endless(u64);
    impl Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            buffer.fill(b'x');
            self.0 += buffer.len() as u64;
            Ok(buffer.len())
        }
    }
    let mut endless = Endless(0);
    let error = verify(BufReader::new(&mut endless), &Anchors::default()).unwrap_err();
    assert!(matches!(error, JournalError::LineTooLong { line: 1, entry: 1 }), "{error}");
    assert!(endless.0 < 2 * MAX_LINE as u64);
}

#[test]
fn anchors_are_read_in_the_forms_that_people_have() {
    let key = key();
    let fingerprint = HEXLOWER.encode(&key.public_key().fingerprint());
    let colons: Vec<String> =
        fingerprint.as_bytes().chunks(2).map(|pair| String::from_utf8(pair.into()).unwrap()).collect();
    let spki = BASE64.encode(key.public_key().spki_der());
    for text in [fingerprint.clone(), fingerprint.to_uppercase(), colons.join(":"), spki] {
        let anchors = Anchors::parse(Some(&text), None).unwrap();
        assert_eq!(anchors.key, Some(key.public_key().fingerprint()));
    }
    assert_eq!(Anchors::parse(Some("abc"), None), Err(NoAnchor::Key));
    assert_eq!(Anchors::parse(None, Some("5")), Err(NoAnchor::AtLeast));
    let anchors = Anchors::parse(None, Some(&format!("5:{fingerprint}"))).unwrap();
    assert_eq!(anchors.at_least.unwrap().sequence, 5);
}
