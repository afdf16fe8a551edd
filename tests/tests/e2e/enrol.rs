//! Enrolment as an attack: codes that enrol nobody, servers that are another's, and whoever stands between.

mod impostor;

use anyhow::Result;
use e2e::attacker::{Answer, Identity, RawDevice, RawEnrol, StolenHome};
use e2e::world::{LocalWorld, Person, Phone};
use jiff::SignedDuration;
use rand::rngs::OsRng;
use shared::activation_code::ActivationCode;
use shared::crypto::Secret;
use shared::wire::{EnrolDone, EnrolGrant, EnrolProof, EnrolStart, RefusalReason, UnlockGranted};
use tokio::task::JoinSet;

use crate::thief::{PIN, runtime};

fn world_with_people(count: usize) -> (LocalWorld, Vec<Person>) {
    let world = LocalWorld::new().unwrap();
    let people = world.hire("codes", count).unwrap();
    (world, people)
}

fn code(person: &Person) -> ActivationCode {
    ActivationCode::parse(&person.code).unwrap()
}

/// Enrols with a phone; it has to fail for this reason, and to leave no device at the server.
fn enrols_nobody(world: &LocalWorld, phone: &Phone, code: &str, why: RefusalReason) {
    let before = world.devices().unwrap().len();
    let said = phone.try_enrol(code, PIN).unwrap().expect_failure("phone enrol").unwrap();
    assert!(said.contains(&why.to_string()), "{why:?}: {said}");
    assert_eq!(world.devices().unwrap().len(), before);
}

#[test]
fn a_code_enrols_only_between_its_first_and_its_last_moment() {
    let (world, people) = world_with_people(3);
    let [early, late, timely] = people.as_slice() else { panic!("three people") };
    let phone = world.phone("phone");

    world.clock().advance(SignedDuration::from_hours(-1));
    enrols_nobody(&world, &phone, &early.code, RefusalReason::CodeNotYetValid);
    world.clock().advance(SignedDuration::from_hours(1));
    phone.enrol(&early.code, PIN).unwrap();

    world.clock().advance(SignedDuration::from_hours(14 * 24) - SignedDuration::from_mins(1));
    world.phone("timely").enrol(&timely.code, PIN).unwrap();
    world.clock().advance(SignedDuration::from_mins(2));
    enrols_nobody(&world, &world.phone("late"), &late.code, RefusalReason::CodeExpired);
}

#[test]
fn a_used_a_replaced_and_an_unknown_code_enrol_nobody() {
    let (world, people) = world_with_people(2);
    let [used, replaced] = people.as_slice() else { panic!("two people") };

    let first = world.phone("first");
    first.enrol(&used.code, PIN).unwrap();
    enrols_nobody(&world, &world.phone("second"), &used.code, RefusalReason::CodeBound);
    first.unlock(PIN).unwrap();
    enrols_nobody(&world, &world.phone("second"), &used.code, RefusalReason::CodeUsed);

    world.mdmctl(&["codes", "reissue", &replaced.account]).unwrap();
    enrols_nobody(&world, &world.phone("third"), &replaced.code, RefusalReason::CodeUsed);
    let codes = world.codes().unwrap();
    let again = codes.iter().find(|person| person.account == replaced.account).unwrap();
    world.phone("third").enrol(&again.code, PIN).unwrap();

    let nobodys = ActivationCode::make(&mut OsRng).to_text();
    enrols_nobody(&world, &world.phone("fourth"), &nobodys, RefusalReason::CodeUnknown);
}

/// Shows the lookup id of `shown` with a proof by `known`.
async fn try_proof(world: &LocalWorld, shown: &ActivationCode, known: &ActivationCode) -> Result<Answer> {
    let mut enrol = RawEnrol::connect(world.quic()).await?;
    let EnrolStart { proof, .. } = enrol.start_message(known);
    enrol.stream.ask(&EnrolStart { lookup: shown.lookup_id(), proof }).await
}

