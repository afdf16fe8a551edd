//! 取り消し: one department of an April batch, and the phones of those who left with it.

use e2e::world::{LocalWorld, Site};
use serde_json::{Value, json};

use super::{SOURCE, accounts, everything, waiting};

const PIN: &str = "271828";

pub(super) fn upload(site: &Site, people: &[(u32, &str)]) -> String {
    let rows: String =
        people.iter().map(|(n, department)| format!("00000{n},髙濵　{n}郎,{department},○\r\n")).collect();
    let text = format!("職員番号,氏名,所属,利用\r\n{rows}");
    let file = site.file("staff.csv", text.as_bytes()).unwrap();
    site.upload(file.to_str().unwrap(), SOURCE, "roster").unwrap()
}

fn summary(plan: &Value, kinds: &[&str]) -> Vec<u64> {
    kinds.iter().map(|kind| plan["summary"][*kind].as_u64().unwrap()).collect()
}

#[test]
fn one_department_is_undone_and_the_phones_of_those_who_left_with_it_open_again() {
    let world = LocalWorld::new().unwrap();
    world.mdmctl(&["licenses", "pool", "set", "5"]).unwrap();
    let staff = [(1, "玉手課"), (2, "玉手課"), (3, "沢渡課"), (4, "沢渡課"), (5, "浜田課")];
    let first = upload(&world, &staff);
    world.apply(&first).unwrap();
    let people = world.codes().unwrap();
    let phone_of = |number: &str| {
        let person = people.iter().find(|person| person.staff_number == number).unwrap();
        let phone = world.phone(number);
        phone.enrol(&person.code, PIN).unwrap();
        phone.unlock(PIN).unwrap();
        phone
    };
    let (mistaken, gone) = (phone_of("000003"), phone_of("000005"));
    let running = mistaken.run().unwrap();
    mistaken.unlock(PIN).unwrap();
    mistaken.put("note", "a note of before".as_bytes()).unwrap();
    drop(running);
    let before = accounts(&world);

    // 沢渡課 is missing by mistake, 浜田課 is really gone; two of those who are new have a seat by it.
    let wrong = upload(&world, &[(1, "玉手課"), (2, "浜名課"), (6, "玉手課"), (7, "玉手課"), (8, "玉手課")]);
    world.apply(&wrong).unwrap();
    for phone in [&mistaken, &gone] {
        phone.try_unlock(PIN).unwrap().expect_failure("a phone of who left").unwrap();
    }

    let applied = everything(&world);
    let plan = world.mdmctl(&["batch", "undo", &wrong, "--department", "沢渡課"]).unwrap();
    assert_eq!(plan["undoes"], json!(wrong));
    let kinds = ["returned", "leave", "moved", "seats_back", "not_undone"];
    assert_eq!(summary(&plan, &kinds), [2, 0, 0, 2, 0]);
    assert_eq!(everything(&world), applied, "a plan changes nothing");
    let done = world.apply(plan["id"].as_str().unwrap()).unwrap();
    assert_eq!((&done["devices_to_unblock"], &done["seats_given"]), (&json!(1), &json!(2)));

    let running = mistaken.run().unwrap();
    mistaken.unlock(PIN).unwrap();
    assert_eq!(mistaken.get("note").unwrap(), "a note of before".as_bytes());
    drop(running);
    gone.try_unlock(PIN).unwrap().expect_failure("a phone of who left, of another department").unwrap();
    let after = accounts(&world);
    assert_eq!(after["000003"], before["000003"], "all that is known, and the seat of before");
    assert_eq!(after["000002"]["departments"][0]["name"], "浜名課", "of another department");
    assert_eq!(after["000005"]["state"], "suspended");
    assert_eq!(waiting(&world), ["000007", "000008"], "the last who got a seat gave it back, at their turn");

    let refused = world.try_mdmctl(&["batch", "undo", &wrong, "--department", "議会事務局"]).unwrap();
    let said = refused.expect_failure("a department of nobody").unwrap();
    assert!(said.contains("議会事務局"), "{said}");
    let whole = world.mdmctl(&["batch", "undo", &wrong]).unwrap();
    world.apply(whole["id"].as_str().unwrap()).unwrap();
    let restored = accounts(&world);
    for number in ["000001", "000002", "000003", "000004", "000005"] {
        let known = |account: &Value| {
            let names = ["name", "departments", "state", "wishes_seat", "seat_since", "signed_in_at"];
            names.map(|name| account[name].clone())
        };
        assert_eq!(known(&restored[number]), known(&before[number]), "{number}");
    }
    gone.unlock(PIN).unwrap();
    assert!(waiting(&world).is_empty(), "who joined by the batch waits no longer");
}
