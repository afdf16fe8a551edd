//! Servers with another key, and a middleman: what they hear, and whom they can make enrol.

use std::net::SocketAddr;
use std::path::Path;

use e2e::attacker::{Belief, Impostor, Middleman, RawEnrol, Relay};
use e2e::world::{Finished, LocalWorld, Person, Phone};
use shared::wire::{EnrolStart, Kind, RefusalReason};
use tokio::runtime::Runtime;

use super::{code, world_with_people};
use crate::thief::{PIN, left_in, runtime};

/// SHA-256 of the server's key in hex: what the QR code adds.
fn pin_of(world: &LocalWorld) -> String {
    let keys = world.service().unwrap().keyring.server_keys().unwrap();
    data_encoding::HEXLOWER.encode(&*keys.pins[0])
}

fn enrol_at(phone: &Phone, server: SocketAddr, person: &Person, pin: Option<&str>) -> Finished {
    let server = server.to_string();
    let mut arguments = vec!["enrol", "--code", &person.code, "--server", &server, "--pin", PIN];
    arguments.extend(pin.into_iter().flat_map(|pin| ["--pins", pin]));
    phone.call(&arguments).unwrap()
}

fn impostor(runtime: &Runtime, belief: Belief) -> Impostor {
    let _entered = runtime.enter();
    Impostor::start(belief).unwrap()
}

fn is_untouched(home: &Path) -> bool {
    left_in(home).unwrap().is_empty()
}

#[test]
fn a_server_that_does_not_know_the_typed_code_enrols_nobody() {
    let (world, people) = world_with_people(1);
    let runtime = runtime().unwrap();
    let phone = world.phone("typed");
    for belief in [Belief::Guessing, Belief::Echoing, Belief::Skipping] {
        let impostor = impostor(&runtime, belief);
        enrol_at(&phone, impostor.address(), &people[0], None).expect_failure("enrolling").unwrap();
        let heard = impostor.heard();
        assert_eq!(heard.kinds, [Kind::EnrolStart], "nothing is said after the first message");
        assert_eq!(heard.enrolled, 0);
        assert!(is_untouched(phone.home()), "nor is anything kept");
    }
    // The control: the same impostor, if it knows the code, which only the true server does, does enrol the phone.
    let knowing = impostor(&runtime, Belief::Knowing(code(&people[0])));
    let control = world.phone("control");
    enrol_at(&control, knowing.address(), &people[0], None).expect_success("the control").unwrap();
    assert_eq!(knowing.heard().enrolled, 1);

    phone.enrol(&people[0].code, PIN).unwrap();
    phone.unlock(PIN).unwrap();
}

#[test]
fn a_server_with_another_key_than_the_scanned_one_hears_nothing_at_all() {
    let (world, people) = world_with_people(1);
    let runtime = runtime().unwrap();
    let phone = world.phone("scanned");
    let pin = pin_of(&world);
    // Not even one that knows the code.
    for belief in [Belief::Guessing, Belief::Knowing(code(&people[0]))] {
        let impostor = impostor(&runtime, belief);
        let said = enrol_at(&phone, impostor.address(), &people[0], Some(&pin));
        let said = said.expect_failure("enrolling").unwrap();
        assert!(said.contains("does not have the key"), "{said}");
        assert!(impostor.heard().kinds.is_empty());
        assert!(is_untouched(phone.home()));
    }
    enrol_at(&phone, world.quic(), &people[0], Some(&pin)).expect_success("the true server").unwrap();
    phone.unlock(PIN).unwrap();
}

#[test]
fn a_middleman_cannot_let_a_phone_enrol_nor_use_what_it_has_heard() {
    let (world, people) = world_with_people(1);
    let runtime = runtime().unwrap();
    let phone = world.phone("between");
    let middleman = {
        let _entered = runtime.enter();
        Middleman::start(world.quic()).unwrap()
    };
    let said = enrol_at(&phone, middleman.address(), &people[0], None).expect_failure("enrolling").unwrap();
    assert!(said.contains(&RefusalReason::ProofFailed.to_string()), "{said}");
    assert!(is_untouched(phone.home()));
    assert!(world.devices().unwrap().is_empty());

    let overheard = middleman.overheard();
    let kinds = |frames: &[shared::wire::Frame]| frames.iter().map(|frame| frame.kind()).collect::<Vec<_>>();
    assert_eq!(kinds(&overheard.from_client), [Kind::EnrolStart]);
    assert_eq!(kinds(&overheard.from_server), [Kind::Refused]);
    let start: EnrolStart = overheard.from_client[0].decode().unwrap();
    let replayed = runtime
        .block_on(async { RawEnrol::connect(world.quic()).await.unwrap().stream.ask(&start).await.unwrap() });
    assert_eq!(replayed.refusal(), Some(RefusalReason::ProofFailed));

    // The control: a relay of packets, which is between the two as well, and reads nothing.
    let relay = runtime.block_on(Relay::start(world.quic())).unwrap();
    enrol_at(&phone, relay.address(), &people[0], None).expect_success("through the relay").unwrap();
    phone.unlock(PIN).unwrap();
}
