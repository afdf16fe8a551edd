//! The pictures, for people to look at.

use std::collections::HashSet;
use std::fs::{File, create_dir_all};
use std::io::BufWriter;
use std::path::PathBuf;

use client_ui::{App, ColourChoice, TextSize};
use slint::{Rgba8Pixel, SharedPixelBuffer};

use super::content::SCENES;
use super::stage::{self, View};

/// Draws each scene in both languages and themes, as the pictures of the documentation.
pub(super) fn draw_all() {
    let app = stage::open();
    for language in ["ja", "en"] {
        for (colours, theme) in [(ColourChoice::Light, "light"), (ColourChoice::Dark, "dark")] {
            draw(&app, View { language, colours, ..View::PHONE }, &format!("{language}-{theme}"));
        }
    }
}

/// Draws each scene in high contrast: Japanese in light, English in dark colours.
pub(super) fn draw_high_contrast() {
    let app = stage::open();
    let high = View { high_contrast: true, ..View::PHONE };
    draw(&app, high, "ja-contrast");
    draw(&app, View { language: "en", colours: ColourChoice::Dark, ..high }, "en-contrast-dark");
}

/// Draws each scene on a small phone with the largest text and on a desktop, to be looked at by who changes a screen.
pub(super) fn draw_windows() {
    let app = stage::open();
    draw(&app, View { text: TextSize::Largest, size: (360.0, 640.0), ..View::PHONE }, "small-largest");
    draw(&app, View { language: "en", size: (1280.0, 800.0), ..View::PHONE }, "wide");
}

/// Each picture holds more than a background, and none looks like another.
fn draw(app: &App, view: View, kind: &str) {
    let folder = folder();
    create_dir_all(&folder).expect("a folder for the pictures");
    let mut seen = HashSet::new();
    for scene in SCENES {
        stage::show(app, scene, view);
        let picture = stage::snapshot(app);
        let name = format!("{}-{kind}", scene.name);
        assert_eq!((picture.width() as f32, picture.height() as f32), view.size, "{name}");
        let inks: HashSet<_> = picture.as_slice().iter().map(|pixel| (pixel.r, pixel.g, pixel.b)).collect();
        assert!(inks.len() > 16, "{name} shows nothing: {} colours", inks.len());
        assert!(seen.insert(picture.as_bytes().to_vec()), "{name} looks like another screen");
        write(&folder.join(format!("{name}.png")), &picture);
    }
}

fn folder() -> PathBuf {
    let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| manifest.join("../../target"), PathBuf::from);
    target.join("screens/app")
}

fn write(path: &PathBuf, picture: &SharedPixelBuffer<Rgba8Pixel>) {
    let file = File::create(path).expect("a file for the picture");
    let mut encoder = png::Encoder::new(BufWriter::new(file), picture.width(), picture.height());
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Balanced);
    let mut writer = encoder.write_header().expect("a PNG header");
    writer.write_image_data(picture.as_bytes()).expect("the pixels");
}
