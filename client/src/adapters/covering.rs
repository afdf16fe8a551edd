//! What lies over the open vault: a cover while the window is not in front, and the mark of this device.

use std::rc::Rc;

use client_ui as ui;
use i_slint_core::properties::ChangeTracker;
use i_slint_core::window::WindowInner;
use shared::ids::EnrolmentId;
use slint::{ComponentHandle as _, Global as _};

use super::shared::Shared;

/// Covers the window while another one is in front, as long as this lives.
///
/// The toolkit tells no one when a window comes to the front or leaves it, but has a property of it that can be followed.
pub(super) struct Cover {
    _follows: ChangeTracker,
}

impl Cover {
    pub(super) fn start(shared: &Rc<Shared>) -> Self {
        let follows = ChangeTracker::default();
        shared.with_window(|window| {
            let session = ui::Session::get(window);
            let weak = window.as_weak();
            session.on_uncover(move || cover(&weak, false));
            follows.init(
                window.as_weak(),
                |window| {
                    window.upgrade().is_some_and(|window| WindowInner::from_pub(window.window()).active())
                },
                |window, is_in_front| cover(window, !is_in_front),
            );
        });
        Self { _follows: follows }
    }
}

fn cover(window: &slint::Weak<ui::App>, covered: bool) {
    if let Some(window) = window.upgrade() {
        ui::Session::get(&window).set_covered(covered);
    }
}

/// What a photograph of the screen says: by which device, and on which day. Whose device that is, the console knows; this one does not.
pub(super) fn mark(enrolment: Option<EnrolmentId>, today: jiff::civil::Date) -> String {
    enrolment.map_or_else(String::new, |enrolment| format!("{enrolment}\n{today}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_named_once_it_is_enrolled() {
        let today = jiff::civil::date(2027, 4, 1);
        assert_eq!(mark(None, today), "");
        let enrolment = EnrolmentId::from_bytes([0x11; 16]);
        assert_eq!(mark(Some(enrolment), today), format!("{enrolment}\n2027-04-01"));
    }
}
