//! Frames: how long a message may be, which it is, and when it is refused.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The version of the frame format.
const VERSION: u8 = 1;
/// Bytes of the length before a frame, big-endian.
pub const PREFIX_LEN: usize = 4;
/// No frame is longer, in bytes after the prefix: the largest body and the frame around it.
pub const MAX_FRAME: usize = 16 * 1024 + 16;

/// Why bytes are no acceptable message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The length before the frame is over [`MAX_FRAME`].
    #[error("a frame of {0} bytes is over the limit of {MAX_FRAME}")]
    FrameTooLong(usize),
    /// Not `[version, kind, body]`.
    #[error("not a frame")]
    NotAFrame,
    /// Another version of the frame format.
    #[error("frame version {0} is not supported")]
    Version(u8),
    /// A kind that this side does not know. To be answered with [`super::Unsupported`]; the stream lives on.
    #[error("message kind {0} is not supported")]
    UnknownKind(u16),
    /// A body over the limit of its kind.
    #[error("a {kind:?} of {length} bytes is over the limit of {limit}")]
    BodyTooLong {
        /// Which message.
        kind: Kind,
        /// Its length in bytes.
        length: usize,
        /// What would have been accepted.
        limit: usize,
    },
    /// Another message than the exchange expects here.
    #[error("{0:?} was not expected here")]
    Unexpected(Kind),
    /// A body that is not its kind's map.
    #[error("the body of a {0:?} does not decode")]
    Body(Kind),
    /// The sender demands that a key be understood, and it is not.
    #[error("a {kind:?} demands that `{key}` be understood")]
    Critical {
        /// Which message.
        kind: Kind,
        /// The first key under `critical` that is not known.
        key: String,
    },
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $number:literal, at most $limit:literal;)*) => {
        /// Which message a frame holds.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Kind { $($(#[$doc])* $name,)* }

        impl Kind {
            /// Every kind.
            pub const ALL: &[Kind] = &[$(Kind::$name),*];

            /// The number on the wire.
            pub fn number(self) -> u16 {
                match self { $(Kind::$name => $number,)* }
            }

            /// The longest body accepted, in bytes.
            pub fn limit(self) -> usize {
                match self { $(Kind::$name => $limit,)* }
            }
        }
    };
}

kinds! {
    /// Client: which code, and that it knows it.
    EnrolStart = 1, at most 256;
    /// Server: that it knows the code too.
    EnrolProof = 2, at most 256;
    /// Client: its device key.
    EnrolRegister = 3, at most 1024;
    /// Server: the enrolment, its certificate and keys.
    EnrolGrant = 4, at most 8192;
    /// Client: begins the registration of a PIN.
    PinRequest = 5, at most 128;
    /// Server: answers it.
    PinResponse = 6, at most 256;
    /// Client: ends it.
    PinUpload = 7, at most 512;
    /// Server: the record is stored and the device enrolled.
    EnrolDone = 8, at most 64;
    /// Client: where it stands.
    Hello = 10, at most 4096;
    /// Server: where the enrolment stands, and what is to be done.
    HelloReply = 11, at most 16384;
    /// Server: asks which run of the app is there.
    RunProbe = 12, at most 16;
    /// Client: this one.
    RunAnswer = 13, at most 64;
    /// Client: KE1.
    UnlockStart = 20, at most 512;
    /// Server: KE2, one attempt having been charged.
    UnlockChallenge = 21, at most 1024;
    /// Client: KE3.
    UnlockFinish = 22, at most 256;
    /// Server: KE3 was right.
    UnlockGranted = 23, at most 4096;
    /// Server: a signed command.
    Command = 30, at most 4096;
    /// Client: what became of a block or unblock.
    CommandResult = 31, at most 256;
    /// Client: a signed receipt.
    Receipt = 40, at most 4096;
    /// Server: the receipt is stored.
    ReceiptAck = 41, at most 128;
    /// Client: asks for a new certificate for its key.
    Renew = 50, at most 64;
    /// Server: the new certificate.
    Renewed = 51, at most 4096;
    /// Client: that it holds the grant of the last unlock.
    GrantProof = 60, at most 64;
    /// Server: this connection may carry content.
    GrantAccepted = 61, at most 64;
    /// Client: nobody needs the grant any more.
    GrantEnd = 62, at most 64;
    /// Server: it has ended.
    GrantEnded = 63, at most 16;
    /// Client: begins a change of the PIN, with KE1 of a login with the one that holds.
    PinChange = 65, at most 512;
    /// Client: KE1 of a login with the new PIN.
    PinProof = 66, at most 512;
    /// Server: the new PIN holds, and the old one no more.
    PinChanged = 67, at most 16;
    /// Client: asks what it may read.
    ManifestRequest = 70, at most 128;
    /// Server: what the client has is what there is.
    ManifestUnchanged = 71, at most 16;
    /// Server: a part of the manifest.
    ManifestPage = 72, at most 16384;
    /// Client: asks for a document's contents from an offset on.
    DocumentRequest = 73, at most 128;
    /// Server: the next bytes.
    DocumentChunk = 74, at most 16384;
    /// Server: no such version for this account.
    DocumentGone = 75, at most 16;
    /// Client: asks which notes have changed.
    NotesRequest = 76, at most 64;
    /// Server: a part of what has changed.
    NotesPage = 77, at most 16384;
    /// Client: the next revision of a note.
    NoteOffer = 78, at most 512;
    /// Server: asks for its contents from an offset on.
    NoteWanted = 79, at most 32;
    /// Either: the next bytes of a note.
    NoteChunk = 80, at most 16384;
    /// Server: the revision is stored.
    NoteStored = 81, at most 32;
    /// Server: another revision was made from the same base.
    NoteConflict = 82, at most 512;
    /// Client: asks for a note's contents from an offset on.
    NoteRequest = 83, at most 128;
    /// Server: no such revision.
    NoteGone = 84, at most 16;
    /// Either: why the exchange ends here.
    Refused = 90, at most 512;
    /// Either: a kind that is not known.
    Unsupported = 91, at most 64;
    /// Client: asks for what replaces the server's pins.
    PinsRequest = 92, at most 16;
    /// Server: signed updates, at most two.
    PinsAnswer = 93, at most 4352;
    /// Client: an update is on its storage.
    PinsTaken = 94, at most 64;
    /// Client: asks for a code for another device.
    SecondDevice = 95, at most 16;
    /// Server: the code.
    SecondDeviceCode = 96, at most 128;
}