#[test]
fn the_eleventh_try_of_a_code_fails_though_it_is_right_and_the_tenth_does_not() {
    let (world, people) = world_with_people(3);
    let [dead, alive, other] = people.as_slice() else { panic!("three people") };
    let runtime = runtime().unwrap();
    let other = code(other);
    for (person, wrong) in [(dead, 10), (alive, 9)] {
        for _ in 0..wrong {
            let answer = runtime.block_on(try_proof(&world, &code(person), &other)).unwrap();
            assert_eq!(answer.refusal(), Some(RefusalReason::ProofFailed), "a valid code, but another's");
        }
    }
    enrols_nobody(&world, &world.phone("dead"), &dead.code, RefusalReason::CodeDead);
    world.phone("alive").enrol(&alive.code, PIN).unwrap();
}

#[test]
fn tries_that_come_at_once_are_counted_one_by_one() {
    let (world, people) = world_with_people(2);
    let (aimed_at, other) = (code(&people[0]), code(&people[1]));
    let (proven, dead) = runtime().unwrap().block_on(async {
        let mut tries = JoinSet::new();
        for _ in 0..40 {
            let (aimed_at, other, server) = (aimed_at.clone(), other.clone(), world.quic());
            tries.spawn(async move {
                let mut enrol = RawEnrol::connect(server).await.unwrap();
                let EnrolStart { proof, .. } = enrol.start_message(&other);
                enrol.stream.ask(&EnrolStart { lookup: aimed_at.lookup_id(), proof }).await.unwrap().refusal()
            });
        }
        let answers = tries.join_all().await;
        let count = |why| answers.iter().filter(|answer| **answer == Some(why)).count();
        (count(RefusalReason::ProofFailed), count(RefusalReason::CodeDead))
    });
    assert!((1..=10).contains(&proven), "{proven} tries were judged");
    assert_eq!(proven + dead, 40, "whoever was not judged was told that the code is dead");
    enrols_nobody(&world, &world.phone("late"), &people[0].code, RefusalReason::CodeDead);
}

#[test]
fn the_same_key_may_repeat_after_a_lost_answer_until_its_first_unlock_and_no_other_key_may() {
    let (world, people) = world_with_people(1);
    let code = code(&people[0]);
    let (identity, stranger) = (Identity::fresh().unwrap(), Identity::fresh().unwrap());
    let secret = Secret::make(&mut OsRng);
    let registers = async |identity: &Identity| -> Answer {
        let mut enrol = RawEnrol::connect(world.quic()).await.unwrap();
        enrol.start(&code).await.unwrap().message::<EnrolProof>().unwrap();
        enrol.register(identity).await.unwrap()
    };
    runtime().unwrap().block_on(async {
        let mut lost = RawEnrol::connect(world.quic()).await.unwrap();
        lost.start(&code).await.unwrap().message::<EnrolProof>().unwrap();
        let grant: EnrolGrant = lost.register(&identity).await.unwrap().message().unwrap();
        lost.upload_pin(PIN, &secret, &grant).await.unwrap();
        lost.drop_connection();

        assert_eq!(registers(&stranger).await.refusal(), Some(RefusalReason::CodeBound));
        let mut again = RawEnrol::connect(world.quic()).await.unwrap();
        let enrolled = again.enrol(&code, &identity, PIN, &secret).await.unwrap();
        assert_eq!(enrolled.grant.enrolment, grant.enrolment);
        assert_eq!(registers(&stranger).await.refusal(), Some(RefusalReason::CodeBound));

        let device = RawDevice::connect(world.quic(), Some(&identity)).await.unwrap();
        let unlocked = device.unlock(PIN, &secret, grant.enrolment).await.unwrap();
        unlocked.message::<UnlockGranted>().unwrap();
        let mut late = RawEnrol::connect(world.quic()).await.unwrap();
        assert_eq!(late.start(&code).await.unwrap().refusal(), Some(RefusalReason::CodeUsed));
    });
}

