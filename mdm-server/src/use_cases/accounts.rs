//! Looking people up: lists, one person with devices and codes, and whom a typed number means.

use mdm_core::account::{Account, SourceName, StaffNumber};
use mdm_core::change::Stored;
use mdm_core::code::CodeRecord;
use mdm_core::device::Device;
use mdm_core::license::WaitingEntry;
use mdm_store::Attempts;
use shared::ids::{AccountId, EnrolmentId};

use super::{Missing, Refusal, UseCaseError};
use crate::directory::{self, Search};
use crate::service::Service;

pub mod absence;

/// Whom somebody means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// By the key.
    Id(AccountId),
    /// By the number of somebody who has not left; the source where several have that number.
    StaffNumber(StaffNumber, Option<SourceName>),
}

impl Who {
    /// Reads an id or a staff number. An id has 36 characters, which no staff number has.
    pub fn parse(text: &str, source: Option<SourceName>) -> Result<Self, UseCaseError> {
        if let (36, Ok(id)) = (text.len(), text.parse()) {
            return Ok(Self::Id(id));
        }
        Ok(Self::StaffNumber(StaffNumber::new(text)?, source))
    }
}

/// The account that is meant.
pub async fn find(service: &Service, who: &Who) -> Result<Stored<Account>, UseCaseError> {
    match who {
        Who::Id(id) => Ok(service.store.account(*id).await?.ok_or(Missing::Account(*id))?),
        Who::StaffNumber(number, Some(source)) => {
            let found = service.store.account_by_staff_number(source, number).await?;
            let missing =
                || Missing::StaffNumberInSource { source_name: source.clone(), number: number.clone() };
            Ok(found.ok_or_else(missing)?)
        }
        Who::StaffNumber(number, None) => find_in_any_source(service, number).await,
    }
}

/// Accounts come from batches only, and each applied batch leaves a roster of its source.
async fn find_in_any_source(
    service: &Service,
    number: &StaffNumber,
) -> Result<Stored<Account>, UseCaseError> {
    let mut found = Vec::new();
    for roster in service.store.rosters().await? {
        found.extend(service.store.account_by_staff_number(&roster.value.source, number).await?);
    }
    if found.len() > 1 {
        let sources = found.into_iter().map(|account| account.value.source).collect();
        return Err(Refusal::SeveralSources { number: number.clone(), sources }.into());
    }
    Ok(found.pop().ok_or_else(|| Missing::StaffNumber(number.clone()))?)
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing<T, K> {
    /// The rows.
    pub rows: Vec<T>,
    /// The last row of this part, if more may follow.
    pub next: Option<K>,
}

/// Accounts by id, those that match only, with their newest attributes only.
pub async fn list(
    service: &Service,
    search: &Search,
    after: Option<AccountId>,
    limit: usize,
) -> Result<Listing<Account, AccountId>, UseCaseError> {
    let directory = directory::current(service).await?;
    let found = directory.search_by_id(search, after, limit).into_iter();
    let rows: Vec<Account> = found.map(|row| row.person.account.clone()).collect();
    let next = rows.last().filter(|_| rows.len() == limit).map(|last| last.id);
    Ok(Listing { rows, next })
}

/// All that a helpdesk call asks for.
#[derive(Debug, Clone)]
pub struct Detail {
    /// The account.
    pub account: Account,
    /// Its place in the waiting list, if it waits.
    pub waiting: Option<WaitingEntry>,
    /// Its codes, the oldest first.
    pub codes: Vec<CodeRecord>,
    /// Its devices, the oldest first.
    pub devices: Vec<DeviceStanding>,
}

/// A device and what else is known of it.
#[derive(Debug, Clone)]
pub struct DeviceStanding {
    /// The device.
    pub device: Device,
    /// Whose it is.
    pub account: Option<Account>,
    /// Its attempts, while there is an unlock record.
    pub attempts: Option<Attempts>,
    /// Whether it is connected now.
    pub connected: bool,
}

/// One account.
pub async fn show(service: &Service, who: &Who) -> Result<Detail, UseCaseError> {
    let account = find(service, who).await?.value;
    let mut devices = Vec::new();
    for device in service.store.devices_of_account(account.id).await? {
        devices.push(standing(service, device.value, Some(account.clone())).await?);
    }
    let codes = service.store.codes_of_account(account.id).await?;
    let waiting = service.store.waiting_entry(account.id).await?;
    Ok(Detail {
        account,
        waiting: waiting.map(|stored| stored.value),
        codes: codes.into_iter().map(|stored| stored.value).collect(),
        devices,
    })
}

/// Devices by enrolment.
pub async fn list_devices(
    service: &Service,
    after: Option<EnrolmentId>,
    limit: usize,
) -> Result<Listing<DeviceStanding, EnrolmentId>, UseCaseError> {
    let page = service.store.devices(after, limit).await?;
    let next = page.last().filter(|_| page.len() == limit).map(|last| last.value.enrolment);
    let mut rows = Vec::with_capacity(page.len());
    for device in page {
        rows.push(of_device(service, device.value).await?);
    }
    Ok(Listing { rows, next })
}

/// The devices of these enrolments as they stand now; those that are not there are left out. For the rows of one page.
pub async fn standings(
    service: &Service,
    enrolments: impl IntoIterator<Item = EnrolmentId>,
) -> Result<Vec<DeviceStanding>, UseCaseError> {
    let mut standings = Vec::new();
    for enrolment in enrolments {
        if let Some(device) = service.store.device(enrolment).await? {
            standings.push(of_device(service, device.value).await?);
        }
    }
    Ok(standings)
}

/// A device with its account.
pub async fn of_device(service: &Service, device: Device) -> Result<DeviceStanding, UseCaseError> {
    let account = service.store.account(device.account).await?.map(|stored| stored.value);
    standing(service, device, account).await
}

async fn standing(
    service: &Service,
    device: Device,
    account: Option<Account>,
) -> Result<DeviceStanding, UseCaseError> {
    let attempts = service.unlock_records.attempts(device.enrolment).await;
    let attempts = attempts.map_err(|cause| UseCaseError::UnlockRecords { done: "", cause })?;
    let connected = service.live.is_connected(device.enrolment);
    Ok(DeviceStanding { device, account, attempts, connected })
}
