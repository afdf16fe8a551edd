//! The phone's session: what it may do now, and what every message, PIN and tick of the clock changes.
//!
//! Methods take what happened and return [`Effect`]s, to be executed in their order before anything else is asked.
//! One session lives as long as the process; what must survive is in [`Progress`] and, for a durable lease, in
//! [`StoredLease`].

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shared::cose::{PublicKey, VerifyError};
use shared::ids::EnrolmentId;
use shared::policy::{LeaseMode, Policy};
use shared::signed::Order;
use shared::wire::UnlockGranted;

use crate::clock::{BootTime, Moment};
use crate::command::{Accepted, VerifiedCommand, WipeAuthorised};
use crate::lease::{RunningLease, StoredLease, VerifiedLease};
use crate::pin_delay::{PinDelay, StoredPinDelay};

#[cfg(test)]
pub(crate) mod tests;

/// Where the session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// No enrolment yet.
    Unenrolled,
    /// The vault is closed.
    Locked,
    /// A PIN is being tested.
    Unlocking,
    /// The vault is open.
    Open,
    /// The server blocks this device; only its unblock ends that.
    Blocked,
    /// A wipe is being obeyed: nothing else is done any more.
    Wiping,
    /// Erased, and the receipt acknowledged.
    Gone,
}

/// Whose phone it is and which keys it believes.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The enrolment.
    pub enrolment: EnrolmentId,
    /// Signs commands.
    pub command_key: PublicKey,
    /// Signs leases.
    pub lease_key: PublicKey,
}

/// What commands have changed; durable before it is reported.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The last block or unblock applied.
    pub last_applied: Option<Order>,
    /// Whether it was a block.
    pub blocked: bool,
}

/// What the driver does, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Forget the vault key and close the vault.
    CloseVault,
    /// Store again how the durable lease stands ([`Session::lease_to_store`]).
    StoreLease,
    /// Store again how many PINs were wrong ([`Session::pin_delay_to_store`]).
    StorePinDelay,
    /// Forget the lease secret, destroy the offline slot and what a durable lease has stored.
    DropOfflineSlot,
    /// Keep this durably.
    Store(Progress),
    /// Begin the erase.
    Erase(WipeAuthorised),
    /// Tell whoever watches.
    Notify(Notice),
}

/// What is worth telling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notice {
    /// The vault is open.
    Unlocked,
    /// The vault is closed.
    Locked,
    /// A block took effect.
    Blocked,
    /// A block ended.
    Unblocked,
    /// A wipe began.
    Wiping,
    /// The PIN was wrong, and the next one has to wait.
    PinsDelayed,
}

/// What is known of a PIN whose unlock failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tested {
    /// It is wrong.
    Wrong,
    /// It was not tested, or it was right and something else failed.
    NotWrong,
}

/// Why no unlock begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnlockRefusal {
    /// Nothing to unlock.
    #[error("this device is not enrolled: enrol it with the code from the letter")]
    Unenrolled,
    /// One PIN at a time.
    #[error("another unlock is running: wait for it to end")]
    Busy,
    /// The vault is open already.
    #[error("the vault is open already")]
    Open,
    /// Blocked by the server.
    #[error("this device is blocked: ask the helpdesk")]
    Blocked,
    /// Wiped by the server.
    #[error("this device was wiped: nothing is left to unlock")]
    Wiped,
    /// Too many PINs were wrong one after the other.
    #[error("too many wrong PINs: try again in {seconds} seconds")]
    TooSoon {
        /// How long to wait.
        seconds: u64,
    },
    /// No lease runs, so only the server can help.
    #[error("no offline use is granted now: unlock again when the server can be reached")]
    NoLease,
}

/// Why a command has no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// A command to a device without enrolment.
    #[error("a command for a device that is not enrolled")]
    Unenrolled,
    /// Not the server's, not for this device, or changed.
    #[error("a command that does not verify: {0}")]
    Unverified(#[from] VerifyError),
}

fn max_open(policy: &Policy) -> Duration {
    Duration::from_secs(policy.max_open_seconds.into())
}

