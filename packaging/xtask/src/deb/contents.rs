//! Whether everything is in the package that has to be, and what it says it needs.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// What a desktop looks for, and what whoever distributes the program owes.
const FILES: [&str; 11] = [
    "./usr/bin/tamatebako",
    "./usr/share/applications/tamatebako.desktop",
    "./usr/share/metainfo/tamatebako.metainfo.xml",
    "./usr/share/icons/hicolor/scalable/apps/tamatebako.svg",
    "./usr/share/icons/hicolor/48x48/apps/tamatebako.png",
    "./usr/share/icons/hicolor/128x128/apps/tamatebako.png",
    "./usr/share/icons/hicolor/256x256/apps/tamatebako.png",
    "./usr/share/man/man1/tamatebako.1.gz",
    "./usr/share/doc/tamatebako/copyright",
    "./usr/share/doc/tamatebako/third-party.gz",
    "./usr/share/doc/tamatebako/changelog.Debian.gz",
];

/// Libraries that the program opens while it runs, which no tool finds in it: of X11, and of Wayland.
const OPENED: [&str; 7] = [
    "libxkbcommon-x11-0",
    "libxcursor1",
    "libxi6",
    "libxrender1",
    "libx11-xcb1",
    "libxkbcommon0",
    "libwayland-client0",
];

/// Fails by name.
pub(super) fn check(package: &Path) -> Result<()> {
    let listing = ask(&["--contents"], package)?;
    let missing = missing(&FILES, listing.lines().filter_map(path));
    ensure!(missing.is_empty(), "the package lacks {}", missing.join(", "));
    let depends = ask(&["--field"], package)?;
    let depends = depends.lines().find_map(|line| line.strip_prefix("Depends: ")).unwrap_or_default();
    let missing = self::missing(&OPENED, depends.split([',', '|']).filter_map(name));
    ensure!(missing.is_empty(), "the package does not say that it needs {}: {depends}", missing.join(", "));
    Ok(())
}

fn ask(question: &[&str], package: &Path) -> Result<String> {
    let output = Command::new("dpkg-deb").args(question).arg(package).output().context("dpkg-deb")?;
    ensure!(output.status.success(), "dpkg-deb {question:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The path in a line of the listing, which is tar's: rights, owner, size, date, time, path.
fn path(line: &str) -> Option<&str> {
    line.split_whitespace().nth(5)
}

/// The name in `name (>= version)`.
fn name(dependency: &str) -> Option<&str> {
    dependency.split_whitespace().next()
}

fn missing<'a>(wanted: &[&'a str], there: impl Iterator<Item = &'a str> + Clone) -> Vec<&'a str> {
    wanted.iter().copied().filter(|wanted| !there.clone().any(|there| there == *wanted)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_listed_is_named() {
        let listing = "drwxr-xr-x 0/0 0 2026-11-23 12:00 ./usr/bin/\n\
             -rwxr-xr-x 0/0 27000000 2026-11-23 12:00 ./usr/bin/tamatebako\n";
        let missing = missing(&FILES, listing.lines().filter_map(path));
        assert_eq!(missing, FILES[1..]);
    }

    #[test]
    fn a_library_whose_version_is_named_is_found_and_one_with_a_longer_name_is_another() {
        let depends = "libc6 (>= 2.34), libxkbcommon-x11-0, libxi6-dev, fonts-noto-cjk | fonts-ipafont";
        let there = || depends.split([',', '|']).filter_map(name);
        assert_eq!(missing(&["libc6", "libxkbcommon-x11-0", "fonts-ipafont"], there()), [""; 0]);
        assert_eq!(missing(&["libxkbcommon0", "libxi6"], there()), ["libxkbcommon0", "libxi6"]);
    }
}
