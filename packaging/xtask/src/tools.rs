//! What the tests need on the machine besides Rust: found, installed where that is possible, or named.

use std::process::Command;

use anyhow::{Result, bail};

use crate::run::Cargo;

mod probes;

use probes::{output, succeeds};

/// Something of the system and how to see that it works.
struct Tool {
    name: &'static str,
    why: &'static str,
    /// Debian's packages that bring it.
    package: &'static str,
    works: fn() -> bool,
}

const COMPILER: Tool = Tool {
    name: "cc",
    why: "ring and the linker need a C compiler",
    package: "gcc libc6-dev",
    works: probes::cc,
};

/// What the app needs, to be built and to open a window.
const APP: [Tool; 3] = [
    Tool {
        name: "fontconfig",
        why: "the app is built against its headers, which pkg-config finds",
        package: "libfontconfig1-dev pkg-config",
        works: probes::fontconfig,
    },
    Tool {
        name: "the libraries of X11",
        why: "the app opens a window with them",
        package: "libxkbcommon-x11-0 libxcursor1 libxi6 libxrender1 libx11-xcb1",
        works: probes::x11_libraries,
    },
    Tool {
        name: "a Japanese font",
        why: "screens and pages are in Japanese",
        package: "fonts-noto-cjk fontconfig",
        works: probes::japanese_font,
    },
];

/// What the tests need besides.
const TESTS: [Tool; 9] = [
    Tool {
        name: "strace",
        why: "tests watch with it that a commit is on disk before it is acknowledged",
        package: "strace",
        works: probes::strace,
    },
    Tool {
        name: "Xvfb",
        why: "tests open the app's windows on a display of their own",
        package: "xvfb",
        works: probes::xvfb,
    },
    Tool {
        name: "chromium",
        why: "tests use the console in a real browser",
        package: "chromium",
        works: probes::chromium,
    },
    Tool {
        name: "chromedriver",
        why: "tests drive the browser with it; both are of one version",
        package: "chromium-driver",
        works: probes::chromedriver,
    },
    Tool {
        name: "poppler",
        why: "letters are read back from their PDF",
        package: "poppler-utils",
        works: probes::poppler,
    },
    Tool {
        name: "zbarimg",
        why: "QR codes of letters are read back from their picture",
        package: "zbar-tools",
        works: probes::zbarimg,
    },
    Tool {
        name: "npm",
        why: "axe-core, which checks pages for accessibility, comes by it",
        package: "nodejs npm",
        works: probes::npm,
    },
    Tool {
        name: "python3 with venv and pip",
        why: "a second reader of the vault's format is written in Python",
        package: "python3 python3-venv",
        works: probes::python,
    },
    Tool {
        name: "aiosmtpd",
        why: "a mail server that records what it is sent is written with it",
        package: "python3-aiosmtpd",
        works: probes::aiosmtpd,
    },
];

/// What a batch is measured beside.
const PEERS_OF_BATCH: [Tool; 2] = [
    Tool {
        name: "PostgreSQL's server",
        why: "the bench copies the same rows into it",
        package: "postgresql",
        works: probes::postgresql,
    },
    Tool {
        name: "slapd and ldapadd",
        why: "the bench adds the same people to OpenLDAP",
        package: "slapd ldap-utils",
        works: probes::openldap,
    },
];

/// What makes and judges the app's Debian package.
const DEBIAN_PACKAGE: [Tool; 6] = [
    Tool {
        name: "dpkg-shlibdeps",
        why: "it finds the libraries that the program needs",
        package: "dpkg-dev",
        works: probes::dpkg_dev,
    },
    Tool {
        name: "desktop-file-validate, appstreamcli and lintian",
        why: "they judge the package and what is in it",
        package: "desktop-file-utils appstream lintian",
        works: probes::package_linters,
    },
    Tool {
        name: "rsvg-convert",
        why: "the icon's pictures are made with it",
        package: "librsvg2-bin",
        works: probes::rsvg,
    },
    Tool {
        name: "Xvfb",
        why: "the installed program is started on a display of its own",
        package: "xvfb",
        works: probes::xvfb,
    },
    Tool {
        name: "xwininfo",
        why: "it sees whether the window is there",
        package: "x11-utils",
        works: probes::xwininfo,
    },
    Tool {
        name: "weston",
        why: "the installed program is started under Wayland, too",
        package: "weston",
        works: probes::weston,
    },
];

/// What Debian has for Android.
const ANDROID: [Tool; 3] = [
    Tool {
        name: "Debian's Rust with the source of its standard library",
        why: "the library is built for Android with it",
        package: "rustc-web cargo-web rust-web-src",
        works: probes::rust_of_debian,
    },
    Tool {
        name: "clang, lld and headers for a phone's processor",
        why: "ring has C in it, and the library is linked",
        package: "clang-19 lld-19 llvm-19 libc6-dev-arm64-cross",
        works: probes::cross_compiler,
    },
    Tool {
        name: "aapt, zipalign, apksigner, keytool and Android's resources",
        why: "they pack, align, sign and read back",
        package: "aapt zipalign apksigner default-jre-headless android-framework-res",
        works: probes::android_packers,
    },
];

