//! What an update may and may not do, whoever signs it.

use jiff::Timestamp;
use proptest::prelude::*;
use shared::cose::{Signer, SoftwareKey, sign};
use shared::signed::{PinOrder, SigningKeys};

use super::*;

fn key() -> SoftwareKey {
    SoftwareKey::from_pkcs8(&SoftwareKey::make_pkcs8().unwrap()).unwrap()
}

struct Server {
    command: SoftwareKey,
    recovery: SoftwareKey,
    other: SoftwareKey,
}

impl Server {
    fn new() -> Self {
        Self { command: key(), recovery: key(), other: key() }
    }

    fn known(&self, order: PinOrder) -> ServerKeys {
        ServerKeys {
            pins: vec![[1; 32].into(), [2; 32].into()],
            command: self.command.public_key().clone(),
            lease: self.command.public_key().clone(),
            checkpoint: self.command.public_key().clone(),
            recovery: self.recovery.public_key().clone(),
            order,
        }
    }

    fn id(&self) -> [u8; 32] {
        self.known(PinOrder::default()).server_id()
    }
}

fn at(epoch: u64, counter: u64) -> PinOrder {
    PinOrder { epoch, counter }
}

fn update(order: PinOrder) -> PinUpdate {
    PinUpdate {
        order,
        issued_at: Timestamp::UNIX_EPOCH,
        pins: vec![[2; 32].into(), [3; 32].into()],
        keys: None,
    }
}

fn signing(key: &SoftwareKey) -> SigningKeys {
    let public = key.public_key();
    SigningKeys { command: public.clone(), lease: public.clone(), checkpoint: public.clone() }
}

#[test]
fn the_command_key_replaces_the_pins_and_nothing_else() {
    let server = Server::new();
    let known = server.known(at(4, 7));
    let signed = sign(&update(at(4, 8)), &server.id(), &server.command).unwrap();
    let now = replaced(&known, &signed).unwrap();
    let expected = ServerKeys { pins: update(at(4, 8)).pins, order: at(4, 8), ..known.clone() };
    assert_eq!(now, expected);
    assert_eq!(replaced(&now, &signed), Err(PinUpdateError::NotNewer), "it is taken once");

    let greedy = PinUpdate { keys: Some(signing(&server.other)), ..update(at(4, 8)) };
    let signed = sign(&greedy, &server.id(), &server.command).unwrap();
    assert_eq!(replaced(&known, &signed), Err(PinUpdateError::NotByThisKey));
}

#[test]
fn the_recovery_key_replaces_what_signs_and_stays_what_it_is() {
    let server = Server::new();
    let known = server.known(at(4, u64::MAX));
    let recovery = PinUpdate { keys: Some(signing(&server.other)), ..update(at(5, 0)) };
    let signed = sign(&recovery, &server.id(), &server.recovery).unwrap();
    let now = replaced(&known, &signed).unwrap();
    assert_eq!(now.command, *server.other.public_key());
    assert_eq!(now.recovery, known.recovery);

    let stolen = sign(&update(at(5, 1)), &server.id(), &server.command).unwrap();
    assert_eq!(replaced(&now, &stolen), Err(PinUpdateError::Verify(VerifyError::WrongKey)));
    let next = sign(&update(at(5, 1)), &server.id(), &server.other).unwrap();
    assert!(replaced(&now, &next).is_ok());
}

#[test]
fn a_stolen_command_key_gets_ahead_of_no_recovery() {
    let server = Server::new();
    let known = server.known(at(4, 7));
    for order in [at(5, 0), at(u64::MAX, u64::MAX), at(3, 9)] {
        let signed = sign(&update(order), &server.id(), &server.command).unwrap();
        assert_eq!(replaced(&known, &signed), Err(PinUpdateError::NotNewer), "{order:?}");
    }
    let far = sign(&update(at(4, u64::MAX)), &server.id(), &server.command).unwrap();
    let far = replaced(&known, &far).unwrap();
    let recovery = sign(&update(at(5, 0)), &server.id(), &server.recovery).unwrap();
    assert!(replaced(&far, &recovery).is_ok());
}

#[test]
fn updates_of_others_for_others_or_of_no_use_are_refused() {
    let server = Server::new();
    let known = server.known(at(4, 7));
    let refused = |update: &PinUpdate, bound_to: &[u8], key: &SoftwareKey| {
        replaced(&known, &sign(update, bound_to, key).unwrap()).unwrap_err()
    };
    let good = update(at(4, 8));
    let id = server.id();
    let by_other = PinUpdateError::Verify(VerifyError::WrongKey);
    assert_eq!(refused(&good, &id, &server.other), by_other);
    let for_another = PinUpdateError::Verify(VerifyError::BadSignature);
    assert_eq!(refused(&good, &[7; 32], &server.command), for_another);
    assert_eq!(refused(&update(at(5, 0)), &[7; 32], &server.recovery), for_another);
    let set = |pins| PinUpdate { pins, ..good.clone() };
    assert_eq!(refused(&set(Vec::new()), &id, &server.command), PinUpdateError::Size);
    assert_eq!(refused(&set(vec![[1; 32].into(); MAX_PINS + 1]), &id, &server.command), PinUpdateError::Size);
    assert_eq!(refused(&update(at(4, 7)), &id, &server.command), PinUpdateError::NotNewer);
    assert_eq!(refused(&update(at(4, 99)), &id, &server.recovery), PinUpdateError::NotNewer);
    // The control: the same without what is wrong with each.
    assert!(replaced(&known, &sign(&good, &id, &server.command).unwrap()).is_ok());
}

proptest! {
    /// Whatever comes in whatever order, what a device has only rises, and its pins are never empty.
    #[test]
    fn nothing_brings_an_older_set_back(orders in proptest::collection::vec((0..4_u64, 0..4_u64, any::<bool>()), 0..12)) {
        let server = Server::new();
        let mut known = server.known(PinOrder::default());
        for (epoch, counter, by_recovery) in orders {
            let signer = if by_recovery { &server.recovery } else { &server.command };
            let signed = sign(&update(at(epoch, counter)), &server.id(), signer).unwrap();
            if let Ok(next) = replaced(&known, &signed) {
                prop_assert!(next.order > known.order);
                prop_assert!(by_recovery || next.order.epoch == known.order.epoch);
                known = next;
            }
            prop_assert!(!known.pins.is_empty());
        }
    }
}
