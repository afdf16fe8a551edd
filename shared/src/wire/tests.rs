//! Golden bytes of every message, and every way a frame is refused.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::cose::PublicKey;
use crate::ids::{DocumentId, EnrolmentId, NoteId, RunId};
use crate::policy::Policy;
use crate::signed::{JournalHead, Order, PinOrder};

/// The base point of P-256: a public key that everybody has.
fn public_key() -> PublicKey {
    let spki = "3059301306072a8648ce3d020106082a8648ce3d030107034200\
                046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296\
                4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";
    PublicKey::from_spki_der(&HEXLOWER.decode(spki.replace(' ', "").as_bytes()).unwrap()).unwrap()
}

fn noon() -> Timestamp {
    "2027-04-01T03:00:00Z".parse().unwrap()
}

fn server_keys() -> ServerKeys {
    let key = public_key();
    ServerKeys {
        pins: vec![[1; 32].into(), [2; 32].into()],
        command: key.clone(),
        lease: key.clone(),
        checkpoint: key.clone(),
        recovery: key,
        order: PinOrder::default(),
    }
}

fn device() -> DeviceDescription {
    DeviceDescription {
        model: "Pixel 9".to_owned(),
        platform: "Android 16".to_owned(),
        app_version: "0.1.0".to_owned(),
        key_level: KeyLevel::Strongbox,
    }
}

fn head() -> JournalHead {
    JournalHead { sequence: 7, hash: [9; 32] }
}

fn document() -> DocumentEntry {
    DocumentEntry {
        id: DocumentId::from_bytes([8; 16]),
        version: 3,
        title: "避難所運営マニュアル".to_owned(),
        folder: "防災/手引き".to_owned(),
        media_type: "application/pdf".to_owned(),
        size: 52_428_800,
        hash: [9; 32],
        level: 2,
        notice: None,
    }
}

fn photo() -> NoteEntry {
    NoteEntry {
        id: NoteId::from_bytes([8; 16]),
        parent: Some(NoteId::from_bytes([7; 16])),
        revision: 2,
        change: 42,
        contents: Some(NoteContents {
            media_type: PHOTO_MEDIA_TYPE.to_owned(),
            size: 2_000_000,
            hash: [9; 32],
        }),
    }
}

fn frames() -> BTreeMap<u16, (Kind, Vec<u8>)> {
    fn entry<M: Message>(message: M) -> (u16, (Kind, Vec<u8>)) {
        (M::KIND.number(), (M::KIND, message.to_frame()))
    }
    BTreeMap::from([
        entry(EnrolStart { lookup: [1; 16], proof: [2; 32] }),
        entry(EnrolProof { proof: [3; 32] }),
        entry(EnrolRegister { device_key: public_key(), device_key_proof: [4; 64], device: device() }),
        entry(EnrolGrant {
            enrolment: EnrolmentId::from_bytes([5; 16]),
            certificate: vec![0x30, 0x00],
            keys: server_keys(),
            policy: Policy::default(),
            organisation: "玉手県".to_owned(),
            server_time: noon(),
        }),
        entry(PinRequest { request: vec![1, 2, 3] }),
        entry(PinResponse { response: vec![4, 5, 6] }),
        entry(PinUpload { upload: vec![7, 8, 9] }),
        entry(EnrolDone {}),
        entry(Hello {
            app_version: "0.1.0".to_owned(),
            last_applied: Some(Order { epoch: 0, counter: 3 }),
            vault_epoch: 12,
            checkpoint: Some(head()),
            signed_checkpoint: Some(serde_bytes::ByteBuf::from(vec![0x84])),
            not_enforced: vec!["watermark".to_owned()],
            run: Some(Run { id: RunId::from_bytes([9; 16]), after: Some(RunId::from_bytes([8; 16])) }),
            pins: Some(PinOrder { epoch: 2, counter: 3 }),
        }),
        entry(RunProbe {}),
        entry(RunAnswer { run: RunId::from_bytes([9; 16]) }),
        entry(HelloReply {
            server_time: noon(),
            standing: EnrolmentStanding::Blocked,
            commands: vec![serde_bytes::ByteBuf::from(vec![0x84])],
            policy: Policy::default(),
            checkpoint: Some(serde_bytes::ByteBuf::from(vec![0x84])),
            renew: true,
            pin_updates: vec![serde_bytes::ByteBuf::from(vec![0x84])],
        }),
        entry(UnlockStart { ke1: vec![1; 4], vault_epoch: 12 }),
        entry(UnlockChallenge { ke2: vec![2; 4], attempts_left: 9 }),
        entry(UnlockFinish { ke3: vec![3; 4] }),
        entry(UnlockGranted {
            lease: Some(serde_bytes::ByteBuf::from(vec![0x84])),
            policy: Policy::default(),
            may_be_open_until: noon(),
        }),
        entry(CommandMessage { command: vec![0x84] }),
        entry(CommandResult { last_applied: Order { epoch: 1, counter: 2 } }),
        entry(ReceiptMessage { receipt: vec![0x84] }),
        entry(ReceiptAck { digest: [6; 32] }),
        entry(Renew {}),
        entry(Renewed { certificate: vec![0x30, 0x00] }),
        entry(ManifestRequest { have: Some(ManifestVersion([7; 32])) }),
        entry(ManifestUnchanged {}),
        entry(ManifestPage {
            version: ManifestVersion([7; 32]),
            first: 40,
            total: 41,
            entries: vec![document()],
        }),
        entry(DocumentRequest { id: document().id, version: 3, offset: 15 * 1024 }),
        entry(DocumentChunk { offset: 15 * 1024, bytes: vec![1, 2, 3] }),
        entry(DocumentGone {}),
        entry(NotesRequest { era: Some(1), after: 41 }),
        entry(NotesPage { era: 1, upto: 42, entries: vec![photo()], more: false }),
        entry(NoteOffer { id: photo().id, parent: photo().parent, base: 1, contents: photo().contents }),
        entry(NoteWanted { offset: 15_360 }),
        entry(NoteChunk { offset: 15_360, bytes: vec![1, 2, 3] }),
        entry(NoteStored { revision: 2 }),
        entry(NoteConflict { entry: photo() }),
        entry(NoteRequest { id: photo().id, revision: 2, offset: 15_360 }),
        entry(NoteGone {}),
        entry(GrantProof { tag: [7; 32] }),
        entry(GrantAccepted { until: noon() }),
        entry(GrantEnd { tag: [7; 32] }),
        entry(GrantEnded {}),
        entry(PinChange { ke1: vec![1; 4], vault_epoch: 12 }),
        entry(PinProof { ke1: vec![2; 4], vault_epoch: 12 }),
        entry(PinChanged {}),
        entry(Refused { reason: RefusalReason::TooManyTries, retry_after: Some(30) }),
        entry(Unsupported { kind: 4711 }),
        entry(PinsRequest {}),
        entry(PinsAnswer { updates: vec![serde_bytes::ByteBuf::from(vec![0x84])] }),
        entry(PinsTaken { order: PinOrder { epoch: 2, counter: 3 } }),
        entry(SecondDevice {}),
        entry(SecondDeviceCode { code: "00000-00000-00000-00000-0".to_owned(), expires_at: noon() }),
    ])
}

