//! Addresses on this machine that a server can have again after a restart.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::ops::Range;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use rand::Rng as _;

/// Below the range from which the system gives ports to clients (Linux: from 32768), so that no client's socket takes a
/// server's port while it is down.
const PORTS: Range<u16> = 20_000..32_000;

/// A port that is free for UDP and TCP, and that no other world of this user takes while this lives, whether or not a
/// server listens there.
pub(super) struct Port {
    pub(super) address: SocketAddr,
    _held: File,
}

/// Holds a free port.
pub(super) fn free() -> Result<Port> {
    let folder = folder()?;
    let mut rng = rand::thread_rng();
    for _ in 0..500 {
        let number = rng.gen_range(PORTS);
        let held = File::create(folder.join(number.to_string()))?;
        if held.try_lock().is_err() {
            continue;
        }
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, number));
        if UdpSocket::bind(address).is_ok() && TcpListener::bind(address).is_ok() {
            return Ok(Port { address, _held: held });
        }
    }
    anyhow::bail!("no free port on the loopback address")
}

/// Empty files named like ports: worlds of other processes see them locked.
fn folder() -> Result<PathBuf> {
    let user = rustix::process::getuid();
    let folder = std::env::temp_dir().join(format!("tamatebako-ports-{}", user.as_raw()));
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    Ok(folder)
}
