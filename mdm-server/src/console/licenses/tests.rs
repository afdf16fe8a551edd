use axum::http::StatusCode;
use encoding_rs::SHIFT_JIS;
use jiff::{SignedDuration, ToSpan as _};
use mdm_core::audit::{Actor, Happening};
use mdm_core::batch::Mode;
use mdm_core::change::{Changeset, Record};
use mdm_core::license::{DayOfUse, Pool};
use mdm_core::operator::Role;

use crate::console::Console;
use crate::console::browser::Browser;
use crate::testing::World;
use crate::use_cases::licenses;

/// Three who wish for a seat, two seats.
const STAFF: &str = "職員番号,氏名,所属,利用\n001,髙橋太郎,総務課,○\n002,𠮷田花子,税務課,○\n003,濵田次郎,福祉課,○\n004,佐藤三郎,福祉課,×\n";

async fn bench(role: Role) -> (World, Browser) {
    let world = World::new();
    licenses::set_pool(&world.service, 2, Actor::Server).await.unwrap();
    world.apply(STAFF, Mode::Roster).await;
    let console = Console::new(world.service.clone());
    let browser = Browser::signed_in(&world, &console, role).await;
    (world, browser)
}

async fn noted(world: &World, what: Happening) -> usize {
    world.journal().await.iter().filter(|entry| entry.body().unwrap().what == what).count()
}

#[tokio::test]
async fn another_size_says_what_it_does_before_it_does_it() {
    let (world, browser) = bench(Role::Operator).await;
    let preview = browser.get("/licenses/pool?size=5").await.text();
    assert!(
        preview.contains("2から5に") && preview.contains("1人に割り当て") && preview.contains("空きは2に"),
        "{preview}"
    );
    assert_eq!(noted(&world, Happening::PoolSet).await, 1, "nothing was set yet");
    for wrong in ["1", "lots"] {
        let refused = browser.get(&format!("/licenses/pool?size={wrong}")).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(
            browser.post("/licenses/pool", &[("size", wrong)]).await.status,
            StatusCode::UNPROCESSABLE_ENTITY
        );
    }
    assert_eq!(browser.post("/licenses/pool", &[("size", "5")]).await.status, StatusCode::SEE_OTHER);
    let page = browser.get("/licenses").await.text();
    assert!(page.contains("プールの総数を5にしました。割当待ちから1人に割り当てました。"), "{page}");
    assert!(world.account("003").await.seat.is_some());
}

#[tokio::test]
async fn a_reserve_is_seen_before_it_is_kept_and_a_size_alone_leaves_it() {
    let (world, browser) = bench(Role::Operator).await;
    let preview = browser.get("/licenses/pool?size=5&reserved=3").await.text();
    assert!(preview.contains("0 から 3 に") && !preview.contains("1人に割り当て"), "{preview}");
    let too_many = browser.get("/licenses/pool?size=5&reserved=4").await;
    assert_eq!(too_many.status, StatusCode::UNPROCESSABLE_ENTITY);
    for form in
        [&[("size", "5"), ("reserved", "3")][..], &[("size", "6")], &[("size", "6"), ("reserved", "")]]
    {
        assert_eq!(browser.post("/licenses/pool", form).await.status, StatusCode::SEE_OTHER);
    }
    let pool = licenses::status(&world.service).await.unwrap().pool;
    assert_eq!((pool.size, pool.reserved, pool.assigned), (6, 3, 3));
}

#[tokio::test]
async fn seats_are_reclaimed_as_they_were_shown_or_not_at_all() {
    let (world, browser) = bench(Role::Operator).await;
    world.clock.advance_days(40);
    let browser = {
        // The day at the desk ended long ago.
        drop(browser);
        Browser::signed_in(&world, &Console::new(world.service.clone()), Role::Owner).await
    };
    let preview = browser.get("/licenses/reclaim?days=30&notice=0&grace=0").await;
    let text = preview.text();
    assert!(text.contains("髙橋太郎") && text.contains("𠮷田花子") && text.contains("濵田次郎"), "{text}");
    let (seen, losing) = (preview.hidden("seen"), preview.hidden("losing"));
    assert_eq!(losing, "2");
    let confirm = async |seen: &str, losing: &str, count: &str| {
        let rule = [("days", "30"), ("at_most", ""), ("notice", "0"), ("grace", "0")];
        let fields = [&rule[..], &[("seen", seen), ("losing", losing), ("count", count)]].concat();
        browser.post("/licenses/reclaim", &fields).await
    };
    assert_eq!(confirm(&seen, &losing, "3").await.status, StatusCode::UNPROCESSABLE_ENTITY);
    // Meanwhile somebody else asks for a seat.
    let asked = browser.post("/licenses/waiting", &[("number", "004"), ("source", "")]).await;
    assert_eq!(asked.status, StatusCode::SEE_OTHER);
    let differs = confirm(&seen, &losing, "2").await;
    assert_eq!(differs.status, StatusCode::CONFLICT);
    assert!(differs.text().contains("佐藤三郎"), "what it would be now");
    assert_eq!(noted(&world, Happening::SeatReclaimed).await, 0);

    let done = confirm(&differs.hidden("seen"), &differs.hidden("losing"), "2").await;
    assert_eq!(done.status, StatusCode::SEE_OTHER);
    assert!(browser.get("/licenses").await.text().contains("2人の割当を回収し、2人に割り当てました"));
    for (number, holds) in [("001", false), ("002", false), ("003", true), ("004", true)] {
        assert_eq!(world.account(number).await.seat.is_some(), holds, "{number}");
    }
}

