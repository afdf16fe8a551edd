//! Whether a tool works: each is tried, not looked up by name, as far as that can be done in a second.

use std::env;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A C compiler.
pub(super) fn cc() -> bool {
    let cc = env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    succeeds(&cc, &["--version"])
}

/// Traces a real program: strace may be there and tracing forbidden.
pub(super) fn strace() -> bool {
    succeeds("strace", &["-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync", "true"])
}

/// Debian has Python without what an environment of its own is made with.
pub(super) fn python() -> bool {
    succeeds("python3", &["-c", "import venv, ensurepip"])
}

/// For Debian's Python: another on the PATH does not have Debian's packages.
pub(super) fn aiosmtpd() -> bool {
    succeeds("/usr/bin/python3", &["-c", "import aiosmtpd.controller"])
}

/// The question that the build asks.
pub(super) fn fontconfig() -> bool {
    succeeds("pkg-config", &["--exists", "fontconfig"])
}

/// They are opened while the app runs, by these names.
pub(super) fn x11_libraries() -> bool {
    const LIBRARIES: [&str; 5] =
        ["libxkbcommon-x11.so.0", "libXcursor.so.1", "libXi.so.6", "libXrender.so.1", "libX11-xcb.so.1"];
    // The linker's list; /sbin is not in everybody's PATH.
    let listed = output("ldconfig", &["-p"]).or_else(|| output("/sbin/ldconfig", &["-p"]));
    listed.is_some_and(|listed| LIBRARIES.iter().all(|library| listed.contains(library)))
}

/// A font that says of itself that it has what Japanese needs.
pub(super) fn japanese_font() -> bool {
    output("fc-list", &[":lang=ja", "family"]).is_some_and(|families| !families.is_empty())
}

/// Starts a display; it says its number when it serves.
pub(super) fn xvfb() -> bool {
    let mut command = Command::new("Xvfb");
    command.args(["-displayfd", "1", "-screen", "0", "64x64x24", "-nolisten", "tcp"]);
    let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let Ok(mut server) = command.spawn() else { return false };
    let mut number = String::new();
    let read = server.stdout.take().map(|pipe| BufReader::new(pipe).read_line(&mut number));
    // It may have ended by itself; either way it is waited for.
    drop(server.kill());
    drop(server.wait());
    matches!(read, Some(Ok(_))) && number.trim().parse::<u32>().is_ok()
}

/// Both readers of PDF: its text, and its picture.
pub(super) fn poppler() -> bool {
    succeeds("pdftotext", &["-v"]) && succeeds("pdftoppm", &["-v"])
}

/// Reads bar codes.
pub(super) fn zbarimg() -> bool {
    succeeds("zbarimg", &["--version"])
}

/// Loads a page: a browser that is a snap may be there and not run.
pub(super) fn chromium() -> bool {
    let profile = scratch_folder();
    let folder = format!("--user-data-dir={}", profile.display());
    let page = "data:text/html,<p>loaded";
    let arguments =
        ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", &folder, "--dump-dom", page];
    let loaded = output("chromium", &arguments).is_some_and(|page| page.contains("<p>loaded"));
    // What it wrote is of no use; a rest of it in the temporary folder does no harm.
    drop(fs::remove_dir_all(&profile));
    loaded
}

/// A driver of the browser's own version: another refuses it.
pub(super) fn chromedriver() -> bool {
    let major = |program: &str| {
        let version = output(program, &["--version"])?;
        version.split_whitespace().find_map(|word| word.split_once('.')?.0.parse::<u32>().ok())
    };
    major("chromedriver").is_some_and(|driver| major("chromium") == Some(driver))
}

/// npm, and the Node.js that it runs on.
pub(super) fn npm() -> bool {
    succeeds("npm", &["--version"])
}

fn scratch_folder() -> PathBuf {
    env::temp_dir().join(format!("tamatebako-xtask-{}", std::process::id()))
}

/// Whether a program ends well, with its output thrown away.
pub(super) fn succeeds(program: &str, args: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// What a program prints, if it ends well.
pub(super) fn output(program: &str, args: &[&str]) -> Option<String> {
    let mut command = Command::new(program);
    let output = command.args(args).stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// Where Debian puts the programs of each version of PostgreSQL; they are not in the PATH.
pub(super) fn postgresql() -> bool {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut servers = versions.map(|version| version.path().join("bin/initdb"));
    servers.any(|initdb| succeeds(&initdb.to_string_lossy(), &["--version"]))
}

/// The server says its version and nothing else; it is not in everybody's PATH.
pub(super) fn openldap() -> bool {
    succeeds("/usr/sbin/slapd", &["-VV"]) && succeeds("ldapadd", &["-VV"])
}

/// What finds a program's libraries.
pub(super) fn dpkg_dev() -> bool {
    succeeds("dpkg-shlibdeps", &["--version"])
}

/// What judges a package, the desktop's entry in it, and its description.
pub(super) fn package_linters() -> bool {
    ["appstreamcli", "lintian"].iter().all(|program| succeeds(program, &["--version"]))
        && succeeds("desktop-file-validate", &["--help"])
}

/// Draws SVG.
pub(super) fn rsvg() -> bool {
    succeeds("rsvg-convert", &["--version"])
}

/// Asks an X server what is on it.
pub(super) fn xwininfo() -> bool {
    succeeds("xwininfo", &["-version"])
}

/// A Wayland compositor, and what shows its scene.
pub(super) fn weston() -> bool {
    succeeds("weston", &["--version"]) && output("which", &["weston-debug"]).is_some()
}

/// Under /usr/bin, whatever else is in the PATH.
pub(super) fn rust_of_debian() -> bool {
    let source = Path::new("/usr/lib/rustlib/src/rust/library/Cargo.lock");
    ["/usr/bin/rustc", "/usr/bin/cargo"].iter().all(|program| succeeds(program, &["--version"]))
        && source.is_file()
}

/// All of one version, and the headers that stand in for Android's.
pub(super) fn cross_compiler() -> bool {
    let programs = ["clang-19", "ld.lld-19", "llvm-nm-19", "llvm-ar-19", "llvm-readelf-19"];
    programs.iter().all(|program| succeeds(program, &["--version"]))
        && Path::new("/usr/aarch64-linux-gnu/include/stdio.h").is_file()
}

/// What makes a package of Android.
pub(super) fn android_packers() -> bool {
    let found = |program: &&str| output("which", &[program]).is_some();
    ["aapt", "zipalign", "keytool"].iter().all(found)
        && succeeds("apksigner", &["--version"])
        && Path::new("/usr/share/android-framework-res/framework-res.apk").is_file()
}
