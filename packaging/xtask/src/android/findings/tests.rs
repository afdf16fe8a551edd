//! The table says what was said and no more: each fault that a program can show turns a yes into a no.

use super::*;

const ELF: &str = "  Machine:                           AArch64
  LOAD           0x000000 0x0000000000000000 0x0000000000000000 0x1b2d58 0x1b2d58 R   0x4000
  LOAD           0x1b2d60 0x00000000001b6d60 0x00000000001b6d60 0x4b5d00 0x4b5d00 R E 0x4000
     1: 0000000000000000     0 FUNC    GLOBAL DEFAULT   UND memcpy
   211: 00000000004d1a2c   124 FUNC    GLOBAL DEFAULT    12 ANativeActivity_onCreate
   212: 00000000004d1b2c   124 FUNC    GLOBAL DEFAULT    12 android_main
   213: 00000000004d1c2c   124 FUNC    GLOBAL DEFAULT    12 android_on_create
";
const BADGING: &str = "package: name='tamatebako.check' versionCode='1' versionName='0.1.0'
sdkVersion:'26'
targetSdkVersion:'35'
uses-permission: name='android.permission.INTERNET'
uses-permission: name='android.permission.ACCESS_NETWORK_STATE'
application-label-ja:'玉手箱'
native-code: 'arm64-v8a'
";
const MANIFEST: &str = "    E: application (line=6)
      A: android:allowBackup(0x01010280)=(type 0x12)0x0
      A: android:fullBackupContent(0x010104eb)=(type 0x12)0x0
      A: android:usesCleartextTraffic(0x010104ec)=(type 0x12)0x0
      A: android:extractNativeLibs(0x010104ea)=(type 0x12)0x0
      E: activity (line=15)
        A: android:exported(0x01010010)=(type 0x12)0xffffffff
";
const SIGNATURE: &str = "Verifies
Verified using v1 scheme (JAR signing): false
Verified using v2 scheme (APK Signature Scheme v2): true
Verified using v3 scheme (APK Signature Scheme v3): true
";

fn all() -> Findings {
    Findings {
        compiled: Some("rustc 1.96.0".into()),
        types: true,
        symbols: Some(200),
        elf: Some(ELF.into()),
        badging: Some(BADGING.into()),
        manifest: Some(MANIFEST.into()),
        aligned: Some(true),
        signature: Some(SIGNATURE.into()),
    }
}

/// The answer in a row, up to its colon.
fn answer(findings: &Findings, row: &str) -> String {
    let table = table(findings);
    let line = table.lines().find(|line| line.starts_with(row)).expect("the row");
    line[row.len()..].trim().split(':').next().expect("an answer").to_owned()
}

#[test]
fn what_is_as_it_should_be_is_said_and_nothing_is_ever_said_to_have_run() {
    assert_eq!(all().faults(), [""; 0]);
    for row in ["compiled", "linked", "signed"] {
        assert_eq!(answer(&all(), row), "yes", "{row}");
    }
    for row in ["run here", "run on a phone"] {
        assert_eq!(answer(&all(), row), "no", "{row}");
    }
}

#[test]
fn a_step_that_was_not_reached_is_no_yes() {
    for row in ["compiled", "linked", "signed"] {
        assert_eq!(answer(&Findings::default(), row), "no", "{row}");
    }
    assert_eq!(Findings::default().faults().len(), 8);
    let unsigned = Findings { signature: None, ..all() };
    assert_eq!(answer(&unsigned, "signed"), "no");
    assert_eq!(unsigned.faults(), ["signature: not reached"]);
}

#[test]
fn the_app_with_its_screens_is_never_said_to_be_more_than_typed() {
    assert!(table(&all()).contains("The app with its screens: its types are right, no more"));
    let untyped = Findings { types: false, ..all() };
    assert!(table(&untyped).contains("The app with its screens: no\n"));
    assert_eq!(untyped.faults(), ["types of the app: not reached"]);
}

#[test]
fn a_library_that_is_not_on_pages_or_lacks_an_entry_or_is_another_machines_is_not_linked() {
    let wrong = [
        ELF.replacen("R   0x4000", "R   0x1000", 1),
        ELF.replace("   213:", "").replace("12 android_on_create", "12 another"),
        ELF.replace("12 android_main", "UND android_main"),
        ELF.replace("AArch64", "X86-64"),
        String::new(),
    ];
    for elf in wrong {
        let findings = Findings { elf: Some(elf.clone()), ..all() };
        assert_eq!(answer(&findings, "linked"), "no", "{elf}");
        assert!(!findings.faults().is_empty(), "{elf}");
    }
}

#[test]
fn a_package_that_asks_for_more_or_is_open_or_not_signed_is_a_fault() {
    let camera = "uses-permission: name='android.permission.CAMERA'\n";
    let service = "      E: service (line=30)\n";
    let wrong = [
        Findings { badging: Some(format!("{BADGING}{camera}")), ..all() },
        Findings { badging: Some(BADGING.replace("'35'", "'29'")), ..all() },
        Findings { badging: Some(BADGING.replace("native-code", "code")), ..all() },
        Findings { manifest: Some(MANIFEST.replace("allowBackup(0x01010280)=(type 0x12)0x0", "")), ..all() },
        Findings { manifest: Some(format!("{MANIFEST}{service}")), ..all() },
        Findings { aligned: Some(false), ..all() },
        Findings { signature: Some(SIGNATURE.replace("v3): true", "v3): false")), ..all() },
    ];
    for findings in wrong {
        assert_eq!(findings.faults().len(), 1, "{findings:?}");
        assert_eq!(answer(&findings, "signed"), "no", "{findings:?}");
    }
}
