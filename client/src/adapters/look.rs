//! Language, colours and size of text: as chosen, and kept.

use std::cell::Cell;
use std::rc::Rc;

use client_ui as ui;
use slint::Global as _;

use super::shared::Shared;
use crate::preferences::{Colours, Language, Preferences, TextSize};

/// How the person wants to see the app.
pub(super) struct Look {
    shared: Rc<Shared>,
    chosen: Cell<Preferences>,
}

impl Look {
    /// Shows everything as it was chosen before.
    pub(super) fn start(shared: &Rc<Shared>) -> Rc<Self> {
        let chosen = Preferences::load(&shared.home);
        let look = Rc::new(Self { shared: Rc::clone(shared), chosen: Cell::new(chosen) });
        look.shared.with_window(|window| {
            let global = ui::Look::get(window);
            global.set_colours(to_ui_colours(chosen.colours));
            global.set_text_size(to_ui_size(chosen.text_size));
            global.set_high_contrast(chosen.high_contrast);
            let listener = Rc::downgrade(&look);
            global.on_changed(move || {
                if let Some(look) = listener.upgrade() {
                    look.changed();
                }
            });
        });
        look.show_language();
        look
    }

    fn show_language(&self) {
        let code = self.chosen.get().language().code();
        if let Err(error) = slint::select_bundled_translation(code) {
            tracing::error!(%error, "the language is not shown");
        }
        self.shared.session(|session| session.set_language(code.into()));
    }

    /// The person chose a language.
    pub(super) fn set_language(&self, code: &str) {
        let Some(language) = Language::parse(code) else { return };
        self.choose(Preferences { language: Some(language), ..self.chosen.get() });
        self.show_language();
    }

    fn changed(&self) {
        let chosen = self.shared.with_window(|window| {
            let global = ui::Look::get(window);
            let (colours, text_size) = (global.get_colours(), global.get_text_size());
            Preferences {
                colours: from_ui_colours(colours),
                text_size: from_ui_size(text_size),
                high_contrast: global.get_high_contrast(),
                ..self.chosen.get()
            }
        });
        if let Some(chosen) = chosen {
            self.choose(chosen);
        }
    }

    fn choose(&self, chosen: Preferences) {
        self.chosen.set(chosen);
        // It holds for this run in any case.
        if let Err(error) = chosen.store(&self.shared.home) {
            tracing::warn!(%error, "the preferences are not kept");
        }
    }
}

fn to_ui_colours(colours: Colours) -> ui::ColourChoice {
    match colours {
        Colours::System => ui::ColourChoice::System,
        Colours::Light => ui::ColourChoice::Light,
        Colours::Dark => ui::ColourChoice::Dark,
    }
}

fn from_ui_colours(colours: ui::ColourChoice) -> Colours {
    match colours {
        ui::ColourChoice::System => Colours::System,
        ui::ColourChoice::Light => Colours::Light,
        ui::ColourChoice::Dark => Colours::Dark,
    }
}

fn to_ui_size(size: TextSize) -> ui::TextSize {
    match size {
        TextSize::Standard => ui::TextSize::Standard,
        TextSize::Large => ui::TextSize::Large,
        TextSize::Largest => ui::TextSize::Largest,
    }
}

fn from_ui_size(size: ui::TextSize) -> TextSize {
    match size {
        ui::TextSize::Standard => TextSize::Standard,
        ui::TextSize::Large => TextSize::Large,
        ui::TextSize::Largest => TextSize::Largest,
    }
}
