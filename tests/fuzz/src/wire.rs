//! What phone and server say to each other, before and after enrolment: frames, bodies, the policy in them, OPAQUE.

use rand::SeedableRng;
use rand::rngs::StdRng;
use shared::crypto::Secret;
use shared::ids::EnrolmentId;
use shared::opaque::{
    LoginStart, OpaqueError, RegistrationStart, ServerSetup, Stretching, record_from_upload,
};
use shared::policy::Policy;
use shared::wire::{
    CommandMessage, CommandResult, DecodeError, DocumentChunk, DocumentGone, DocumentRequest, EnrolDone,
    EnrolGrant, EnrolProof, EnrolRegister, EnrolStart, Frame, GrantAccepted, GrantEnd, GrantEnded,
    GrantProof, Hello, HelloReply, Kind, MAX_FRAME, ManifestPage, ManifestRequest, ManifestUnchanged,
    Message, NoteChunk, NoteConflict, NoteGone, NoteOffer, NoteRequest, NoteStored, NoteWanted, NotesPage,
    NotesRequest, PREFIX_LEN, PinChange, PinChanged, PinProof, PinRequest, PinResponse, PinUpload,
    PinsAnswer, PinsRequest, PinsTaken, ReceiptAck, ReceiptMessage, Refused, Renew, Renewed, RunAnswer,
    RunProbe, SecondDevice, SecondDeviceCode, UnlockChallenge, UnlockFinish, UnlockGranted, UnlockStart,
    Unsupported, body_length,
};

use crate::encodings::{cbor, read_as, settles_in_cbor};

/// A stream's bytes: prefix and frame.
pub(crate) fn wire_frame(bytes: &[u8]) {
    let Some((prefix, rest)) = bytes.split_first_chunk::<PREFIX_LEN>() else { return };
    match body_length(*prefix) {
        Ok(length) => assert!(length <= MAX_FRAME),
        Err(error) => {
            let said = usize::try_from(u32::from_be_bytes(*prefix)).unwrap_or(usize::MAX);
            assert_eq!(error, DecodeError::FrameTooLong(said));
        }
    }
    if let Ok(frame) = Frame::parse(rest) {
        assert!(rest.len() <= MAX_FRAME);
        assert_eq!(Frame::parse(&[rest, &[0xf6]].concat()), Err(behind(rest)), "bytes behind a frame");
        decode_as_every_kind(&frame);
    }
}

/// What is said of a frame with one byte more.
fn behind(frame: &[u8]) -> DecodeError {
    if frame.len() < MAX_FRAME { DecodeError::NotAFrame } else { DecodeError::FrameTooLong(frame.len() + 1) }
}

/// A body under the kind whose number the first byte is. A body over the limit of its kind is refused.
pub(crate) fn wire_body(bytes: &[u8]) {
    let Some((number, body)) = bytes.split_first() else { return };
    let Some(kind) = Kind::from_number(u16::from(*number)) else { return };
    let frame = cbor(&(1_u8, kind.number(), ciborium::Value::Bytes(body.to_vec())));
    match Frame::parse(&frame) {
        Ok(frame) => {
            assert!(body.len() <= kind.limit());
            assert_eq!(frame.kind(), kind);
            decode_as_every_kind(&frame);
        }
        Err(DecodeError::BodyTooLong { length, limit, .. }) => {
            assert_eq!((length, limit), (body.len(), kind.limit()));
            assert!(length > limit);
        }
        Err(DecodeError::FrameTooLong(_)) => assert!(frame.len() > MAX_FRAME),
        Err(error) => panic!("a frame of ours: {error}"),
    }
}

