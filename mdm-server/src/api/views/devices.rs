//! Devices as they are shown.

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use mdm_core::device::{DeviceState, Wipe};
use mdm_core::run::CopySign;
use shared::crypto::hazmat::sha256;

use crate::api::types::{CopyView, DeviceView, DeviceWord, StatementView, WipeView};
use crate::use_cases::accounts::DeviceStanding;
use crate::use_cases::statement;

impl DeviceView {
    pub(in crate::api) fn new(standing: &DeviceStanding, now: Timestamp) -> Self {
        let device = &standing.device;
        let current = standing.account.as_ref().map(|account| account.current());
        let statement = statement::of_device(device, now, &statement::office_zone());
        Self {
            id: device.enrolment,
            account: device.account,
            staff_number: current.map(|current| current.staff_number.to_string()),
            name: current.map(|current| current.name.clone()),
            state: word(&device.state),
            model: device.description.model.clone(),
            platform: device.description.platform.clone(),
            app_version: device.description.app_version.clone(),
            key_level: device.description.key_level,
            enrolled_at: device.enrolled_at,
            last_contact: device.last_contact,
            last_unlock: device.last_unlock,
            connected: standing.connected,
            may_be_open_until: device.still_open_until(),
            attempts_left: standing.attempts.map(|attempts| attempts.left()),
            copy: device.copy_suspected_at.map(|suspected_at| CopyView {
                suspected_at,
                sign: device.copy_sign.unwrap_or(CopySign::Behind),
            }),
            wipe: device.wipe().map(WipeView::from),
            statement: statement.map(|statement| StatementView { ja: statement.ja, en: statement.en }),
        }
    }
}

fn word(state: &DeviceState) -> DeviceWord {
    match state {
        DeviceState::Enrolling => DeviceWord::Enrolling,
        DeviceState::Live => DeviceWord::Live,
        DeviceState::Blocked => DeviceWord::Blocked,
        DeviceState::Wiped(_) => DeviceWord::Wiped,
    }
}

impl From<&Wipe> for WipeView {
    fn from(wipe: &Wipe) -> Self {
        let receipt = wipe.receipt.as_ref();
        Self {
            command: wipe.command,
            ordered_at: wipe.ordered_at,
            sealed_at: wipe.sealed_at,
            erased_at: receipt.map(|receipt| receipt.erased_at),
            receipt_received_at: receipt.map(|receipt| receipt.received_at),
            receipt_sha256: receipt.map(|receipt| HEXLOWER.encode(&sha256(&[&receipt.bytes]))),
            further_receipts: wipe.further_receipts,
        }
    }
}
