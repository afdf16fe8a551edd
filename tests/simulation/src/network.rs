//! The network between phones and server: connections that break, streams that overtake each other, frames that come late
//! or a second time.
//!
//! Within a stream frames keep their order, as QUIC has it. A frame that is lost for good takes its connection with it. A
//! copy of an earlier frame that began a stream may begin another one, on any later connection of the same phone.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use shared::cose::PublicKey;
use shared::wire::{DecodeError, Frame, Message, PREFIX_LEN, RefusalReason, Refused};
use tokio::sync::{mpsc, watch};

use crate::executor::{Owner, either};
use crate::sim::Sim;

/// How long either side waits for an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Earlier frames that may come again, of each phone.
const REMEMBERED: usize = 12;

/// Which end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Phone,
    Server,
}

/// Whom a connection was made as.
#[derive(Clone)]
pub(crate) enum Door {
    /// `tbk-enrol/1`.
    Enrol,
    /// `tbk/1`, with the key that signed the handshake.
    Device(PublicKey),
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Close {
    Lost,
    Done,
    CommandWaits,
    Replaced,
    UnknownDevice,
}

/// What the weather is like: one frame in so many; 0 = never.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Weather {
    pub(crate) breaks: u32,
    pub(crate) repeats: u32,
    /// The longest delay of a frame in milliseconds.
    pub(crate) delay: u64,
}

struct Wire {
    phone: usize,
    exporter: [u8; 32],
    /// How each end saw it end.
    ends: [watch::Sender<Option<Close>>; 2],
    accept: [mpsc::UnboundedSender<Exchange>; 2],
    /// Nothing gets through any more, though nobody has noticed.
    broken: Cell<bool>,
}

impl Wire {
    fn close(&self, side: Side, close: Close) {
        self.ends[side as usize].send_if_modified(|end| {
            let first = end.is_none();
            end.get_or_insert(close);
            first
        });
    }

    fn closed(&self, side: Side) -> Option<Close> {
        *self.ends[side as usize].borrow()
    }
}

fn other(side: Side) -> Side {
    match side {
        Side::Phone => Side::Server,
        Side::Server => Side::Phone,
    }
}

/// One end of a connection.
#[derive(Clone)]
pub(crate) struct Connection {
    sim: Rc<Sim>,
    wire: Rc<Wire>,
    side: Side,
    streams: Rc<RefCell<mpsc::UnboundedReceiver<Exchange>>>,
}

/// Why an exchange ends early.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ExchangeError {
    #[error("the connection is gone")]
    Gone,
    #[error("no answer in time")]
    Timeout,
    #[error("refused: {0}")]
    Refused(RefusalReason),
    #[error("a command instead of an answer")]
    Command(Vec<u8>),
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

impl From<RefusalReason> for ExchangeError {
    fn from(reason: RefusalReason) -> Self {
        Self::Refused(reason)
    }
}

/// A phone connects. `None`: nobody answers.
pub(crate) async fn connect(sim: &Rc<Sim>, phone: usize, door: Door) -> Option<Connection> {
    let trip = sim.delay();
    sim.executor.sleep(trip).await;
    if !sim.bodies[phone].is_reachable() || !sim.server_is_up() {
        sim.log.count("network: nobody answers");
        return None;
    }
    let ends = [watch::Sender::new(None), watch::Sender::new(None)];
    let (to_phone, at_phone) = mpsc::unbounded_channel();
    let (to_server, at_server) = mpsc::unbounded_channel();
    let exporter = sim.random();
    let accept = [to_phone, to_server];
    let wire = Rc::new(Wire { phone, exporter, ends, accept, broken: Cell::new(false) });
    let end = |side, streams| Connection {
        sim: sim.clone(),
        wire: wire.clone(),
        side,
        streams: Rc::new(RefCell::new(streams)),
    };
    let (phone_end, server_end) = (end(Side::Phone, at_phone), end(Side::Server, at_server));
    sim.wires.borrow_mut().push(phone_end.clone());
    sim.server_serves(server_end, door);
    Some(phone_end)
}

