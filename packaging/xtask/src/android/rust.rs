//! The library, by Debian's own Rust: the one from rustup has no standard library for Android here, and Debian brings the source of its
//! own. The C in it (ring's) needs headers, which glibc's stand in for, and libraries, of which there are only names.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use super::{run, said};
use crate::run::root;

/// Debian's, whatever else is in the PATH.
const RUSTC: &str = "/usr/bin/rustc";
pub(super) const CARGO: &str = "/usr/bin/cargo";
pub(super) const TARGET: &str = "aarch64-linux-android";
/// The example of `client-android`: the agent without screens.
const EXAMPLE: &str = "tamatebako_agent";
const CLANG: &str = "clang-19 --target=aarch64-linux-android26";

/// The NDK's unwinder is linked into each program; here, one that finds no frames. With panics that end the process, traces are all that
/// is lost.
const UNWINDER: &str =
    "int _Unwind_Backtrace(void *each, void *data) { return 5; /* the end of the stack */ }
unsigned long _Unwind_GetIP(void *frame) { return 0; }
";

/// Libraries of Android that may be named at the link.
const LIBRARIES: [&str; 6] = ["c", "m", "dl", "log", "android", "gcc"];

/// The compiler's own name for itself.
pub(super) fn compiler() -> Result<String> {
    Ok(said(RUSTC, &["--version"], Path::new("--verbose"))?.lines().next().unwrap_or_default().to_owned())
}

/// Compiles, and links with every name of Android's left open.
pub(super) fn library(work: &Path) -> Result<PathBuf> {
    let tools = work.join("tools");
    fs::create_dir_all(&tools)?;
    script(
        &tools.join("cc"),
        &format!("{CLANG} -fPIC -mno-outline-atomics -isystem /usr/aarch64-linux-gnu/include"),
        "",
    )?;
    let linker = format!(
        "{CLANG} -fuse-ld=lld-19 -nostdlib -nostartfiles -L{} -Wl,-z,max-page-size=16384",
        stubs_folder(work).display()
    );
    // What it is called tells rustc which options it takes.
    script(&tools.join("android-clang"), &linker, " -lunwind")?;
    stubs(work, &BTreeSet::new())?;
    unwinder(work)?;
    cargo(work, &[])?;
    let library = work.join(TARGET).join("release/examples").join(format!("lib{EXAMPLE}.so"));
    ensure!(library.is_file(), "{} is not there", library.display());
    Ok(library)
}

/// Links again, against libraries that have the names which Android's have, and nothing left open. How many names.
pub(super) fn link(work: &Path, library: &Path) -> Result<usize> {
    let open = said("llvm-nm-19", &["--dynamic", "--undefined-only", "--format=just-symbols"], library)?;
    let open: BTreeSet<&str> = open.lines().map(|name| name.split('@').next().unwrap_or(name)).collect();
    stubs(work, &open)?;
    cargo(work, &["-Clink-arg=-Wl,--no-undefined"])?;
    Ok(open.len())
}

fn cargo(work: &Path, link: &[&str]) -> Result<()> {
    let mut cargo = Command::new(CARGO);
    cargo.args(["rustc", "--locked", "--release", "--package", "client-android", "--example", EXAMPLE]);
    // A panic ends the process: unwinding needs a library of the NDK.
    cargo.args(["--target", TARGET, "-Zbuild-std=std,panic_abort", "-Zbuild-std-features=", "--"]).args(link);
    cargo.env("CARGO_PROFILE_RELEASE_PANIC", "abort").env("CARGO_PROFILE_RELEASE_LTO", "off");
    for_android(&mut cargo, work);
    run(&mut cargo)
}

/// Has Debian's cargo build for Android, whatever called this.
pub(super) fn for_android(cargo: &mut Command, work: &Path) {
    let tools = work.join("tools");
    // The standard library is built by an option that a released compiler has and does not show.
    cargo.env("RUSTC", RUSTC).env("RUSTC_BOOTSTRAP", "1").env("CARGO_TARGET_DIR", work);
    cargo.env("CC_aarch64_linux_android", tools.join("cc")).env("AR_aarch64_linux_android", "llvm-ar-19");
    cargo.env("CARGO_TARGET_AARCH64_LINUX_ANDROID_LINKER", tools.join("android-clang"));
    for name in ["RUSTUP_TOOLCHAIN", "CARGO", "RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS"] {
        cargo.env_remove(name);
    }
    cargo.current_dir(root());
}

