//! A second reader of the vault's format, in Python and written from `docs/formats/vault.md` alone, reads what ours wrote and
//! refuses what somebody changed.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use jiff::Timestamp;
use rand::rngs::OsRng;
use serde_json::{Value, json};
use shared::crypto::Secret;
use shared::ids::EnrolmentId;
use shared::opaque::Stretching;
use vault::{Batch, CHUNK_LEN, Collection, Home, INLINE_MAX, Slot, Vault, VaultKey};

const PIN: &str = "482915";

/// A vault with slots, its store dumped, and what the reader is to say of it.
struct Written {
    folder: tempfile::TempDir,
    home: Home,
    online: Value,
    offline: Value,
    expected: Value,
}

type Pairs = BTreeMap<Vec<u8>, Vec<u8>>;

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}

/// Writes slots, and gives the secrets of both.
fn slots(home: &Home, key: &VaultKey, enrolment: EnrolmentId) -> (Value, Value) {
    let (export_key, device, lease) =
        (Secret::make(&mut OsRng), Secret::make(&mut OsRng), Secret::make(&mut OsRng));
    let cost = Stretching::default();
    fs::create_dir_all(home.slots_dir()).unwrap();
    Slot::seal_online(key, enrolment, cost, &export_key, &device, &mut OsRng).store(home).unwrap();
    Slot::seal_offline(key, enrolment, cost, PIN, &device, &lease, &mut OsRng).unwrap().store(home).unwrap();
    let device = hex(device.expose());
    (
        json!({ "export_key": hex(export_key.expose()), "device_secret": device }),
        json!({ "pin": PIN, "device_secret": device, "lease_secret": hex(lease.expose()) }),
    )
}

/// Fills a vault so that every rule of the format is met: all collections, small and large, several key epochs, a base in pieces, deltas, a
/// write that was resumed and one that is not finished.
fn fill(home: &Home, key: &VaultKey, enrolment: EnrolmentId, now: Timestamp) -> Vault {
    let rng = &mut OsRng;
    let vault = Vault::create(home, key, enrolment, rng).unwrap();
    let mut batch = Batch::new();
    for n in 0..300 {
        batch.put(Collection::Notes, &format!("点検 {n:03}"), format!("牛舎 {n}").as_bytes()).unwrap();
    }
    vault.commit(batch, now, rng).unwrap();
    let mut resumed = vault.begin_resumable(Collection::Documents, "計画", b"r1", now, rng).unwrap();
    vault.write(&mut resumed, &content(2 * CHUNK_LEN + 9)).unwrap();
    drop(resumed);
    drop(vault);

    // What was sealed so far stays in its key epoch; the index is written anew in the next one.
    let (vault, salvaged) = Vault::salvage(home, key, enrolment, rng).unwrap();
    assert_eq!(salvaged.lost, []);
    let mut resumed = vault.resume(Collection::Documents, "計画", b"r1", now, rng).unwrap().unwrap();
    let whole = content(4 * CHUNK_LEN);
    let rest = &whole[usize::try_from(resumed.position()).unwrap()..];
    vault.write(&mut resumed, rest).unwrap();
    vault.commit_file(resumed, now, rng).unwrap();
    for length in [0, INLINE_MAX, INLINE_MAX + 1, CHUNK_LEN, 3 * CHUNK_LEN + 7] {
        let name = format!("写真 {length}");
        vault.store_file((Collection::Files, &name), &mut content(length).as_slice(), now, rng).unwrap();
    }
    vault.put(Collection::Outbox, "1", b"to be sent", now, rng).unwrap();
    vault.put(Collection::State, "cursor", b"", now, rng).unwrap();
    vault.put(Collection::Notes, "点検 007", b"again", now, rng).unwrap();
    vault.delete(Collection::Notes, "点検 008", rng).unwrap();
    let mut begun = vault.begin_resumable(Collection::Files, "写真", b"r2", now, rng).unwrap();
    vault.write(&mut begun, &content(CHUNK_LEN + 1)).unwrap();
    vault
}

