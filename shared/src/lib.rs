//! What both ends of Tamatebako agree on: wire messages, ids, signed statements and the cryptography under them.
//!
//! Nothing here does IO, reads a clock or draws randomness: time and a generator are arguments. The rules that decide
//! stand in `mdm-core` (server) and `client-core` (phone); sockets and files in their shells.

pub mod activation_code;
pub mod cose;
pub mod crockford;
pub mod crypto;
pub mod enrolment_link;
pub mod grant;
pub mod ids;
pub mod opaque;
pub mod policy;
pub mod signed;
pub mod wire;
