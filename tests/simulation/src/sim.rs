//! What all parts of one world share: time, chance, the network, the watch and the server's stored things.

use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::rc::{Rc, Weak};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use mdm_core::audit::Entry;
use mdm_core::code::CodeKeys;
use mdm_core::grant::GrantSeal;
use mdm_store::{Store, UnlockRecords};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use shared::cose::SoftwareKey;
use shared::crypto::Secret;
use shared::opaque::ServerSetup;

use crate::body::Body;
use crate::executor::{Executor, Owner, SharedRng, settle};
use crate::fault::Fault;
use crate::log::Log;
use crate::network::{Connection, Door, Side, Weather};
use crate::script::Settings;
use crate::server::Server;
use crate::watch::{Invariant, Watch};

/// The server's long-term secrets. The same in every history: nothing in one depends on their bytes.
pub(crate) struct Keyring {
    pub(crate) command: SoftwareKey,
    pub(crate) lease: SoftwareKey,
    pub(crate) checkpoint: SoftwareKey,
    pub(crate) recovery: SoftwareKey,
    pub(crate) opaque: ServerSetup,
    pub(crate) codes: CodeKeys,
    pub(crate) grants: GrantSeal,
}

/// The one keyring of this process.
pub(crate) fn keyring() -> &'static Keyring {
    static KEYRING: OnceLock<Keyring> = OnceLock::new();
    KEYRING.get_or_init(|| Keyring {
        command: software_key(),
        lease: software_key(),
        checkpoint: software_key(),
        recovery: software_key(),
        opaque: ServerSetup::make(&mut StdRng::seed_from_u64(9807)),
        codes: CodeKeys::derive(&Secret::from_bytes([7; 32])),
        grants: GrantSeal::derive(&Secret::from_bytes([7; 32])),
    })
}

/// A fresh signing key.
pub(crate) fn software_key() -> SoftwareKey {
    let pkcs8 = SoftwareKey::make_pkcs8().expect("the system gives random bytes");
    SoftwareKey::from_pkcs8(&pkcs8).expect("what was made reads")
}

/// A frame that began a stream: whose phone, which end sent it.
type Past = (usize, Side, Rc<[u8]>);

/// Burns down by one at each commit.
#[derive(Default)]
pub(crate) struct Fuse(Cell<Option<u32>>);

impl Fuse {
    /// It ends right after so many commits more.
    pub(crate) fn light(&self, commits: u32) {
        self.0.set(Some(commits));
    }

    pub(crate) fn put_out(&self) {
        self.0.set(None);
    }

    pub(crate) fn burn(&self) {
        self.0.set(self.0.get().map(|left| left.saturating_sub(1)));
    }

    pub(crate) fn has_burnt_down(&self) -> bool {
        self.0.get() == Some(0)
    }
}

/// One world's common ground.
pub(crate) struct Sim {
    pub(crate) executor: Executor,
    pub(crate) log: Log,
    pub(crate) watch: Watch,
    pub(crate) settings: Settings,
    pub(crate) fault: Fault,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) unlock_records: Arc<dyn UnlockRecords>,
    pub(crate) bodies: Vec<Rc<Body>>,
    pub(crate) weather: Cell<Weather>,
    pub(crate) wires: RefCell<Vec<Connection>>,
    /// Coverage or the server came back.
    pub(crate) reachable: tokio::sync::Notify,
    /// Whether the server's disk is slow, as in every third history: commits take longer, and others go on before their answer.
    pub(crate) slow_commits: bool,
    /// Ends the server's process at a commit.
    pub(crate) server_fuse: Fuse,
    /// The server's process; none while it is down.
    pub(crate) server: RefCell<Weak<Server>>,
    /// What keys, nonces and ids are made of.
    pub(crate) crypto: SharedRng,
    chance: RefCell<StdRng>,
    past: RefCell<Vec<Past>>,
}

