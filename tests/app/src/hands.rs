//! Hands on the app: finds what is on the screen by what a person would call it, touches and types, and waits.
//!
//! The app runs on the main thread with a real event loop, real time and the guarded platform around the testing backend; the
//! story runs beside it. Nothing reaches into the app but by events that a window gets, and what is looked at is what
//! accessibility clients see.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use client::platform::install_around;
use client::{App, End, Options};
use client_ui as ui;
use client_ui::Screen;
use e2e::world::wait;
use i_slint_backend_testing::{
    AccessibleRole, ElementHandle, ElementQuery, TestingBackend, TestingBackendOptions,
};
use i_slint_core::platform::{Clipboard, Key, Platform as _, PointerEventButton, WindowEvent};
use slint::{ComponentHandle as _, Global as _, LogicalPosition, LogicalSize, SharedString};

/// The phone that the screens were designed on.
const PHONE: LogicalSize = LogicalSize { width: 390.0, height: 844.0 };

/// Opens the app without a display and lets `story` handle it; ends it with the story. `outside` is what other apps have
/// left in the clipboard.
pub fn play(options: Options, outside: &str, story: impl FnOnce(Hands) + Send + 'static) -> End {
    let backend = TestingBackend::new(TestingBackendOptions {
        mock_time: false,
        threading: true,
        renderer_name: Some("software".into()),
    });
    backend.set_clipboard_text(outside, Clipboard::DefaultClipboard);
    let clipboard = install_around(backend).expect("no other platform in this process");
    let app = App::start(options, clipboard).expect("the app starts");
    let (told, screens) = mpsc::channel();
    app.watch_screens(move |screen| {
        // The story may have ended before the app.
        let _: Result<(), mpsc::SendError<Screen>> = told.send(screen);
    });
    app.window().window().set_size(PHONE);
    app.window().window().dispatch_event(WindowEvent::WindowActiveChanged(true));
    let ended = Arc::new(AtomicBool::new(false));
    let hands =
        Hands { window: app.window().as_weak(), agent: app.agent(), screens, ended: Arc::clone(&ended) };
    let story = thread::spawn(move || {
        let _end = EndWithStory;
        story(hands);
    });
    let end = app.run().expect("the event loop runs");
    ended.store(true, Ordering::Release);
    if let Err(panic) = story.join() {
        std::panic::resume_unwind(panic);
    }
    end
}

/// Ends the event loop also when the story fails.
struct EndWithStory;

impl Drop for EndWithStory {
    fn drop(&mut self) {
        // One that has ended already needs no end.
        if let Err(error) = slint::quit_event_loop() {
            eprintln!("the event loop was not ended: {error}");
        }
    }
}

/// What a story holds.
pub struct Hands {
    window: slint::Weak<ui::App>,
    agent: Option<Arc<client_agent::Agent>>,
    screens: mpsc::Receiver<Screen>,
    ended: Arc<AtomicBool>,
}

impl Hands {
    /// The agent behind the screens, as the app began; for what no screen does.
    pub fn agent(&self) -> &client_agent::Agent {
        self.agent.as_ref().expect("a home that could be opened")
    }

