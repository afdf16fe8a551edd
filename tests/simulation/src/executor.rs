//! Tasks, timers and the simulated time: one thread, and a seed that decides which ready task goes on.
//!
//! Who is killed (a phone that loses power, a server that crashes) loses its tasks at the await they stand at.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;

/// Whose a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Owner {
    /// The server's process.
    Server,
    /// A phone's process.
    Phone(usize),
    /// Whatever goes on whoever dies: frames on their way, people.
    World,
}

struct Task {
    owner: Owner,
    future: Pin<Box<dyn Future<Output = ()>>>,
}

/// The tasks that can go on, in the order of their ids: the order in which they were woken is not the seed's alone, since
/// `tokio::sync::watch` wakes its waiters in one drawn from the thread.
type Ready = Arc<Mutex<BTreeSet<u64>>>;

/// Names a task to those that can go on.
struct TaskWaker {
    id: u64,
    ready: Ready,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner).insert(self.id);
    }
}

struct Timer {
    at: Duration,
    sequence: u64,
    waker: Waker,
}

impl PartialEq for Timer {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.sequence) == (other.at, other.sequence)
    }
}

impl Eq for Timer {}

impl PartialOrd for Timer {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Timer {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.sequence).cmp(&(other.at, other.sequence))
    }
}

/// Runs tasks. Time passes only while none of them can go on.
pub(crate) struct Executor {
    tasks: RefCell<BTreeMap<u64, Task>>,
    ready: Ready,
    timers: RefCell<BinaryHeap<Reverse<Timer>>>,
    next: Cell<u64>,
    now: Cell<Duration>,
    events: Cell<u64>,
    rng: RefCell<StdRng>,
    /// Killed while one of their own tasks was running: that one goes when it comes back.
    killed: RefCell<Vec<Owner>>,
    running: Cell<Option<Owner>>,
    /// Owners that sleep, and their tasks that could go on.
    frozen: RefCell<BTreeMap<Owner, Vec<u64>>>,
}

impl Executor {
    pub(crate) fn new(rng: StdRng) -> Self {
        Self {
            tasks: RefCell::default(),
            ready: Arc::default(),
            timers: RefCell::default(),
            next: Cell::new(0),
            now: Cell::new(Duration::ZERO),
            events: Cell::new(0),
            rng: RefCell::new(rng),
            killed: RefCell::default(),
            running: Cell::new(None),
            frozen: RefCell::default(),
        }
    }

    /// Since the world began.
    pub(crate) fn now(&self) -> Duration {
        self.now.get()
    }

    /// Steps taken.
    pub(crate) fn events(&self) -> u64 {
        self.events.get()
    }

    fn number(&self) -> u64 {
        self.next.replace(self.next.get() + 1)
    }

    pub(crate) fn spawn(&self, owner: Owner, future: impl Future<Output = ()> + 'static) {
        let id = self.number();
        self.tasks.borrow_mut().insert(id, Task { owner, future: Box::pin(future) });
        self.ready.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
    }

    /// Ends every task of `owner` where it stands.
    pub(crate) fn kill(&self, owner: Owner) {
        if self.running.get() == Some(owner) {
            self.killed.borrow_mut().push(owner);
        }
        let mut dead = Vec::new();
        self.tasks.borrow_mut().retain(|_, task| {
            let dies = task.owner == owner;
            if dies {
                dead.push(std::mem::replace(&mut task.future, Box::pin(std::future::ready(()))));
            }
            !dies
        });
        // Dropped here, where `tasks` is free: what they held may wake others.
        drop(dead);
    }

    /// No task of `owner` runs until it is thawed; its time goes on.
    pub(crate) fn freeze(&self, owner: Owner) {
        self.frozen.borrow_mut().entry(owner).or_default();
    }

    pub(crate) fn thaw(&self, owner: Owner) {
        let waiting = self.frozen.borrow_mut().remove(&owner).unwrap_or_default();
        self.ready.lock().unwrap_or_else(PoisonError::into_inner).extend(waiting);
    }

