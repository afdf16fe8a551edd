//! The wire: frames of length-prefixed CBOR, one message a frame, one exchange a QUIC stream.
//!
//! A frame is `u32 length ‖ [version, kind, body: bstr]`. The kind is looked up, and its limit applied, before the body is
//! decoded. Unknown map keys are ignored unless they stand under `critical`. `docs/formats/wire.md` has the exchanges.

mod content;
mod enrol;
mod frame;
mod grant;
mod notes;
mod pin;
mod pins;
mod second;
mod session;
#[cfg(test)]
mod tests;

pub use content::{
    CHUNK_MAX, DocumentChunk, DocumentEntry, DocumentGone, DocumentRequest, ManifestPage, ManifestRequest,
    ManifestUnchanged, ManifestVersion, PAGE_MAX,
};
pub use enrol::{
    DeviceDescription, EnrolDone, EnrolGrant, EnrolProof, EnrolRegister, EnrolStart, KeyLevel, PinRequest,
    PinResponse, PinUpload, Prover, ServerKeys,
};
pub use frame::{DecodeError, Frame, Kind, MAX_FRAME, Message, PREFIX_LEN, body_length};
pub use grant::{GrantAccepted, GrantEnd, GrantEnded, GrantProof};
pub use notes::{
    NOTE_MEDIA_TYPE, NoteChunk, NoteConflict, NoteContents, NoteEntry, NoteGone, NoteOffer, NoteRequest,
    NoteStored, NoteWanted, NotesPage, NotesRequest, PHOTO_MEDIA_TYPE,
};
pub use pin::{PinChange, PinChanged, PinProof};
pub use pins::{PinsAnswer, PinsRequest, PinsTaken};
pub use second::{SecondDevice, SecondDeviceCode};
pub use session::{
    CommandMessage, CommandResult, EnrolmentStanding, Hello, HelloReply, ReceiptAck, ReceiptMessage,
    RefusalReason, Refused, Renew, Renewed, Run, RunAnswer, RunProbe, UnlockChallenge, UnlockFinish,
    UnlockGranted, UnlockStart, Unsupported,
};

/// ALPN of the enrolment port of call: server certificate only, one exchange.
pub const ALPN_ENROL: &[u8] = b"tbk-enrol/1";
/// ALPN of enrolled devices: a device certificate is required.
pub const ALPN_DEVICE: &[u8] = b"tbk/1";
/// ALPN of the way back to a server whose keys are not known any more: server certificate only, one exchange.
pub const ALPN_PINS: &[u8] = b"tbk-pins/1";
/// Label of the TLS exporter (RFC 8446 section 7.5) that enrolment proofs are bound to; 32 bytes, empty context. Labels
/// that are not registered begin so (RFC 5705 section 4).
pub const EXPORTER_LABEL_ENROL: &[u8] = b"EXPERIMENTAL-tbk-enrol";
/// Label of the exporter that proofs of a session grant are bound to; 32 bytes, empty context.
pub const EXPORTER_LABEL_GRANT: &[u8] = b"EXPERIMENTAL-tbk-grant";
