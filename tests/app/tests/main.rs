//! The app end to end: its screens, its story against a real server, its clipboard under a watched display.

mod clipboard;
mod confinement;
mod gallery;
mod story;

fn main() {
    if clipboard::is_window() {
        return clipboard::window();
    }
    let modules = [story::tests(), clipboard::tests(), confinement::tests(), gallery::tests()];
    e2e_app::main(modules.concat());
}
