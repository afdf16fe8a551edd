//! The app with its screens, as far as it gets here: its types. The toolkit's renderer comes as a binary from elsewhere, and a Java class of
//! the toolkit's is compiled against Google's SDK; for types neither is looked into, so that both may be empty.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::run;
use super::rust::{CARGO, TARGET, for_android};

/// In the place of a Java compiler and of what makes its classes into a file: that file, with nothing in it.
const JAVAC: &str = "#!/bin/sh\necho javac 17.0.0\n";
const JAVA: &str =
    "#!/bin/sh\nwhile [ $# -gt 0 ]; do [ \"$1\" = --output ] && : > \"$2/classes.dex\"; shift; done\n";

/// Checks the types of `client` and all below it, with their entries for Android.
pub(super) fn types(work: &Path) -> Result<()> {
    let empty = work.join("no-sdk");
    fs::create_dir_all(empty.join("java/bin"))?;
    for (name, program) in [("javac", JAVAC), ("java", JAVA)] {
        let path = empty.join("java/bin").join(name);
        fs::write(&path, program).with_context(|| path.display().to_string())?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    }
    for jar in ["android.jar", "d8.jar"] {
        fs::write(empty.join(jar), "")?;
    }
    let mut cargo = Command::new(CARGO);
    cargo.args(["check", "--locked", "--package", "client", "--lib", "--target", TARGET]);
    cargo.arg("-Zbuild-std=std,panic_abort");
    for_android(&mut cargo, work);
    // Nothing is linked, and nobody debugs it.
    cargo.env_remove("CARGO_TARGET_AARCH64_LINUX_ANDROID_LINKER").env("CARGO_PROFILE_DEV_DEBUG", "0");
    // Has the renderer's own build leave its binary out, as where its documentation is made.
    cargo.env("DOCS_RS", "1").env("JAVA_HOME", empty.join("java"));
    cargo.env("ANDROID_JAR", empty.join("android.jar")).env("ANDROID_D8_JAR", empty.join("d8.jar"));
    // Apart from what is linked: not a byte of this gets into it.
    run(cargo.env("CARGO_TARGET_DIR", work.with_file_name("android-types")))
}