#[tokio::test]
async fn notice_is_given_unless_somebody_says_otherwise_and_a_seat_is_restored() {
    let (world, browser) = bench(Role::Operator).await;
    drop(browser);
    world.clock.advance_days(40);
    let browser = Browser::signed_in(&world, &Console::new(world.service.clone()), Role::Owner).await;
    let preview = browser.get("/licenses/reclaim?days=30").await;
    assert!(preview.text().contains("予告の7日間") && preview.text().contains("その後の14日間"));
    let (seen, losing) = (preview.hidden("seen"), preview.hidden("losing"));
    let confirm = async |notice: &str| {
        let rule = [("days", "30"), ("at_most", ""), ("notice", notice), ("grace", "14")];
        let fields = [&rule[..], &[("seen", &*seen), ("losing", &*losing), ("count", &*losing)]].concat();
        browser.post("/licenses/reclaim", &fields).await.status
    };
    assert_eq!(confirm("0").await, StatusCode::CONFLICT, "another rule than the one that was shown");
    assert_eq!(confirm("7").await, StatusCode::SEE_OTHER);
    assert_eq!(noted(&world, Happening::SeatNoticed).await, 2);
    assert!(browser.get("/licenses").await.text().contains("回収の予告中: 2人"));

    let first = world.account("001").await.id.to_string();
    assert!(browser.get("/licenses/noticed").await.text().contains("髙橋太郎"));
    assert!(browser.get(&format!("/accounts/{first}")).await.text().contains("以降に回収する予定です"));
    let restored = browser.post("/licenses/noticed", &[("account", &first)]).await;
    assert_eq!(restored.status, StatusCode::SEE_OTHER);
    let left = browser.get("/licenses/noticed").await.text();
    assert!(!left.contains("髙橋太郎") && left.contains("𠮷田花子"), "{left}");
}

#[tokio::test]
async fn whoever_cannot_be_asked_for_is_said_beside_the_field() {
    let (_world, browser) = bench(Role::Operator).await;
    for number in ["999", "001", ""] {
        let refused = browser.post("/licenses/waiting", &[("number", number)]).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{number:?}");
        assert!(refused.text().contains("id=\"number-error\""));
    }
}

