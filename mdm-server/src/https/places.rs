//! Places for connections: so many in all and so many for one source, so that whoever opens sockets and holds them leaves
//! some to those who must block a phone.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use axum_server::accept::Accept;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::use_cases::sign_in::throttle::network;

/// Connections at once: below the thousand files that a process may usually have open.
const ALL: usize = 600;
/// Connections at once from one source: an office of twenty behind one address, each browser holding six.
const OF_SOURCE: usize = 120;

/// Who holds a connection.
#[derive(Clone, Default)]
pub(super) struct Places(Arc<Mutex<HashMap<IpAddr, usize>>>);

impl Places {
    fn held(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place, if there is one for this source.
    pub(super) fn take(&self, source: IpAddr) -> Option<Place> {
        let source = network(source);
        let mut held = self.held();
        let theirs = held.get(&source).copied().unwrap_or(0);
        if theirs >= OF_SOURCE || held.values().sum::<usize>() >= ALL {
            return None;
        }
        held.insert(source, theirs + 1);
        Some(Place { source, places: self.clone() })
    }
}

/// A place that is given back when it is dropped.
pub(super) struct Place {
    source: IpAddr,
    places: Places,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.places.held();
        if let Some(theirs) = held.get_mut(&self.source) {
            *theirs -= 1;
            if *theirs == 0 {
                held.remove(&self.source);
            }
        }
    }
}

/// Accepts TLS connections for which there is a place.
#[derive(Clone)]
pub(super) struct Doorkeeper {
    tls: RustlsAcceptor,
    places: Places,
}

impl Doorkeeper {
    pub(super) fn new(tls: RustlsConfig, places: Places) -> Self {
        Self { tls: RustlsAcceptor::new(tls), places }
    }
}

type TlsStream = <RustlsAcceptor as Accept<TcpStream, ()>>::Stream;

impl<S: Send + 'static> Accept<TcpStream, S> for Doorkeeper {
    type Stream = Held;
    type Service = S;
    type Future = Pin<Box<dyn Future<Output = io::Result<(Held, S)>> + Send>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let place = stream.peer_addr().map(|peer| self.places.take(peer.ip()));
        let tls = self.tls.clone();
        Box::pin(async move {
            let place = place?.ok_or_else(|| io::Error::other("too many connections"))?;
            let (stream, service) = tls.accept(stream, service).await?;
            Ok((Held { stream, _place: place }, service))
        })
    }
}

/// A connection in its place.
pub(super) struct Held {
    stream: TlsStream,
    _place: Place,
}

impl AsyncRead for Held {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Held {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_source_leaves_places_to_the_others_and_gives_its_own_back() {
        let places = Places::default();
        let (one, other): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let mut held: Vec<Place> = (0..OF_SOURCE).map(|_| places.take(one).unwrap()).collect();
        assert!(places.take(one).is_none());
        assert!(places.take(other).is_some());
        held.pop();
        assert!(places.take(one).is_some());
    }

    #[test]
    fn all_sources_together_hold_so_many_and_no_more() {
        let places = Places::default();
        let source = |n: usize| IpAddr::from([192, 0, 2, u8::try_from(n % 200).unwrap()]);
        let held: Vec<Place> = (0..ALL).map_while(|n| places.take(source(n))).collect();
        assert_eq!(held.len(), ALL);
        assert!(places.take(source(250)).is_none());
        drop(held);
        assert!(places.held().is_empty(), "nothing is kept of who has left");
    }
}
