//! What the app's end-to-end tests share: a process for each test, and hands on the app's window.

mod children;
mod hands;
pub mod papers;

pub use children::{Test, main};
pub use hands::{Hands, play};
