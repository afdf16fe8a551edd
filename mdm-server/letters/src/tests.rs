//! What is printed is read back by another program: poppler and zbar, which `cargo xtask test` installs.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::*;

/// Fonts of Debian's `fonts-noto-cjk`, which `cargo xtask test` installs.
fn fonts() -> Fonts {
    let case = |weight: &str| {
        let path = format!("/usr/share/fonts/opentype/noto/NotoSansCJK-{weight}.ttc");
        TypeCase::new(fs::read(path).expect("Debian's fonts-noto-cjk is installed"), 0).unwrap()
    };
    Fonts { regular: case("Regular"), bold: case("Bold") }
}

fn words() -> Words {
    let text = str::to_owned;
    Words {
        language: "ja",
        organisation: text("玉手県"),
        title: text("業務アプリ「玉手箱」端末登録のご案内"),
        lead: text(
            "お使いの端末に業務アプリ「玉手箱」を登録するための通知書です。次の手順で登録してください。",
        ),
        staff_number: text("職員番号"),
        code: text("アクティベーションコード"),
        scan: text("QRコード"),
        server: text("サーバー"),
        address: text("mdm.tamate.example:4433"),
        steps_title: text("登録の手順"),
        steps: [text("アプリを開きます。"), text("コードを入力します。"), text("PINを決めます。")],
        short_steps: [text("アプリを開く"), text("コードを入力する"), text("PINを決める")],
        promise_title: text("個人のデータについて"),
        promise: vec![
            text(
                "消去されるのはこのアプリの中のデータだけです。写真や連絡先など、個人のデータには触れません。",
            ),
            text("写真、連絡先、通話、位置情報、ほかのアプリの内容は見えません。"),
        ],
        short_promise: text("消去されるのはこのアプリの中のデータだけです。"),
        secret: text("コードは本人だけのものです。"),
        helpdesk: Some(text("問い合わせ先: 情報政策課 内線2345")),
        loss: LossWords {
            title: text("紛失連絡コード"),
            about: text("切り取って、端末とは別に保管してください。"),
            address: text("https://mdm.tamate.example/lost/report"),
        },
        cover: CoverWords {
            title: text("受領簿"),
            about: text("通知書を渡した日と、受け取った人の印または署名をもらってください。"),
            columns: ["番号", "職員番号", "氏名", "受領日", "受領印"].map(text),
            printed: text("2027年4月1日印刷"),
            handed_by: text("配布者:"),
        },
        substitutes: SubstituteWords {
            title: text("手書きで補う氏名"),
            about: text("次の人の氏名か所属に、フォントにない文字があります。"),
            columns: ["職員番号", "印刷した氏名", "文字"].map(text),
        },
    }
}

fn letter(number: usize, name: &str) -> Letter {
    let code = format!("{number:05}-ABCDE-FGHJK-MNPQR-{}", number % 10);
    Letter {
        staff_number: format!("{number:06}"),
        name: name.to_owned(),
        addressee: format!("{name} 様"),
        payload: Zeroizing::new(format!(
            "tamatebako:enrol?v=1&code={code}&server=mdm.tamate.example:4433&pin={}",
            "A".repeat(86)
        )),
        code: Zeroizing::new(code),
        loss: Some(Zeroizing::new(format!("{number:04}-ABCD-EFGH-JKMN-P"))),
        valid_until: "2027年4月15日(令和9年)木曜日 0:00まで使えます".to_owned(),
    }
}

fn group(department: &str, names: &[&str]) -> Group {
    let letters: Vec<Letter> = names.iter().enumerate().map(|(at, name)| letter(at + 1, name)).collect();
    Group { department: department.to_owned(), count: format!("{}人", letters.len()), letters }
}