/// Installs them.
pub(crate) fn peers_of_batch() -> Result<()> {
    installed(&PEERS_OF_BATCH)
}

/// Installs what the app's Debian package is built and judged with.
pub(crate) fn debian_package() -> Result<()> {
    installed([&COMPILER].into_iter().chain(&APP).chain(&DEBIAN_PACKAGE))
}

/// Installs what Debian has for Android.
pub(crate) fn android() -> Result<()> {
    installed([&COMPILER].into_iter().chain(&ANDROID))
}

fn installed(tools: impl IntoIterator<Item = &'static Tool>) -> Result<()> {
    let missing: Vec<&Tool> = tools.into_iter().filter(|tool| !(tool.works)()).collect();
    if missing.is_empty() { Ok(()) } else { install(&missing) }
}

/// All tools of the tests.
pub(crate) fn all() -> Result<()> {
    installed([&COMPILER].into_iter().chain(&APP).chain(&TESTS))?;
    component("rustfmt", "fmt")?;
    component("clippy", "clippy")
}

/// The C compiler, which is all that the demo needs besides Rust.
pub(crate) fn compiler() -> Result<()> {
    named([&COMPILER])
}

/// A display and what else the app needs, named: a demo installs nothing.
pub(crate) fn app() -> Result<()> {
    if std::env::var_os("DISPLAY").is_none() && std::env::var_os("WAYLAND_DISPLAY").is_none() {
        bail!("the app opens a window, and here is no display: neither DISPLAY nor WAYLAND_DISPLAY is set");
    }
    named(&APP)
}

fn named(tools: impl IntoIterator<Item = &'static Tool>) -> Result<()> {
    let missing: Vec<&Tool> = tools.into_iter().filter(|tool| !(tool.works)()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    bail!("{}\n{}", needs(&missing), by_hand(&packages(&missing)))
}

fn install(missing: &[&Tool]) -> Result<()> {
    let packages = packages(missing);
    let Some(mut apt) = apt() else {
        bail!("{}\n{}", needs(missing), by_hand(&packages));
    };
    println!("installing with apt: {} ({})", packages.join(" "), needs(missing));
    // Without lists (a fresh container) the packages are unknown; a failed update shows in the install.
    let mut update = Command::new(apt.get_program());
    update.args(apt.get_args()).args(["update", "--quiet"]);
    run_quietly(&mut update);
    run_quietly(apt.args(["install", "--yes", "--quiet", "--no-install-recommends"]).args(&packages));
    let still: Vec<&Tool> = missing.iter().copied().filter(|tool| !(tool.works)()).collect();
    if !still.is_empty() {
        bail!(
            "{} after apt-get ran\n{}\nA tool that is installed and does not work may be forbidden here: \
             strace needs leave to trace (ptrace), in a container --cap-add=SYS_PTRACE; Ubuntu's chromium and \
             chromium-driver are snaps, which a container does not run: there, put a chromium and a chromedriver of \
             one version on the PATH, Debian's or Chrome for Testing",
            needs(&still),
            by_hand(&self::packages(&still))
        );
    }
    Ok(())
}

fn packages(tools: &[&Tool]) -> Vec<&'static str> {
    tools.iter().flat_map(|tool| tool.package.split(' ')).collect()
}

fn needs(missing: &[&Tool]) -> String {
    let each: Vec<String> = missing
        .iter()
        .map(|tool| format!("{} is missing or does not work: {}", tool.name, tool.why))
        .collect();
    each.join("; ")
}

fn by_hand(packages: &[&str]) -> String {
    format!("On Debian: apt-get install {}", packages.join(" "))
}

/// `apt-get`, directly for root and by sudo where it asks no password; none on other systems.
fn apt() -> Option<Command> {
    if !succeeds("apt-get", &["--version"]) {
        return None;
    }
    if output("id", &["-u"]).as_deref() == Some("0") {
        return Some(Command::new("apt-get"));
    }
    if succeeds("sudo", &["-n", "true"]) {
        let mut sudo = Command::new("sudo");
        sudo.args(["-n", "apt-get"]);
        return Some(sudo);
    }
    None
}

fn component(name: &str, command: &str) -> Result<()> {
    let works = || Cargo::new([command, "--version"]).succeeds();
    if works() {
        return Ok(());
    }
    println!("adding the Rust component {name}");
    if succeeds("rustup", &["component", "add", name]) && works() {
        return Ok(());
    }
    bail!("the Rust component {name} is missing: rustup component add {name}")
}

/// Runs with its output on the terminal; whether it helped is seen by trying the tool.
fn run_quietly(command: &mut Command) {
    command.env("DEBIAN_FRONTEND", "noninteractive");
    if let Err(error) = command.status() {
        println!("{}: {error}", command.get_program().to_string_lossy());
    }
}
