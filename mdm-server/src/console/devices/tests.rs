//! Blocking, wiping and finding lost phones, as pages do it for each role.

use axum::http::StatusCode;
use mdm_core::audit::{Actor, Happening};
use mdm_core::batch::Mode;
use mdm_core::device::{DeviceState, StoredReceipt, Wipe};
use mdm_core::operator::Role;
use shared::ids::{CommandId, EnrolmentId};

use crate::console::Console;
use crate::console::browser::Browser;
use crate::console::session;
use crate::testing::World;
use crate::use_cases::licenses;

const STAFF: &str = "職員番号,氏名,フリガナ,所属,利用\n\
                     0012345,山田太郎,ヤマダ タロウ,総務課,○\n\
                     0012346,山田花子,ヤマダ ハナコ,防災課,○\n\
                     77,鈴木一,スズキ ハジメ,防災課,×\n";

struct Office {
    world: World,
    console: Console,
}

impl Office {
    async fn open() -> Self {
        let world = World::new();
        licenses::set_pool(&world.service, 2, Actor::Server).await.unwrap();
        world.apply(STAFF, Mode::Roster).await;
        let console = Console::new(world.service.clone());
        Self { world, console }
    }

    async fn browser(&self, role: Role) -> Browser {
        Browser::signed_in(&self.world, &self.console, role).await
    }

    async fn device(&self, number: &str, state: DeviceState) -> EnrolmentId {
        let account = self.world.account(number).await;
        self.world.device(account.id, state).await
    }

    async fn state(&self, device: EnrolmentId) -> DeviceState {
        self.world.service.store.device(device).await.unwrap().unwrap().value.state
    }

    async fn happened(&self, what: Happening) -> usize {
        let journal = self.world.journal().await;
        journal.iter().filter(|entry| entry.body().unwrap().what == what).count()
    }
}

fn erased(further_receipts: u32) -> DeviceState {
    let at = crate::testing::april();
    DeviceState::Wiped(Wipe {
        command: CommandId::from_bytes([7; 16]),
        ordered_at: at,
        sealed_at: Some(at),
        receipt: Some(StoredReceipt { bytes: b"as it arrived".to_vec(), received_at: at, erased_at: at }),
        further_receipts,
    })
}

#[tokio::test]
async fn a_helpdesk_blocks_a_lost_phone_with_one_press_and_is_told_who_wipes_it() {
    let office = Office::open().await;
    let device = office.device("0012345", DeviceState::Live).await;
    let owner = office.browser(Role::Owner).await;
    let helpdesk = office.browser(Role::Helpdesk).await;

    let page = helpdesk.get("/lost?q=12345").await.text();
    assert!(page.contains(&format!("/devices/{device}/block")), "{page}");
    assert!(!page.contains(&format!("/devices/{device}/wipe")) && page.contains("<li>Owner "), "{page}");

    let next = format!("/lost/{}", office.world.account("0012345").await.id);
    let path = format!("/devices/{device}/block");
    let answer = helpdesk.post(&path, &[("reason", "lost"), ("note", ""), ("next", &next)]).await;
    assert_eq!((answer.status, &answer.location), (StatusCode::SEE_OTHER, &next));
    assert_eq!(office.state(device).await, DeviceState::Blocked);

    let page = helpdesk.get(&next).await.text();
    assert!(page.contains("利用を停止しました") && page.contains("利用停止中"), "{page}");
    let answer =
        helpdesk.post(&format!("/devices/{device}/wipe"), &[("number", "2345"), ("reason", "lost")]).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(office.state(device).await, DeviceState::Blocked);
    assert!(owner.get(&next).await.text().contains(&format!("/devices/{device}/wipe")));
}

#[tokio::test]
async fn an_auditor_sees_everything_and_orders_nothing() {
    let office = Office::open().await;
    let device = office.device("0012345", DeviceState::Live).await;
    let auditor = office.browser(Role::Auditor).await;
    let page = auditor.get(&format!("/devices/{device}")).await.text();
    assert!(page.contains("山田太郎") && !page.contains("/block") && !page.contains("/wipe"), "{page}");
    for verb in ["block", "unblock", "wipe"] {
        let answer = auditor
            .post(&format!("/devices/{device}/{verb}"), &[("reason", "lost"), ("number", "2345")])
            .await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{verb}");
    }
    assert_eq!(office.state(device).await, DeviceState::Live);
}

