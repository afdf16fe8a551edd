use axum::http::StatusCode;
use mdm_core::audit::Happening;
use mdm_core::batch::Mode;
use mdm_core::operator::Role;

use crate::console::Console;
use crate::console::browser::{Answer, Browser};
use crate::testing::World;

const STAFF: &str = "職員番号,氏名,所属,利用\n001,髙橋太郎,総務部 総務課,○\n002,𠮷田花子,税務課,○\n\
                     003,濵田次郎,税務課,○\n";

async fn bench(role: Role) -> (World, Browser) {
    let world = World::new();
    world.apply(STAFF, Mode::Roster).await;
    let console = Console::new(world.service.clone());
    let browser = Browser::signed_in(&world, &console, role).await;
    (world, browser)
}

async fn publish(browser: &Browser, fields: &[(&str, &str)]) -> Answer {
    browser.post_file("/documents/new", fields, "manual.pdf", b"smoke").await
}

const TO_TAX: [(&str, &str); 5] = [
    ("title", "滞納整理の手引き"),
    ("folder", "税務/手引き"),
    ("level", "2"),
    ("to", "departments"),
    ("department", "知事部局\t税務課"),
];

async fn noted(world: &World, what: Happening) -> usize {
    world.journal().await.iter().filter(|entry| entry.body().unwrap().what == what).count()
}

#[tokio::test]
async fn a_document_is_published_to_a_department_and_the_list_says_who_may_read_it() {
    let (world, browser) = bench(Role::Operator).await;
    let form = browser.get("/documents/new").await.text();
    assert!(
        form.contains("value=\"知事部局&#9;総務部\"") || form.contains("value=\"知事部局\t総務部\""),
        "{form}"
    );
    let sent = publish(&browser, &TO_TAX).await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.text());
    let page = browser.get(&sent.location).await.text();
    assert!(
        page.contains("「滞納整理の手引き」を公開しました") && page.contains("税務課 (知事部局)"),
        "{page}"
    );
    let list = browser.get("/documents").await.text();
    for said in ["滞納整理の手引き", "税務/手引き", "機密性2", "税務課", ">2<", "1 KB"] {
        assert!(list.contains(said), "{said} in {list}");
    }
    let file = browser.get(&format!("{}/content", sent.location)).await;
    assert_eq!(file.bytes, b"smoke");
    assert_eq!(noted(&world, Happening::DocumentOpened).await, 1);
}

#[tokio::test]
async fn persons_are_named_by_number_and_shown_again_in_the_form_that_replaces() {
    let (_world, browser) = bench(Role::Owner).await;
    let fields = [("title", "個別の通知"), ("level", "1"), ("to", "persons"), ("persons", "001、002\r\n003")];
    let sent = publish(&browser, &fields).await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.text());
    let form = browser.get(&format!("{}/replace", sent.location)).await.text();
    assert!(form.contains(">001\n002\n003</textarea>"), "{form}");
    let again = [("title", "個別の通知 訂正"), ("level", "1"), ("to", "organisation")];
    let replaced = browser.post_file(&format!("{}/replace", sent.location), &again, "", b"").await;
    assert_eq!(replaced.status, StatusCode::SEE_OTHER, "{}", replaced.text());
    let page = browser.get(&sent.location).await.text();
    assert!(page.contains("個別の通知 訂正") && page.contains("組織全体"), "{page}");
    assert_eq!(browser.get(&format!("{}/content", sent.location)).await.bytes, b"smoke", "the file stays");
}

#[tokio::test]
async fn a_notice_is_typed_in_corrected_and_marked_in_the_list() {
    let (world, browser) = bench(Role::Operator).await;
    let text = "4月1日から、会計課の窓口は2階です。\r\n3階にはありません。";
    let good = [("title", "窓口の移転"), ("level", "1"), ("to", "organisation"), ("body", text)];
    let empty = browser.post_multipart("/documents/new-notice", &good[..3]).await;
    assert!(empty.text().contains("id=\"body-error\""), "{}", empty.text());
    let sent = browser.post_multipart("/documents/new-notice", &good).await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.text());
    let body = || async { String::from_utf8(browser.get(&format!("{}/content", sent.location)).await.bytes) };
    assert_eq!(body().await.unwrap(), text.replace("\r\n", "\n"));
    assert!(browser.get("/documents").await.text().contains("お知らせ</span>"));

    let replace = format!("{}/replace", sent.location);
    assert!(browser.get(&replace).await.text().contains("お知らせを訂正する"));
    let title = [("title", "窓口の移転 訂正"), ("level", "1"), ("to", "organisation")];
    assert_eq!(browser.post_multipart(&replace, &title).await.status, StatusCode::SEE_OTHER);
    assert!(body().await.unwrap().contains("2階"), "without a text the present one stays");
    let corrected = [title[0], title[1], title[2], ("body", "1階です。")];
    assert_eq!(browser.post_multipart(&replace, &corrected).await.status, StatusCode::SEE_OTHER);
    assert_eq!(body().await.unwrap(), "1階です。");
    assert_eq!(noted(&world, Happening::DocumentReplaced).await, 2);

    let long = "あ".repeat(25_000);
    let too_long = [title[0], title[1], title[2], ("body", long.as_str())];
    let refused = browser.post_multipart("/documents/new-notice", &too_long).await;
    let beside = refused.text();
    let said =
        beside.split("id=\"body-error\"").nth(1).unwrap_or_else(|| panic!("{}: {beside}", refused.status));
    assert!(said.contains("64 KBまで"), "{said}");
    assert_eq!(noted(&world, Happening::DocumentPublished).await, 1);
}

