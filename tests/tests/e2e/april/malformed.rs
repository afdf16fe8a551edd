//! Files that are not what they should be: an error that says what, where and what to do, and nothing applied.

use std::fs;

use e2e::roster::Row;
use e2e::world::{Site, World};
use serde_json::{Value, json};

use super::raw::Api;
use super::{accounts, counts, everything};
use crate::prepared::SOURCE;

const HEADER: &str = "職員番号,氏名,フリガナ,所属,職名,メールアドレス,利用";
const PEOPLE: [&str; 3] = [
    "001001,髙橋　花子,タカハシ　ハナコ,税務課,主事,hanako@example.lg.jp,○",
    "001002,山﨑　濵男,ヤマザキ　ハマオ,畜産課,技師,hamao@example.lg.jp,○",
    "001003,鈴木　一,スズキ　ハジメ,農政課,主査,hajime@example.lg.jp,",
];

fn csv(rows: &[&str]) -> String {
    rows.iter().fold(format!("{HEADER}\r\n"), |text, row| text + row + "\r\n")
}

fn cp932(text: &str) -> Vec<u8> {
    let (bytes, _, lossy) = encoding_rs::SHIFT_JIS.encode(text);
    assert!(!lossy);
    bytes.into_owned()
}

/// Three people in force, two of them with a seat.
fn world() -> World {
    let world = World::new().unwrap();
    world.mdmctl(&["licenses", "pool", "set", "5"]).unwrap();
    let batch = upload(&world, cp932(&csv(&PEOPLE)).as_slice());
    world.apply(&batch).unwrap();
    world
}

fn upload(site: &Site, bytes: &[u8]) -> String {
    let file = site.file("staff.csv", bytes).unwrap();
    site.upload(file.to_str().unwrap(), SOURCE, "roster").unwrap()
}

/// Uploads what must be refused, and gives what is said about it.
fn refused(world: &World, bytes: &[u8], more: &[&str]) -> String {
    let before = everything(world);
    let file = world.file("staff.csv", bytes).unwrap();
    let mut arguments = vec!["batch", "upload", file.to_str().unwrap(), "--source", SOURCE];
    arguments.extend(more);
    let said = world.try_mdmctl(&arguments).unwrap().expect_failure("the upload").unwrap();
    assert_eq!(everything(world), before, "a refused file changes nothing");
    said
}

#[track_caller]
fn assert_says(said: &str, words: &[&str]) {
    for word in words {
        assert!(said.contains(word), "{word:?} is not in: {said}");
    }
}