fn script(path: &Path, command: &str, after: &str) -> Result<()> {
    let text = format!("#!/bin/sh\nexec {command} \"$@\"{after}\n");
    // Written anew, it would be newer than what was built with it.
    if fs::read_to_string(path).is_ok_and(|there| there == text) {
        return Ok(());
    }
    fs::write(path, text).with_context(|| path.display().to_string())?;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o755))?)
}

fn stubs_folder(work: &Path) -> PathBuf {
    work.join("stubs")
}

/// Makes a library for each, which has these names and does nothing.
fn stubs(work: &Path, names: &BTreeSet<&str>) -> Result<()> {
    let folder = stubs_folder(work);
    fs::create_dir_all(&folder)?;
    let mut unknown = Vec::new();
    for library in LIBRARIES {
        let mut source = String::new();
        for name in names {
            match home_of(name) {
                Some(home) if home == library => source.push_str(&format!("void {name}(void) {{}}\n")),
                None if library == LIBRARIES[0] => unknown.push(*name),
                _ => {}
            }
        }
        let (path, file) = (folder.join(format!("{library}.c")), format!("lib{library}.so"));
        fs::write(&path, source)?;
        let mut clang = Command::new("clang-19");
        clang.args(["--target=aarch64-linux-android26", "-fuse-ld=lld-19", "-nostdlib", "-shared", "-fPIC"]);
        clang.args(["-fno-builtin", "-w", "-Wl,-z,max-page-size=16384"]).arg(format!("-Wl,-soname,{file}"));
        run(clang.arg("-o").arg(folder.join(&file)).arg(&path))?;
    }
    if !unknown.is_empty() {
        bail!("no library of Android has {}", unknown.join(", "));
    }
    Ok(())
}

fn unwinder(work: &Path) -> Result<()> {
    let (source, object) = (stubs_folder(work).join("unwind.c"), stubs_folder(work).join("unwind.o"));
    fs::write(&source, UNWINDER)?;
    let mut clang = Command::new("clang-19");
    clang.args(["--target=aarch64-linux-android26", "-fPIC", "-O", "-c", "-o"]).arg(&object).arg(&source);
    run(&mut clang)?;
    run(Command::new("llvm-ar-19").arg("rcs").arg(stubs_folder(work).join("libunwind.a")).arg(&object))
}

/// The library of Android that has a name; none for what is nobody's there: an unwinder, helpers of a compiler, Rust that was not linked.
fn home_of(name: &str) -> Option<&'static str> {
    const NOBODYS: [&str; 4] = ["_Unwind_", "__aarch64_", "_ZN", "_R"];
    const DL: [&str; 6] = ["dlopen", "dlsym", "dlclose", "dlerror", "dladdr", "dl_iterate_phdr"];
    const MATHS: [&str; 16] = [
        "acos", "asin", "atan", "atan2", "cbrt", "cos", "exp", "exp2", "fma", "fmod", "hypot", "log", "log2",
        "pow", "sin", "tan",
    ];
    const ACTIVITY: [&str; 10] = [
        "AAsset",
        "AChoreographer",
        "AConfiguration",
        "AHardwareBuffer",
        "AInput",
        "AKeyEvent",
        "ALooper",
        "AMotionEvent",
        "ANativeActivity",
        "ANativeWindow",
    ];
    let is_maths = |name: &str| MATHS.contains(&name);
    if NOBODYS.iter().any(|start| name.starts_with(start)) {
        None
    } else if name.starts_with("__android_log_") {
        Some("log")
    } else if ACTIVITY.iter().any(|start| name.starts_with(start)) {
        Some("android")
    } else if DL.contains(&name) {
        Some("dl")
    } else if is_maths(name) || name.strip_suffix('f').is_some_and(is_maths) {
        Some("m")
    } else {
        Some("c")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_has_the_library_that_android_has_it_in() {
        let homes = ["memcpy", "powf", "dlsym", "__android_log_write", "ALooper_pollOnce"].map(home_of);
        assert_eq!(homes, ["c", "m", "dl", "log", "android"].map(Some));
    }

    #[test]
    fn what_no_library_has_is_not_papered_over() {
        let homes =
            ["_Unwind_Backtrace", "__aarch64_ldadd8_relax", "_ZN3std2io5stdio6_print17h0E"].map(home_of);
        assert_eq!(homes, [None; 3]);
    }
}
