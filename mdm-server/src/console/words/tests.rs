use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use axum::http::HeaderValue;
use fluent_syntax::ast::{Entry, Expression, InlineExpression, Pattern, PatternElement};

use super::*;

/// The variables that each text of a language names.
fn texts(files: &[(&str, &str)]) -> BTreeMap<String, BTreeSet<String>> {
    let mut texts = BTreeMap::new();
    for (area, text) in files {
        let parsed = fluent_syntax::parser::parse(*text)
            .unwrap_or_else(|(_, errors)| panic!("{area}.ftl: {errors:?}"));
        for entry in parsed.body {
            let Entry::Message(message) = entry else { continue };
            let key = message.id.name.to_owned();
            let mut variables = BTreeSet::new();
            collect(message.value.as_ref().unwrap_or_else(|| panic!("{key} says nothing")), &mut variables);
            assert!(texts.insert(key.clone(), variables).is_none(), "{key} stands there twice");
        }
    }
    texts
}

fn collect(pattern: &Pattern<&str>, variables: &mut BTreeSet<String>) {
    for element in &pattern.elements {
        match element {
            PatternElement::TextElement { .. } => {}
            PatternElement::Placeable { expression: Expression::Inline(inline) } => {
                variable(inline, variables)
            }
            PatternElement::Placeable { expression: Expression::Select { selector, variants } } => {
                variable(selector, variables);
                for variant in variants {
                    collect(&variant.value, variables);
                }
            }
        }
    }
}

fn variable(inline: &InlineExpression<&str>, variables: &mut BTreeSet<String>) {
    if let InlineExpression::VariableReference { id } = inline {
        variables.insert(id.name.to_owned());
    }
}

/// Every source and template of the console, as one text.
fn sources() -> String {
    fn read(folder: &Path, into: &mut String) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                read(&path, into);
            } else if path.extension().is_some_and(|kind| kind == "rs" || kind == "html") {
                into.push_str(&std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = String::new();
    read(&root.join("src/console"), &mut all);
    read(&root.join("src/letters"), &mut all);
    read(&root.join("templates"), &mut all);
    all.push_str(&std::fs::read_to_string(root.join("src/mail.rs")).unwrap());
    all
}

/// The literal texts of the sources that look like keys: kebab-case with an area that there is a file of.
fn keys_in(sources: &str) -> BTreeSet<String> {
    let areas: Vec<&str> = JAPANESE.iter().map(|(area, _)| *area).collect();
    sources
        .split('"')
        .filter(|text| {
            text.contains('-')
                && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        })
        .filter(|text| {
            areas.iter().any(|area| {
                text.strip_prefix(area).is_some_and(|rest| rest.len() > 1 && rest.starts_with('-'))
            })
        })
        .map(str::to_owned)
        .collect()
}

#[test]
fn both_languages_say_the_same_texts_with_the_same_values() {
    let (japanese, english) = (texts(&JAPANESE), texts(&ENGLISH));
    let only = |one: &BTreeMap<String, BTreeSet<String>>,
                other: &BTreeMap<String, BTreeSet<String>>|
     -> Vec<String> { one.keys().filter(|key| !other.contains_key(*key)).cloned().collect() };
    assert_eq!(only(&japanese, &english), Vec::<String>::new(), "only in Japanese");
    assert_eq!(only(&english, &japanese), Vec::<String>::new(), "only in English");
    for (key, variables) in &japanese {
        assert_eq!(variables, &english[key], "the values of {key}");
    }
}

#[test]
fn no_text_is_missing_and_none_is_unused() {
    let said = keys_in(&sources());
    let known: BTreeSet<String> = texts(&JAPANESE).into_keys().collect();
    let missing: Vec<&String> = said.difference(&known).collect();
    let unused: Vec<&String> = known.difference(&said).collect();
    assert!(missing.is_empty() && unused.is_empty(), "missing: {missing:?}\nunused: {unused:?}");
}

#[test]
fn templates_hold_no_words_of_their_own() {
    fn check(folder: &Path) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                check(&path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let foreign: String = text.chars().filter(|c| !c.is_ascii()).collect();
            assert_eq!(foreign, "", "{} holds text outside locales/", path.display());
        }
    }
    check(&Path::new(env!("CARGO_MANIFEST_DIR")).join("templates"));
}

#[test]
fn the_browser_chooses_the_language_and_japanese_is_the_default() {
    let asked = |value: &'static str| {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_LANGUAGE, HeaderValue::from_static(value));
        Language::asked_for(&headers)
    };
    assert_eq!(asked("en-GB,en;q=0.9,ja;q=0.8"), Language::English);
    assert_eq!(asked("fr, ja;q=0.8, en;q=0.5"), Language::Japanese);
    assert_eq!(asked("fr"), Language::Japanese);
    assert_eq!(Language::asked_for(&HeaderMap::new()), Language::Japanese);
}
