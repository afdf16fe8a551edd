//! The bytes of format 1, pinned: a small vault with everything a reader has to know, made with numbers instead of chance.

use std::fmt::Write as _;
use std::path::Path;

use jiff::Timestamp;
use rand::{CryptoRng, RngCore};
use shared::crypto::{Purpose, Secret};
use shared::ids::EnrolmentId;
use shared::opaque::Stretching;

use super::*;
use crate::content::{Content, ContentRecord};
use crate::{Batch, Collection, INLINE_MAX, Slot, SlotKind, Vault, VaultKey};

const PINNED: &str = include_str!("../../../../docs/formats/vault-1.vectors.txt");
const PIN: &str = "482915";

/// Counts up instead of drawing: the same bytes for ever, and no two alike.
struct Counter(u64);

impl RngCore for Counter {
    fn next_u32(&mut self) -> u32 {
        rand_core_next(self)
    }

    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill_bytes(&mut bytes);
        u64::from_be_bytes(bytes)
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = (self.0 >> 56) as u8;
        }
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand::Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

/// For tests of bytes only: nothing of it is secret.
impl CryptoRng for Counter {}

fn rand_core_next(rng: &mut Counter) -> u32 {
    let mut bytes = [0; 4];
    rng.fill_bytes(&mut bytes);
    u32::from_be_bytes(bytes)
}

struct Vectors(String);

impl Vectors {
    fn section(&mut self, title: &str) {
        let _ = write!(self.0, "\n# {title}\n");
    }

    fn line(&mut self, name: &str, bytes: &[u8]) {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let _ = writeln!(self.0, "{name} = {hex}");
    }
}

fn make(folder: &Path) -> String {
    let rng = &mut Counter(1);
    let now = Timestamp::from_millisecond(1_767_225_600_000).unwrap();
    let enrolment = EnrolmentId::make(now, rng);
    let key = VaultKey::make(rng);
    let (export_key, device, lease) = (Secret::make(rng), Secret::make(rng), Secret::make(rng));
    let cost = Stretching::default();
    let mut out = Vectors("A vault of format 1, and what opens it. Hex; see vault.md.\n".to_owned());

    out.section("Secrets");
    out.line("enrolment", enrolment.as_bytes());
    out.line("vault key", key.expose());
    out.line("export key", export_key.expose());
    out.line("device secret", device.expose());
    out.line("lease secret", lease.expose());
    out.line("pin", PIN.as_bytes());

    out.section("Slots");
    let online = Slot::seal_online(&key, enrolment, cost, &export_key, &device, rng);
    let offline = Slot::seal_offline(&key, enrolment, cost, PIN, &device, &lease, rng).unwrap();
    assert_eq!(online.header().kind, SlotKind::Online);
    out.line("online", &online.to_bytes());
    out.line("offline", &offline.to_bytes());

    let home = Home::new(folder);
    let vault = Vault::create(&home, &key, enrolment, rng).unwrap();
    let mut batch = Batch::new();
    batch.put(Collection::Notes, "点検", "牛舎の点検".as_bytes()).unwrap();
    batch.put(Collection::State, "empty", b"").unwrap();
    vault.commit(batch, now, rng).unwrap();
    vault.put(Collection::Notes, "second", b"2", now, rng).unwrap();
    vault.delete(Collection::State, "empty", rng).unwrap();
    vault.rewrite_index(rng).unwrap();
    let bytes: Vec<u8> = (0..=INLINE_MAX).map(|at| (at % 251) as u8).collect();
    vault.store_file((Collection::Files, "file"), &mut bytes.as_slice(), now, rng).unwrap();
    let header = vault.header();
    drop(vault);

    out.section("Subkeys of epoch 1");
    let context = [enrolment.as_bytes().as_slice(), &header.salt].concat();
    let derive = |purpose: Purpose, more: &[u8]| -> Secret<32> {
        purpose.derive_bytes(&[key.expose()], &[context.as_slice(), more].concat())
    };
    out.line("names", derive(Purpose::VaultNames, &[]).expose());
    out.line("index", derive(Purpose::VaultIndex, &[0, 0, 0, 1]).expose());
    for collection in Collection::ALL {
        let key = derive(Purpose::VaultRecords, &[0, 0, 0, 1, collection as u8]);
        out.line(&format!("records {}", collection as u8), key.expose());
    }

    out.section("Store");
    for (key, value) in pairs(&home).unwrap() {
        let name: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        out.line(&name, &value);
    }

    out.section("Chunks of a content that was resumed at chunk 2, each of one byte");
    let mut record = ContentRecord::make(b"source", rng);
    record.add_segment(2, rng);
    out.line("record", &record.to_bytes());
    let content = Content::new(record);
    for (index, last) in [(0, false), (1, false), (2, false), (3, true)] {
        let mut chunk = vec![index as u8];
        content.seal(index, last, &mut chunk);
        out.line(&format!("chunk {index}"), &chunk);
    }
    out.0
}

#[test]
fn format_1_is_what_the_pinned_vectors_say() {
    let folder = tempfile::tempdir().unwrap();
    let made = make(folder.path());
    if made != PINNED {
        let path = std::env::temp_dir().join("vault-1.vectors.txt");
        std::fs::write(&path, &made).unwrap();
        panic!(
            "the bytes of format 1 have changed: compare docs/formats/vault-1.vectors.txt with {}",
            path.display()
        );
    }
}

#[test]
fn the_pinned_vault_opens() {
    let value = |name: &str| -> Vec<u8> {
        let line = PINNED.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = ")).unwrap();
        (0..line.len()).step_by(2).map(|at| u8::from_str_radix(&line[at..at + 2], 16).unwrap()).collect()
    };
    let secret = |name| Secret::from_slice(&value(name)).unwrap();
    let export_key = Secret::from_slice(&value("export key")).unwrap();
    let online = Slot::parse(&value("online")).unwrap();
    let offline = Slot::parse(&value("offline")).unwrap();
    let key = online.open_online(&export_key, &secret("device secret")).unwrap();
    assert_eq!(key.expose().as_slice(), value("vault key"));
    let by_lease = offline.open_offline(PIN, &secret("device secret"), &secret("lease secret")).unwrap();
    assert_eq!(by_lease.expose(), key.expose());

    let folder = tempfile::tempdir().unwrap();
    let home = Home::new(folder.path());
    let store = Store::open(&home.store_dir()).unwrap();
    let mut batch = sled::Batch::default();
    let lines = PINNED.split("# Store\n").nth(1).unwrap().lines().take_while(|line| !line.is_empty());
    for name in lines.map(|line| line.split(' ').next().unwrap()) {
        let key: Vec<u8> =
            (0..name.len()).step_by(2).map(|at| u8::from_str_radix(&name[at..at + 2], 16).unwrap()).collect();
        batch.insert(key, value(name));
    }
    store.apply(batch).unwrap();
    drop(store);
    let vault = Vault::open(&home, &key, online.header().enrolment).unwrap();
    assert_eq!(*vault.get(Collection::Notes, "点検").unwrap(), "牛舎の点検".as_bytes());
    assert_eq!(*vault.get(Collection::Notes, "second").unwrap(), b"2");
    assert!(vault.list(Collection::State).unwrap().is_empty());
    assert_eq!(vault.entry(Collection::Files, "file").unwrap().unwrap().size, INLINE_MAX as u64 + 1);
}
