//! TLS 1.3 by rustls over ring: the certificate authority, the server's two configurations, and the device verifier.
//!
//! No session tickets, no resumption, no early data: a resumed session would carry a client chain that nobody verified.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData, SignatureAlgorithm,
};
use rustls::DigitallySignedStruct;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DistinguishedName, SignatureScheme};
use shared::cose::PublicKey;
use shared::ids::EnrolmentId;
use shared::wire::{ALPN_DEVICE, ALPN_ENROL, ALPN_PINS};

use crate::keyring::Keyring;

/// Why a certificate or a TLS configuration cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// By rcgen.
    #[error("cannot make a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// By rustls.
    #[error("cannot configure TLS: {0}")]
    Rustls(#[from] rustls::Error),
}

/// rustls on ring, named everywhere so that no process-wide default decides.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Issues the certificates of devices and of the server itself. A certificate only carries a key: a device is known by
/// its registered key, the server by its pins.
pub struct CertificateAuthority {
    issuer: Issuer<'static, KeyPair>,
}

fn key_pair(pkcs8: &[u8]) -> Result<KeyPair, rcgen::Error> {
    KeyPair::from_pkcs8_der_and_sign_algo(&PrivatePkcs8KeyDer::from(pkcs8), &PKCS_ECDSA_P256_SHA256)
}

fn ca_params() -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, "Tamatebako CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

/// Valid from the day before `now`, for clocks that lag, to the day of `until`.
fn set_validity(params: &mut CertificateParams, now: Timestamp, until: Timestamp) {
    let day = |at: Timestamp| {
        let date = at.to_zoned(TimeZone::UTC).date();
        rcgen::date_time_ymd(date.year().into(), date.month().unsigned_abs(), date.day().unsigned_abs())
    };
    params.not_before = day(now.saturating_sub(SignedDuration::from_hours(24)).unwrap_or(now));
    params.not_after = day(until);
}

fn after_days(now: Timestamp, days: i64) -> Timestamp {
    now.saturating_add(SignedDuration::from_hours(24 * days)).unwrap_or(Timestamp::MAX)
}

struct DeviceKey<'a>(&'a PublicKey);

impl PublicKeyData for DeviceKey<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.0.point()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

impl CertificateAuthority {
    /// The authority of this keyring.
    pub fn new(keyring: &Keyring) -> Result<Self, TlsError> {
        Ok(Self { issuer: Issuer::new(ca_params()?, key_pair(keyring.ca_pkcs8())?) })
    }

    /// The authority's own certificate, PEM, valid for twenty years.
    pub fn certificate_pem(keyring: &Keyring, now: Timestamp) -> Result<String, TlsError> {
        let mut params = ca_params()?;
        set_validity(&mut params, now, after_days(now, 20 * 365));
        Ok(params.self_signed(&key_pair(keyring.ca_pkcs8())?)?.pem())
    }

    /// A device certificate, DER.
    pub fn issue_device(
        &self,
        key: &PublicKey,
        enrolment: EnrolmentId,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<u8>, TlsError> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, enrolment.to_string());
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        set_validity(&mut params, now, until);
        Ok(params.signed_by(&DeviceKey(key), &self.issuer)?.der().to_vec())
    }

    /// The certificate of the server's TLS key, DER, valid for thirteen months.
    fn issue_server(
        &self,
        keyring: &Keyring,
        names: &[String],
        now: Timestamp,
    ) -> Result<CertificateDer<'static>, TlsError> {
        let mut params = CertificateParams::new(names.to_vec())?;
        params.distinguished_name.push(DnType::CommonName, "Tamatebako server");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        set_validity(&mut params, now, after_days(now, 397));
        Ok(params.signed_by(&key_pair(keyring.tls_pkcs8())?, &self.issuer)?.der().clone())
    }
}

fn private_key(keyring: &Keyring) -> PrivateKeyDer<'static> {
    PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(keyring.tls_pkcs8().to_vec()))
}

/// The configuration of the QUIC side.
pub fn quic_config(
    keyring: &Keyring,
    ca: &CertificateAuthority,
    names: &[String],
    now: Timestamp,
) -> Result<rustls::ServerConfig, TlsError> {
    let provider = provider();
    let verifier = Arc::new(DeviceKeyVerifier { provider: provider.clone() });
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![ca.issue_server(keyring, names, now)?], private_key(keyring))?;
    config.alpn_protocols = vec![ALPN_ENROL.to_vec(), ALPN_DEVICE.to_vec(), ALPN_PINS.to_vec()];
    close_resumption(&mut config);
    Ok(config)
}

/// The configuration of the HTTPS side.
pub fn https_config(
    keyring: &Keyring,
    ca: &CertificateAuthority,
    names: &[String],
    now: Timestamp,
) -> Result<rustls::ServerConfig, TlsError> {
    let mut config = rustls::ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(vec![ca.issue_server(keyring, names, now)?], private_key(keyring))?;
    // Not h2: a refusal given before an upload has ended would be lost with its stream.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    close_resumption(&mut config);
    Ok(config)
}

fn close_resumption(config: &mut rustls::ServerConfig) {
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    config.max_early_data_size = 0;
}

/// Accepts any certificate whose key signs the handshake: whether the key is registered, and what it may do, the store
/// says afterwards. Dates and chain do not count, so that a phone found after years can still be wiped.
#[derive(Debug)]
struct DeviceKeyVerifier {
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for DeviceKeyVerifier {
    /// Enrolment comes without a certificate; the device side closes connections without one itself.
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        match certificate_key(end_entity) {
            Some(_) => Ok(ClientCertVerified::assertion()),
            None => Err(rustls::CertificateError::BadEncoding.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}

/// The P-256 key in a certificate.
pub fn certificate_key(certificate: &CertificateDer<'_>) -> Option<PublicKey> {
    let parsed = webpki::EndEntityCert::try_from(certificate).ok()?;
    PublicKey::from_spki_der(&parsed.subject_public_key_info()).ok()
}