#[test]
fn a_file_that_is_no_staff_file_is_refused_with_what_and_where_and_changes_nothing() {
    let world = world();
    let wrong = refused(&world, &cp932(&csv(&PEOPLE)), &["--encoding", "utf-8"]);
    assert_says(&wrong, &["row 1", "column 1", "UTF-8"]);
    let missing = refused(&world, "職員番号,所属\r\n001001,税務課\r\n".as_bytes(), &[]);
    assert_says(&missing, &["row 1", "氏名"]);
    let png = refused(&world, b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", &[]);
    assert_says(&png, &["PNG"]);
    let workbook = refused(&world, b"PK\x03\x04\x14\0\x06\0", &[]);
    assert_says(&workbook, &["Excel"]);
    let undecodable = [csv(&PEOPLE[..1]).as_bytes(), b"001009,\xff\xff,\xff,x,,,\r\n"].concat();
    assert_says(&refused(&world, &undecodable, &[]), &["row 3", "column 2"]);
    let quotation = csv(&[PEOPLE[0], "001002,\"山﨑,ヤマザキ,畜産課,技師,,"]);
    assert_says(&refused(&world, quotation.as_bytes(), &[]), &["row 3", "column 2"]);
    assert_says(&refused(&world, b"", &[]), &["empty"]);
}

/// The lines of a batch that are rejected: row, column, problem.
fn rejections(site: &Site, batch: &str) -> Vec<(u64, String, String)> {
    let shown = site.mdmctl(&["batch", "show", batch, "--all"]).unwrap();
    let items = shown["items"].as_array().unwrap();
    let rejected = items.iter().filter(|item| item["kind"] == "rejected");
    rejected
        .flat_map(|item| {
            let row = item["row"].as_u64().unwrap();
            item["rejections"].as_array().unwrap().iter().map(move |rejection| {
                let text = |name: &str| rejection[name].as_str().unwrap().to_owned();
                assert!(text("message").contains(&format!("row {row}")), "{rejection}");
                (row, text("column"), text("problem"))
            })
        })
        .collect()
}

#[test]
fn a_formula_rejects_its_row_only_and_the_others_take_effect() {
    let world = world();
    let rows = [
        "001001,髙橋　花子,タカハシ　ハナコ,農政課,主事,hanako@example.lg.jp,○",
        "001002,=1+1,ヤマザキ　ハマオ,農政課,技師,,○",
        PEOPLE[2],
    ];
    let batch = upload(&world, csv(&rows).as_bytes());
    assert_eq!(rejections(&world, &batch), [(3, "氏名".to_owned(), "formula".to_owned())]);
    let before = accounts(&world);
    world.apply(&batch).unwrap();
    let after = accounts(&world);
    assert_eq!(after["001001"]["departments"][0]["name"], "農政課");
    assert_eq!(after["001002"], before["001002"], "the rejected row changes nothing");
}

#[test]
fn two_rows_with_one_number_are_both_rejected_and_the_others_take_effect() {
    let world = world();
    let rows = [
        PEOPLE[0],
        "001001,別　人,ベツ　ジン,農政課,主事,,",
        PEOPLE[1],
        PEOPLE[2],
        "001004,新　人,シン　ジン,税務課,主事,,",
    ];
    let batch = upload(&world, csv(&rows).as_bytes());
    let problem = |row| (row, "職員番号".to_owned(), "duplicate-staff-number".to_owned());
    assert_eq!(rejections(&world, &batch), [problem(2), problem(3)]);
    let before = accounts(&world);
    world.apply(&batch).unwrap();
    let after = accounts(&world);
    assert_eq!(after["001001"], before["001001"]);
    assert_eq!(after["001004"]["name"], "新　人");
}

#[test]
fn a_typo_in_one_row_closes_nobody() {
    let world = world();
    let before = accounts(&world);
    for (typo, row, column) in [
        // The number is gone: whose row it is cannot be said, so nobody can be said to be absent.
        (",山﨑　濵男,ヤマザキ　ハマオ,畜産課,技師,hamao@example.lg.jp,○", 3, "職員番号"),
        // The number is there: the row is rejected, and its person is present.
        ("001002,山﨑　濵男,ヤマザキ　ハマオ,畜産課,技師,hamao.example.lg.jp,○", 3, "メールアドレス"),
    ] {
        let batch = upload(&world, csv(&[PEOPLE[0], typo, PEOPLE[2]]).as_bytes());
        let found = rejections(&world, &batch);
        assert_eq!((found.len(), found[0].0, found[0].1.as_str()), (1, row, column));
        assert_eq!(counts(&world, &batch)["leave"], 0, "{typo}");
        world.apply(&batch).unwrap();
        assert_eq!(accounts(&world), before, "{typo}");
    }
    // The control: without the row, its person leaves.
    let batch = upload(&world, csv(&[PEOPLE[0], PEOPLE[2]]).as_bytes());
    assert_eq!(counts(&world, &batch)["leave"], 1);
    world.apply(&batch).unwrap();
    assert_eq!(accounts(&world)["001002"]["state"], "suspended");
}

const LIMIT: u64 = 50 * 1024 * 1024;
const LARGE: u64 = 200 * 1024 * 1024;

#[test]
fn a_file_of_200_mb_is_refused_by_mdmctl_and_by_the_server_without_being_taken_in() {
    let world = world();
    let before = everything(&world);

    let path = world.folder().join("large.csv");
    fs::File::create(&path).unwrap().set_len(LARGE).unwrap();
    let upload = ["batch", "upload", path.to_str().unwrap(), "--source", SOURCE];
    let said = world.try_mdmctl(&upload).unwrap().expect_failure("the upload").unwrap();
    assert_says(&said, &[&LARGE.to_string(), &LIMIT.to_string()]);

    // Announced: refused before any of it is sent.
    let api = Api::new(&world);
    let answer = api.announce_upload(LARGE);
    assert_eq!(answer.status, 413, "{}", answer.body);
    assert_says(&answer.body, &[&LIMIT.to_string()]);

    // Not announced: refused when the limit is reached, not when all is there.
    let (sent, answer) = api.stream_upload(LARGE);
    assert!(sent < LIMIT + LIMIT / 4, "{sent} bytes were taken in of a file above {LIMIT}");
    if let Some(answer) = answer {
        assert_eq!(answer.status, 413, "{}", answer.body);
    }
    assert_eq!(everything(&world), before);

    // The control: the same way of sending uploads a file of right size.
    let rows: Vec<Row> = crate::prepared::staff(e2e::roster::FIRST_YEAR);
    let bytes = e2e::roster::encode(&rows, e2e::roster::Encoding::Cp932).unwrap();
    let answer = api.upload(&bytes);
    assert_eq!(answer.status, 201, "{}", answer.body);
    let batch: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(batch["summary"]["rows"], json!(1_400));
}