#[test]
fn the_bytes_of_every_message_are_pinned() {
    let golden: String =
        frames().values().map(|(kind, bytes)| format!("{kind:?} {}\n", HEXLOWER.encode(bytes))).collect();
    insta::assert_snapshot!("wire-1", golden);
}

#[test]
fn every_kind_has_golden_bytes_that_read_back() {
    let frames = frames();
    for kind in Kind::ALL {
        let (_, bytes) = frames.get(&kind.number()).unwrap_or_else(|| panic!("no bytes for {kind:?}"));
        let (prefix, rest) = bytes.split_first_chunk().unwrap();
        assert_eq!(body_length(*prefix), Ok(rest.len()));
        assert_eq!(Frame::parse(rest).unwrap().kind(), *kind);
    }
    let (_, bytes) = &frames[&Kind::EnrolGrant.number()];
    let grant: EnrolGrant = Frame::parse(&bytes[PREFIX_LEN..]).unwrap().decode().unwrap();
    assert_eq!(grant.keys, server_keys());
    assert_eq!(grant.policy, Policy::default());
}

fn frame(version: u8, kind: u16, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(&(version, kind, serde_bytes::Bytes::new(body)), &mut bytes).unwrap();
    bytes
}

fn map(entries: &[(&str, ciborium::Value)]) -> Vec<u8> {
    let entries = entries.iter().map(|(key, value)| ((*key).into(), value.clone())).collect();
    let mut bytes = Vec::new();
    ciborium::into_writer(&ciborium::Value::Map(entries), &mut bytes).unwrap();
    bytes
}

#[test]
fn a_manifest_has_another_version_when_an_entry_is_another_or_elsewhere() {
    let (one, mut other) = (document(), document());
    other.id = DocumentId::from_bytes([9; 16]);
    let version = ManifestVersion::of([&one, &other]);
    assert_eq!(ManifestVersion::of([&one.clone(), &other.clone()]), version);
    assert_ne!(ManifestVersion::of([&other, &one]), version);
    other.title.push('2');
    assert_ne!(ManifestVersion::of([&one, &other]), version);
    assert_ne!(ManifestVersion::of([]), version);
}

#[test]
fn a_full_chunk_and_a_full_page_keep_their_limits() {
    let chunk = DocumentChunk { offset: u64::MAX, bytes: vec![0; CHUNK_MAX] }.to_frame();
    assert!(Frame::parse(&chunk[PREFIX_LEN..]).is_ok());
    let length = document().encoded().len();
    let entries = vec![document(); PAGE_MAX / length];
    let page = ManifestPage { version: ManifestVersion([7; 32]), first: u32::MAX, total: u32::MAX, entries };
    assert!(Frame::parse(&page.to_frame()[PREFIX_LEN..]).is_ok());
}

