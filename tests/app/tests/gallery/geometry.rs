//! Rules that hold for every control on every screen: a finger hits it, a name says what it is, nothing covers it.

use std::collections::BTreeMap;

use client_ui::{App, TextSize};
use i_slint_backend_testing::{AccessibleRole, ElementHandle, ElementQuery};

use super::content::SCENES;
use super::stage::{self, View};

/// Smallest side of what is touched, in logical pixels.
const FINGER: f32 = 44.0;
/// Rounding of positions.
const SLACK: f32 = 0.6;
/// High enough that no screen scrolls.
const TALL: f32 = 2400.0;
const SIZES: [(f32, f32); 3] = [(390.0, 844.0), (360.0, 640.0), (1280.0, 800.0)];

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Seen {
    enabled: bool,
    role: AccessibleRole,
    label: String,
    x: f32,
    y: f32,
    width: f32,
    height: f32,
}

impl Seen {
    fn is_control(&self) -> bool {
        use AccessibleRole::{
            Button, Checkbox, Combobox, RadioButton, Slider, Spinbox, Switch, Tab, TextInput,
        };
        matches!(
            self.role,
            Button | Checkbox | Combobox | RadioButton | Slider | Spinbox | Switch | Tab | TextInput
        )
    }

    pub(super) fn is_enabled_control(&self) -> bool {
        self.enabled && self.is_control()
    }

    pub(super) fn holds(&self, x: f32, y: f32) -> bool {
        self.x <= x && x <= self.x + self.width && self.y <= y && y <= self.y + self.height
    }

    pub(super) fn area(&self) -> f32 {
        self.width * self.height
    }

    fn covers(&self, other: &Self) -> bool {
        self.x + SLACK < other.x + other.width
            && other.x + SLACK < self.x + self.width
            && self.y + SLACK < other.y + other.height
            && other.y + SLACK < self.y + self.height
    }
}

/// Sizes, names, overlaps and the window's edges, for each screen, language and size of text.
pub(super) fn controls() {
    let app = stage::open();
    let mut complaints = Vec::new();
    let mut counted = 0;
    for language in ["ja", "en"] {
        for text in [TextSize::Standard, TextSize::Largest] {
            for (width, height) in SIZES {
                for scene in SCENES {
                    let at = format!("{} {language} {text:?} {width}x{height}", scene.name);
                    let view = View { language, text, size: (width, height), ..View::PHONE };
                    stage::show(&app, scene, view);
                    look_across(&everything(&app), width, &at, &mut complaints);
                    stage::show(&app, scene, View { size: (width, TALL), ..view });
                    let seen = everything(&app);
                    counted += seen.iter().filter(|seen| seen.is_control()).count();
                    look_at_controls(&seen, &at, &mut complaints);
                }
            }
        }
    }
    assert!(counted > 500, "the search finds the controls: {counted}");
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

/// Compares the height of each text in a low window with what it takes where there is room for everything.
pub(super) fn squeezed_text() {
    let app = stage::open();
    let mut complaints = Vec::new();
    let mut compared = 0;
    for language in ["ja", "en"] {
        for text in [TextSize::Standard, TextSize::Largest] {
            for (width, height) in SIZES {
                for scene in SCENES {
                    let view = View { language, text, size: (width, height), ..View::PHONE };
                    stage::show(&app, scene, view);
                    let low = texts(&app);
                    stage::show(&app, scene, View { size: (width, TALL), ..view });
                    for (label, needed) in texts(&app) {
                        // What is scrolled out of sight is not found.
                        let Some(given) = low.get(&label) else { continue };
                        compared += 1;
                        if given + SLACK < needed {
                            complaints.push(format!(
                                "{} {language} {text:?} {width}x{height}: `{label}` needs {needed}, has {given}",
                                scene.name
                            ));
                        }
                    }
                }
            }
        }
    }
    assert!(compared > 500, "the search finds the texts: {compared}");
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

fn look_across(seen: &[Seen], width: f32, at: &str, complaints: &mut Vec<String>) {
    let outside = seen.iter().filter(|seen| seen.x < -SLACK || seen.x + seen.width > width + SLACK);
    complaints.extend(outside.map(|seen| format!("{at}: outside the window: {seen:?}")));
}

fn look_at_controls(seen: &[Seen], at: &str, complaints: &mut Vec<String>) {
    let controls: Vec<_> = seen.iter().filter(|seen| seen.is_control()).collect();
    for (number, control) in controls.iter().enumerate() {
        if control.width < FINGER || control.height < FINGER {
            complaints.push(format!("{at}: too small for a finger: {control:?}"));
        }
        if control.label.is_empty() {
            complaints.push(format!("{at}: has no name: {control:?}"));
        }
        if control.y < -SLACK || control.y + control.height > TALL + SLACK {
            complaints.push(format!("{at}: above or below the window: {control:?}"));
        }
        for other in &controls[number + 1..] {
            if control.covers(other) && !within(control, other) {
                complaints.push(format!("{at}: {control:?} lies over {other:?}"));
            }
        }
    }
}

/// The button that clears a search stands in the room that the field leaves for it.
fn within(field: &Seen, button: &Seen) -> bool {
    field.role == AccessibleRole::TextInput
        && button.role == AccessibleRole::Button
        && button.x > field.x + field.width / 2.0
}

/// Everything that has a role, without what is scrolled out of sight.
pub(super) fn everything(app: &App) -> Vec<Seen> {
    let found = ElementQuery::from_root(app)
        .match_predicate(|element| element.accessible_role().is_some_and(|role| role != AccessibleRole::None))
        .find_all();
    let mut seen: Vec<_> = found.iter().filter_map(seen).collect();
    // Elements that were compiled into one item are found one by one, with the item's role.
    seen.dedup();
    seen
}

fn seen(element: &ElementHandle) -> Option<Seen> {
    let (position, size) = (element.absolute_position(), element.size());
    (size.width > 0.0 && size.height > 0.0).then(|| Seen {
        role: element.accessible_role().expect("filtered by role"),
        label: element.accessible_label().unwrap_or_default().into(),
        x: position.x,
        y: position.y,
        width: size.width,
        height: size.height,
        enabled: element.accessible_enabled().unwrap_or(true),
    })
}

/// The height that each text has; the lowest of those that say the same.
fn texts(app: &App) -> BTreeMap<String, f32> {
    let mut heights = BTreeMap::new();
    for seen in everything(app) {
        if seen.role == AccessibleRole::Text && !seen.label.is_empty() {
            let height = heights.entry(seen.label).or_insert(seen.height);
            *height = seen.height.min(*height);
        }
    }
    heights
}
