//! The organisation that is measured: a real server process, its people by a staff file, devices for some of them written
//! into the store as enrolments would have left them, and a plan for the next year.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use mdm_core::account::{Account, AccountState};
use mdm_core::audit::{Actor, AuditEvent, Happening, Subject};
use mdm_core::change::{Changeset, Record, Stored};
use mdm_core::command::{self, Instruction};
use mdm_core::device::{Device, DeviceState};
use mdm_server::config::Config;
use mdm_server::keyring::{Keyring, read_master_key};
use mdm_server::server::{open_store, open_unlock_records};
use mdm_store::{MAX_PAGE, Store, UnlockRecords};
use rand::rngs::OsRng;
use serde_json::{Value, json};
use shared::cose::{self, Signer as _, SoftwareKey};
use shared::crypto::Secret;
use shared::ids::{AccountId, BatchId, EnrolmentId, OperatorId};
use shared::signed::{ErasureStep, Order, Receipt};
use shared::wire::{DeviceDescription, KeyLevel};

use crate::roster::{Encoding, FIRST_YEAR, RosterSpec, encode, generate};
use crate::web::Web;
use crate::world::{Site, World};

/// The cookie of a session.
const SESSION: &str = "__Host-session";
/// Phones beside so many people, of a hundred.
const PHONES: usize = 8;
/// Of a hundred phones: blocked, wiped, and of those confirmed.
const BLOCKED: usize = 5;
const WIPED: usize = 8;
const CONFIRMED: usize = 4;
/// People whose phones are written in one commit.
const AT_ONCE: usize = 100;

/// Whom and what pages are about.
pub(super) struct Ids {
    /// Somebody with a seat and a live phone.
    pub(super) person: AccountId,
    pub(super) live: EnrolmentId,
    pub(super) blocked: EnrolmentId,
    pub(super) erased: EnrolmentId,
    /// A batch that is planned and not in force.
    pub(super) planned: BatchId,
    /// Somebody who was invited.
    pub(super) operator: OperatorId,
    /// The code of their invitation.
    pub(super) invitation: String,
}

/// A server with its people, and an owner who is signed in.
pub(super) struct Fixture {
    pub(super) world: World,
    /// The owner's session, as a header.
    pub(super) cookie: String,
    pub(super) ids: Ids,
    api: Api,
    /// Seats in the pool.
    seats: usize,
}

/// The owner's API.
struct Api {
    web: Web,
    token: String,
}

impl Api {
    fn call(&self, method: &str, path: &str, body: &Value) -> Result<Value> {
        let answer = self.web.api(method, path, &self.token, body)?;
        ensure!(answer.status < 300, "{method} {path}: {} {}", answer.status, answer.body);
        Ok(serde_json::from_str(&answer.body)?)
    }

    /// Uploads the staff file of a year; with `broken`, some rows are rejected.
    fn upload(&self, people: usize, year: u16, broken: bool) -> Result<BatchId> {
        let mut file = encode(&generate(&RosterSpec::new(1, people, year)), Encoding::Utf8)?;
        if broken {
            file.extend_from_slice("999001,,ナナシ,総務部 人事課,主事,正規,,○\r\n".as_bytes());
        }
        let authorisation = format!("Bearer {}", self.token);
        let headers = [("authorization", authorisation.as_str()), ("content-type", "text/csv")];
        let path = "/api/v1/batches?source=%E7%9F%A5%E4%BA%8B%E9%83%A8%E5%B1%80&mode=roster";
        let answer = self.web.send("POST", path, &headers, &file)?;
        ensure!(answer.status == 201, "uploading {year}: {} {}", answer.status, answer.body);
        let batch: Value = serde_json::from_str(&answer.body)?;
        Ok(batch["id"].as_str().context("a batch has an id")?.parse()?)
    }

    fn apply(&self, batch: BatchId) -> Result<()> {
        self.call("POST", &format!("/batches/{batch}/apply"), &Value::Null).map(drop)
    }
}

