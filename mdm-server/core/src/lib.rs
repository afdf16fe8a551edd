//! The rules of the MDM server: accounts, seats, personnel batches, enrolment, commands and the audit chain.
//!
//! Pure: no IO, no clock, no randomness of its own. The shell (`mdm-server`) loads what a rule needs, the rule answers
//! with a [`change::Changeset`], and `mdm-store` commits it, whole or not at all.

pub mod absence;
pub mod account;
pub mod apply;
pub mod approval;
pub mod assignment;
pub mod audit;
pub mod batch;
pub mod change;
pub mod characters;
pub mod code;
pub mod command;
pub mod device;
pub mod document;
pub mod enrol;
pub mod grant;
pub mod hello;
pub mod identity;
pub mod license;
pub mod loss;
pub mod mail;
pub mod note;
pub mod operator;
pub mod plan;
pub mod quarantine;
pub mod run;
pub mod seats;
pub mod second_device;
pub mod sheet;
pub mod substitute;
pub mod undo;
pub mod unlock;

#[cfg(test)]
mod testing;
