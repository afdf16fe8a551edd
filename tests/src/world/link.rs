//! A link between phones and a server that is as bad as a test wants: UDP packets are lost, late, out of order, queued, dropped
//! altogether, or come from another address. What it does is drawn from a seed; when it does it is the machine's own time.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

const PACKET: usize = 64 * 1024;
/// Packets that may be on their way in one direction.
const UNDER_WAY: usize = 100_000;

/// What the link does to packets, in each direction alike.
#[derive(Debug, Clone, Copy)]
pub struct Weather {
    /// The share of packets that are lost, 0 to 1.
    pub loss: f64,
    /// How long a packet takes one way, at least.
    pub delay: Duration,
    /// How much longer it may take, at random: packets overtake each other.
    pub jitter: Duration,
    /// Bytes a second.
    pub rate: u64,
    /// How long a packet may wait for those before it; longer, and it is lost.
    pub queue: Duration,
}

impl Weather {
    /// Nothing happens to packets.
    pub const FINE: Self = Self {
        loss: 0.0,
        delay: Duration::ZERO,
        jitter: Duration::ZERO,
        rate: u64::MAX,
        queue: Duration::from_secs(1),
    };
}

/// What the link has done with packets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes of packets that reached the phone.
    pub down: u64,
    /// Packets that were lost on purpose, in both directions.
    pub lost: u64,
    /// How often the server saw a phone at another address.
    pub rebound: u64,
}

struct State {
    weather: Weather,
    is_cut: bool,
    rebind: u64,
    traffic: Traffic,
    rng: StdRng,
}

impl State {
    /// How long a packet is on its way, if it arrives. `free_at` is when the link has sent what was before it.
    fn fate(&mut self, length: usize, now: Instant, free_at: &mut Instant) -> Option<Instant> {
        let Weather { loss, delay, jitter, rate, queue } = self.weather;
        let begins = now.max(*free_at);
        if self.is_cut || self.rng.gen_bool(loss) || begins - now > queue {
            self.traffic.lost += 1;
            return None;
        }
        *free_at = begins + Duration::from_secs_f64(length as f64 / rate as f64);
        Some(*free_at + delay + jitter.mul_f64(self.rng.gen_range(0.0..1.0)))
    }
}

/// A link to one server, until it is dropped.
pub struct Link {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    /// Dropped, it ends the thread.
    _ends: oneshot::Sender<()>,
}

