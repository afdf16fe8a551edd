//! April as two admins live it, in a browser: a list with mistakes, mended through the download; another's approval; a server that is
//! down when it takes effect; letters; and one department that was wrong after all.

use std::collections::BTreeMap;

use e2e::browser::{Browser, Options};
use e2e::roster::{Encoding, FIRST_YEAR, RosterSpec, Row, encode, generate};
use e2e::world::{LocalWorld, Operator};
use encoding_rs::SHIFT_JIS;
use jiff::{SignedDuration, ToSpan as _};
use mdm_core::audit::Happening;
use mdm_server::clock::Clock as _;
use mdm_server::config::Batches;
use serde_json::Value;

use crate::letters::{said, scanned, squeezed, texts};
use crate::prepared::{SOURCE, exported_journal};

const PEOPLE: usize = 60;

/// A server whose clock is the test's, two admins, and the staff of the first year in force.
struct April {
    world: LocalWorld,
    author: Operator,
    approver: Operator,
}

impl April {
    fn new() -> Self {
        let mut world = LocalWorld::new().unwrap();
        let author = world.owner().unwrap();
        let approver = world.operator("suzuki", "operator").unwrap();
        world.mdmctl(&["licenses", "pool", "set", "20"]).unwrap();
        let bytes = encode(&staff(FIRST_YEAR), Encoding::Cp932).unwrap();
        let file = world.file("shokuin-first.csv", &bytes).unwrap();
        let first = world.upload(file.to_str().unwrap(), SOURCE, "roster").unwrap();
        world.apply(&first).unwrap();
        world.stop().unwrap();
        let guards = Batches { leavers_percent: 2, approval_above: 5, ..Batches::default() };
        world.edit_config(|config| config.batches = guards).unwrap();
        world.start().unwrap();
        Self { world, author, approver }
    }

    /// A browser in a session of its own.
    fn at_desk(&self, who: &Operator) -> Browser {
        let browser = Browser::open(Options::default()).unwrap();
        self.sign_in(&browser, who);
        browser
    }

    fn sign_in(&self, browser: &Browser, who: &Operator) {
        browser.go(&format!("{}/sign-in", self.world.console())).unwrap();
        browser.fill("管理者名", &who.name).unwrap();
        browser.fill("パスワード", &who.password).unwrap();
        browser.fill("確認コード", &self.code(who)).unwrap();
        browser.click("サインインする").unwrap();
        browser.see("サインアウト").unwrap();
    }

    /// Half a minute later, when the authenticator shows another code.
    fn code(&self, who: &Operator) -> String {
        self.world.clock().advance(SignedDuration::from_secs(30));
        who.code_at(self.world.clock().now()).expect("a code that was not used yet")
    }

    /// Confirms the second factor if the page wants that first.
    fn confirm_if_asked(&self, browser: &Browser, who: &Operator) {
        if browser.address().unwrap().path() == "/confirm" {
            browser.fill("確認コード", &self.code(who)).unwrap();
            browser.click("確認して進む").unwrap();
        }
    }

    fn shown(&self, batch: &str) -> Value {
        self.world.mdmctl(&["batch", "show", batch]).unwrap()["batch"].clone()
    }

    fn people(&self) -> BTreeMap<String, Value> {
        let accounts = self.world.accounts(SOURCE).unwrap().into_iter();
        accounts.map(|account| (said(&account, "staff_number").to_owned(), account)).collect()
    }
}

fn staff(year: u16) -> Vec<Row> {
    generate(&RosterSpec::new(5, PEOPLE, year))
}

/// The last part of the page's address.
fn batch_on(browser: &Browser) -> String {
    browser.address().unwrap().path_segments().unwrap().next_back().unwrap().to_owned()
}

fn department(account: &Value) -> &str {
    account["departments"][0]["name"].as_str().unwrap()
}

/// The second year's list, in which a cell is empty in the rows of somebody who stays and of somebody who is new.
fn with_two_mistakes(april: &April, rows: &[Row]) -> (Vec<u8>, [String; 2]) {
    let known = april.people();
    let stays = rows.iter().find(|row| known.contains_key(&row.number)).unwrap();
    let joins = rows.iter().find(|row| !known.contains_key(&row.number)).unwrap();
    let (mut broken, wrong) = (rows.to_vec(), [stays.number.clone(), joins.number.clone()]);
    for row in broken.iter_mut().filter(|row| wrong.contains(&row.number)) {
        row.name.clear();
    }
    (encode(&broken, Encoding::Cp932).unwrap(), wrong)
}

