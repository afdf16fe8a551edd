//! However the journal moved, what was followed is what would be loaded afresh.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use mdm_core::audit::{AuditEvent, Happening, Subject};
use mdm_core::change::{Changeset, Key, Record};
use mdm_core::code::MAX_TRIES;
use mdm_core::device::DeviceState;
use mdm_core::unlock::{self, Unlocking};
use mdm_core::{enrol as rules, hello};
use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;
use shared::cose::{self, Signer, SoftwareKey};
use shared::crypto::Secret;
use shared::opaque::{
    LoginStart, RegistrationStart, ServerSetup, Stretching, VerifiedLogin, client_input, record_from_upload,
};
use shared::signed::{ErasureStep, Order as Counter, Receipt};
use shared::wire::KeyLevel;

use super::*;
use crate::scheduler;
use crate::use_cases::accounts::Who;
use crate::use_cases::codes;
use crate::use_cases::devices::{self, Order};

/// Something that people, devices or the time do. People and devices go by small numbers; what cannot be done is not.
#[derive(Debug, Clone)]
enum Step {
    /// Who is in the file, with which name and post, and whether they wish a seat.
    Upload(Vec<(u8, u8, bool)>),
    Pool(u32),
    Wait(u8),
    Reclaim(u16),
    Reissue(u8),
    Guess(u8),
    Enrol(u8),
    SignIn,
    Hello(u8),
    Block(u8),
    Unblock(u8),
    Wipe(u8),
    Erased(u8),
    Days(i64),
    Pass,
    Look,
}

fn step() -> impl Strategy<Value = Step> {
    let who = || 0_u8..5;
    prop_oneof![
        2 => proptest::collection::vec((who(), 0_u8..3, any::<bool>()), 1..6).prop_map(Step::Upload),
        2 => (0_u32..6).prop_map(Step::Pool),
        1 => who().prop_map(Step::Wait),
        1 => (0_u16..20).prop_map(Step::Reclaim),
        1 => who().prop_map(Step::Reissue),
        1 => who().prop_map(Step::Guess),
        3 => who().prop_map(Step::Enrol),
        2 => Just(Step::SignIn),
        1 => who().prop_map(Step::Hello),
        1 => who().prop_map(Step::Block),
        1 => who().prop_map(Step::Unblock),
        2 => who().prop_map(Step::Wipe),
        2 => who().prop_map(Step::Erased),
        1 => (1_i64..16).prop_map(Step::Days),
        1 => Just(Step::Pass),
        4 => Just(Step::Look),
    ]
}

/// Devices 0 to 4: known keys, so that they can sign; and device 0's verified login.
struct Phones {
    keys: Vec<SoftwareKey>,
    login: VerifiedLogin,
}

static PHONES: LazyLock<Phones> = LazyLock::new(|| Phones {
    keys: (0..5).map(|_| SoftwareKey::from_pkcs8(&SoftwareKey::make_pkcs8().unwrap()).unwrap()).collect(),
    login: verified_login(phone(0)),
});

fn phone(number: u8) -> EnrolmentId {
    EnrolmentId::make(crate::testing::april(), &mut StdRng::seed_from_u64(number.into()))
}

fn verified_login(enrolment: EnrolmentId) -> VerifiedLogin {
    let mut rng = StdRng::seed_from_u64(7);
    let setup = ServerSetup::make(&mut rng);
    let credential = Secret::make(&mut rng);
    let device_secret = Secret::make(&mut rng);
    let costs = Stretching::default();
    let input = || client_input("482915", &device_secret, enrolment);
    let (client, request) = RegistrationStart::make(input(), &mut rng).unwrap();
    let response = setup.registration_response(&request, &credential).unwrap();
    let (upload, _) = client.finish(&response, enrolment, costs, &mut rng).unwrap();
    let record = record_from_upload(&upload).unwrap();
    let (client, ke1) = LoginStart::make(input(), &mut rng).unwrap();
    let (pending, ke2) = setup.login(&record, &credential, enrolment, &ke1, &mut rng).unwrap();
    let finished = client.finish(&ke2, enrolment, costs, &mut rng).unwrap();
    pending.finish(&finished.ke3).unwrap()
}