impl Link {
    /// A link to `server`, in fine weather.
    ///
    /// # Errors
    /// When there is no socket or thread for it.
    pub fn to(server: SocketAddr, seed: u64) -> Result<Self> {
        let rng = StdRng::seed_from_u64(seed);
        let state =
            State { weather: Weather::FINE, is_cut: false, rebind: 0, traffic: Traffic::default(), rng };
        let state = Arc::new(Mutex::new(state));
        let front = std::net::UdpSocket::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        front.set_nonblocking(true)?;
        let address = front.local_addr()?;
        let (ends, ended) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let shared = Arc::clone(&state);
        std::thread::Builder::new().name("link".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    passed = pass(front, server, shared) => passed.unwrap_or_else(|error| eprintln!("link: {error}")),
                    _ = ended => {}
                }
            });
        })?;
        Ok(Self { address, state, _ends: ends })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Where phones reach the server by way of it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on it is like this.
    pub fn set(&self, weather: Weather) {
        self.state().weather = weather;
    }

    /// Loses everything, and says so to nobody.
    pub fn cut(&self) {
        self.state().is_cut = true;
    }

    /// Ends a cut.
    pub fn mend(&self) {
        self.state().is_cut = false;
    }

    /// From now on the server sees phones at other addresses; what was sent to the old ones is lost.
    pub fn rebind(&self) {
        self.state().rebind += 1;
    }

    /// What it has done so far.
    pub fn traffic(&self) -> Traffic {
        self.state().traffic
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Both ways of one phone.
struct Way {
    up: mpsc::Sender<Vec<u8>>,
}

async fn pass(front: std::net::UdpSocket, server: SocketAddr, state: Arc<Mutex<State>>) -> Result<()> {
    let front = Arc::new(UdpSocket::from_std(front)?);
    let mut ways: HashMap<SocketAddr, Way> = HashMap::new();
    let mut packet = vec![0; PACKET];
    loop {
        let (length, phone) = front.recv_from(&mut packet).await?;
        let way = ways.entry(phone).or_insert_with(|| {
            let (up, packets) = mpsc::channel(UNDER_WAY);
            tokio::spawn(carry(front.clone(), phone, server, packets, state.clone()));
            Way { up }
        });
        // More than the link holds is lost.
        let _ = way.up.try_send(packet[..length].to_vec());
    }
}

/// Packets in one direction, in the order in which they arrive.
struct Direction {
    under_way: BinaryHeap<Reverse<(Instant, u64, Vec<u8>)>>,
    number: u64,
    free_at: Instant,
}

impl Direction {
    fn new() -> Self {
        Self { under_way: BinaryHeap::new(), number: 0, free_at: Instant::now() }
    }

    fn take(&mut self, packet: Vec<u8>, state: &Mutex<State>) {
        let fate = lock(state).fate(packet.len(), Instant::now(), &mut self.free_at);
        if let Some(arrives) = fate {
            self.number += 1;
            self.under_way.push(Reverse((arrives, self.number, packet)));
        }
    }

    fn next_at(&self) -> Option<Instant> {
        self.under_way.peek().map(|Reverse((arrives, ..))| *arrives)
    }

    /// What has arrived by now.
    fn arrived(&mut self) -> Option<Vec<u8>> {
        self.next_at().filter(|arrives| *arrives <= Instant::now())?;
        self.under_way.pop().map(|Reverse((.., packet))| packet)
    }
}

async fn carry(
    front: Arc<UdpSocket>,
    phone: SocketAddr,
    server: SocketAddr,
    mut packets: mpsc::Receiver<Vec<u8>>,
    state: Arc<Mutex<State>>,
) -> Result<()> {
    let (mut up, mut down) = (Direction::new(), Direction::new());
    let (mut back, mut bound) = (socket_to(server).await?, lock(&state).rebind);
    let mut packet = vec![0; PACKET];
    loop {
        let next = up.next_at().into_iter().chain(down.next_at()).min();
        let next = next.unwrap_or_else(|| Instant::now() + Duration::from_secs(1));
        tokio::select! {
            sent = packets.recv() => {
                let Some(packet) = sent else { return Ok(()) };
                up.take(packet, &state);
                let rebind = lock(&state).rebind;
                if rebind != bound {
                    (back, bound) = (socket_to(server).await?, rebind);
                    lock(&state).traffic.rebound += 1;
                }
            }
            // Nobody listening yet is a packet lost.
            answered = back.recv(&mut packet) => if let Ok(length) = answered {
                down.take(packet[..length].to_vec(), &state);
            },
            () = sleep_until(next) => {}
        }
        while let Some(packet) = up.arrived() {
            // A packet that cannot be sent is a packet lost.
            let _ = back.send(&packet).await;
        }
        while let Some(packet) = down.arrived() {
            let _ = front.send_to(&packet, phone).await;
            lock(&state).traffic.down += packet.len() as u64;
        }
    }
}

async fn socket_to(server: SocketAddr) -> Result<UdpSocket> {
    let socket = UdpSocket::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
    socket.connect(server).await?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(weather: Weather) -> State {
        let rng = StdRng::seed_from_u64(7);
        State { weather, is_cut: false, rebind: 0, traffic: Traffic::default(), rng }
    }

    #[test]
    fn packets_are_late_lost_and_queued_as_the_weather_says() {
        let delay = Duration::from_millis(150);
        let slow = Weather { delay, rate: 1_000_000, queue: Duration::from_millis(100), ..Weather::FINE };
        let mut state = state(slow);
        let now = Instant::now();
        let mut free_at = now;
        let first = state.fate(1_000, now, &mut free_at).unwrap();
        let second = state.fate(1_000, now, &mut free_at).unwrap();
        assert_eq!(first - now, delay + Duration::from_millis(1));
        assert_eq!(second - now, delay + Duration::from_millis(2));
        let passed = (0..1_000).filter(|_| state.fate(1_000, now, &mut free_at).is_some()).count();
        assert_eq!(passed, 99, "more than the queue holds is lost");
        state.weather = Weather { loss: 0.05, ..Weather::FINE };
        let lost = (0..10_000).filter(|_| state.fate(1_000, now, &mut free_at).is_none()).count();
        assert!((400..600).contains(&lost), "{lost}");
        state.is_cut = true;
        assert!(state.fate(1, now, &mut free_at).is_none());
    }
}