impl Kind {
    /// The kind with this number.
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.number() == number)
    }
}

/// A message: a map with text keys that travels as the body of one kind of frame.
pub trait Message: Serialize + DeserializeOwned {
    /// Its kind.
    const KIND: Kind;

    /// The whole frame, prefix included.
    fn to_frame(&self) -> Vec<u8> {
        let mut body = Vec::new();
        ciborium::into_writer(self, &mut body).expect("a message in memory encodes into a vector");
        debug_assert!(body.len() <= Self::KIND.limit(), "{:?}: {} bytes", Self::KIND, body.len());
        let frame = (VERSION, Self::KIND.number(), serde_bytes::Bytes::new(&body));
        let mut bytes = vec![0; PREFIX_LEN];
        ciborium::into_writer(&frame, &mut bytes).expect("a frame in memory encodes into a vector");
        let length = u32::try_from(bytes.len() - PREFIX_LEN).expect("bodies are far below 4 GiB");
        bytes[..PREFIX_LEN].copy_from_slice(&length.to_be_bytes());
        bytes
    }
}

/// How many bytes follow a prefix; refused before they are read if they are too many.
pub fn body_length(prefix: [u8; PREFIX_LEN]) -> Result<usize, DecodeError> {
    let length = usize::try_from(u32::from_be_bytes(prefix)).unwrap_or(usize::MAX);
    if length > MAX_FRAME { Err(DecodeError::FrameTooLong(length)) } else { Ok(length) }
}

/// A frame whose kind is known and whose body keeps its limit, not yet decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    kind: Kind,
    body: Vec<u8>,
}

#[derive(Deserialize)]
struct CriticalKeys {
    #[serde(default)]
    critical: std::collections::BTreeMap<String, ciborium::Value>,
}

impl Frame {
    /// Reads what follows a prefix.
    pub fn parse(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > MAX_FRAME {
            return Err(DecodeError::FrameTooLong(bytes.len()));
        }
        let (version, number, body): (u8, u16, serde_bytes::ByteBuf) =
            whole(bytes).ok_or(DecodeError::NotAFrame)?;
        if version != VERSION {
            return Err(DecodeError::Version(version));
        }
        let kind = Kind::from_number(number).ok_or(DecodeError::UnknownKind(number))?;
        let (length, limit) = (body.len(), kind.limit());
        if length > limit {
            return Err(DecodeError::BodyTooLong { kind, length, limit });
        }
        Ok(Self { kind, body: body.into_vec() })
    }

    /// Which message it holds.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The message, if it is an `M`.
    pub fn decode<M: Message>(&self) -> Result<M, DecodeError> {
        if self.kind != M::KIND {
            return Err(DecodeError::Unexpected(self.kind));
        }
        let critical: CriticalKeys = whole(&self.body).ok_or(DecodeError::Body(self.kind))?;
        if let Some(key) = critical.critical.into_keys().next() {
            return Err(DecodeError::Critical { kind: self.kind, key });
        }
        whole(&self.body).ok_or(DecodeError::Body(self.kind))
    }
}

/// One item and nothing behind it: what a signature, a digest or another reader takes for the message is all of it.
fn whole<T: DeserializeOwned>(mut bytes: &[u8]) -> Option<T> {
    let item = ciborium::from_reader(&mut bytes).ok()?;
    bytes.is_empty().then_some(item)
}