impl Sim {
    pub(crate) fn new(settings: Settings, fault: Fault, seed: u64, keep_log: bool) -> Rc<Self> {
        let rng = |stream: u64| StdRng::seed_from_u64(seed ^ stream.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        Rc::new(Self {
            executor: Executor::new(rng(1)),
            log: Log::new(keep_log),
            watch: Watch::new(settings.attempts),
            slow_commits: seed % 3 == 1,
            bodies: (0..settings.phones).map(|_| Rc::new(Body::new())).collect(),
            weather: Cell::new(settings.weather),
            settings,
            fault,
            store: mdm_store::memory::open(),
            unlock_records: mdm_store::key_file::in_memory(),
            wires: RefCell::default(),
            reachable: tokio::sync::Notify::new(),
            server_fuse: Fuse::default(),
            server: RefCell::default(),
            crypto: SharedRng::new(rng(2)),
            chance: RefCell::new(rng(3)),
            past: RefCell::default(),
        })
    }

    /// Whether this mistake is planted.
    pub(crate) fn has(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    /// A line of the log that is not a phone's.
    pub(crate) fn say(&self, what: &'static str, detail: impl FnOnce() -> String) {
        self.log.line(self.executor.now(), "server", what, detail);
    }

    /// What the drivers hold to be impossible.
    pub(crate) fn unexpected(&self, what: impl FnOnce() -> String) {
        self.watch.check(Invariant::NothingUnexpected, false, what);
    }

    /// `mdm_server::use_cases::journal`: what was noted since, as it is handed out.
    fn journal_since(&self, mut after: u64) -> Vec<Entry> {
        let mut entries = Vec::new();
        loop {
            let page = settle(self.store.journal_entries(after, mdm_store::MAX_PAGE)).unwrap_or_default();
            if page.is_empty() {
                break;
            }
            after += page.len() as u64;
            entries.extend(page);
        }
        if self.has(Fault::JournalEntryLost) && entries.len() > 2 {
            entries.remove(1);
        }
        entries
    }

    /// Has the journal looked at as far as it was not yet.
    pub(crate) fn check_journal(&self) {
        let entries = self.journal_since(self.watch.journal_walked());
        let head = settle(self.store.journal_head()).ok();
        self.watch.check_journal(&entries, head.as_ref());
    }

    /// A number of the network's or the world's chance.
    pub(crate) fn draw(&self, range: Range<u64>) -> u64 {
        self.chance.borrow_mut().gen_range(range)
    }

    /// Whether it happens this time; 0 = never.
    pub(crate) fn one_in(&self, number: u32) -> bool {
        number > 0 && self.chance.borrow_mut().gen_ratio(1, number)
    }

    pub(crate) fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        rand::RngCore::fill_bytes(&mut self.crypto.clone(), &mut bytes);
        bytes
    }

    /// How long a frame travels.
    pub(crate) fn delay(&self) -> Duration {
        Duration::from_millis(self.draw(1..self.weather.get().delay.max(2)))
    }

    pub(crate) fn frame_is_lost(&self) -> bool {
        self.one_in(self.weather.get().breaks)
    }

    /// Keeps the frame that began a stream: it may come again.
    pub(crate) fn remember(&self, phone: usize, side: Side, frame: &Rc<[u8]>, most: usize) {
        if self.weather.get().repeats == 0 {
            return;
        }
        let mut past = self.past.borrow_mut();
        past.push((phone, side, frame.clone()));
        if past.len() > most {
            past.remove(0);
        }
    }

    /// An earlier frame that comes again now, if the weather is so.
    pub(crate) fn repeated(&self, phone: usize, side: Side) -> Option<Rc<[u8]>> {
        if !self.one_in(self.weather.get().repeats) {
            return None;
        }
        let past = self.past.borrow();
        let theirs: Vec<&Rc<[u8]>> = past
            .iter()
            .filter(|(of, from, _)| (*of, *from) == (phone, side))
            .map(|(_, _, frame)| frame)
            .collect();
        let which = self.draw(0..u64::try_from(theirs.len().max(1)).unwrap_or(1));
        theirs.get(usize::try_from(which).unwrap_or(0)).map(|frame| (*frame).clone())
    }

    pub(crate) fn server_is_up(&self) -> bool {
        self.server.borrow().strong_count() > 0
    }

    /// Hands a connection to the server's process.
    pub(crate) fn server_serves(&self, connection: Connection, door: Door) {
        if let Some(server) = self.server.borrow().upgrade() {
            self.executor.spawn(Owner::Server, server.serve(connection, door));
        }
    }
}
