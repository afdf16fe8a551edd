//! Letters: what is printed for people is read back by poppler and zbar and equals what the API says, name by name; a letter's QR
//! code enrols; a name that cannot be printed as written is never lost in silence.

mod lost;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use e2e::world::{Site, World};
use mdm_core::audit::Happening;
use serde_json::Value;

use crate::prepared::{PIN, SOURCE, exported_journal};

const DEPARTMENTS: [&str; 3] = ["総務部 総務課", "農林水産部 畜産課", "健康福祉部 長寿社会課"];
/// Names as staff files have them: variants, characters outside the first plane, variation sequences, Latin letters.
const NAMES: [&str; 5] = ["髙橋　﨑子", "𠮷田　葛\u{E0100}", "渡邉　邊\u{E0101}太", "大江 Jirō", "髙濵　凜"];

/// 30 people in force, ten in each of three departments.
fn people(world: &World) -> Vec<Value> {
    world.mdmctl(&["licenses", "pool", "set", "40"]).unwrap();
    let mut text = String::from("職員番号,氏名,フリガナ,所属,職名,利用\r\n");
    for number in 0..30 {
        let (name, department) = (NAMES[number % NAMES.len()], DEPARTMENTS[number / 10]);
        text += &format!("{:06},{name},ナマエ　{number},{department},主事,○\r\n", number + 1);
    }
    put_in_force(world, &text);
    let codes = world.mdmctl(&["codes", "export"]).unwrap().as_array().unwrap().clone();
    assert_eq!(codes.len(), 30);
    codes
}

fn put_in_force(world: &World, text: &str) -> String {
    let file = world.file("staff.csv", text.as_bytes()).unwrap();
    let batch = world.upload(file.to_str().unwrap(), SOURCE, "upsert").unwrap();
    world.apply(&batch).unwrap();
    batch
}

/// Letters by `mdmctl`, in a file of that name.
fn letters(site: &Site, name: &str, how: &[&str]) -> PathBuf {
    let file = site.file(name, b"").unwrap();
    fs::remove_file(&file).unwrap();
    let arguments = [&["codes", "letters", "--out", file.to_str().unwrap()], how].concat();
    site.mdmctl(&arguments).unwrap();
    file
}