/// The state machine.
#[derive(Debug)]
pub struct Session {
    state: State,
    identity: Option<Identity>,
    policy: Policy,
    progress: Progress,
    lease: Option<RunningLease>,
    /// When KE3 of the last unlock with the server was sent.
    unlocked_at: Option<BootTime>,
    /// How long that unlock holds without a lease: what its grant said, the server having recorded no more. A hello may
    /// shorten it.
    max_open: Duration,
    pins: PinDelay,
    /// The same before the PIN that is being tested.
    pins_before: PinDelay,
}

impl Session {
    /// The session of a device that is not enrolled.
    pub fn unenrolled() -> Self {
        Self::without_identity(State::Unenrolled)
    }

    /// The session of a device that has nothing left.
    pub fn erased() -> Self {
        Self::without_identity(State::Gone)
    }

    fn without_identity(state: State) -> Self {
        Self {
            state,
            identity: None,
            policy: Policy::default(),
            progress: Progress::default(),
            lease: None,
            unlocked_at: None,
            max_open: Duration::ZERO,
            pins: PinDelay::default(),
            pins_before: PinDelay::default(),
        }
    }

    /// The session of an enrolled device at the start of the process. `lease` is a durable one that still runs.
    pub fn enrolled(
        identity: Identity,
        policy: Policy,
        progress: Progress,
        lease: Option<RunningLease>,
    ) -> Self {
        let state = if progress.blocked { State::Blocked } else { State::Locked };
        let lease = lease.filter(|_| !progress.blocked);
        Self { identity: Some(identity), policy, progress, lease, ..Self::without_identity(state) }
    }

    /// The same, after PINs that were wrong in an earlier run.
    pub fn after_wrong_pins(mut self, pins: PinDelay) -> Self {
        self.pins = pins;
        self
    }