#[tokio::test]
async fn a_wipe_needs_the_end_of_the_staff_number() {
    let office = Office::open().await;
    let device = office.device("0012345", DeviceState::Live).await;
    let operator = office.browser(Role::Operator).await;
    let path = format!("/devices/{device}/wipe");
    let page = operator.get(&path).await.text();
    for said in ["山田太郎", "0012345", "取り消せません", "写真や連絡先など、個人のデータには触れません"]
    {
        assert!(page.contains(said), "{said} is not on {page}");
    }
    for wrong in ["", "2346", "0012345", "345"] {
        let answer = operator.post(&path, &[("number", wrong), ("reason", "lost")]).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong}");
        assert!(answer.text().contains("職員番号と一致しません"));
    }
    let answer = operator.post(&path, &[("number", "2345"), ("reason", "other"), ("note", " ")]).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(office.state(device).await, DeviceState::Live);

    let answer =
        operator.post(&path, &[("number", "２３４５"), ("reason", "lost"), ("note", "タクシー")]).await;
    assert_eq!((answer.status, answer.location), (StatusCode::SEE_OTHER, format!("/devices/{device}")));
    let page = operator.get(&format!("/devices/{device}")).await.text();
    for said in ["遠隔消去の確定", "鍵破棄済", "端末での消去: 未確認"] {
        assert!(page.contains(said), "{said} is not on {page}");
    }
    let answer = operator.post(&path, &[("number", "2345"), ("reason", "lost")]).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(office.happened(Happening::DeviceWiped).await, 1);
}

#[tokio::test]
async fn of_a_short_staff_number_all_of_it_is_asked_for() {
    let office = Office::open().await;
    let device = office.device("77", DeviceState::Live).await;
    let operator = office.browser(Role::Operator).await.in_english();
    let path = format!("/devices/{device}/wipe");
    assert!(!operator.get(&path).await.text().contains("Last four"));
    let wrong = operator.post(&path, &[("number", "7"), ("reason", "lost")]).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        operator.post(&path, &[("number", "77"), ("reason", "lost")]).await.status,
        StatusCode::SEE_OTHER
    );
}

#[tokio::test]
async fn a_reason_is_chosen_and_other_wants_words() {
    let office = Office::open().await;
    let device = office.device("0012345", DeviceState::Live).await;
    let helpdesk = office.browser(Role::Helpdesk).await;
    let path = format!("/devices/{device}/block");
    for (reason, said) in
        [("other", "くわしい理由が必要です"), ("", "一つ選んでください"), ("no", "一つ選んでください")]
    {
        let answer = helpdesk.post(&path, &[("reason", reason), ("note", "")]).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(answer.text().contains(said), "{reason}");
    }
    let long = "長".repeat(501);
    let answer = helpdesk.post(&path, &[("reason", "other"), ("note", &long)]).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.text().contains("500文字以内"));
    assert_eq!(office.state(device).await, DeviceState::Live);

    let answer = helpdesk.post(&path, &[("reason", "stolen"), ("note", "駅")]).await;
    assert_eq!((answer.status, answer.location), (StatusCode::SEE_OTHER, format!("/devices/{device}")));
    let journal = office.world.journal().await;
    let reasons: Vec<_> =
        journal.iter().flat_map(|entry| &entry.personal).filter(|value| value.field == "reason").collect();
    assert_eq!(reasons.iter().map(|reason| reason.value.as_str()).collect::<Vec<_>>(), ["盗難: 駅"]);
}

#[tokio::test]
async fn who_comes_late_is_told_how_the_device_stands() {
    let office = Office::open().await;
    let device = office.device("0012345", DeviceState::Blocked).await;
    let helpdesk = office.browser(Role::Helpdesk).await;
    let answer = helpdesk.post(&format!("/devices/{device}/block"), &[("reason", "lost")]).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert!(helpdesk.get(&answer.location).await.text().contains("端末の状態が変わっていたため"));
    assert_eq!(office.happened(Happening::DeviceBlocked).await, 0);
    let form = helpdesk.get(&format!("/devices/{device}/block")).await;
    assert_eq!(form.status, StatusCode::SEE_OTHER);

    let answer = helpdesk.post(&format!("/devices/{device}/unblock"), &[("reason", "found")]).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(office.state(device).await, DeviceState::Live);
}

#[tokio::test]
async fn nobody_is_led_elsewhere_after_an_order() {
    let office = Office::open().await;
    let device = office.device("0012345", DeviceState::Live).await;
    let helpdesk = office.browser(Role::Helpdesk).await;
    let fields = [("reason", "lost"), ("next", "//evil.example/lost")];
    let answer = helpdesk.post(&format!("/devices/{device}/block"), &fields).await;
    assert_eq!((answer.status, answer.location.as_str()), (StatusCode::SEE_OTHER, "/"));
}

