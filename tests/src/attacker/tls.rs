//! TLS 1.3 over ring that believes whoever answers. Not for anything but attacks in tests.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{ClientConfig, ServerConfig, TransportConfig};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, SignatureScheme};

use super::identity::Identity;

/// The name in handshakes; nothing is decided by it.
pub(super) const NAME: &str = "attacker.invalid";
/// Streams that the other side may open.
const STREAMS: u32 = 64;
/// Silence that ends a connection.
const IDLE: Duration = Duration::from_secs(60);

#[derive(Debug)]
struct AnyServer;

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        default_provider().signature_verification_algorithms.supported_schemes()
    }
}

fn private_key(identity: &Identity) -> PrivateKeyDer<'static> {
    PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(identity.pkcs8().to_vec()))
}

fn transport() -> anyhow::Result<TransportConfig> {
    let mut transport = TransportConfig::default();
    transport
        .max_idle_timeout(Some(IDLE.try_into()?))
        .keep_alive_interval(Some(Duration::from_secs(5)))
        .max_concurrent_bidi_streams(STREAMS.into());
    Ok(transport)
}

/// Lets the other side send so many bytes on a stream that nobody reads: what it says beyond stays with it.
pub(super) fn deafen(config: &mut ClientConfig, window: u8) -> anyhow::Result<()> {
    let mut transport = transport()?;
    transport.stream_receive_window(window.into());
    config.transport_config(Arc::new(transport));
    Ok(())
}

/// A client that shows `identity`, or no certificate, takes any server's, and resumes sessions where it may.
pub(super) fn client(alpn: &[u8], identity: Option<&Identity>) -> anyhow::Result<ClientConfig> {
    let builder = rustls::ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyServer));
    let mut tls = match identity {
        Some(identity) => builder
            .with_client_auth_cert(vec![identity.certificate().to_vec().into()], private_key(identity))
            .context("the certificate and key to be shown do not fit")?,
        None => builder.with_no_client_auth(),
    };
    tls.alpn_protocols = vec![alpn.to_vec()];
    tls.enable_early_data = true;
    let mut config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls)?));
    config.transport_config(Arc::new(transport()?));
    Ok(config)
}

/// A server that shows `identity`, asks clients for nothing, gives tickets and takes early data.
pub(super) fn server(alpn: &[u8], identity: &Identity) -> anyhow::Result<ServerConfig> {
    server_of(&[alpn], identity)
}

/// The same for several protocols.
pub(super) fn server_of(alpns: &[&[u8]], identity: &Identity) -> anyhow::Result<ServerConfig> {
    let mut tls = rustls::ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(vec![identity.certificate().to_vec().into()], private_key(identity))?;
    tls.alpn_protocols = alpns.iter().map(|alpn| alpn.to_vec()).collect();
    // QUIC knows all or nothing (RFC 9001 section 4.6.1).
    tls.max_early_data_size = u32::MAX;
    let mut config = ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls)?));
    config.transport_config(Arc::new(transport()?));
    Ok(config)
}