#[tokio::test]
async fn what_is_wrong_stands_beside_its_field_and_nothing_is_stored() {
    let (world, browser) = bench(Role::Operator).await;
    let cases: [(&[(&str, &str)], &str); 6] = [
        (&[("level", "1"), ("to", "organisation")], "title-error"),
        (&[("title", "x"), ("to", "organisation")], "level-error"),
        (&[("title", "x"), ("level", "3"), ("to", "organisation")], "level-error"),
        (&[("title", "x"), ("level", "1")], "audience-error"),
        (&[("title", "x"), ("level", "1"), ("to", "departments")], "audience-error"),
        (&[("title", "x"), ("level", "1"), ("to", "persons"), ("persons", "999")], "audience-error"),
    ];
    for (fields, field) in cases {
        let refused = publish(&browser, fields).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{fields:?}");
        assert!(refused.text().contains(&format!("id=\"{field}\"")), "{fields:?}: {}", refused.text());
    }
    let good = [("title", "x"), ("level", "1"), ("to", "organisation")];
    let without_file = browser.post_file("/documents/new", &good, "", b"").await;
    assert!(without_file.text().contains("id=\"file-error\""), "{}", without_file.text());
    assert_eq!(noted(&world, Happening::DocumentPublished).await, 0);
    let left = std::fs::read_dir(world.service.config.data.join("documents")).unwrap().count();
    assert_eq!(left, 0, "files of what was refused");
}

#[tokio::test]
async fn a_document_is_taken_back_after_a_question() {
    let (world, browser) = bench(Role::Operator).await;
    let place = publish(&browser, &TO_TAX).await.location;
    let question = browser.get(&format!("{place}/unpublish")).await.text();
    assert!(question.contains("滞納整理の手引き") && question.contains("元に戻せません"), "{question}");
    assert_eq!(noted(&world, Happening::DocumentUnpublished).await, 0);
    let done = browser.post(&format!("{place}/unpublish"), &[]).await;
    assert_eq!(done.location, "/documents");
    assert!(browser.get("/documents").await.text().contains("の公開を終了しました"));
    assert!(browser.get(&place).await.text().contains("公開を終了しました"));
    assert_eq!(browser.get(&format!("{place}/content")).await.status, StatusCode::CONFLICT);
    assert_eq!(browser.post(&format!("{place}/unpublish"), &[]).await.status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn who_may_only_read_sees_the_list_and_no_contents() {
    for role in [Role::Helpdesk, Role::Auditor] {
        let (world, browser) = bench(role).await;
        let owner = Browser::signed_in(&world, &Console::new(world.service.clone()), Role::Owner).await;
        let place = publish(&owner, &TO_TAX).await.location;
        for path in ["/documents", &place] {
            let page = browser.get(path).await;
            assert_eq!(page.status, StatusCode::OK);
            assert!(!page.text().contains("/documents/new") && !page.text().contains("/unpublish"));
        }
        for path in ["/documents/new".to_owned(), format!("{place}/content"), format!("{place}/replace")] {
            assert_eq!(browser.get(&path).await.status, StatusCode::FORBIDDEN, "{path}");
        }
        assert_eq!(publish(&browser, &TO_TAX).await.status, StatusCode::FORBIDDEN);
    }
}

#[tokio::test]
async fn the_pages_speak_english_as_well() {
    let (_world, browser) = bench(Role::Owner).await;
    let browser = browser.in_english();
    publish(&browser, &TO_TAX).await;
    assert!(browser.get("/documents").await.text().contains("Published to"));
}