async fn happen(world: &World, step: &Step) {
    let service = &world.service;
    let order = Order { actor: Actor::Server, reason: "a step of a test" };
    let who = |number: &u8| Who::parse(&format!("N{number}"), None).unwrap();
    match step {
        Step::Upload(people) => {
            let mut file = "職員番号,氏名,フリガナ,所属,利用\n".to_owned();
            for (number, name, wish) in people {
                let wish = if *wish { "○" } else { "×" };
                file += &format!("N{number},氏名{name},カナ{name},課{name},{wish}\n");
            }
            world.apply(&file, Mode::Roster).await;
        }
        Step::Pool(size) => drop(licenses::set_pool(service, *size, Actor::Server).await),
        Step::Wait(number) => drop(licenses::wait(service, &who(number), Actor::Server).await),
        Step::Reclaim(days) => {
            let rule = Rule::unused_for(*days);
            let preview = licenses::reclaim(service, rule, true, Actor::Server).await.unwrap();
            let done = licenses::reclaim(service, rule, false, Actor::Server).await.unwrap();
            assert_eq!(
                preview.fingerprint(rule),
                done.fingerprint(rule),
                "what was previewed, and nothing else"
            );
        }
        Step::Reissue(number) => drop(codes::reissue(service, &who(number), Actor::Server).await),
        Step::Guess(number) => guess(world, *number).await,
        Step::Enrol(number) => enrol(world, *number).await,
        Step::SignIn => sign_in(world).await,
        Step::Hello(number) => say_hello(world, *number).await,
        Step::Block(number) => drop(devices::block(service, phone(*number), order).await),
        Step::Unblock(number) => drop(devices::unblock(service, phone(*number), order).await),
        Step::Wipe(number) => drop(devices::wipe(service, phone(*number), order).await),
        Step::Erased(number) => confirm_erasure(world, *number).await,
        Step::Days(days) => world.clock.advance_days(*days),
        Step::Pass => scheduler::tick(service).await,
        Step::Look => assert_eq!(followed(world).await, afresh(world).await),
    }
}

/// Somebody tries a code until it is dead.
async fn guess(world: &World, number: u8) {
    let who = Who::parse(&format!("N{number}"), None).unwrap();
    let Ok(account) = crate::use_cases::accounts::find(&world.service, &who).await else { return };
    for _ in 0..=MAX_TRIES {
        let codes = world.service.store.codes_of_account(account.value.id).await.unwrap();
        let Some(code) = codes.into_iter().rev().find(|code| code.value.is_usable()) else { return };
        let charged = rules::charge(code, world.service.clock.now());
        let (rules::Charge::Admitted(changes) | rules::Charge::Refused(_, changes)) = charged;
        world.service.commit(changes).await.unwrap();
    }
}

async fn enrol(world: &World, number: u8) {
    let who = Who::parse(&format!("N{number}"), None).unwrap();
    let Ok(account) = crate::use_cases::accounts::find(&world.service, &who).await else { return };
    if world.service.store.device(phone(number)).await.unwrap().is_none() {
        let key = PHONES.keys[usize::from(number)].public_key().clone();
        world.device_with(phone(number), key, account.value.id, DeviceState::Live).await;
    }
}

async fn sign_in(world: &World) {
    let store = &world.service.store;
    let Some(device) = store.device(phone(0)).await.unwrap() else { return };
    let account = store.account(device.value.account).await.unwrap().unwrap();
    let policy = world.service.config.policy(KeyLevel::Software);
    let now = world.service.clock.now();
    let Ok(admitted) = unlock::admit(device, &account.value, &policy, now) else { return };
    world.service.commit(admitted).await.unwrap();
    let device = store.device(phone(0)).await.unwrap().unwrap();
    let codes = store.codes_of_account(account.value.id).await.unwrap();
    let unlocking = Unlocking { device, account, codes, vault_epoch: 0, server_epoch: 0 };
    let seal = &world.service.keyring.grants;
    let granted =
        unlock::grant(&PHONES.login, unlocking, &policy, seal, now, &mut rand::rngs::OsRng).unwrap();
    world.service.commit(granted.changes).await.unwrap();
}

async fn say_hello(world: &World, number: u8) {
    if let Some(device) = world.service.store.device(phone(number)).await.unwrap() {
        let changes = hello::applied(device, Counter::default(), world.service.clock.now());
        world.service.commit(changes).await.unwrap();
    }
}

async fn confirm_erasure(world: &World, number: u8) {
    let Some(device) = world.service.store.device(phone(number)).await.unwrap() else { return };
    let Some(wipe) = device.value.wipe() else { return };
    let now = world.service.clock.now();
    let receipt =
        Receipt { command: wipe.command, erased_at: now, steps: ErasureStep::ALL.to_vec(), checkpoint: None };
    let key = &PHONES.keys[usize::from(number)];
    let signed = cose::sign(&receipt, device.value.enrolment.as_bytes(), key).unwrap();
    let changes = mdm_core::command::receipt(device, &signed, now).unwrap();
    if let Some(changes) = changes {
        world.service.commit(changes).await.unwrap();
    }
}

fn run(steps: &[Step]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let world = World::new();
        for step in steps {
            happen(&world, step).await;
        }
        happen(&world, &Step::Look).await;
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn what_was_followed_is_what_would_be_loaded_afresh(steps in proptest::collection::vec(step(), 1..60)) {
        run(&steps);
    }
}

