//! What every page looks like: pictures at both widths, in both languages, light and dark; and that nothing on it keeps
//! anybody from using it: no barrier that axe knows, no control too small, no text cut off.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Once;

use anyhow::Result;
use e2e::browser::{Browser, Options};
use e2e::world::{Operator, Site, World};
use jiff::Timestamp;
use mdm_core::quarantine::{self, Cause, Entering};
use mdm_server::server::open_store;

use super::crawl::{Crawl, kind};
use super::office::Office;
use super::{sign_in_at, signed_in};

/// A way to look at a page.
struct Look {
    name: &'static str,
    language: &'static str,
    width: u32,
    dark: bool,
}

const LOOKS: [Look; 6] = [
    Look { name: "1280-ja", language: "ja", width: 1_280, dark: false },
    Look { name: "1280-ja-dark", language: "ja", width: 1_280, dark: true },
    Look { name: "390-ja", language: "ja", width: 390, dark: false },
    Look { name: "390-ja-dark", language: "ja", width: 390, dark: true },
    Look { name: "1280-en", language: "en", width: 1_280, dark: false },
    Look { name: "390-en", language: "en", width: 390, dark: false },
];

impl Look {
    fn options(&self) -> Options {
        let base = if self.width < 600 { Options::narrow() } else { Options::default() };
        Options { width: self.width, dark: self.dark, ..base }
    }

    /// Whether axe looks, too: at both widths and both sets of colours; words do not change what it finds.
    fn is_checked(&self) -> bool {
        matches!(self.name, "1280-ja" | "390-ja-dark")
    }
}