#[tokio::test]
async fn codes_leave_after_a_fresh_second_factor_and_are_noted() {
    let (world, browser) = bench(Role::Operator).await;
    world.clock.advance(SignedDuration::from_mins(6));
    for answer in [browser.get("/codes").await, browser.post("/codes", &[("encoding", "utf-8")]).await] {
        assert!(answer.location.starts_with("/confirm"), "{}", answer.status);
    }
    assert_eq!(noted(&world, Happening::CodesExported).await, 0);

    let fresh = Browser::signed_in(&world, &Console::new(world.service.clone()), Role::Owner).await;
    let page = fresh.get("/codes").await.text();
    assert!(page.contains("𠮷田花子"), "who has a character that CP932 does not");
    let exported = fresh.post("/codes", &[("encoding", "cp932")]).await.bytes;
    let (text, _, failed) = SHIFT_JIS.decode(&exported);
    assert!(!failed);
    let rows: Vec<&str> = text.lines().collect();
    assert_eq!(rows.len(), 3, "{text}");
    assert!(rows[2].starts_with("知事部局,001,髙橋太郎,総務課,"), "{text}");
    assert!(rows[1].starts_with("知事部局,002,〓田花子,税務課,"), "{text}");
    assert_eq!(noted(&world, Happening::CodesExported).await, 1);
    assert_eq!(fresh.post("/codes", &[("encoding", "")]).await.status, StatusCode::BAD_REQUEST);

    let asked = [("layout", "ten"), ("language", "ja")];
    let stale = browser.post("/codes/letters", &asked).await;
    assert!(stale.location.starts_with("/confirm"), "{}", stale.status);
    let letters = fresh.post("/codes/letters", &asked).await;
    assert_eq!(letters.status, StatusCode::OK);
    assert!(letters.bytes.starts_with(b"%PDF-"));
    assert_eq!(noted(&world, Happening::CodesExported).await, 2);
    let unknown = [("layout", "a3"), ("language", "ja")];
    assert_eq!(fresh.post("/codes/letters", &unknown).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn who_may_only_read_reads() {
    for role in [Role::Helpdesk, Role::Auditor] {
        let (_world, browser) = bench(role).await;
        for path in ["/licenses", "/licenses/unused", "/licenses/waiting", "/licenses/noticed"] {
            assert_eq!(browser.get(path).await.status, StatusCode::OK, "{path}");
        }
        for path in ["/licenses/pool", "/licenses/reclaim", "/codes"] {
            assert_eq!(browser.get(path).await.status, StatusCode::FORBIDDEN, "{path}");
            assert_eq!(browser.post(path, &[]).await.status, StatusCode::FORBIDDEN, "{path}");
        }
        assert_eq!(browser.post("/codes/letters", &[]).await.status, StatusCode::FORBIDDEN);
        assert_eq!(browser.post("/licenses/noticed", &[]).await.status, StatusCode::FORBIDDEN);
        assert_eq!(
            browser.post("/licenses/waiting", &[("number", "004")]).await.status,
            StatusCode::FORBIDDEN
        );
    }
}

/// A year of samples with a gap in it, up to the day before today.
async fn with_a_year(world: &World) {
    let today = licenses::series::day_of(&world.service, world.now());
    let mut changes = Changeset::default();
    for back in (1..=365_i32).filter(|back| !(100..110).contains(back)) {
        let pool = Pool {
            size: if back > 120 { 1_500 } else { 2_000 },
            reserved: 50,
            assigned: 1_420,
            temporary: 0,
        };
        let day = today.saturating_sub(back.days());
        changes.insert(Record::DayOfUse(DayOfUse::of(day, &pool, 7, 31)));
    }
    world.service.store.commit(changes).await.unwrap();
}

#[tokio::test]
async fn use_over_time_is_drawn_and_told() {
    let (world, browser) = bench(Role::Auditor).await;
    let first = browser.get("/licenses").await.text();
    let pool = licenses::status(&world.service).await.unwrap().pool;
    let now = format!("今日は、総数{}のうち割当済{}", pool.size, pool.assigned);
    assert!(first.contains("1日分です") && first.contains(&now) && first.contains("chart-wide"), "{first}");

    with_a_year(&world).await;
    let quarter = browser.get("/licenses").await.text();
    assert!(quarter.contains("90日分です") && quarter.contains("chart-narrow"), "{quarter}");
    let year = browser.get("/licenses?days=365").await.text();
    assert!(year.contains("いちばん多い日は1,420") && year.contains(&now), "{year}");
    // The ends of the first run, the beginning of the second, the day on which the pool grew, and today.
    assert!(year.contains("数値の表(5行"), "{year}");
    assert!(!year.contains("style="), "the policy of the page forbids it");
    assert_eq!(browser.get("/licenses?days=lots").await.status, StatusCode::OK);
}

#[tokio::test]
async fn seats_of_terms_that_have_ended_are_noticed_by_their_own_reason() {
    let (world, browser) = bench(Role::Operator).await;
    let term = "職員番号,氏名,所属,任期満了日,利用\n001,髙橋太郎,総務課,2020-03-31,○\n";
    world.apply(term, Mode::Upsert).await;
    let page = browser.get("/licenses/reclaim?why=term-ended&days=30").await;
    let text = page.text();
    assert!(text.contains("001") && text.contains("名簿で任期満了日が延びるか"), "{text}");
    let fields = [
        ("why", "term-ended"),
        ("days", "30"),
        ("notice", "7"),
        ("grace", "14"),
        ("seen", &page.hidden("seen")),
        ("losing", "1"),
        ("count", "1"),
    ];
    let done = browser.post("/licenses/reclaim", &fields).await;
    assert_eq!(
        (done.status, done.location.as_str()),
        (StatusCode::SEE_OTHER, "/licenses/noticed"),
        "{}",
        done.text()
    );
    let list = browser.get("/licenses/noticed").await.text();
    assert!(list.contains("任期満了日を過ぎた"), "{list}");
    // The same people by the other reason are not what was seen.
    let other =
        [("why", "never-signed-in"), fields[1], fields[2], fields[3], fields[4], fields[5], fields[6]];
    assert_ne!(browser.post("/licenses/reclaim", &other).await.status, StatusCode::SEE_OTHER);
}
