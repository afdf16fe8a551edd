//! The HTTPS API over a bare TLS stream: requests that no well-behaved client sends.

use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use e2e::world::Site;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

type Stream = StreamOwned<ClientConnection, TcpStream>;

const CHUNK: usize = 1024 * 1024;

/// Where and as whom.
pub(super) struct Api {
    address: std::net::SocketAddr,
    tls: Arc<ClientConfig>,
    token: String,
}

pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: String,
}

impl Api {
    pub(super) fn new(site: &Site) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(site.ca()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        Self {
            address: site.https(),
            tls: Arc::new(tls.with_root_certificates(roots).with_no_client_auth()),
            token: fs::read_to_string(site.token_file()).unwrap().trim().to_owned(),
        }
    }

    /// A connection over which the head of an upload has been sent.
    fn begin(&self, length: &str) -> Stream {
        let name = ServerName::try_from("localhost").unwrap();
        let connection = ClientConnection::new(self.tls.clone(), name).unwrap();
        let mut stream = StreamOwned::new(connection, TcpStream::connect(self.address).unwrap());
        let head = format!(
            "POST /api/v1/batches?source=raw&mode=upsert HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n\
             connection: close\r\n{length}\r\n\r\n",
            self.token
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.flush().unwrap();
        stream
    }

    pub(super) fn upload(&self, bytes: &[u8]) -> Answer {
        let mut stream = self.begin(&format!("content-length: {}", bytes.len()));
        stream.write_all(bytes).unwrap();
        stream.flush().unwrap();
        read(&mut stream)
    }

    /// Says how long the body is, and sends none of it.
    pub(super) fn announce_upload(&self, length: u64) -> Answer {
        read(&mut self.begin(&format!("content-length: {length}")))
    }

    /// Sends a body in chunks until the server answers or closes. Gives how much was sent, and the answer if it came
    /// before the connection was reset.
    pub(super) fn stream_upload(&self, length: u64) -> (u64, Option<Answer>) {
        let mut stream = self.begin("transfer-encoding: chunked");
        let chunk = [format!("{CHUNK:x}\r\n").as_bytes(), &vec![b'a'; CHUNK], b"\r\n"].concat();
        let mut sent = 0;
        while sent < length {
            if stream.write_all(&chunk).and_then(|()| stream.flush()).is_err() {
                return (sent, None);
            }
            sent += CHUNK as u64;
            stream.sock.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
            let mut first = [0; 4096];
            match stream.read(&mut first) {
                Ok(n) => {
                    stream.sock.set_read_timeout(None).unwrap();
                    return (sent, parse(&first[..n]));
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => return (sent, None),
            }
        }
        (sent, Some(read(&mut stream)))
    }
}

fn read(stream: &mut Stream) -> Answer {
    let mut bytes = Vec::new();
    // Some servers close without TLS's goodbye once they have answered.
    let ended = stream.read_to_end(&mut bytes);
    parse(&bytes).unwrap_or_else(|| panic!("no answer: {ended:?}"))
}

fn parse(bytes: &[u8]) -> Option<Answer> {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, body: body.to_owned() })
}
