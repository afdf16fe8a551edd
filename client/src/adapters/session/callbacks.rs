//! The session's callbacks, each wired to its act.

use std::rc::Rc;

use client_ui::Screen;
use zeroize::Zeroizing;

use super::Session;
use crate::adapters::shared::spawn;

/// Wires callbacks to acts, as long as the session lives.
macro_rules! answer {
    ($this:ident, $global:ident: $($on:ident($($argument:ident),*) => $act:expr;)*) => { $({
        let session = Rc::downgrade($this);
        $global.$on(move |$($argument),*| {
            if let Some(session) = session.upgrade() {
                ($act)(session, $($argument),*);
            }
        });
    })* };
}

impl Session {
    pub(super) fn answer_callbacks(self: &Rc<Self>) {
        self.shared.session(|global| {
            answer! { self, global:
                on_accept_consent() => |session: Rc<Self>| session.go(Screen::Enrol);
                on_enrol(code, server) => |session: Rc<Self>, code, server| session.begin(code, server);
                on_set_pin(first, second) => |session: Rc<Self>, first, second| {
                    spawn(session.set_pin(secret(&first), secret(&second)));
                };
                on_unlock(pin) => |session: Rc<Self>, pin| spawn(session.unlock(secret(&pin)));
                on_change_pin(old, new) => |session: Rc<Self>, old, new| {
                    spawn(session.change_pin(secret(&old), secret(&new)));
                };
                on_mend(way) => |session: Rc<Self>, way| session.mend(way);
                on_lock() => |session: Rc<Self>| spawn(session.lock());
                on_go(screen) => |session: Rc<Self>, screen| session.go(screen);
                on_set_language(code) => |session: Rc<Self>, code: slint::SharedString| session.look.set_language(&code);
                on_activity() => |session: Rc<Self>| session.rest_idle();
                on_retry() => |session: Rc<Self>| session.retry();
            }
        });
    }
}

/// The screen's own copy is dropped by the screen.
fn secret(text: &slint::SharedString) -> Zeroizing<String> {
    Zeroizing::new(text.to_string())
}