fn run(command: &mut Command) -> Vec<u8> {
    let output = command.output().expect("Debian's poppler-utils and zbar-tools are installed");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// The text of each page, without blanks: readers of PDF set them as they think fit.
pub(crate) fn texts(pdf: &Path) -> Vec<String> {
    let text = String::from_utf8(run(Command::new("pdftotext").arg(pdf).arg("-"))).unwrap();
    text.split_terminator('\u{c}').map(squeezed).collect()
}

pub(crate) fn squeezed(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

/// What QR codes say, page by page.
pub(crate) fn scanned(pdf: &Path) -> Vec<BTreeSet<String>> {
    let folder = pdf.with_extension("pages");
    fs::create_dir(&folder).unwrap();
    run(Command::new("pdftoppm").args(["-r", "150", "-gray", "-png"]).arg(pdf).arg(folder.join("page")));
    let mut pages: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    pages.sort();
    pages.iter().map(|page| codes_on(page)).collect()
}

fn codes_on(picture: &Path) -> BTreeSet<String> {
    let mut scan = Command::new("zbarimg");
    scan.args(["--quiet", "--raw", "--set", "*.enable=0", "--set", "qrcode.enable=1"]).arg(picture);
    let output = scan.output().expect("Debian's zbar-tools is installed");
    // 4: the picture has no code.
    assert!(output.status.success() || output.status.code() == Some(4), "{scan:?}: {}", output.status);
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

pub(crate) fn said<'a>(row: &'a Value, key: &str) -> &'a str {
    row[key].as_str().unwrap()
}

/// Each page of letters has those of whom it should have them, in order, and nobody else's code.
fn check(pdf: &Path, codes: &[Value], a_page: usize, words: [&str; 2]) {
    let (texts, codes_of_pages) = (texts(pdf), scanned(pdf));
    let mut page = 0;
    for people in codes.chunk_by(|one, next| one["department"] == next["department"]) {
        let cover = &texts[page];
        let department = squeezed(said(&people[0], "department"));
        assert!(cover.contains(words[0]) && cover.contains(&department), "{cover}");
        for person in people {
            assert!(cover.contains(&squeezed(said(person, "name"))), "{cover}");
            assert!(cover.contains(said(person, "staff_number")), "{cover}");
            assert!(!cover.contains(said(person, "code")), "a cover goes from hand to hand");
        }
        assert!(codes_of_pages[page].is_empty(), "a cover goes from hand to hand");
        page += 1;
        for people in people.chunks(a_page) {
            let text = &texts[page];
            for person in people {
                for key in ["name", "code", "staff_number"] {
                    assert!(text.contains(&squeezed(said(person, key))), "{key} of {person}: {text}");
                }
            }
            assert!(text.contains(words[1]), "{text}");
            let expected: BTreeSet<String> =
                people.iter().map(|person| said(person, "link").to_owned()).collect();
            assert_eq!(codes_of_pages[page], expected);
            page += 1;
        }
    }
    assert_eq!(texts.len(), page);
}

/// A page as a picture for people.
fn picture(pdf: &Path, page: usize, name: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/screens/letters");
    fs::create_dir_all(&folder).unwrap();
    let page = page.to_string();
    let mut draw = Command::new("pdftoppm");
    run(draw
        .args(["-r", "100", "-png", "-singlefile", "-f", &page, "-l", &page])
        .arg(pdf)
        .arg(folder.join(name)));
}

/// How often codes were given out by the journal, and of how many people in all.
fn given_out(site: &Site) -> (usize, usize) {
    let entries = exported_journal(site);
    let noted = |what: Happening| entries.iter().filter(|entry| entry.what == what).count();
    (noted(Happening::CodesExported), noted(Happening::CodeHandedOut))
}

#[test]
fn letters_say_what_the_api_says_in_both_layouts_and_languages() {
    let mut world = World::prepared().unwrap();
    world.edit_config(|config| config.letters.helpdesk = Some("情報政策課 内線2345".to_owned())).unwrap();
    world.start().unwrap();
    let codes = people(&world);
    for (language, words) in
        [("ja", ["受領簿", "情報政策課内線2345"]), ("en", ["Receiptlist", "情報政策課内線2345"])]
    {
        for (layout, a_page) in [("one", 1), ("ten", 10)] {
            let name = format!("{layout}-{language}.pdf");
            let pdf = letters(&world, &name, &["--all", "--layout", layout, "--language", language]);
            check(&pdf, &codes, a_page, words);
            picture(&pdf, 2, &format!("{layout}-{language}"));
            if layout == "one" {
                picture(&pdf, 1, &format!("cover-{language}"));
            }
        }
    }
}

#[test]
fn a_batch_has_letters_of_its_own_and_what_was_scanned_enrols() {
    let world = World::new().unwrap();
    let before = people(&world);
    let batch = put_in_force(&world, "職員番号,氏名,所属,利用\r\n000031,大江 花子,総務部 総務課,○\r\n");
    let pdf = letters(&world, "batch.pdf", &["--batch", &batch]);
    let text = texts(&pdf).concat();
    assert!(text.contains("大江花子") && !text.contains(said(&before[0], "code")), "{text}");
    let links = scanned(&pdf);
    let link = links[1].first().unwrap();
    let phone = world.phone("phone");
    phone
        .call(&["enrol", "--scanned", link, "--pin", PIN])
        .unwrap()
        .expect_success("the scanned letter")
        .unwrap();
    phone.unlock(PIN).unwrap();
    let another = world.phone("another");
    let refused = another.call(&["enrol", "--scanned", link, "--pin", PIN]).unwrap();
    refused.expect_failure("a letter that was used").unwrap();
}

#[test]
fn a_name_that_the_font_lacks_is_refused_by_name_or_listed() {
    let world = World::new().unwrap();
    world.mdmctl(&["licenses", "pool", "set", "5"]).unwrap();
    let people =
        "職員番号,氏名,所属,利用\r\n000001,\u{E0A1}田 花子,総務課,○\r\n000002,髙橋 太郎,総務課,○\r\n";
    put_in_force(&world, people);
    let out = world.file("letters.pdf", b"").unwrap();
    fs::remove_file(&out).unwrap();
    let refused = world.try_mdmctl(&["codes", "letters", "--all", "--out", out.to_str().unwrap()]).unwrap();
    let why = refused.expect_failure("a character that no font has").unwrap();
    assert!(why.contains("000001") && why.contains("U+E0A1") && !why.contains("000002"), "{why}");
    assert!(!out.exists(), "a refused export leaves no file");
    assert_eq!(given_out(&world), (0, 0));

    let pdf = letters(&world, "letters.pdf", &["--all", "--substitutes"]);
    let pages = texts(&pdf);
    assert!(pages[0].contains("000001") && pages[0].contains("U+E0A1"), "{}", pages[0]);
    assert!(!pages[0].contains("000002"), "{}", pages[0]);
    assert!(pages.iter().any(|page| page.contains("〓田花子様")), "{pages:?}");
    picture(&pdf, 1, "mended-by-hand-ja");
    assert_eq!(given_out(&world), (1, 2), "who had whose code printed is in the journal");
}
