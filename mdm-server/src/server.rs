//! A running server: opens what it stores, finishes what a crash left undone, then opens its doors.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mdm_core::audit::{Actor, AuditEvent, Happening, Subject};
use mdm_core::change::Changeset;
use mdm_store::{Store, UnlockRecords, key_file, sled};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::backup::{UNFINISHED_FILE, control};
use crate::clock::Clock;
use crate::config::Config;
use crate::keyring::{Keyring, KeyringError, read_master_key};
use crate::mail::{MailError, Mailer};
use crate::pins::{self, FinishError};
use crate::quic::{self, QuicError};
use crate::service::Service;
use crate::tls::{self, CertificateAuthority, TlsError};
use crate::use_cases::{UseCaseError, devices, documents, mail, notes};
use crate::{api, console, https, quarantine};

/// Folder of the database in the data folder.
const DATABASE: &str = "db";
/// Name of the key file in the data folder.
const KEY_FILE: &str = "unlock-records";
/// How long HTTPS requests under way may take to end at shutdown.
const GRACE: Duration = Duration::from_secs(10);

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database or the key file does not open.
    #[error(transparent)]
    Open(#[from] mdm_store::OpenError),
    /// The secrets do not open.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// TLS cannot be configured.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The QUIC side does not start.
    #[error(transparent)]
    Quic(#[from] QuicError),
    /// The HTTPS side does not start.
    #[error("cannot listen for HTTPS on TCP {address}: {cause}")]
    Https {
        /// Where.
        address: SocketAddr,
        /// Why.
        cause: std::io::Error,
    },
    /// What a crash left undone cannot be finished.
    #[error("cannot finish what was begun before: {0}")]
    Resume(#[from] UseCaseError),
    /// A replacement of keys that was interrupted cannot be finished.
    #[error(transparent)]
    Pins(#[from] FinishError),
    /// Mail cannot be sent as configured.
    #[error(transparent)]
    Mail(#[from] MailError),
    /// A restore was cut off.
    #[error(
        "a restore into {0} was cut off before its end, so that what is there is incomplete: remove what is in that folder \
         and run `mdm-server restore` again"
    )]
    RestoreUnfinished(PathBuf),
}

/// The database's folder in a data folder.
pub(crate) fn database_path(data: &Path) -> PathBuf {
    data.join(DATABASE)
}

/// The key file in a data folder.
pub(crate) fn key_file_path(data: &Path) -> PathBuf {
    data.join(KEY_FILE)
}

/// Opens the embedded database of a data folder.
pub fn open_store(data: &Path) -> Result<Arc<dyn Store>, mdm_store::OpenError> {
    sled::open(&database_path(data), sled::Options::default())
}

/// Opens the key file of a data folder.
pub fn open_unlock_records(data: &Path) -> Result<Arc<dyn UnlockRecords>, mdm_store::OpenError> {
    key_file::open(&key_file_path(data))
}

/// A server that serves.
pub struct RunningServer {
    /// What it stands on.
    pub service: Arc<Service>,
    /// Where devices reach it.
    pub quic: SocketAddr,
    /// Where the API is.
    pub https: SocketAddr,
    shutdown: watch::Sender<bool>,
    https_handle: axum_server::Handle<SocketAddr>,
    tasks: JoinSet<()>,
}

/// Opens what a server stands on, without its doors: for work on a stopped server.
pub async fn open(config: Config, clock: Arc<dyn Clock>) -> Result<Service, StartError> {
    if config.data.join(UNFINISHED_FILE).exists() {
        return Err(StartError::RestoreUnfinished(config.data));
    }
    open_unfinished(config, clock).await
}

/// The same while a restore is under way.
pub(crate) async fn open_unfinished(config: Config, clock: Arc<dyn Clock>) -> Result<Service, StartError> {
    let master = read_master_key(&config.secrets)?;
    let mut keyring = Keyring::open(&config.data, &master)?;
    let store = open_store(&config.data)?;
    pins::finish(&mut keyring, &config, &master, &*store, clock.now()).await?;
    let ca = CertificateAuthority::new(&keyring)?;
    let unlock_records = open_unlock_records(&config.data)?;
    let service = Service::new(config, store, unlock_records, keyring, ca, clock);
    quarantine::load(&service).await.map_err(UseCaseError::from)?;
    Ok(service)
}

/// Starts a server with the embedded store. When this answers, both doors are open.
pub async fn start(config: Config, clock: Arc<dyn Clock>) -> Result<RunningServer, StartError> {
    let listen = config.listen.clone();
    let mailer = config.mail.as_ref().map(Mailer::open).transpose()?;
    let service = Arc::new(open(config, clock).await?);
    let now = service.clock.now();
    let names = listen.https_names.clone();
    let quic_tls = tls::quic_config(&service.keyring, &service.ca, &names, now)?;
    let https_tls = tls::https_config(&service.keyring, &service.ca, &names, now)?;
    resume(&service).await?;

    let endpoint = quic::bind(quic_tls, listen.quic)?;
    let https_error = |cause| StartError::Https { address: listen.https, cause };
    let listener = TcpListener::bind(listen.https).map_err(https_error)?;
    listener.set_nonblocking(true).map_err(https_error)?;
    let https = listener.local_addr().map_err(https_error)?;
    let quic = endpoint.local_addr().map_err(|cause| QuicError::Bind { address: listen.quic, cause })?;

    let (shutdown, watcher) = watch::channel(false);
    let https_handle = axum_server::Handle::new();
    let mut tasks = JoinSet::new();
    tasks.spawn(quic::serve(service.clone(), endpoint, watcher.clone()));
    tasks.spawn(crate::scheduler::run(service.clone(), watcher.clone()));
    if let Some(mailer) = mailer {
        tasks.spawn(mail::run(service.clone(), mailer, watcher.clone()));
    }
    if let Some(listener) = control::listen(&service.config.data) {
        tasks.spawn(control::serve(service.clone(), listener, watcher));
    }
    let app = api::router(service.clone()).merge(console::router(service.clone()));
    tasks.spawn(https::serve(app, listener, https_tls, https_handle.clone(), https::PATIENCE));
    Ok(RunningServer { service, quic, https, shutdown, https_handle, tasks })
}

/// Before anybody is answered: every tombstoned page is zeroed again, and what was not noted as sealed is.
async fn resume(service: &Service) -> Result<(), UseCaseError> {
    let mut after = None;
    loop {
        let page = service.store.devices(after, mdm_store::MAX_PAGE).await?;
        for device in page.iter().filter(|device| device.value.wipe().is_some()) {
            devices::seal(service, device.value.enrolment).await?;
        }
        let Some(last) = page.last() else { break };
        after = Some(last.value.enrolment);
    }
    documents::tidy(service).await?;
    notes::tidy(service).await?;
    let mut changes = Changeset::default();
    let now = service.clock.now();
    changes.note(
        AuditEvent::new(now, Actor::Server, Happening::ServerStarted, Subject::default())
            .fact("version", env!("CARGO_PKG_VERSION")),
    );
    service.commit(changes).await?;
    Ok(())
}

impl RunningServer {
    /// Ends the server: no new callers, requests under way may end, then everything is closed.
    pub async fn stop(mut self) {
        // Nobody watching any more means that everything has ended already.
        let _ = self.shutdown.send(true);
        self.https_handle.graceful_shutdown(Some(GRACE));
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a task of the server failed");
            }
        }
    }
}
