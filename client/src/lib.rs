//! The staff member's app: adapters between `client-ui` and `client-agent`, and the platform under the toolkit.
//!
//! The screens are `client-ui`'s, the rules `client-core`'s, network and files `client-agent`'s. Here is what is between
//! them: [`App`] opens the home and the window, `adapters` fill the screens' properties and answer their callbacks,
//! `engine` runs the agent off the UI thread, and [`platform`] keeps the clipboard inside.

mod adapters;
#[cfg(target_os = "android")]
mod android;
mod app;
pub mod confinement;
mod engine;
mod note;
pub mod platform;
mod preferences;
mod problem;
mod times;
pub mod viewer;

pub use app::{App, End, Options, StartError};
