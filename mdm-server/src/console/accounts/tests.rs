//! People in lists and on their pages, seats asked for and codes shown once.

use axum::http::StatusCode;
use mdm_core::audit::Actor;
use mdm_core::batch::Mode;
use mdm_core::code::CodeState;
use mdm_core::device::DeviceState;
use mdm_core::operator::Role;
use rand::rngs::OsRng;
use shared::ids::{AccountId, EnrolmentId, NoteId};
use shared::wire::{NOTE_MEDIA_TYPE, NoteContents, NoteOffer};

use crate::console::Console;
use crate::console::browser::Browser;
use crate::testing::World;
use crate::use_cases::{licenses, notes};

const STAFF: &str = "職員番号,氏名,フリガナ,所属,職名,利用\n\
                     001,山田太郎,ヤマダ タロウ,総務課,主査,○\n\
                     002,<i>鈴木</i>,スズキ,防災課,,×\n";

async fn office(seats: u32) -> (World, Console) {
    let world = World::new();
    licenses::set_pool(&world.service, seats, Actor::Server).await.unwrap();
    world.apply(STAFF, Mode::Roster).await;
    let console = Console::new(world.service.clone());
    (world, console)
}

#[tokio::test]
async fn people_are_found_by_number_name_or_kana_and_narrowed() {
    let (world, console) = office(1).await;
    let helpdesk = Browser::signed_in(&world, &console, Role::Helpdesk).await;
    for (query, found) in [
        ("q=1", true),
        ("q=ﾔﾏﾀﾞ", true),
        ("q=山田", true),
        ("q=002", false),
        ("seat=holds", true),
        ("seat=without", false),
        ("state=provisional", true),
        ("state=closed", false),
        ("department=総務課", true),
        ("department=税務課", false),
        ("source=知事部局", true),
        ("page=2", false),
        ("page=nonsense&state=nonsense", true),
    ] {
        let query = query.replace("ﾔﾏﾀﾞ", "%EF%BE%94%EF%BE%8F%EF%BE%80%EF%BE%9E");
        let query: String = query
            .bytes()
            .map(|byte| if byte.is_ascii() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
            .collect();
        let page = helpdesk.get(&format!("/accounts?{query}")).await;
        assert_eq!(page.status, StatusCode::OK, "{query}");
        assert_eq!(page.text().contains("ヤマダ タロウ"), found, "{query}");
    }
}

#[tokio::test]
async fn a_persons_page_says_posts_seat_code_and_device() {
    let (world, console) = office(1).await;
    let account = world.account("001").await.id;
    world.device(account, DeviceState::Live).await;
    let helpdesk = Browser::signed_in(&world, &console, Role::Helpdesk).await;
    let page = helpdesk.get(&format!("/accounts/{account}")).await.text();
    for said in ["総務課(本務)", "主査", "割当あり", "未使用", "利用中", "仮登録"] {
        assert!(page.contains(said), "{said} is not on {page}");
    }
    assert!(page.contains("/block") && !page.contains("/wipe") && !page.contains("/code\""), "{page}");
    assert!(!page.contains("監査記録で詳しく見る"), "a helpdesk sees no journal");

    let auditor = Browser::signed_in(&world, &console, Role::Auditor).await;
    let page = auditor.get(&format!("/accounts/{account}")).await.text();
    assert!(page.contains("監査記録で詳しく見る") && !page.contains("/block"), "{page}");
}

#[tokio::test]
async fn a_persons_page_says_how_many_notes_they_have_and_not_what_is_in_them() {
    let (world, console) = office(1).await;
    let account = world.account("001").await.id;
    let helpdesk = Browser::signed_in(&world, &console, Role::Helpdesk).await;
    let page = async || helpdesk.get(&format!("/accounts/{account}")).await.text();
    assert!(page().await.contains("<dt>メモと写真</dt><dd>なし</dd>"));
    for (id, text) in [(1, "牛舎 3棟"), (2, "橋"), (3, "書きかけ")] {
        store_note(&world, account, id, Some(text)).await;
    }
    store_note(&world, account, 3, None).await;
    let page = page().await;
    assert!(page.contains("<dt>メモと写真</dt><dd>2件(1 KB)</dd>"), "{page}");
    assert!(!page.contains("牛舎"), "{page}");
}

/// As a device of theirs sends it; without text it is deleted again.
async fn store_note(world: &World, account: AccountId, id: u8, text: Option<&str>) {
    let received = text.map(|text| {
        let mut writer = world.service.notes.begin(None, &mut OsRng).unwrap();
        writer.push(text.as_bytes()).unwrap();
        writer.finish().unwrap()
    });
    let contents = received.as_ref().map(|received| NoteContents {
        media_type: NOTE_MEDIA_TYPE.to_owned(),
        size: received.content().size,
        hash: received.content().hash,
    });
    let base = u32::from(text.is_none());
    let offer = NoteOffer { id: NoteId::from_bytes([id; 16]), parent: None, base, contents };
    let by = (account, EnrolmentId::from_bytes([4; 16]));
    notes::take(&world.service, by, &offer, received).await.unwrap();
}

#[tokio::test]
async fn what_a_roster_calls_somebody_is_text_and_no_markup() {
    let (world, console) = office(1).await;
    let helpdesk = Browser::signed_in(&world, &console, Role::Helpdesk).await;
    let account = world.account("002").await.id;
    for path in ["/accounts".to_owned(), format!("/accounts/{account}"), "/lost?q=002".to_owned()] {
        let page = helpdesk.get(&path).await.text();
        assert!(page.contains("&#60;i&#62;鈴木") && !page.contains("<i>"), "{page}");
    }
}

#[tokio::test]
async fn a_code_is_shown_on_the_answer_and_ends_the_one_before() {
    let (world, console) = office(1).await;
    let account = world.account("001").await.id;
    let operator = Browser::signed_in(&world, &console, Role::Operator).await;
    let path = format!("/accounts/{account}/code");
    assert_eq!(operator.get(&path).await.status, StatusCode::OK);
    let answer = operator.post(&path, &[]).await;
    assert_eq!(answer.status, StatusCode::OK);
    let page = answer.text();
    let code = page.split_once("id=\"activation-code\">").unwrap().1.split_once('<').unwrap().0;
    assert!(shared::activation_code::ActivationCode::parse(code).is_ok(), "a code that can be typed");
    assert!(!operator.get(&format!("/accounts/{account}")).await.text().contains(code));
    let codes = world.service.store.codes_of_account(account).await.unwrap();
    let states: Vec<_> = codes.into_iter().map(|code| code.value.state).collect();
    assert_eq!(states, [CodeState::Replaced, CodeState::Open]);

    let helpdesk = Browser::signed_in(&world, &console, Role::Helpdesk).await;
    assert_eq!(helpdesk.post(&path, &[]).await.status, StatusCode::FORBIDDEN);
    let without = format!("/accounts/{}/code", world.account("002").await.id);
    assert_eq!(operator.get(&without).await.status, StatusCode::SEE_OTHER);
    assert_eq!(operator.post(&without, &[]).await.status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn a_seat_that_is_asked_for_is_given_or_waited_for() {
    for (seats, said) in [(2, "席を割り当て、コードを発行しました"), (1, "席が空くと、自動で割り当てます")]
    {
        let (world, console) = office(seats).await;
        let account = world.account("002").await.id;
        let operator = Browser::signed_in(&world, &console, Role::Operator).await;
        let answer = operator.post(&format!("/accounts/{account}/seat"), &[]).await;
        assert_eq!(
            (answer.status, answer.location.clone()),
            (StatusCode::SEE_OTHER, format!("/accounts/{account}"))
        );
        let page = operator.get(&answer.location).await.text();
        assert!(page.contains(said) && !page.contains("利用希望を登録する"), "{page}");
        let again = operator.post(&format!("/accounts/{account}/seat"), &[]).await;
        assert_eq!(again.status, StatusCode::CONFLICT);
    }
}

#[tokio::test]
async fn the_first_page_names_who_needs_a_code() {
    let (world, console) = office(1).await;
    let auditor = Browser::signed_in(&world, &console, Role::Auditor).await;
    assert!(auditor.get("/").await.text().contains("いま対応が必要なことはありません"));
    world.clock.advance_days(12);
    let auditor = Browser::signed_in(&world, &console, Role::Operator).await;
    let page = auditor.get("/").await.text();
    assert!(
        page.contains("3日以内にコードの期限が切れる職員が1人") && page.contains("山田太郎 001"),
        "{page}"
    );
}

#[tokio::test]
async fn leave_is_noted_ended_and_removed_on_the_persons_page() {
    let (world, console) = office(1).await;
    let account = world.account("001").await.id;
    let (page, change) = (format!("/accounts/{account}"), format!("/accounts/{account}/absence"));
    let auditor = Browser::signed_in(&world, &console, Role::Auditor).await;
    assert_eq!(auditor.post(&change, &[("from", "2027-05-01")]).await.status, StatusCode::FORBIDDEN);
    let operator = Browser::signed_in(&world, &console, Role::Operator).await;
    let noted = async || world.account("001").await.absences;
    let said = async |fields: &[(&str, &str)]| {
        assert_eq!(operator.post(&change, fields).await.status, StatusCode::SEE_OTHER);
        operator.get(&page).await.text()
    };
    assert!(said(&[("from", "2027-05-01"), ("until", "")]).await.contains("未定"));
    assert!(said(&[("from", "2027-05-01"), ("until", "2027-04-30")]).await.contains("開始日より前"));
    assert!(said(&[("from", "tomorrow")]).await.contains("開始日を選んで"));
    assert!(said(&[("from", "2027-06-01")]).await.contains("2027-05-01からの休職・育休と重なります"));
    assert_eq!(noted().await.len(), 1);
    said(&[("from", "2027-05-01"), ("until", "2027-05-31")]).await;
    said(&[("from", "2027-06-01")]).await;
    assert_eq!(noted().await.len(), 2);
    said(&[("remove", "2027-05-01")]).await;
    assert_eq!(noted().await.iter().map(|one| one.from.to_string()).collect::<Vec<_>>(), ["2027-06-01"]);
}
