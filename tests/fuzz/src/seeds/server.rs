//! The key file, the configuration, bodies, queries, and exported journals.

use std::fs;

use data_encoding::{BASE64, HEXLOWER};
use jiff::Timestamp;
use mdm_core::audit::{Actor, AuditEvent, Entry, GENESIS, Happening, PersonalValue, Subject, link};
use mdm_server::api::types::{CheckpointView, EntryView, PersonalView};
use mdm_server::console::forms;
use mdm_store::key_file;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::json;
use shared::cose::{self, Signer as _};
use shared::crypto::Secret;
use shared::ids::EnrolmentId;
use shared::signed::{Checkpoint, JournalHead};

use super::Seeds;
use crate::statements::key;

const ID: &str = "0192f0c1-2345-7abc-8def-0123456789ab";
const TIME: &str = "2027-04-01T03:00:00Z";

pub(super) fn add(seeds: &mut Seeds) {
    key_files(seeds);
    configurations(seeds);
    journals(seeds);
    requests(seeds);
    answers(seeds);
    queries(seeds);
    backups(seeds);
    forms(seeds);
}

fn key_files(seeds: &mut Seeds) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("keys");
    let mut rng = StdRng::seed_from_u64(9);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime without IO");
    runtime.block_on(async {
        let records = key_file::open(&path).expect("a new key file");
        for (number, attempts) in [(1, 10), (2, 1), (3, 10)] {
            let id = EnrolmentId::from_bytes([number; 16]);
            let credential = Secret::make(&mut rng);
            records.put(id, credential, Secret::make(&mut rng), attempts).await.expect("a record");
            records.charge(id).await.expect("an attempt");
        }
        let (id, credential) = (EnrolmentId::from_bytes([1; 16]), Secret::make(&mut rng));
        records.put_pending(id, credential, Secret::make(&mut rng)).await.expect("a record beside another");
        records.destroy(EnrolmentId::from_bytes([3; 16])).await.expect("a record of ours");
    });
    let file = fs::read(&path).expect("just written");
    // The header and three pages; the file grows by more at once.
    let file = &file[..4 * 4096];
    seeds.add("key_file", "three-records", file);
    seeds.add("key_file", "no-records", &file[..4096]);
    seeds.add("key_file", "a-cut-header", &file[..10]);
    seeds.add("key_file", "a-cut-page", &file[..4096 + 700]);
    seeds.add("key_file", "empty", Vec::new());
    let changed = |at: usize, to: u8| {
        let mut bytes = file.to_vec();
        bytes[at] = to;
        bytes
    };
    seeds.add("key_file", "another-header", changed(3, b'X'));
    seeds.add("key_file", "a-changed-sum", changed(4096 + 270, 1));
    seeds.add("key_file", "bytes-behind-the-sum", changed(4096 + 1_000, 1));
    let mut twice = file.to_vec();
    twice.copy_within(4096..2 * 4096, 2 * 4096);
    seeds.add("key_file", "one-record-twice", twice);
}

fn configurations(seeds: &mut Seeds) {
    let least = "organisation = '玉手県'\npublic_address = 'localhost:4433'\ndata = '/d'\nsecrets = '/s'\n\
        [listen]\nquic = '127.0.0.1:0'\nhttps = '[::1]:8443'\nhttps_names = ['localhost', '::1']\n";
    let devices = "[devices]\npin_min_length = 6\nunlock_attempts = 10\nlease_mode = 'durable'\nlease_minutes = 480\n\
        max_open_minutes = 15\ndurable_lease_on_software_keys = true\nclipboard = 'inside_in'\n";
    seeds.add("config", "least", least);
    seeds.add_mutated("config", "whole", format!("{least}{devices}"));
    seeds.add("config", "mistyped", format!("{least}[devices]\nunlock_atempts = 5\n"));
    seeds.add("config", "out-of-range", format!("{least}[devices]\nlease_minutes = 4294967295\n"));
    seeds.add("config", "secrets-inside-data", least.replace("'/s'", "'/d/s'"));
    seeds.add("config", "deep", format!("a = {}", "[".repeat(2_000)));
}

