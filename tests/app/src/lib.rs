//! What the app's end-to-end tests share.
