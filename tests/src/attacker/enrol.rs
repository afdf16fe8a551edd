//! A client of [`ALPN_ENROL`] that can take every step alone, out of order, or wrongly.

use std::net::SocketAddr;

use quinn::{Connection, Endpoint};
use rand::rngs::OsRng;
use shared::activation_code::ActivationCode;
use shared::cose::Signer as _;
use shared::crypto::Secret;
use shared::opaque::{ExportKey, RegistrationStart, Stretching, client_input};
use shared::wire::{
    ALPN_ENROL, DeviceDescription, EnrolDone, EnrolGrant, EnrolProof, EnrolRegister, EnrolStart, KeyLevel,
    PinRequest, PinResponse, PinUpload, Prover,
};

use super::identity::Identity;
use super::peer::connect;
use super::raw::{Answer, RawStream, exporter};

/// What a whole enrolment gave.
pub struct Enrolled {
    /// The server's grant.
    pub grant: EnrolGrant,
    /// What a slot would be sealed with.
    pub export_key: ExportKey,
}

/// One connection for an enrolment, its stream open.
pub struct RawEnrol {
    _endpoint: Endpoint,
    connection: Connection,
    /// The stream; anything may be sent on it.
    pub stream: RawStream,
    /// The exporter that proofs are bound to.
    pub exporter: [u8; 32],
}

impl RawEnrol {
    /// Connects; any server will do.
    pub async fn connect(server: SocketAddr) -> anyhow::Result<Self> {
        let (endpoint, connection) = connect(server, ALPN_ENROL, None).await?;
        let exporter = exporter(&connection, shared::wire::EXPORTER_LABEL_ENROL)?;
        let stream = RawStream::open(&connection).await?;
        Ok(Self { _endpoint: endpoint, connection, stream, exporter })
    }

    /// The first message for `code`, rightly proved on this connection.
    pub fn start_message(&self, code: &ActivationCode) -> EnrolStart {
        let proof = Prover::Client.tag(&code.proof_key(), &self.exporter);
        EnrolStart { lookup: code.lookup_id(), proof }
    }

    /// Shows a code; what comes back.
    pub async fn start(&mut self, code: &ActivationCode) -> anyhow::Result<Answer> {
        let message = self.start_message(code);
        self.stream.ask(&message).await
    }

    /// The registration of a key, rightly proved on this connection.
    pub fn register_message(&self, identity: &Identity) -> anyhow::Result<EnrolRegister> {
        let key = identity.key()?;
        Ok(EnrolRegister {
            device_key: key.public_key().clone(),
            device_key_proof: key.sign(&EnrolRegister::proof_message(&self.exporter))?,
            device: DeviceDescription {
                model: "attacker".to_owned(),
                platform: "none".to_owned(),
                app_version: "0".to_owned(),
                key_level: KeyLevel::Software,
            },
        })
    }

    /// Registers a key; what comes back.
    pub async fn register(&mut self, identity: &Identity) -> anyhow::Result<Answer> {
        let message = self.register_message(identity)?;
        self.stream.ask(&message).await
    }

    /// Registers a PIN and sends the record. The last answer is not waited for.
    pub async fn upload_pin(
        &mut self,
        pin: &str,
        device_secret: &Secret<32>,
        grant: &EnrolGrant,
    ) -> anyhow::Result<ExportKey> {
        let input = client_input(pin, device_secret, grant.enrolment);
        let (start, request) = RegistrationStart::make(input, &mut OsRng)?;
        let response: PinResponse = self.stream.ask(&PinRequest { request }).await?.message()?;
        let (upload, export_key) =
            start.finish(&response.response, grant.enrolment, Stretching::default(), &mut OsRng)?;
        self.stream.send(&PinUpload { upload }).await?;
        Ok(export_key)
    }

    /// All of it, as an honest phone would.
    pub async fn enrol(
        &mut self,
        code: &ActivationCode,
        identity: &Identity,
        pin: &str,
        device_secret: &Secret<32>,
    ) -> anyhow::Result<Enrolled> {
        self.start(code).await?.message::<EnrolProof>()?;
        let grant: EnrolGrant = self.register(identity).await?.message()?;
        let export_key = self.upload_pin(pin, device_secret, &grant).await?;
        self.stream.answer().await.message::<EnrolDone>()?;
        Ok(Enrolled { grant, export_key })
    }

    /// Goes away without a word.
    pub fn drop_connection(self) {
        self.connection.close(0_u8.into(), b"");
    }
}
