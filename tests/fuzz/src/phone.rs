//! Files of the phone: somebody else may have written them, or a crash half of them.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use client_agent::DeviceState;
use client_core::clock::{BootTime, Moment};
use client_core::lease::OFFLINE_TRIES;
use jiff::Timestamp;
use rand::SeedableRng;
use rand::rngs::StdRng;
use shared::cose::MAX_LEN;
use shared::crypto::Secret;
use shared::ids::EnrolmentId;
use vault::intent::{self, StoredIntent};
use vault::raw::Part;
use vault::{DurableLease, Home, Slot, SlotError, SlotKind, VaultKey, erase, grant};

use crate::encodings::{read_as, settles_in_cbor};
use crate::wire::enrolment;

/// A home with one file of these bytes, and what `look` finds in it.
fn with_file(path: fn(&Home) -> PathBuf, bytes: &[u8], look: impl FnOnce(&Home)) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let home = Home::new(folder.path());
    write(&path(&home), bytes);
    look(&home);
}

fn write(path: &std::path::Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().expect("it lies under the home")).expect("a folder in a temporary one");
    fs::write(path, bytes).expect("a file in a temporary folder");
}

/// A key slot: it never opens with secrets of somebody else, and never costs more than its limits.
pub(crate) fn key_slot(bytes: &[u8]) {
    let Ok(slot) = Slot::parse(bytes) else { return };
    let again = Slot::parse(&slot.to_bytes()).expect("what was written reads");
    assert_eq!(again.header(), slot.header());
    assert_eq!(again.to_bytes(), slot.to_bytes());
    let secret = Secret::from_slice(&[1; 32]).expect("32 bytes");
    let export_key = Secret::from_slice(&[2; 64]).expect("64 bytes");
    let opened = slot.open_online(&export_key, &secret).err();
    match slot.header().kind {
        SlotKind::Online => {
            read_as("online slot");
            assert_eq!(opened, Some(SlotError::Closed));
            assert_eq!(slot.open_offline("000000", &secret, &secret).err(), Some(SlotError::WrongKind));
        }
        SlotKind::Offline => {
            read_as("offline slot");
            assert_eq!(opened, Some(SlotError::WrongKind));
        }
    }
    // Where the cost is refused, it is refused before it is paid; where it is not, nobody needs to pay it here.
    if slot.header().kind == SlotKind::Offline && slot.header().stretching.argon2().is_err() {
        assert_eq!(slot.open_offline("000000", &secret, &secret).err(), Some(SlotError::Stretching));
    }
}

fn moments() -> [Moment; 5] {
    let at = |second: i64, boot: u64| Moment {
        now: Timestamp::from_second(second).expect("a time of this century"),
        boot: BootTime::from_start(Duration::from_secs(boot)),
    };
    [
        at(0, 0),
        at(1_800_000_000, 0),
        at(1_800_000_000, 7_200),
        Moment { now: Timestamp::MAX, boot: BootTime::from_start(Duration::MAX) },
        Moment { now: Timestamp::MIN, boot: BootTime::from_start(Duration::ZERO) },
    ]
}

/// A durable lease as it was stored, resumed by any clock: it never gets longer, and never gives more tries.
pub(crate) fn durable_lease(bytes: &[u8]) {
    with_file(Home::lease, bytes, |home| {
        write(&home.lease_secret(), &[3; 32]);
        let Some(stored) = DurableLease::load(home).ok().flatten() else { return };
        settles_in_cbor(&stored.lease);
        for moment in moments() {
            for boot_id in [[0; 16], [9; 16]] {
                let Some(lease) = stored.lease.resume(moment, boot_id) else { continue };
                assert!(lease.runs(moment.boot), "a lease that goes on runs");
                assert!(lease.tries_left() <= OFFLINE_TRIES);
                let again = lease.to_stored(moment, boot_id).expect("a durable lease can be stored");
                let Some(again) = again.resume(moment, boot_id) else { continue };
                assert!(again.ends() <= lease.ends(), "storing a lease makes it longer");
                assert!(again.tries_left() <= lease.tries_left());
            }
        }
    });
}

/// What the device keeps of its enrolment.
pub(crate) fn device_state(bytes: &[u8]) {
    with_file(Home::state, bytes, |home| {
        let Ok(Some(state)) = DeviceState::load(home) else { return };
        settles_in_cbor(&state);
        assert_eq!(state.identity().enrolment, state.enrolment);
        // Any number of milliseconds may stand there: either it is a time, or none.
        let _ = state.last_contact();
    });
}

/// The file that makes an erase survive a crash: a command of no more than a command's length, or none.
pub(crate) fn wipe_intent(bytes: &[u8]) {
    with_file(Home::intent, bytes, |home| match intent::load(home) {
        Ok(StoredIntent::Absent) => panic!("the file is there"),
        Ok(StoredIntent::Empty) => assert!(bytes.iter().all(|byte| *byte == 0)),
        Ok(StoredIntent::Written(command)) => {
            read_as("command");
            assert!(command.len() <= MAX_LEN);
            assert!(bytes[4..].starts_with(&command), "what is verified is what stands there");
        }
        Ok(StoredIntent::Damaged) => assert!(bytes.iter().any(|byte| *byte != 0)),
        Err(_) => assert!(bytes.len() > intent::INTENT_LEN),
    });
}

/// What stays after an acknowledged erase.
pub(crate) fn gone(bytes: &[u8]) {
    with_file(Home::gone, bytes, |home| {
        let Some(command) = erase::acked(home) else { return };
        read_as("acknowledged command");
        erase::store_acked(home, command).expect("a file in a temporary folder");
        assert_eq!(erase::acked(home), Some(command));
    });
}

/// The vault key that grants of the corpus are sealed with.
pub(crate) fn granted() -> VaultKey {
    VaultKey::make(&mut StdRng::seed_from_u64(1))
}

/// The key of the session grant at rest: it never opens under a key of somebody else, nor for another enrolment.
pub(crate) fn grant_slot(bytes: &[u8]) {
    with_file(Home::grant, bytes, |home| {
        if matches!(grant::load(home, &granted(), enrolment()), Ok(Some(_))) {
            read_as("session grant");
        }
        let another = VaultKey::make(&mut StdRng::seed_from_u64(2));
        for (key, of) in [(another, enrolment()), (granted(), EnrolmentId::from_bytes([8; 16]))] {
            assert!(!matches!(grant::load(home, &key, of), Ok(Some(_))), "nobody sealed it");
        }
    });
}

/// What stands in the vault, as its decoders get it; the first byte says which. What is read and written is read as the same again.
pub(crate) fn vault_bytes(bytes: &[u8]) {
    let Some((number, rest)) = bytes.split_first() else { return };
    let part = Part::ALL[usize::from(*number) % Part::ALL.len()];
    let Some(written) = part.rewritten(rest) else { return };
    read_as(part.name());
    assert_eq!(part.rewritten(&written).as_ref(), Some(&written), "{part:?}");
    // What has one way to be written is read in no other.
    if matches!(part, Part::Header | Part::Seals | Part::Mark | Part::Record) {
        assert_eq!(written, rest, "{part:?}");
    }
}
