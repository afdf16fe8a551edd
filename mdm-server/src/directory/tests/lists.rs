//! What lists show: who is found, in which order, and how many there are.

use mdm_core::device::DeviceState;

use super::*;
use crate::use_cases::devices::{self, Order};

const OFFICE: &str = "職員番号,氏名,フリガナ,所属,利用\n\
    0001,山田 太郎,ヤマダ タロウ,総務課,○\n\
    0012,髙橋花子,ﾀｶﾊｼ ﾊﾅｺ,税務課,○\n\
    0120,高橋一郎,たかはし いちろう,税務課,○\n\
    A-77,Ｊｏｈｎ Smith,ジョン・スミス,国際課,×\n\
    0003,渡邊 葵,,総務課,○\n";

fn numbers(found: &Found<PersonRow<'_>>) -> Vec<String> {
    found.rows.iter().map(|row| row.person.account.current().staff_number.to_string()).collect()
}

fn by_text(snapshot: &Snapshot, text: &str) -> Vec<String> {
    let search = Search { text: text.to_owned(), ..Search::default() };
    numbers(&snapshot.search(&search, 0, 100))
}

#[tokio::test]
async fn a_person_is_found_however_a_helpdesk_types_it() {
    let world = world_of(2, OFFICE).await;
    let snapshot = followed(&world).await;
    let table: &[(&str, &[&str])] = &[
        ("0012", &["0012"]),
        ("12", &["0120", "0012"]),
        ("００１２", &["0012"]),
        ("0077", &[]),
        ("000", &["0001", "0003"]),
        ("a-7", &["A-77"]),
        ("山田太郎", &["0001"]),
        ("山田\u{3000}太", &["0001"]),
        ("やまだ", &["0001"]),
        ("ﾔﾏﾀﾞ", &["0001"]),
        ("たろ", &["0001"]),
        ("髙橋", &["0012"]),
        ("高橋", &["0120"]),
        ("タカハシ", &["0120", "0012"]),
        ("john", &["A-77"]),
        ("ＳＭＩＴＨ", &["A-77"]),
        ("渡辺", &[]),
        ("渡邊", &["0003"]),
        ("税務課", &[]),
        ("0999", &[]),
    ];
    for (typed, meant) in table {
        assert_eq!(by_text(&snapshot, typed), *meant, "{typed}");
    }
}

#[tokio::test]
async fn a_list_is_in_the_order_of_kana_and_comes_in_parts() {
    let world = world_of(2, OFFICE).await;
    let snapshot = followed(&world).await;
    let all = ["A-77", "0120", "0012", "0001", "0003"];
    assert_eq!(by_text(&snapshot, " "), all, "who has no kana comes last");
    let mut parts = Vec::new();
    for offset in [0, 2, 4, 6] {
        let part = snapshot.search(&Search::default(), offset, 2);
        assert_eq!(part.total, 5);
        parts.extend(numbers(&part));
    }
    assert_eq!(parts, all);
}

#[tokio::test]
async fn filters_are_joined_by_and() {
    let world = world_of(2, OFFICE).await;
    let snapshot = followed(&world).await;
    let of = |search: Search| numbers(&snapshot.search(&search, 0, 100));
    let seat = |seat| of(Search { seat: Some(seat), ..Search::default() });
    assert_eq!(seat(SeatFilter::Holds), ["0012", "0001"], "in the order of the file");
    assert_eq!(seat(SeatFilter::Unused), ["0012", "0001"]);
    assert_eq!(seat(SeatFilter::Waiting), ["0120", "0003"]);
    assert_eq!(seat(SeatFilter::Without), ["A-77"]);
    let tax = Search { department: Some("税務課".to_owned()), ..Search::default() };
    assert_eq!(of(tax.clone()), ["0120", "0012"]);
    assert_eq!(of(Search { seat: Some(SeatFilter::Waiting), ..tax.clone() }), ["0120"]);
    assert_eq!(of(Search { text: "はな".to_owned(), ..tax.clone() }), ["0012"]);
    assert_eq!(of(Search { state: Some(AccountState::Active), ..tax.clone() }), [""; 0]);
    assert_eq!(of(Search { source: Some(SourceName::new("教育委員会").unwrap()), ..tax }), [""; 0]);
}

#[tokio::test]
async fn rows_say_who_waits_where_and_which_devices_there_are() {
    let world = world_of(2, OFFICE).await;
    let (yamada, takahashi) = (id(&world, "0001").await, id(&world, "0120").await);
    let phone = world.device(yamada, DeviceState::Live).await;
    let snapshot = followed(&world).await;
    let row = snapshot.person(yamada).unwrap();
    assert_eq!((row.waiting, row.devices.len(), row.devices[0].enrolment), (None, 1, phone));
    assert_eq!(snapshot.person(takahashi).unwrap().waiting, Some(1));
    let waiting: Vec<_> = snapshot.waiting().map(|row| (row.position, row.person.account.id)).collect();
    assert_eq!(waiting, [(1, takahashi), (2, id(&world, "0003").await)]);
    assert!(snapshot.person(AccountId::make(crate::testing::april(), &mut rand::rngs::OsRng)).is_none());
}

