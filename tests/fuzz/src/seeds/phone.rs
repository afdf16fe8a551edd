//! Files of the phone.

use std::fs;
use std::time::Duration;

use client_core::Progress;
use client_core::clock::{BootTime, Moment};
use client_core::lease::{StoredLease, VerifiedLease};
use jiff::Timestamp;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::Serialize;
use shared::cose::{self, Signer as _};
use shared::crypto::Secret;
use shared::grant::GrantKey;
use shared::ids::{CommandId, EnrolmentId};
use shared::opaque::Stretching;
use shared::policy::{LeaseMode, Policy};
use shared::signed::{Action, Command, JournalHead, Lease, Order};
use shared::wire::ServerKeys;
use vault::raw::Part;
use vault::{Home, Slot, VaultKey, erase, files, grant, intent};

use super::Seeds;
use crate::encodings::cbor;
use crate::phone::granted;
use crate::statements::key;
use crate::wire::enrolment;

fn noon() -> Timestamp {
    "2027-04-01T03:00:00Z".parse().expect("a time")
}

pub(super) fn add(seeds: &mut Seeds) {
    slots(seeds);
    leases(seeds);
    states(seeds);
    wipes(seeds);
    grants(seeds);
    vaults(seeds);
}

fn slots(seeds: &mut Seeds) {
    let mut rng = StdRng::seed_from_u64(8);
    let vault_key = VaultKey::make(&mut rng);
    let (secret, stretching) = (Secret::make(&mut rng), Stretching::default());
    let online =
        Slot::seal_online(&vault_key, enrolment(), stretching, &Secret::make(&mut rng), &secret, &mut rng);
    seeds.add_mutated("key_slot", "online", online.to_bytes());
    let offline =
        Slot::seal_offline(&vault_key, enrolment(), stretching, "482915", &secret, &secret, &mut rng)
            .expect("the least that is accepted")
            .to_bytes();
    // The costs stand in clear in the header: CBOR's 19456 as 1a00004c00 would be longer, so it is changed in place.
    let name = b"memory_kib";
    let at = offline.windows(name.len()).position(|window| window == name).expect("the header has it")
        + name.len();
    let mut weak = offline.clone();
    weak[at + 1] = 0;
    seeds.add("key_slot", "offline-weak", weak);
    let mut costly = offline.clone();
    costly[at + 1] = 0xff;
    seeds.add("key_slot", "offline-costly", costly);
    seeds.add_mutated("key_slot", "offline", offline);
}

fn leases(seeds: &mut Seeds) {
    let lease = Lease { mode: LeaseMode::Durable, granted_at: noon(), seconds: 28_800 };
    let signed = cose::sign(&lease, enrolment().as_bytes(), &key()).expect("a key in memory signs");
    let lease = VerifiedLease::verify(&signed, enrolment(), key().public_key());
    let lease = lease.expect("just signed").expect("it grants something");
    let moment = Moment { now: noon(), boot: BootTime::from_start(Duration::from_secs(3_600)) };
    for (name, boot_id) in [("stored", [9; 16]), ("without-a-boot-id", [0; 16])] {
        let stored: StoredLease = lease.start(moment).to_stored(moment, boot_id).expect("a durable lease");
        seeds.add_mutated("durable_lease", name, cbor(&stored));
    }
    #[derive(Serialize)]
    struct Extreme {
        length_millis: u64,
        boot_id: ciborium::Value,
        boot_millis: u64,
        spent_millis: u64,
        seen_at: i64,
        tries_left: u8,
    }
    for (name, spent_millis, seen_at) in
        [("never-spent", 0, i64::MAX), ("all-spent", u64::MAX, i64::MIN), ("since-1970", 1, 0)]
    {
        let extreme = Extreme {
            length_millis: u64::MAX,
            boot_id: ciborium::Value::Bytes(vec![9; 16]),
            boot_millis: u64::MAX / 2,
            spent_millis,
            seen_at,
            tries_left: u8::MAX,
        };
        seeds.add("durable_lease", name, cbor(&extreme));
    }
}

fn states(seeds: &mut Seeds) {
    /// As [`client_agent::DeviceState`] is stored; it makes one itself only out of an enrolment.
    #[derive(Serialize)]
    struct State {
        version: u8,
        server: &'static str,
        enrolment: EnrolmentId,
        certificate: ciborium::Value,
        keys: ServerKeys,
        policy: Policy,
        organisation: &'static str,
        confirmed: bool,
        progress: Progress,
        vault_epoch: u64,
        checkpoint: Option<JournalHead>,
        last_contact: Option<i64>,
    }
    let key = key().public_key().clone();
    let keys = ServerKeys {
        pins: vec![[1; 32].into(), [2; 32].into()],
        command: key.clone(),
        lease: key.clone(),
        checkpoint: key.clone(),
        recovery: key,
        order: shared::signed::PinOrder::default(),
    };
    for (name, version, last_contact) in [
        ("stored", 1, Some(1_806_552_000_000)),
        ("newer", 2, None),
        ("heard-after-all-time", 1, Some(i64::MAX)),
    ] {
        let state = State {
            version,
            server: "mdm.example.lg.jp:4433",
            enrolment: enrolment(),
            certificate: ciborium::Value::Bytes(vec![0x30, 0x00]),
            keys: keys.clone(),
            policy: Policy::default(),
            organisation: "玉手県",
            confirmed: true,
            progress: Progress { last_applied: Some(Order { epoch: 1, counter: 2 }), blocked: true },
            vault_epoch: 12,
            checkpoint: Some(JournalHead { sequence: 7, hash: [9; 32] }),
            last_contact,
        };
        seeds.add_mutated("device_state", name, cbor(&state));
    }
}

