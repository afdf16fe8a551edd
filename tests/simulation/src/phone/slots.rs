//! Key slots as `vault::slots` makes them: the same derivations, without the file format. Argon2id is as cheap as it goes:
//! nothing here has to withstand guessing.

use argon2::{Algorithm, Argon2, Params, Version};
use rand::{CryptoRng, RngCore};
use shared::crypto::{Purpose, SealingKey, Secret};
use shared::ids::EnrolmentId;
use shared::opaque::ExportKey;

use crate::disk::{Content, Disk, Name};

/// Encrypts everything in the vault.
pub(crate) type VaultKey = Secret<32>;

/// Argon2id at the lowest cost that it has.
pub(crate) fn cheap() -> Argon2<'static> {
    let params = Params::new(Params::MIN_M_COST, 1, 1, None).expect("the lowest cost is a cost");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

fn online_key(enrolment: EnrolmentId, export_key: &ExportKey, device_secret: &Secret<32>) -> SealingKey {
    Purpose::OnlineSlot
        .derive_sealing_key(&[export_key.expose(), device_secret.expose()], enrolment.as_bytes())
}

fn offline_key(
    enrolment: EnrolmentId,
    pin: &str,
    device_secret: &Secret<32>,
    lease_secret: &Secret<32>,
) -> SealingKey {
    let mut stretched = [0; 32];
    cheap()
        .hash_password_into(pin.as_bytes(), enrolment.as_bytes(), &mut stretched)
        .expect("sixteen bytes are a salt");
    let ikm: [&[u8]; 3] = [&stretched, device_secret.expose(), lease_secret.expose()];
    Purpose::OfflineSlot.derive_sealing_key(&ikm, enrolment.as_bytes())
}

pub(crate) fn seal_online(
    key: &VaultKey,
    enrolment: EnrolmentId,
    export_key: &ExportKey,
    device_secret: &Secret<32>,
    rng: &mut (impl RngCore + CryptoRng),
) -> Content {
    Content::bytes(online_key(enrolment, export_key, device_secret).seal(
        enrolment.as_bytes(),
        key.expose(),
        rng,
    ))
}

pub(crate) fn open_online(
    slot: &Content,
    enrolment: EnrolmentId,
    export_key: &ExportKey,
    device_secret: &Secret<32>,
) -> Option<VaultKey> {
    open(slot, enrolment, &online_key(enrolment, export_key, device_secret))
}

pub(crate) fn seal_offline(
    key: &VaultKey,
    enrolment: EnrolmentId,
    pin: &str,
    device_secret: &Secret<32>,
    lease_secret: &Secret<32>,
    rng: &mut (impl RngCore + CryptoRng),
) -> Content {
    let sealing = offline_key(enrolment, pin, device_secret, lease_secret);
    Content::bytes(sealing.seal(enrolment.as_bytes(), key.expose(), rng))
}

pub(crate) fn open_offline(
    slot: &Content,
    enrolment: EnrolmentId,
    pin: &str,
    device_secret: &Secret<32>,
    lease_secret: &Secret<32>,
) -> Option<VaultKey> {
    open(slot, enrolment, &offline_key(enrolment, pin, device_secret, lease_secret))
}

fn open(slot: &Content, enrolment: EnrolmentId, key: &SealingKey) -> Option<VaultKey> {
    let opened = key.open(enrolment.as_bytes(), slot.as_bytes()?).ok()?;
    Secret::from_slice(&opened)
}

pub(crate) fn secret(content: &Content) -> Option<Secret<32>> {
    Secret::from_slice(content.as_bytes()?)
}

/// What a thief tries who has the disk and the PIN, and nothing of the process.
pub(crate) fn open_offline_from_disk(disk: &Disk, pin: &str) -> bool {
    let read = |name| disk.durable(name).or_else(|| disk.read(name));
    let (Some(slot), Some(lease), Some(device)) =
        (read(Name::OfflineSlot), read(Name::LeaseSecret), read(Name::DeviceSecret))
    else {
        return false;
    };
    let Some(Content::State(state)) = read(Name::State) else { return false };
    let (Some(lease), Some(device)) = (secret(&lease), secret(&device)) else { return false };
    open_offline(&slot, state.enrolment, pin, &device, &lease).is_some()
}
