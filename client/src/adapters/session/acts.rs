//! What the person asks for: enrol, unlock, lock, go somewhere, close.

use std::rc::Rc;

use client_agent::{ChangePinError, EnrolError, EnrolRequest, UnlockError};
use client_ui::{Problem, Screen};
use shared::activation_code::ActivationCode;
use slint::SharedString;
use zeroize::Zeroizing;

use super::{Begun, Session};
use crate::adapters::stage::Stage;
use crate::app::End;
use crate::problem;

impl Session {
    fn set_busy(&self, busy: bool) {
        self.busy.set(busy);
        self.shared.session(|session| session.set_busy(busy));
    }

    /// Begins an act: one at a time.
    fn begin_act(&self) -> bool {
        if self.busy.get() {
            return false;
        }
        self.set_busy(true);
        self.shared.set_problem(Problem::None);
        true
    }

    /// The person asks for another screen. One that cannot be reached from here is the stage's own.
    pub(super) fn go(self: &Rc<Self>, screen: Screen) {
        if self.busy.get() && self.begun.borrow().is_some() {
            return;
        }
        let screen = if self.reaches(screen) { screen } else { self.stage.get().first() };
        self.notes.save_now();
        if screen != Screen::Unlock {
            self.forget_mending();
        }
        self.shared.session(|session| session.set_pin_changed(false));
        self.shared.show(screen);
        if screen != Screen::SetPin {
            *self.begun.borrow_mut() = None;
        }
        // The open note or document stays open while settings are looked at.
        if matches!(screen, Screen::Home) {
            self.notes.leave();
            self.documents.leave();
        }
    }

    /// The code and the server, kept until the PIN is chosen.
    pub(super) fn begin(self: &Rc<Self>, code: SharedString, server: SharedString) {
        if self.busy.get() || !self.reaches(Screen::Enrol) {
            return;
        }
        let Some(server) = address(&server) else {
            return self.shared.set_problem(Problem::AddressInvalid);
        };
        match ActivationCode::parse(&code) {
            Ok(code) => {
                self.shared.session(|session| session.set_server(server.as_str().into()));
                *self.begun.borrow_mut() = Some(Begun { code, server });
                self.shared.show(Screen::SetPin);
                self.shared.set_problem(Problem::None);
            }
            Err(_) => self.shared.set_problem(Problem::CodeInvalid),
        }
    }

    /// The PIN was chosen: enrols, and opens the vault with it.
    pub(super) async fn set_pin(self: Rc<Self>, first: Zeroizing<String>, second: Zeroizing<String>) {
        if first != second {
            return self.shared.set_problem(Problem::PinsDiffer);
        }
        let request = self.begun.borrow().as_ref().map(|begun| EnrolRequest {
            code: begun.code.clone(),
            server: begun.server.clone(),
            pin: first.clone(),
            pins: Vec::new(),
        });
        let (Some(request), Some(engine)) = (request, self.shared.engine()) else { return };
        if !self.begin_act() {
            return;
        }
        match engine.enrol(request).await {
            Ok(_) => {
                self.enrol_again.set(false);
                let unlocked = engine.unlock(first).await;
                *self.begun.borrow_mut() = None;
                self.set_busy(false);
                self.refresh().await;
                self.show_unlock_outcome(unlocked.err());
            }
            Err(error) => {
                tracing::info!(%error, "the enrolment did not succeed");
                self.set_busy(false);
                self.show_enrol_error(&error);
            }
        }
    }

    fn show_enrol_error(&self, error: &EnrolError) {
        if let EnrolError::PinLength { min } = error {
            self.shared.session(|session| session.set_pin_min_length(i32::from(*min)));
        }
        let problem = problem::of_enrol(error);
        if problem::is_of_code_or_address(problem) {
            *self.begun.borrow_mut() = None;
            self.shared.show(Screen::Enrol);
        }
        self.shared.set_problem(problem);
    }

    /// Opens the vault.
    pub(super) async fn unlock(self: Rc<Self>, pin: Zeroizing<String>) {
        let Some(engine) = self.shared.engine() else { return };
        if self.stage.get() != Stage::Locked || !self.begin_act() {
            return;
        }
        let way = self.damage.mending();
        let (outcome, mended) = match way {
            Some(way) => engine.mend(way, pin).await,
            None => (engine.unlock(pin).await, None),
        };
        self.set_busy(false);
        self.refresh().await;
        match outcome {
            Err(error) if self.found_damage(&error) => {}
            outcome => self.show_unlock_outcome(outcome.err()),
        }
        if let Some(mended) = mended {
            self.mended(mended);
        }
    }

