//! The app's window without a display, without an agent.

use std::time::Duration;

use client_ui::{App, ColourChoice, Look, Session, TextSize};
use i_slint_backend_testing::{
    AccessibleRole, ElementHandle, TestingBackend, TestingBackendOptions, mock_elapsed_time,
};
use slint::platform::{Key, PointerEventButton, WindowEvent};
use slint::{ComponentHandle, LogicalSize, Rgba8Pixel, SharedPixelBuffer, SharedString};

use super::content::{self, Scene};

/// How a scene is looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View {
    /// "ja" or "en".
    pub(crate) language: &'static str,
    pub(crate) colours: ColourChoice,
    pub(crate) text: TextSize,
    pub(crate) high_contrast: bool,
    pub(crate) size: (f32, f32),
}

impl View {
    /// The phone that the screens were designed on.
    pub(crate) const PHONE: Self = Self {
        language: "ja",
        colours: ColourChoice::Light,
        text: TextSize::Standard,
        high_contrast: false,
        size: (390.0, 844.0),
    };
}

/// Makes the platform and the window: once per process.
pub(crate) fn open() -> App {
    let backend = TestingBackend::new(TestingBackendOptions {
        mock_time: true,
        threading: false,
        renderer_name: Some("software".into()),
    });
    slint::platform::set_platform(Box::new(backend)).expect("no other platform in this process");
    let app = App::new().expect("a window");
    app.show().expect("a visible window");
    app
}

/// Shows a scene and lets it come to rest. The screen is made anew, as when the person comes to it.
pub(crate) fn show(app: &App, scene: &Scene, view: View) {
    slint::select_bundled_translation(view.language).expect("a language that is bundled");
    app.global::<Session<'_>>().set_language(view.language.into());
    app.global::<Look<'_>>().set_colours(view.colours);
    app.global::<Look<'_>>().set_text_size(view.text);
    app.global::<Look<'_>>().set_high_contrast(view.high_contrast);
    app.window().set_size(LogicalSize::new(view.size.0, view.size.1));
    content::leave(app);
    settle();
    (scene.fill)(app, view.language);
    settle();
    if let Some((japanese, english)) = scene.pressed {
        press(app, if view.language == "ja" { japanese } else { english });
    }
    keys(app, scene.typed);
    settle();
}

/// Timers, change handlers and repeated elements.
pub(super) fn settle() {
    for _ in 0..4 {
        mock_elapsed_time(Duration::from_millis(500));
    }
}

/// Presses the button or tab of this name.
pub(super) fn press(app: &App, label: &str) {
    let mut found = ElementHandle::find_by_accessible_label(app, label).filter(|element| {
        matches!(element.accessible_role(), Some(AccessibleRole::Button | AccessibleRole::Tab))
    });
    let found = found.next().unwrap_or_else(|| panic!("nothing to press is called `{label}`"));
    found.mock_single_click(PointerEventButton::Left);
    settle();
}

/// Types, character by character.
pub(super) fn keys(app: &App, text: &str) {
    for character in text.chars() {
        key(app, character.to_string().into());
    }
}

/// Presses and releases one key.
pub(super) fn key(app: &App, text: SharedString) {
    app.window().dispatch_event(WindowEvent::KeyPressed { text: text.clone() });
    app.window().dispatch_event(WindowEvent::KeyReleased { text });
    mock_elapsed_time(Duration::from_millis(20));
}

/// Presses a key while Control is held.
pub(super) fn with_control(app: &App, text: &str) {
    app.window().dispatch_event(WindowEvent::KeyPressed { text: Key::Control.into() });
    key(app, text.into());
    app.window().dispatch_event(WindowEvent::KeyReleased { text: Key::Control.into() });
}

/// What the window shows.
pub(super) fn snapshot(app: &App) -> SharedPixelBuffer<Rgba8Pixel> {
    app.window().take_snapshot().expect("the software renderer draws without a display")
}
