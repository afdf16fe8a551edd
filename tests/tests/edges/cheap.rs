//! OPAQUE with an Argon2 of the caller's choice is for the simulated world alone: a shipped crate that named it could be
//! talked into a PIN that costs nothing to guess.

use std::fs;
use std::path::{Path, PathBuf};

/// What the module offers, and who may name it.
const NAMES: [&str; 3] = ["opaque::hazmat", "finish_login", "finish_registration"];
const MAY: [&str; 2] = ["shared/src/opaque/hazmat.rs", "tests/simulation/"];
/// Where sources are; the tests of this folder speak of the names.
const ROOTS: [&str; 6] = ["shared", "mdm-server", "client", "tests", "packaging", "fuzz"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.expect("the folder can be listed").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && !["target", "node_modules", ".git"].contains(&name.as_str()) {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn names(text: &str) -> bool {
    NAMES.iter().any(|name| text.contains(name))
}

#[test]
fn nothing_but_the_simulation_names_the_cheap_pin_exchange() {
    let root = root();
    let mut found = Vec::new();
    ROOTS.iter().for_each(|folder| sources(&root.join(folder), &mut found));
    assert!(found.len() > 300, "{} sources: the walk does not see the workspace", found.len());
    let naming: Vec<String> = found
        .iter()
        .filter(|path| names(&fs::read_to_string(path).unwrap()))
        .map(|path| path.strip_prefix(&root).unwrap().to_string_lossy().into_owned())
        .filter(|path| path != "tests/tests/edges/cheap.rs")
        .collect();
    let others: Vec<&String> =
        naming.iter().filter(|path| !MAY.iter().any(|may| path.starts_with(may))).collect();
    assert!(others.is_empty(), "{others:?} name what only the simulation may");
    for may in MAY {
        assert!(naming.iter().any(|path| path.starts_with(may)), "{may} does not name it any more");
    }
}
