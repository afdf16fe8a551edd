use axum::http::StatusCode;
use data_encoding::{BASE64, HEXLOWER};
use jiff::SignedDuration;
use mdm_core::audit::{Actor, Entry, Happening, verify};
use mdm_core::batch::Mode;
use mdm_core::operator::Role;

use crate::api::types::{CheckpointView, EntryView};
use crate::console::Console;
use crate::console::browser::Browser;
use crate::testing::World;
use crate::use_cases::licenses;

async fn bench() -> (World, Browser) {
    let world = World::new();
    licenses::set_pool(&world.service, 1, Actor::Server).await.unwrap();
    world
        .apply(
            "職員番号,氏名,所属,利用\n001,髙橋太郎,総務課,○\n002,=ＨＯＧＥ,税務課,○\n003,濵田次郎,福祉課,×\n",
            Mode::Roster,
        )
        .await;
    let browser = Browser::signed_in(&world, &Console::new(world.service.clone()), Role::Auditor).await;
    (world, browser)
}

async fn noted(world: &World, form: &str) -> usize {
    let entries = world.journal().await;
    let bodies = entries.iter().map(|entry| entry.body().unwrap());
    let noted = bodies.filter(|body| body.what == Happening::JournalExported);
    noted.filter(|body| body.facts.contains(&("form".to_owned(), form.to_owned()))).count()
}

#[tokio::test]
async fn who_reads_the_journal_is_noted_once_an_hour() {
    let (world, browser) = bench().await;
    for _ in 0..3 {
        let page = browser.get("/audit").await;
        assert!(page.text().contains("名簿の適用"), "{}", page.text());
    }
    assert_eq!(noted(&world, "page").await, 1);
    for _ in 0..3 {
        world.clock.advance(SignedDuration::from_mins(25));
        browser.get("/audit").await;
    }
    assert_eq!(noted(&world, "page").await, 2);
}

#[tokio::test]
async fn what_is_taken_along_verifies() {
    let (world, browser) = bench().await;
    let file = browser.get("/audit/journal.jsonl").await.text();
    let lines: Vec<&str> = file.lines().collect();
    let (last, entries) = lines.split_last().unwrap();
    let entries: Vec<Entry> = entries
        .iter()
        .map(|line| {
            let view: EntryView = serde_json::from_str(line).unwrap();
            Entry {
                sequence: view.sequence,
                bytes: BASE64.decode(view.bytes.as_bytes()).unwrap(),
                hash: HEXLOWER.decode(view.hash.as_bytes()).unwrap().try_into().unwrap(),
                personal: Vec::new(),
            }
        })
        .collect();
    let checkpoint: CheckpointView = serde_json::from_str(last).unwrap();
    let verified = verify(&entries, None).unwrap();
    assert_eq!(verified.head.sequence, checkpoint.sequence);
    assert_eq!(HEXLOWER.encode(&verified.head.hash), checkpoint.hash);
    assert_eq!(noted(&world, "json-lines").await, 1);
    let single: CheckpointView =
        serde_json::from_slice(&browser.get("/audit/checkpoint.json").await.bytes).unwrap();
    assert_eq!(single.sequence, checkpoint.sequence);
}

#[tokio::test]
async fn a_filter_holds_for_the_page_and_for_the_file() {
    let (world, browser) = bench().await;
    let id = world.account("003").await.id;
    for query in [
        "about=003".to_owned(),
        format!("about={id}"),
        "what=account-joined&from=2027-04-01&to=2027-04-01".to_owned(),
    ] {
        let page = browser.get(&format!("/audit?{query}")).await.text();
        assert!(page.contains("濵田次郎") && page.contains("アカウントの新規登録"), "{query}: {page}");
        assert!(!page.contains(&format!("<td data-label=\"出来事\">{}</td>", "名簿の適用")), "{query}");
        let csv = browser.get(&format!("/audit/entries.csv?{query}")).await.text();
        assert!(csv.starts_with("\u{FEFF}連番,日時,"), "{csv}");
        assert!(csv.contains("濵田次郎") && !csv.contains("名簿の適用"), "{csv}");
    }
    assert!(!browser.get("/audit?from=2027-04-02").await.text().contains("アカウントの新規登録</td>"));
    assert_eq!(noted(&world, "csv").await, 3);
}

#[tokio::test]
async fn what_cannot_be_looked_for_is_said_beside_the_field() {
    let (_world, browser) = bench().await;
    for (query, field) in
        [("from=1.4.", "from-error"), ("to=tomorrow", "to-error"), ("about=999", "about-error")]
    {
        let page = browser.get(&format!("/audit?{query}")).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(page.text().contains(&format!("id=\"{field}\"")), "{query}");
        assert_eq!(browser.get(&format!("/audit/entries.csv?{query}")).await.status, StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn only_who_may_audit_reads_the_journal() {
    let world = World::new();
    for role in [Role::Operator, Role::Helpdesk] {
        let browser = Browser::signed_in(&world, &Console::new(world.service.clone()), role).await;
        for path in ["/audit", "/audit/journal.jsonl", "/audit/entries.csv", "/audit/checkpoint.json"] {
            assert_eq!(browser.get(path).await.status, StatusCode::FORBIDDEN, "{role:?} {path}");
        }
    }
}
