//! The browser that the other tests stand on: what it must notice, it notices.

use e2e::browser::{Browser, Language, Options};

/// A page that says whether its script ran, and what language was asked for.
const SCRIPTED: &str = "data:text/html;charset=utf-8,<html lang=ja><title>t</title><main><h1>玉手箱</h1>\
                        <noscript>without a script</noscript><p id=said></p></main>\
                        <script>document.getElementById('said').textContent = 'with a script';</script>";

/// A page with one fault of each kind.
const FAULTY: &str = "data:text/html;charset=utf-8,<html lang=ja><title>t</title>\
    <meta name=viewport content='width=device-width'><body style='margin:0'><main><h1>玉手箱</h1>\
    <p>文の中の<a href='%23a'>リンク</a>はよい。</p><button style='height:44px;width:88px'>よい</button>\
    <button style='width:30px;height:30px'>小</button>\
    <button style='width:60px;height:50px;white-space:nowrap;overflow:hidden'>とても長いボタンの名前</button>\
    <input style='height:44px;width:88px'><div style='width:700px;height:9px'></div></main>";

#[test]
fn scripts_run_only_where_they_may() {
    let with = Browser::open(Options::default()).unwrap();
    with.go(SCRIPTED).unwrap();
    with.see("with a script").unwrap();
    assert!(!with.text().unwrap().contains("without a script"));

    let without = Browser::open(Options::without_javascript()).unwrap();
    without.go(SCRIPTED).unwrap();
    without.see("without a script").unwrap();
    assert!(!without.text().unwrap().contains("with a script"));
}

#[test]
fn faults_of_a_layout_and_barriers_are_noticed() {
    let browser = Browser::open(Options::narrow()).unwrap();
    browser.go(FAULTY).unwrap();
    let faults = browser.layout_faults().unwrap();
    let named = |what: &str| faults.iter().filter(|fault| fault.contains(what)).count();
    assert_eq!(named("the page is 700 px wide in a window of 390 px"), 1, "{faults:?}");
    assert_eq!(named("\"小\" is 30.0 x 30.0 px"), 1, "{faults:?}");
    assert_eq!(named("\"とても長いボタンの名前\" is cut off"), 1, "{faults:?}");
    assert_eq!(faults.len(), 3, "and nothing else: {faults:?}");

    let found = browser.axe().unwrap();
    let serious: Vec<&str> =
        found.iter().filter(|found| found.is_serious()).map(|found| found.rule.as_str()).collect();
    assert_eq!(serious, ["label"], "a field without a label: {found:?}");
}

#[test]
fn a_picture_is_as_wide_as_the_window_and_as_high_as_the_page() {
    let mut browser = Browser::open(Options { language: Language::English, ..Options::narrow() }).unwrap();
    browser
        .go("data:text/html,<meta name=viewport content='width=device-width'><div style='height:2000px'>")
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (narrow, wide) = (folder.path().join("narrow.png"), folder.path().join("wide.png"));
    browser.picture(&narrow).unwrap();
    assert_eq!(size(&narrow), (390, 2016), "with the margin of the body");
    browser.change(Options { width: 1_280, height: 800, ..browser.options() }).unwrap();
    browser.picture(&wide).unwrap();
    assert_eq!(size(&wide).0, 1_280);
    browser.change(Options { dark: true, ..browser.options() }).unwrap();
    let dark = browser.script("return matchMedia('(prefers-color-scheme: dark)').matches", vec![]).unwrap();
    assert_eq!(dark, true);
}

/// Of a PNG: in its first chunk (PNG specification, section 11.2.1).
fn size(file: &std::path::Path) -> (u32, u32) {
    let bytes = std::fs::read(file).unwrap();
    assert!(bytes.starts_with(b"\x89PNG\r\n\x1a\n"));
    let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    (number(16), number(20))
}