#[tokio::test]
async fn counts_are_those_of_the_lists() {
    let world = world_of(2, OFFICE).await;
    let mut phones = Vec::new();
    for state in [DeviceState::Live, DeviceState::Live, DeviceState::Blocked, DeviceState::Enrolling] {
        phones.push(world.device(id(&world, "0001").await, state).await);
    }
    let order = Order { actor: Actor::Server, reason: "left in a taxi" };
    devices::wipe(&world.service, phones[0], order).await.unwrap();
    let snapshot = followed(&world).await;
    let expected = Counts {
        provisional: 5,
        pool: Pool { size: 2, assigned: 2, ..Pool::default() },
        waiting: 2,
        never_signed_in: 2,
        devices_enrolling: 1,
        devices_live: 1,
        devices_blocked: 1,
        wipes_unconfirmed: 1,
        ..Counts::default()
    };
    assert_eq!(snapshot.counts(), expected);
    let listed = |standing| snapshot.devices(&DeviceFilter { standing, ..DeviceFilter::default() }, 0, 10);
    assert_eq!(listed(None).total, 4);
    let wiped = listed(Some(Standing::WipeUnconfirmed));
    assert_eq!((wiped.total, wiped.rows[0].device.enrolment), (1, phones[0]));
    let of_others = DeviceFilter { text: "髙橋".to_owned(), ..DeviceFilter::default() };
    assert_eq!(snapshot.devices(&of_others, 0, 10).total, 0);
    let second_part =
        snapshot.devices(&DeviceFilter { text: "1".to_owned(), ..DeviceFilter::default() }, 3, 10);
    assert_eq!((second_part.rows.len(), second_part.total), (1, 4));
    phones.sort_unstable();
    let among = Some(phones[2..].iter().copied().collect());
    let two = snapshot.devices(&DeviceFilter { among, ..DeviceFilter::default() }, 0, 10);
    assert_eq!(two.rows.iter().map(|row| row.device.enrolment).collect::<Vec<_>>(), phones[2..]);
}

#[tokio::test]
async fn departments_and_sources_are_counted_among_those_who_have_not_left() {
    let world = world_of(2, OFFICE).await;
    world.apply("職員番号,氏名,所属\n0001,山田 太郎,総務課\n0012,髙橋花子,税務課\n", Mode::Roster).await;
    let snapshot = followed(&world).await;
    let count = |name: &str| DepartmentCount { name: name.to_owned(), people: 1 };
    assert_eq!(snapshot.departments(), [count("税務課"), count("総務課")]);
    assert_eq!(snapshot.sources(), [&SourceName::new("知事部局").unwrap()]);
    assert_eq!(snapshot.counts().suspended, 3);
    assert_eq!(snapshot.batches(0, 1).total, 2);
    let newest = snapshot.batches(0, 1).rows[0];
    assert!(newest.uploaded_at >= snapshot.batches(1, 1).rows[0].uploaded_at);
}

#[tokio::test]
async fn unused_seats_are_listed_by_how_long_they_are_unused() {
    let world = world_of(1, OFFICE).await;
    world.clock.advance_days(10);
    licenses::set_pool(&world.service, 2, Actor::Server).await.unwrap();
    world.clock.advance_days(25);
    let snapshot = followed(&world).await;
    let now = world.service.clock.now();
    let days =
        |min| -> Vec<u32> { snapshot.never_signed_in(min, now).iter().map(|unused| unused.days).collect() };
    assert_eq!(days(0), [35, 25]);
    assert_eq!(days(30), [35]);
    assert_eq!(days(36), [0; 0]);
    let preview = mdm_core::seats::Rule::unused_for(30);
    let moved = licenses::reclaim(&world.service, preview, true, Actor::Server).await.unwrap();
    assert_eq!(moved.freed.len(), 1, "what is listed is what would be taken back");
}

#[tokio::test]
async fn a_device_without_attempts_is_named_while_it_is_in_use() {
    let world = world_of(2, OFFICE).await;
    let phone = world.device(id(&world, "0001").await, DeviceState::Live).await;
    let records = &world.service.unlock_records;
    let secret = || shared::crypto::Secret::make(&mut rand::rngs::OsRng);
    records.put(phone, secret(), shared::crypto::Secret::make(&mut rand::rngs::OsRng), 1).await.unwrap();
    assert!(exhausted(&world.service).await.unwrap().is_empty());
    records.charge(phone).await.unwrap();
    assert_eq!(exhausted(&world.service).await.unwrap(), [phone]);
    let order = Order { actor: Actor::Server, reason: "left in a taxi" };
    devices::wipe(&world.service, phone, order).await.unwrap();
    assert!(exhausted(&world.service).await.unwrap().is_empty());
}

#[tokio::test]
async fn zeros_that_a_spreadsheet_ate_or_a_person_typed_do_not_hide_anybody() {
    let world = world_of(0, "職員番号,氏名,所属\n77,a,x\n0770,b,x\n10077,c,x\n").await;
    let snapshot = followed(&world).await;
    assert_eq!(by_text(&snapshot, "0077"), ["77"], "the roster lost its zeros");
    assert_eq!(by_text(&snapshot, "77"), ["77", "0770"], "the person left them out");
    assert_eq!(by_text(&snapshot, "0"), ["0770"]);
}
