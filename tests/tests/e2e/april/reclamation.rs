//! 回収: seats of people who never signed in.

use e2e::world::{LocalWorld, Person};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{everything, waiting};

const SOURCE: &str = super::SOURCE;
const PIN: &str = "271828";

fn numbers(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|seat| seat["staff_number"].as_str().unwrap().to_owned()).collect()
}

fn reclaim(world: &LocalWorld, more: &[&str]) -> Value {
    let mut arguments = vec!["licenses", "reclaim", "--never-signed-in", "30"];
    arguments.extend(more);
    world.mdmctl(&arguments).unwrap()
}

/// Five wish a seat, three have one; the first of them signs in.
fn prepare() -> (LocalWorld, Vec<Person>) {
    let world = LocalWorld::new().unwrap();
    world.mdmctl(&["licenses", "pool", "set", "3"]).unwrap();
    let rows: String =
        (1..=5).map(|n| format!("00000{n},髙濵　{n}郎,タカハマ　ロウ,玉手課,主事,,○\r\n")).collect();
    let text = format!("職員番号,氏名,フリガナ,所属,職名,メールアドレス,利用\r\n{rows}");
    let file = world.file("staff.csv", text.as_bytes()).unwrap();
    let batch = world.upload(file.to_str().unwrap(), SOURCE, "roster").unwrap();
    world.apply(&batch).unwrap();
    let mut people = world.codes().unwrap();
    people.sort_by(|a, b| a.staff_number.cmp(&b.staff_number));
    assert_eq!(
        people.iter().map(|person| person.staff_number.as_str()).collect::<Vec<_>>(),
        ["000001", "000002", "000003"]
    );
    let phone = world.phone("first");
    phone.enrol(&people[0].code, PIN).unwrap();
    phone.unlock(PIN).unwrap();
    (world, people)
}

#[test]
fn seats_of_people_who_never_signed_in_go_to_the_next_who_wait_in_one_step() {
    let (world, people) = prepare();
    assert_eq!(waiting(&world), ["000004", "000005"]);

    world.clock().advance(SignedDuration::from_hours(24 * 29));
    assert_eq!(reclaim(&world, &["--dry-run"])["reclaimed"], json!([]), "not before 30 days");

    world.clock().advance(SignedDuration::from_hours(24 * 2));
    let before = everything(&world);
    let preview = reclaim(&world, &["--dry-run"]);
    let mut taken = numbers(&preview["reclaimed"]);
    taken.sort_unstable();
    assert_eq!(taken, ["000002", "000003"], "who signed in keeps the seat");
    assert_eq!(numbers(&preview["given_to"]), ["000004", "000005"]);
    assert_eq!(everything(&world), before, "a preview changes nothing");

    let done = reclaim(&world, &[]);
    assert_eq!(done["reclaimed"], preview["reclaimed"]);
    assert_eq!(done["given_to"], preview["given_to"]);
    assert_eq!(done["dry_run"], false);
    let status = world.mdmctl(&["licenses", "status"]).unwrap();
    assert_eq!((&status["assigned"], &status["free"], &status["waiting"]), (&json!(3), &json!(0), &json!(0)));
    let new = world.codes().unwrap();
    let mut holders: Vec<&str> = new.iter().map(|person| person.staff_number.as_str()).collect();
    holders.sort_unstable();
    assert_eq!(holders, ["000004", "000005"], "the new holders have codes");

    let next = new.iter().find(|person| person.staff_number == "000004").unwrap();
    world.phone("next").enrol(&next.code, PIN).unwrap();
    world.phone("next").unlock(PIN).unwrap();
    world
        .phone("late")
        .try_enrol(&people[1].code, PIN)
        .unwrap()
        .expect_failure("a reclaimed seat's code")
        .unwrap();
    assert_eq!(reclaim(&world, &[])["reclaimed"], json!([]), "a second time finds nobody");
}
