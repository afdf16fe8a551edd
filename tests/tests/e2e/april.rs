//! April: a staff file of 1,400 becomes accounts, seats and codes; the next year's becomes a plan; what is no staff file
//! changes nothing; seats of people who never came go to those who wait.

mod malformed;
mod raw;
mod reclamation;
mod schedule;
mod undo;

use std::collections::{BTreeMap, BTreeSet};

use e2e::roster::{FIRST_YEAR, Row};
use e2e::world::{Site, World};
use serde_json::{Value, json};

use crate::prepared::{SOURCE, staff, upload};

/// A server with 700 seats and the first year's staff in force.
fn first_april() -> (World, Vec<Row>) {
    let world = World::new().unwrap();
    let rows = staff(FIRST_YEAR);
    world.mdmctl(&["licenses", "pool", "set", "700"]).unwrap();
    let batch = upload(&world, &rows);
    world.apply(&batch).unwrap();
    (world, rows)
}

fn by_number(rows: &[Row]) -> BTreeMap<&str, &Row> {
    rows.iter().map(|row| (row.number.as_str(), row)).collect()
}

fn accounts(site: &Site) -> BTreeMap<String, Value> {
    let accounts = site.accounts(SOURCE).unwrap();
    accounts
        .into_iter()
        .map(|account| (account["staff_number"].as_str().unwrap().to_owned(), account))
        .collect()
}

fn waiting(site: &Site) -> Vec<String> {
    let list = site.mdmctl(&["waitlist", "list"]).unwrap();
    list.as_array().unwrap().iter().map(|entry| entry["staff_number"].as_str().unwrap().to_owned()).collect()
}

/// What the batch would do, of the counts that are not about seats.
fn counts(site: &Site, batch: &str) -> Value {
    let shown = site.mdmctl(&["batch", "show", batch]).unwrap();
    let summary = &shown["batch"]["summary"];
    let names = ["rows", "join", "moved", "change", "returned", "leave", "unchanged", "rejected"];
    names
        .iter()
        .map(|name| ((*name).to_owned(), summary[name].clone()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// Everything that a staff file can change.
fn everything(site: &Site) -> Value {
    let codes: BTreeSet<String> = site.codes().unwrap().into_iter().map(|code| code.code).collect();
    json!({
        "accounts": accounts(site),
        "seats": site.mdmctl(&["licenses", "status"]).unwrap(),
        "waiting": waiting(site),
        "codes": codes,
    })
}

#[test]
fn a_cp932_file_of_1400_people_becomes_accounts_seats_and_codes_with_every_name_as_written() {
    let (world, rows) = first_april();
    let accounts = accounts(&world);
    assert_eq!(accounts.len(), 1_400);
    for row in &rows {
        let account = &accounts[&row.number];
        let department = account["departments"][0]["name"].as_str();
        assert_eq!(account["name"], row.name.as_str());
        assert_eq!(account["kana"], row.kana.as_str());
        assert_eq!(department, Some(row.department.as_str()));
        assert_eq!(account["title"], row.title.as_str());
        assert_eq!(account["wishes_seat"], row.wish);
        assert_eq!(account["state"], "provisional");
    }
    for character in ['髙', '﨑', '濵'] {
        let written = rows.iter().filter(|row| row.name.contains(character)).count();
        let kept =
            accounts.values().filter(|account| account["name"].as_str().unwrap().contains(character)).count();
        assert!(written > 0, "the file should have names with {character}");
        assert_eq!(kept, written, "{character}");
    }

    let wishes: Vec<&str> = rows.iter().filter(|row| row.wish).map(|row| row.number.as_str()).collect();
    assert!(wishes.len() > 700, "the file should have more wishes than seats");
    let status = world.mdmctl(&["licenses", "status"]).unwrap();
    assert_eq!((&status["assigned"], &status["free"]), (&json!(700), &json!(0)));
    assert_eq!(status["waiting"], wishes.len() - 700);
    let codes: BTreeSet<String> = world.codes().unwrap().into_iter().map(|code| code.staff_number).collect();
    let first: BTreeSet<String> = wishes[..700].iter().map(|number| (*number).to_owned()).collect();
    assert_eq!(codes, first, "the first 700 of the file who wish a seat have a code each");
    assert_eq!(waiting(&world), wishes[700..], "the others wait in the order of the file");
    assert!(accounts.values().all(|account| account["seat_since"].is_string()
        == first.contains(account["staff_number"].as_str().unwrap())));
}

#[test]
fn the_next_years_file_shows_who_joins_moves_changes_and_leaves_and_does_it() {
    let (world, before) = first_april();
    let after = staff(FIRST_YEAR + 1);
    let (old, new) = (by_number(&before), by_number(&after));
    let stayed = || new.iter().filter_map(|(number, row)| Some((*row, *old.get(number)?)));
    let moved = stayed().filter(|(new, old)| new.department != old.department).count();
    let unchanged = stayed().filter(|(new, old)| new == old).count();
    let expected = json!({
        "rows": 1_400,
        "join": new.keys().filter(|number| !old.contains_key(*number)).count(),
        "moved": moved,
        "change": stayed().count() - moved - unchanged,
        "returned": 0,
        "leave": old.keys().filter(|number| !new.contains_key(*number)).count(),
        "unchanged": unchanged,
        "rejected": 0,
    });
    for kind in ["join", "moved", "change", "leave", "unchanged"] {
        assert!(expected[kind].as_u64().unwrap() > 0, "the second year should have some {kind}");
    }
    let untouched = everything(&world);
    let batch = upload(&world, &after);
    assert_eq!(counts(&world, &batch), expected);
    assert_eq!(everything(&world), untouched, "an upload changes nothing");

    world.apply(&batch).unwrap();
    let accounts = accounts(&world);
    for row in &after {
        let account = &accounts[&row.number];
        assert_eq!(account["name"], row.name.as_str());
        assert_eq!(account["departments"][0]["name"], row.department.as_str());
        assert_eq!(account["state"], "provisional");
    }
    for number in old.keys().filter(|number| !new.contains_key(*number)) {
        assert_eq!(accounts[*number]["state"], "suspended", "{number} left");
        assert_eq!(accounts[*number]["seat_since"], Value::Null, "{number} left");
    }
    let status = world.mdmctl(&["licenses", "status"]).unwrap();
    assert_eq!(status["assigned"], 700, "seats of leavers went to those who waited");
}

#[test]
fn the_same_file_again_changes_nobody() {
    let (world, rows) = first_april();
    let before = everything(&world);
    let batch = upload(&world, &rows);
    let unchanged = json!({
        "rows": 1_400, "join": 0, "moved": 0, "change": 0, "returned": 0, "leave": 0, "unchanged": 1_400, "rejected": 0,
    });
    assert_eq!(counts(&world, &batch), unchanged);
    world.apply(&batch).unwrap();
    assert_eq!(everything(&world), before);
}