    /// The session of a process that goes on with an erase.
    pub fn wiping(identity: Identity, _wipe: &WipeAuthorised) -> Self {
        Self { identity: Some(identity), ..Self::without_identity(State::Wiping) }
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// Whose it is.
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// The server signs with other keys from now ([`crate::pins::replaced`]).
    pub fn keys_replaced(&mut self, command_key: PublicKey, lease_key: PublicKey) {
        if let Some(identity) = &mut self.identity {
            (identity.command_key, identity.lease_key) = (command_key, lease_key);
        }
    }

    /// What commands have changed.
    pub fn progress(&self) -> Progress {
        self.progress
    }

    /// What is allowed.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The lease that runs.
    pub fn lease(&self, boot: BootTime) -> Option<&RunningLease> {
        self.lease.as_ref().filter(|lease| lease.runs(boot))
    }

    /// What a durable lease has to keep on disk now, be it one whose tries are used up.
    pub fn lease_to_store(&self, moment: Moment, boot_id: [u8; 16]) -> Option<StoredLease> {
        self.lease.as_ref()?.to_stored(moment, boot_id)
    }

    /// How many PINs were wrong in a row, and how long the next has to wait.
    pub fn pin_delay(&self) -> PinDelay {
        self.pins
    }

    /// What has to be kept of that now.
    pub fn pin_delay_to_store(&self, boot_id: [u8; 16]) -> Option<StoredPinDelay> {
        self.pins.to_stored(boot_id)
    }

    /// When the open vault closes by itself, or the lease ends: the driver calls [`Session::tick`] then.
    pub fn next_deadline(&self) -> Option<BootTime> {
        let lease_end = self.lease.as_ref().map(RunningLease::ends);
        match self.state {
            State::Open => lease_end.into_iter().chain(self.open_until()).min(),
            State::Locked | State::Unlocking => lease_end,
            _ => None,
        }
    }

    /// Until when an open vault may stay open: the lease's end, or `max_open` after the last unlock with the server if that is
    /// later. Never past what the server has recorded: contact alone does not extend it.
    pub fn open_until(&self) -> Option<BootTime> {
        let by_unlock = self.unlocked_at.map(|unlocked| unlocked.after(self.max_open));
        by_unlock.max(self.lease.as_ref().map(RunningLease::ends))
    }

    /// Whether anybody may still prove the session grant of the last unlock: while the vault is open, and while a lease runs
    /// within which it can be opened again. Then it ends, here and at the server.
    pub fn needs_grant(&self, boot: BootTime) -> bool {
        match self.state {
            State::Open | State::Unlocking => true,
            State::Locked => self.lease(boot).is_some(),
            _ => false,
        }
    }

    /// The same as a civil time, while the vault is open.
    pub fn open_until_at(&self, moment: Moment) -> Option<Timestamp> {
        let until = self.open_until().filter(|_| self.state == State::Open)?;
        moment.now.checked_add(moment.boot.until(until)).ok()
    }

    fn may_unlock(&self) -> Result<(), UnlockRefusal> {
        match self.state {
            State::Locked => Ok(()),
            State::Unenrolled => Err(UnlockRefusal::Unenrolled),
            State::Unlocking => Err(UnlockRefusal::Busy),
            State::Open => Err(UnlockRefusal::Open),
            State::Blocked => Err(UnlockRefusal::Blocked),
            State::Wiping | State::Gone => Err(UnlockRefusal::Wiped),
        }
    }

    fn may_try(&self, boot: BootTime) -> Result<(), UnlockRefusal> {
        self.may_unlock()?;
        self.may_wait_no_more(boot)
    }

    fn may_wait_no_more(&self, boot: BootTime) -> Result<(), UnlockRefusal> {
        match self.pins.left(boot) {
            // Rounded up: who waits as long as is said is let in.
            Some(left) => Err(UnlockRefusal::TooSoon { seconds: left.as_millis().div_ceil(1000) as u64 }),
            None => Ok(()),
        }
    }

    fn begin_unlock(&mut self, boot: BootTime) {
        self.count_pin(boot);
        self.state = State::Unlocking;
    }

    /// Counts the PIN that is about to be tested as wrong, until it proves right or was not tested.
    fn count_pin(&mut self, boot: BootTime) {
        let first = Duration::from_secs(self.policy.wrong_pin_delay_seconds.into());
        self.pins_before = self.pins;
        self.pins = self.pins.charged(boot, first);
    }

    /// The PIN was right: none was wrong since.
    fn pin_was_right(&mut self) -> Option<Effect> {
        let counted = std::mem::take(&mut self.pins);
        self.pins_before = PinDelay::default();
        (counted != PinDelay::default()).then_some(Effect::StorePinDelay)
    }

    /// Before KE1 is sent. The driver stores [what is counted](Self::pin_delay_to_store) before it goes on.
    pub fn begin_online_unlock(&mut self, moment: Moment) -> Result<(), UnlockRefusal> {
        self.may_try(moment.boot)?;
        self.begin_unlock(moment.boot);
        Ok(())
    }

    /// Before a PIN is tested against the offline slot. Charges one of the lease's tries: the driver stores a durable
    /// lease and [what is counted](Self::pin_delay_to_store) before it goes on.
    pub fn begin_offline_unlock(&mut self, moment: Moment) -> Result<(), UnlockRefusal> {
        self.may_unlock()?;
        let runs = self.lease(moment.boot).is_some();
        if runs {
            self.may_try(moment.boot)?;
        }
        let lease = self.lease.as_mut().filter(|_| runs);
        lease.ok_or(UnlockRefusal::NoLease)?.charge();
        self.begin_unlock(moment.boot);
        Ok(())
    }

    /// Before the PIN that holds is tested for its change, in the open vault: it counts as an unlock's does. The driver stores
    /// [what is counted](Self::pin_delay_to_store) before it goes on.
    pub fn begin_pin_change(&mut self, moment: Moment) -> Result<(), UnlockRefusal> {
        if self.state != State::Open {
            self.may_unlock()?;
        }
        self.may_wait_no_more(moment.boot)?;
        self.count_pin(moment.boot);
        Ok(())
    }

    /// The PIN that holds was typed right.
    pub fn pin_change_proved(&mut self) -> Vec<Effect> {
        self.pin_was_right().into_iter().collect()
    }

    /// It was wrong, or nothing has tested it.
    pub fn pin_change_failed(&mut self, moment: Moment, tested: Tested) -> Vec<Effect> {
        self.pin_failed(moment.boot, tested).into_iter().collect()
    }

    /// Checks the lease in the server's answer to KE3. The policy holds from now; the session is still unlocking.
    pub fn granted(&mut self, granted: &UnlockGranted) -> Result<Option<VerifiedLease>, VerifyError> {
        let Some(identity) = &self.identity else { return Ok(None) };
        let verify = |bytes: &serde_bytes::ByteBuf| {
            VerifiedLease::verify(bytes, identity.enrolment, &identity.lease_key)
        };
        let lease = granted.lease.as_ref().map(verify).transpose()?.flatten();
        self.policy = granted.policy.clone();
        self.max_open = max_open(&self.policy);
        Ok(lease)
    }

    /// The vault was opened with the online slot, `lease` having been granted and its offline slot written. If a block
    /// or wipe came meanwhile, the effects undo both.
    pub fn opened_online(&mut self, moment: Moment, lease: Option<&VerifiedLease>) -> Vec<Effect> {
        let ended = self.lease.take();
        let right = self.pin_was_right();
        if self.state != State::Unlocking {
            return [Effect::CloseVault, Effect::DropOfflineSlot].into_iter().chain(right).collect();
        }
        self.unlocked_at = Some(moment.boot);
        self.lease = lease.map(|lease| lease.start(moment));
        self.state = State::Open;
        let leftover = ended.filter(|_| self.lease.is_none()).map(|_| Effect::DropOfflineSlot);
        leftover.into_iter().chain(right).chain([Effect::Notify(Notice::Unlocked)]).collect()
    }

    /// The server granted an unlock, but the vault did not open or what belongs to the grant could not be kept: nothing of
    /// either stays.
    pub fn opening_failed(&mut self) -> Vec<Effect> {
        let mut effects = self.lock();
        self.lease = None;
        effects.extend([Effect::CloseVault, Effect::DropOfflineSlot]);
        effects.extend(self.pin_was_right());
        effects
    }

    /// The vault was opened with the offline slot.
    pub fn opened_offline(&mut self, moment: Moment) -> Vec<Effect> {
        let right = self.pin_was_right();
        match self.lease.as_mut().filter(|lease| lease.ends() > moment.boot) {
            Some(lease) if self.state == State::Unlocking => {
                lease.refund();
                self.state = State::Open;
                right.into_iter().chain([Effect::Notify(Notice::Unlocked)]).collect()
            }
            _ => {
                if self.state == State::Unlocking {
                    self.state = State::Locked;
                }
                self.lease = None;
                [Effect::CloseVault, Effect::DropOfflineSlot].into_iter().chain(right).collect()
            }
        }
    }

    /// The PIN was wrong, the server refused, or the network failed.
    pub fn unlock_failed(&mut self, moment: Moment, tested: Tested) -> Vec<Effect> {
        if self.state == State::Unlocking {
            self.state = State::Locked;
        }
        let mut effects = self.end_lease_unless_running(moment.boot);
        effects.extend(self.pin_failed(moment.boot, tested));
        effects
    }

    fn pin_failed(&mut self, boot: BootTime, tested: Tested) -> Option<Effect> {
        match tested {
            Tested::Wrong => self.pins.left(boot).map(|_| Effect::Notify(Notice::PinsDelayed)),
            Tested::NotWrong => {
                let counted = std::mem::replace(&mut self.pins, self.pins_before);
                (self.pins != counted).then_some(Effect::StorePinDelay)
            }
        }
    }

    /// The user locks, or the app goes away. The lease goes on; an unlock on its way opens nothing.
    pub fn lock(&mut self) -> Vec<Effect> {
        match self.state {
            State::Open => {
                self.state = State::Locked;
                vec![Effect::CloseVault, Effect::Notify(Notice::Locked)]
            }
            State::Unlocking => {
                self.state = State::Locked;
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    /// Time has passed. Called at least every minute while a durable lease runs.
    pub fn tick(&mut self, moment: Moment) -> Vec<Effect> {
        let past = self.open_until().is_none_or(|until| until <= moment.boot);
        let mut effects = if self.state == State::Open && past { self.lock() } else { Vec::new() };
        effects.extend(self.end_lease_unless_running(moment.boot));
        let due = self.lease.as_mut().is_some_and(|lease| lease.store_is_due(moment.boot));
        effects.extend(due.then_some(Effect::StoreLease));
        effects
    }

    /// The policy in a hello's answer. A lease of a mode that it does not allow any more ends. `max_open` of the last unlock
    /// may become shorter, but not longer: the server has recorded what it granted then.
    pub fn policy_received(&mut self, policy: &Policy) -> Vec<Effect> {
        self.policy = policy.clone();
        self.max_open = self.max_open.min(max_open(policy));
        let allowed = match (policy.lease_mode, self.lease.as_ref().map(RunningLease::mode)) {
            (_, None) | (LeaseMode::Durable, _) => true,
            (LeaseMode::Volatile, Some(mode)) => mode == LeaseMode::Volatile,
            (LeaseMode::None, Some(_)) => false,
        };
        if allowed {
            return Vec::new();
        }
        let ended = self.end_lease();
        // Opened within that lease, nothing else holds the vault open.
        let is_unheld = self.state == State::Open && self.open_until().is_none();
        let closed = if is_unheld { self.lock() } else { Vec::new() };
        closed.into_iter().chain(ended).collect()
    }

    /// The server says, without a command, that it withholds unlock: a suspended account, for example. The vault closes and
    /// the lease ends; unlike after a block, the next unlock asks the server again.
    pub fn help_withheld(&mut self) -> Vec<Effect> {
        let mut effects = self.lock();
        effects.extend(self.end_lease());
        effects
    }

    /// A command as it came from the network. Old or repeated ones have no effect, except a wipe, which begins an erase
    /// unless one is running or done.
    pub fn handle_command(&mut self, bytes: &[u8]) -> Result<Vec<Effect>, CommandError> {
        let identity = self.identity.as_ref().ok_or(CommandError::Unenrolled)?;
        let verified = VerifiedCommand::verify(bytes, identity.enrolment, &identity.command_key)?;
        let accepted = verified.accept(self.progress.last_applied);
        if matches!(self.state, State::Wiping | State::Gone) {
            return Ok(Vec::new());
        }
        Ok(match accepted {
            Accepted::Repeated => Vec::new(),
            Accepted::Block(order) => self.block(order),
            Accepted::Unblock(order) => self.unblock(order),
            Accepted::Wipe(wipe) => self.wipe(wipe),
        })
    }

    fn block(&mut self, order: Order) -> Vec<Effect> {
        self.progress = Progress { last_applied: Some(order), blocked: true };
        self.state = State::Blocked;
        self.lease = None;
        vec![
            Effect::CloseVault,
            Effect::DropOfflineSlot,
            Effect::Store(self.progress),
            Effect::Notify(Notice::Blocked),
        ]
    }

    fn unblock(&mut self, order: Order) -> Vec<Effect> {
        self.progress = Progress { last_applied: Some(order), blocked: false };
        if self.state != State::Blocked {
            return vec![Effect::Store(self.progress)];
        }
        self.state = State::Locked;
        vec![Effect::Store(self.progress), Effect::Notify(Notice::Unblocked)]
    }

    fn wipe(&mut self, wipe: WipeAuthorised) -> Vec<Effect> {
        self.state = State::Wiping;
        self.lease = None;
        vec![Effect::Notify(Notice::Wiping), Effect::Erase(wipe)]
    }

    /// The erase has ended: receipt acknowledged, identity deleted.
    pub fn erase_finished(&mut self) {
        if self.state == State::Wiping {
            *self = Self::erased();
        }
    }

    fn end_lease_unless_running(&mut self, boot: BootTime) -> Vec<Effect> {
        match &self.lease {
            Some(lease) if !lease.runs(boot) && self.state != State::Unlocking => self.end_lease(),
            _ => Vec::new(),
        }
    }

    fn end_lease(&mut self) -> Vec<Effect> {
        match self.lease.take() {
            Some(_) => vec![Effect::DropOfflineSlot],
            None => Vec::new(),
        }
    }
}