fn entry_view(entry: &Entry) -> EntryView {
    let personal = |value: &PersonalValue| PersonalView {
        field: value.field.clone(),
        salt: HEXLOWER.encode(&value.salt),
        value: value.value.clone(),
    };
    EntryView {
        sequence: entry.sequence,
        bytes: BASE64.encode(&entry.bytes),
        hash: HEXLOWER.encode(&entry.hash),
        personal: entry.personal.iter().map(personal).collect(),
    }
}

fn checkpoint_view(head: &JournalHead, at: Timestamp) -> CheckpointView {
    let signed =
        cose::sign(&Checkpoint { head: head.clone(), at }, b"", &key()).expect("a key in memory signs");
    CheckpointView {
        sequence: head.sequence,
        hash: HEXLOWER.encode(&head.hash),
        at,
        checkpoint: BASE64.encode(&signed),
        key: BASE64.encode(key().public_key().spki_der()),
    }
}

fn journals(seeds: &mut Seeds) {
    let at: Timestamp = TIME.parse().expect("a time");
    let mut rng = StdRng::seed_from_u64(3);
    let (mut head, mut lines) = (GENESIS, Vec::new());
    for _ in 0..3 {
        let event = AuditEvent::new(at, Actor::Server, Happening::DeviceBlocked, Subject::default())
            .personal(PersonalValue::make("reason", "紛失", &mut rng));
        let entry = link(&head, &event);
        head = entry.head();
        lines.push(serde_json::to_string(&entry_view(&entry)).expect("a view becomes JSON"));
    }
    let line = |head: &JournalHead| {
        serde_json::to_string(&checkpoint_view(head, at)).expect("a view becomes JSON") + "\n"
    };
    let whole = lines.join("\n") + "\n" + &line(&head);
    seeds.add("journal_export", "without-its-checkpoint", lines.join("\n"));
    seeds.add("journal_export", "without-an-entry", lines[1..].join("\n") + "\n" + &line(&head));
    seeds.add("journal_export", "a-reason-changed", whole.replace("紛失", "盗難"));
    seeds.add("journal_export", "a-reason-deleted", whole.replacen("紛失", "", 1));
    seeds.add("journal_export", "more-behind-the-checkpoint", format!("{whole}\n"));
    seeds.add("journal_export", "of-no-entries", line(&GENESIS));
    seeds.add_mutated("journal_export", "three-entries", whole);
}

