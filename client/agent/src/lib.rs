//! Drives `client-core` over quinn, tokio and the vault: the whole phone but its face.
//!
//! The rules (what may be unlocked, obeyed, erased and when) are in `client-core`, the files in `vault`. This crate reads
//! clocks and sockets, executes effects, and gives a face ([`Agent`]) to an app. Keys live behind [`DeviceKey`] and
//! [`SecretStore`].

mod agent;
mod clock;
pub mod confine;
mod content;
mod device_state;
mod documents;
mod enrol;
mod erase;
mod error;
mod files;
mod grant;
mod hello;
mod hygiene;
mod link;
mod mend;
mod outbox;
mod pin;
mod pins;
mod platform;
mod run;
mod second_device;
mod status;
#[cfg(test)]
mod tests;
mod tls;
mod unlock;

pub use agent::{Agent, Event, Observer, OpenError};
pub use clock::{boot_id, moment};
pub use confine::Confinement;
pub use device_state::{DeviceState, LoadStateError};
pub use documents::{Document, DocumentState, DocumentsProgress, NoticeState};
pub use enrol::{EnrolError, EnrolRequest, Enrolled};
pub use error::AgentError;
pub use files::FileTransferError;
pub use hygiene::keep_memory_private;
pub use link::{ConnectError, ExchangeError, Link};
pub use mend::{Mended, Mending, WayBack};
pub use outbox::{NoteState, NoteStatus, NotesProgress, SavedNote};
pub use pin::ChangePinError;
pub use platform::{DeviceKey, KeyError, Platform, SecretStore};
pub use run::RunEnd;
pub use second_device::{SecondDeviceError, SecondDeviceInvitation};
pub use status::{EraseReport, LeaseStatus, Status, WipeStatus, erase_report};
pub use unlock::{UnlockError, Unlocked};