/// A random history may never come so far.
#[test]
fn a_history_with_everything_in_it_is_followed() {
    let file = |wish| Step::Upload(vec![(0, 0, wish), (1, 1, wish), (2, 2, false)]);
    let mut steps = vec![Step::Look, Step::Pool(1), file(true), Step::Look, Step::Enrol(0), Step::Look];
    for step in [
        Step::SignIn,
        Step::Enrol(1),
        Step::Block(0),
        Step::Unblock(0),
        Step::Pool(3),
        Step::Wait(2),
        Step::Reissue(2),
        Step::Guess(2),
        Step::Days(2),
        Step::Reclaim(1),
        Step::Hello(0),
        Step::Wipe(0),
        Step::Erased(0),
        Step::Upload(vec![(1, 0, false)]),
        Step::Days(15),
        Step::Pass,
        file(true),
    ] {
        steps.extend([step, Step::Look]);
    }
    run(&steps);
}

#[tokio::test]
async fn more_events_than_are_followed_are_loaded_whole() {
    let world = world_of(0, "職員番号,氏名,所属\n1,a,総務課\n").await;
    followed(&world).await;
    let row = |number: u64| format!("{number},名前{number},総務課,○\n");
    let rows: String = (1..FOLLOWED_AND_MORE).map(row).collect();
    world.apply(&format!("職員番号,氏名,所属,利用\n{rows}"), Mode::Roster).await;
    let snapshot = followed(&world).await;
    assert_eq!(snapshot.counts().waiting as u64, FOLLOWED_AND_MORE - 1);
    assert_eq!(snapshot, afresh(&world).await);
}

const FOLLOWED_AND_MORE: u64 = load::FOLLOWED + 50;

/// Another node, or anybody else who writes to the same store.
#[tokio::test]
async fn what_others_commit_is_followed_as_well() {
    let world = world_of(1, "職員番号,氏名,所属,利用\n1,山田太郎,総務課,○\n").await;
    followed(&world).await;
    let mut account = world.service.store.account(id(&world, "1").await).await.unwrap().unwrap();
    account.value.state = AccountState::Suspended;
    let mut changes = Changeset::default();
    let subject = Subject::account(account.value.id);
    let now = world.service.clock.now();
    changes.note(AuditEvent::new(now, Actor::Server, Happening::AccountLeft, subject));
    changes.update(account.version, Record::Account(account.value));
    world.service.store.commit(changes).await.unwrap();
    assert_eq!(followed(&world).await.counts().suspended, 1);
}

#[tokio::test]
async fn an_unmoved_journal_gives_the_same_snapshot_and_an_irrelevant_entry_shares_it() {
    let world = world_of(1, "職員番号,氏名,所属\n1,山田太郎,総務課\n").await;
    let before = followed(&world).await;
    assert!(Arc::ptr_eq(&before, &followed(&world).await));
    codes::export(&world.service, Actor::Server).await.unwrap();
    assert!(Arc::ptr_eq(&before, &followed(&world).await));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_asks_after_a_commit_sees_it() {
    const LAST: u32 = 60;
    let world = Arc::new(world_of(1, "職員番号,氏名,所属\n1,山田太郎,総務課\n").await);
    let committed = Arc::new(AtomicU32::new(1));
    let mut readers = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let (world, committed) = (world.clone(), committed.clone());
        readers.spawn(async move {
            loop {
                let at_least = committed.load(Ordering::SeqCst);
                assert!(followed(&world).await.pool().size >= at_least);
                if at_least == LAST {
                    return;
                }
                tokio::task::yield_now().await;
            }
        });
    }
    for size in 2..=LAST {
        licenses::set_pool(&world.service, size, Actor::Server).await.unwrap();
        committed.store(size, Ordering::SeqCst);
    }
    readers.join_all().await;
}

#[tokio::test]
async fn a_change_without_its_event_is_noticed() {
    let world = world_of(1, "職員番号,氏名,所属,利用\n1,山田太郎,総務課,○\n").await;
    let account = world.account("1").await;
    let phone = world.device(account.id, DeviceState::Live).await;
    let store = &world.service.store;
    let device = || async { store.device(phone).await.unwrap().unwrap() };

    let said = hello::applied(device().await, Counter::default(), world.service.clock.now());
    assert_eq!(unheard(&**store, &said).await, None, "a last contact is loaded when it is shown");

    let mut silent = Changeset::default();
    let mut blocked = device().await;
    blocked.value.state = DeviceState::Blocked;
    silent.update(blocked.version, Record::Device(blocked.value.clone()));
    assert_eq!(unheard(&**store, &silent).await, Some(Key::Device(phone)));
    let event = AuditEvent::new(
        world.service.clock.now(),
        Actor::Server,
        Happening::DeviceBlocked,
        Subject::device(&blocked.value),
    );
    silent.note(event.clone());
    assert_eq!(unheard(&**store, &silent).await, None);

    let mut silent = Changeset::default();
    silent.note(event);
    let stored = store.account(account.id).await.unwrap().unwrap();
    silent.update(stored.version, Record::Account(stored.value));
    assert_eq!(unheard(&**store, &silent).await, Some(Key::Account(account.id)));
}
