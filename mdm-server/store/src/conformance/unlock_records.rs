//! What [`crate::UnlockRecords`] promises.

use std::sync::Arc;

use rand::SeedableRng;
use rand::rngs::StdRng;
use shared::crypto::Secret;
use shared::ids::EnrolmentId;
use shared::opaque::{
    CredentialId, LoginStart, Record, RegistrationStart, ServerSetup, Stretching, VerifiedLogin,
    client_input, record_from_upload, record_mark,
};

use super::{Desk, samples};
use crate::traits::{Charge, Charged, UnlockRecords, UnlockRecordsError};

const LIMIT: u16 = 10;

/// A record and its name, different for each number. Never all zeros.
pub(crate) fn secrets(number: u32) -> (CredentialId, Record) {
    let mut rng = StdRng::seed_from_u64(number.into());
    (Secret::make(&mut rng), Secret::make(&mut rng))
}

pub(crate) async fn register(records: &Arc<dyn UnlockRecords>, number: u32) -> EnrolmentId {
    let (credential, record) = secrets(number);
    records.put(samples::enrolment(number), credential, record, LIMIT).await.unwrap();
    samples::enrolment(number)
}

async fn charged(records: &Arc<dyn UnlockRecords>, enrolment: EnrolmentId) -> Option<Box<Charged>> {
    match records.charge(enrolment).await.unwrap() {
        Charge::Charged(charged) => Some(charged),
        Charge::Exhausted | Charge::Missing => None,
    }
}

