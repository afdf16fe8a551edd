//! A device certificate is renewed before it ends; whatever is lost on the way, the device is its key.

use std::path::Path;

use anyhow::{Context as _, Result};
use client_agent::DeviceState;
use e2e::attacker::{Identity, RawDevice, Validity};
use e2e::world::shim::{Mode, Shim};
use e2e::world::{Finished, LocalWorld, Phone, Process};
use jiff::{SignedDuration, Timestamp};
use mdm_core::audit::Happening;
use shared::wire::{Kind, RefusalReason, Renew};
use vault::Home;

use crate::thief::{Holder, PIN, holder, runtime};

fn days(days: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * days)
}

fn certificate(phone: &Phone) -> Vec<u8> {
    DeviceState::load(&Home::new(phone.home())).unwrap().expect("an enrolled phone").certificate
}

fn ends(certificate: &[u8]) -> Timestamp {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).unwrap();
    Timestamp::from_second(parsed.validity().not_after.timestamp()).unwrap()
}

fn sync(phone: &Phone) {
    phone.sync().unwrap().expect_success("phone sync").unwrap();
}

/// A phone whose certificate has 25 days left.
fn due() -> (LocalWorld, Holder) {
    let world = LocalWorld::new().unwrap();
    let holder = holder(&world, "renewal").unwrap();
    holder.phone.unlock(PIN).unwrap();
    world.clock().advance(days(340));
    (world, holder)
}

/// How often the journal says that a certificate was renewed.
fn renewed(world: &LocalWorld) -> usize {
    let service = world.service().unwrap();
    let entries = world.block_on(service.store.journal_entries(0, mdm_store::MAX_PAGE)).unwrap();
    let whats = entries.iter().map(|entry| entry.body().unwrap().what);
    whats.filter(|what| *what == Happening::CertificateRenewed).count()
}

#[test]
fn a_certificate_is_renewed_once_in_its_last_month_and_the_old_one_goes_on_working() {
    let world = LocalWorld::new().unwrap();
    let holder = holder(&world, "renewal").unwrap();
    holder.phone.unlock(PIN).unwrap();
    let first = certificate(&holder.phone);
    let key = std::fs::read(Home::new(holder.phone.home()).device_key()).unwrap();
    world.clock().advance(days(330));
    sync(&holder.phone);
    assert_eq!((certificate(&holder.phone) == first, renewed(&world)), (true, 0), "not yet");

    world.clock().advance(days(10));
    sync(&holder.phone);
    let second = certificate(&holder.phone);
    assert!(ends(&second) > ends(&first) + days(300));
    sync(&holder.phone);
    assert_eq!((certificate(&holder.phone) == second, renewed(&world)), (true, 1), "once");

    world.clock().advance(days(100));
    holder.phone.unlock(PIN).unwrap();
    let last_run = DeviceState::load(&Home::new(holder.phone.home())).unwrap().unwrap().last_run;
    let old = Identity::with_certificate(&key, &first).after(last_run);
    let stranger = Identity::self_signed(Identity::fresh().unwrap().pkcs8(), Validity::ALWAYS).unwrap();
    runtime().unwrap().block_on(async {
        let device = RawDevice::connect(world.quic(), Some(&old)).await.unwrap();
        assert_eq!(device.hello().await.unwrap().kind(), Some(Kind::HelloReply), "long expired");
        // Nobody renews as often as they like.
        assert_eq!(device.ask(&Renew {}).await.unwrap().refusal(), Some(RefusalReason::TooManyTries));
        // The control: a certificate that is good, of a key that is not registered.
        let device = RawDevice::connect(world.quic(), Some(&stranger)).await.unwrap();
        assert_ne!(device.hello().await.ok().and_then(|answer| answer.kind()), Some(Kind::HelloReply));
    });
}

