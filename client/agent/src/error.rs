//! Why the agent did not do something, where no operation has an error of its own.

use client_core::sync::Misbehaviour;
use client_core::{CommandError, UnlockRefusal};
use shared::cose::VerifyError;
use vault::{FileError, VaultError};

use crate::link::{ConnectError, ExchangeError};
use crate::platform::KeyError;

/// Why the agent did not do something.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// Nothing is enrolled here.
    #[error("this device is not enrolled: enrol it with the code from the letter")]
    Unenrolled,
    /// A wipe was obeyed or is being obeyed.
    #[error("this device was wiped by its organisation; personal photos and contacts were not touched")]
    Wiped,
    /// The rules forbid it now.
    #[error(transparent)]
    Refused(#[from] UnlockRefusal),
    /// No connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The server has hung up: it knows no such device.
    #[error("the server does not know this device: ask the helpdesk")]
    UnknownDevice,
    /// An exchange failed.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// A command that is not the server's.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// Something signed that does not verify.
    #[error("the server sent a signed statement that does not verify: {0}")]
    Verify(#[from] VerifyError),
    /// A file of the device.
    #[error(transparent)]
    File(#[from] FileError),
    /// A key of the device.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The vault.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// Documents that do not come as they should.
    #[error("the server sends documents in a way that makes no sense: {0}")]
    Documents(#[from] Misbehaviour),
    /// The device lacks a file that only an erase or a stranger removes.
    #[error("{0} of this device is missing: have it wiped and enrol it again")]
    Missing(&'static str),
    /// TLS could not be set up.
    #[error("TLS could not be set up: {0}")]
    Tls(#[from] rustls::Error),
    /// A certificate for another key.
    #[error("the server issued a certificate for another key: tell the administrator")]
    WrongCertificate,
    /// The receipt's acknowledgement is for other bytes.
    #[error("the server acknowledged another receipt: the receipt will be sent again")]
    WrongAck,
    /// A part of an erase does not succeed.
    #[error("the erase cannot go on yet ({0}): it is tried again")]
    EraseStuck(String),
    /// A worker thread ended without an answer.
    #[error("an internal task failed: restart the app")]
    Task,
}