/// What our own reader says.
fn described(vault: &Vault) -> Value {
    let mut collections = serde_json::Map::new();
    for collection in Collection::ALL {
        let entries = vault.list(collection).unwrap().into_iter().map(|entry| {
            let mut bytes = Vec::new();
            vault.load_file(collection, &entry.name, &mut bytes).unwrap();
            json!({
                "name": entry.name, "size": entry.size, "version": entry.version,
                "stored_at": entry.stored_at.as_millisecond(),
                "sha256": hex(&shared::crypto::hazmat::sha256(&[&bytes])),
            })
        });
        collections.insert(format!("{collection:?}").to_lowercase(), entries.collect());
    }
    let unfinished = json!([{ "name": "写真", "source": hex(b"r2") }]);
    json!({ "epoch": vault.epoch(), "collections": collections, "unfinished": unfinished })
}

fn write() -> (Written, Pairs) {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::new(folder.path().join("home"));
    let now = Timestamp::from_millisecond(1_767_225_600_123).unwrap();
    let (key, enrolment) = (VaultKey::make(&mut OsRng), EnrolmentId::make(now, &mut OsRng));
    let (online, offline) = slots(&home, &key, enrolment);
    let vault = fill(&home, &key, enrolment, now);
    let expected = described(&vault);
    drop(vault);
    let pairs = vault::raw::pairs(&home).unwrap().into_iter().collect();
    (Written { folder, home, online, offline, expected }, pairs)
}

