//! Signed statements, their payloads, keys; and what people type.

use ciborium::Value;
use jiff::Timestamp;
use rand::SeedableRng;
use rand::rngs::StdRng;
use shared::activation_code::ActivationCode;
use shared::cose::{self, Signer as _, SoftwareKey, Statement};
use shared::enrolment_link::EnrolmentLink;
use shared::ids::CommandId;
use shared::policy::LeaseMode;
use shared::signed::{
    Action, Checkpoint, Command, ErasureStep, JournalHead, Lease, Order, PinOrder, PinUpdate, Receipt,
    SigningKeys,
};

use super::Seeds;
use crate::encodings::cbor;
use crate::statements::{BOUND_TO, KEY, key};

pub(super) fn add(seeds: &mut Seeds) {
    let at: Timestamp = "2027-04-01T03:00:00Z".parse().expect("a time");
    let head = JournalHead { sequence: 7, hash: [9; 32] };
    let id = CommandId::from_bytes([6; 16]);
    let order = Order { epoch: 1, counter: 2 };
    statement(seeds, 0, "command", &Command { id, order, action: Action::Wipe, issued_at: at });
    statement(seeds, 1, "lease", &Lease { mode: LeaseMode::Durable, granted_at: at, seconds: 28_800 });
    let (steps, checkpoint) = (ErasureStep::ALL.to_vec(), Some(head.clone()));
    statement(seeds, 2, "receipt", &Receipt { command: id, erased_at: at, steps, checkpoint });
    statement(seeds, 3, "checkpoint", &Checkpoint { head, at });
    let (public, pins) = (key().public_key().clone(), vec![[1; 32].into(), [2; 32].into()]);
    let signing = SigningKeys { command: public.clone(), lease: public.clone(), checkpoint: public };
    let order = PinOrder { epoch: 1, counter: 2 };
    let update = PinUpdate { order, issued_at: at, pins, keys: None };
    statement(seeds, 4, "pin-update", &update);
    statement(seeds, 4, "pin-update-of-all-keys", &PinUpdate { keys: Some(signing), ..update });
    let many_steps: Vec<Value> = vec!["keys_destroyed".into(); 80];
    seeds.add("statement_payload", "receipt-of-many-steps", [&[2], cbor(&many_steps).as_slice()].concat());
    for (name, millis) in [("before-all-time", i64::MIN), ("after-all-time", i64::MAX)] {
        let lease = Value::Map(vec![
            ("mode".into(), "volatile".into()),
            ("granted_at".into(), millis.into()),
            ("seconds".into(), u32::MAX.into()),
        ]);
        seeds.add("statement_payload", format!("lease-{name}"), [&[1], cbor(&lease).as_slice()].concat());
    }
    keys(seeds);
    typed(seeds);
}

fn statement<S: Statement>(seeds: &mut Seeds, number: u8, name: &str, statement: &S) {
    let signed = cose::sign(statement, BOUND_TO, &key()).expect("a key in memory signs");
    seeds.add_mutated("statement", name, signed);
    let elsewhere = cose::sign(statement, b"elsewhere", &key()).expect("a key in memory signs");
    seeds.add("statement", format!("{name}-bound-elsewhere"), elsewhere);
    seeds.add_mutated("statement_payload", name, [&[number], cbor(statement).as_slice()].concat());
}

fn keys(seeds: &mut Seeds) {
    let spki = key().public_key().spki_der().to_vec();
    let other = SoftwareKey::make_pkcs8().expect("a fresh key");
    seeds.add_mutated("public_key", "spki", spki.clone());
    seeds.add("public_key", "pkcs8", KEY);
    seeds.add("public_key", "pkcs8-by-ring", other.as_slice());
    seeds.add("public_key", "pkcs8-cut", &KEY[..KEY.len() - 1]);
    let mut off_the_curve = spki;
    off_the_curve[40] ^= 1;
    seeds.add("public_key", "off-the-curve", off_the_curve);
}

fn typed(seeds: &mut Seeds) {
    let mut rng = StdRng::seed_from_u64(6);
    let code = ActivationCode::make(&mut rng).to_text();
    seeds.add_mutated("activation_code", "printed", code.as_bytes());
    seeds.add("activation_code", "sloppy", code.to_lowercase().replace('-', "　 ").as_bytes());
    seeds.add("activation_code", "read-aloud", "OoIiLl-00000-11111-00000-0");
    seeds.add("activation_code", "all-zero", "00000-00000-00000-00000-0");
    seeds.add("activation_code", "full-width", "０００００－０００００－０００００－０００００－０");
    links(seeds, &mut rng);
    for (name, text) in [
        ("hyphenated", "0192f0c1-2345-7abc-8def-0123456789ab"),
        ("plain", "0192f0c123457abc8def0123456789ab"),
        ("braced", "{0192F0C1-2345-7ABC-8DEF-0123456789AB}"),
        ("urn", "urn:uuid:0192f0c1-2345-7abc-8def-0123456789ab"),
        ("cut", "0192f0c1-2345-7abc-8def-0123456789a"),
        ("of-kana", "あいうえおかきくけこさし"),
    ] {
        seeds.add("id", name, text);
    }
    let fingerprint = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    for (name, text) in [
        ("staff-number", " 0012345 "),
        ("source", "知事部局"),
        ("operator", "Tanaka@soumu"),
        ("not-an-operator", "田中 花子"),
        ("sixty-four-kanji", &"漢".repeat(64)),
        ("sixty-five-kanji", &"漢".repeat(65)),
        ("encoding", "Shift_JIS"),
        ("fingerprint", fingerprint),
        ("anchor", &format!("120:{fingerprint}")),
        ("anchor-of-a-large-number", &format!("99999999999999999999:{fingerprint}")),
        ("dotless-i", "ıİ"),
        ("blanks", "\u{3000}\u{a0}\u{2003}"),
    ] {
        seeds.add("name", name, text);
    }
}

fn links(seeds: &mut Seeds, rng: &mut StdRng) {
    let code = ActivationCode::make(rng);
    let link =
        EnrolmentLink { code, server: "mdm.tamate.example:4433".to_owned(), pins: vec![[1; 32], [2; 32]] };
    let text = link.to_text();
    seeds.add_mutated("enrolment_link", "printed", text.as_bytes());
    seeds.add("enrolment_link", "of-a-later-version", text.replace("v=1", "v=2"));
    seeds.add("enrolment_link", "with-a-later-key", format!("{}&new=1&flag", &*text));
    seeds.add("enrolment_link", "code-twice", text.replace("&s=", "&c=00000-00000-00000-00000-0&s="));
    let numbered = EnrolmentLink { server: "[2001:db8::1]:4433".to_owned(), pins: Vec::new(), ..link };
    seeds.add("enrolment_link", "without-pins", numbered.to_text().as_bytes());
}
