//! Staff files in every encoding, right and wrong.

use encoding_rs::SHIFT_JIS;

use super::Seeds;
use crate::sheets::PARTS;

/// A fixture of the reader's own tests, as a seed of this name.
macro_rules! fixture {
    ($path:literal, $name:literal) => {
        ($name, include_bytes!(concat!("../../../../mdm-server/core/tests/fixtures/", $path)))
    };
}

const FILE: &str = "職員番号,氏名,フリガナ,メール,所属,職名,利用希望\r\n\
    0012345,髙橋 太郎,タカハシ タロウ,taro@example.lg.jp,総務部 人事課,主事,○\r\n\
    0012346,\"﨑山, 花子\",サキヤマ ハナコ,,総務部 人事課,,×\r\n\
    ,無番,ムバン,,総務部,,1\r\n\
    １２３,全角 番号,ゼンカク,NOT-A-MAIL,防災課,=1+1,maybe\r\n";

/// As [`crate::sheets::staff_sheet`] reads its first byte.
#[derive(Clone, Copy)]
enum Declared {
    Nothing = 0,
    Utf8 = 1,
    Cp932 = 3,
    Utf16 = 4,
}

pub(super) fn add(seeds: &mut Seeds) {
    // 髙 and 﨑 are in the extensions of CP932.
    let (cp932, _, unmappable) = SHIFT_JIS.encode(FILE);
    assert!(!unmappable, "CP932 has all of it");
    let utf16 = |text: &str, little: bool| {
        let bytes = |unit: u16| if little { unit.to_le_bytes() } else { unit.to_be_bytes() };
        let marked: Vec<u8> = format!("\u{feff}{text}").encode_utf16().flat_map(bytes).collect();
        marked
    };
    let tabs = FILE.replace("\"﨑山, 花子\"", "﨑山 花子").replace(',', "\t");
    let files: [(&str, Declared, Vec<u8>); 18] = [
        ("utf8", Declared::Nothing, FILE.into()),
        ("utf8-declared", Declared::Utf8, FILE.into()),
        ("utf8-marked", Declared::Nothing, format!("\u{feff}{FILE}").into()),
        ("cp932", Declared::Nothing, cp932.to_vec()),
        ("cp932-declared", Declared::Cp932, cp932.to_vec()),
        ("cp932-said-to-be-utf8", Declared::Utf8, cp932.to_vec()),
        ("utf8-said-to-be-cp932", Declared::Cp932, FILE.into()),
        ("utf16-little", Declared::Utf16, utf16(FILE, true)),
        ("utf16-big", Declared::Nothing, utf16(FILE, false)),
        ("utf16-half-a-character", Declared::Utf16, utf16(FILE, true)[..33].to_vec()),
        ("tabs", Declared::Nothing, tabs.into()),
        ("semicolons", Declared::Nothing, "職員番号;氏名;所属\n1;甲;乙\n".into()),
        ("a-quote-that-does-not-end", Declared::Nothing, "職員番号,氏名,所属\n1,\"甲,乙\n".into()),
        ("old-line-ends", Declared::Nothing, "職員番号,氏名,所属\r1,甲,乙\r2,丙,丁".into()),
        ("gaiji", Declared::Cp932, [cp932_header(), b"1,\xf0\x40,\x95\x94\r\n".to_vec()].concat()),
        ("dates", Declared::Nothing, dates().into()),
        ("a-workbook", Declared::Nothing, b"PK\x03\x04\x14\x00\x06\x00".to_vec()),
        ("two-columns-of-one-kind", Declared::Nothing, "職員番号,氏名,氏名,所属\n1,a,b,c\n".into()),
    ];
    let layouts: [(&str, &[u8]); 7] = [
        fixture!("layouts/google-workspace.csv", "google-workspace"),
        fixture!("layouts/microsoft-entra-with-version.csv", "microsoft-entra-with-version"),
        fixture!("layouts/microsoft-entra-export.csv", "microsoft-entra-export"),
        fixture!("layouts/cybozu-com.csv", "cybozu-com"),
        fixture!("layouts/cybozu-com-headerless.csv", "cybozu-com-headerless"),
        fixture!("layouts/garoon.csv", "garoon"),
        fixture!("rejected-rows.csv", "rejected-rows"),
    ];
    for (name, file) in layouts {
        seeds.add("staff_sheet", name, [&[Declared::Nothing as u8], file].concat());
    }
    workbooks(seeds);
    for (name, declared, file) in files {
        seeds.add("staff_sheet", name, [&[declared as u8], file.as_slice()].concat());
    }
}

fn workbooks(seeds: &mut Seeds) {
    let whole: [(&str, &[u8]); 5] = [
        fixture!("libreoffice-7.4.7/staff.xlsx", "libreoffice"),
        fixture!("workbook-bomb.xlsx", "bomb"),
        fixture!("workbook-cut-off.xlsx", "cut-off"),
        fixture!("workbook-hidden.xlsx", "hidden"),
        fixture!("workbook-number-format.xlsx", "number-format"),
    ];
    for (name, file) in whole {
        seeds.add("workbook", name, [&[0], file].concat());
    }
    let names = ["relations", "related", "main", "styles", "strings", "sheet"];
    for ((number, name), (_, part)) in (1_u8..).zip(names).zip(PARTS) {
        seeds.add("workbook", name, [&[number], part.as_bytes()].concat());
    }
    let strings = b"<sst uniqueCount=\"18446744073709551615\"><si><t>_x0041_&#x42;&lt;</t></si></sst>";
    seeds.add("workbook", "strings-that-claim-too-many", [&[5], strings.as_slice()].concat());
}

fn cp932_header() -> Vec<u8> {
    SHIFT_JIS.encode("職員番号,氏名,所属\r\n").0.into_owned()
}

fn dates() -> String {
    let mut file = "職員番号,氏名,所属,任期満了日\n".to_owned();
    for (number, date) in
        ["2027/4/1", "令和9年3月31日", "R9.4.1", "令和元年5月1日", "2027/2/30", "S64.1.8"].iter().enumerate()
    {
        file.push_str(&format!("{number},甲,乙,{date}\n"));
    }
    file
}