    /// One event: a task that can go on does, or, if none can, time passes to the next timer. `false` if nothing is left.
    pub(crate) fn step(&self, until: Duration) -> bool {
        let id = {
            let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
            let chosen = match ready.len() {
                0 => None,
                many => ready.iter().nth(self.rng.borrow_mut().gen_range(0..many)).copied(),
            };
            chosen.inspect(|id| {
                ready.remove(id);
            })
        };
        let Some(id) = id else { return self.pass_time(until) };
        let Some(mut task) = self.tasks.borrow_mut().remove(&id) else { return true };
        if let Some(waiting) = self.frozen.borrow_mut().get_mut(&task.owner) {
            waiting.push(id);
            self.tasks.borrow_mut().insert(id, task);
            return true;
        }
        self.events.set(self.events.get() + 1);
        let waker = Waker::from(Arc::new(TaskWaker { id, ready: self.ready.clone() }));
        self.running.set(Some(task.owner));
        let polled = task.future.as_mut().poll(&mut Context::from_waker(&waker));
        self.running.set(None);
        let killed = self.killed.borrow_mut().drain(..).any(|owner| owner == task.owner);
        if polled.is_pending() && !killed {
            self.tasks.borrow_mut().insert(id, task);
        }
        true
    }

    fn pass_time(&self, until: Duration) -> bool {
        let due = {
            let mut timers = self.timers.borrow_mut();
            match timers.peek() {
                Some(Reverse(timer)) if timer.at <= until => timers.pop(),
                _ => None,
            }
        };
        match due {
            Some(Reverse(timer)) => {
                self.now.set(self.now.get().max(timer.at));
                timer.waker.wake();
                true
            }
            None => {
                self.now.set(self.now.get().max(until));
                false
            }
        }
    }

    /// Wakes the task that waits at `at`.
    fn register(&self, at: Duration, waker: Waker) {
        self.timers.borrow_mut().push(Reverse(Timer { at, sequence: self.number(), waker }));
    }

    pub(crate) async fn sleep(&self, duration: Duration) {
        let at = self.now.get().saturating_add(duration);
        let mut registered = false;
        std::future::poll_fn(|context| {
            if self.now.get() >= at {
                return Poll::Ready(());
            }
            if !std::mem::replace(&mut registered, true) {
                self.register(at, context.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }

    /// Lets every other task that can go on go first, if the seed says so.
    pub(crate) async fn pause(&self) {
        let mut paused = false;
        std::future::poll_fn(|context| {
            if std::mem::replace(&mut paused, true) {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    /// `None` if `work` takes longer.
    pub(crate) async fn within<T>(&self, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
        let (mut work, mut sleep) = (pin!(work), pin!(self.sleep(limit)));
        std::future::poll_fn(|context| {
            if let Poll::Ready(done) = work.as_mut().poll(context) {
                return Poll::Ready(Some(done));
            }
            sleep.as_mut().poll(context).map(|()| None)
        })
        .await
    }
}

/// The first of two to end.
pub(crate) async fn either<A, B>(a: impl Future<Output = A>, b: impl Future<Output = B>) -> Result<A, B> {
    let (mut a, mut b) = (pin!(a), pin!(b));
    std::future::poll_fn(|context| {
        if let Poll::Ready(done) = a.as_mut().poll(context) {
            return Poll::Ready(Ok(done));
        }
        b.as_mut().poll(context).map(Err)
    })
    .await
}

struct Unpark(std::thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs a future of the real store to its end, the whole world standing still: its thread answers at once.
pub(crate) fn settle<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(done) => return done,
            Poll::Pending => std::thread::park(),
        }
    }
}

/// A generator that many hands draw from, in the order in which they do.
#[derive(Clone)]
pub(crate) struct SharedRng(Rc<RefCell<StdRng>>);

impl SharedRng {
    pub(crate) fn new(rng: StdRng) -> Self {
        Self(Rc::new(RefCell::new(rng)))
    }
}

impl rand::RngCore for SharedRng {
    fn next_u32(&mut self) -> u32 {
        self.0.borrow_mut().next_u32()
    }

    fn next_u64(&mut self) -> u64 {
        self.0.borrow_mut().next_u64()
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        self.0.borrow_mut().fill_bytes(bytes);
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand::Error> {
        self.0.borrow_mut().try_fill_bytes(bytes)
    }
}

impl rand::CryptoRng for SharedRng {}
