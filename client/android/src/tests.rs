//! The rules over a Keystore that this machine can have: as Android's, it gives no key out and signs in DER.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use client_agent::{DeviceKey as _, KeyError, SecretStore as _};
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use shared::wire::KeyLevel;
use zeroize::Zeroizing;

use crate::{
    Act, Fault, Kept, Keystore, KeystoreDeviceKey, KeystoreSecret, Life, Moment, NetworkWatch, Place,
    platform,
};

/// What comes before the point in a SubjectPublicKeyInfo of P-256 (RFC 5480).
const SPKI_HEAD: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

enum Key {
    Signing(Box<EcdsaKeyPair>),
    Mac(hmac::Key),
}

/// A device's Keystore.
#[derive(Default)]
struct Device {
    has_strongbox: bool,
    /// StrongBox may know one kind of key and refuse the other.
    no_mac_in_strongbox: bool,
    is_software: bool,
    is_out_of_order: bool,
    keys: Mutex<BTreeMap<&'static str, (Place, Key)>>,
}

impl Device {
    fn with<T>(&self, kept: Kept, use_it: impl FnOnce(&(Place, Key)) -> T) -> Result<T, Fault> {
        let keys = self.keys.lock().unwrap();
        keys.get(kept.alias()).map(use_it).ok_or_else(|| Fault::Refused("no such key".into()))
    }

    fn count(&self) -> usize {
        self.keys.lock().unwrap().len()
    }
}

impl Keystore for Device {
    fn has(&self, kept: Kept) -> Result<bool, Fault> {
        if self.is_out_of_order {
            return Err(Fault::Refused("android.security.KeyStoreException".into()));
        }
        Ok(self.keys.lock().unwrap().contains_key(kept.alias()))
    }

    fn make(&self, kept: Kept, place: Place) -> Result<(), Fault> {
        let refused = !self.has_strongbox || (kept == Kept::Mac && self.no_mac_in_strongbox);
        if place == Place::StrongBox && refused {
            return Err(Fault::NoSuchPlace);
        }
        let random = SystemRandom::new();
        let key = match kept {
            Kept::Signing => {
                let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
                let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
                Key::Signing(Box::new(EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap()))
            }
            Kept::Mac => Key::Mac(hmac::Key::generate(hmac::HMAC_SHA256, &random).unwrap()),
        };
        self.keys.lock().unwrap().insert(kept.alias(), (place, key));
        Ok(())
    }

    fn level(&self, kept: Kept) -> Result<KeyLevel, Fault> {
        self.with(kept, |(place, _)| match place {
            Place::StrongBox => KeyLevel::Strongbox,
            Place::Default if self.is_software => KeyLevel::Software,
            Place::Default => KeyLevel::Tee,
        })
    }

