//! What a reader of the files may rely on.

use std::collections::{HashMap, HashSet};

use encoding_rs::SHIFT_JIS;

use super::*;

fn year(year: u16) -> Vec<Row> {
    generate(&RosterSpec::new(7, 1400, year))
}

fn by_number(rows: &[Row]) -> HashMap<&str, &Row> {
    rows.iter().map(|row| (row.number.as_str(), row)).collect()
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_does_not() {
    for encoding in [Encoding::Cp932, Encoding::Utf8, Encoding::Utf8Bom] {
        let once = encode(&year(2028), encoding).unwrap();
        assert_eq!(once, encode(&year(2028), encoding).unwrap());
        let other = generate(&RosterSpec::new(8, 1400, 2028));
        assert_ne!(once, encode(&other, encoding).unwrap());
    }
}

#[test]
fn names_of_the_cp932_extensions_survive_the_round_trip() {
    let rows = year(2026);
    let bytes = encode(&rows, Encoding::Cp932).unwrap();
    // 髙, 﨑 and 濵 as Windows writes them: among the IBM extensions.
    for code in [[0xFB, 0xFC], [0xFA, 0xB1], [0xFB, 0x4D]] {
        assert!(bytes.windows(2).any(|pair| pair == code), "{code:X?}");
    }
    let (text, _, had_errors) = SHIFT_JIS.decode(&bytes);
    assert!(!had_errors);
    assert_eq!(text.as_bytes(), encode(&rows, Encoding::Utf8).unwrap());
    for part in ["髙橋", "﨑", "濵", "高橋", "山崎", "浜田", "德永"] {
        assert!(text.contains(part), "{part} is missing");
    }
}

#[test]
fn even_the_shortest_files_have_extended_names() {
    let names: String = generate(&RosterSpec::new(1, 3, 2026)).into_iter().map(|row| row.name).collect();
    assert!(names.contains('髙') && names.contains('﨑') && names.contains('濵'), "{names}");
}

#[test]
fn every_name_list_entry_can_be_written_in_cp932() {
    for name in names::FAMILY.iter().chain(names::GIVEN) {
        let (_, _, unmappable) = SHIFT_JIS.encode(name.kanji);
        assert!(!unmappable, "{}", name.kanji);
        assert!(name.kana.chars().all(|c| ('ァ'..='ヶ').contains(&c) || c == 'ー'), "{}", name.kana);
        assert!(name.latin.bytes().all(|b| b.is_ascii_lowercase()), "{}", name.latin);
    }
}

#[test]
fn a_character_outside_cp932_is_an_error_that_names_the_line() {
    let mut rows = year(2026);
    rows[4].name = "𠮷田\u{3000}太郎".to_owned();
    let error = encode(&rows, Encoding::Cp932).unwrap_err();
    assert_eq!(error, EncodeError::NotInCp932 { line: 6, character: '𠮷' });
    encode(&rows, Encoding::Utf8).unwrap();
}

#[test]
fn lines_end_in_crlf_and_fields_with_commas_are_quoted() {
    let mut rows = generate(&RosterSpec::new(1, 2, 2026));
    rows[0].department = "総務部,総務課".to_owned();
    let text = String::from_utf8(encode(&rows, Encoding::Utf8Bom).unwrap()).unwrap();
    assert!(text.starts_with("\u{FEFF}職員番号,氏名,フリガナ,所属,職名,任用区分,メールアドレス,利用\r\n"));
    assert_eq!(text.matches("\r\n").count(), 3);
    assert_eq!(text.matches('\n').count(), 3);
    assert!(text.contains(",\"総務部,総務課\","));
}

#[test]
fn all_years_have_the_asked_size_and_give_no_number_or_mail_address_twice() {
    let mut owners: HashMap<String, String> = HashMap::new();
    let mut gone: HashSet<String> = HashSet::new();
    for y in FIRST_YEAR..=LAST_YEAR {
        let rows = year(y);
        assert_eq!(rows.len(), 1400);
        encode(&rows, Encoding::Cp932).unwrap();
        let numbers: HashSet<String> = rows.iter().map(|row| row.number.clone()).collect();
        let mails: HashSet<&str> = rows.iter().map(|row| row.mail.as_str()).collect();
        assert_eq!((numbers.len(), mails.len()), (rows.len(), rows.len()));
        assert!(numbers.iter().all(|n| n.len() == 6 && n.bytes().all(|b| b.is_ascii_digit())));
        assert!(numbers.is_disjoint(&gone), "a leaver's number came back in {y}");
        for row in &rows {
            let owner = owners.entry(row.mail.clone()).or_insert_with(|| row.number.clone());
            assert_eq!(owner, &row.number, "{} was given again", row.mail);
        }
        gone.extend(owners.values().filter(|number| !numbers.contains(*number)).cloned());
    }
}

#[test]
fn each_year_moves_renames_promotes_removes_and_adds_people() {
    for y in [2027, 2028] {
        let (before, after) = (year(y - 1), year(y));
        let (old, new) = (by_number(&before), by_number(&after));
        let both: Vec<(&Row, &Row)> = old.iter().filter_map(|(n, row)| Some((*row, *new.get(n)?))).collect();
        let count = |differs: fn(&Row, &Row) -> bool| both.iter().filter(|(a, b)| differs(a, b)).count();

        assert_eq!(old.len() - both.len(), 70, "leavers: one in 20");
        assert_eq!(new.len() - both.len(), 70, "joiners: as many");
        let moved = count(|a, b| a.department != b.department);
        assert!((230..=350).contains(&moved), "moves: about one in 5, not {moved}");
        assert_eq!(count(|a, b| a.name != b.name), 13, "renames: one in 100");
        assert_eq!(count(|a, b| a.name != b.name && a.kana != b.kana && a.mail != b.mail), 13);
        assert_eq!(count(|a, b| a.kana.split('\u{3000}').nth(1) != b.kana.split('\u{3000}').nth(1)), 0);
        assert!(count(|a, b| a.title != b.title) >= 40, "promotions");
        assert!(count(|a, b| a == b) > 700, "most stay as they are");
    }
}

#[test]
fn the_share_of_wishes_is_kept_and_is_about_half_unless_asked_otherwise() {
    for y in [2026, 2027, 2028] {
        let wishes = year(y).iter().filter(|row| row.wish).count();
        assert!((770..=800).contains(&wishes), "{y}: {wishes}");
    }
    for (wish_percent, expected) in [(0, 0), (50, 700), (100, 1400)] {
        let spec = RosterSpec { wish_percent, ..RosterSpec::new(7, 1400, 2026) };
        assert_eq!(generate(&spec).iter().filter(|row| row.wish).count(), expected);
    }
}

#[test]
fn a_post_has_one_head_and_titles_form_a_pyramid() {
    for y in [2026, 2029] {
        let rows = year(y);
        let mut heads = HashSet::new();
        for row in &rows {
            if ["部長", "課長", "所長", "課長補佐", "次長", "係長"].contains(&row.title.as_str())
            {
                assert!(
                    heads.insert((&row.department, &row.title)),
                    "two {} of {}",
                    row.title,
                    row.department
                );
            }
        }
        let of = |title: &str| rows.iter().filter(|row| row.title == title).count();
        assert_eq!(of("部長"), 10);
        assert!(of("部長") < of("課長") && of("課長") < of("係長") && of("係長") < of("主事"));
        assert!(of("獣医師") > 0 && of("保健師") > 0 && of("技師") > 0);
        let employed = |kind: &str| rows.iter().filter(|row| row.employment == kind).count();
        assert!(employed("正規") > 1000 && employed("再任用") > 40 && employed("会計年度任用職員") > 100);
    }
}

#[test]
fn small_and_large_organisations_work_in_every_year() {
    for rows in [1, 2, 20, 140, 10_000] {
        for y in [2026, 2027, 2029] {
            assert_eq!(generate(&RosterSpec::new(3, rows, y)).len(), rows);
        }
    }
}