fn dump(pairs: &Pairs, to: &Path) {
    let mut bytes = Vec::new();
    for part in pairs.iter().flat_map(|(key, value)| [key, value]) {
        bytes.extend_from_slice(&u32::try_from(part.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(part);
    }
    fs::write(to, bytes).unwrap();
}

impl Written {
    fn read(&self, pairs: &Pairs, secrets: &Value) -> Output {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let python = root.join("target/interop/venv/bin/python");
        assert!(python.is_file(), "{} is missing: `cargo xtask tools` installs it by pip", python.display());
        let store = self.folder.path().join("store.dump");
        dump(pairs, &store);
        let mut reader = Command::new(python)
            .arg(root.join("tests/interop/vault_reader.py"))
            .arg("--vault")
            .arg(self.home.vault_dir())
            .arg("--store")
            .arg(store)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        reader.stdin.take().unwrap().write_all(secrets.to_string().as_bytes()).unwrap();
        reader.wait_with_output().unwrap()
    }

    fn assert_read(&self, pairs: &Pairs, secrets: &Value) {
        let output = self.read(pairs, secrets);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(said, self.expected);
    }

    fn assert_refused(&self, pairs: &Pairs, secrets: &Value, reason: &str) {
        let output = self.read(pairs, secrets);
        assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(String::from_utf8_lossy(&output.stderr).trim_end(), reason);
        assert!(output.stdout.is_empty());
    }

    fn contents(&self) -> Vec<PathBuf> {
        let folder = self.home.vault_dir().join("content");
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
    }
}

#[test]
fn a_reader_written_from_the_document_reads_a_vault_through_either_slot() {
    let (written, pairs) = write();
    let epochs: std::collections::BTreeSet<&[u8]> =
        pairs.iter().filter(|(key, _)| key[0] == b'r').map(|(_, stored)| &stored[8..12]).collect();
    assert_eq!(epochs.len(), 2, "key epochs");
    let parts = |letter| pairs.keys().filter(|key| key[0] == letter).count();
    assert!(parts(b'b') > 2 && parts(b'd') > 5);
    written.assert_read(&pairs, &written.online);
    written.assert_read(&pairs, &written.offline);
}

#[test]
fn a_reader_written_from_the_document_refuses_wrong_secrets() {
    let (written, pairs) = write();
    for (secrets, name) in [
        (&written.online, "export_key"),
        (&written.online, "device_secret"),
        (&written.offline, "lease_secret"),
    ] {
        let mut wrong = secrets.clone();
        let bytes = wrong[name].as_str().unwrap().len() / 2;
        wrong[name] = hex(&vec![7; bytes]).into();
        written.assert_refused(&pairs, &wrong, "slot does not open");
    }
    let mut wrong = written.offline.clone();
    wrong["pin"] = "482916".into();
    written.assert_refused(&pairs, &wrong, "slot does not open");
}

/// Changes pairs of the store, and says what the reader is to say.
type Tampering = fn(&mut Pairs) -> &'static str;

fn records(pairs: &Pairs) -> Vec<Vec<u8>> {
    // Notes of one commit: of one version.
    pairs.keys().filter(|key| key.starts_with(b"r\x02")).take(2).cloned().collect()
}

fn last(pairs: &Pairs, letter: u8) -> Vec<u8> {
    pairs.keys().rfind(|key| key[0] == letter).unwrap().clone()
}

const TAMPERINGS: [(&str, Tampering); 8] = [
    ("two records exchanged", |pairs| {
        let [a, b] = records(pairs).try_into().unwrap();
        let (of_a, of_b) = (pairs[&a].clone(), pairs[&b].clone());
        let same_version = of_a[..8] == of_b[..8];
        pairs.extend([(a, of_b), (b, of_a)]);
        if same_version { "record does not open" } else { "record of another version" }
    }),
    ("a record of another version", |pairs| {
        let key = records(pairs).remove(0);
        pairs.get_mut(&key).unwrap()[7] ^= 1;
        "record of another version"
    }),
    ("a record removed", |pairs| {
        pairs.remove(&records(pairs)[0]);
        "record is missing"
    }),
    ("the last delta removed", |pairs| {
        pairs.remove(&last(pairs, b'd'));
        "piece of the index is missing"
    }),
    ("a bit of a delta turned", |pairs| {
        let key = last(pairs, b'd');
        *pairs.get_mut(&key).unwrap().last_mut().unwrap() ^= 1;
        "piece of the index does not open"
    }),
    ("a delta put in another's place", |pairs| {
        let key = last(pairs, b'd');
        let other = pairs.keys().find(|key| key[0] == b'd').unwrap().clone();
        pairs.insert(key, pairs[&other].clone());
        "piece of the index does not open"
    }),
    ("another salt", |pairs| {
        pairs.get_mut(b"h".as_slice()).unwrap()[20] ^= 1;
        "root does not open"
    }),
    ("another format", |pairs| {
        pairs.get_mut(b"h".as_slice()).unwrap()[10] = 2;
        "format 2"
    }),
];

#[test]
fn a_reader_written_from_the_document_refuses_a_changed_store() {
    let (written, pairs) = write();
    for (what, tamper) in TAMPERINGS {
        let mut changed = pairs.clone();
        let reason = tamper(&mut changed);
        println!("{what}: {reason}");
        written.assert_refused(&changed, &written.online, reason);
    }
    written.assert_read(&pairs, &written.online);
}

#[test]
fn a_reader_written_from_the_document_refuses_changed_contents_and_slots() {
    let (written, pairs) = write();
    let path = written.contents().into_iter().max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
    let whole = fs::read(&path).unwrap();
    let sealed = CHUNK_LEN + 16;
    let mut turned = whole.clone();
    turned[sealed] ^= 1;
    fs::write(&path, turned).unwrap();
    written.assert_refused(&pairs, &written.online, "chunk 1 does not open");
    fs::write(&path, &whole[..3 * sealed]).unwrap();
    written.assert_refused(&pairs, &written.online, "chunk 3 is missing");
    fs::remove_file(&path).unwrap();
    written.assert_refused(&pairs, &written.online, "content is missing");
    fs::write(&path, &whole).unwrap();

    let slot = written.home.online_slot();
    let mut bytes = fs::read(&slot).unwrap();
    let at = bytes.windows(4).position(|window| window == b"salt").unwrap() + 6;
    bytes[at] ^= 1;
    fs::write(&slot, bytes).unwrap();
    written.assert_refused(&pairs, &written.online, "slot does not open");
    written.assert_read(&pairs, &written.offline);
}