impl Connection {
    pub(crate) fn exporter(&self) -> [u8; 32] {
        self.wire.exporter
    }

    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.wire, &other.wire)
    }

    pub(crate) fn close_reason(&self) -> Option<Close> {
        self.wire.closed(self.side)
    }

    /// Closes this end at once; the other hears of it if the network lets it.
    pub(crate) fn close(&self, close: Close) {
        if self.close_reason().is_some() {
            return;
        }
        self.wire.close(self.side, close);
        let (sim, wire, side) = (self.sim.clone(), self.wire.clone(), self.side);
        let trip = sim.delay();
        self.sim.executor.spawn(Owner::World, async move {
            sim.executor.sleep(trip).await;
            let heard = !wire.broken.get() && sim.bodies[wire.phone].is_reachable();
            if !heard {
                sim.executor.sleep(PATIENCE).await;
            }
            wire.close(other(side), if heard { close } else { Close::Lost });
        });
    }

    /// Nothing gets through from now on; both ends notice sooner or later.
    pub(crate) fn break_down(&self) {
        if self.wire.broken.replace(true) {
            return;
        }
        for side in [Side::Phone, Side::Server] {
            let (sim, wire) = (self.sim.clone(), self.wire.clone());
            let noticed = Duration::from_millis(sim.draw(0..15_000));
            self.sim.executor.spawn(Owner::World, async move {
                sim.executor.sleep(noticed).await;
                wire.close(side, Close::Lost);
            });
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.wire.closed(Side::Phone).is_some() && self.wire.closed(Side::Server).is_some()
    }

    pub(crate) fn is_of(&self, phone: usize) -> bool {
        self.wire.phone == phone
    }

    /// Until this end sees the connection end.
    pub(crate) async fn closed(&self) -> Close {
        let mut end = self.wire.ends[self.side as usize].subscribe();
        loop {
            if let Some(close) = *end.borrow_and_update() {
                return close;
            }
            if end.changed().await.is_err() {
                return Close::Lost;
            }
        }
    }

    /// A stream that the peer has begun. One task alone accepts.
    pub(crate) async fn accept(&self) -> Result<Exchange, ExchangeError> {
        let next = std::future::poll_fn(|context| self.streams.borrow_mut().poll_recv(context));
        match either(next, self.closed()).await {
            Ok(Some(exchange)) => Ok(exchange),
            _ => Err(ExchangeError::Gone),
        }
    }

    /// Begins a stream. The peer hears of it with its first frame.
    pub(crate) fn open(&self) -> Exchange {
        let (mine, theirs) = self.pair();
        Exchange { peer: RefCell::new(Some(Box::new(theirs))), ..mine }
    }

    fn pair(&self) -> (Exchange, Exchange) {
        let (to_peer, at_peer) = mpsc::unbounded_channel();
        let (to_me, at_me) = mpsc::unbounded_channel();
        let end = |side, out, inbox| Exchange {
            connection: Self { side, ..self.clone() },
            out,
            inbox,
            last: Rc::new(Cell::new(Duration::ZERO)),
            peer: RefCell::new(None),
            first: Cell::new(true),
        };
        (end(self.side, to_peer, at_me), end(other(self.side), to_me, at_peer))
    }

    /// A copy of an earlier frame begins a stream of its own; nobody waits for what is answered.
    fn repeat(&self, frame: Rc<[u8]>) {
        self.sim.log.count("network: frame repeated");
        let (mine, theirs) = self.pair();
        let repeated = Exchange { peer: RefCell::new(Some(Box::new(theirs))), ..mine };
        repeated.transmit(frame);
    }
}

