//! A server of one enrolment, in memory: honest by default.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use quinn::crypto::rustls::{HandshakeData, QuicServerConfig};
use quinn::{Connection, Endpoint};
use rand::rngs::OsRng;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use serde_bytes::ByteArray;
use shared::activation_code::ActivationCode;
use shared::cose::{self, PublicKey, Signer, SoftwareKey};
use shared::crypto::Secret;
use shared::crypto::hazmat::sha256;
use shared::grant::GrantKey;
use shared::ids::{CommandId, EnrolmentId};
use shared::opaque::{CredentialId, Record, ServerSetup, record_from_upload};
use shared::policy::{LeaseMode, Policy};
use shared::signed::{Action, Command, Lease, Order, Receipt};
use shared::wire::*;

use super::library::Library;
use super::notebook::Notebook;
use crate::link::{Exchange, ExchangeError};

/// What the peer does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lie {
    /// It does not know the code.
    NoProof,
    /// It does not know the code, and says that another device uses it.
    BoundUnproven,
    /// It has given the code to another device key.
    Bound,
    /// It names other pins than its own.
    OtherPins,
    /// It certifies another key.
    OtherCertificate,
    /// It forgets to answer the upload.
    NoDone,
    /// It hangs up when the upload comes, and keeps the record that it has.
    NoUpload,
    /// It hangs up when the record of a new PIN comes, and does not keep it.
    LosesNewPin,
    /// It hangs up at the proof of a new PIN, which it does not keep.
    LosesPinProof,
    /// It puts the new PIN in the place of the old one, and does not say so.
    NoPinChanged,
    /// It acknowledges a receipt that was not sent.
    OtherAck,
}

pub(crate) struct Shared {
    pub(crate) lie: Option<Lie>,
    pub(crate) policy: Policy,
    /// Kinds of all frames that came.
    pub(crate) heard: Vec<Kind>,
    pub(crate) receipts: Vec<Vec<u8>>,
    pub(crate) device_keys: Vec<PublicKey>,
    pub(crate) epochs: Vec<u64>,
    pub(crate) applied: Vec<Order>,
    /// What each hello said of the last command.
    pub(crate) said: Vec<Option<Order>>,
    pub(crate) pending: Vec<Vec<u8>>,
    pub(crate) wipe: Option<Vec<u8>>,
    /// Of the last unlock.
    pub(crate) grant: Option<GrantKey>,
    /// How often it was proved.
    pub(crate) proofs: usize,
    /// A device key that it knows from the enrolment of someone else.
    pub(crate) foreign_key: Option<PublicKey>,
    /// At this message it hangs up, so many times, because `waits` waits for the device.
    pub(crate) hang_up_at: Option<(Kind, usize)>,
    pub(crate) waits: Option<Action>,
    /// The documents of the account.
    pub(crate) library: Library,
    /// Its notes.
    pub(crate) notebook: Notebook,
    record: Option<(CredentialId, Record)>,
    pending_record: Option<(CredentialId, Record)>,
    connections: Vec<Connection>,
}

pub(crate) struct Peer {
    pub(crate) code: ActivationCode,
    pub(crate) enrolment: EnrolmentId,
    pub(crate) shared: Mutex<Shared>,
    address: SocketAddr,
    endpoint: Endpoint,
    setup: ServerSetup,
    tls_pin: [u8; 32],
    command: SoftwareKey,
    lease: SoftwareKey,
}

fn key() -> SoftwareKey {
    SoftwareKey::from_pkcs8(&SoftwareKey::make_pkcs8().unwrap()).unwrap()
}

#[derive(Debug)]
struct AnyDevice;

impl ClientCertVerifier for AnyDevice {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.3 only".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, Error> {
        let algorithms = default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}

