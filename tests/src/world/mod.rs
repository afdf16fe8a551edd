//! A world for end-to-end tests: a real server process in a folder of its own, `mdmctl` and `phone` processes beside it.
//!
//! [`World`] runs the server as a process, so that it can be killed; [`LocalWorld`] runs it inside the test, so that its
//! clock can be turned. Both have a [`Site`]: the folder, the addresses, the tools. Nothing here knows the rules of the
//! product, and nothing sleeps to wait: see [`wait`].

mod binaries;
pub mod files;
pub mod kernel;
pub mod link;
mod local;
mod mail_server;
mod mdmctl;
mod operators;
mod phone;
mod ports;
pub mod powercut;
mod process;
mod server;
pub mod shim;
mod site;
mod staff;
pub mod wait;

pub use binaries::binary;
pub use local::{LocalWorld, TestClock};
pub use mail_server::{MailServer, Offer, Taken};
pub use operators::Operator;
pub use phone::{Phone, RunningPhone};
pub use process::{Finished, Process};
pub use server::{Launch, World};
pub use site::Site;
pub use staff::Person;