#[test]
fn a_phone_that_never_hears_of_its_new_certificate_goes_on_with_the_old_one() {
    let (world, holder) = due();
    let old = certificate(&holder.phone);
    let identity = holder.identity().unwrap();
    runtime().unwrap().block_on(async {
        // As the phone would ask, whose battery ends before the answer comes.
        let device = RawDevice::connect(world.quic(), Some(&identity)).await.unwrap();
        let mut stream = device.stream().await.unwrap();
        stream.send(&Renew {}).await.unwrap();
        let asked = e2e::world::wait::DEADLINE;
        let noted = tokio::time::timeout(asked, async {
            while renewed_on(&world).await == 0 {
                tokio::task::yield_now().await;
            }
        });
        noted.await.expect("the renewal is committed");
    });
    holder.phone.unlock(PIN).unwrap();
    assert_eq!(certificate(&holder.phone), old);
    world.clock().advance(days(60));
    assert!(ends(&old) < world.service().unwrap().clock.now());
    holder.phone.unlock(PIN).unwrap();
    // And gets the next one when that is due.
    world.clock().advance(days(290));
    sync(&holder.phone);
    assert!(ends(&certificate(&holder.phone)) > ends(&old) + days(365));
    holder.phone.unlock(PIN).unwrap();
}

async fn renewed_on(world: &LocalWorld) -> usize {
    let service = world.service().unwrap();
    let entries = service.store.journal_entries(0, mdm_store::MAX_PAGE).await.unwrap();
    let whats = entries.iter().map(|entry| entry.body().unwrap().what);
    whats.filter(|what| *what == Happening::CertificateRenewed).count()
}

/// `phone sync` with the shim loaded; how it ended, and its writes.
fn shimmed(world: &LocalWorld, phone: &Phone, mode: Mode) -> Result<(Finished, Vec<String>)> {
    let shim = Shim::over(world, phone.home(), mode)?;
    shim.arm()?;
    let mut command = phone.command(&["sync"])?;
    command.env("LD_PRELOAD", shim.library()).envs(shim.variables());
    let finished = Process::spawn("phone sync", &mut command)?.finish()?;
    Ok((finished, shim.calls().unwrap_or_default()))
}

fn is_whole(folder: &Path) -> Result<Vec<u8>> {
    Ok(DeviceState::load(&Home::new(folder))?.context("the enrolment is gone")?.certificate)
}

#[test]
fn a_phone_that_is_killed_at_any_write_of_its_new_certificate_has_one_of_the_two() {
    let (world, holder) = due();
    let old = certificate(&holder.phone);
    // Each copy asks anew, as the only one: the server has to think so.
    let device = holder.enrolment().unwrap();
    let service = world.service().unwrap();
    let before = world.block_on(service.store.device(device)).unwrap().unwrap().value;
    let due_again = || {
        world.block_on(async {
            let stored = service.store.device(device).await.unwrap().unwrap();
            let mut changes = mdm_core::change::Changeset::default();
            changes.update(stored.version, mdm_core::change::Record::Device(before.clone()));
            service.store.commit(changes).await.unwrap();
        });
    };
    let counted = holder.phone.copy("counted").unwrap();
    let (finished, calls) = shimmed(&world, &counted, Mode::Count).unwrap();
    finished.expect_success("counted and not killed").unwrap();
    assert_ne!(certificate(&counted), old);
    let writes = calls.len();
    assert!(writes >= 4, "{calls:?}");
    let (mut olds, mut news) = (0, 0);
    for at in 1..=writes {
        for (name, mode) in [("before", Mode::KillBefore(at)), ("after", Mode::KillAfter(at))] {
            due_again();
            let phone = holder.phone.copy(&format!("{name}-{at}")).unwrap();
            let (finished, _) = shimmed(&world, &phone, mode).unwrap();
            assert!(finished.status.code().is_none(), "{mode:?}: {}", finished.said());
            match is_whole(phone.home()).unwrap() == old {
                true => olds += 1,
                false => news += 1,
            }
            sync(&phone);
        }
    }
    println!("renewal: {writes} writes; {olds} kills left the old certificate, {news} the new one");
    assert!(olds > 0 && news > 0, "kills on one side of the change only");
    due_again();
    holder.phone.unlock(PIN).unwrap();
}