    /// Puts another PIN in the place of the one that holds.
    pub(super) async fn change_pin(self: Rc<Self>, old: Zeroizing<String>, new: Zeroizing<String>) {
        let Some(engine) = self.shared.engine() else { return };
        if self.stage.get() != Stage::Open || !self.begin_act() {
            return;
        }
        let outcome = engine.change_pin(old, new).await;
        self.set_busy(false);
        self.refresh().await;
        match outcome {
            Ok(()) if self.stage.get() == Stage::Open => {
                self.shared.show(Screen::Settings);
                self.shared.session(|session| session.set_pin_changed(true));
            }
            Ok(()) => {}
            Err(error) => self.show_change_error(&error),
        }
    }

    fn show_change_error(&self, error: &ChangePinError) {
        tracing::info!(%error, "the PIN is not changed");
        let (problem, attempts) = problem::of_change_pin(error);
        self.shared.session(|session| {
            session.set_attempts_left(attempts.map_or(-1, i32::from));
            if let ChangePinError::PinLength { min } = error {
                session.set_pin_min_length(i32::from(*min));
            }
        });
        // An answer that was lost has closed the vault; what a command has made of it is on its own screen.
        if matches!(self.stage.get(), Stage::Open | Stage::Locked) {
            self.set_pin_problem(problem);
        }
    }

    fn show_unlock_outcome(&self, error: Option<UnlockError>) {
        let (problem, attempts) = error.as_ref().map_or((Problem::None, None), problem::of_unlock);
        self.shared.session(|session| session.set_attempts_left(attempts.map_or(-1, i32::from)));
        if let Some(UnlockError::EnrolAgain) = error {
            self.enrol_again.set(true);
            self.shared.show(Screen::Enrol);
        }
        // What a command has made of it is on its own screen by now.
        if error.is_some() && matches!(self.stage.get(), Stage::Locked) {
            self.set_pin_problem(problem);
        }
    }

    /// That the next PIN has to wait is said as long as it has to.
    fn set_pin_problem(&self, problem: Problem) {
        self.shared.set_problem(if problem == Problem::PinWaits { Problem::None } else { problem });
    }

    /// Closes the vault, having stored what was typed. What cannot be stored is kept until it can.
    pub(super) async fn lock(self: Rc<Self>) {
        let Some(engine) = self.shared.engine().filter(|_| self.shared.is_open()) else { return };
        let saved = self.notes.flush().await;
        if let Err(error) = engine.lock().await {
            tracing::error!(%error, "the vault is not locked");
        }
        self.refresh().await;
        if let Err(problem) = saved {
            self.shared.set_problem(problem);
        }
    }

    /// Tries again: the home, or the server.
    pub(super) fn retry(self: &Rc<Self>) {
        match self.shared.engine() {
            None => self.open_home(),
            Some(engine) => engine.stay_connected(),
        }
    }

    /// The window is to be closed. Where something typed cannot be stored, the first try only says so.
    pub(crate) async fn close(self: Rc<Self>, at_once: bool) {
        if let Err(problem) = self.notes.flush().await
            && !at_once
            && !self.close_refused.replace(true)
        {
            return self.shared.set_problem(problem);
        }
        if let Some(engine) = self.shared.engine()
            && let Err(error) = engine.lock().await
        {
            tracing::error!(%error, "the vault is not locked");
        }
        self.closed();
        self.finish(End::Closed);
    }
}

/// `host:port` without blanks; the port that servers use where none is typed.
fn address(typed: &str) -> Option<String> {
    const PORT: &str = "4433";
    let typed = typed.trim();
    let (host, port) = match typed.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, port),
        _ => (typed, PORT),
    };
    let is_host = !host.is_empty() && host.len() <= 255 && !host.chars().any(char::is_whitespace);
    let is_port = port.parse::<u16>().is_ok_and(|port| port > 0);
    (is_host && is_port).then(|| format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_without_a_port_gets_the_usual_one() {
        assert_eq!(address(" mdm.example.lg.jp ").as_deref(), Some("mdm.example.lg.jp:4433"));
        assert_eq!(address("127.0.0.1:20001").as_deref(), Some("127.0.0.1:20001"));
        assert_eq!(address("[::1]:4433").as_deref(), Some("[::1]:4433"));
        for typed in ["", ":4433", "host:", "host:0", "host:70000", "two words", "host:port"] {
            assert_eq!(address(typed), None, "{typed:?}");
        }
    }
}