#[test]
fn the_story_of_april_is_told_in_a_browser_from_the_file_to_the_undo_of_one_department() {
    let mut april = April::new();
    let rows = staff(FIRST_YEAR + 1);
    let before = april.people();
    let admin = april.at_desk(&april.author);
    let (file, wrong) = with_two_mistakes(&april, &rows);
    let first = the_file_is_uploaded(&april, &admin, &file);
    let whole = two_rows_are_mended(&april, &admin, &first, &rows, &wrong);
    let at = it_gets_its_time(&april, &admin, &before, &rows);
    somebody_else_approves(&april, &whole, &leavers(&before, &rows));
    assert_eq!(april.people(), before, "nothing before its time");

    april.world.stop().unwrap();
    april.world.clock().set(at + SignedDuration::from_hours(5));
    april.world.start().unwrap();
    april.sign_in(&admin, &april.author);
    it_took_effect_late(&april, &admin, &whole, &rows);
    letters_are_printed(&april, &admin);
    one_department_is_undone(&april, &admin, &whole, &before);
}

fn the_file_is_uploaded(april: &April, admin: &Browser, bytes: &[u8]) -> String {
    let file = april.world.file("shokuin-second.csv", bytes).unwrap();
    admin.click("異動一括処理").unwrap();
    admin.click("名簿を取り込む").unwrap();
    admin.fill("名簿区分", SOURCE).unwrap();
    admin.tick("全員の名簿").unwrap();
    admin.attach("名簿ファイル(CSV・Excel)", &file).unwrap();
    admin.click("取り込んで確認へ進む").unwrap();
    admin.see("まだ適用していません").unwrap();
    admin.click("却下 2").unwrap();
    admin.see("必要なセルが空欄です").unwrap();
    batch_on(admin)
}

fn two_rows_are_mended(
    april: &April,
    admin: &Browser,
    first: &str,
    rows: &[Row],
    wrong: &[String],
) -> String {
    admin.click("却下の行をダウンロード").unwrap();
    let downloaded = std::fs::read(admin.downloaded().unwrap()).unwrap();
    let (text, _, lost) = SHIFT_JIS.decode(&downloaded);
    assert!(!lost && text.lines().count() == 3, "as the upload was written, with a header: {text}");
    let mended: Vec<String> = text.lines().map(|line| with_name(line, rows, wrong)).collect();
    let mended = mended.join("\r\n");
    let (bytes, _, lost) = SHIFT_JIS.encode(&mended);
    assert!(!lost);
    let file = april.world.file("mended.csv", &bytes).unwrap();

    admin.click("直した行を取り込む").unwrap();
    admin.attach("直した行のファイル(CSV・Excel)", &file).unwrap();
    admin.click("取り込んで確認へ進む").unwrap();
    admin.see("直した行を加えました").unwrap();
    let whole = batch_on(admin);
    assert_eq!(april.shown(first)["replaced_by"], whole.as_str());
    let summary = april.shown(&whole)["summary"].clone();
    assert_eq!((&summary["rejected"], &summary["rows"]), (&0.into(), &PEOPLE.into()));
    whole
}

/// The cell is filled in, in a row whose name was lost.
fn with_name(line: &str, rows: &[Row], wrong: &[String]) -> String {
    let mut cells: Vec<&str> = line.split(',').collect();
    if let Some(number) = wrong.iter().find(|number| *number == cells[0]) {
        assert_eq!(cells[1], "");
        cells[1] = &rows.iter().find(|row| row.number == *number).unwrap().name;
    }
    cells.join(",")
}

/// The next midnight that is an hour away or more, as somebody in Japan types it: a wish, as long as nobody else has approved.
/// Not later: the certificate that the server makes when it starts then is to be valid by this machine's clock, too.
fn it_gets_its_time(
    april: &April,
    admin: &Browser,
    before: &BTreeMap<String, Value>,
    rows: &[Row],
) -> jiff::Timestamp {
    let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(9));
    let soon = april.world.clock().now() + SignedDuration::from_hours(1);
    let midnight = soon.to_zoned(zone.clone()).date().saturating_add(1.day()).at(0, 0, 0, 0);
    let leavers = leavers(before, rows);
    admin.click("適用日時を決める").unwrap();
    admin.fill("退職等の人数", "1000").unwrap();
    type_time(admin, &midnight.strftime("%Y-%m-%dT%H:%M").to_string());
    admin.click("この内容で決める").unwrap();
    admin.see("人数が、この計画の人数と違います").unwrap();
    admin.fill("退職等の人数", &leavers).unwrap();
    type_time(admin, &midnight.strftime("%Y-%m-%dT%H:%M").to_string());
    admin.click("この内容で決める").unwrap();
    admin.see("承認されると有効になります").unwrap();
    admin.see("承認待ち").unwrap();
    midnight.to_zoned(zone).unwrap().timestamp()
}

/// A field for a time has parts, in an order of the browser's language: its value is set.
fn type_time(admin: &Browser, time: &str) {
    let set = "document.getElementById('effective_at').value = arguments[0]";
    admin.script(set, vec![time.into()]).unwrap();
}

/// Who is not on the list any more, counted by hand.
fn leavers(before: &BTreeMap<String, Value>, rows: &[Row]) -> String {
    before.keys().filter(|number| !rows.iter().any(|row| row.number == **number)).count().to_string()
}

