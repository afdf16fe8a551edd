//! Each standing of a device, word for word: what the statement must say, and what it must not.

use shared::cose::{Signer, SoftwareKey};
use shared::ids::{AccountId, CommandId, EnrolmentId};
use shared::signed::Order;
use shared::wire::{DeviceDescription, KeyLevel};

use mdm_core::device::StoredReceipt;

use super::*;

/// A time of 1 April 2027 in Japan.
fn at(time: &str) -> Timestamp {
    format!("2027-04-01T{time}:00+09:00").parse().unwrap()
}

fn wipe() -> Wipe {
    Wipe {
        command: CommandId::from_bytes([1; 16]),
        ordered_at: at("14:01"),
        sealed_at: None,
        receipt: None,
        further_receipts: 0,
    }
}

fn sealed() -> Wipe {
    Wipe { sealed_at: Some(at("14:02")), ..wipe() }
}

fn device(state: DeviceState, may_be_open_until: Option<Timestamp>) -> Device {
    let key = SoftwareKey::from_pkcs8(&SoftwareKey::make_pkcs8().unwrap()).unwrap();
    Device {
        enrolment: EnrolmentId::from_bytes([2; 16]),
        account: AccountId::from_bytes([3; 16]),
        key: key.public_key().clone(),
        description: DeviceDescription {
            model: "test".to_owned(),
            platform: "Linux".to_owned(),
            app_version: "0.1.0".to_owned(),
            key_level: KeyLevel::Software,
        },
        state,
        enrolled_at: at("09:00"),
        last_contact: None,
        last_unlock: None,
        vault_epoch: 0,
        pin_changes: 0,
        copy_suspected_at: None,
        copy_sign: None,
        blocked_by: None,
        runs: mdm_core::run::Runs::default(),
        may_be_open_until,
        copy_may_open: false,
        grant: None,
        certificate_until: at("09:00"),
        last_command: Order::default(),
        last_applied: None,
        pins: None,
    }
}

fn said(state: DeviceState, until: Option<&str>, now: &str) -> Option<Statement> {
    of_device(&device(state, until.map(at)), at(now), &office_zone())
}

#[test]
fn a_copy_that_may_open_is_said_also_when_the_device_itself_is_erased() {
    let receipt = StoredReceipt { bytes: vec![1], received_at: at("14:10"), erased_at: at("14:09") };
    let wipe = Wipe { receipt: Some(receipt), ..sealed() };
    let risky = Device { copy_may_open: true, ..device(DeviceState::Wiped(wipe), Some(at("15:30"))) };
    let said = of_device(&risky, at("15:00"), &office_zone()).unwrap();
    assert!(
        said.ja.contains("複製された保管データは、暗証番号があれば期限後も開ける可能性があります。"),
        "{}",
        said.ja
    );
    assert!(said.en.contains("could be opened with the PIN, also later"), "{}", said.en);
}

#[test]
fn a_sealed_device_within_its_lease_could_still_be_open() {
    let said = said(DeviceState::Wiped(sealed()), Some("15:30"), "14:10").unwrap();
    assert_eq!(
        said.ja,
        "14時02分にサーバー側の鍵を破棄しました。オンラインでは開けません。\
         15時30分までは開ける可能性があります。端末での消去:未確認"
    );
    assert_eq!(
        said.en,
        "At 14:02 the server destroyed its part of the key. It cannot be opened online. Until 15:30 it could \
         still be open. Erased on the device: not confirmed."
    );
}

#[test]
fn after_the_lease_the_end_is_said_and_erasure_is_still_not_claimed() {
    for now in ["15:30", "18:00"] {
        let said = said(DeviceState::Wiped(sealed()), Some("15:30"), now).unwrap();
        assert!(said.ja.contains("開いていられる期限(15時30分)は過ぎました。"), "{}", said.ja);
        assert!(said.ja.ends_with("端末での消去:未確認"));
        assert!(!said.ja.contains("可能性"));
    }
}

#[test]
fn what_is_not_sealed_is_not_called_destroyed() {
    let said = said(DeviceState::Wiped(wipe()), None, "14:01").unwrap();
    assert_eq!(
        said.ja,
        "14時01分に遠隔消去を確定しました。オンラインでは開けません。サーバー側の鍵の破棄はまだ終わっていません。\
         この端末を開く手助けは一度もしていません。端末での消去:未確認"
    );
    assert!(!said.ja.contains("破棄しました"));
    assert!(said.en.contains("has not yet destroyed"));
}

#[test]
fn a_receipt_confirms_the_erasure_by_the_devices_own_clock() {
    let receipt = StoredReceipt { bytes: vec![1], received_at: at("16:06"), erased_at: at("16:05") };
    let wipe = Wipe { receipt: Some(receipt), ..sealed() };
    let once = said(DeviceState::Wiped(wipe.clone()), Some("15:30"), "16:10").unwrap();
    assert_eq!(
        once.ja,
        "14時02分にサーバー側の鍵を破棄しました。オンラインでは開けません。\
         端末での消去:確認済(端末の時計で16時05分、消去証明の受信16時06分)"
    );
    let copied = Wipe { further_receipts: 2, ..wipe };
    let copied = said(DeviceState::Wiped(copied), Some("15:30"), "16:10").unwrap();
    assert!(copied.ja.ends_with("異なる消去証明がさらに2件届きました。端末の複製があるおそれがあります。"));
    assert!(copied.en.ends_with("Differing receipts that came later: 2. There may be a copy of the device."));
}

#[test]
fn a_block_is_never_called_a_destruction() {
    let said = said(DeviceState::Blocked, Some("15:30"), "14:10").unwrap();
    assert!(said.ja.starts_with("利用を停止しています(停止解除できます)。"));
    assert!(said.ja.contains("15時30分までは開ける可能性があります。"));
    assert!(!said.ja.contains("破棄") && !said.ja.contains("消去"));
}

#[test]
fn a_working_device_needs_no_statement() {
    assert_eq!(said(DeviceState::Live, Some("15:30"), "14:10"), None);
    assert_eq!(said(DeviceState::Enrolling, None, "14:10"), None);
}

#[test]
fn another_day_and_another_year_are_named() {
    let device = device(DeviceState::Wiped(sealed()), Some(at("15:30")));
    let later = |text: &str| {
        let now: Timestamp = text.parse().unwrap();
        of_device(&device, now, &office_zone()).unwrap()
    };
    let next_day = later("2027-04-02T09:00:00+09:00");
    assert!(next_day.ja.starts_with("4月1日14時02分に"), "{}", next_day.ja);
    assert!(next_day.en.starts_with("At 14:02 on 1 April the"), "{}", next_day.en);
    // 2 April in Japan is still 1 April in UTC.
    assert!(later("2027-04-01T23:59:00+00:00").ja.starts_with("4月1日14時02分に"));
    let next_year = later("2028-01-10T09:00:00+09:00");
    assert!(next_year.ja.starts_with("2027年4月1日14時02分に"), "{}", next_year.ja);
}
