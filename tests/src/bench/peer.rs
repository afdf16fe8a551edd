//! What the console is measured beside: a server of its own process that answers every request with an empty page, on the
//! same axum, rustls and certificate, with the same headers.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::{Html, IntoResponse as _};
use axum_server::tls_rustls::RustlsConfig;
use hyper_util::rt::TokioTimer;
use jiff::Timestamp;
use mdm_server::config::Config;
use mdm_server::keyring::{Keyring, read_master_key};
use mdm_server::tls::{self, CertificateAuthority};

use super::connection::Connection;
use crate::world::{Process, Site, wait};

/// Nothing but what makes it a page.
const EMPTY: &str = "<!doctype html>\n<html lang=\"ja\"><title>-</title></html>\n";
const READY: &str = "ready ";
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);

/// A peer that runs until it is dropped.
pub(super) struct Peer {
    address: SocketAddr,
    _process: Process,
}

impl Peer {
    /// Starts this program again as a peer of the site's server.
    pub(super) fn start(site: &Site, headers: &[(String, String)]) -> Result<Self> {
        let headers: BTreeMap<_, _> = headers.iter().cloned().collect();
        let file = site.file("peer-headers.json", &serde_json::to_vec(&headers)?)?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("empty-page").arg("--config").arg(site.config_file()).arg("--headers").arg(file);
        let process = Process::spawn("the peer", &mut command)?;
        let address = process.wait_for_line("ready", |line| line.strip_prefix(READY)?.parse().ok())?;
        wait::until("the peer answers", || Connection::open(address, &site.ca()).ok())?;
        Ok(Self { address, _process: process })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Serves the empty page until the process is ended, and says where.
///
/// # Errors
/// When it cannot serve.
pub fn serve(config: &Path, headers: &PathBuf) -> Result<()> {
    let config = Config::load(config)?;
    let keyring = Keyring::open(&config.data, &read_master_key(&config.secrets)?)?;
    let ca = CertificateAuthority::new(&keyring)?;
    let tls = tls::https_config(&keyring, &ca, &config.listen.https_names, Timestamp::now())?;
    let text = std::fs::read(headers).with_context(|| headers.display().to_string())?;
    let names: BTreeMap<String, String> = serde_json::from_slice(&text)?;
    let mut headers = HeaderMap::new();
    for (name, value) in names {
        headers.insert(HeaderName::try_from(name)?, HeaderValue::try_from(value)?);
    }
    // As the server has it: `tokio::main`.
    tokio::runtime::Runtime::new()?.block_on(answer(tls, headers))
}

async fn answer(tls: rustls::ServerConfig, headers: HeaderMap) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    println!("{READY}{}", listener.local_addr()?);
    let page = move || {
        let headers = headers.clone();
        async move { (headers, Html(EMPTY)).into_response() }
    };
    let app = Router::new().fallback(page).into_make_service_with_connect_info::<SocketAddr>();
    let mut server = axum_server::from_tcp_rustls(listener, RustlsConfig::from_config(Arc::new(tls)))?;
    server.http_builder().http1().timer(TokioTimer::new()).header_read_timeout(PATIENCE);
    Ok(server.serve(app).await?)
}