impl Peer {
    pub(crate) async fn start(mode: LeaseMode) -> Arc<Self> {
        let pair = rcgen::KeyPair::generate().unwrap();
        let certificate =
            rcgen::CertificateParams::new(Vec::<String>::new()).unwrap().self_signed(&pair).unwrap();
        let mut tls = rustls::ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_client_cert_verifier(Arc::new(AnyDevice))
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivatePkcs8KeyDer::from(pair.serialize_der()).into(),
            )
            .unwrap();
        tls.alpn_protocols = vec![ALPN_ENROL.to_vec(), ALPN_DEVICE.to_vec()];
        let quic = QuicServerConfig::try_from(tls).unwrap();
        let endpoint = Endpoint::server(
            quinn::ServerConfig::with_crypto(Arc::new(quic)),
            SocketAddr::from(([127, 0, 0, 1], 0)),
        )
        .unwrap();
        let shared = Shared {
            lie: None,
            policy: Policy { lease_mode: mode, ..Policy::default() },
            heard: Vec::new(),
            receipts: Vec::new(),
            device_keys: Vec::new(),
            epochs: Vec::new(),
            applied: Vec::new(),
            said: Vec::new(),
            pending: Vec::new(),
            wipe: None,
            grant: None,
            proofs: 0,
            foreign_key: None,
            hang_up_at: None,
            waits: None,
            library: Library::default(),
            notebook: Notebook::default(),
            record: None,
            pending_record: None,
            connections: Vec::new(),
        };
        let peer = Arc::new(Self {
            code: ActivationCode::make(&mut OsRng),
            enrolment: EnrolmentId::make(Timestamp::now(), &mut OsRng),
            shared: Mutex::new(shared),
            address: endpoint.local_addr().unwrap(),
            endpoint,
            setup: ServerSetup::make(&mut OsRng),
            tls_pin: crate::tls::key_fingerprint(certificate.der()).unwrap(),
            command: key(),
            lease: key(),
        });
        tokio::spawn(Arc::clone(&peer).accept());
        peer
    }

    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn lie(&self, lie: Option<Lie>) {
        self.shared.lock().unwrap().lie = lie;
    }

    fn lies(&self, lie: Lie) -> bool {
        self.shared.lock().unwrap().lie == Some(lie)
    }

    pub(crate) fn heard(&self) -> Vec<Kind> {
        self.shared.lock().unwrap().heard.clone()
    }

    pub(crate) fn command(&self, action: Action, counter: u32) -> Vec<u8> {
        let order = Order { epoch: 0, counter };
        let id = CommandId::make(Timestamp::now(), &mut OsRng);
        let command = Command { id, order, action, issued_at: Timestamp::now() };
        cose::sign(&command, self.enrolment.as_bytes(), &self.command).unwrap()
    }

    /// Signs a wipe and answers with it from now on, as after the commit at a server.
    pub(crate) fn wipe(&self) -> Vec<u8> {
        let wipe = self.command(Action::Wipe, 0);
        self.shared.lock().unwrap().wipe = Some(wipe.clone());
        wipe
    }

    /// Sends a command on a stream of its own; the answer, if there is one.
    pub(crate) async fn push(&self, command: Vec<u8>) -> Result<CommandResult, ExchangeError> {
        let connection = self.shared.lock().unwrap().connections.last().unwrap().clone();
        Exchange::ask(&connection, &CommandMessage { command }).await
    }

    pub(crate) fn hang_up(&self) {
        self.close_connections(0);
    }

    /// Hangs up and asks to be called back.
    pub(crate) fn ask_for_a_call(&self) {
        self.close_connections(5);
    }

    fn close_connections(&self, code: u8) {
        for connection in self.shared.lock().unwrap().connections.drain(..) {
            connection.close(code.into(), b"");
        }
    }

    pub(crate) fn shut(&self) {
        self.hang_up();
        self.endpoint.close(0_u8.into(), b"");
    }

    pub(crate) fn receipt(&self, bytes: &[u8]) -> Receipt {
        let key = self.shared.lock().unwrap().device_keys[0].clone();
        cose::verify(bytes, self.enrolment.as_bytes(), &key).unwrap()
    }

    async fn accept(self: Arc<Self>) {
        while let Some(incoming) = self.endpoint.accept().await {
            let Ok(connection) = incoming.await else { continue };
            let data = connection.handshake_data().unwrap().downcast::<HandshakeData>().unwrap();
            let peer = Arc::clone(&self);
            if data.protocol.as_deref() == Some(ALPN_ENROL) {
                tokio::spawn(async move { peer.enrol(connection).await });
            } else {
                self.shared.lock().unwrap().connections.push(connection.clone());
                tokio::spawn(async move { peer.serve(connection).await });
            }
        }
    }

    pub(super) fn hear<M: Message>(&self, frame: &Frame) -> Option<M> {
        self.shared.lock().unwrap().heard.push(frame.kind());
        frame.decode().ok()
    }

    async fn next<M: Message>(&self, exchange: &mut Exchange) -> Option<M> {
        let frame = exchange.receive().await.ok()?;
        self.hear(&frame)
    }

    async fn enrol(&self, connection: Connection) -> Option<()> {
        let mut exporter = [0; 32];
        connection.export_keying_material(&mut exporter, EXPORTER_LABEL_ENROL, b"").unwrap();
        let mut exchange = Exchange::accepted(connection.accept_bi().await.ok()?);
        let start: EnrolStart = self.next(&mut exchange).await?;
        if self.lies(Lie::BoundUnproven) {
            exchange.send(&Refused::from(RefusalReason::CodeBound)).await.ok()?;
            connection.closed().await;
            return None;
        }
        let key = self.code.proof_key();
        assert!(Prover::Client.verify(&key, &exporter, &start.proof));
        let mut proof = Prover::Server.tag(&key, &exporter);
        proof[0] ^= u8::from(self.lies(Lie::NoProof));
        exchange.send(&EnrolProof { proof }).await.ok()?;

        let register: EnrolRegister = self.next(&mut exchange).await?;
        let message = EnrolRegister::proof_message(&exporter);
        assert!(register.device_key.verify(&message, &register.device_key_proof));
        let foreign = self.shared.lock().unwrap().foreign_key == Some(register.device_key.clone());
        if foreign || self.lies(Lie::Bound) {
            exchange.send(&Refused::from(RefusalReason::CodeBound)).await.ok()?;
            connection.closed().await;
            return None;
        }
        self.shared.lock().unwrap().device_keys.push(register.device_key.clone());
        exchange.send(&self.grant(&register.device_key)).await.ok()?;

        let request: PinRequest = self.next(&mut exchange).await?;
        let credential = Secret::make(&mut OsRng);
        let response = self.setup.registration_response(&request.request, &credential).unwrap();
        exchange.send(&PinResponse { response }).await.ok()?;
        let upload: PinUpload = self.next(&mut exchange).await?;
        if self.lies(Lie::NoUpload) {
            connection.close(0_u8.into(), b"");
            return None;
        }
        let record = record_from_upload(&upload.upload).unwrap();
        self.shared.lock().unwrap().record = Some((credential, record));
        if self.lies(Lie::NoDone) {
            connection.close(0_u8.into(), b"");
            return None;
        }
        exchange.send(&EnrolDone {}).await.ok()?;
        exchange.finish();
        exchange.wait_for_end(std::time::Duration::from_secs(5)).await;
        connection.closed().await;
        Some(())
    }

    fn grant(&self, device_key: &PublicKey) -> EnrolGrant {
        let own = if self.lies(Lie::OtherPins) { [7; 32] } else { self.tls_pin };
        let other = key();
        let certified = if self.lies(Lie::OtherCertificate) { other.public_key() } else { device_key };
        let keys = ServerKeys {
            pins: vec![ByteArray::new([9; 32]), ByteArray::new(own)],
            command: self.command.public_key().clone(),
            lease: self.lease.public_key().clone(),
            checkpoint: other.public_key().clone(),
            recovery: other.public_key().clone(),
            order: shared::signed::PinOrder::default(),
        };
        EnrolGrant {
            enrolment: self.enrolment,
            certificate: certify(certified),
            keys,
            policy: self.shared.lock().unwrap().policy.clone(),
            organisation: "架空県".to_owned(),
            server_time: Timestamp::now(),
        }
    }

    async fn serve(self: Arc<Self>, connection: Connection) {
        while let Ok(stream) = connection.accept_bi().await {
            let peer = Arc::clone(&self);
            let connection = connection.clone();
            tokio::spawn(async move { peer.answer(Exchange::accepted(stream), &connection).await });
        }
    }

    /// Signs what waits for the device and hangs up, if this is the message for it.
    fn hangs_up(&self, kind: Kind, connection: &Connection) -> bool {
        let waits = {
            let mut shared = self.shared.lock().unwrap();
            match &mut shared.hang_up_at {
                Some((at, times)) if *at == kind && *times > 0 => *times -= 1,
                _ => return false,
            }
            shared.heard.push(kind);
            shared.waits.take()
        };
        match waits {
            Some(Action::Wipe) => drop(self.wipe()),
            Some(action) => {
                let command = self.command(action, 1);
                self.shared.lock().unwrap().pending.push(command);
            }
            None => {}
        }
        connection.close(5_u8.into(), b"a command waits");
        true
    }

    async fn answer(&self, mut exchange: Exchange, connection: &Connection) -> Option<()> {
        let frame = exchange.receive().await.ok()?;
        if self.hangs_up(frame.kind(), connection) {
            return None;
        }
        let wipe = self.shared.lock().unwrap().wipe.clone();
        match (frame.kind(), wipe) {
            (Kind::Receipt, _) => self.acknowledge(&frame, &mut exchange).await,
            (_, Some(command)) => {
                self.shared.lock().unwrap().heard.push(frame.kind());
                exchange.send(&CommandMessage { command }).await.ok()
            }
            (Kind::Hello, None) => self.greet(&frame, &mut exchange).await,
            (Kind::UnlockStart, None) => self.unlock(&frame, &mut exchange).await,
            (Kind::GrantProof, None) => self.prove(&frame, &mut exchange, connection).await,
            (Kind::PinChange, None) => self.change_pin(&frame, &mut exchange, connection).await,
            (Kind::GrantEnd, None) => self.end_grant(&frame, &mut exchange, connection).await,
            (Kind::ManifestRequest, None) => self.tell_manifest(&frame, &mut exchange).await,
            (Kind::NotesRequest, None) => self.tell_notes(&frame, &mut exchange).await,
            (Kind::NoteOffer, None) => self.take_note(&frame, &mut exchange).await,
            (Kind::NoteRequest, None) => self.give_note(&frame, &mut exchange).await,
            (Kind::DocumentRequest, None) => self.tell_document(&frame, &mut exchange, connection).await,
            (Kind::CommandResult, None) => {
                let result: CommandResult = self.hear(&frame)?;
                self.shared.lock().unwrap().applied.push(result.last_applied);
                Some(())
            }
            (Kind::Renew, None) => {
                self.hear::<Renew>(&frame)?;
                let key = self.shared.lock().unwrap().device_keys[0].clone();
                exchange.send(&Renewed { certificate: certify(&key) }).await.ok()
            }
            _ => None,
        }?;
        exchange.finish();
        exchange.wait_for_end(std::time::Duration::from_secs(5)).await;
        Some(())
    }

    async fn greet(&self, frame: &Frame, exchange: &mut Exchange) -> Option<()> {
        let hello: Hello = self.hear(frame)?;
        let (policy, commands) = {
            let mut shared = self.shared.lock().unwrap();
            shared.said.push(hello.last_applied);
            (shared.policy.clone(), shared.pending.iter().cloned().map(Into::into).collect())
        };
        let reply = HelloReply {
            server_time: Timestamp::now(),
            standing: EnrolmentStanding::Live,
            commands,
            policy,
            checkpoint: None,
            renew: hello.vault_epoch > 0,
            pin_updates: Vec::new(),
        };
        exchange.send(&reply).await.ok()
    }

    async fn unlock(&self, frame: &Frame, exchange: &mut Exchange) -> Option<()> {
        let start: UnlockStart = self.hear(frame)?;
        let (pending, ke2) = {
            let mut shared = self.shared.lock().unwrap();
            shared.epochs.push(start.vault_epoch);
            let (credential, record) = shared.record.as_ref().unwrap();
            self.setup.login(record, credential, self.enrolment, &start.ke1, &mut OsRng).unwrap()
        };
        exchange.send(&UnlockChallenge { ke2, attempts_left: 9 }).await.ok()?;
        let finish: UnlockFinish = self.next(exchange).await?;
        let verified = pending.finish(&finish.ke3).unwrap();
        self.shared.lock().unwrap().grant = Some(verified.grant_key().clone());
        let policy = self.shared.lock().unwrap().policy.clone();
        let lease = Lease { mode: policy.lease_mode, granted_at: Timestamp::now(), seconds: 3600 };
        let signed = cose::sign(&lease, self.enrolment.as_bytes(), &self.lease).unwrap();
        let lease = (policy.lease_mode != LeaseMode::None).then(|| signed.into());
        exchange.send(&UnlockGranted { lease, policy, may_be_open_until: Timestamp::now() }).await.ok()
    }

    async fn change_pin(
        &self,
        frame: &Frame,
        exchange: &mut Exchange,
        connection: &Connection,
    ) -> Option<()> {
        let start: PinChange = self.hear(frame)?;
        let record = self.shared.lock().unwrap().record.clone().unwrap();
        self.log_in(&record, &start.ke1, exchange).await?;
        let request: PinRequest = self.next(exchange).await?;
        let credential = Secret::make(&mut OsRng);
        let response = self.setup.registration_response(&request.request, &credential).unwrap();
        self.shared.lock().unwrap().pending_record = None;
        exchange.send(&PinResponse { response }).await.ok()?;
        let upload: PinUpload = self.next(exchange).await?;
        if self.lies(Lie::LosesNewPin) {
            connection.close(0_u8.into(), b"");
            return None;
        }
        let new = (credential, record_from_upload(&upload.upload).unwrap());
        self.shared.lock().unwrap().pending_record = Some(new.clone());
        let proof: PinProof = self.next(exchange).await?;
        self.log_in(&new, &proof.ke1, exchange).await?;
        if !self.lies(Lie::LosesPinProof) {
            let mut shared = self.shared.lock().unwrap();
            shared.record = shared.pending_record.take();
        }
        if self.lies(Lie::LosesPinProof) || self.lies(Lie::NoPinChanged) {
            connection.close(0_u8.into(), b"");
            return None;
        }
        exchange.send(&PinChanged {}).await.ok()
    }

    /// KE2 and KE3 with one record.
    async fn log_in(
        &self,
        record: &(CredentialId, Record),
        ke1: &[u8],
        exchange: &mut Exchange,
    ) -> Option<()> {
        let (pending, ke2) = self.setup.login(&record.1, &record.0, self.enrolment, ke1, &mut OsRng).unwrap();
        exchange.send(&UnlockChallenge { ke2, attempts_left: 9 }).await.ok()?;
        let finish: UnlockFinish = self.next(exchange).await?;
        pending.finish(&finish.ke3).unwrap();
        Some(())
    }

    async fn prove(&self, frame: &Frame, exchange: &mut Exchange, connection: &Connection) -> Option<()> {
        let proof: GrantProof = self.hear(frame)?;
        if self.holds(connection, &proof.tag) {
            self.shared.lock().unwrap().proofs += 1;
            exchange.send(&GrantAccepted { until: Timestamp::now() }).await.ok()
        } else {
            exchange.send(&Refused::from(RefusalReason::NoGrant)).await.ok()
        }
    }

    async fn end_grant(&self, frame: &Frame, exchange: &mut Exchange, connection: &Connection) -> Option<()> {
        let ended: GrantEnd = self.hear(frame)?;
        if self.holds(connection, &ended.tag) {
            self.shared.lock().unwrap().grant = None;
            exchange.send(&GrantEnded {}).await.ok()
        } else {
            exchange.send(&Refused::from(RefusalReason::NoGrant)).await.ok()
        }
    }

    /// Whether this is the proof of the grant over this connection.
    fn holds(&self, connection: &Connection, tag: &[u8; 32]) -> bool {
        let mut exporter = [0; 32];
        connection.export_keying_material(&mut exporter, EXPORTER_LABEL_GRANT, b"").unwrap();
        let grant = self.shared.lock().unwrap().grant.clone();
        grant.is_some_and(|key| key.verify(self.enrolment, &exporter, tag))
    }

    async fn acknowledge(&self, frame: &Frame, exchange: &mut Exchange) -> Option<()> {
        let message: ReceiptMessage = self.hear(frame)?;
        let mut digest = sha256(&[&message.receipt]);
        digest[0] ^= u8::from(self.lies(Lie::OtherAck));
        self.shared.lock().unwrap().receipts.push(message.receipt);
        exchange.send(&ReceiptAck { digest }).await.ok()
    }
}

/// A certificate of `key`, issued by nobody in particular.
fn certify(key: &PublicKey) -> Vec<u8> {
    struct Subject(Vec<u8>);
    impl rcgen::PublicKeyData for Subject {
        fn der_bytes(&self) -> &[u8] {
            &self.0
        }

        fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
            &rcgen::PKCS_ECDSA_P256_SHA256
        }
    }
    let issuer_key = rcgen::KeyPair::generate().unwrap();
    let issuer = rcgen::Issuer::new(rcgen::CertificateParams::default(), issuer_key);
    let params = rcgen::CertificateParams::default();
    params.signed_by(&Subject(key.point().to_vec()), &issuer).unwrap().der().to_vec()
}
