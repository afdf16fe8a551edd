//! `tamatebako`: the app on a desktop.

fn main() {}
