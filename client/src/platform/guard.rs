//! A platform that is another one, except for what leads out of the app: both clipboards and the opening of addresses.

use std::fmt;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::Duration;

use i_slint_core::{InternalToken, SlintContextWeak};
use slint::PlatformError;
use slint::platform::{Clipboard, EventLoopProxy, Platform, WindowAdapter};

use super::clipboard::AppClipboard;

/// A guard around a platform. No widget, shortcut, menu, drag or selection of the toolkit goes round it: all of them end in
/// the platform's clipboard methods.
pub struct GuardedPlatform<P> {
    inner: P,
    clipboard: AppClipboard,
}

impl<P: Platform> GuardedPlatform<P> {
    /// A guard around `inner`.
    pub fn new(inner: P, clipboard: AppClipboard) -> Self {
        Self { inner, clipboard }
    }
}

impl<P: Platform> Platform for GuardedPlatform<P> {
    fn set_clipboard_text(&self, text: &str, clipboard: Clipboard) {
        self.clipboard.keep(text, &clipboard, || self.inner.clipboard_text(clipboard.clone()));
    }

    fn clipboard_text(&self, clipboard: Clipboard) -> Option<String> {
        self.clipboard.text(&clipboard, || self.inner.clipboard_text(clipboard.clone()))
    }

    fn open_url(&self, _url: &str) -> Result<(), PlatformError> {
        Err(PlatformError::Unsupported)
    }

    // From here on the inner platform's. Also the methods that the toolkit hides: the inner one does not work without.

    fn create_window_adapter(&self) -> Result<Rc<dyn WindowAdapter>, PlatformError> {
        self.inner.create_window_adapter()
    }

    fn run_event_loop(&self) -> Result<(), PlatformError> {
        self.inner.run_event_loop()
    }

    fn process_events(
        &self,
        timeout: Option<Duration>,
        token: InternalToken,
    ) -> Result<ControlFlow<()>, PlatformError> {
        self.inner.process_events(timeout, token)
    }

    fn bind_context(&self, context: SlintContextWeak, token: InternalToken) {
        self.inner.bind_context(context, token);
    }

    fn new_event_loop_proxy(&self) -> Option<Box<dyn EventLoopProxy>> {
        self.inner.new_event_loop_proxy()
    }

    fn duration_since_start(&self) -> Duration {
        self.inner.duration_since_start()
    }

    fn click_interval(&self) -> Duration {
        self.inner.click_interval()
    }

    fn cursor_flash_cycle(&self) -> Duration {
        self.inner.cursor_flash_cycle()
    }

    fn debug_log(&self, arguments: fmt::Arguments<'_>) {
        self.inner.debug_log(arguments);
    }

    #[cfg(target_os = "android")]
    fn long_press_interval(&self, token: InternalToken) -> Duration {
        self.inner.long_press_interval(token)
    }
}

#[cfg(test)]
mod tests;