/// The texts of the pages of a PDF.
fn pages(folder: &Path, pdf: &[u8]) -> Vec<String> {
    let path = folder.join("letters.pdf");
    fs::write(&path, pdf).unwrap();
    let output = Command::new("pdftotext").arg("-layout").arg(&path).arg("-").output();
    let output = output.expect("Debian's poppler-utils is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_terminator('\u{c}').map(str::to_owned).collect()
}

#[test]
fn names_are_read_back_as_they_were_written() {
    let names = ["髙橋 﨑子", "𠮷田 葛\u{E0100}", "渡邉 邊\u{E0101}太", "Ōe Jirō"];
    let folder = std::env::temp_dir().join(format!("mdm-letters-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    for layout in [Layout::One, Layout::Ten] {
        let pdf = print(&[group("農林水産部 畜産課", &names)], layout, &words(), &fonts()).unwrap();
        let pages = pages(&folder, &pdf);
        assert_eq!(pages.len(), if layout == Layout::One { 5 } else { 2 });
        for (at, name) in names.iter().enumerate() {
            assert!(pages[0].contains(name), "{name} on the cover: {}", pages[0]);
            let page = if layout == Layout::One { &pages[at + 1] } else { &pages[1] };
            assert!(page.contains(name), "{name}: {page}");
            assert!(page.contains(&**letter(at + 1, name).code), "{page}");
        }
    }
    fs::remove_dir_all(folder).unwrap();
}

/// Where a word of a page stands: left, top, right, bottom in points. Of its height only the middle, without what a font sets
/// aside above and below its characters.
type Stands = (String, [f32; 4]);

fn words_of_pages(folder: &Path, pdf: &[u8]) -> Vec<Vec<Stands>> {
    let path = folder.join("boxes.pdf");
    fs::write(&path, pdf).unwrap();
    let output = Command::new("pdftotext").arg("-bbox").arg(&path).arg("-").output();
    let text = String::from_utf8(output.expect("Debian's poppler-utils is installed").stdout).unwrap();
    let word = |line: &str| {
        let (numbers, word) = line.trim().strip_prefix("<word ")?.split_once('>')?;
        let all: Vec<f32> = numbers.split('"').filter_map(|part| part.parse().ok()).collect();
        let [left, top, right, bottom] = all.try_into().unwrap();
        let quarter = (bottom - top) / 4.0;
        Some((word.to_owned(), [left, top + quarter, right, bottom - quarter]))
    };
    text.split("<page ").skip(1).map(|page| page.lines().filter_map(word).collect()).collect()
}

fn touch(one: &[f32; 4], other: &[f32; 4]) -> bool {
    const NEARLY: f32 = 0.1;
    let apart = |from: usize, to: usize| one[to] < other[from] + NEARLY || other[to] < one[from] + NEARLY;
    !apart(0, 2) && !apart(1, 3)
}

#[test]
fn what_is_far_too_long_stays_in_its_place() {
    let folder = std::env::temp_dir().join(format!("mdm-letters-long-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let name = "寿限無".repeat(30);
    let mut group = group(&"総務部 危機管理局 防災対策課 ".repeat(6), &[name.as_str(); 11]);
    group.letters.iter_mut().for_each(|letter| letter.staff_number = "W".repeat(32));
    let mut words = words();
    words.address = format!("{}:65535", "mdm.".repeat(60));
    words.organisation = "広域連合".repeat(20);
    words.helpdesk = Some("問い合わせ先".repeat(20));
    for layout in [Layout::One, Layout::Ten] {
        let pdf = print(std::slice::from_ref(&group), layout, &words, &fonts()).unwrap();
        let pages = words_of_pages(&folder, &pdf);
        assert!(pages.len() > 2);
        for page in &pages {
            for (at, (word, place)) in page.iter().enumerate() {
                assert!(
                    place[0] > 0.0 && place[2] < 596.0 && place[3] < 842.0,
                    "{word} leaves the page: {place:?}"
                );
                let over = page[at + 1..].iter().find(|(_, other)| touch(place, other));
                assert!(over.is_none(), "{layout:?}: {word} {place:?} lies over {over:?}");
            }
        }
        let text = self::pages(&folder, &pdf).concat();
        let squeezed: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        assert!(squeezed.contains(name.as_str()), "{layout:?}: a long name is whole: {squeezed}");
    }
    fs::remove_dir_all(folder).unwrap();
}
