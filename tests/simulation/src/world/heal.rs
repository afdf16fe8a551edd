//! The end of a history: nothing goes wrong any more, and what was promised has to come true.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use client_core::State;
use mdm_core::device::DeviceState as Standing;

use super::World;
use crate::disk::Name;
use crate::executor::settle;
use crate::network::Weather;
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
            let Some(agent) = phone.agent() else { continue };
            let wiped = agent
                .inner
                .borrow()
                .device
                .as_ref()
                .is_some_and(|device| self.sim.watch.is_wiped(device.enrolment));
            self.sim.watch.check(Invariant::EveryWipeEnds, !wiped && agent.state() != State::Wiping, || {
                format!("phone {} is wiped and {:?}", phone.index, agent.state())
            });
            let enrolment = phone.promises.borrow().enrolment;
            let Some(enrolment) = enrolment.filter(|enrolment| self.sim.watch.is_wiped(*enrolment)) else {
                continue;
            };
            let receipt =
                self.sim.watch.device(enrolment).and_then(|d| d.wipe().map(|wipe| wipe.receipt.is_some()));
            let discarded = phone.disk.read(Name::Gone).is_none();
            self.sim.watch.check(Invariant::EveryWipeEnds, receipt == Some(true) || discarded, || {
                format!("phone {} was wiped and the server has no receipt", phone.index)
            });
        }
    }

    /// Whoever may work opens their vault, with everything in it that was acknowledged.
    fn check_pins(&self) {
        for phone in &self.phones {
            let Some(agent) = phone.agent() else { continue };
            let Some(device) = agent.inner.borrow().device.clone() else { continue };
            if !device.confirmed || !self.may_open(&device) {
                continue;
            }
            let pin = phone.pin.borrow().clone();
            let opened = Rc::new(RefCell::new(None));
            let (result, agent) = (opened.clone(), agent.clone());
            self.sim.executor.spawn(phone.owner(), async move {
                let unlocked = agent.unlock(pin).await;
                *result.borrow_mut() = Some(unlocked.map_err(|error| error.to_string()));
            });
            self.pass(Duration::from_secs(30));
            let opened = opened.borrow().clone();
            self.sim.log.count("healed: vault opened");
            self.sim.watch.check(Invariant::RightPinOpens, opened == Some(Ok(Unlocked::Online)), || {
                format!("phone {} may open its vault and gets {opened:?}", phone.index)
            });
        }
    }

    fn may_open(&self, device: &crate::phone::DeviceState) -> bool {
        let Some(standing) = self.sim.watch.device(device.enrolment) else { return false };
        let account = self.sim.watch.account(standing.account);
        let may_work = account.is_some_and(|account| account.may_work() && account.seat.is_some());
        let attempts = settle(self.sim.unlock_records.attempts(device.enrolment)).ok().flatten();
        let left = attempts.is_some_and(|attempts| attempts.left() > 0);
        standing.state == Standing::Live && may_work && left
    }
}