fn decode_as_every_kind(frame: &Frame) {
    macro_rules! every {
        ($($message:ident),* $(,)?) => {
            let mut decoders = 0;
            $(decode::<$message>(frame); decoders += 1;)*
            assert_eq!(decoders, Kind::ALL.len(), "a kind of message without a decoder here");
        };
    }
    every!(
        EnrolStart,
        EnrolProof,
        EnrolRegister,
        EnrolGrant,
        PinRequest,
        PinResponse,
        PinUpload,
        EnrolDone,
        Hello,
        HelloReply,
        RunProbe,
        RunAnswer,
        UnlockStart,
        UnlockChallenge,
        UnlockFinish,
        UnlockGranted,
        CommandMessage,
        CommandResult,
        ReceiptMessage,
        ReceiptAck,
        Renew,
        Renewed,
        Refused,
        Unsupported,
        PinsRequest,
        PinsAnswer,
        PinsTaken,
        SecondDevice,
        SecondDeviceCode,
        ManifestRequest,
        ManifestUnchanged,
        ManifestPage,
        DocumentRequest,
        DocumentChunk,
        DocumentGone,
        NotesRequest,
        NotesPage,
        NoteOffer,
        NoteWanted,
        NoteChunk,
        NoteStored,
        NoteConflict,
        NoteRequest,
        NoteGone,
        GrantProof,
        GrantAccepted,
        GrantEnd,
        GrantEnded,
        PinChange,
        PinProof,
        PinChanged,
    );
}

fn decode<M: Message>(frame: &Frame) {
    match frame.decode::<M>() {
        Ok(message) => {
            assert_eq!(frame.kind(), M::KIND);
            settles_in_cbor(&message);
        }
        Err(DecodeError::Unexpected(kind)) => assert!(kind == frame.kind() && kind != M::KIND),
        Err(DecodeError::Body(kind) | DecodeError::Critical { kind, .. }) => assert_eq!(kind, M::KIND),
        Err(error) => panic!("not an error of a body: {error}"),
    }
}

/// A policy, alone.
pub(crate) fn policy(bytes: &[u8]) {
    let Ok(policy) = ciborium::from_reader::<Policy, _>(bytes) else { return };
    settles_in_cbor(&policy);
    for known in ["pin_min_length", "lease_mode", "lease_seconds", "max_open_seconds", "clipboard"] {
        assert!(!policy.unrecognised.contains_key(known), "{known} would be reported as not enforced");
    }
}

/// Whose files and messages these are.
pub(crate) fn enrolment() -> EnrolmentId {
    EnrolmentId::from_bytes([7; 16])
}

/// What a phone sends during registration and unlock, and the stored secrets of a server.
pub(crate) fn opaque_server(bytes: &[u8]) {
    let mut rng = StdRng::seed_from_u64(1);
    if let Ok(setup) = ServerSetup::from_bytes(bytes) {
        read_as("server setup");
        let written = setup.to_bytes();
        let again = ServerSetup::from_bytes(&written).expect("what was written reads");
        assert!(*again.to_bytes() == *written, "reading changes the secrets");
    }
    let setup = ServerSetup::make(&mut rng);
    let credential = Secret::make(&mut rng);
    if let Ok(response) = setup.registration_response(bytes, &credential) {
        read_as("registration request");
        assert!(!response.is_empty());
    }
    if let Ok(record) = record_from_upload(bytes) {
        read_as("registration upload");
        let ke1 = LoginStart::make(Secret::make(&mut rng), &mut rng).expect("a fresh login").1;
        // Nobody has proved yet that the upload is of a right registration; login must bear it.
        let _ = setup.login(&record, &credential, enrolment(), &ke1, &mut rng);
        if let Ok((pending, _)) = setup.login(&record, &credential, enrolment(), bytes, &mut rng) {
            assert!(pending.finish(bytes).is_err(), "KE1 is no KE3");
        }
    }
}

/// What a server sends during registration and unlock. Slow where the message decodes: the PIN is stretched.
pub(crate) fn opaque_client(bytes: &[u8]) {
    let mut rng = StdRng::seed_from_u64(2);
    let weak = Stretching { memory_kib: 8, ..Stretching::default() };
    let start = |rng: &mut StdRng| LoginStart::make(Secret::make(rng), rng).expect("a fresh login").0;
    let refused = start(&mut rng).finish(bytes, enrolment(), weak, &mut rng);
    assert!(matches!(refused, Err(OpaqueError::Stretching)), "stretching is judged before the message");
    let login = start(&mut rng).finish(bytes, enrolment(), Stretching::default(), &mut rng);
    assert!(login.is_err(), "no bytes answer a KE1 that was made here and sent nowhere");
    let registration =
        RegistrationStart::make(Secret::make(&mut rng), &mut rng).expect("a fresh registration").0;
    if let Ok((upload, _)) = registration.finish(bytes, enrolment(), Stretching::default(), &mut rng) {
        read_as("registration response");
        assert!(record_from_upload(&upload).is_ok(), "what we upload is a record");
    }
}
