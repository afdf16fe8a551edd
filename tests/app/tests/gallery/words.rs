//! The words of the screens: every text has its translation, and no text goes round them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Literals that are no words: what a code or an address looks like, and the languages by their own names.
const NO_WORDS: [&str; 4] = ["XXXXX-XXXXX-XXXXX-XXXXX-X", "mdm.example.lg.jp:4433", "日本語", "English"];
/// Properties whose text a person reads or hears.
const SHOWN: [&str; 10] = [
    "text:",
    "title:",
    "label:",
    "hint:",
    "error:",
    "placeholder:",
    "accessible-label:",
    "accessible-description:",
    "accessible-value:",
    "options:",
];

/// Every `@tr` has a Japanese text with the same gaps, and every Japanese text is used.
pub(super) fn translated() {
    let used: BTreeMap<String, String> = sources()
        .iter()
        .flat_map(|(path, source)| {
            translations(source).into_iter().map(move |id| (id, path.display().to_string()))
        })
        .collect();
    let known = catalogue(
        &fs::read_to_string(folder().join("lang/ja/LC_MESSAGES/client-ui.po")).expect("the catalogue"),
    );
    assert!(used.len() > 100, "the search finds the texts: {}", used.len());

    let missing: Vec<_> = used.iter().filter(|(id, _)| !known.contains_key(*id)).collect();
    assert!(missing.is_empty(), "without a Japanese text: {missing:#?}");
    let unused: Vec<_> = known.keys().filter(|id| !used.contains_key(*id)).collect();
    assert!(unused.is_empty(), "said by no screen: {unused:#?}");
    for (id, text) in &known {
        assert!(!text.is_empty(), "`{id}` is empty in Japanese");
        assert_eq!(gaps(id), gaps(text), "`{id}` and `{text}` have different gaps");
        assert!(!text.contains(['!', '!', '?', '?']), "`{text}` raises its voice");
    }
}

/// A string that a person sees is inside `@tr`.
pub(super) fn literals() {
    let mut astray = Vec::new();
    for (path, source) in sources() {
        for (number, line) in source.lines().enumerate() {
            let code = without_translations(line.split("//").next().unwrap_or_default());
            let shown = SHOWN.iter().any(|property| code.trim_start().starts_with(property));
            for literal in strings(&code).filter(|literal| !NO_WORDS.contains(&literal.as_str())) {
                let japanese = literal.chars().any(|c| c >= '\u{3000}');
                let english = shown && literal.chars().filter(char::is_ascii_alphabetic).count() > 1;
                if japanese || (english && !is_compared(&code, &literal)) {
                    astray.push(format!("{}:{}: {literal:?}", path.display(), number + 1));
                }
            }
        }
    }
    assert!(astray.is_empty(), "outside @tr:\n{}", astray.join("\n"));
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../client/ui")
}

fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![folder().join("ui")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("the folder of the screens") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "slint") {
                let source = fs::read_to_string(&path).expect("a screen");
                found.push((path, source));
            }
        }
    }
    assert!(found.len() > 20, "the screens are here: {}", found.len());
    found
}

/// The source strings of each `@tr`: of a plural, the singular one, which is the key.
fn translations(source: &str) -> Vec<String> {
    let calls = source.split("@tr(").skip(1);
    calls.map(|call| strings(call).next().expect("@tr holds a string")).collect()
}

fn without_translations(code: &str) -> String {
    let mut parts = code.split("@tr(");
    let mut rest = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let mut quoted = false;
        let end = part.char_indices().find(|(_, c)| {
            quoted ^= *c == '"';
            *c == ')' && !quoted
        });
        rest.push_str(end.map_or("", |(at, _)| &part[at..]));
    }
    rest
}

/// Whether the literal is only compared with, such as the code of a language.
fn is_compared(code: &str, literal: &str) -> bool {
    code.contains(&format!("== \"{literal}\"")) || code.contains(&format!("@image-url(\"{literal}\")"))
}

/// The string literals of a piece of source. None here escapes a quote.
fn strings(code: &str) -> impl Iterator<Item = String> {
    code.split('"').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>().into_iter()
}

fn gaps(text: &str) -> BTreeSet<String> {
    text.split('{').skip(1).map(|gap| gap.split('}').next().unwrap_or_default().to_owned()).collect()
}

/// `msgid` → `msgstr`, or the first form of a plural.
fn catalogue(po: &str) -> BTreeMap<String, String> {
    let mut known = BTreeMap::new();
    for entry in po.split("\n\n").skip(1) {
        let field = |name: &str| {
            let line = entry.lines().find_map(|line| line.strip_prefix(name))?;
            Some(line.trim().trim_matches('"').to_owned())
        };
        let Some(id) = field("msgid ") else { continue };
        let text = field("msgstr ").or_else(|| field("msgstr[0] ")).unwrap_or_default();
        assert_eq!(known.insert(id.clone(), text), None, "`{id}` stands twice in the catalogue");
    }
    known
}