impl Fixture {
    pub(super) fn new(people: usize) -> Result<Self> {
        let mut world = World::new()?;
        let token = std::fs::read_to_string(world.token_file())?.trim().to_owned();
        let api = Api { web: Web::new(&world)?, token };
        let seats = people / 2;
        api.call("PUT", "/licenses/pool", &json!({ "size": seats }))?;
        api.apply(api.upload(people, FIRST_YEAR, false)?)?;

        world.stop()?;
        let runtime = tokio::runtime::Runtime::new()?;
        let phones = runtime.block_on(write_phones(&world, people * PHONES / 100))?;
        world.start()?;

        let owner = world.owner()?;
        let invited = api.call("POST", "/operators", &json!({ "name": "次の人", "role": "helpdesk" }))?;
        let link = invited["link"].as_str().context("an invitation has a link")?;
        let ids = Ids {
            person: phones.person,
            live: phones.live,
            blocked: phones.blocked,
            erased: phones.erased,
            planned: api.upload(people, FIRST_YEAR + 1, true)?,
            operator: invited["operator"]["id"].as_str().context("an operator has an id")?.parse()?,
            invitation: link.rsplit('/').next().unwrap_or_default().to_owned(),
        };
        let browser = Web::new(&world)?;
        browser.sign_in(&owner)?;
        let cookie = browser.cookie(SESSION).context("a session")?;
        Ok(Self { world, cookie: format!("{SESSION}={cookie}"), ids, api, seats })
    }

    /// Makes the pool a seat larger than by the last change, 0 being the first: whoever waits first gets it, with a code.
    pub(super) fn change(&self, number: usize) -> Result<()> {
        let size = self.seats + 1 + number;
        self.api.call("PUT", "/licenses/pool", &json!({ "size": size })).map(drop)
    }

    /// Applies the plan for the next year.
    pub(super) fn apply_planned(&self) -> Result<()> {
        self.api.apply(self.ids.planned)
    }
}

/// Phones of each kind.
struct Phones {
    person: AccountId,
    live: EnrolmentId,
    blocked: EnrolmentId,
    erased: EnrolmentId,
}

/// What a stopped server left.
struct Stopped {
    store: Arc<dyn Store>,
    unlock_records: Arc<dyn UnlockRecords>,
    keyring: Keyring,
    now: Timestamp,
}

/// Writes `count` phones beside the first people with a seat, who have signed in by it.
async fn write_phones(site: &Site, count: usize) -> Result<Phones> {
    let config = Config::load(&site.config_file())?;
    let keyring = Keyring::open(&config.data, &read_master_key(&config.secrets)?)?;
    let stopped = Stopped {
        store: open_store(&config.data)?,
        unlock_records: open_unlock_records(&config.data)?,
        keyring,
        now: Timestamp::now(),
    };
    let holders = stopped.holders(count).await?;
    ensure!(holders.len() == count, "only {} people have a seat", holders.len());
    let person = holders[0].value.id;
    let mut phones: Vec<(EnrolmentId, SoftwareKey)> = Vec::new();
    let mut holders = holders.into_iter().peekable();
    while holders.peek().is_some() {
        let some = holders.by_ref().take(AT_ONCE).collect();
        phones.extend(stopped.sign_in(some).await?);
    }
    let (wiped, blocked) = (count * WIPED / 100, count * BLOCKED / 100);
    let confirmed = wiped * CONFIRMED / WIPED;
    let mut last = phones.iter().rev();
    for (number, (enrolment, key)) in last.by_ref().take(wiped).enumerate() {
        stopped.wipe(*enrolment, (number < confirmed).then_some(key)).await?;
    }
    for (enrolment, _) in last.by_ref().take(blocked) {
        stopped.block(*enrolment).await?;
    }
    let of = |index: usize| phones.get(index).map(|(enrolment, _)| *enrolment).context("too few phones");
    Ok(Phones { person, live: of(0)?, blocked: of(count - wiped - 1)?, erased: of(count - 1)? })
}

impl Stopped {
    async fn holders(&self, count: usize) -> Result<Vec<Stored<Account>>> {
        let mut holders: Vec<Stored<Account>> = Vec::new();
        let mut after = None;
        loop {
            let page = self.store.accounts(after, MAX_PAGE).await?;
            let Some(last) = page.last() else { return Ok(holders) };
            after = Some(last.value.id);
            holders.extend(page.into_iter().filter(|account| account.value.seat.is_some()));
            holders.truncate(count);
        }
    }

