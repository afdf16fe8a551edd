//! Frames, bodies, policies and the messages of OPAQUE.

use ciborium::Value;
use data_encoding::HEXLOWER;
use rand::SeedableRng;
use rand::rngs::StdRng;
use shared::crypto::Secret;
use shared::ids::EnrolmentId;
use shared::opaque::{LoginStart, RegistrationStart, ServerSetup, Stretching, record_from_upload};
use shared::policy::{ClipboardMode, LeaseMode, Policy};
use shared::wire::{Kind, PREFIX_LEN};

use super::Seeds;
use crate::encodings::cbor;

/// The pinned bytes of every message, as the wire's own tests keep them: a line has a kind and its frame.
const GOLDEN: &str = include_str!("../../../../shared/src/wire/snapshots/shared__wire__tests__wire-1.snap");

pub(super) fn add(seeds: &mut Seeds) {
    for (kind, frame) in frames() {
        seeds.add("wire_frame", name(kind), frame.clone());
        let (_, _, body): (u8, u16, Value) =
            ciborium::from_reader(&frame[PREFIX_LEN..]).expect("a pinned frame decodes");
        let body = body.into_bytes().expect("a body is a byte string");
        let number = u8::try_from(kind.number()).expect("numbers of kinds fit into a byte");
        seeds.add("wire_body", name(kind), [&[number], body.as_slice()].concat());
    }
    odd_frames(seeds);
    policies(seeds);
    opaque(seeds);
}

fn frames() -> Vec<(Kind, Vec<u8>)> {
    let pinned = GOLDEN.lines().filter_map(|line| line.split_once(' '));
    let frames: Vec<(Kind, Vec<u8>)> = pinned
        .filter_map(|(name, hex)| {
            let kind = Kind::ALL.iter().find(|kind| format!("{kind:?}") == name)?;
            Some((*kind, HEXLOWER.decode(hex.as_bytes()).expect("pinned bytes are hexadecimal")))
        })
        .collect();
    assert_eq!(frames.len(), Kind::ALL.len(), "a kind without pinned bytes");
    frames
}

/// `EnrolStart` as `enrol-start`.
fn name(kind: Kind) -> String {
    let mut name = String::new();
    for c in format!("{kind:?}").chars() {
        if c.is_ascii_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.push(c.to_ascii_lowercase());
    }
    name
}

fn framed(frame: &impl serde::Serialize) -> Vec<u8> {
    let frame = cbor(frame);
    let length = u32::try_from(frame.len()).expect("a small frame");
    [&length.to_be_bytes(), frame.as_slice()].concat()
}

fn odd_frames(seeds: &mut Seeds) {
    let body = |bytes: &[u8]| Value::Bytes(bytes.to_vec());
    let refused = Kind::Refused.number();
    let reason = (Value::from("reason"), Value::from(12));
    let critical = (Value::from("critical"), Value::Map(vec![("hint".into(), "now".into())]));
    let with = |extra: (Value, Value)| cbor(&Value::Map(vec![reason.clone(), extra]));
    let odd: [(&str, Vec<u8>); 10] = [
        ("length-over-the-limit", u32::MAX.to_be_bytes().to_vec()),
        ("nothing-after-the-length", 5_u32.to_be_bytes().to_vec()),
        ("another-version", framed(&(2_u8, refused, body(b"\xa0")))),
        ("an-unknown-kind", framed(&(1_u8, 4711_u16, body(b"\xa0")))),
        ("body-over-its-limit", framed(&(1_u8, Kind::Renew.number(), body(&[0; 65])))),
        ("no-body", framed(&(1_u8, refused))),
        ("a-fourth-element", framed(&(1_u8, refused, body(b"\xa0"), 0_u8))),
        ("critical-key", framed(&(1_u8, refused, body(&with(critical))))),
        ("unknown-key", framed(&(1_u8, refused, body(&with(("hint".into(), "later".into())))))),
        (
            "said-to-be-long",
            [&[0, 0, 0, 14][..], b"\x83\x01\x18\x5a\x5b\x00\x00\x00\x01\x00\x00\x00\x00\xa0"].concat(),
        ),
    ];
    for (name, bytes) in odd {
        seeds.add("wire_frame", name, bytes);
    }
    let hello = u8::try_from(Kind::Hello.number()).expect("numbers of kinds fit into a byte");
    // Arrays in arrays, deeper than a stack should be asked to go.
    let deep = [vec![hello, 0xa1, 0x61, b'x'], vec![0x81; 3_000], vec![0xf6]].concat();
    seeds.add("wire_body", "deep", deep);
    seeds.add(
        "wire_body",
        "said-to-have-many",
        [&[hello][..], b"\xa1\x6cnot_enforced\x9a\xff\xff\xff\xff"].concat(),
    );
}

fn policies(seeds: &mut Seeds) {
    let mut policy = Policy::default();
    seeds.add_mutated("policy", "default", cbor(&policy));
    policy.lease_mode = LeaseMode::Durable;
    policy.clipboard = ClipboardMode::Unknown;
    policy.lease_seconds = u32::MAX;
    seeds.add("policy", "durable", cbor(&policy));
    let values = [
        Value::Bool(true),
        Value::Null,
        Value::Float(f64::NAN),
        Value::from(i64::MIN),
        Value::Bytes(vec![0; 40]),
        Value::Tag(1, Box::new(Value::from(5))),
        Value::Array(vec![Value::Map(vec![(Value::from(1), Value::from("a"))])]),
    ];
    for (number, value) in values.into_iter().enumerate() {
        policy.unrecognised.insert(format!("key{number}"), value);
    }
    seeds.add_mutated("policy", "unrecognised", cbor(&policy));
    for (number, (key, value)) in policy.unrecognised.clone().into_iter().enumerate() {
        let alone = Policy { unrecognised: [(key, value)].into(), ..Policy::default() };
        seeds.add("policy", format!("unrecognised-{number}"), cbor(&alone));
    }
}

fn opaque(seeds: &mut Seeds) {
    let mut rng = StdRng::seed_from_u64(5);
    let enrolment = EnrolmentId::from_bytes([7; 16]);
    let setup = ServerSetup::make(&mut rng);
    let credential = Secret::make(&mut rng);
    let input: Secret<32> = Secret::make(&mut rng);
    let (client, request) = RegistrationStart::make(input.clone(), &mut rng).expect("a fresh registration");
    let response = setup.registration_response(&request, &credential).expect("a request of ours");
    let finished = client.finish(&response, enrolment, Stretching::default(), &mut rng);
    let (upload, _) = finished.expect("a response of ours");
    let record = record_from_upload(&upload).expect("an upload of ours");
    let (_, ke1) = LoginStart::make(input, &mut rng).expect("a fresh login");
    let (_, ke2) = setup.login(&record, &credential, enrolment, &ke1, &mut rng).expect("a login of ours");
    seeds.add("opaque_server", "setup", setup.to_bytes().as_slice());
    seeds.add("opaque_client", "registration-response", response.clone());
    seeds.add("opaque_client", "ke2", ke2.clone());
    for (name, bytes) in [("request", request), ("upload", upload), ("ke1", ke1)] {
        seeds.add_mutated("opaque_server", name, bytes);
    }
    seeds.add("opaque_server", "zeros", vec![0; 192]);
    seeds.add("opaque_client", "registration-response-cut", &response[..response.len() - 1]);
    seeds.add("opaque_client", "ke2-cut", &ke2[..ke2.len() / 2]);
    seeds.add("opaque_client", "zeros", vec![0; 64]);
}
