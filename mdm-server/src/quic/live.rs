//! Which devices are connected now, how a command reaches them, and how they are cut off.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quinn::Connection;
use shared::ids::{EnrolmentId, RunId};
use tokio::sync::mpsc;

use super::close;
use crate::service::Changes;

/// Commands wait here until the connection's task sends them; more than a few at a time are not issued.
const QUEUE: usize = 16;
/// Connections of one enrolment: the one in use, and one that a change of network has left behind. The newest stay.
const MAX_CONNECTIONS: usize = 2;

struct Live {
    connection: Connection,
    commands: mpsc::Sender<Vec<u8>>,
    /// Which run of the app has said hello on it.
    run: Option<RunId>,
}

type Connections = HashMap<EnrolmentId, Vec<Live>>;

/// Connected devices by enrolment.
#[derive(Clone, Default)]
pub struct LiveConnections {
    connections: Arc<Mutex<Connections>>,
    changes: Changes,
}

impl LiveConnections {
    /// Tells `changes` when a device comes or goes.
    pub(crate) fn new(changes: Changes) -> Self {
        Self { connections: Arc::default(), changes }
    }

    fn connections(&self) -> MutexGuard<'_, Connections> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a signed command to every connection of the enrolment. A device that is not connected gets it at its next
    /// hello; one whose queue is full has stopped reading, and gets it then as well.
    pub fn push(&self, enrolment: EnrolmentId, signed: &[u8]) {
        for live in self.connections().get(&enrolment).into_iter().flatten() {
            if live.commands.try_send(signed.to_vec()).is_err() {
                tracing::debug!(%enrolment, "command not pushed: the device will get it at its next hello");
            }
        }
    }

    /// Closes every connection of the enrolment. Nothing that waits to be sent on them leaves any more, and whoever
    /// waits for them to read is freed at once. The device may connect again.
    pub fn cut_off(&self, enrolment: EnrolmentId) {
        for live in self.connections().get(&enrolment).into_iter().flatten() {
            live.connection.close(close::COMMAND_WAITS, b"a command waits: say hello");
        }
    }

    /// Whether the device is connected now.
    pub fn is_connected(&self, enrolment: EnrolmentId) -> bool {
        self.connections().contains_key(&enrolment)
    }

    /// Notes which run of the app has said hello on a connection; the connections on which others have.
    pub(super) fn greeted(
        &self,
        enrolment: EnrolmentId,
        connection: &Connection,
        run: RunId,
    ) -> Vec<(Connection, RunId)> {
        let mut connections = self.connections();
        let of_device = connections.get_mut(&enrolment).map_or(&mut [][..], Vec::as_mut_slice);
        let id = connection.stable_id();
        let mut others = Vec::new();
        for live in of_device {
            if live.connection.stable_id() == id {
                live.run = Some(run);
            } else if let Some(other) = live.run.filter(|other| *other != run) {
                others.push((live.connection.clone(), other));
            }
        }
        others
    }

    /// Registers a connection until the returned place is dropped.
    pub(super) fn register(&self, enrolment: EnrolmentId, connection: &Connection) -> Registered {
        let (commands, receiver) = mpsc::channel(QUEUE);
        let id = connection.stable_id();
        let mut connections = self.connections();
        let of_device = connections.entry(enrolment).or_default();
        of_device.push(Live { connection: connection.clone(), commands, run: None });
        let surplus = of_device.len().saturating_sub(MAX_CONNECTIONS);
        for oldest in of_device.iter().take(surplus) {
            oldest.connection.close(close::REPLACED, b"newer connections of this device replace this one");
        }
        drop(connections);
        self.changes.tick();
        Registered { commands: receiver, place: Place { live: self.clone(), enrolment, id } }
    }
}

/// A registered connection: its commands, and the place that it leaves when dropped.
pub(super) struct Registered {
    pub(super) commands: mpsc::Receiver<Vec<u8>>,
    pub(super) place: Place,
}

pub(super) struct Place {
    live: LiveConnections,
    enrolment: EnrolmentId,
    id: usize,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut connections = self.live.connections();
        if let Some(of_device) = connections.get_mut(&self.enrolment) {
            of_device.retain(|live| live.connection.stable_id() != self.id);
            if of_device.is_empty() {
                connections.remove(&self.enrolment);
            }
        }
        drop(connections);
        self.live.changes.tick();
    }
}