/// One stream, seen from one end.
pub(crate) struct Exchange {
    connection: Connection,
    out: mpsc::UnboundedSender<Rc<[u8]>>,
    inbox: mpsc::UnboundedReceiver<Rc<[u8]>>,
    /// When the last frame arrives: none overtakes it.
    last: Rc<Cell<Duration>>,
    /// The peer's end, until the first frame brings it there.
    peer: RefCell<Option<Box<Exchange>>>,
    first: Cell<bool>,
}

impl Exchange {
    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Sends a message. That it was sent says nothing of its arrival.
    pub(crate) fn send<M: Message>(&self, message: &M) -> Result<(), ExchangeError> {
        let connection = &self.connection;
        if connection.close_reason().is_some() {
            return Err(ExchangeError::Gone);
        }
        let frame: Rc<[u8]> = message.to_frame().into();
        let begins = self.first.replace(false) && self.peer.borrow().is_some();
        if begins {
            connection.sim.remember(connection.wire.phone, connection.side, &frame, REMEMBERED);
        }
        self.transmit(frame);
        if begins && let Some(again) = connection.sim.repeated(connection.wire.phone, connection.side) {
            connection.repeat(again);
        }
        Ok(())
    }

    fn transmit(&self, frame: Rc<[u8]>) {
        let (sim, wire, side) = (&self.connection.sim, &self.connection.wire, self.connection.side);
        if wire.broken.get() {
            return;
        }
        if !sim.bodies[wire.phone].is_reachable() || sim.frame_is_lost() {
            sim.log.count("network: connection broken");
            return self.connection.break_down();
        }
        let now = sim.executor.now();
        let arrives = self.last.get().max(now.saturating_add(sim.delay()));
        self.last.set(arrives);
        let (out, peer) = (self.out.clone(), self.peer.borrow_mut().take());
        let (sim, wire) = (sim.clone(), wire.clone());
        self.connection.sim.executor.spawn(Owner::World, async move {
            sim.executor.sleep(arrives.saturating_sub(sim.executor.now())).await;
            let reached = sim.bodies[wire.phone].is_reachable() && !wire.broken.get();
            if !reached || wire.closed(other(side)).is_some() {
                sim.log.count("network: frame lost");
                return;
            }
            // Nobody takes it where the process is gone.
            let _ = out.send(frame);
            if let Some(peer) = peer {
                let _ = wire.accept[other(side) as usize].send(*peer);
            }
        });
    }

    /// The next frame.
    pub(crate) async fn frame(&mut self) -> Result<Frame, ExchangeError> {
        let (connection, inbox) = (&self.connection, &mut self.inbox);
        let next = either(inbox.recv(), connection.closed());
        let bytes = match connection.sim.executor.within(PATIENCE, next).await {
            None => return Err(ExchangeError::Timeout),
            Some(Ok(Some(bytes))) => bytes,
            Some(_) => return Err(ExchangeError::Gone),
        };
        Ok(Frame::parse(&bytes[PREFIX_LEN..])?)
    }

    /// The next message, which must be an `M`.
    pub(crate) async fn receive<M: Message>(&mut self) -> Result<M, ExchangeError> {
        Ok(self.frame().await?.decode()?)
    }

    /// The answer, as `client-agent`'s exchange takes it: a refusal or a command may stand in its place.
    pub(crate) async fn expect<M: Message>(&mut self) -> Result<M, ExchangeError> {
        let frame = self.frame().await?;
        match frame.kind() {
            shared::wire::Kind::Refused => Err(ExchangeError::Refused(frame.decode::<Refused>()?.reason)),
            shared::wire::Kind::Command => {
                Err(ExchangeError::Command(frame.decode::<shared::wire::CommandMessage>()?.command))
            }
            _ => Ok(frame.decode()?),
        }
    }

    /// One question, one answer.
    pub(crate) async fn ask<Q: Message, A: Message>(
        connection: &Connection,
        question: &Q,
    ) -> Result<A, ExchangeError> {
        let mut exchange = connection.open();
        exchange.send(question)?;
        exchange.expect().await
    }
}