fn wipes(seeds: &mut Seeds) {
    let id = CommandId::from_bytes([6; 16]);
    let command = Command { id, order: Order::default(), action: Action::Wipe, issued_at: noon() };
    let signed = cose::sign(&command, enrolment().as_bytes(), &key()).expect("a key in memory signs");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let home = Home::new(folder.path());
    intent::preallocate(&home).expect("a file in a temporary folder");
    seeds.add("wipe_intent", "preallocated", fs::read(home.intent()).expect("just written"));
    intent::write(&home, &signed).expect("a file in a temporary folder");
    seeds.add_mutated("wipe_intent", "written", fs::read(home.intent()).expect("just written"));
    seeds.add("wipe_intent", "over-the-length-of-a-statement", [&[0, 0, 8, 1][..], &[1; 4_092]].concat());
    seeds.add("wipe_intent", "longer-than-the-file", [&[0, 0, 15, 255][..], &[1; 100]].concat());
    seeds.add("wipe_intent", "too-large", vec![1; 4_097]);
    erase::store_acked(&home, id).expect("a file in a temporary folder");
    seeds.add_mutated("gone", "acknowledged", fs::read(home.gone()).expect("just written"));
    seeds.add("gone", "of-another-form", "gone 06060606060606060606060606060606");
    seeds.add("gone", "too-large", vec![b'g'; 65]);
}

fn grants(seeds: &mut Seeds) {
    let mut rng = StdRng::seed_from_u64(11);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let home = Home::new(folder.path());
    files::create_dir(&home.slots_dir()).expect("a folder in a temporary one");
    let key = GrantKey::from_slice(&[4; 32]).expect("32 bytes");
    for (name, vault_key) in [("sealed", granted()), ("of-another-vault", VaultKey::make(&mut rng))] {
        grant::store(&home, &vault_key, enrolment(), &key, &mut rng).expect("a file in a temporary folder");
        seeds.add_mutated("grant_slot", name, fs::read(home.grant()).expect("just written"));
    }
    seeds.add("grant_slot", "too-large", vec![1; 129]);
    seeds.add("grant_slot", "shorter-than-a-tag", vec![1; 20]);
}

/// Under the number of each [`Part`], as `docs/formats/vault.md` has it.
fn vaults(seeds: &mut Seeds) {
    let bytes = |length: usize| ciborium::Value::Bytes(vec![7; length]);
    let one = (2, "点検", Some((3_u64, 5_u64, 1_806_552_000_000_i64, None::<ciborium::Value>, bytes(16))));
    let gone = (1, "写真", None::<()>);
    let file = (0x81, "f", Some((u64::MAX, u64::MAX, i64::MIN, bytes(16), bytes(16))));
    let trailer = [&b"value"[..], "点検".as_bytes(), &5_i64.to_be_bytes(), &[0, 6]].concat();
    let parts: [(Part, &str, Vec<u8>); 11] = [
        (Part::Header, "header", [&b"tbk-vault\0\x01"[..], &[9; 16]].concat()),
        (Part::Header, "header-newer", b"tbk-vault\0\x02".to_vec()),
        (Part::Seals, "seals", [&[0, 0, 0, 1][..], &65_536_u64.to_be_bytes()].concat()),
        (Part::Seals, "seals-of-the-last-epoch", [&[0xff; 4][..], &(1_u64 << 28).to_be_bytes()].concat()),
        (Part::Mark, "mark", [[1; 12], [0xfe; 12]].concat()),
        (Part::Root, "root", cbor(&(7_u64, 5_u64, 2_u32, bytes(32)))),
        (Part::Piece, "piece", cbor(&(true, (one, gone, file)))),
        (Part::Piece, "piece-of-nothing", cbor(&(false, [0_u8; 0]))),
        (Part::Piece, "piece-of-an-unknown-space", cbor(&(false, [(9, "x", None::<()>)]))),
        (Part::Record, "record", trailer),
        (
            Part::Content,
            "content",
            cbor(&(bytes(16), bytes(32), [(0, bytes(7)), (3, bytes(7))], 70_000, bytes(8))),
        ),
    ];
    for (part, name, bytes) in parts {
        let number = Part::ALL.iter().position(|known| *known == part).expect("it is one of them");
        let number = u8::try_from(number).expect("there are few");
        assert!(
            part.rewritten(&bytes).is_some() || name.contains("newer") || name.contains("unknown"),
            "{name}"
        );
        seeds.add_mutated("vault_bytes", name, [&[number], bytes.as_slice()].concat());
    }
}
