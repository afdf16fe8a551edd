use jiff::civil::date;
use mdm_core::account::SourceName;
use mdm_core::audit::Actor;
use mdm_core::batch::{Batch, Mode};
use mdm_core::sheet::Declared;

use super::*;
use crate::testing::World;
use crate::use_cases::batches::Upload;
use crate::use_cases::licenses;

const HEADER: &str = "職員番号,氏名,所属,任期満了日,利用\n";

async fn upload(world: &World, rows: &str, mode: Mode) -> Batch {
    let upload = Upload {
        source: SourceName::new("知事部局").unwrap(),
        mode,
        declared: Declared::default(),
        file_name: None,
        effective_at: None,
        temporary_until: None,
    };
    let file = format!("{HEADER}{rows}").into_bytes();
    batches::upload(&world.service, file, upload, Actor::Server).await.unwrap()
}

async fn world() -> World {
    let world = World::new();
    licenses::set_pool(&world.service, 3, Actor::Server).await.unwrap();
    let rows = "1,a,x,2027-03-31,○\n2,b,x,2027-03-31,○\n3,c,x,2028-03-31,○\n4,d,x,,○\n5,e,x,2027-03-30,\n";
    world.apply(&format!("{HEADER}{rows}"), Mode::Roster).await;
    world
}

async fn said(world: &World, sees_plans: bool) -> Vec<(String, Option<&'static str>)> {
    let ending = ending(&world.service, date(2027, 3, 31), sees_plans).await.unwrap();
    let said = |one: Ending| {
        let number = one.account.current().staff_number.to_string();
        (number, one.new_file.map(NewFile::name))
    };
    ending.into_iter().map(said).collect()
}

fn all(numbers: [(&str, &'static str); 3]) -> Vec<(String, Option<&'static str>)> {
    numbers.map(|(number, word)| (number.to_owned(), Some(word))).to_vec()
}

#[test]
fn a_fiscal_year_ends_in_march() {
    assert_eq!(fiscal_year_end(date(2027, 3, 31)), date(2027, 3, 31));
    assert_eq!(fiscal_year_end(date(2027, 4, 1)), date(2028, 3, 31));
    assert_eq!(fiscal_year_end(date(2027, 1, 1)), date(2027, 3, 31));
}

#[tokio::test]
async fn whose_term_ends_is_held_against_the_newest_plan_that_waits() {
    let world = world().await;
    assert_eq!(said(&world, true).await, all([("5", "awaited"), ("1", "awaited"), ("2", "awaited")]));
    let batch =
        upload(&world, "1,a,x,2028-03-31,○\n2,=1+1,x,2028-03-31,○\n3,c,x,2028-03-31,○\n", Mode::Roster);
    let batch = batch.await;
    assert_eq!(said(&world, true).await, all([("5", "leaves"), ("1", "stays"), ("2", "rejected")]));
    let hidden = said(&world, false).await;
    assert!(hidden.iter().all(|(_, said)| said.is_none()) && hidden.len() == 3, "内示: {hidden:?}");
    world.clock.advance(jiff::SignedDuration::from_secs(1));
    let some = upload(&world, "1,a,x,2028-03-31,○\n", Mode::Upsert).await;
    assert_ne!(some.id, batch.id);
    assert_eq!(said(&world, true).await, all([("5", "not-named"), ("1", "stays"), ("2", "not-named")]));
    // Once a plan is in force it is what is known.
    batches::take_effect(&world.service, some.id, Actor::Server).await.unwrap();
    let numbers: Vec<String> = said(&world, true).await.into_iter().map(|(number, _)| number).collect();
    assert_eq!(numbers, ["5", "2"]);
}

#[tokio::test]
async fn the_need_of_plans_adds_up_in_the_order_in_which_they_take_effect() {
    let world = world().await;
    let directory = directory::current(&world.service).await.unwrap();
    assert_eq!(needs(&directory), []);
    // One waits already; two more ask, one leaves with a seat.
    upload(&world, "1,a,x,2027-03-31,○\n2,b,x,,○\n4,d,x,,○\n6,f,x,,○\n7,g,x,,○\n", Mode::Roster).await;
    let directory = directory::current(&world.service).await.unwrap();
    let [need] = &needs(&directory)[..] else { panic!("one plan waits") };
    assert_eq!((need.asked, need.freed, need.free, need.missing), (2, 1, 0, 2));
}
