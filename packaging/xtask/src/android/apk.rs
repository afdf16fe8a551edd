//! The package: Debian's aapt packs it with the library as it is, zipalign puts the library on 16 KB, apksigner signs with a key that is
//! thrown away.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::{run, said};
use crate::run::root;

/// What Debian has of Android's own resources, of Android 10.
const FRAMEWORK: &str = "/usr/share/android-framework-res/framework-res.apk";
/// Not the app's: nothing that comes of this is ever taken for it.
pub(super) const NAME: &str = "tamatebako.check";
/// The least and the newest system; as in `packaging/android/app/build.gradle.kts`, which a test compares.
pub(super) const LEAST: &str = "26";
pub(super) const NEWEST: &str = "35";
/// The size of a page.
const PAGE: &str = "16384";
/// Unknown to that framework: these lines of the manifest are left out here.
const TOO_NEW: &str = "android:dataExtractionRules";

/// Packs, aligns and signs.
pub(super) fn assemble(work: &Path, library: &Path) -> Result<PathBuf> {
    let sources = root().join("packaging/android/app/src/main");
    let folder = work.join("apk");
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
    }
    let libraries = folder.join("raw/lib/arm64-v8a");
    fs::create_dir_all(&libraries)?;
    fs::copy(library, libraries.join(library.file_name().context("a name")?))?;
    let manifest = fs::read_to_string(sources.join("AndroidManifest.xml"))?;
    fs::write(folder.join("AndroidManifest.xml"), adapted(&manifest))?;

    let [packed, aligned, signed] =
        ["packed.apk", "aligned.apk", "tamatebako-check.apk"].map(|name| folder.join(name));
    let mut aapt = Command::new("aapt");
    aapt.args(["package", "-f", "-0", "so", "--min-sdk-version", LEAST, "--target-sdk-version", NEWEST]);
    aapt.args(["--version-code", "1", "--version-name", env!("CARGO_PKG_VERSION"), "-I", FRAMEWORK]);
    aapt.arg("-M").arg(folder.join("AndroidManifest.xml")).arg("-S").arg(sources.join("res"));
    run(aapt.arg("-F").arg(&packed).arg(folder.join("raw")))?;
    run(Command::new("zipalign").args(["-f", PAGE]).arg(&packed).arg(&aligned))?;
    sign(&folder, &aligned, &signed)?;
    Ok(signed)
}

/// The manifest as it is, under another name, for another library, and without what is too new.
fn adapted(manifest: &str) -> String {
    let lines = manifest.lines().filter(|line| !line.contains(TOO_NEW));
    let manifest = lines.collect::<Vec<_>>().join("\n");
    let manifest = manifest.replace("<manifest ", &format!("<manifest package=\"{NAME}\" "));
    manifest.replace("android:value=\"client\"", "android:value=\"tamatebako_agent\"")
}

/// By a key that is gone after that.
fn sign(folder: &Path, from: &Path, to: &Path) -> Result<()> {
    let key = folder.join("throw-away.p12");
    let mut keytool = Command::new("keytool");
    keytool.args(["-genkeypair", "-storetype", "PKCS12", "-alias", "check", "-storepass", "throw-away"]);
    keytool.args([
        "-keyalg",
        "RSA",
        "-keysize",
        "3072",
        "-validity",
        "2",
        "-dname",
        "CN=throw-away",
        "-keystore",
    ]);
    run(keytool.arg(&key))?;
    let mut apksigner = Command::new("apksigner");
    apksigner.args(["sign", "--ks-pass", "pass:throw-away", "--min-sdk-version", LEAST, "--ks"]).arg(&key);
    let signed = run(apksigner.arg("--out").arg(to).arg(from));
    fs::remove_file(&key).with_context(|| key.display().to_string())?;
    signed
}

/// The manifest as it is in the package.
pub(super) fn manifest(package: &Path) -> Result<String> {
    let output =
        Command::new("aapt").args(["dump", "xmltree"]).arg(package).arg("AndroidManifest.xml").output()?;
    ensure!(output.status.success(), "aapt: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether everything that is not compressed begins on a page.
pub(super) fn is_aligned(package: &Path) -> Result<bool> {
    let mut zipalign = Command::new("zipalign");
    Ok(zipalign.args(["-c", PAGE]).arg(package).output().context("zipalign")?.status.success())
}

/// What apksigner says of a signature that verifies; an error if it does not.
pub(super) fn verified(package: &Path) -> Result<String> {
    said("apksigner", &["verify", "--verbose", "--min-sdk-version", LEAST], package)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(name: &str) -> String {
        fs::read_to_string(root().join("packaging/android/app").join(name)).unwrap()
    }

    #[test]
    fn the_check_packs_for_the_systems_of_the_recipe() {
        let gradle = recipe("build.gradle.kts");
        assert!(gradle.contains(&format!("minSdk = {LEAST}\n")));
        assert!(gradle.contains(&format!("targetSdk = {NEWEST}\n")));
        assert!(gradle.contains(&format!("max-page-size={PAGE}")));
    }

    #[test]
    fn the_manifest_is_adapted_and_otherwise_the_apps() {
        let manifest = recipe("src/main/AndroidManifest.xml");
        assert!(manifest.contains(TOO_NEW), "what is too new here is in the app's");
        let adapted = adapted(&manifest);
        assert!(adapted.contains("package=\"tamatebako.check\"") && adapted.contains("\"tamatebako_agent\""));
        assert!(!adapted.contains(TOO_NEW));
        assert_eq!(adapted.lines().count() + 1, manifest.lines().count());
    }
}
