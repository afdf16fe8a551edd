//! The only glue between the screens' globals and the agent: one adapter per global. All of it runs on the UI thread.

mod covering;
mod documents;
mod erasing;
mod look;
mod notes;
mod session;
mod shared;
mod stage;

pub(crate) use session::{Session, SessionOptions};
pub(crate) use shared::{Shared, spawn};