#[tokio::test]
async fn a_receipt_is_given_out_as_it_arrived() {
    let office = Office::open().await;
    let auditor = office.browser(Role::Auditor).await;
    let live = office.device("0012345", DeviceState::Live).await;
    assert_eq!(auditor.get(&format!("/devices/{live}/receipt")).await.status, StatusCode::NOT_FOUND);
    let device = office.device("0012346", erased(2)).await;
    let receipt = auditor.get(&format!("/devices/{device}/receipt")).await;
    assert_eq!((receipt.status, receipt.bytes.as_slice()), (StatusCode::OK, b"as it arrived".as_slice()));
    let page = auditor.get(&format!("/devices/{device}")).await.text();
    assert!(page.contains("消去確認済") && page.contains("さらに2件"), "{page}");
}

#[tokio::test]
async fn a_search_for_a_lost_phone_puts_people_with_a_phone_in_front() {
    let office = Office::open().await;
    let helpdesk = office.browser(Role::Helpdesk).await;
    office.device("0012346", DeviceState::Live).await;
    let page = helpdesk.get("/lost?q=やまだ").await.text();
    let place = |name| page.find(name).unwrap_or_else(|| panic!("{name} is not on {page}"));
    assert!(place("山田花子") < place("山田太郎"));
    assert!(helpdesk.get("/lost?q=nobody").await.text().contains("見つかりません"));
    assert!(helpdesk.get("/lost").await.text().contains("name=\"q\""));
}

#[tokio::test]
async fn devices_are_listed_by_where_they_stand() {
    let office = Office::open().await;
    let auditor = office.browser(Role::Auditor).await;
    office.device("0012345", DeviceState::Live).await;
    office.device("0012346", erased(0)).await;
    office.device("77", erased(1)).await;
    for (state, names) in [
        ("live", vec!["山田太郎"]),
        ("erased", vec!["山田花子", "鈴木一"]),
        ("copied", vec!["鈴木一"]),
        ("blocked", vec![]),
        ("exhausted", vec![]),
        ("", vec!["山田太郎", "山田花子", "鈴木一"]),
    ] {
        let page = auditor.get(&format!("/devices?state={state}")).await.text();
        for name in ["山田太郎", "山田花子", "鈴木一"] {
            assert_eq!(page.contains(name), names.contains(&name), "{state} {name}");
        }
    }
    let home = auditor.get("/").await.text();
    assert!(home.contains("複製のおそれがある端末が1台"), "{home}");
}

#[tokio::test]
async fn attempts_are_given_back_by_an_operator_with_a_fresh_factor_and_a_reason() {
    let office = Office::open().await;
    let device = office.device("0012345", DeviceState::Live).await;
    office.world.use_up_attempts(device, 10).await;
    let operator = office.browser(Role::Operator).await;
    let path = format!("/devices/{device}/reset-attempts");
    let page = operator.get(&format!("/devices/{device}")).await.text();
    assert!(page.contains(&path) && page.contains("残り0回"), "{page}");
    let form = operator.get(&path).await.text();
    assert!(form.contains("山田太郎") && form.contains("上限の10回"), "{form}");

    let helpdesk = office.browser(Role::Helpdesk).await;
    assert_eq!(helpdesk.post(&path, &[("reason", "mistyped")]).await.status, StatusCode::FORBIDDEN);
    office.world.clock.advance(session::FRESH);
    let stale = operator.post(&path, &[("reason", "mistyped")]).await;
    assert!(stale.location.starts_with("/confirm"), "{} {}", stale.status, stale.location);
    assert_eq!(office.happened(Happening::AttemptsReset).await, 0);

    let operator = office.browser(Role::Owner).await;
    let answer = operator.post(&path, &[("reason", "other"), ("note", "")]).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let answer = operator.post(&path, &[("reason", "mistyped")]).await;
    assert_eq!((answer.status, answer.location), (StatusCode::SEE_OTHER, format!("/devices/{device}")));
    let page = operator.get(&format!("/devices/{device}")).await.text();
    assert!(page.contains("残り10回") && !page.contains(&path), "nothing is left to give back: {page}");
    assert_eq!(office.happened(Happening::AttemptsReset).await, 1);
    assert_eq!(operator.get(&path).await.status, StatusCode::SEE_OTHER, "as for who comes late");
}
