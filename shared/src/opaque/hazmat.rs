//! OPAQUE with stretching of the caller's choice, for a simulation that runs ten thousand histories.
//!
//! What a slot or a message says never comes here: those name a [`super::Stretching`], which has a floor. A test of the
//! workspace lets nothing but the simulation name this module.

use argon2::Argon2;
use rand::{CryptoRng, RngCore};

use super::{ExportKey, FinishedLogin, LoginStart, OpaqueError, RegistrationStart};
use crate::ids::EnrolmentId;

/// [`RegistrationStart::finish`] with this Argon2, however cheap.
pub fn finish_registration(
    start: RegistrationStart,
    response: &[u8],
    enrolment: EnrolmentId,
    argon2: &Argon2<'static>,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<(Vec<u8>, ExportKey), OpaqueError> {
    start.finish_with(response, enrolment, argon2, rng)
}

/// [`LoginStart::finish`] with this Argon2, however cheap.
pub fn finish_login(
    start: LoginStart,
    ke2: &[u8],
    enrolment: EnrolmentId,
    argon2: &Argon2<'static>,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<FinishedLogin, OpaqueError> {
    start.finish_with(ke2, enrolment, argon2, rng)
}