/// Under the number that [`crate::server::api_body`] gives each type.
fn requests(seeds: &mut Seeds) {
    let requests = [
        (0, "order", json!({"reason": "紛失の連絡"})),
        (1, "pool", json!({"size": 4_294_967_295_u32})),
        (2, "reclaim", json!({"never_signed_in_days": 90, "at_most": 5, "dry_run": true})),
        (3, "waiting", json!({"account": "0012345", "source": "知事部局"})),
        (4, "invite", json!({"name": "tanaka", "role": "operator"})),
        (5, "role", json!({"role": "auditor"})),
    ];
    for (number, name, body) in requests {
        seeds.add_mutated("api_body", name, [&[number], body.to_string().as_bytes()].concat());
    }
    let undo = json!({"departments": ["税務課"], "staff_numbers": ["001"]});
    seeds.add("api_body", "undo", [&[21], undo.to_string().as_bytes()].concat());
    seeds.add("api_body", "an-unknown-key", [&[1], &br#"{"size":1,"sise":2}"#[..]].concat());
    seeds.add("api_body", "deep", [&[7], "[".repeat(3_000).as_bytes()].concat());
}

fn answers(seeds: &mut Seeds) {
    let at: Timestamp = TIME.parse().expect("a time");
    let account = json!({
        "id": ID, "source": "知事部局", "staff_number": "0012345", "name": "髙橋 太郎", "kana": "タカハシ タロウ",
        "title": null, "departments": [], "state": "active", "wishes_seat": true, "seat_since": TIME,
        "signed_in_at": null, "code_issued_at": null,
    });
    let device = json!({
        "id": ID, "account": ID, "staff_number": null, "name": null, "state": "wiped", "model": "Pixel 9",
        "platform": "Android 16", "app_version": "0.1.0", "key_level": "strongbox", "enrolled_at": TIME,
        "last_contact": null, "last_unlock": TIME, "connected": false, "may_be_open_until": TIME, "attempts_left": 9,
        "wipe": {"command": ID, "ordered_at": TIME, "sealed_at": TIME, "erased_at": null, "receipt_received_at": null,
            "receipt_sha256": null, "further_receipts": 0},
        "statement": {"ja": "消去", "en": "erased"},
    });
    let entry =
        link(&GENESIS, &AuditEvent::new(at, Actor::Server, Happening::DeviceBlocked, Subject::default()));
    let operator = json!({"id": ID, "name": "tanaka", "role": "owner", "state": "ready", "has_token": true,
        "created_at": TIME});
    let seat = json!({"account": ID, "staff_number": "0012345", "name": "髙橋 太郎"});
    let more = json!({"mail": "a@example.jp", "employment": null, "term_ends": "2028-03-31", "state_since": TIME,
        "created_at": TIME, "waiting_since": null, "devices": [device], "codes": [{"state": "used", "issued_at": TIME,
        "valid_from": TIME, "expires_at": TIME, "tries": 1, "assigned": true}]});
    let mut detail = account.clone();
    let fields = detail.as_object_mut().expect("an account is an object");
    fields.extend(more.as_object().expect("so is the rest of it").clone());
    let batch = json!({
        "id": ID, "source": "知事部局", "mode": "roster", "state": "planned", "applied_at": null, "uploaded_at": TIME,
        "sha256": "00", "encoding": "cp932", "delimiter": "comma", "layout": "own",
        "unused_columns": ["備考"], "private_use_total": 1,
        "private_use": [{"row": 2, "column": "氏名", "code": "U+E000"}], "normalised_rows": {"first": [2], "total": 1},
        "summary": {"rows": 1, "join": 1, "moved": 0, "change": 0, "returned": 0, "leave": 0, "unchanged": 0,
            "rejected": 0, "leavers_held_back": false, "seats_wished": 1, "seats_freed": 0, "seats_free": 5},
    });
    let code = json!({"account": ID, "source": "知事部局", "staff_number": "1", "name": "甲", "department": "総務課",
        "code": "XXXXX-XXXXX", "valid_from": TIME, "expires_at": TIME});
    let item = json!({"position": 0, "row": 2, "account": null, "kind": "join", "staff_number": "1", "name": "甲",
        "department": null, "wishes_seat": true});
    let difference = json!({"same": 1, "new": 1, "gone": 0, "changed": 0, "unknown_older": 0, "unknown_newer": 1,
        "people": [{"older": null, "newer": item}], "next": "1"});
    let answers = [
        (27, "difference", difference),
        (8, "account", detail),
        (9, "batch", batch),
        (10, "items", json!({"items": [item]})),
        (13, "reclaimed", json!({"dry_run": true, "reclaimed": [seat], "given_to": []})),
        (14, "reissued", json!({"code": code})),
        (19, "invitation", json!({"operator": operator, "link": "https://localhost/i", "expires_at": TIME})),
        (6, "error", json!({"error": {"code": "not-found", "message": "there is no such account"}})),
        (7, "accounts", json!({"items": [account], "next": ID})),
        (11, "devices", json!({"items": [device]})),
        (
            12,
            "licenses",
            json!({"pool": 9, "reserved": 1, "assigned": 2, "free": 6, "waiting": 0, "never_signed_in": 1}),
        ),
        (
            15,
            "waiting-list",
            json!({"items": [{"position": 1, "account": ID, "staff_number": "1", "name": "甲",
            "since": TIME}]}),
        ),
        (16, "entries", json!({"items": [entry_view(&entry)]})),
        (17, "checkpoint", json!(checkpoint_view(&entry.head(), at))),
        (18, "operators", json!({"items": [operator]})),
        (20, "token", json!({"operator": operator, "token": "tbk_0123456789"})),
    ];
    for (number, name, body) in answers {
        seeds.add("api_body", name, [&[number], body.to_string().as_bytes()].concat());
    }
}

/// Under the number that [`crate::server::api_query`] gives each type.
fn queries(seeds: &mut Seeds) {
    for (number, name, query) in [
        (0, "page", format!("after={ID}&limit=1000")),
        (
            1,
            "accounts",
            "search=%E3%82%BF%E3%82%AB%E3%83%8F%E3%82%B7&source=%E7%9F%A5%E4%BA%8B&limit=5".to_owned(),
        ),
        (2, "devices", format!("after={ID}")),
        (3, "upload", "source=%E7%9F%A5%E4%BA%8B&mode=roster&file_name=a%2Bb.csv&encoding=cp932".to_owned()),
        (4, "export", "format=csv".to_owned()),
        (5, "letters", format!("layout=ten&language=en&batch={ID}&substitutes=true")),
        (6, "difference", format!("older={ID}&after=200&limit=50")),
        (0, "limit-twice", "limit=1&limit=2".to_owned()),
        (0, "limit-too-large", "limit=99999999999999999999".to_owned()),
        (1, "not-utf8", "search=%ff%fe&after=+".to_owned()),
    ] {
        seeds.add_mutated("api_query", name, [&[number], query.as_bytes()].concat());
    }
}

fn backups(seeds: &mut Seeds) {
    let manifest = json!({
        "format": 1, "version": "0.1.0", "organisation": "玉手県", "made_at": TIME, "journal_sequence": 7,
        "journal_hash": HEXLOWER.encode(&[9; 32]), "checkpoint": BASE64.encode(&[1; 64]),
        "files": [{"name": "documents/1", "bytes": 70_000, "sha256": HEXLOWER.encode(&[2; 32])}],
        "not_in_it": ["the master key"],
    });
    seeds.add_mutated("backup_manifest", "whole", manifest.to_string());
    seeds.add("backup_manifest", "of-a-hash-that-is-none", manifest.to_string().replace("0909", "zz"));
    let row = |key: &[u8], value: &[u8]| {
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).expect("a row is short").to_be_bytes();
        [&length(key), &length(value), key, value].concat()
    };
    let end = |count: u64| [&[0xff; 4][..], &count.to_be_bytes()].concat();
    let magic = &b"tbk-rows/1\r\n"[..];
    let rows = [magic, &row(b"a", b"1"), &row(b"", b""), &row(b"c", &[3; 300])].concat();
    seeds.add_mutated("backup_rows", "three", [rows.as_slice(), &end(3)].concat());
    seeds.add("backup_rows", "none", [magic, &end(0)].concat());
    seeds.add("backup_rows", "more-than-there-are", [rows.as_slice(), &end(4)].concat());
    seeds.add("backup_rows", "something-behind", [rows.as_slice(), &end(3), b"x"].concat());
    seeds.add("backup_rows", "a-row-too-long", [magic, &[0, 0, 0x10, 1, 0, 0, 0, 0]].concat());
}

/// Under the number of each reader.
fn forms(seeds: &mut Seeds) {
    let form = "csrf=0123&reason=%E7%B4%9B%E5%A4%B1&confirm=on&code=123456&number=12&size=9&account=0012345&source=x\
                &name=tanaka&role=operator";
    let query = "older=0192f0c1&page=2&from=2027-04-01&to=&what=wipe&name=tanaka&password=correct+horse&again=correct+horse\
                 &code=123456&next=%2Faudit";
    for (number, reader) in (0..).zip(forms::READERS) {
        let (name, body) = if reader.has_token { ("form", form) } else { ("query", query) };
        seeds.add("console_form", format!("{name}-{number}"), [&[number], body.as_bytes()].concat());
        if reader.has_token {
            seeds.add("console_form", format!("token-{number}"), [&[number][..], b"csrf=0123"].concat());
        }
    }
    for (name, body) in [
        ("not-utf8", "name=%ff%fe&password=%"),
        ("empty-pairs", "&&=&=a&name&"),
        ("a-number-too-large", "page=-1"),
    ] {
        seeds.add_mutated("console_form", name, [&[0], body.as_bytes()].concat());
    }
}
