//! Activation codes by mail, through a mail server that is not ours: what arrives, what may not cross the wire, and what happens when
//! the mail server says later, no, or nothing at all. That a kill loses nothing is in [`crate::kill`].

mod gone;
mod protection;
mod trouble;
mod wire;

use std::collections::BTreeMap;

use e2e::world::{LocalWorld, MailServer, Offer, Site, Taken, wait};
use jiff::SignedDuration;
use mdm_core::audit::Happening;
use mdm_server::config::Mail;
use serde_json::Value;

use crate::prepared::{PIN, SOURCE, exported_journal};
use wire::{Tap, contains};

pub(crate) const TARO: &str = "taro@pref.tamate.example";
pub(crate) const HANAKO: &str = "hanako@pref.tamate.example";
/// Two with an address and one without.
const STAFF: &str = "職員番号,氏名,所属,メールアドレス,利用\r\n000001,山田　太郎,総務課,taro@pref.tamate.example,○\r\n\
                     000002,髙橋　﨑子,税務課,hanako@pref.tamate.example,○\r\n000003,佐藤　一,税務課,,○\r\n";
/// Longer than the pause after a first try.
const SOON: SignedDuration = SignedDuration::from_mins(2);

/// A server that sends mail so.
fn world(mail: Mail) -> LocalWorld {
    let mut world = LocalWorld::prepared().unwrap();
    world.edit_config(|config| config.mail = Some(mail)).unwrap();
    world.start().unwrap();
    world
}

/// The three in force. Gives their batch's id.
pub(crate) fn staff(site: &Site) -> String {
    site.mdmctl(&["licenses", "pool", "set", "5"]).unwrap();
    let file = site.file("staff.csv", STAFF.as_bytes()).unwrap();
    let batch = site.upload(file.to_str().unwrap(), SOURCE, "roster").unwrap();
    site.apply(&batch).unwrap();
    batch
}

fn ask(site: &Site, batch: &str) -> Value {
    site.mdmctl(&["batch", "mail", "send", batch]).unwrap()
}

/// Where everybody's mail stands, by staff number.
pub(crate) fn standings(site: &Site, batch: &str) -> BTreeMap<String, Value> {
    let listed = site.mdmctl(&["batch", "mail", "list", batch]).unwrap();
    let items = listed["items"].as_array().unwrap().iter();
    items.map(|item| (item["staff_number"].as_str().unwrap().to_owned(), item.clone())).collect()
}

/// Waits until this is where the mail of these people stands.
fn wait_for(site: &Site, batch: &str, state: &str, people: &[&str]) -> BTreeMap<String, Value> {
    wait::until(&format!("mail is {state}"), || {
        let found = standings(site, batch);
        people.iter().all(|number| found[*number]["state"] == state).then_some(found)
    })
    .unwrap()
}

/// Waits until mail to both was tried in vain and waits for a next try. Says why.
fn wait_for_trouble(site: &Site, batch: &str) -> [String; 2] {
    let found = wait::until("mail was tried in vain", || {
        let found = standings(site, batch);
        ["000001", "000002"].iter().all(|number| found[*number]["tries"] == 1).then_some(found)
    });
    let found = found.unwrap();
    ["000001", "000002"].map(|number| {
        assert_eq!(found[number]["state"], "queued", "{found:?}");
        found[number]["why"].as_str().unwrap_or_default().to_owned()
    })
}

/// How often something was noted.
fn noted(site: &Site, what: Happening) -> usize {
    exported_journal(site).iter().filter(|entry| entry.what == what).count()
}

fn code_of(site: &Site, number: &str) -> String {
    site.codes().unwrap().into_iter().find(|person| person.staff_number == number).unwrap().code
}

/// What stands behind a word on its line.
fn after<'a>(body: &'a str, word: &str) -> &'a str {
    let found = body.lines().find_map(|line| line.strip_prefix(word));
    found.unwrap_or_else(|| panic!("no {word} in {body}")).trim()
}

#[test]
fn a_mail_says_in_japanese_what_its_reader_enrols_with() {
    let server = MailServer::running(Offer::Starttls).unwrap();
    let tap = Tap::before(server.address());
    let world = world(Mail { port: tap.port(), ..server.config() });
    let batch = staff(&world);
    assert_eq!(standings(&world, &batch)["000001"]["state"], "not_asked");
    let asked = ask(&world, &batch);
    assert_eq!((&asked["queued"], &asked["no_address"]), (&2.into(), &1.into()), "{asked}");
    let found = wait_for(&world, &batch, "sent", &["000001", "000002"]);
    assert_eq!(found["000003"]["state"], "no_address");
    assert_eq!(noted(&world, Happening::CodeMailed), 2);

    let taken = server.taken().unwrap();
    assert_eq!(taken.len(), 2, "{taken:?}");
    let codes = world.codes().unwrap();
    for (mail, (to, number)) in sorted(taken).iter().zip([(HANAKO, "000002"), (TARO, "000001")]) {
        let person = codes.iter().find(|person| person.staff_number == number).unwrap();
        assert_eq!(
            (mail.to.as_slice(), mail.from.as_str()),
            ([to.to_owned()].as_slice(), "helpdesk@pref.tamate.example")
        );
        assert!(mail.tls && mail.user.as_deref() == Some("mdm"));
        let header = |name: &str| mail.headers[name].as_str();
        assert_eq!(header("subject"), "業務アプリ「玉手箱」端末登録のご案内(玉手県)");
        assert_eq!(header("from"), "玉手県 情報政策課 <helpdesk@pref.tamate.example>");
        assert_eq!((header("to"), header("auto-submitted")), (to, "auto-generated"));
        assert!(mail.body.contains(&format!("{} 様", person.name)), "{}", mail.body);
        assert_eq!(after(&mail.body, "サーバーのアドレス:"), world.quic().to_string());
        assert_eq!(after(&mail.body, "アクティベーションコード:"), person.code);
        assert!(!contains(&tap.said(), mail.raw.as_bytes()), "it crossed the wire readable");
    }
    let code = after(&server.taken().unwrap()[0].body, "アクティベーションコード:").to_owned();
    let phone = world.phone("phone");
    phone.enrol(&code, PIN).unwrap();
    phone.unlock(PIN).unwrap();

    let again = ask(&world, &batch);
    assert_eq!(again["queued"], 0, "nobody gets a second: {again}");
}

fn sorted(mut taken: Vec<Taken>) -> Vec<Taken> {
    taken.sort_by(|one, other| one.to.cmp(&other.to));
    taken
}