#[test]
fn a_key_that_is_not_proven_on_this_connection_is_not_registered() {
    let (world, people) = world_with_people(1);
    let code = code(&people[0]);
    let identity = Identity::fresh().unwrap();
    runtime().unwrap().block_on(async {
        let mut other = RawEnrol::connect(world.quic()).await.unwrap();
        let mut enrol = RawEnrol::connect(world.quic()).await.unwrap();
        enrol.start(&code).await.unwrap().message::<EnrolProof>().unwrap();
        let proven_elsewhere = other.register_message(&identity).unwrap();
        let answer = enrol.stream.ask(&proven_elsewhere).await.unwrap();
        assert_eq!(answer.refusal(), Some(RefusalReason::ProofFailed));

        // The control: on the connection that it was made for.
        other.start(&code).await.unwrap().message::<EnrolProof>().unwrap();
        other.stream.ask(&proven_elsewhere).await.unwrap().message::<EnrolGrant>().unwrap();
    });
}

#[test]
fn a_wipe_before_the_pin_is_registered_ends_the_enrolment() {
    let (world, people) = world_with_people(2);
    let begin = async |person: &Person| {
        let identity = Identity::fresh().unwrap();
        let mut enrol = RawEnrol::connect(world.quic()).await.unwrap();
        enrol.start(&code(person)).await.unwrap().message::<EnrolProof>().unwrap();
        let grant: EnrolGrant = enrol.register(&identity).await.unwrap().message().unwrap();
        (enrol, grant)
    };
    let runtime = runtime().unwrap();
    let secret = Secret::make(&mut OsRng);
    let (mut wiped, grant) = runtime.block_on(begin(&people[0]));
    let device = grant.enrolment.to_string();
    world.mdmctl(&["devices", "wipe", &device, "--reason", "enrolled by a stranger"]).unwrap();
    let refused = runtime.block_on(wiped.upload_pin(PIN, &secret, &grant)).err().unwrap();
    assert!(
        format!("{refused:#}").contains("the activation code was already used or replaced"),
        "{refused:#}"
    );
    assert_eq!(world.device(&device).unwrap()["state"], "wiped");
    let records = world.service().unwrap().unlock_records.clone();
    assert!(world.block_on(records.attempts(grant.enrolment)).unwrap().is_none(), "no record was kept");

    // The control: the same without a wipe.
    let (mut alive, grant) = runtime.block_on(begin(&people[1]));
    runtime.block_on(alive.upload_pin(PIN, &secret, &grant)).unwrap();
    runtime.block_on(alive.stream.answer()).message::<EnrolDone>().unwrap();
    assert!(world.block_on(records.attempts(grant.enrolment)).unwrap().is_some());
}

#[test]
fn a_second_device_is_refused_while_one_lives_and_a_wiped_key_enrols_never_again() {
    let (world, people) = world_with_people(1);
    let person = &people[0];
    let new_code = || {
        world.mdmctl(&["codes", "reissue", &person.account]).unwrap();
        world.codes().unwrap().into_iter().find(|other| other.account == person.account).unwrap()
    };
    let first = world.phone("first");
    first.enrol(&person.code, PIN).unwrap();
    first.unlock(PIN).unwrap();
    let stolen = StolenHome::new(first.copy("copied").unwrap().home(), PIN).identity().unwrap();
    enrols_nobody(&world, &world.phone("second"), &new_code().code, RefusalReason::DeviceLimit);

    let device = first.status().unwrap()["enrolment"].as_str().unwrap().to_owned();
    world.mdmctl(&["devices", "wipe", &device, "--reason", "replaced"]).unwrap();
    let fresh = new_code();
    let answer = runtime().unwrap().block_on(async {
        let mut enrol = RawEnrol::connect(world.quic()).await.unwrap();
        enrol.start(&code(&fresh)).await.unwrap().message::<EnrolProof>().unwrap();
        enrol.register(&stolen).await.unwrap()
    });
    assert_eq!(answer.refusal(), Some(RefusalReason::CodeBound), "the key of a wiped device");
    world.phone("second").enrol(&fresh.code, PIN).unwrap();
}
