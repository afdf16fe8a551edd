//! The story of a lost phone, from the staff file to the receipt, in a browser: once with scripts and once without.

use e2e::browser::{Browser, Options};
use e2e::roster::{Encoding, FIRST_YEAR, RosterSpec, encode, generate};
use e2e::world::{Operator, RunningPhone, World};

use super::office::{Holder, enrolled};
use super::sign_in_at;
use crate::prepared::{PIN, SOURCE};

const PEOPLE: usize = 40;

#[test]
fn a_lost_phone_is_wiped_from_the_browser_and_the_page_follows_by_itself() {
    tell(Options::default());
}

#[test]
fn a_lost_phone_is_wiped_from_a_browser_without_scripts() {
    tell(Options::without_javascript());
}

fn tell(options: Options) {
    let world = World::new().unwrap();
    let (owner, helpdesk) = (world.owner().unwrap(), world.operator("tanaka", "helpdesk").unwrap());
    world.mdmctl(&["licenses", "pool", "set", "20"]).unwrap();
    let admin = Browser::open(options).unwrap();
    sign_in_at(&admin, &world, &owner);
    the_file_becomes_accounts(&admin, &world);
    let (holder, running) = a_phone_is_in_use(&world);
    let watcher = Watcher::at(options, &world, &helpdesk, &holder);
    the_phone_is_blocked(&admin, &holder, &watcher);
    the_phone_is_wiped(&admin, &holder, &watcher);
    running.finish().unwrap().expect_success("the phone").unwrap();
    assert!(!holder.phone.home().join("vault").exists(), "nothing is left of the vault");
}

fn a_phone_is_in_use(world: &World) -> (Holder, RunningPhone) {
    let person = world.codes().unwrap().remove(0);
    let holder = enrolled(world, "lost", person);
    let running = holder.phone.run().unwrap();
    holder.phone.unlock(PIN).unwrap();
    (holder, running)
}

/// Somebody else, who has the phone's page open and touches nothing.
struct Watcher {
    browser: Browser,
}

impl Watcher {
    fn at(options: Options, world: &World, operator: &Operator, holder: &Holder) -> Self {
        let browser = Browser::open(options).unwrap();
        sign_in_at(&browser, world, operator);
        browser.go(&format!("{}/devices/{}", world.console(), holder.device)).unwrap();
        browser.see("接続中").unwrap();
        if options.javascript {
            // A page that is loaded again forgets it.
            browser.script("window.untouched = true", vec![]).unwrap();
        }
        Self { browser }
    }

    /// With scripts the page changes by itself. Without, a page that had nothing to wait for is loaded again by hand.
    fn sees(&self, words: &str) {
        if !self.browser.options().javascript {
            self.browser.reload().unwrap();
        }
        self.browser.see(words).unwrap();
        if self.browser.options().javascript {
            let untouched = self.browser.script("return window.untouched === true", vec![]).unwrap();
            assert_eq!(untouched, true, "the page was loaded again for {words:?}");
        }
    }
}

fn the_phone_is_blocked(admin: &Browser, holder: &Holder, watcher: &Watcher) {
    admin.click("アカウント").unwrap();
    admin.fill("職員番号・氏名・フリガナ", &holder.person.staff_number).unwrap();
    admin.click("探す").unwrap();
    admin.click(&holder.person.name).unwrap();
    admin.see("利用中").unwrap();
    admin.see("接続中").unwrap();

    admin.click("利用を停止する").unwrap();
    admin.see("端末の利用を停止します").unwrap();
    admin.tick("紛失").unwrap();
    admin.click("利用を停止する").unwrap();
    admin.see("利用を停止しました").unwrap();
    admin.see("利用停止中").unwrap();
    watcher.sees("利用停止中");
    watcher.sees("端末が受け取りました。オフラインでも開けません。");
}

fn the_phone_is_wiped(admin: &Browser, holder: &Holder, watcher: &Watcher) {
    admin.click("遠隔消去へ進む").unwrap();
    admin.see("取り消せません").unwrap();
    admin.see("写真や連絡先など、個人のデータには触れません").unwrap();
    let last_four = &holder.person.staff_number[holder.person.staff_number.len() - 4..];
    let another = if last_four == "0000" { "0001" } else { "0000" };
    admin.tick("紛失").unwrap();
    admin.fill("職員番号の下4桁", another).unwrap();
    admin.click("遠隔消去を確定する").unwrap();
    admin.see("職員番号と一致しません。消去はしていません。").unwrap();
    watcher.sees("遠隔消去の確定\n指示していません。");

    admin.fill("職員番号の下4桁", last_four).unwrap();
    admin.click("遠隔消去を確定する").unwrap();
    admin.see("遠隔消去を確定しました").unwrap();
    admin.see("鍵破棄済").unwrap();
    // By a script, or by a page that waits and asks to be loaded again.
    admin.see("消去確認済").unwrap();
    watcher.sees("鍵破棄済");
    watcher.sees("消去確認済");
    watcher.sees("消去証明を受け取りました");
}

/// The file that Excel wrote, uploaded, looked at as a plan, and applied.
fn the_file_becomes_accounts(admin: &Browser, world: &World) {
    let rows = generate(&RosterSpec::new(3, PEOPLE, FIRST_YEAR));
    let mut bytes = encode(&rows, Encoding::Cp932).unwrap();
    let (nameless, _, _) = encoding_rs::SHIFT_JIS.encode("990001,,シメイナシ,総務部 人事課,主事,正規,,○\r\n");
    bytes.extend_from_slice(&nameless);
    let file = world.file("shokuin.csv", &bytes).unwrap();

    admin.click("異動一括処理").unwrap();
    admin.click("名簿を取り込む").unwrap();
    admin.fill("名簿区分", SOURCE).unwrap();
    admin.tick("全員の名簿").unwrap();
    admin.attach("名簿ファイル(CSV・Excel)", &file).unwrap();
    admin.click("取り込んで確認へ進む").unwrap();

    admin.see("まだ適用していません").unwrap();
    admin.see("CP932").unwrap();
    admin.see(&rows[0].name).unwrap();
    admin.see("割当待ちになります").unwrap();
    assert!(world.accounts(SOURCE).unwrap().is_empty(), "a plan changes nothing");
    admin.click("却下 1").unwrap();
    admin.see("必要なセルが空欄です").unwrap();
    assert!(admin.offers("却下の行をダウンロード").unwrap());

    admin.click("適用する内容を確認する").unwrap();
    admin.see(&format!("{PEOPLE}人のアカウントを新しく作ります")).unwrap();
    admin.click("この内容で決める").unwrap();
    admin.see("適用済").unwrap();
    admin.see("割当を受けた人のアクティベーションコードができました").unwrap();
    assert_eq!(world.accounts(SOURCE).unwrap().len(), PEOPLE);
}
