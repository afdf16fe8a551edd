//! What a page may load and run: nothing but its own, and no text of a person is ever part of it.

use e2e::browser::{Browser, Options};
use e2e::web::{Answer, Web};
use e2e::world::World;

use super::crawl::Crawl;
use super::office::Office;
use super::signed_in;
use crate::prepared::SOURCE;

const POLICY: [&str; 8] = [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
];

/// What is wrong with how a page is confined.
fn faults(path: &str, answer: &Answer) -> Vec<String> {
    let mut policy: Vec<&str> = answer
        .header("content-security-policy")
        .split(';')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect();
    let mut expected = POLICY.to_vec();
    policy.sort_unstable();
    expected.sort_unstable();
    let mut faults = Vec::new();
    if policy != expected {
        faults.push(format!("{path}: policy {policy:?}"));
    }
    if answer.header("x-content-type-options") != "nosniff" || answer.header("cache-control") != "no-store" {
        faults.push(format!("{path}: {:?}", answer.headers));
    }
    if answer.header("content-type").starts_with("text/html") {
        faults.extend(inline(&answer.body).into_iter().map(|what| format!("{path}: {what}")));
    }
    faults
}

/// Scripts and styles in the page's own text.
fn inline(body: &str) -> Vec<String> {
    let tags = body.split('<').skip(1).filter_map(|rest| rest.split('>').next());
    let is_handler = |word: &str| {
        let name = word.split('=').next().unwrap_or_default();
        word.contains('=')
            && name.len() > 2
            && name.starts_with("on")
            && name.bytes().all(|byte| byte.is_ascii_lowercase())
    };
    let bad = |tag: &&str| {
        let (name, rest) = tag.split_once(char::is_whitespace).unwrap_or((tag, ""));
        name == "style"
            || (name == "script" && !rest.contains("src=\"/assets/"))
            || rest.split_whitespace().any(|word| word.starts_with("style=") || is_handler(word))
            || rest.contains("javascript:")
    };
    tags.filter(bad).map(|tag| format!("<{tag}>")).collect()
}

#[test]
fn inline_scripts_and_styles_are_noticed() {
    let bad = [
        "<script>x()</script>",
        "<style>a{}</style>",
        "<p style=\"color:red\">",
        "<a href=\"javascript:x()\">",
        "<img src=\"x\" onerror=\"x()\">",
        "<script src=\"https://evil.example/x.js\"></script>",
    ];
    for bad in bad {
        assert_eq!(inline(bad).len(), 1, "{bad}");
    }
    assert!(
        inline("<script src=\"/assets/live.js\" defer></script><p class=\"onward\">style=\"</p>").is_empty()
    );
}

#[test]
fn every_page_is_confined_to_itself() {
    let office = Office::new();
    let web = signed_in(&office.world, &office.owner);
    let mut faults_found = Vec::new();
    let crawl = Crawl::of(&web);
    for found in &crawl.pages {
        faults_found.extend(faults(&found.path, &found.answer));
    }
    assert!(crawl.kinds().len() >= 15, "links lead to {:?}", crawl.kinds());
    let stranger = Web::new(&office.world).unwrap();
    let token = web.csrf().unwrap();
    for (path, answer) in [
        ("/sign-in", stranger.get("/sign-in").unwrap().expect(200).unwrap()),
        ("/ without a session", stranger.get("/").unwrap().expect(303).unwrap()),
        ("/invitation/none", stranger.get("/invitation/none").unwrap().expect(410).unwrap()),
        ("no such page", web.get("/no/such/page").unwrap().expect(404).unwrap()),
        ("a forged form", web.post("/sign-out", &[]).unwrap().expect(403).unwrap()),
        ("a wrong sign-in", stranger.try_sign_in("nobody", "x", "000000").unwrap().expect(422).unwrap()),
        (
            "a wrong code",
            web.post("/confirm", &[("csrf", &token), ("code", "000000"), ("next", "/")]).unwrap(),
        ),
    ] {
        faults_found.extend(faults(path, &answer));
    }
    assert!(faults_found.is_empty(), "{}", faults_found.join("\n"));
}

#[test]
fn a_script_in_a_name_is_text() {
    const NAME: &str = "<script>window.taken=1</script>";
    let world = World::new().unwrap();
    let owner = world.owner().unwrap();
    world.mdmctl(&["licenses", "pool", "set", "2"]).unwrap();
    const DEPARTMENT: &str = "\"><img src=x onerror=window.taken=1>";
    let quoted = DEPARTMENT.replace('"', "\"\"");
    let text =
        format!("職員番号,氏名,フリガナ,所属,職名,利用\r\n000001,{NAME},タカハシ,\"{quoted}\",主事,○\r\n");
    let file = world.file("staff.csv", text.as_bytes()).unwrap();
    let batch = world.upload(file.to_str().unwrap(), SOURCE, "upsert").unwrap();
    let browser = Browser::open(Options::default()).unwrap();
    super::sign_in_at(&browser, &world, &owner);
    let visit = |path: &str| {
        browser.go(&format!("{}{path}", world.console())).unwrap();
        browser.see(NAME).unwrap();
        browser.see(DEPARTMENT).unwrap();
        let taken = browser.script("return window.taken === 1", vec![]).unwrap();
        assert_eq!(taken, false, "{path}");
    };
    visit(&format!("/batches/{batch}"));
    world.apply(&batch).unwrap();
    let account = world.accounts(SOURCE).unwrap()[0]["id"].as_str().unwrap().to_owned();
    visit(&format!("/accounts/{account}"));
    visit("/accounts");
    visit("/accounts?q=script");
    visit("/lost?q=000001");
}
