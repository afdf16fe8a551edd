//! 紛失連絡コード: what was torn off a letter blocks a phone, by a browser that nobody has signed in with, and does nothing else.

use e2e::web::Web;
use e2e::world::World;

use super::{letters, said, squeezed, texts};
use crate::prepared::{PIN, SOURCE};

const PAGE: &str = "/lost/report";

#[test]
fn a_slip_of_paper_blocks_its_own_phone_after_the_code_was_used() {
    let world = World::new().unwrap();
    let people = world.hire(SOURCE, 2).unwrap();
    let pdf = letters(&world, "letters.pdf", &["--all"]);
    let codes = world.mdmctl(&["codes", "export"]).unwrap().as_array().unwrap().clone();
    let text = texts(&pdf).concat();
    let slip = |at: usize| {
        let row = codes.iter().find(|row| said(row, "code") == people[at].code).unwrap();
        let loss = said(row, "loss_code").to_owned();
        assert!(text.contains(&squeezed(&loss)), "{loss} is on the letter: {text}");
        loss
    };
    let [lost, kept] = [slip(0), slip(1)];
    let phones = ["lost", "kept"].map(|name| world.phone(name));
    for (phone, person) in phones.iter().zip(&people) {
        phone.enrol(&person.code, PIN).unwrap();
        phone.unlock(PIN).unwrap();
        phone.lock().unwrap();
    }

    // Without a session and without a cookie. A wrong code is the control: the phone goes on opening.
    let stranger = Web::new(&world).unwrap();
    assert!(stranger.get(PAGE).unwrap().expect(200).unwrap().body.contains("紛失連絡コード"));
    let wrong = stranger.post(PAGE, &[("code", "0000-0000-0000-0000-0")]).unwrap().expect(422).unwrap();
    phones[0].unlock(PIN).unwrap();
    phones[0].lock().unwrap();

    let done = stranger.post(PAGE, &[("code", &lost)]).unwrap().expect(200).unwrap();
    assert!(done.body.contains("利用を停止しました"), "{}", done.body);
    phones[0].try_unlock(PIN).unwrap().expect_failure("a phone that was reported lost").unwrap();
    phones[1].unlock(PIN).unwrap();

    // Nobody learns by the page whether a code is right: a second report reads as a wrong one.
    let again = stranger.post(PAGE, &[("code", &lost)]).unwrap().expect(422).unwrap();
    assert_eq!(again.body, wrong.body);
    let english = Web::new(&world).unwrap().in_english();
    assert!(english.post(PAGE, &[("code", &kept)]).unwrap().expect(200).unwrap().body.contains("is blocked"));
    phones[1].try_unlock(PIN).unwrap().expect_failure("the other phone").unwrap();

    let entries = crate::prepared::exported_journal(&world);
    let by_code = entries.iter().filter(|entry| entry.actor == mdm_core::audit::Actor::LossCode);
    assert!(by_code.clone().all(|entry| entry.what == mdm_core::audit::Happening::DeviceBlocked));
    assert_eq!(by_code.count(), 2);
}
