//! The end of a history: nothing goes wrong any more, and what was promised has to come true.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use client_core::State;
use mdm_core::device::DeviceState as Standing;
use shared::ids::EnrolmentId;

use super::World;
use crate::disk::Name;
use crate::executor::settle;
use crate::network::Weather;
use crate::phone::Phone;
use crate::phone::unlock::Unlocked;
use crate::watch::Invariant;

/// How long the world is given to come to rest.
const HEALING: Duration = Duration::from_secs(900);

impl World {
    /// Nothing goes wrong any more: what was promised has to come true.
    pub(super) fn heal(&self) {
        if self.sim.watch.violation().is_some() {
            return;
        }
        self.sim.log.line(self.sim.executor.now(), "act", "act: healing", String::new);
        self.sim.weather.set(Weather { delay: 20, ..Weather::default() });
        self.sim.server_fuse.put_out();
        if self.server.borrow().is_none() {
            self.start_server(self.sim.settings.policy.lease_mode);
        }
        for phone in &self.phones {
            phone.disk.disarm();
            phone.body.coverage.set(true);
            self.wake(phone.index);
            phone.switch_on();
            phone.start_app();
        }
        self.sim.reachable.notify_waiters();
        self.ask_again();
        self.pass(HEALING);
        self.scheduler();
        self.pass(Duration::from_secs(60));
        self.ask_again();
        self.pass(HEALING);
        if self.sim.watch.violation().is_none() {
            self.check_wipes();
            self.check_pins();
        }
    }

    /// Phones that were refused ask again, as the real ones do every few seconds: what they would be told may be new.
    fn ask_again(&self) {
        for agent in self.phones.iter().filter_map(|phone| phone.agent()) {
            agent.wake.notify_one();
        }
    }

    fn check_wipes(&self) {
        let records = settle(self.sim.unlock_records.list()).unwrap_or_default();
        for device in self.sim.watch.devices() {
            let Standing::Wiped(wipe) = &device.state else { continue };
            let destroyed = wipe.sealed_at.is_some() && !records.contains(&device.enrolment);
            self.sim.watch.check(Invariant::EveryWipeEnds, destroyed, || {
                format!("{} is wiped and not sealed", device.enrolment)
            });
        }
        for phone in &self.phones {
            self.check_erased(phone);
        }
    }

    /// Whatever was wiped and had a vault on this phone has left a receipt with the server, and nothing here.
    fn check_erased(&self, phone: &Phone) {
        let watch = &self.sim.watch;
        let agent = phone.agent();
        watch.check(Invariant::EveryWipeEnds, agent.is_some(), || {
            format!("the app of phone {} does not run", phone.index)
        });
        let Some(agent) = agent else { return };
        let enrolled = agent.inner.borrow().device.as_ref().map(|device| device.enrolment);
        let wiped = enrolled.is_some_and(|enrolment| watch.is_wiped(enrolment));
        watch.check(Invariant::EveryWipeEnds, !wiped && agent.state() != State::Wiping, || {
            format!("phone {} is wiped and {:?}", phone.index, agent.state())
        });
        if agent.state() == State::Gone {
            // A try to enrol again that came to nothing has left a secret of its own.
            let of_another_try = |name: &Name| *name == Name::DeviceSecret;
            let mut left = phone.keys_left();
            left.extend(phone.disk.data_left());
            left.retain(|name| !of_another_try(name));
            watch.check(Invariant::EveryWipeEnds, left.is_empty(), || {
                format!("phone {} is erased and has {left:?}", phone.index)
            });
        }
        let promises = phone.promises.borrow();
        for enrolment in promises.enrolments.difference(&promises.given_up) {
            let device = watch.device(*enrolment);
            let Some(wipe) = device.as_ref().and_then(|device| device.wipe()) else { continue };
            watch.check(Invariant::EveryWipeEnds, wipe.receipt.is_some(), || {
                format!("{enrolment}, once of phone {}, was wiped and the server has no receipt", phone.index)
            });
        }
    }

    /// Whoever may work opens their vault, with everything in it that was acknowledged, once an admin has undone what was
    /// done by hand or by wrong PINs.
    fn check_pins(&self) {
        for phone in &self.phones {
            let Some(agent) = phone.agent() else { continue };
            let Some(device) = agent.inner.borrow().device.clone() else { continue };
            if !device.confirmed || !self.may_open_again(device.enrolment) {
                continue;
            }
            let wrong = self.try_pin(phone, "another".to_owned());
            self.sim.watch.check(Invariant::RightPinOpens, matches!(wrong, Some(Err(_))), || {
                format!("phone {} gets {wrong:?} for a wrong PIN", phone.index)
            });
            let opened = self.try_pin(phone, phone.pin.borrow().clone());
            self.sim.watch.check(Invariant::RightPinOpens, opened == Some(Ok(Unlocked::Online)), || {
                format!("phone {} may open its vault and gets {opened:?}", phone.index)
            });
            self.sim.log.count("healed: vault opened");
        }
    }

    /// What comes of a PIN within half a minute.
    fn try_pin(&self, phone: &Phone, pin: String) -> Option<Result<Unlocked, String>> {
        let agent = phone.agent()?;
        let opened = Rc::new(RefCell::new(None));
        let result = opened.clone();
        self.sim.executor.spawn(phone.owner(), async move {
            let unlocked = agent.unlock(pin).await;
            *result.borrow_mut() = Some(unlocked.map_err(|error| error.to_string()));
        });
        self.pass(Duration::from_secs(30));
        opened.borrow_mut().take()
    }

    /// Whether the person may work. What stands in their way otherwise is undone.
    fn may_open_again(&self, enrolment: EnrolmentId) -> bool {
        let standing = |world: &Self| world.sim.watch.device(enrolment).map(|device| device.state);
        let device = self.sim.watch.device(enrolment);
        let account = device.and_then(|device| self.sim.watch.account(device.account));
        if !account.is_some_and(|account| account.is_served()) {
            return false;
        }
        if standing(self) == Some(Standing::Blocked) {
            self.order(move |server| async move { server.unblock(enrolment).await });
            self.pass(Duration::from_secs(60));
            self.sim.log.count("healed: unblocked");
        }
        let attempts = settle(self.sim.unlock_records.attempts(enrolment)).ok().flatten();
        if attempts.is_some_and(|attempts| attempts.left() < 2) {
            self.order(move |server| async move { server.reset_attempts(enrolment).await });
            self.pass(Duration::from_secs(60));
            self.sim.log.count("healed: attempts given back");
        }
        standing(self) == Some(Standing::Live)
    }
}
