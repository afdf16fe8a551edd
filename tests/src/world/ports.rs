//! Addresses on this machine that a server can have again after a restart.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::ops::Range;

use anyhow::{Context as _, Result};
use rand::Rng as _;

/// Below the range from which the system gives ports to clients (Linux: from 32768), so that no socket takes a server's
/// port while it is down.
const PORTS: Range<u16> = 20_000..32_000;

/// A port that is free for UDP and for TCP.
pub(super) fn free() -> Result<SocketAddr> {
    let mut rng = rand::thread_rng();
    (0..200)
        .map(|_| SocketAddr::from((Ipv4Addr::LOCALHOST, rng.gen_range(PORTS))))
        .find(|address| UdpSocket::bind(address).is_ok() && TcpListener::bind(address).is_ok())
        .context("no free port on the loopback address")
}
