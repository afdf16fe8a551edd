//! A key and a certificate that the attacker wrote for it himself.

use anyhow::Context as _;
use jiff::Timestamp;
use rand::rngs::OsRng;
use rcgen::{
    CertificateParams, DnType, Issuer, KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData, SignatureAlgorithm,
};
use rustls_pki_types::PrivatePkcs8KeyDer;
use shared::cose::{PublicKey, Signer as _, SoftwareKey};
use shared::ids::RunId;
use shared::wire::Run;

use super::tls::NAME;

/// The years of a certificate, first of January to first of January.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// Valid from the start of this year.
    pub from: i32,
    /// Expired at the start of this year.
    pub until: i32,
}

impl Validity {
    /// Long valid.
    pub const ALWAYS: Self = Self { from: 1990, until: 2200 };
}

/// A private key with a certificate.
pub struct Identity {
    pkcs8: Vec<u8>,
    certificate: Vec<u8>,
    run: Run,
}

impl Identity {
    /// A key that nobody knows.
    pub fn fresh() -> anyhow::Result<Self> {
        Self::self_signed(&SoftwareKey::make_pkcs8()?, Validity::ALWAYS)
    }

    /// `pkcs8` with a certificate that it signs itself.
    pub fn self_signed(pkcs8: &[u8], validity: Validity) -> anyhow::Result<Self> {
        let certificate = params(validity)?.self_signed(&key_pair(pkcs8)?)?.der().to_vec();
        Ok(Self::with_certificate(pkcs8, &certificate))
    }

    /// `pkcs8` with somebody's certificate.
    pub fn with_certificate(pkcs8: &[u8], certificate: &[u8]) -> Self {
        let run = Run { id: RunId::make(Timestamp::now(), &mut OsRng), after: None };
        Self { pkcs8: pkcs8.to_vec(), certificate: certificate.to_vec(), run }
    }

    /// The same, which says that it goes on where this run of the phone's app has ended.
    pub fn after(mut self, run: Option<RunId>) -> Self {
        self.run.after = run;
        self
    }

    /// What it says to be: one process, however often it connects.
    pub fn run(&self) -> Run {
        self.run
    }

    /// A certificate for somebody's key, signed by this one.
    pub fn issue(&self, key: &PublicKey) -> anyhow::Result<Vec<u8>> {
        let issuer = Issuer::new(params(Validity::ALWAYS)?, key_pair(&self.pkcs8)?);
        Ok(params(Validity::ALWAYS)?.signed_by(&Subject(key), &issuer)?.der().to_vec())
    }

    /// The private key, PKCS#8 DER.
    pub fn pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }

    /// The certificate, DER.
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// The private key, ready to sign.
    pub fn key(&self) -> anyhow::Result<SoftwareKey> {
        Ok(SoftwareKey::from_pkcs8(&self.pkcs8)?)
    }

    /// The public half.
    pub fn public_key(&self) -> anyhow::Result<PublicKey> {
        Ok(self.key()?.public_key().clone())
    }
}

fn key_pair(pkcs8: &[u8]) -> anyhow::Result<KeyPair> {
    KeyPair::from_pkcs8_der_and_sign_algo(&PrivatePkcs8KeyDer::from(pkcs8), &PKCS_ECDSA_P256_SHA256)
        .context("not a P-256 key as PKCS#8")
}

fn params(validity: Validity) -> anyhow::Result<CertificateParams> {
    let mut params = CertificateParams::new(vec![NAME.to_owned()])?;
    params.distinguished_name.push(DnType::CommonName, "attacker");
    params.not_before = rcgen::date_time_ymd(validity.from, 1, 1);
    params.not_after = rcgen::date_time_ymd(validity.until, 1, 1);
    Ok(params)
}

struct Subject<'a>(&'a PublicKey);

impl PublicKeyData for Subject<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.0.point()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}