    /// Runs `act` in the event loop.
    pub fn with<T: Send + 'static>(&self, act: impl FnOnce(&ui::App) -> T + Send + 'static) -> T {
        let (answer, answered) = mpsc::channel();
        let asked = self.window.upgrade_in_event_loop(move |app| drop(answer.send(act(&app))));
        asked.expect("the event loop is there");
        answered.recv_timeout(wait::DEADLINE).expect("the event loop answers")
    }

    /// The session's properties.
    pub fn session<T: Send + 'static>(&self, look: impl FnOnce(ui::Session<'_>) -> T + Send + 'static) -> T {
        self.with(|app| look(ui::Session::get(app)))
    }

    /// Waits until `look` finds something; says what is on the screen if it does not.
    pub fn wait<T: Send + 'static>(
        &self,
        what: &str,
        look: impl Fn(&ui::App) -> Option<T> + Send + Clone + 'static,
    ) -> T {
        let found = wait::within(wait::DEADLINE, || {
            let look = look.clone();
            self.with(move |app| look(app))
        });
        found.unwrap_or_else(|| {
            panic!("waited in vain for {what}; on the screen:\n{}", self.seen().join("\n"))
        })
    }

    /// Waits for a screen.
    pub fn wait_for_screen(&self, screen: Screen) {
        self.wait(&format!("{screen:?}"), move |app| {
            (ui::Session::get(app).get_screen() == screen && !ui::Session::get(app).get_busy()).then_some(())
        });
    }

    /// The screens that were shown since this was asked last, without repetitions.
    pub fn screens(&self) -> Vec<Screen> {
        let mut screens: Vec<_> = self.screens.try_iter().collect();
        screens.dedup();
        screens
    }

    /// Waits until these screens, one after the other, are the last that were shown since [`Hands::screens`] was asked.
    pub fn wait_for_screens(&self, expected: &[Screen]) {
        let mut seen = Vec::new();
        let found = wait::within(wait::DEADLINE, || {
            seen.extend(self.screens());
            seen.dedup();
            seen.ends_with(expected).then_some(())
        });
        assert!(found.is_some(), "waited in vain for {expected:?}; shown were {seen:?}");
    }

    /// Waits for an element that is called so.
    pub fn wait_for(&self, label: &str) {
        let label = label.to_owned();
        self.wait(&label.clone(), move |app| find(app, &label).map(drop));
    }

    /// Waits for an element whose name or text begins so, and gives all of it.
    pub fn wait_for_text(&self, beginning: &str) -> String {
        let beginning = beginning.to_owned();
        self.wait(&beginning.clone(), move |app| {
            texts(app).into_iter().find(|text| text.starts_with(&beginning))
        })
    }

    /// Everything on the screen that has a name.
    pub fn seen(&self) -> Vec<String> {
        self.with(texts)
    }

    /// What an accessibility client reads in a field.
    pub fn value(&self, label: &str) -> String {
        let label = label.to_owned();
        self.wait(&label.clone(), move |app| find(app, &label)?.accessible_value()).to_string()
    }

    /// Waits until the element is there and can be used, and touches it.
    pub fn touch(&self, label: &str) {
        let label = label.to_owned();
        self.wait(&label.clone(), move |app| {
            let element = find(app, &label).filter(|element| element.accessible_enabled() != Some(false))?;
            let (size, at) = (element.size(), element.absolute_position());
            let position = LogicalPosition::new(at.x + size.width / 2.0, at.y + size.height / 2.0);
            let button = PointerEventButton::Left;
            app.window().dispatch_event(WindowEvent::PointerMoved { position });
            app.window().dispatch_event(WindowEvent::PointerPressed { position, button });
            app.window().dispatch_event(WindowEvent::PointerReleased { position, button });
            Some(())
        });
    }

    /// Types text where the focus is.
    pub fn write(&self, text: &str) {
        let text = text.to_owned();
        self.with(move |app| {
            for character in text.chars() {
                let text = if character == '\n' { Key::Return.into() } else { SharedString::from(character) };
                press(app, text);
            }
        });
    }

    /// Types text into a field.
    pub fn write_into(&self, label: &str, text: &str) {
        self.touch(label);
        self.write(text);
    }

    /// Holds Control and types.
    pub fn control(&self, text: &str) {
        let text = SharedString::from(text);
        self.with(move |app| {
            app.window().dispatch_event(WindowEvent::KeyPressed { text: Key::Control.into() });
            press(app, text);
            app.window().dispatch_event(WindowEvent::KeyReleased { text: Key::Control.into() });
        });
    }

    /// Types a PIN on the pad and confirms with a button.
    pub fn type_pin(&self, pin: &str, button: &str) {
        for digit in pin.chars() {
            self.touch(&digit.to_string());
        }
        self.touch(button);
    }

    /// Waits until the app has ended by itself.
    pub fn wait_for_end(&self) {
        let ended = wait::within(wait::DEADLINE, || self.ended.load(Ordering::Acquire).then_some(()));
        assert!(ended.is_some(), "the app does not end; on the screen:\n{}", self.seen().join("\n"));
    }

    /// Closes the window as the person would.
    pub fn close_window(&self) {
        self.with(|app| app.window().dispatch_event(WindowEvent::CloseRequested));
    }
}

fn press(app: &ui::App, text: SharedString) {
    app.window().dispatch_event(WindowEvent::KeyPressed { text: text.clone() });
    app.window().dispatch_event(WindowEvent::KeyReleased { text });
}

/// The control that is called so; where there is none, the text that says so.
fn find(app: &ui::App, label: &str) -> Option<ElementHandle> {
    let found: Vec<_> = ElementHandle::find_by_accessible_label(app, label).collect();
    let is_control = |element: &&ElementHandle| {
        !matches!(element.accessible_role(), None | Some(AccessibleRole::None | AccessibleRole::Text))
    };
    found.iter().find(is_control).or(found.first()).cloned()
}

fn texts(app: &ui::App) -> Vec<String> {
    let elements = ElementQuery::from_root(app).find_all();
    let labels = elements.into_iter().filter_map(|element| element.accessible_label());
    labels.map(|label| label.to_string()).filter(|label| !label.is_empty()).collect()
}
