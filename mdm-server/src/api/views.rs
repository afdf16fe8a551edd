//! From what is stored to what is shown. The types are in [`super::types`].

mod batches;
mod devices;
mod documents;
mod operators;

use data_encoding::{BASE64, HEXLOWER};
use jiff::Timestamp;
use mdm_core::absence::Absence;
use mdm_core::account::{Account, Department};
use mdm_core::audit::Entry;
use mdm_core::code::{CodeRecord, CodeState};
use mdm_core::license::{DayOfUse, Notice, WaitingEntry};
use mdm_core::substitute::Tables;

use super::types::{
    AbsenceView, AccountDetail, AccountView, CheckpointView, CodeRow, CodeStanding, CodeWord, DayView,
    DeviceView, EndingView, EntryView, LicenseStatus, NeedView, NoticedSeat, PersonalView, Reclaimed,
    ReclaimedSeat, WaitingView,
};
use crate::use_cases::accounts::Detail;
use crate::use_cases::codes::OpenedCode;
use crate::use_cases::journal::SignedCheckpoint;
use crate::use_cases::licenses::ending::{Ending, Need};
use crate::use_cases::licenses::{Moved, Status};

fn main_post(departments: &[Department]) -> String {
    departments.first().map(|post| post.name.clone()).unwrap_or_default()
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

impl From<&Account> for AccountView {
    fn from(account: &Account) -> Self {
        let current = account.current();
        Self {
            id: account.id,
            source: account.source.to_string(),
            staff_number: current.staff_number.to_string(),
            name: current.name.clone(),
            kana: current.kana.clone(),
            title: current.title.clone(),
            departments: current.departments.clone(),
            state: account.state,
            wishes_seat: account.wishes_seat,
            seat_since: account.seat.map(|seat| seat.assigned_at),
            signed_in_at: account.signed_in_at,
            code_issued_at: account.code_issued_at,
            number_passed_to: account.number_passed.map(|passed| passed.to),
        }
    }
}

impl AccountDetail {
    pub(super) fn new(detail: &Detail, now: Timestamp) -> Self {
        let current = detail.account.current();
        Self {
            account: AccountView::from(&detail.account),
            mail: current.mail.clone(),
            employment: current.employment.clone(),
            term_ends: current.term_ends,
            temporary_until: current.temporary_until,
            absences: detail.account.absences.iter().map(AbsenceView::from).collect(),
            state_since: detail.account.state_since,
            created_at: detail.account.created_at,
            waiting_since: detail.waiting.as_ref().map(|entry| entry.since),
            codes: detail.codes.iter().map(|code| code_standing(code, now)).collect(),
            devices: detail.devices.iter().map(|device| DeviceView::new(device, now)).collect(),
        }
    }
}

/// A code past its last day is expired, also before the scheduler has noted it.
fn code_standing(code: &CodeRecord, now: Timestamp) -> CodeStanding {
    let state = match code.state {
        CodeState::Open | CodeState::Bound(_) if code.expires_at <= now => CodeWord::Expired,
        CodeState::Open => CodeWord::Open,
        CodeState::Bound(_) => CodeWord::Bound,
        CodeState::Used(_) => CodeWord::Used,
        CodeState::Dead => CodeWord::Dead,
        CodeState::Expired => CodeWord::Expired,
        CodeState::Replaced => CodeWord::Replaced,
    };
    let CodeRecord { issued_at, valid_from, expires_at, tries, .. } = *code;
    CodeStanding { state, issued_at, valid_from, expires_at, tries }
}

impl CodeRow {
    pub(super) fn new(code: &OpenedCode, tables: &Tables) -> Self {
        let current = code.account.current();
        let printed = |text: &str| tables.printed(&code.account.source, text).into_owned();
        let department = main_post(&current.departments);
        Self {
            account: code.account.id,
            source: code.account.source.to_string(),
            staff_number: current.staff_number.to_string(),
            name: current.name.clone(),
            kana: current.kana.clone(),
            printed_name: printed(&current.name),
            printed_kana: current.kana.as_deref().map(printed),
            printed_department: printed(&department),
            department,
            code: code.text.to_string(),
            link: code.link.to_string(),
            loss_code: code.loss.as_ref().map(|loss| loss.to_string()),
            valid_from: code.record.valid_from,
            expires_at: code.record.expires_at,
        }
    }
}

impl From<&Status> for LicenseStatus {
    fn from(status: &Status) -> Self {
        let pool = &status.pool;
        Self {
            pool: pool.size,
            reserved: pool.reserved,
            assigned: pool.assigned,
            temporary: pool.temporary,
            free: pool.free(),
            waiting: count(status.waiting),
            never_signed_in: count(status.never_signed_in),
            noticed: count(status.noticed),
            held: count(status.held),
        }
    }
}

impl From<&Absence> for AbsenceView {
    fn from(absence: &Absence) -> Self {
        Self { from: absence.from, until: absence.until }
    }
}

impl From<&DayOfUse> for DayView {
    fn from(sample: &DayOfUse) -> Self {
        let DayOfUse { day, size, reserved, assigned, waiting, never_signed_in } = *sample;
        Self { day, pool: size, reserved, assigned, waiting, never_signed_in }
    }
}

impl From<&Ending> for EndingView {
    fn from(ending: &Ending) -> Self {
        let current = ending.account.current();
        Self {
            account: ending.account.id,
            source: ending.account.source.to_string(),
            staff_number: current.staff_number.to_string(),
            name: current.name.clone(),
            term_ends: ending.last,
            has_seat: ending.account.seat.is_some(),
            new_file: ending.new_file.map(|said| said.name().to_owned()),
        }
    }
}

impl From<Need> for NeedView {
    fn from(need: Need) -> Self {
        let Need { batch, source, at: effective_at, asked, freed, free, missing } = need;
        Self { batch, source: source.to_string(), effective_at, asked, freed, free, missing }
    }
}

impl Reclaimed {
    pub(super) fn new(moved: &Moved, dry_run: bool) -> Self {
        let seats = |accounts: &[Account]| accounts.iter().map(ReclaimedSeat::from).collect();
        Self {
            dry_run,
            reclaimed: seats(&moved.freed),
            noticed: seats(&moved.noticed),
            given_to: seats(&moved.given),
        }
    }
}

impl From<&Account> for ReclaimedSeat {
    fn from(account: &Account) -> Self {
        let current = account.current();
        Self {
            account: account.id,
            staff_number: current.staff_number.to_string(),
            name: current.name.clone(),
        }
    }
}

impl NoticedSeat {
    pub(super) fn new(account: &Account, notice: &Notice) -> Self {
        let ReclaimedSeat { account, staff_number, name } = ReclaimedSeat::from(account);
        let Notice { why, given_on, held_on, .. } = *notice;
        Self { account, staff_number, name, why, given_on, held_on, not_before: notice.not_before() }
    }
}

impl WaitingView {
    pub(super) fn new(position: u32, entry: &WaitingEntry, account: &Account) -> Self {
        let ReclaimedSeat { account, staff_number, name } = ReclaimedSeat::from(account);
        Self { position, account, staff_number, name, since: entry.since }
    }
}

impl From<&Entry> for EntryView {
    fn from(entry: &Entry) -> Self {
        let personal = entry.personal.iter().map(|value| PersonalView {
            field: value.field.clone(),
            salt: HEXLOWER.encode(&value.salt),
            value: value.value.clone(),
        });
        Self {
            sequence: entry.sequence,
            bytes: BASE64.encode(&entry.bytes),
            hash: HEXLOWER.encode(&entry.hash),
            personal: personal.collect(),
        }
    }
}

impl From<&SignedCheckpoint> for CheckpointView {
    fn from(signed: &SignedCheckpoint) -> Self {
        let head = &signed.checkpoint.head;
        Self {
            sequence: head.sequence,
            hash: HEXLOWER.encode(&head.hash),
            at: signed.checkpoint.at,
            checkpoint: BASE64.encode(&signed.bytes),
            key: BASE64.encode(signed.key.spki_der()),
        }
    }
}
