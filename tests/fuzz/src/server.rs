//! What the server reads: its key file and configuration, bodies and queries of the API, and an exported journal; and what
//! `mdmctl` reads of a server's answers.

use std::fmt::Debug;
use std::io::BufReader;

use mdm_server::api::types;
use mdm_server::backup::manifest::Manifest;
use mdm_server::backup::rows;
use mdm_server::config::Config;
use mdm_server::console::forms;
use mdm_server::journal_file::{self, Anchors};
use mdm_store::{Charge, UnlockRecords, key_file as pages};
use serde::Serialize;
use serde::de::DeserializeOwned;
use shared::cose::Signer as _;
use shared::wire::KeyLevel;

use crate::encodings::{read_as, settles_in_a_query, settles_in_json};
use crate::statements;

/// Records that are charged and destroyed.
const TOUCHED: usize = 4;

/// A key file: what opens can be used, and what is destroyed in it is gone.
pub(crate) fn key_file(bytes: &[u8]) {
    let Ok(records) = pages::in_memory_from(bytes.to_vec()) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime without IO");
    runtime.block_on(use_records(&*records));
}

async fn use_records(records: &dyn UnlockRecords) {
    let all = records.list().await.expect("a list in memory");
    assert!(all.is_sorted_by(|a, b| a < b), "each enrolment has one record");
    let exhausted = records.exhausted().await.expect("a list in memory");
    for enrolment in all.iter().copied().take(TOUCHED) {
        let before = records.attempts(enrolment).await.expect("a count in memory").expect("it is listed");
        let charge = records.charge(enrolment).await.expect("a charge in memory");
        let after = records.attempts(enrolment).await.expect("a count in memory").expect("it is listed");
        match charge {
            Charge::Charged(charged) => {
                read_as("record with attempts left");
                assert_eq!(after.used, before.used + 1, "every attempt is counted");
                assert_eq!(charged.attempts_left, after.left());
            }
            Charge::Exhausted => assert!(exhausted.contains(&enrolment) && before.left() == 0),
            Charge::Missing => panic!("it is listed"),
        }
        records.destroy(enrolment).await.expect("a destruction in memory");
        assert!(records.attempts(enrolment).await.expect("a count in memory").is_none());
        assert!(matches!(records.charge(enrolment).await, Ok(Charge::Missing)));
    }
}

/// A body of JSON under the type that the first byte names: what the server reads of a request, `mdmctl` of an answer.
pub(crate) fn api_body(bytes: &[u8]) {
    let readers = [
        json::<types::OrderRequest>,
        json::<types::PoolRequest>,
        json::<types::ReclaimRequest>,
        json::<types::WaitingRequest>,
        json::<types::InviteRequest>,
        json::<types::RoleRequest>,
        json::<types::ErrorBody>,
        json::<types::Page<types::AccountView>>,
        json::<types::AccountDetail>,
        json::<types::BatchView>,
        json::<types::Page<types::ItemView>>,
        json::<types::Page<types::DeviceView>>,
        json::<types::LicenseStatus>,
        json::<types::Reclaimed>,
        json::<types::Reissued>,
        json::<types::Page<types::WaitingView>>,
        json::<types::Page<types::EntryView>>,
        json::<types::CheckpointView>,
        json::<types::Page<types::OperatorView>>,
        json::<types::InvitationView>,
        json::<types::TokenMade>,
        json::<types::UndoRequest>,
        json::<types::ApplyRequest>,
        json::<types::ApproveRequest>,
        json::<types::ScheduleRequest>,
        json::<types::CancelRequest>,
        json::<types::DeputyRequest>,
        json::<types::DifferenceView>,
    ];
    chosen(bytes, &readers);
}

fn json<T: Serialize + DeserializeOwned>(bytes: &[u8]) {
    if let Ok(value) = serde_json::from_slice::<T>(bytes) {
        settles_in_json(&value);
    }
}

/// The query of an address.
pub(crate) fn api_query(bytes: &[u8]) {
    let readers = [
        query::<types::PageQuery>,
        query::<types::AccountQuery>,
        query::<types::DeviceQuery>,
        query::<types::UploadQuery>,
        query::<types::ExportQuery>,
        query::<types::LettersQuery>,
        query::<types::DifferenceQuery>,
    ];
    chosen(bytes, &readers);
}

fn query<T: Serialize + DeserializeOwned + PartialEq + Debug>(bytes: &[u8]) {
    if let Ok(value) = serde_urlencoded::from_bytes::<T>(bytes) {
        settles_in_a_query(&value);
    }
}

fn chosen(bytes: &[u8], readers: &[fn(&[u8])]) {
    let Some((number, rest)) = bytes.split_first() else { return };
    readers[usize::from(*number) % readers.len()](rest);
}

/// An exported journal. Whatever verifies against a key was signed by it.
pub(crate) fn journal_export(bytes: &[u8]) {
    let fingerprint = statements::key().public_key().fingerprint();
    let by_key = Anchors { key: Some(fingerprint), at_least: None };
    let alone = journal_file::verify(BufReader::new(bytes), &Anchors::default());
    let anchored = journal_file::verify(BufReader::new(bytes), &by_key);
    if let Ok(verdict) = &anchored {
        assert!(verdict.anchored);
        read_as("journal signed by our key");
        let alone = alone.as_ref().expect("what a key vouches for agrees with itself");
        assert!(!alone.anchored);
        assert_eq!((alone.entries, &alone.head), (verdict.entries, &verdict.head));
    }
    if let Ok(verdict) = &alone {
        read_as("journal");
        let (entries, head) = (verdict.entries, &verdict.head);
        let known =
            Anchors::parse(None, Some(&format!("{entries}:{head}"))).expect("a head as it is printed");
        assert!(journal_file::verify(BufReader::new(bytes), &known).is_ok(), "its own head is in it");
    }
}

/// The configuration file.
pub(crate) fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(config) = toml::from_str::<Config>(text) else { return };
    read_as("configuration");
    let written = toml::to_string(&config).expect("what was read can be written");
    assert_eq!(toml::from_str::<Config>(&written).as_ref(), Ok(&config));
    if config.problem().is_none() {
        read_as("configuration without a problem");
        for level in [KeyLevel::Software, KeyLevel::Tee, KeyLevel::Strongbox] {
            let policy = config.policy(level);
            assert!(policy.pin_min_length >= 4 && policy.max_open_seconds >= 60);
            assert!(policy.unrecognised.is_empty());
        }
    }
}

/// The manifest of a backup, whose MAC was judged before.
pub(crate) fn backup_manifest(bytes: &[u8]) {
    let Ok(manifest) = serde_json::from_slice::<Manifest>(bytes) else { return };
    settles_in_json(&manifest);
    if let Some(head) = manifest.head() {
        assert_eq!(head.sequence, manifest.journal_sequence);
    }
}

/// The database in a backup. There is one way to write rows.
pub(crate) fn backup_rows(bytes: &[u8]) {
    if let Ok(written) = rows::rewritten(bytes) {
        read_as("rows");
        assert_eq!(written, bytes);
    }
}

/// A form or query of the console under the page that the first byte names. With another token the rest is understood as before.
pub(crate) fn console_form(bytes: &[u8]) {
    let Some((number, body)) = bytes.split_first() else { return };
    let reader = forms::READERS[usize::from(*number) % forms::READERS.len()];
    let understood = (reader.understands)(body);
    if understood {
        read_as((reader.name)());
    }
    if reader.has_token {
        assert_eq!((reader.understands)(&[b"csrf=another&".as_slice(), body].concat()), understood);
    }
}
