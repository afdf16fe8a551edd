//! The key of a session grant: both ends have it after a verified login, and neither ever sends it.
//!
//! It comes from the session key of OPAQUE (RFC 9807 section 3.3), which another run of the login does not give again. What
//! travels is a tag over the TLS exporter of one connection, worth nothing on another. When a grant is made and ended is
//! decided in `mdm-core` and `client-core`.

use crate::crypto::{Purpose, Secret};
use crate::ids::EnrolmentId;

const LABEL: &[u8] = b"content";

/// Proves that a login of an enrolment was verified, on any connection, until the grant ends.
#[derive(Clone)]
pub struct GrantKey(Secret<32>);

impl GrantKey {
    /// The key that a login's session key gives.
    pub(crate) fn of_session(session_key: &[u8], enrolment: EnrolmentId) -> Self {
        Self(Purpose::SessionGrant.derive_bytes(&[session_key], enrolment.as_bytes()))
    }

    /// The bytes of [`GrantKey::expose`].
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        Secret::from_slice(bytes).map(Self)
    }

    /// To be sealed and stored.
    pub fn expose(&self) -> &[u8; 32] {
        self.0.expose()
    }

    /// The proof over a connection's exporter ([`crate::wire::EXPORTER_LABEL_GRANT`]).
    pub fn tag(&self, enrolment: EnrolmentId, exporter: &[u8; 32]) -> [u8; 32] {
        self.mac(enrolment).tag(&[LABEL, exporter])
    }

    /// Whether `tag` is the proof over this exporter.
    pub fn verify(&self, enrolment: EnrolmentId, exporter: &[u8; 32], tag: &[u8; 32]) -> bool {
        self.mac(enrolment).verify(&[LABEL, exporter], tag)
    }

    fn mac(&self, enrolment: EnrolmentId) -> crate::crypto::MacKey {
        Purpose::GrantProof.derive_mac_key(&[self.0.expose()], enrolment.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;

    fn enrolment(byte: u8) -> EnrolmentId {
        EnrolmentId::from_bytes([byte; 16])
    }

    #[test]
    fn a_proof_is_of_one_login_one_enrolment_and_one_connection() {
        let key = GrantKey::of_session(&[1; 64], enrolment(5));
        let tag = key.tag(enrolment(5), &[7; 32]);
        assert!(key.verify(enrolment(5), &[7; 32], &tag));
        assert!(!key.verify(enrolment(5), &[8; 32], &tag), "another connection");
        assert!(!key.verify(enrolment(6), &[7; 32], &tag), "another enrolment");
        assert!(!GrantKey::of_session(&[2; 64], enrolment(5)).verify(enrolment(5), &[7; 32], &tag));
        assert!(!GrantKey::of_session(&[1; 64], enrolment(6)).verify(enrolment(5), &[7; 32], &tag));
        assert!(GrantKey::from_slice(key.expose()).is_some_and(|key| key.tag(enrolment(5), &[7; 32]) == tag));
    }

    #[test]
    fn the_derivation_is_pinned() {
        let tag = GrantKey::of_session(&[1; 64], enrolment(5)).tag(enrolment(5), &[7; 32]);
        assert_eq!(HEXLOWER.encode(&tag), "fe2daa4a70881f116282ca452cf712b8050d08d4b778cd6906f3d01887e914ee");
    }
}