#[test]
fn the_largest_messages_about_notes_keep_their_limits() {
    let entry = NoteEntry {
        revision: u32::MAX,
        change: u64::MAX,
        contents: Some(NoteContents { media_type: "a".repeat(100), size: u64::MAX, hash: [0xff; 32] }),
        ..photo()
    };
    let length = entry.encoded().len();
    let page = NotesPage {
        era: u32::MAX,
        upto: u64::MAX,
        entries: vec![entry.clone(); PAGE_MAX / length],
        more: false,
    };
    let NoteEntry { id, parent, contents, .. } = entry.clone();
    let frames = [
        page.to_frame(),
        NoteOffer { id, parent, base: u32::MAX, contents }.to_frame(),
        NoteConflict { entry }.to_frame(),
        NoteChunk { offset: u64::MAX, bytes: vec![0; CHUNK_MAX] }.to_frame(),
        NoteRequest { id, revision: u32::MAX, offset: u64::MAX }.to_frame(),
        NotesRequest { era: Some(u32::MAX), after: u64::MAX }.to_frame(),
    ];
    for frame in frames {
        assert!(Frame::parse(&frame[PREFIX_LEN..]).is_ok());
    }
}

#[test]
fn a_length_over_the_limit_is_refused_before_it_is_read() {
    assert_eq!(body_length(u32::MAX.to_be_bytes()), Err(DecodeError::FrameTooLong(4_294_967_295)));
}

#[test]
fn the_kind_is_judged_before_the_body() {
    assert_eq!(Frame::parse(&frame(1, 4711, b"no cbor")), Err(DecodeError::UnknownKind(4711)));
    assert_eq!(Frame::parse(&frame(2, 1, b"")), Err(DecodeError::Version(2)));
    let long = frame(1, Kind::Renew.number(), &[0; 65]);
    assert_eq!(
        Frame::parse(&long),
        Err(DecodeError::BodyTooLong { kind: Kind::Renew, length: 65, limit: 64 })
    );
}

#[test]
fn nothing_stands_behind_a_frame_or_a_body() {
    let longer = [frame(1, Kind::Renew.number(), &map(&[])), vec![0xa0]].concat();
    assert_eq!(Frame::parse(&longer), Err(DecodeError::NotAFrame));
    let longer = frame(1, Kind::Renew.number(), &[map(&[]), vec![0xf6]].concat());
    assert_eq!(Frame::parse(&longer).unwrap().decode::<Renew>(), Err(DecodeError::Body(Kind::Renew)));
}

#[test]
fn unknown_keys_are_ignored_unless_they_are_critical() {
    let reason = ("reason", ciborium::Value::from(12));
    let newer = frame(1, Kind::Refused.number(), &map(&[reason.clone(), ("hint", "later".into())]));
    let refused: Refused = Frame::parse(&newer).unwrap().decode().unwrap();
    assert_eq!(refused.reason, RefusalReason::CodeExpired);

    let critical = ciborium::Value::Map(vec![("hint".into(), "now".into())]);
    let demanding = frame(1, Kind::Refused.number(), &map(&[reason, ("critical", critical)]));
    assert_eq!(
        Frame::parse(&demanding).unwrap().decode::<Refused>(),
        Err(DecodeError::Critical { kind: Kind::Refused, key: "hint".to_owned() })
    );
}

#[test]
fn policy_keys_that_are_not_known_are_kept_by_name() {
    let mut policy = Vec::new();
    ciborium::into_writer(&Policy::default(), &mut policy).unwrap();
    let ciborium::Value::Map(mut entries) = ciborium::from_reader(policy.as_slice()).unwrap() else {
        panic!("a policy is a map")
    };
    entries.push(("watermark".into(), true.into()));
    let policy: Policy = ciborium::Value::Map(entries).deserialized().unwrap();
    assert_eq!(policy.unrecognised.keys().collect::<Vec<_>>(), ["watermark"]);
}

#[test]
fn another_message_than_expected_is_named() {
    let bytes = Renew {}.to_frame();
    let frame = Frame::parse(&bytes[PREFIX_LEN..]).unwrap();
    assert_eq!(frame.decode::<Hello>(), Err(DecodeError::Unexpected(Kind::Renew)));
}

#[test]
fn proofs_of_the_two_sides_are_not_interchangeable() {
    let key = crate::crypto::Purpose::EnrolProof.derive_mac_key(&[b"code"], b"");
    let tag = Prover::Client.tag(&key, &[1; 32]);
    assert!(Prover::Client.verify(&key, &[1; 32], &tag));
    assert!(!Prover::Server.verify(&key, &[1; 32], &tag));
    assert!(!Prover::Client.verify(&key, &[2; 32], &tag));
}

proptest! {
    #[test]
    fn no_bytes_make_the_decoder_panic(bytes: Vec<u8>, kind in 0_u16..100) {
        let _ = Frame::parse(&bytes);
        if let Ok(parsed) = Frame::parse(&frame(1, kind, &bytes)) {
            let _ = parsed.decode::<Hello>();
            let _ = parsed.decode::<EnrolGrant>();
            let _ = parsed.decode::<Refused>();
        }
    }
}
