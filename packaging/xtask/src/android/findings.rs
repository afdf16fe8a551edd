//! What the check has seen, what that means, and the table that says it: nothing is in it that no program said.

use super::apk::{LEAST, NAME, NEWEST};

/// What programs said, each once it has run.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// The compiler that ended well.
    pub(super) compiled: Option<String>,
    /// Whether the types of the app with its screens are right.
    pub(super) types: bool,
    /// How many names were left to Android's libraries, when all were found in one.
    pub(super) symbols: Option<usize>,
    /// readelf, of the library.
    pub(super) elf: Option<String>,
    /// aapt, of the package.
    pub(super) badging: Option<String>,
    /// aapt, of the manifest in the package.
    pub(super) manifest: Option<String>,
    /// zipalign's answer.
    pub(super) aligned: Option<bool>,
    /// apksigner, of a signature that verifies.
    pub(super) signature: Option<String>,
}

/// Names that Android and android-activity look for.
const ENTRIES: [&str; 3] = ["ANativeActivity_onCreate", "android_main", "android_on_create"];
/// All that the app may ask for.
const PERMISSIONS: [&str; 2] = ["android.permission.ACCESS_NETWORK_STATE", "android.permission.INTERNET"];

impl Findings {
    /// What is not as it has to be; a step that never ran is one as well.
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut judge = |what: &str, said: Option<Vec<String>>| match said {
            None => faults.push(format!("{what}: not reached")),
            Some(found) => faults.extend(found.into_iter().map(|fault| format!("{what}: {fault}"))),
        };
        judge("compiled", self.compiled.as_ref().map(|_| Vec::new()));
        judge("types of the app", self.types.then(Vec::new));
        judge("linked", self.symbols.map(|_| Vec::new()));
        judge("library", self.elf.as_deref().map(library));
        judge("package", self.badging.as_deref().map(badging));
        judge("manifest", self.manifest.as_deref().map(manifest));
        judge(
            "alignment",
            self.aligned.map(|aligned| if aligned { vec![] } else { vec!["not on 16 KB".to_owned()] }),
        );
        judge("signature", self.signature.as_deref().map(signature));
        faults
    }
}

fn library(elf: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if !elf.lines().any(|line| line.contains("Machine:") && line.contains("AArch64")) {
        faults.push("not for AArch64".to_owned());
    }
    let loads: Vec<&str> = elf.lines().map(str::trim).filter(|line| line.starts_with("LOAD ")).collect();
    let is_on_pages = |line: &&str| line.split_whitespace().last() == Some("0x4000");
    if loads.is_empty() || !loads.iter().all(is_on_pages) {
        faults.push("segments are not on 16 KB".to_owned());
    }
    let mut exported = elf.lines().filter(|line| line.contains(" GLOBAL ") && !line.contains(" UND "));
    let exported: Vec<&str> = exported.by_ref().filter_map(|line| line.split_whitespace().last()).collect();
    faults.extend(
        ENTRIES
            .iter()
            .filter(|entry| !exported.contains(entry))
            .map(|entry| format!("{entry} is not exported")),
    );
    faults
}

fn badging(badging: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let wanted = [
        format!("package: name='{NAME}'"),
        format!("sdkVersion:'{LEAST}'"),
        format!("targetSdkVersion:'{NEWEST}'"),
        "native-code: 'arm64-v8a'".to_owned(),
        "application-label-ja:'玉手箱'".to_owned(),
    ];
    faults.extend(
        wanted.into_iter().filter(|wanted| !badging.lines().any(|line| line.starts_with(wanted.as_str()))),
    );
    let asked = badging.lines().filter_map(|line| line.strip_prefix("uses-permission: name='"));
    let mut asked: Vec<&str> = asked.map(|line| line.split('\'').next().unwrap_or(line)).collect();
    asked.sort_unstable();
    if asked != PERMISSIONS {
        faults.push(format!("asks for {}", asked.join(", ")));
    }
    faults
}

/// As aapt prints it: an element a line, its attributes below it.
fn manifest(tree: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let lines: Vec<&str> = tree.lines().map(str::trim).collect();
    let has = |name: &str, value: &str| {
        lines.iter().any(|line| line.starts_with(&format!("A: android:{name}(")) && line.ends_with(value))
    };
    let (no, yes) = ("(type 0x12)0x0", "(type 0x12)0xffffffff");
    for name in ["allowBackup", "fullBackupContent", "usesCleartextTraffic", "extractNativeLibs"] {
        if !has(name, no) {
            faults.push(format!("{name} is not off"));
        }
    }
    let elements = |name: &str| lines.iter().filter(|line| line.starts_with(&format!("E: {name} "))).count();
    let others: usize = ["service", "receiver", "provider", "activity-alias"].into_iter().map(elements).sum();
    if elements("activity") != 1 || others != 0 {
        faults.push("more components than the activity".to_owned());
    }
    if !has("exported", yes) || has("debuggable", yes) {
        faults.push("the launcher cannot start it, or a debugger may".to_owned());
    }
    faults
}

fn signature(said: &str) -> Vec<String> {
    let by = |scheme: &str| {
        said.lines().any(|line| {
            line.starts_with(&format!("Verified using {scheme} scheme")) && line.ends_with(": true")
        })
    };
    let unsigned = ["v2", "v3"].into_iter().filter(|scheme| !by(scheme));
    unsigned.map(|scheme| format!("not signed by scheme {scheme}")).collect()
}

/// Five questions. The last two have one answer on this machine, whatever else was seen.
pub(super) fn table(findings: &Findings) -> String {
    let judged = |said: Option<Vec<String>>, yes: String| match said {
        None => "no: not reached".to_owned(),
        Some(faults) if faults.is_empty() => yes,
        Some(faults) => format!("no: {}", faults.join("; ")),
    };
    let compiled = findings.compiled.as_deref().map_or("no".to_owned(), |by| {
        let screens = if findings.types { "its types are right, no more" } else { "no" };
        format!("yes: the agent for aarch64-linux-android, by {by}. The app with its screens: {screens}")
    });
    let linked = judged(findings.elf.as_deref().map(library), {
        let names = findings.symbols.unwrap_or_default();
        format!(
            "yes: the agent, segments on 16 KB, entries exported; {names} names of Android against stubs, not against Android"
        )
    });
    let packed = [
        findings.badging.as_deref().map(badging),
        findings.manifest.as_deref().map(manifest),
        findings.aligned.map(|aligned| if aligned { vec![] } else { vec!["not on 16 KB".to_owned()] }),
        findings.signature.as_deref().map(signature),
    ];
    let packed = packed.into_iter().collect::<Option<Vec<_>>>().map(|faults| faults.concat());
    let signed = judged(
        packed,
        "yes: the agent's package, v2 and v3, by a key that is gone; no data extraction rules, which need a newer framework"
            .to_owned(),
    );
    let rows = [
        ("compiled", compiled.as_str()),
        ("linked", &linked),
        ("signed", &signed),
        ("run here", "no: nothing here runs Android"),
        ("run on a phone", "no"),
    ];
    rows.map(|(what, seen)| format!("{what:<15} {seen}")).join("\n")
}

#[cfg(test)]
mod tests;
