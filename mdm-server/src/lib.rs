//! The shell of the MDM server: sockets, files, jobs. What is decided, `mdm-core` decides; what is stored, `mdm-store`
//! stores.
//!
//! [`service::Service`] is what everything stands on, [`use_cases`] is what people and devices can have done, [`quic`] and
//! [`api`] are the two doors to it.

pub mod api;
pub mod backup;
pub mod clock;
pub mod config;
pub mod console;
pub mod directory;
pub mod documents;
mod heavy;
mod https;
pub mod init;
pub mod journal_file;
pub mod keyring;
pub mod letters;
pub mod mail;
pub mod pins;
pub mod quarantine;
pub mod quic;
mod rights;
pub mod scheduler;
pub mod server;
pub mod service;
#[cfg(test)]
mod testing;
pub mod tls;
pub mod use_cases;