fn somebody_else_approves(april: &April, whole: &str, leavers: &str) {
    let second = april.at_desk(&april.approver);
    second.go(&format!("{}/batches/{whole}", april.world.console())).unwrap();
    second.click("内容を確認して承認する").unwrap();
    april.confirm_if_asked(&second, &april.approver);
    second.fill("退職等の人数", leavers).unwrap();
    second.click("承認する").unwrap();
    second.see("計画を承認しました").unwrap();
    second.see("適用予定").unwrap();
    let operators = april.world.operators().unwrap();
    let approver = operators.iter().find(|operator| operator["name"] == april.approver.name.as_str());
    assert_eq!(april.shown(whole)["approval"]["by"], approver.unwrap()["id"]);
}

fn it_took_effect_late(april: &April, admin: &Browser, whole: &str, rows: &[Row]) {
    admin.go(&format!("{}/batches/{whole}", april.world.console())).unwrap();
    admin.see("適用済").unwrap();
    admin.see("予定の日時より5時間遅れました").unwrap();
    let people = april.people();
    for row in rows {
        let account = &people[&row.number];
        assert_eq!(
            (said(account, "name"), department(account)),
            (row.name.as_str(), row.department.as_str())
        );
        let (kana, title) = (said(account, "kana"), said(account, "title"));
        assert_eq!((kana, title), (row.kana.as_str(), row.title.as_str()), "{}", row.number);
        assert_eq!((&account["state"], &account["wishes_seat"]), (&"provisional".into(), &row.wish.into()));
    }
    let gone = people.keys().filter(|number| !rows.iter().any(|row| row.number == **number));
    let states: Vec<&Value> = gone.map(|number| &people[number]["state"]).collect();
    assert!(!states.is_empty() && states.iter().all(|state| *state == "suspended"), "{states:?}");
}

/// What is on paper is what the API says: of everybody who has a code, and of nobody else.
fn letters_are_printed(april: &April, admin: &Browser) {
    admin.go(&format!("{}/codes", april.world.console())).unwrap();
    april.confirm_if_asked(admin, &april.author);
    admin.tick("A4に10人").unwrap();
    admin.click("通知書を作る").unwrap();
    let pdf = admin.downloaded().unwrap();
    let codes = april.world.mdmctl(&["codes", "export"]).unwrap().as_array().unwrap().clone();
    assert_eq!(codes.len(), 20, "as many as there are seats");
    let (texts, links) = (texts(&pdf), scanned(&pdf));
    for person in &codes {
        let page = links.iter().position(|links| links.contains(said(person, "link")));
        let text = &texts[page.unwrap_or_else(|| panic!("no QR code of {person}"))];
        for key in ["name", "staff_number", "code", "department"] {
            assert!(text.contains(&squeezed(said(person, key))), "{key} of {person}: {text}");
        }
    }
    assert_eq!(links.iter().map(|links| links.len()).sum::<usize>(), codes.len());
    let noted =
        exported_journal(&april.world).into_iter().filter(|entry| entry.what == Happening::CodeHandedOut);
    assert_eq!(noted.count(), 2 * codes.len(), "on paper and as a list: the journal has both");
}

/// Somebody who moved was to stay where they were, with all of their department.
fn one_department_is_undone(april: &April, admin: &Browser, whole: &str, before: &BTreeMap<String, Value>) {
    let after = april.people();
    let stayed = || before.iter().filter_map(|(number, was)| Some((was, after.get(number)?)));
    let moved = |(was, is): &(&Value, &Value)| department(was) != department(is);
    let wrong =
        stayed().filter(moved).map(|(_, is)| department(is).to_owned()).min().expect("somebody moved");
    admin.go(&format!("{}/batches/{whole}/undo", april.world.console())).unwrap();
    admin.tick("所属を選ぶ").unwrap();
    let choice =
        "return [...document.getElementById('department').options].find(o => o.value === arguments[0]).label";
    let choice = admin.script(choice, vec![wrong.as_str().into()]).unwrap();
    admin.choose("所属", choice.as_str().unwrap()).unwrap();
    admin.click("取り消しの計画を作る").unwrap();
    let undo = batch_on(admin);
    assert_eq!(april.people(), after, "a plan changes nothing");
    admin.click("適用する内容を確認する").unwrap();
    admin.click("この内容で決める").unwrap();
    admin.see("適用済").unwrap();
    assert_eq!(april.shown(&undo)["undoes"], whole);

    let undone = april.people();
    for (number, is) in &after {
        let was = before.get(number);
        let of_it = department(is) == wrong || was.is_some_and(|was| department(was) == wrong);
        let expected = match was {
            Some(was) if of_it => (department(was), said(was, "name")),
            _ => (department(is), said(is, "name")),
        };
        assert_eq!((department(&undone[number]), said(&undone[number], "name")), expected, "{number}");
    }
}
