//! Which devices are connected now, and how a command reaches them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use quinn::Connection;
use shared::ids::EnrolmentId;
use tokio::sync::mpsc;

/// Commands wait here until the connection's task sends them; more than a few at a time are not issued.
const QUEUE: usize = 16;

type Queues = HashMap<EnrolmentId, Vec<(usize, mpsc::Sender<Vec<u8>>)>>;

/// Connected devices by enrolment.
#[derive(Clone, Default)]
pub struct LiveConnections(Arc<Mutex<Queues>>);

impl LiveConnections {
    /// Hands a signed command to every connection of the enrolment. A device that is not connected gets it at its next
    /// hello; one whose queue is full has stopped reading, and gets it then as well.
    pub fn push(&self, enrolment: EnrolmentId, signed: &[u8]) {
        let queues = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, queue) in queues.get(&enrolment).into_iter().flatten() {
            if queue.try_send(signed.to_vec()).is_err() {
                tracing::debug!(%enrolment, "command not pushed: the device will get it at its next hello");
            }
        }
    }

    /// Whether the device is connected now.
    pub fn is_connected(&self, enrolment: EnrolmentId) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&enrolment)
    }

    /// Registers a connection until the returned guard is dropped.
    pub(super) fn register(&self, enrolment: EnrolmentId, connection: &Connection) -> Registered {
        let (sender, commands) = mpsc::channel(QUEUE);
        let id = connection.stable_id();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(enrolment).or_default().push((id, sender));
        Registered { commands, place: Place { live: self.clone(), enrolment, id } }
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
        let mut queues = self.live.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(connections) = queues.get_mut(&self.enrolment) {
            connections.retain(|(id, _)| *id != self.id);
            if connections.is_empty() {
                queues.remove(&self.enrolment);
            }
        }
    }
}
