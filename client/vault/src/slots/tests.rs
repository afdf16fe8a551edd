//! What each secret of a slot is worth alone, and that a changed header opens nothing.

use super::*;
use jiff::Timestamp;
use rand::SeedableRng;
use rand::rngs::StdRng;

struct Secrets {
    enrolment: EnrolmentId,
    export_key: ExportKey,
    device: Secret<32>,
    lease: Secret<32>,
    vault_key: VaultKey,
    rng: StdRng,
}

fn secrets() -> Secrets {
    let mut rng = StdRng::seed_from_u64(1);
    let enrolment = EnrolmentId::make(Timestamp::UNIX_EPOCH, &mut rng);
    let (export_key, device, lease) =
        (Secret::make(&mut rng), Secret::make(&mut rng), Secret::make(&mut rng));
    Secrets { enrolment, export_key, device, lease, vault_key: VaultKey::make(&mut rng), rng }
}

const COST: Stretching = Stretching { memory_kib: 19 * 1024, iterations: 2, parallelism: 1 };
const PIN: &str = "482915";

impl Secrets {
    fn online(&mut self) -> Slot {
        let (key, rng) = (&self.vault_key, &mut self.rng);
        Slot::seal_online(key, self.enrolment, COST, &self.export_key, &self.device, rng)
    }

    fn offline(&mut self) -> Slot {
        let (key, rng) = (&self.vault_key, &mut self.rng);
        Slot::seal_offline(key, self.enrolment, COST, PIN, &self.device, &self.lease, rng).unwrap()
    }

    fn is_vault_key(&self, opened: Result<VaultKey, SlotError>) -> bool {
        opened.is_ok_and(|key| key.0 == self.vault_key.0)
    }
}

#[test]
fn the_online_slot_opens_with_both_secrets_only() {
    let mut s = secrets();
    let slot = Slot::parse(&s.online().to_bytes()).unwrap();
    assert!(s.is_vault_key(slot.open_online(&s.export_key, &s.device)));
    let (other_export, other_device) = (Secret::make(&mut s.rng), Secret::make(&mut s.rng));
    assert_eq!(slot.open_online(&other_export, &s.device).err(), Some(SlotError::Closed));
    assert_eq!(slot.open_online(&s.export_key, &other_device).err(), Some(SlotError::Closed));
    assert_eq!(slot.open_offline(PIN, &s.device, &s.lease).err(), Some(SlotError::WrongKind));
}

#[test]
fn the_offline_slot_opens_with_pin_and_both_secrets_only() {
    let mut s = secrets();
    let slot = Slot::parse(&s.offline().to_bytes()).unwrap();
    assert!(s.is_vault_key(slot.open_offline(PIN, &s.device, &s.lease)));
    let other = Secret::make(&mut s.rng);
    assert_eq!(slot.open_offline("482916", &s.device, &s.lease).err(), Some(SlotError::Closed));
    assert_eq!(slot.open_offline(PIN, &other, &s.lease).err(), Some(SlotError::Closed));
    assert_eq!(slot.open_offline(PIN, &s.device, &other).err(), Some(SlotError::Closed));
}

#[test]
fn no_byte_of_a_slot_can_be_changed() {
    let mut s = secrets();
    let bytes = s.online().to_bytes();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        let opened = Slot::parse(&changed).and_then(|slot| slot.open_online(&s.export_key, &s.device));
        assert!(opened.is_err(), "byte {at}");
    }
}

#[test]
fn a_slot_under_the_header_of_another_kind_or_cost_opens_nothing() {
    let mut s = secrets();
    let slot = s.online();
    let changes: [fn(&mut SlotHeader); 3] = [
        |header| header.kind = SlotKind::Offline,
        |header| header.stretching.iterations = 3,
        |header| header.salt = [1; 16],
    ];
    for change in changes {
        let mut changed = slot.clone();
        change(&mut changed.header);
        changed.header_bytes.clear();
        ciborium::into_writer(&changed.header, &mut changed.header_bytes).unwrap();
        let key = online_key(&changed.header, &s.export_key, &s.device);
        assert_eq!(changed.open(&key).err(), Some(SlotError::Closed));
    }
}

#[test]
fn a_header_below_the_floor_is_refused_before_it_costs_anything() {
    let mut s = secrets();
    let mut slot = s.offline();
    slot.header.stretching.memory_kib = 8;
    assert_eq!(slot.open_offline(PIN, &s.device, &s.lease).err(), Some(SlotError::Stretching));
    slot.header.stretching.memory_kib = u32::MAX;
    assert_eq!(slot.open_offline(PIN, &s.device, &s.lease).err(), Some(SlotError::Stretching));
}

#[test]
fn a_damaged_slot_file_is_named_and_a_missing_one_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::new(folder.path());
    assert!(Slot::load(&home, SlotKind::Online).unwrap().is_none());
    files::create_dir(&home.slots_dir()).unwrap();
    std::fs::write(home.online_slot(), b"smoke").unwrap();
    assert!(matches!(Slot::load(&home, SlotKind::Online), Err(LoadSlotError::Slot(SlotError::Malformed))));
    std::fs::write(home.online_slot(), vec![0; 1 << 20]).unwrap();
    assert!(matches!(Slot::load(&home, SlotKind::Online), Err(LoadSlotError::File(_))));
    let mut s = secrets();
    s.online().store(&home).unwrap();
    assert!(s.is_vault_key(
        Slot::load(&home, SlotKind::Online).unwrap().unwrap().open_online(&s.export_key, &s.device)
    ));
}
