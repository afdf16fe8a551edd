//! What the tests of attacks share: somebody with a phone, a copy of it in other hands, a runtime for the attacker.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use client_agent::DeviceState;
use e2e::attacker::{Identity, RawDevice, StolenHome};
use e2e::world::{Person, Phone, Site};
use mdm_core::audit::Body;
use mdm_server::server::open_store;
use mdm_store::MAX_PAGE;
use serde_json::Value;
use shared::ids::EnrolmentId;
use shared::wire::Kind;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use vault::Home;

/// The PIN of everybody.
pub(crate) const PIN: &str = "246813579";
/// What is stored in vaults: found nowhere else.
pub(crate) const MARKER: &[u8] = b"TAMATEBAKO-MARKER-the-smoke-inside-the-box-7f3a91c4";
/// The name under which it is stored.
pub(crate) const MEMO: &str = "memo";

/// The attacker's own threads.
pub(crate) fn runtime() -> Result<Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

/// Somebody with an enrolled phone.
pub(crate) struct Holder {
    /// The phone, switched off.
    pub(crate) phone: Phone,
    /// The enrolment's id, as `mdmctl` takes it.
    pub(crate) device: String,
}

impl Holder {
    /// The enrolment's id.
    pub(crate) fn enrolment(&self) -> Result<EnrolmentId> {
        Ok(self.device.parse()?)
    }

    /// The phone's folder and PIN in other hands, as they are now.
    pub(crate) fn stolen(&self) -> StolenHome {
        StolenHome::new(self.phone.home(), PIN)
    }

    /// A copy of the folder, in other hands.
    pub(crate) fn copied(&self, name: &str) -> Result<StolenHome> {
        Ok(StolenHome::new(self.phone.copy(name)?.home(), PIN))
    }

    /// The device key with a certificate.
    pub(crate) fn identity(&self) -> Result<Identity> {
        self.stolen().identity()
    }

    /// `mdmctl devices block|unblock|wipe`.
    pub(crate) fn order(&self, site: &Site, what: &str) -> Result<Value> {
        site.mdmctl(&["devices", what, &self.device, "--reason", "left in a taxi"])
    }

    /// What `mdmctl devices show` says.
    pub(crate) fn shown(&self, site: &Site) -> Result<Value> {
        site.device(&self.device)
    }

    /// Stores a file with a phone that is not running.
    pub(crate) fn put(&self, name: &str, file: &Path) -> Result<()> {
        let file = file.to_str().context("a path in UTF-8")?;
        self.phone.call(&["put", name, file, "--pin", PIN])?.expect_success("phone put").map(drop)
    }
}

/// Hires one person of a source of their own, and enrols their phone.
pub(crate) fn holder(site: &Site, name: &str) -> Result<Holder> {
    let person = site.hire(name, 1)?.pop().context("one person")?;
    enrolled(site, &person, name)
}

/// Enrols somebody's phone.
pub(crate) fn enrolled(site: &Site, person: &Person, name: &str) -> Result<Holder> {
    let phone = site.phone(name);
    phone.enrol(&person.code, PIN)?;
    let device = phone.status()?["enrolment"].as_str().context("an enrolment")?.to_owned();
    Ok(Holder { phone, device })
}

/// Changes what a phone that is switched off remembers of its enrolment.
pub(crate) fn edit_state(phone: &Phone, edit: impl FnOnce(&mut DeviceState)) -> Result<()> {
    let home = Home::new(phone.home());
    let mut state = DeviceState::load(&home)?.context("an enrolled phone")?;
    edit(&mut state);
    let mut bytes = Vec::new();
    ciborium::into_writer(&state, &mut bytes)?;
    Ok(vault::files::replace(&home.state(), &bytes)?)
}

/// The files that are left in a phone's folder, sockets and empty folders as well, relative to it.
pub(crate) fn left_in(home: &Path) -> Result<Vec<PathBuf>> {
    let mut left = Vec::new();
    let mut folders = vec![home.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            left.push(entry.path().strip_prefix(home)?.to_owned());
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    left.sort();
    Ok(left)
}

/// Connections that a server keeps of one device.
const CONNECTIONS: usize = 2;
/// Exchanges that one connection of a [`flood`] has under way at a time.
const LANES: usize = 8;

/// How many of `asked` KE1s, many at once over as many connections as are kept, and never followed by KE3, are answered
/// with KE2. The connections are given up and made anew on the way.
pub(crate) async fn flood(site: &Site, identity: &Identity, asked: usize) -> Result<usize> {
    let wave = asked.min(250);
    let mut answered = 0;
    for _ in 0..asked.div_ceil(wave) {
        answered += flood_once(site, identity, wave.div_ceil(CONNECTIONS * LANES)).await?;
    }
    Ok(answered)
}

async fn flood_once(site: &Site, identity: &Identity, times: usize) -> Result<usize> {
    let mut tasks = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let device = Arc::new(RawDevice::connect(site.quic(), Some(identity)).await?);
        for _ in 0..LANES {
            tasks.spawn(ask_again_and_again(device.clone(), times));
        }
    }
    let mut answered = 0;
    while let Some(task) = tasks.join_next().await {
        answered += task??;
    }
    Ok(answered)
}

async fn ask_again_and_again(device: Arc<RawDevice>, times: usize) -> Result<usize> {
    let mut answered = 0;
    // Streams on which KE2 came stay open for a while: an exchange that goes on costs the server most.
    let mut open = VecDeque::new();
    for _ in 0..times {
        let (stream, answer) = device.start_unlock().await?;
        if answer.kind() == Some(Kind::UnlockChallenge) {
            answered += 1;
            open.push_back(stream);
            open.truncate(1);
        } else {
            ensure!(answer.refusal().is_some(), "neither KE2 nor a refusal: {answer:?}");
        }
    }
    Ok(answered)
}

/// What the journal says, from its first entry on. The server has to be stopped: its database is opened.
pub(crate) fn journal(site: &Site) -> Result<Vec<Body>> {
    runtime()?.block_on(async {
        let store = open_store(&site.data())?;
        let mut bodies: Vec<Body> = Vec::new();
        loop {
            let after = bodies.last().map_or(0, |body| body.sequence);
            let page = store.journal_entries(after, MAX_PAGE).await?;
            if page.is_empty() {
                return Ok(bodies);
            }
            for entry in page {
                bodies.push(entry.body()?);
            }
        }
    })
}