    async fn sign_in(&self, holders: Vec<Stored<Account>>) -> Result<Vec<(EnrolmentId, SoftwareKey)>> {
        let (mut changes, mut phones) = (Changeset::default(), Vec::new());
        for Stored { version, value: mut account } in holders {
            let key = SoftwareKey::from_pkcs8(&SoftwareKey::make_pkcs8()?)?;
            let phone = self.phone(account.id, &key);
            let (credential, record) = (Secret::make(&mut OsRng), Secret::make(&mut OsRng));
            self.unlock_records.put(phone.enrolment, credential, record, 10).await?;
            account.state = AccountState::Active;
            account.state_since = self.now;
            account.signed_in_at = Some(self.now);
            let event = |what, subject| AuditEvent::new(self.now, Actor::Server, what, subject);
            changes.note(event(Happening::DeviceEnrolled, Subject::device(&phone)));
            changes.note(event(Happening::AccountSignedIn, Subject::account(account.id)));
            phones.push((phone.enrolment, key));
            changes.insert(Record::Device(phone));
            changes.update(version, Record::Account(account));
        }
        self.store.commit(changes).await?;
        Ok(phones)
    }

    fn phone(&self, account: AccountId, key: &SoftwareKey) -> Device {
        Device {
            enrolment: EnrolmentId::make(self.now, &mut OsRng),
            account,
            key: key.public_key().clone(),
            description: DeviceDescription {
                model: "Pixel 9a".to_owned(),
                platform: "Android 16".to_owned(),
                app_version: "0.1.0".to_owned(),
                key_level: KeyLevel::Tee,
            },
            state: DeviceState::Live,
            enrolled_at: self.now,
            last_contact: Some(self.now),
            last_unlock: Some(self.now),
            vault_epoch: 1,
            pin_changes: 0,
            copy_suspected_at: None,
            copy_sign: None,
            blocked_by: None,
            runs: mdm_core::run::Runs::default(),
            may_be_open_until: Some(self.now + SignedDuration::from_hours(8)),
            copy_may_open: false,
            grant: None,
            certificate_until: self.now + SignedDuration::from_hours(365 * 24),
            last_command: Order::default(),
            last_applied: None,
            pins: None,
        }
    }

    async fn load(&self, enrolment: EnrolmentId) -> Result<Stored<Device>> {
        self.store.device(enrolment).await?.context("a phone that was just written")
    }

    fn instruction(&self) -> Instruction<'static> {
        Instruction { actor: Actor::Server, reason: "left in a taxi", now: self.now, epoch: 0 }
    }

    async fn block(&self, enrolment: EnrolmentId) -> Result<()> {
        let phone = self.load(enrolment).await?;
        let issued = command::block(phone, vec![], &self.instruction(), &self.keyring.command, &mut OsRng)?;
        self.store.commit(issued.changes).await?;
        Ok(())
    }

    /// With a key, the receipt has come.
    async fn wipe(&self, enrolment: EnrolmentId, key: Option<&SoftwareKey>) -> Result<()> {
        let phone = self.load(enrolment).await?;
        let issued = command::wipe(phone, vec![], &self.instruction(), &self.keyring.command, &mut OsRng)?;
        self.store.commit(issued.changes).await?;
        self.unlock_records.destroy(enrolment).await?;
        let sealed = command::sealed(self.load(enrolment).await?, self.now).context("a wiped phone")?;
        self.store.commit(sealed).await?;
        let Some(key) = key else { return Ok(()) };
        let phone = self.load(enrolment).await?;
        let command = phone.value.wipe().context("a wiped phone")?.command;
        let steps = ErasureStep::ALL.to_vec();
        let receipt = Receipt { command, erased_at: self.now, steps, checkpoint: None };
        let signed = cose::sign(&receipt, enrolment.as_bytes(), key)?;
        if let Some(erased) = command::receipt(phone, &signed, self.now)? {
            self.store.commit(erased).await?;
        }
        Ok(())
    }
}
