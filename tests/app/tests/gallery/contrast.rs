//! The colours of the theme against what is behind them (WCAG 2.2, 1.4.3, 1.4.6 and 1.4.11).

use client_ui::{App, ColourChoice, Look, Theme};
use slint::{Color, ComponentHandle};

use super::stage;

/// Relative luminance, as WCAG 2.2 defines it.
fn luminance(colour: Color) -> f64 {
    let linear = |channel: u8| {
        let part = f64::from(channel) / 255.0;
        if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * linear(colour.red()) + 0.7152 * linear(colour.green()) + 0.0722 * linear(colour.blue())
}

fn ratio(one: Color, other: Color) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

/// Text and what it stands on.
fn texts(theme: &Theme<'_>) -> Vec<(&'static str, Color, Color)> {
    let (page, raised) = (theme.get_background(), theme.get_raised());
    vec![
        ("text", theme.get_text(), page),
        ("text, raised", theme.get_text(), raised),
        ("secondary", theme.get_secondary(), page),
        ("secondary, raised", theme.get_secondary(), raised),
        ("primary", theme.get_primary(), page),
        ("button", theme.get_on_primary(), theme.get_primary()),
        ("button, pressed", theme.get_on_primary(), theme.get_pressed()),
        ("button that erases", theme.get_on_primary(), theme.get_error()),
        ("error", theme.get_error(), page),
        ("error, tinted", theme.get_error(), theme.get_error_tint()),
        ("text of an error", theme.get_text(), theme.get_error_tint()),
        ("text of a warning", theme.get_text(), theme.get_warning_tint()),
        ("text of a success", theme.get_text(), theme.get_success_tint()),
        ("text of a hint", theme.get_text(), theme.get_primary_tint()),
    ]
}

pub(super) fn ratios() {
    let app: App = stage::open();
    let mut complaints = Vec::new();
    for (high, least, frame) in [(false, 4.5, 3.0), (true, 7.0, 4.5)] {
        for colours in [ColourChoice::Light, ColourChoice::Dark] {
            app.global::<Look<'_>>().set_colours(colours);
            app.global::<Look<'_>>().set_high_contrast(high);
            let theme = app.global::<Theme<'_>>();
            let framed = ("frame", theme.get_frame(), theme.get_background());
            let wanted = texts(&theme).into_iter().map(|pair| (pair, least)).chain([(framed, frame)]);
            for ((name, over, under), wanted) in wanted {
                let found = ratio(over, under);
                if found < wanted {
                    complaints.push(format!("{name} {colours:?} high {high}: {found:.2}, wanted {wanted}"));
                }
            }
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}