/// A real registration and a real login with it.
fn verified_login(number: u32) -> VerifiedLogin {
    let mut rng = StdRng::seed_from_u64(number.into());
    let enrolment = samples::enrolment(number);
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

/// Whether any 16 bytes of a secret, at a multiple of 16, are among `bytes`.
pub(crate) fn contains(bytes: &[u8], secret: &[u8]) -> bool {
    let parts: Vec<_> = secret.chunks(16).collect();
    let begins: [bool; 256] =
        std::array::from_fn(|byte| parts.iter().any(|part| usize::from(part[0]) == byte));
    (0..bytes.len())
        .filter(|at| begins[usize::from(bytes[*at])])
        .any(|at| parts.iter().any(|part| bytes[at..].starts_with(part)))
}

fn is_there(desk: &impl Desk, number: u32) -> bool {
    let (credential, record) = secrets(number);
    let bytes = desk.bytes();
    contains(&bytes, credential.expose()) || contains(&bytes, record.expose())
}

pub(crate) async fn a_thousand_charges_at_once_give_no_more_than_the_limit(desk: &impl Desk) {
    let records = desk.open();
    let enrolment = register(&records, 1).await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..1_000 {
        let records = Arc::clone(&records);
        tasks.spawn(async move { charged(&records, enrolment).await.map(|charged| charged.attempts_left) });
    }
    let mut left: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
    left.sort_unstable();
    assert_eq!(left, (0..LIMIT).collect::<Vec<_>>());
    assert!(matches!(records.charge(enrolment).await.unwrap(), Charge::Exhausted));
}

pub(crate) async fn reopening_refills_nothing(desk: &impl Desk) {
    register(&desk.open(), 1).await;
    for used in 1..=LIMIT {
        let records = desk.open();
        assert_eq!(charged(&records, samples::enrolment(1)).await.unwrap().attempts_left, LIMIT - used);
        drop(records);
        let attempts = desk.open().attempts(samples::enrolment(1)).await.unwrap().unwrap();
        assert_eq!((attempts.used, attempts.limit, attempts.left()), (used, LIMIT, LIMIT - used));
    }
    assert!(charged(&desk.open(), samples::enrolment(1)).await.is_none());
}

pub(crate) async fn only_a_verified_login_of_the_same_enrolment_gives_attempts_back(desk: &impl Desk) {
    let records = desk.open();
    let enrolment = register(&records, 1).await;
    for _ in 0..LIMIT {
        charged(&records, enrolment).await.unwrap();
    }
    let other = records.credit(enrolment, &verified_login(2)).await;
    assert!(matches!(other, Err(UnlockRecordsError::OtherEnrolment)));
    assert!(charged(&records, enrolment).await.is_none());
    register(&records, 2).await;
    assert_eq!(records.exhausted().await.unwrap(), [enrolment]);
    records.credit(enrolment, &verified_login(1)).await.unwrap();
    assert!(records.exhausted().await.unwrap().is_empty());
    records.destroy(samples::enrolment(2)).await.unwrap();
    drop(records);
    let records = desk.open();
    assert_eq!(charged(&records, enrolment).await.unwrap().attempts_left, LIMIT - 1);
    let missing = records.credit(samples::enrolment(2), &verified_login(2)).await;
    assert!(matches!(missing, Err(UnlockRecordsError::Missing)));
}

pub(crate) async fn a_charge_gives_what_was_registered(desk: &impl Desk) {
    let records = desk.open();
    for number in 1..=40 {
        register(&records, number).await;
    }
    drop(records);
    let records = desk.open();
    for number in (1..=40).rev() {
        let (credential, record) = secrets(number);
        let charged = charged(&records, samples::enrolment(number)).await.unwrap();
        assert!(charged.credential == credential && charged.record == record);
    }
    assert!(matches!(records.charge(samples::enrolment(99)).await.unwrap(), Charge::Missing));
    assert_eq!(records.attempts(samples::enrolment(99)).await.unwrap(), None);
    assert_eq!(records.list().await.unwrap(), (1..=40).map(samples::enrolment).collect::<Vec<_>>());
}

pub(crate) async fn a_registration_is_replaced_until_the_first_sign_in(desk: &impl Desk) {
    let records = desk.open();
    let enrolment = register(&records, 1).await;
    charged(&records, enrolment).await.unwrap();
    assert!(is_there(desk, 1)); // the control
    let (credential, record) = secrets(2);
    records.put(enrolment, credential, record, LIMIT).await.unwrap();
    assert!(!is_there(desk, 1) && is_there(desk, 2));
    assert_eq!(charged(&records, enrolment).await.unwrap().attempts_left, LIMIT - 1);
    records.credit(enrolment, &verified_login(1)).await.unwrap();
    drop(records);
    let records = desk.open();
    let (credential, record) = secrets(3);
    let refused = records.put(enrolment, credential, record, LIMIT).await;
    assert!(matches!(refused, Err(UnlockRecordsError::AlreadySignedIn)));
    assert!(is_there(desk, 2) && !is_there(desk, 3));
}

pub(crate) async fn what_is_destroyed_is_gone_from_the_bytes(desk: &impl Desk) {
    let records = desk.open();
    for number in 1..=3 {
        let enrolment = register(&records, number).await;
        charged(&records, enrolment).await.unwrap(); // so that both halves have been written
    }
    assert!((1..=3).all(|number| is_there(desk, number))); // the control
    records.destroy(samples::enrolment(2)).await.unwrap();
    assert!(!is_there(desk, 2));
    assert!(!contains(&desk.bytes(), samples::enrolment(2).as_bytes()));
    assert!(is_there(desk, 1) && is_there(desk, 3));
    assert!(matches!(records.charge(samples::enrolment(2)).await.unwrap(), Charge::Missing));
    records.destroy(samples::enrolment(2)).await.unwrap();
    records.destroy(samples::enrolment(77)).await.unwrap();
    drop(records);
    let records = desk.open();
    assert!(matches!(records.charge(samples::enrolment(2)).await.unwrap(), Charge::Missing));
    assert!(charged(&records, samples::enrolment(3)).await.is_some());
}

pub(crate) async fn destroying_ends_charges_that_are_on_their_way(desk: &impl Desk) {
    let records = desk.open();
    for number in 1..=20 {
        let enrolment = register(&records, number).await;
        let charge = records.charge(enrolment);
        let destroy = records.destroy(enrolment);
        // Asked for in this order, whatever becomes of the answer.
        let (_, destroyed) = tokio::join!(charge, destroy);
        destroyed.unwrap();
        assert!(matches!(records.charge(enrolment).await.unwrap(), Charge::Missing));
        assert!(!is_there(desk, number));
    }
}

pub(crate) async fn pages_are_used_again(desk: &impl Desk) {
    let records = desk.open();
    let mut length = 0;
    for number in 1..=100 {
        let enrolment = register(&records, number).await;
        assert_eq!(records.list().await.unwrap(), [enrolment]);
        records.destroy(enrolment).await.unwrap();
        if number == 1 {
            length = desk.bytes().len();
        }
    }
    assert_eq!(desk.bytes().len(), length);
}

pub(crate) async fn a_pending_record_replaces_the_current_one_when_it_was_proved(desk: &impl Desk) {
    let records = desk.open();
    let enrolment = register(&records, 1).await;
    assert!(matches!(records.charge_pending(enrolment).await.unwrap(), Charge::Missing));
    records.credit(enrolment, &verified_login(1)).await.unwrap();
    let (credential, record) = secrets(2);
    let marks = |records: Arc<dyn UnlockRecords>| async move { records.marks(enrolment).await.unwrap() };
    assert_eq!(marks(records.clone()).await, [record_mark(&secrets(1).0)]);
    records.put_pending(enrolment, credential.clone(), record).await.unwrap();
    assert_eq!(marks(records.clone()).await, [1, 2].map(|number| record_mark(&secrets(number).0)));
    drop(records);

    let records = desk.open();
    assert!(is_there(desk, 1) && is_there(desk, 2));
    let current = charged(&records, enrolment).await.unwrap();
    assert!(
        current.credential == secrets(1).0 && current.record == secrets(1).1,
        "the old one holds until then"
    );
    let Charge::Charged(pending) = records.charge_pending(enrolment).await.unwrap() else {
        panic!("charged")
    };
    assert!(pending.credential == credential && pending.record == secrets(2).1);
    assert_eq!(pending.attempts_left, LIMIT - 2, "both cost attempts of one count");
    let other = records.promote(enrolment, &verified_login(2), credential.clone()).await;
    assert!(matches!(other, Err(UnlockRecordsError::OtherEnrolment)));
    let stale = records.promote(enrolment, &verified_login(1), secrets(3).0).await;
    assert!(matches!(stale, Err(UnlockRecordsError::NothingPending)));
    records.promote(enrolment, &verified_login(1), credential.clone()).await.unwrap();
    assert!(!is_there(desk, 1) && is_there(desk, 2));
    let again = records.promote(enrolment, &verified_login(1), credential.clone()).await;
    assert!(matches!(again, Err(UnlockRecordsError::NothingPending)));
    assert_eq!(marks(records.clone()).await, [record_mark(&credential)]);
    assert!(records.marks(samples::enrolment(99)).await.unwrap().is_empty());
    drop(records);
    let current = charged(&desk.open(), enrolment).await.unwrap();
    assert!(current.credential == credential && current.attempts_left == LIMIT - 1);
}

pub(crate) async fn a_pending_record_that_is_dropped_or_replaced_is_gone(desk: &impl Desk) {
    let records = desk.open();
    let enrolment = register(&records, 1).await;
    records.credit(enrolment, &verified_login(1)).await.unwrap();
    records.drop_pending(enrolment).await.unwrap();
    for number in [2, 3] {
        let (credential, record) = secrets(number);
        records.put_pending(enrolment, credential, record).await.unwrap();
    }
    assert!(!is_there(desk, 2) && is_there(desk, 3));
    records.drop_pending(enrolment).await.unwrap();
    assert!(!is_there(desk, 3) && is_there(desk, 1));
    let late = records.promote(enrolment, &verified_login(1), secrets(3).0).await;
    assert!(matches!(late, Err(UnlockRecordsError::NothingPending)));

    let (credential, record) = secrets(4);
    records.put_pending(enrolment, credential, record).await.unwrap();
    records.destroy(enrolment).await.unwrap();
    assert!(!is_there(desk, 1) && !is_there(desk, 4), "a wipe takes both");
    let (credential, record) = secrets(5);
    let missing = records.put_pending(enrolment, credential, record).await;
    assert!(matches!(missing, Err(UnlockRecordsError::Missing)));
}

pub(crate) async fn a_reset_gives_all_attempts_back_over_a_restart(desk: &impl Desk) {
    let records = desk.open();
    let enrolment = register(&records, 1).await;
    for _ in 0..LIMIT {
        charged(&records, enrolment).await.unwrap();
    }
    records.reset(enrolment).await.unwrap();
    assert!(matches!(records.reset(samples::enrolment(9)).await, Err(UnlockRecordsError::Missing)));
    drop(records);
    let records = desk.open();
    assert_eq!(records.attempts(enrolment).await.unwrap().unwrap().left(), LIMIT);
    let charged = charged(&records, enrolment).await.unwrap();
    assert!(charged.credential == secrets(1).0);
}
