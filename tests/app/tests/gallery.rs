//! The gallery: every screen drawn without a display, looked at by rules here and by people in `target/screens/app`.
//!
//! No server, no agent: the globals are filled with believable content. What the screens do is told in the story.

pub(crate) mod content;
mod contrast;
mod geometry;
mod keyboard;
mod pictures;
mod pin;
pub(crate) mod stage;
mod words;

/// The gallery's tests. Each wants a process of its own.
pub(crate) fn tests() -> Vec<(&'static str, fn())> {
    vec![
        ("gallery::every_screen_is_drawn_in_both_languages_and_themes", pictures::draw_all),
        ("gallery::every_screen_is_drawn_in_high_contrast", pictures::draw_high_contrast),
        ("gallery::high_contrast_is_seven_to_one_and_the_rest_what_wcag_asks", contrast::ratios),
        ("gallery::every_screen_is_drawn_in_small_and_wide_windows", pictures::draw_windows),
        ("gallery::every_control_can_be_touched_named_and_seen", geometry::controls),
        ("gallery::no_text_is_squeezed_where_the_window_is_low", geometry::squeezed_text),
        ("gallery::the_keyboard_reaches_every_control_and_shows_where_it_is", keyboard::reaches_everything),
        ("gallery::keys_and_touches_keep_the_idle_lock_away", keyboard::tells_activity),
        ("gallery::the_pin_pad_hides_what_keys_and_touches_type", pin::hides_digits),
        ("gallery::the_pin_pad_ignores_the_clipboard", pin::ignores_the_clipboard),
        ("gallery::the_keyboard_types_on_after_a_wrong_pin", pin::types_on),
        ("gallery::two_different_pins_are_not_set", pin::different_pins),
        ("gallery::every_text_is_said_in_both_languages", words::translated),
        ("gallery::no_text_stands_outside_the_translations", words::literals),
    ]
}
