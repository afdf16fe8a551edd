//! One kept-alive HTTPS connection that does as little as a client can, so that what is measured is the server: HTTP/1.1
//! (RFC 9112), answers with a known length only.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};

/// Longest wait for any part of an answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// No header of ours is longer.
const LINE_MAX: u64 = 16 * 1024;

/// What came back, and how long it took from the first byte sent to the last received.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// Without those that frame the message.
    pub(super) headers: Vec<(String, String)>,
    pub(super) length: usize,
    pub(super) time: Duration,
}

/// An open connection.
pub(super) struct Connection {
    stream: BufReader<StreamOwned<ClientConnection, TcpStream>>,
    host: String,
    body: Vec<u8>,
}

impl Connection {
    /// Trusts the authority at `ca` alone.
    pub(super) fn open(address: SocketAddr, ca: &Path) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(ca).context("the authority's certificate")?)?;
        let config = ClientConfig::builder_with_provider(mdm_server::tls::provider())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::from(address.ip());
        let tls = ClientConnection::new(Arc::new(config), name)?;
        let tcp = TcpStream::connect(address)?;
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(PATIENCE))?;
        let stream = BufReader::with_capacity(64 * 1024, StreamOwned::new(tls, tcp));
        Ok(Self { stream, host: address.to_string(), body: Vec::new() })
    }

    /// Asks for a page and reads it to its end.
    pub(super) fn get(&mut self, path: &str, cookie: Option<&str>) -> Result<Answer> {
        let cookie = cookie.map(|cookie| format!("cookie: {cookie}\r\n")).unwrap_or_default();
        let host = &self.host;
        let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\naccept-language: ja\r\n{cookie}\r\n");
        let start = Instant::now();
        self.stream.get_mut().write_all(request.as_bytes())?;
        self.stream.get_mut().flush()?;
        let (status, headers) = self.head().with_context(|| format!("GET {path}"))?;
        let framing =
            |name: &str| matches!(name, "content-length" | "transfer-encoding" | "connection" | "date");
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let (_, length) = length.with_context(|| format!("GET {path}: an answer without a length"))?;
        self.body.resize(length.parse()?, 0);
        self.stream.read_exact(&mut self.body)?;
        let time = start.elapsed();
        let headers = headers.into_iter().filter(|(name, _)| !framing(name)).collect();
        Ok(Answer { status, headers, length: self.body.len(), time })
    }

    fn head(&mut self) -> Result<(u16, Vec<(String, String)>)> {
        let status = self.line()?;
        let status = status.split(' ').nth(1).context("no status")?.parse()?;
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Ok((status, headers));
            }
            let (name, value) = line.split_once(':').context("a header without a colon")?;
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    fn line(&mut self) -> Result<String> {
        let mut line = Vec::new();
        self.stream.by_ref().take(LINE_MAX).read_until(b'\n', &mut line)?;
        ensure!(line.ends_with(b"\r\n"), "the connection ended in a head, or a line is too long");
        line.truncate(line.len() - 2);
        match String::from_utf8(line) {
            Ok(line) => Ok(line),
            Err(_) => bail!("a head that is not text"),
        }
    }
}