    fn public_key(&self) -> Result<Vec<u8>, Fault> {
        self.with(Kept::Signing, |(_, key)| match key {
            Key::Signing(pair) => [&SPKI_HEAD, pair.public_key().as_ref()].concat(),
            Key::Mac(_) => panic!("another kind of key"),
        })
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Fault> {
        self.with(Kept::Signing, |(_, key)| match key {
            Key::Signing(pair) => pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec(),
            Key::Mac(_) => panic!("another kind of key"),
        })
    }

    fn mac(&self, message: &[u8]) -> Result<Zeroizing<Vec<u8>>, Fault> {
        self.with(Kept::Mac, |(_, key)| match key {
            Key::Mac(key) => Zeroizing::new(hmac::sign(key, message).as_ref().to_vec()),
            Key::Signing(_) => panic!("another kind of key"),
        })
    }

    fn delete(&self, kept: Kept) -> Result<(), Fault> {
        self.keys.lock().unwrap().remove(kept.alias());
        Ok(())
    }
}

fn keys(device: Device) -> (Arc<Device>, KeystoreDeviceKey, KeystoreSecret) {
    let device = Arc::new(device);
    let keystore: Arc<dyn Keystore> = Arc::clone(&device) as _;
    (device, KeystoreDeviceKey::new(Arc::clone(&keystore)), KeystoreSecret::new(keystore))
}

#[test]
fn what_the_keystore_signs_in_der_verifies_as_the_fixed_form_that_servers_read() {
    let (_, key, _) = keys(Device::default());
    let signer = key.load_or_make().unwrap();
    // Numbers with a high first bit and with leading zeros are written differently in DER: both come up in so many.
    for number in 0..600_u32 {
        let message = number.to_be_bytes();
        let signature = signer.sign(&message).unwrap();
        assert!(signer.public_key().verify(&message, &signature), "{number}");
        assert!(!signer.public_key().verify(b"another", &signature), "{number}");
    }
}

#[test]
fn keys_stay_the_same_until_they_are_destroyed_and_then_there_are_none() {
    let (device, key, secret) = keys(Device::default());
    assert!(key.load().unwrap().is_none() && secret.load().unwrap().is_none());
    let (public, bytes) = (key.load_or_make().unwrap().public_key().clone(), secret.load_or_make().unwrap());
    assert_eq!(key.load_or_make().unwrap().public_key(), &public);
    assert_eq!(secret.load().unwrap().unwrap().expose(), bytes.expose());

    key.destroy().unwrap();
    secret.destroy().unwrap();
    assert!(key.load().unwrap().is_none() && secret.load().unwrap().is_none());
    assert_eq!(device.count(), 0);
    // None is no error.
    key.destroy().unwrap();
    secret.destroy().unwrap();
    assert_ne!(key.load_or_make().unwrap().public_key(), &public);
    assert_ne!(secret.load_or_make().unwrap().expose(), bytes.expose());
}

#[test]
fn a_signer_whose_key_was_destroyed_signs_no_more() {
    let (_, key, _) = keys(Device::default());
    let signer = key.load_or_make().unwrap();
    signer.sign(b"before").unwrap();
    key.destroy().unwrap();
    assert!(signer.sign(b"after").is_err());
}

#[test]
fn the_level_is_that_of_the_worse_key_and_asking_for_it_leaves_no_key() {
    let cases = [
        (Device { has_strongbox: true, ..Device::default() }, KeyLevel::Strongbox),
        (Device { has_strongbox: true, no_mac_in_strongbox: true, ..Device::default() }, KeyLevel::Tee),
        (Device::default(), KeyLevel::Tee),
        (Device { is_software: true, ..Device::default() }, KeyLevel::Software),
    ];
    for (device, expected) in cases {
        let device = Arc::new(device);
        let platform = platform(Arc::clone(&device) as _, "Model", "Android 15", "0.1.0").unwrap();
        assert_eq!(platform.description.key_level, expected);
        assert_eq!(device.count(), 0, "{expected:?}");
    }
}

#[test]
fn the_level_of_keys_that_are_there_is_asked_and_they_stay() {
    let (device, key, secret) = keys(Device { has_strongbox: true, ..Device::default() });
    let public = key.load_or_make().unwrap().public_key().clone();
    let bytes = secret.load_or_make().unwrap();
    let platform = platform(device as _, "Model", "Android 15", "0.1.0").unwrap();
    assert_eq!(platform.description.key_level, KeyLevel::Strongbox);
    assert_eq!(key.load().unwrap().unwrap().public_key(), &public);
    assert_eq!(secret.load().unwrap().unwrap().expose(), bytes.expose());
}

#[test]
fn a_keystore_out_of_order_is_said_and_no_key_is_taken_for_absent() {
    let (device, key, secret) = keys(Device { is_out_of_order: true, ..Device::default() });
    assert!(matches!(key.load(), Err(KeyError::Unavailable("the device key", _))));
    assert!(matches!(secret.load_or_make(), Err(KeyError::Unavailable("the device secret", _))));
    assert!(platform(device as _, "Model", "Android 15", "0.1.0").is_err());
}

#[test]
fn the_app_locks_once_it_cannot_be_seen_and_not_under_a_question_of_the_system() {
    let mut life = Life::default();
    let acts = [Moment::Start, Moment::Resume, Moment::Pause, Moment::Resume].map(|moment| life.at(moment));
    assert_eq!(acts, [Act::Look, Act::Nothing, Act::Nothing, Act::Nothing]);
    let acts = [Moment::Pause, Moment::Stop, Moment::Stop].map(|moment| life.at(moment));
    assert_eq!(acts, [Act::Nothing, Act::Lock, Act::Nothing]);
    assert_eq!(life.at(Moment::Start), Act::Look);
    // A system short of memory may leave the stop out.
    let acts = [Moment::Destroy, Moment::Destroy, Moment::Start].map(|moment| life.at(moment));
    assert_eq!(acts, [Act::End, Act::Nothing, Act::Nothing]);
}

#[test]
fn another_network_is_worth_a_try_and_the_same_or_none_is_not() {
    let mut watch = NetworkWatch::default();
    let seen = [None, Some(100), Some(100), None, Some(100), Some(101), Some(100)];
    let worth = seen.map(|network| watch.seen(network));
    assert_eq!(worth, [false, true, false, false, false, true, true]);
}