/// What a page is called in its pictures' names, and where it is.
type Named = (&'static str, String);

/// Before anybody has signed in.
fn outside(office: &Office) -> Vec<Named> {
    let invitation = office.invitation.clone();
    vec![
        ("sign-in", "/sign-in".to_owned()),
        ("invitation", invitation),
        ("invitation-gone", "/invitation/none".to_owned()),
        ("lost-report", "/lost/report".to_owned()),
    ]
}

/// Every page that an owner reaches.
fn inside(office: &Office) -> Vec<Named> {
    let Office { reached, lost, erased, blocked, replaced, planned, applied, undo, document, .. } = office;
    let (account, device) = (&reached.person.account, &reached.device);
    // More than one person has the name: one alone would be opened at once.
    let family = reached.person.name.split('\u{3000}').next().unwrap_or_default();
    let family: String = url::form_urlencoded::byte_serialize(family.as_bytes()).collect();
    let operator = office.operators.iter().find(|operator| operator["name"] == "tanaka");
    let operator = operator.and_then(|operator| operator["id"].as_str()).unwrap();
    [
        ("home", "/".to_owned()),
        ("lost", "/lost".to_owned()),
        ("lost-found", format!("/lost?q={family}")),
        ("lost-person", format!("/lost/{account}")),
        ("lost-person-blocked", format!("/lost/{}", blocked.person.account)),
        ("accounts", "/accounts".to_owned()),
        ("account", format!("/accounts/{account}")),
        ("account-wiped", format!("/accounts/{}", lost.person.account)),
        ("account-code", format!("/accounts/{account}/code")),
        ("devices", "/devices".to_owned()),
        ("device", format!("/devices/{device}")),
        ("device-unconfirmed", format!("/devices/{}", lost.device)),
        ("device-erased", format!("/devices/{}", erased.device)),
        ("device-block", format!("/devices/{device}/block")),
        ("device-unblock", format!("/devices/{}/unblock", blocked.device)),
        ("device-reset", format!("/devices/{}/reset-attempts", blocked.device)),
        ("device-wipe", format!("/devices/{device}/wipe")),
        ("batches", "/batches".to_owned()),
        ("batch-new", "/batches/new".to_owned()),
        ("batch-plan", format!("/batches/{planned}")),
        ("batch-rejected", format!("/batches/{planned}?kind=rejected")),
        ("batch-mend", format!("/batches/{planned}/mend")),
        ("batch-difference", format!("/batches/{planned}/difference?older={replaced}")),
        ("batch-apply", format!("/batches/{planned}/apply")),
        ("batch-cancel", format!("/batches/{planned}/cancel")),
        ("batch-applied", format!("/batches/{applied}")),
        ("batch-mail", format!("/batches/{applied}/mail")),
        ("batch-undo", format!("/batches/{applied}/undo")),
        ("batch-undo-plan", format!("/batches/{undo}")),
        ("batch-undo-apply", format!("/batches/{undo}/apply")),
        ("documents", "/documents".to_owned()),
        ("document", format!("/documents/{document}")),
        ("document-new", "/documents/new".to_owned()),
        ("notice-new", "/documents/new-notice".to_owned()),
        ("document-replace", format!("/documents/{document}/replace")),
        ("document-unpublish", format!("/documents/{document}/unpublish")),
        ("codes", "/codes".to_owned()),
        ("licenses", "/licenses".to_owned()),
        ("licenses-pool", "/licenses/pool?size=200".to_owned()),
        ("licenses-unused", "/licenses/unused?days=0".to_owned()),
        ("substitutes", "/substitutes".to_owned()),
        ("licenses-ending", "/licenses/ending".to_owned()),
        ("licenses-noticed", "/licenses/noticed".to_owned()),
        ("licenses-waiting", "/licenses/waiting".to_owned()),
        ("licenses-reclaim", "/licenses/reclaim?days=0&at_most=3".to_owned()),
        ("audit", "/audit".to_owned()),
        ("operators", "/operators".to_owned()),
        ("operator", format!("/operators/{operator}")),
        ("operator-invite", "/operators/invite".to_owned()),
        ("confirm", "/confirm?next=%2F".to_owned()),
        ("no-such-page", "/no/such/page".to_owned()),
    ]
    .to_vec()
}

/// Where they are put: a folder that is empty when the first test of a run asks for it.
fn pictures() -> PathBuf {
    static EMPTIED: Once = Once::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/screens/console");
    EMPTIED.call_once(|| {
        if folder.exists() {
            std::fs::remove_dir_all(&folder).unwrap();
        }
    });
    folder
}

/// Opens a page in a language, and confirms the second factor if the page wants a fresh one.
fn open(browser: &Browser, site: &Site, path: &str, operator: &Operator) {
    browser.go(&format!("{}{path}", site.console())).unwrap();
    let asked = browser.address().unwrap().path() == "/confirm" && !path.starts_with("/confirm");
    if asked {
        let language = browser.script("return document.documentElement.lang", vec![]).unwrap();
        let words = if language == "en" {
            ("Confirmation code", "Confirm and go on")
        } else {
            ("確認コード", "確認して進む")
        };
        browser.fill(words.0, &operator.code().unwrap()).unwrap();
        browser.click(words.1).unwrap();
        browser
            .see_that("the page behind the second factor", |_| {
                browser.address().is_ok_and(|address| address.path() != "/confirm")
            })
            .unwrap();
    }
}

/// Looks at pages, paints them, and says what is wrong with them.
fn look_at(
    browser: &mut Browser,
    site: &Site,
    operator: &Operator,
    pages: &[Named],
    faults: &mut Vec<String>,
) {
    for look in LOOKS {
        browser.change(look.options()).unwrap();
        browser.go(&format!("{}/language/{}", site.console(), look.language)).unwrap();
        for (name, path) in pages {
            open(browser, site, path, operator);
            let shown = format!("{name}-{}", look.name);
            browser.picture(&pictures().join(format!("{shown}.png"))).unwrap();
            let layout = browser.layout_faults().unwrap();
            faults.extend(layout.into_iter().map(|fault| format!("{shown}: {fault}")));
            if look.is_checked() {
                let barriers = browser.axe().unwrap().into_iter().filter(|found| found.is_serious());
                faults.extend(barriers.map(|found| format!("{shown}: {found:?}")));
            }
        }
    }
}

#[test]
fn every_page_is_painted_and_keeps_nobody_out() {
    let office = Office::new();
    let (outside, inside) = (outside(&office), inside(&office));
    every_page_is_named(&office, &outside, &inside);
    let mut faults = Vec::new();
    let mut browser = Browser::open(Options::default()).unwrap();
    look_at(&mut browser, &office.world, &office.owner, &outside, &mut faults);
    browser.go(&format!("{}/language/ja", office.world.console())).unwrap();
    sign_in_at(&browser, &office.world, &office.owner);
    look_at(&mut browser, &office.world, &office.owner, &inside, &mut faults);
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn the_pages_of_a_restored_server_are_painted_as_well() {
    let mut world = World::new().unwrap();
    let owner = world.owner().unwrap();
    world.operator("tanaka", "operator").unwrap();
    world.invite("suzuki", "helpdesk").unwrap();
    world.stop().unwrap();
    begin_quarantine(&world).unwrap();
    world.start().unwrap();
    let mut browser = Browser::open(Options::default()).unwrap();
    browser.go(&format!("{}/language/ja", world.console())).unwrap();
    sign_in_at(&browser, &world, &owner);
    let pages = [("quarantine", "/quarantine".to_owned()), ("quarantine-elsewhere", "/devices".to_owned())];
    let mut faults = Vec::new();
    look_at(&mut browser, &world, &owner, &pages, &mut faults);
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

/// What a restore leaves in the database of a stopped server.
fn begin_quarantine(site: &Site) -> Result<()> {
    crate::thief::runtime()?.block_on(async {
        let store = open_store(&site.data())?;
        let now = Timestamp::now();
        let entering = Entering {
            cause: Cause::Restored,
            known: store.journal_head().await?,
            known_until: now,
            seen: None,
            key_file: None,
        };
        let state = quarantine::loaded(store.server_state().await?);
        store.commit(quarantine::enter(state, &store.operators().await?, entering, now)).await?;
        Ok(())
    })
}

/// A page that links lead to and that has no picture is a page that nobody looks at.
fn every_page_is_named(office: &Office, outside: &[Named], inside: &[Named]) {
    let bare = |path: &str| kind(path.split('?').next().unwrap_or_default());
    let named: BTreeSet<String> = outside.iter().chain(inside).map(|(_, path)| bare(path)).collect();
    let crawl = Crawl::of(&signed_in(&office.world, &office.owner));
    let is_page = |found: &&super::crawl::Found| {
        found.answer.status == 200 && found.answer.header("content-type").starts_with("text/html")
    };
    let reached: BTreeSet<String> =
        crawl.pages.iter().filter(is_page).map(|found| bare(&found.path)).collect();
    let missing: Vec<&String> = reached.difference(&named).collect();
    assert!(missing.is_empty(), "no picture of {missing:?}");
}
