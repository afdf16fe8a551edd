//! A server with another key that tries to make clients enrol.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use quinn::{Connection, Endpoint};
use rand::rngs::OsRng;
use shared::activation_code::ActivationCode;
use shared::cose::PublicKey;
use shared::crypto::Secret;
use shared::ids::EnrolmentId;
use shared::opaque::{ServerSetup, record_from_upload};
use shared::policy::Policy;
use shared::wire::{
    ALPN_ENROL, EnrolDone, EnrolGrant, EnrolProof, EnrolRegister, EnrolStart, Kind, PinRequest, PinResponse,
    PinUpload, Prover, ServerKeys,
};
use tokio::task::AbortHandle;

use super::identity::Identity;
use super::raw::{RawStream, exporter};
use super::tls;

/// What the impostor can answer a client's proof with.
pub enum Belief {
    /// It does not know the code: it answers with random bytes.
    Guessing,
    /// It does not know the code: it answers with the client's own proof.
    Echoing,
    /// It leaves its proof out and grants at once.
    Skipping,
    /// It knows the code: the control, in which the same impostor does enrol clients.
    Knowing(ActivationCode),
}

/// What clients have said to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heard {
    /// Handshakes that were completed.
    pub connections: usize,
    /// The kinds of messages that came.
    pub kinds: Vec<Kind>,
    /// Enrolments that ran to their end.
    pub enrolled: usize,
}

type Shared = Arc<Mutex<Heard>>;

/// Presents itself to whoever comes until it is dropped.
pub struct Impostor {
    address: SocketAddr,
    heard: Shared,
    endpoint: Endpoint,
    task: AbortHandle,
}

impl Impostor {
    /// Starts one with a key of its own.
    pub fn start(belief: Belief) -> anyhow::Result<Self> {
        let identity = Arc::new(Identity::fresh()?);
        let config = tls::server(ALPN_ENROL, &identity)?;
        let endpoint = Endpoint::server(config, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let heard = Shared::default();
        let address = endpoint.local_addr()?;
        let serving = serve(endpoint.clone(), Arc::new(belief), identity, heard.clone());
        let task = tokio::spawn(serving).abort_handle();
        Ok(Self { address, heard, endpoint, task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it has heard by now.
    pub fn heard(&self) -> Heard {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Impostor {
    fn drop(&mut self) {
        self.task.abort();
        self.endpoint.close(0_u8.into(), b"");
    }
}

fn note(heard: &Shared, what: impl FnOnce(&mut Heard)) {
    what(&mut heard.lock().unwrap_or_else(PoisonError::into_inner));
}

async fn serve(endpoint: Endpoint, belief: Arc<Belief>, identity: Arc<Identity>, heard: Shared) {
    while let Some(incoming) = endpoint.accept().await {
        let (belief, identity, heard) = (belief.clone(), identity.clone(), heard.clone());
        tokio::spawn(async move {
            let Ok(connection) = incoming.await else { return };
            note(&heard, |heard| heard.connections += 1);
            // Clients that see through it leave; what it has heard by then is what counts.
            if let Err(error) = enrol(&connection, &belief, &identity, &heard).await {
                tracing::debug!(%error, "a client left the impostor");
            }
        });
    }
}

async fn hear<M: shared::wire::Message>(stream: &mut RawStream, heard: &Shared) -> anyhow::Result<M> {
    let answer = stream.answer().await;
    note(heard, |heard| heard.kinds.extend(answer.kind()));
    answer.message()
}

async fn enrol(
    connection: &Connection,
    belief: &Belief,
    identity: &Identity,
    heard: &Shared,
) -> anyhow::Result<()> {
    let exporter = exporter(connection, shared::wire::EXPORTER_LABEL_ENROL)?;
    let mut stream = RawStream::accept(connection).await?;
    let start: EnrolStart = hear(&mut stream, heard).await?;
    match belief {
        Belief::Guessing => stream.send(&EnrolProof { proof: *Secret::make(&mut OsRng).expose() }).await?,
        Belief::Echoing => stream.send(&EnrolProof { proof: start.proof }).await?,
        Belief::Skipping => stream.send(&grant(identity, &identity.public_key()?)?).await?,
        Belief::Knowing(code) => {
            let proof = Prover::Server.tag(&code.proof_key(), &exporter);
            stream.send(&EnrolProof { proof }).await?;
        }
    }
    let register: EnrolRegister = hear(&mut stream, heard).await?;
    stream.send(&grant(identity, &register.device_key)?).await?;
    let request: PinRequest = hear(&mut stream, heard).await?;
    let setup = ServerSetup::make(&mut OsRng);
    let response = setup.registration_response(&request.request, &Secret::make(&mut OsRng))?;
    stream.send(&PinResponse { response }).await?;
    let upload: PinUpload = hear(&mut stream, heard).await?;
    record_from_upload(&upload.upload)?;
    stream.send(&EnrolDone {}).await?;
    note(heard, |heard| heard.enrolled += 1);
    connection.closed().await;
    Ok(())
}

fn grant(identity: &Identity, device_key: &PublicKey) -> anyhow::Result<EnrolGrant> {
    let key = identity.public_key()?;
    let now = Timestamp::now();
    Ok(EnrolGrant {
        enrolment: EnrolmentId::make(now, &mut OsRng),
        certificate: identity.issue(device_key)?,
        keys: ServerKeys {
            pins: vec![key.fingerprint().into()],
            command: key.clone(),
            lease: key.clone(),
            checkpoint: key.clone(),
            recovery: key,
            order: shared::signed::PinOrder::default(),
        },
        policy: Policy::default(),
        organisation: "impostor".to_owned(),
        server_time: now,
    })
}
