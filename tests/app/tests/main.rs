//! The app end to end: its screens, its story against a real server, its clipboard under a watched display.

mod clipboard;
mod confinement;
mod gallery;
mod hostile;
mod story;

fn main() {
    // The app's process for documents is this program.
    if std::env::args_os().nth(1).is_some_and(|argument| argument == client::viewer::ARGUMENT) {
        return client::viewer::serve().expect("a document is answered for");
    }
    if hostile::is_unbounded() {
        return hostile::view_unbounded();
    }
    if clipboard::is_window() {
        return clipboard::window();
    }
    let modules =
        [hostile::tests(), story::tests(), clipboard::tests(), confinement::tests(), gallery::tests()];
    e2e_app::main(modules.concat());
}
