//! A staff number that is another person's now, from the file to the undo, as an admin sees it.

use mdm_core::account::SourceName;
use mdm_core::audit::Actor;
use mdm_core::device::DeviceState;
use mdm_store::MAX_PAGE;

use super::*;
use crate::use_cases::batches::{self, InForce};

const BEFORE: &str = "職員番号,氏名,フリガナ,生年月日,採用年月日,所属,利用\n\
    007,佐藤　花子,サトウ　ハナコ,昭和40年5月1日,S63.4.1,税務課,○\n\
    008,森　進,モリ　ススム,1980/1/1,2003/4/1,税務課,○\n";
const AFTER: &str = "職員番号,氏名,フリガナ,生年月日,採用年月日,所属,利用\n\
    007,鈴木　一,スズキ　ハジメ,平成16年9月30日,R9.4.1,農政課,○\n\
    008,森　進,モリ　ススム,1980/1/1,2003/4/1,税務課,○\n";

async fn bench() -> Api {
    let api = Api::new().await;
    api.must("PUT", "/api/v1/licenses/pool", r#"{"size":5}"#).await;
    api.put_into_force(BEFORE).await;
    api
}

/// The second file, as Excel writes it.
async fn next(api: &Api) -> String {
    api.upload(encoding_rs::SHIFT_JIS.encode(AFTER).0.into_owned()).await
}

async fn kinds(api: &Api, batch: &str) -> Vec<String> {
    let items = api.must("GET", &format!("/api/v1/batches/{batch}/items"), "").await;
    let word = |item: &Value| item["kind"].as_str().unwrap().to_owned();
    items["items"].as_array().unwrap().iter().map(word).collect()
}

async fn decide(api: &Api, batch: &str, row: u32, whose: &str) -> Answer {
    let body = format!(r#"{{"rows":[{{"row":{row},"whose":"{whose}"}}]}}"#);
    api.call(&api.owner, "POST", &format!("/api/v1/batches/{batch}/decided"), body).await
}

/// As the scheduler does it: who approves is asked elsewhere.
async fn take_effect(api: &Api, batch: &str) -> InForce {
    let batch = batch.parse().unwrap();
    batches::take_effect(&api.world.service, batch, Actor::Server).await.unwrap()
}

fn id(batch: &Value) -> String {
    batch["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn another_person_gets_the_number_and_an_undo_gives_it_back() {
    let api = bench().await;
    let old = api.world.account("007").await;
    api.world.device(old.id, DeviceState::Live).await;
    let first = next(&api).await;
    assert_eq!(kinds(&api, &first).await, ["rejected", "unchanged"]);
    let items = api.must("GET", &format!("/api/v1/batches/{first}/items"), "").await;
    assert_eq!(items["items"][0]["rejections"][0]["problem"], "possibly-another");
    let nobody = decide(&api, &first, 3, "another").await;
    assert_eq!(nobody.status, StatusCode::CONFLICT, "{:?}", nobody.body);

    let decided = decide(&api, &first, 2, "another").await;
    assert_eq!(decided.status, StatusCode::CREATED, "{:?}", decided.body);
    assert_eq!(decided.body["decided"][0]["whose"], "another");
    assert_eq!(decided.body["encoding"], "CP932");
    let second = id(&decided.body);
    assert_eq!(kinds(&api, &second).await, ["join", "unchanged", "leave"]);
    assert_eq!(api.noted(Happening::NumberDecided).await, 1);
    let late = decide(&api, &first, 2, "same").await;
    assert_eq!(late.status, StatusCode::CONFLICT, "its place is taken: {:?}", late.body);

    let done = take_effect(&api, &second).await;
    assert_eq!((done.seats_given, done.devices_to_block), (1, 1));
    let new = api.world.account("007").await;
    assert_ne!(new.id, old.id);
    let detail = api.must("GET", "/api/v1/accounts/007", "").await;
    assert_eq!((&detail["name"], &detail["number_passed_to"]), (&"鈴木　一".into(), &Value::Null));
    let former = api.must("GET", &format!("/api/v1/accounts/{}", old.id), "").await;
    assert_eq!(former["number_passed_to"], new.id.to_string());
    assert_eq!((&former["staff_number"], &former["state"]), (&"007".into(), &"suspended".into()));
    let again = next(&api).await;
    assert_eq!(kinds(&api, &again).await, ["unchanged", "unchanged"]);

    let undo =
        api.must("POST", &format!("/api/v1/batches/{second}/undo"), r#"{"staff_numbers":["007"]}"#).await;
    take_effect(&api, &id(&undo)).await;
    let back = api.world.account("007").await;
    assert_eq!((back.id, back.number_passed), (old.id, None));
    assert_eq!((back.current(), back.seat), (old.current(), old.seat));
    let gone = api.must("GET", &format!("/api/v1/accounts/{}", new.id), "").await;
    assert_eq!(
        (&gone["state"], &gone["number_passed_to"]),
        (&"suspended".into(), &old.id.to_string().into())
    );
}

#[tokio::test]
async fn the_same_person_goes_on_as_they_are() {
    let api = bench().await;
    let old = api.world.account("007").await;
    let decided = decide(&api, &next(&api).await, 2, "same").await;
    let plan = id(&decided.body);
    assert_eq!(kinds(&api, &plan).await, ["move", "unchanged"]);
    api.must("POST", &format!("/api/v1/batches/{plan}/apply"), "").await;
    let now = api.world.account("007").await;
    assert_eq!((now.id, now.seat, now.current().name.as_str()), (old.id, old.seat, "鈴木　一"));
    assert_eq!(kinds(&api, &next(&api).await).await, ["unchanged", "unchanged"]);
}

#[tokio::test]
async fn nowhere_but_in_the_file_of_rejected_rows_is_a_date_of_birth() {
    let api = bench().await;
    next(&api).await;
    let store = &api.world.service.store;
    let source = SourceName::new("知事部局").unwrap();
    let accounts = store.accounts_of_source(&source, None, MAX_PAGE).await.unwrap();
    assert!(accounts.iter().all(|stored| stored.value.current().born.is_some()));
    let entries: Vec<_> = api.world.journal().await.iter().map(|entry| entry.body().unwrap()).collect();
    let mut batches = Vec::new();
    for stored in store.batches(None, MAX_PAGE).await.unwrap() {
        let chunk = store.plan_chunk(stored.value.id, 0).await.unwrap();
        batches.push((stored.value, chunk));
    }
    let stored = format!("{accounts:?}{entries:?}{batches:?}");
    assert!(stored.contains("佐藤"), "the control: names are there");
    for date in ["1965", "昭和40", "2004-09-30", "平成16"] {
        assert!(!stored.contains(date), "{date}");
    }
}
