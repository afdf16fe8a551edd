//! The app's screens, generated from `ui/*.slint`. No logic lives here: the crate `client` fills the properties and answers
//! the callbacks.

slint::include_modules!();
