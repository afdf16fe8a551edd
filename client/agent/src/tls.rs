//! TLS 1.3 as the product uses it, over ring alone: servers and devices are known by key, not by chain, name or dates.
//! No resumption and no early data, so that every connection proves both keys anew.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use quinn::congestion::BbrConfig;
use quinn::crypto::rustls::QuicClientConfig;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring::default_provider, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::{CertifiedKey, Signer as TlsSigner, SigningKey, SingleCertAndKey};
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureAlgorithm, SignatureScheme};
use shared::cose::Signer;
use shared::crypto::hazmat::sha256;

const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// Silence after which a connection is given up: two keep-alives may be lost, and a way of two seconds is no silence.
const IDLE: Duration = Duration::from_secs(15);
const SERVER_STREAMS: u32 = 8;

/// The name in the handshake. Nothing is decided by it; the address has its own.
pub(crate) const SERVER_NAME: &str = "tamatebako.invalid";

/// SHA-256 of the SubjectPublicKeyInfo of a certificate; `None` if it is no certificate.
pub(crate) fn key_fingerprint(certificate: &CertificateDer<'_>) -> Option<[u8; 32]> {
    let parsed = ParsedCertificate::try_from(certificate).ok()?;
    Some(sha256(&[&parsed.subject_public_key_info()]))
}

/// Accepts a server whose key is one of `pins`, or any if there are none: a typed activation code proves the server later.
/// The handshake's signature is checked either way.
#[derive(Debug)]
struct PinnedServer {
    pins: Option<Vec<[u8; 32]>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for PinnedServer {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let fingerprint = key_fingerprint(end_entity).ok_or(CertificateError::BadEncoding)?;
        match &self.pins {
            Some(pins) if !pins.contains(&fingerprint) => Err(CertificateError::UnknownIssuer.into()),
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("only TLS 1.3 is spoken".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// The device key as rustls wants it, wherever the key lives.
struct TlsDeviceKey(Arc<dyn Signer>);

impl fmt::Debug for TlsDeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TlsDeviceKey({:?})", self.0.public_key())
    }
}

impl SigningKey for TlsDeviceKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn TlsSigner>> {
        offered
            .contains(&SignatureScheme::ECDSA_NISTP256_SHA256)
            .then(|| Box::new(Self(Arc::clone(&self.0))) as Box<dyn TlsSigner>)
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        Some(self.0.public_key().spki_der().into())
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ECDSA
    }
}

impl TlsSigner for TlsDeviceKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let fixed = self.0.sign(message).map_err(|error| Error::General(error.to_string()))?;
        Ok(ecdsa_der(&fixed))
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ECDSA_NISTP256_SHA256
    }
}

/// `r ‖ s` as the `ECDSA-Sig-Value` of RFC 3279 section 2.2.3, which TLS sends.
fn ecdsa_der(fixed: &[u8; 64]) -> Vec<u8> {
    let mut body = Vec::with_capacity(70);
    for half in fixed.chunks_exact(32) {
        let start = half.iter().position(|byte| *byte != 0).unwrap_or(31);
        let digits = &half[start..];
        let sign_byte = usize::from(digits[0] & 0x80 != 0);
        body.push(0x02);
        body.push(u8::try_from(digits.len() + sign_byte).expect("half a signature has at most 33 bytes"));
        body.extend(std::iter::repeat_n(0, sign_byte));
        body.extend_from_slice(digits);
    }
    let length = u8::try_from(body.len()).expect("a P-256 signature has at most 70 bytes");
    [&[0x30, length], body.as_slice()].concat()
}

/// A QUIC client for one ALPN.
///
/// `pins`: the server keys to accept, or `None` for any. `device`: certificate and key to show.
pub(crate) fn client_config(
    alpn: &[u8],
    pins: Option<Vec<[u8; 32]>>,
    device: Option<(Vec<u8>, Arc<dyn Signer>)>,
) -> Result<quinn::ClientConfig, Error> {
    let provider = Arc::new(default_provider());
    let verifier = Arc::new(PinnedServer { pins, provider: Arc::clone(&provider) });
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match device {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let certified = CertifiedKey::new(vec![certificate.into()], Arc::new(TlsDeviceKey(key)));
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified)))
        }
    };
    config.alpn_protocols = vec![alpn.to_vec()];
    config.resumption = Resumption::disabled();
    config.enable_early_data = false;
    let quic = QuicClientConfig::try_from(config).map_err(|error| Error::General(error.to_string()))?;
    let mut transport = quinn::TransportConfig::default();
    transport
        .keep_alive_interval(Some(KEEP_ALIVE))
        .max_idle_timeout(Some(IDLE.try_into().expect("15 seconds fit a QUIC idle timeout")))
        .max_concurrent_bidi_streams(SERVER_STREAMS.into())
        .max_concurrent_uni_streams(0_u8.into())
        // Mobile links lose packets without being full: ADR 12.
        .congestion_controller_factory(Arc::new(BbrConfig::default()));
    let mut client = quinn::ClientConfig::new(Arc::new(quic));
    client.transport_config(Arc::new(transport));
    Ok(client)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
    use shared::cose::SoftwareKey;

    #[test]
    fn signatures_are_encoded_as_tls_sends_them() {
        let key = SoftwareKey::from_pkcs8(&SoftwareKey::make_pkcs8().unwrap()).unwrap();
        // Enough to meet halves with a high bit and halves with leading zeros.
        for n in 0_u32..600 {
            let message = n.to_be_bytes();
            let der = ecdsa_der(&key.sign(&message).unwrap());
            let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key.public_key().point());
            assert!(public.verify(&message, &der).is_ok(), "signature {n}");
        }
    }
}
