//! From a staff file to a wiped phone, as an admin sees it.

use mdm_core::audit;
use mdm_core::device::DeviceState;
use shared::cose::{self, PublicKey};
use shared::signed::Checkpoint;

use super::*;

async fn three_people_on_two_seats() -> Api {
    let api = Api::new().await;
    api.must("PUT", "/api/v1/licenses/pool", r#"{"size":2}"#).await;
    api.put_into_force(STAFF).await;
    api
}

fn numbers(rows: &Value) -> Vec<&str> {
    rows.as_array().unwrap().iter().map(|row| row["staff_number"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_file_is_shown_before_it_changes_anything() {
    let api = Api::new().await;
    let (cp932, _, lost) = encoding_rs::SHIFT_JIS.encode(STAFF);
    assert!(!lost);
    let id = api.upload(cp932.into_owned()).await;
    let batch = api.must("GET", &format!("/api/v1/batches/{id}"), "").await;
    assert_eq!((&batch["state"], &batch["encoding"]), (&Value::from("planned"), &Value::from("CP932")));
    assert_eq!((&batch["summary"]["join"], &batch["summary"]["seats_wished"]), (&4.into(), &3.into()));
    assert_eq!(api.must("GET", "/api/v1/accounts", "").await["items"], Value::Array(Vec::new()));

    let first = api.must("GET", &format!("/api/v1/batches/{id}/items?limit=3"), "").await;
    assert_eq!(first["items"][0]["name"], "髙橋太郎");
    assert_eq!(first["items"][1]["name"], "﨑山花子");
    let next = first["next"].as_str().unwrap();
    let rest = api.must("GET", &format!("/api/v1/batches/{id}/items?limit=3&after={next}"), "").await;
    assert_eq!((numbers(&rest["items"]), &rest["next"]), (vec!["004"], &Value::Null));

    let done = api.must("POST", &format!("/api/v1/batches/{id}/apply"), "").await;
    assert_eq!((&done["batch"]["state"], &done["waiting"]), (&"applied".into(), &3.into()));
    let again = api.call(&api.owner, "POST", &format!("/api/v1/batches/{id}/apply"), "").await;
    assert_eq!((again.status, &again.body["error"]["code"]), (StatusCode::CONFLICT, &"refused".into()));
}

#[tokio::test]
async fn two_plans_are_compared_page_by_page_for_who_may_see_both() {
    let api = Api::new().await;
    let older = api.upload("職員番号,氏名,所属\n001,髙橋太郎,総務課\n002,﨑山花子,税務課\n").await;
    let newer = api.upload("職員番号,氏名,所属\n001,髙橋太郎,防災課\n003,森四郎,税務課\n").await;
    let path = format!("/api/v1/batches/{newer}/difference?older={older}");
    let first = api.must("GET", &format!("{path}&limit=2"), "").await;
    let counts = ["same", "new", "gone", "changed"].map(|name| first[name].as_u64().unwrap());
    assert_eq!((counts, &first["next"]), ([0, 1, 1, 1], &"2".into()));
    let changed = &first["people"][0];
    assert_eq!(
        (&changed["older"]["department"], &changed["newer"]["department"]),
        (&"総務課".into(), &"防災課".into())
    );
    assert_eq!(
        (&first["people"][1]["older"], &first["people"][1]["newer"]["name"]),
        (&Value::Null, &"森四郎".into())
    );
    let rest = api.must("GET", &format!("{path}&limit=2&after=2"), "").await;
    assert_eq!((rest["people"].as_array().unwrap().len(), &rest["next"]), (1, &Value::Null));
    assert_eq!(rest["people"][0]["older"]["name"], "﨑山花子");

    // The newer one takes effect, the older one never: whoever sees applied plans only does not see it.
    api.must("POST", &format!("/api/v1/batches/{newer}/apply"), "").await;
    let helpdesk = api.world.operator(Role::Helpdesk).await;
    let lines = api.call(&helpdesk, "GET", &format!("/api/v1/batches/{newer}/items"), "").await;
    assert_eq!(lines.status, StatusCode::OK, "control");
    assert_eq!(api.call(&helpdesk, "GET", &path, "").await.status, StatusCode::FORBIDDEN);
    let turned = format!("/api/v1/batches/{older}/difference?older={newer}");
    assert_eq!(api.call(&helpdesk, "GET", &turned, "").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_plan_made_before_another_took_effect_is_not_applied() {
    let api = Api::new().await;
    let stale = api.upload(STAFF).await;
    let at = r#"{"effective_at":"2027-04-02T00:00"}"#;
    api.must("POST", &format!("/api/v1/batches/{stale}/schedule"), at).await;
    api.put_into_force("職員番号,氏名,所属\n009,鈴木五郎,農政課\n").await;
    let answer = api.call(&api.owner, "POST", &format!("/api/v1/batches/{stale}/apply"), "").await;
    assert_eq!(answer.status, StatusCode::CONFLICT);
    assert!(answer.body["error"]["message"].as_str().unwrap().contains("upload the file again"));
    assert_eq!(numbers(&api.must("GET", "/api/v1/accounts", "").await["items"]), ["009"]);
}

#[tokio::test]
async fn seats_go_in_order_and_their_codes_are_exported_and_noted() {
    let api = three_people_on_two_seats().await;
    let status = api.must("GET", "/api/v1/licenses", "").await;
    let expected = serde_json::json!({
        "pool": 2, "reserved": 0, "assigned": 2, "temporary": 0, "free": 0, "waiting": 1, "never_signed_in": 2,
        "noticed": 0, "held": 0
    });
    assert_eq!(status, expected);
    assert_eq!(numbers(&api.must("GET", "/api/v1/waitlist", "").await), ["003"]);

    let codes = api.must("POST", "/api/v1/codes/export", "").await;
    let mut who = numbers(&codes);
    who.sort_unstable();
    assert_eq!(who, ["001", "002"]);
    let code = codes[0]["code"].as_str().unwrap().to_owned();
    let code = shared::activation_code::ActivationCode::parse(&code).unwrap();
    assert_eq!(api.noted(Happening::CodesExported).await, 1);

    let index = api.world.service.keyring.codes.index(&code.lookup_id());
    assert!(
        api.world.service.store.code(index).await.unwrap().is_some(),
        "the exported code is the stored one"
    );
    let csv = api.must("POST", "/api/v1/codes/export?format=csv", "").await;
    let csv = csv.as_str().unwrap();
    assert!(csv.starts_with("\u{feff}名簿区分,職員番号,氏名,所属,"), "{csv}");
    assert_eq!(csv.lines().count(), 3);
    assert!(csv.contains(&*code.to_text()));
    assert!(csv.contains(",2027-04-01 00:00,2027-04-15 00:00,"), "{csv}");
}

#[tokio::test]
async fn another_code_ends_the_one_before_and_neither_is_shown_elsewhere() {
    let api = three_people_on_two_seats().await;
    let before = api.must("POST", "/api/v1/codes/export", "").await;
    let before = before.as_array().unwrap().iter().find(|row| row["staff_number"] == "001").unwrap();
    let before = before["code"].as_str().unwrap();
    api.world.clock.advance(jiff::SignedDuration::from_hours(1));
    let after = api.must("POST", "/api/v1/accounts/001/code", "").await;
    let after = after["code"]["code"].as_str().unwrap();
    assert_ne!(before, after);

    let export = api.must("POST", "/api/v1/codes/export", "").await.to_string();
    assert!(export.contains(after) && !export.contains(before));
    let account = api.must("GET", "/api/v1/accounts/001", "").await;
    let states: Vec<&str> =
        account["codes"].as_array().unwrap().iter().map(|code| code["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["replaced", "open"]);
    assert!(!account.to_string().contains(after));
    for entry in api.world.journal().await {
        assert!(!format!("{entry:?}").contains(after));
        assert!(!entry.bytes.windows(after.len()).any(|window| window == after.as_bytes()));
    }

    let without_seat = api.call(&api.owner, "POST", "/api/v1/accounts/004/code", "").await;
    assert_eq!(without_seat.status, StatusCode::CONFLICT);
    assert_eq!(api.noted(Happening::CodesExported).await, 3);
}

#[tokio::test]
async fn a_seat_never_used_goes_to_the_next_who_waits() {
    let api = three_people_on_two_seats().await;
    api.world.clock.advance(jiff::SignedDuration::from_hours(1));
    let added = api.must("POST", "/api/v1/waitlist", r#"{"account":"004"}"#).await;
    assert_eq!(added["assigned"], false);
    assert_eq!(numbers(&api.must("GET", "/api/v1/waitlist", "").await), ["003", "004"]);

    let early = api.must("POST", "/api/v1/licenses/reclaim", r#"{"never_signed_in_days":30}"#).await;
    assert_eq!(early["reclaimed"], Value::Array(Vec::new()));
    api.world.clock.advance_days(30);
    let request = r#"{"never_signed_in_days":30,"dry_run":true}"#;
    let entries = api.world.journal().await.len();
    let preview = api.must("POST", "/api/v1/licenses/reclaim", request).await;
    // Both are unused since the same moment: their order says nothing.
    let mut taken = numbers(&preview["reclaimed"]);
    taken.sort_unstable();
    assert_eq!(taken, ["001", "002"]);
    assert_eq!(numbers(&preview["given_to"]), ["003", "004"]);
    let one = r#"{"never_signed_in_days":30,"at_most":1,"dry_run":true}"#;
    let one = api.must("POST", "/api/v1/licenses/reclaim", one).await;
    assert_eq!((one["reclaimed"].as_array().unwrap().len(), numbers(&one["given_to"])), (1, vec!["003"]));
    assert_eq!(api.world.journal().await.len(), entries, "a preview changes nothing");
    assert_eq!(api.must("GET", "/api/v1/licenses", "").await["waiting"], 2);

    let done = api.must("POST", "/api/v1/licenses/reclaim", r#"{"never_signed_in_days":30}"#).await;
    assert_eq!((&done["reclaimed"], &done["given_to"]), (&preview["reclaimed"], &preview["given_to"]));
    let codes = api.must("POST", "/api/v1/codes/export", "").await;
    let mut who = numbers(&codes);
    who.sort_unstable();
    assert_eq!(who, ["003", "004"]);
    let status = api.must("GET", "/api/v1/licenses", "").await;
    assert_eq!((&status["assigned"], &status["waiting"]), (&2.into(), &0.into()));
}

#[tokio::test]
async fn a_leavers_phone_is_blocked_when_the_batch_takes_effect() {
    let api = three_people_on_two_seats().await;
    let leaver = api.world.account("002").await.id;
    let device = api.world.device(leaver, DeviceState::Live).await;
    let without_002 = STAFF.lines().filter(|line| !line.starts_with("002")).collect::<Vec<_>>().join("\n");
    let done = api.put_into_force(without_002).await;
    assert_eq!((&done["devices_to_block"], &done["seats_given"]), (&1.into(), &1.into()));
    let device = api.must("GET", &format!("/api/v1/devices/{device}"), "").await;
    assert_eq!(device["state"], "blocked");
    let unblocked = format!("/api/v1/devices/{}/unblock", device["id"].as_str().unwrap());
    let answer = api.call(&api.owner, "POST", &unblocked, r#"{"reason":"間違い"}"#).await;
    assert_eq!(answer.status, StatusCode::CONFLICT, "a leaver's phone stays blocked");
}

#[tokio::test]
async fn a_wipe_is_told_as_far_as_it_is() {
    let api = three_people_on_two_seats().await;
    let account = api.world.account("001").await.id;
    let device = api.world.device(account, DeviceState::Live).await;
    let path = format!("/api/v1/devices/{device}/wipe");
    let nothing = api.call(&api.owner, "POST", &path, r#"{"reason":"  "}"#).await;
    assert_eq!(nothing.status, StatusCode::CONFLICT);

    let wiped = api.must("POST", &path, r#"{"reason":"紛失"}"#).await;
    assert_eq!(wiped["state"], "wiped");
    assert!(wiped["wipe"]["sealed_at"].is_string());
    assert_eq!((&wiped["wipe"]["erased_at"], &wiped["attempts_left"]), (&Value::Null, &Value::Null));
    let said = wiped["statement"]["ja"].as_str().unwrap();
    assert!(said.contains("サーバー側の鍵を破棄しました") && said.ends_with("端末での消去:未確認"), "{said}");
    assert_eq!(
        api.call(&api.owner, "POST", &path, r#"{"reason":"紛失"}"#).await.status,
        StatusCode::CONFLICT
    );

    let list = api.must("GET", "/api/v1/devices", "").await;
    assert_eq!(list["items"][0]["wipe"], wiped["wipe"]);
    let person = api.must("GET", "/api/v1/accounts/001", "").await;
    assert_eq!(person["devices"][0]["statement"], wiped["statement"]);
}

#[tokio::test]
async fn people_are_found_by_the_beginning_of_number_name_or_kana() {
    let api = three_people_on_two_seats().await;
    let all = api.must("GET", "/api/v1/accounts?limit=3", "").await;
    let next = all["next"].as_str().unwrap();
    let rest = api.must("GET", &format!("/api/v1/accounts?limit=3&after={next}"), "").await;
    assert_eq!(all["items"].as_array().unwrap().len() + rest["items"].as_array().unwrap().len(), 4);
    for (search, found) in [("00", 4), ("003", 1), ("%E6%BF%B5", 1), ("%E3%82%B5", 2), ("x", 0)] {
        let page = api.must("GET", &format!("/api/v1/accounts?search={search}"), "").await;
        assert_eq!(page["items"].as_array().unwrap().len(), found, "{search}");
    }
}

#[tokio::test]
async fn a_number_that_two_sources_have_needs_the_source() {
    let api = three_people_on_two_seats().await;
    let other = api.must("POST", "/api/v1/batches?source=school&mode=roster", STAFF).await;
    let id = other["id"].as_str().unwrap();
    api.must("POST", &format!("/api/v1/batches/{id}/apply"), "").await;
    let answer = api.call(&api.owner, "GET", "/api/v1/accounts/001", "").await;
    assert_eq!(answer.status, StatusCode::CONFLICT);
    assert!(answer.body["error"]["message"].as_str().unwrap().contains("school"));
    let found = api.must("GET", "/api/v1/accounts/001?source=school", "").await;
    assert_eq!(found["source"], "school");
}

#[tokio::test]
async fn the_journal_verifies_against_its_checkpoint_and_notes_who_read_it() {
    use data_encoding::BASE64;
    let api = three_people_on_two_seats().await;
    let checkpoint = api.must("GET", "/api/v1/audit/checkpoint", "").await;
    let decode = |text: &Value| BASE64.decode(text.as_str().unwrap().as_bytes()).unwrap();
    let key = PublicKey::from_spki_der(&decode(&checkpoint["key"])).unwrap();
    let signed: Checkpoint = cose::verify(&decode(&checkpoint["checkpoint"]), b"", &key).unwrap();

    let page = api.must("GET", "/api/v1/audit/entries?limit=5", "").await;
    assert_eq!((page["items"].as_array().unwrap().len(), page["next"].as_str()), (5, Some("5")));
    let rest = api.must("GET", "/api/v1/audit/entries?after=5&limit=1000", "").await;
    assert_eq!(rest["items"][0]["sequence"], 6);
    assert_eq!(api.noted(Happening::JournalExported).await, 2);
    let entries = api.world.journal().await;
    assert!(audit::verify(&entries, Some(&signed.head)).is_ok());
    assert_eq!(decode(&rest["items"][0]["bytes"]), entries[5].bytes);
}

#[tokio::test]
async fn more_than_one_write_takes_is_done_whole_as_well() {
    let api = Api::new().await;
    api.must("PUT", "/api/v1/licenses/pool", r#"{"size":1000}"#).await;
    let mut file = String::from("職員番号,氏名,所属,利用\n");
    (0..1_500).for_each(|number| file.push_str(&format!("{number:06},山田太郎,総務課,○\n")));
    let done = api.put_into_force(file).await;
    assert_eq!((&done["seats_given"], &done["waiting"]), (&1_000.into(), &500.into()));

    api.world.clock.advance_days(30);
    let done = api.must("POST", "/api/v1/licenses/reclaim", r#"{"never_signed_in_days":30}"#).await;
    assert_eq!(done["reclaimed"].as_array().unwrap().len(), 1_000);
    assert_eq!(done["given_to"].as_array().unwrap().len(), 500);
    let status = api.must("GET", "/api/v1/licenses", "").await;
    let expected = serde_json::json!({
        "pool": 1000, "reserved": 0, "assigned": 500, "temporary": 0, "free": 500, "waiting": 0, "never_signed_in": 500,
        "noticed": 0, "held": 0
    });
    assert_eq!(status, expected);
}

#[tokio::test]
async fn the_use_of_the_seats_is_listed_day_by_day() {
    let api = three_people_on_two_seats().await;
    for _ in 0..3 {
        crate::scheduler::tick(&api.world.service).await;
        api.world.clock.advance_days(1);
    }
    let days = api.must("GET", "/api/v1/licenses/days", "").await;
    let days = days.as_array().unwrap();
    assert_eq!(days.len(), 3);
    let first = &days[0];
    assert_eq!((&first["pool"], &first["assigned"], &first["waiting"]), (&2.into(), &2.into(), &1.into()));
    let second = days[1]["day"].as_str().unwrap();
    let listed = async |query: &str| {
        let path = format!("/api/v1/licenses/days?{query}={second}");
        api.must("GET", &path, "").await.as_array().unwrap().clone()
    };
    assert_eq!(listed("from").await, days[1..]);
    assert_eq!(listed("to").await, days[..2]);
    let backwards = format!("/api/v1/licenses/days?from={second}&to={}", first["day"].as_str().unwrap());
    let answer = api.call(&api.owner, "GET", &backwards, "").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn what_columns_are_is_said_with_a_file_remembered_and_forgotten() {
    let api = Api::new().await;
    let file = "個人番号,氏名,所属,補足\n001,髙橋太郎,総務課,主査\n";
    let upload = async |columns: &str| {
        let said: String = form_urlencoded::byte_serialize(columns.as_bytes()).collect();
        let path = format!("/api/v1/batches?source=A&mode=roster&columns={said}");
        api.call(&api.owner, "POST", &path, file).await
    };
    for (wrong, status) in [
        ("x", StatusCode::BAD_REQUEST),
        (r#"{"個人番号": "number"}"#, StatusCode::BAD_REQUEST),
        (r#"{"補足": "title", "補 足": "ignored"}"#, StatusCode::BAD_REQUEST),
        (r#"{"個人番号": "staff-number", "備考": "ignored"}"#, StatusCode::UNPROCESSABLE_ENTITY),
        (r#"{"個人番号": "staff-number", "所属": "ignored"}"#, StatusCode::UNPROCESSABLE_ENTITY),
    ] {
        let answer = upload(wrong).await;
        assert_eq!(answer.status, status, "{wrong}: {}", answer.body);
    }
    assert_eq!(
        api.must("GET", "/api/v1/columns", "").await,
        json!([]),
        "what made no plan is not remembered"
    );

    let batch = upload(r#"{"個人番号": "staff-number", "補足": "title"}"#).await;
    assert_eq!(batch.status, StatusCode::CREATED, "{}", batch.body);
    let said = json!([{"header": "個人番号", "is": "staff-number"}, {"header": "補足", "is": "title"}]);
    assert_eq!(batch.body["assigned_columns"], said);
    let next = upload("{}").await.body;
    assert_eq!(next["assigned_columns"][0]["is"], "staff-number");
    assert!(next["assigned_columns"][0]["remembered_since"].is_string(), "{next}");

    let forget = json!({"source": "A", "columns": {"個人番号": null}});
    let left = api.must("PUT", "/api/v1/columns", forget.to_string()).await;
    assert_eq!((left.as_array().unwrap().len(), &left[0]["header"]), (1, &json!("補足")));
    assert_eq!(upload("{}").await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        (api.noted(Happening::ColumnsAssigned).await, api.noted(Happening::ColumnsForgotten).await),
        (1, 1)
    );
}
