use std::cell::RefCell;
use std::collections::BTreeMap;

use shared::policy::ClipboardMode;

use super::*;

/// A platform that writes down what reaches it, and has a clipboard that other apps fill.
#[derive(Default)]
struct Recorder {
    calls: RefCell<Vec<&'static str>>,
    outside: RefCell<BTreeMap<u8, String>>,
}

impl Recorder {
    fn note(&self, call: &'static str) {
        self.calls.borrow_mut().push(call);
    }
}

impl Platform for &'static Recorder {
    fn create_window_adapter(&self) -> Result<Rc<dyn WindowAdapter>, PlatformError> {
        self.note("create_window_adapter");
        Err(PlatformError::NoPlatform)
    }

    fn run_event_loop(&self) -> Result<(), PlatformError> {
        self.note("run_event_loop");
        Ok(())
    }

    fn process_events(
        &self,
        _: Option<Duration>,
        _: InternalToken,
    ) -> Result<ControlFlow<()>, PlatformError> {
        self.note("process_events");
        Ok(ControlFlow::Continue(()))
    }

    fn bind_context(&self, _: SlintContextWeak, _: InternalToken) {
        self.note("bind_context");
    }

    fn new_event_loop_proxy(&self) -> Option<Box<dyn EventLoopProxy>> {
        self.note("new_event_loop_proxy");
        None
    }

    fn duration_since_start(&self) -> Duration {
        Duration::from_secs(7)
    }

    fn click_interval(&self) -> Duration {
        Duration::from_secs(8)
    }

    fn cursor_flash_cycle(&self) -> Duration {
        Duration::from_secs(9)
    }

    fn set_clipboard_text(&self, text: &str, clipboard: Clipboard) {
        self.note("set_clipboard_text");
        self.outside.borrow_mut().insert(clipboard as u8, text.to_owned());
    }

    fn clipboard_text(&self, clipboard: Clipboard) -> Option<String> {
        self.note("clipboard_text");
        self.outside.borrow().get(&(clipboard as u8)).cloned()
    }

    fn debug_log(&self, _: fmt::Arguments<'_>) {
        self.note("debug_log");
    }

    fn open_url(&self, _: &str) -> Result<(), PlatformError> {
        self.note("open_url");
        Ok(())
    }
}

fn guarded(mode: ClipboardMode) -> (&'static Recorder, GuardedPlatform<&'static Recorder>, AppClipboard) {
    let recorder: &'static Recorder = Box::leak(Box::default());
    let clipboard = AppClipboard::default();
    clipboard.set_mode(mode);
    (recorder, GuardedPlatform::new(recorder, clipboard.clone()), clipboard)
}

const BOTH: [Clipboard; 2] = [Clipboard::DefaultClipboard, Clipboard::SelectionClipboard];

#[test]
fn nothing_is_ever_copied_out() {
    for mode in
        [ClipboardMode::Blocked, ClipboardMode::Inside, ClipboardMode::InsideIn, ClipboardMode::Unknown]
    {
        let (recorder, platform, _) = guarded(mode);
        for which in BOTH {
            platform.set_clipboard_text("inside", which);
        }
        assert!(recorder.outside.borrow().is_empty(), "{mode:?}");
    }
}

#[test]
fn inside_is_pasted_inside_and_nothing_else_comes_in() {
    let (recorder, platform, clipboard) = guarded(ClipboardMode::Inside);
    for which in BOTH {
        (&recorder).set_clipboard_text("outside", which.clone());
        assert_eq!(platform.clipboard_text(which.clone()), None);
        platform.set_clipboard_text("inside", which.clone());
        assert_eq!(platform.clipboard_text(which).as_deref(), Some("inside"));
    }
    clipboard.clear();
    assert!(BOTH.into_iter().all(|which| platform.clipboard_text(which).is_none()));
    assert!(!recorder.calls.borrow().contains(&"clipboard_text"), "the outside is not even looked at");
}

#[test]
fn where_text_may_come_in_the_clipboard_that_was_filled_last_is_pasted() {
    let (recorder, platform, _) = guarded(ClipboardMode::InsideIn);
    let paste = || platform.clipboard_text(Clipboard::DefaultClipboard);
    let elsewhere = |text| (&recorder).set_clipboard_text(text, Clipboard::DefaultClipboard);
    assert_eq!(paste(), None);
    elsewhere("code");
    assert_eq!(paste().as_deref(), Some("code"));
    platform.set_clipboard_text("inside", Clipboard::DefaultClipboard);
    assert_eq!(paste().as_deref(), Some("inside"));
    elsewhere("newer");
    assert_eq!(paste().as_deref(), Some("newer"));
}

#[test]
fn where_text_may_come_in_a_selection_made_inside_wins() {
    let (recorder, platform, _) = guarded(ClipboardMode::InsideIn);
    (&recorder).set_clipboard_text("outside", Clipboard::SelectionClipboard);
    assert_eq!(platform.clipboard_text(Clipboard::SelectionClipboard).as_deref(), Some("outside"));
    platform.set_clipboard_text("inside", Clipboard::SelectionClipboard);
    assert_eq!(platform.clipboard_text(Clipboard::SelectionClipboard).as_deref(), Some("inside"));
}

#[test]
fn a_block_forgets_what_was_copied_before() {
    let (_, platform, clipboard) = guarded(ClipboardMode::Inside);
    platform.set_clipboard_text("inside", Clipboard::DefaultClipboard);
    clipboard.set_mode(ClipboardMode::Blocked);
    clipboard.set_mode(ClipboardMode::Inside);
    assert_eq!(platform.clipboard_text(Clipboard::DefaultClipboard), None);
}

#[test]
fn no_address_is_opened() {
    let (recorder, platform, _) = guarded(ClipboardMode::InsideIn);
    assert!(platform.open_url("https://example.org/?note=text").is_err());
    assert!(recorder.calls.borrow().is_empty());
}

#[test]
fn everything_else_is_the_inner_platforms() {
    let (recorder, platform, _) = guarded(ClipboardMode::Inside);
    assert!(platform.create_window_adapter().is_err());
    platform.run_event_loop().unwrap();
    assert!(platform.process_events(None, InternalToken).unwrap().is_continue());
    assert!(platform.new_event_loop_proxy().is_none());
    platform.debug_log(format_args!("said"));
    let calls =
        ["create_window_adapter", "run_event_loop", "process_events", "new_event_loop_proxy", "debug_log"];
    assert_eq!(*recorder.calls.borrow(), calls);
    assert_eq!(platform.duration_since_start(), Duration::from_secs(7));
    assert_eq!(platform.click_interval(), Duration::from_secs(8));
    assert_eq!(platform.cursor_flash_cycle(), Duration::from_secs(9));
}

#[test]
fn the_context_is_bound_to_the_inner_platform() {
    // A context binds the platform that it is made with.
    let (recorder, platform, _) = guarded(ClipboardMode::Inside);
    drop(i_slint_core::SlintContext::new(Box::new(platform)));
    assert!(recorder.calls.borrow().contains(&"bind_context"));
}
