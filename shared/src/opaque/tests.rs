//! Registration and login between both halves, and what each secret is worth alone.

use super::*;
use jiff::Timestamp;
use rand::SeedableRng;
use rand::rngs::StdRng;

struct Registered {
    setup: ServerSetup,
    credential: CredentialId,
    record: Record,
    enrolment: EnrolmentId,
    device_secret: Secret<32>,
    export_key: ExportKey,
    grant_keys: Vec<GrantKey>,
    rng: StdRng,
}

fn register(pin: &str) -> Registered {
    let mut rng = StdRng::seed_from_u64(7);
    let setup = ServerSetup::make(&mut rng);
    let credential = Secret::make(&mut rng);
    let enrolment = EnrolmentId::make(Timestamp::UNIX_EPOCH, &mut rng);
    let device_secret = Secret::make(&mut rng);
    let input = client_input(pin, &device_secret, enrolment);
    let (client, request) = RegistrationStart::make(input, &mut rng).unwrap();
    let response = setup.registration_response(&request, &credential).unwrap();
    let (upload, export_key) = client.finish(&response, enrolment, Stretching::default(), &mut rng).unwrap();
    let record = record_from_upload(&upload).unwrap();
    Registered {
        setup,
        credential,
        record,
        enrolment,
        device_secret,
        export_key,
        grant_keys: Vec::new(),
        rng,
    }
}

impl Registered {
    fn log_in(&mut self, pin: &str, device_secret: &Secret<32>) -> Result<ExportKey, OpaqueError> {
        let input = client_input(pin, device_secret, self.enrolment);
        let (client, ke1) = LoginStart::make(input, &mut self.rng)?;
        let (pending, ke2) =
            self.setup.login(&self.record, &self.credential, self.enrolment, &ke1, &mut self.rng)?;
        let finished = client.finish(&ke2, self.enrolment, Stretching::default(), &mut self.rng)?;
        let verified = pending.finish(&finished.ke3)?;
        assert_eq!(verified.enrolment(), self.enrolment);
        assert_eq!(verified.grant_key().expose(), finished.grant_key.expose(), "both ends have one key");
        self.grant_keys.push(finished.grant_key);
        Ok(finished.export_key)
    }
}

#[test]
fn the_same_pin_and_phone_give_the_same_export_key() {
    let mut registered = register("482915");
    let secret = registered.device_secret.clone();
    assert!(registered.log_in("482915", &secret).unwrap() == registered.export_key);
}

#[test]
fn each_login_gives_another_grant_key() {
    let mut registered = register("482915");
    let secret = registered.device_secret.clone();
    registered.log_in("482915", &secret).unwrap();
    registered.log_in("482915", &secret).unwrap();
    let [first, second] = registered.grant_keys.as_slice() else { panic!("two logins") };
    assert_ne!(first.expose(), second.expose());
}

#[test]
fn a_wrong_pin_or_another_phone_does_not_log_in() {
    let mut registered = register("482915");
    let secret = registered.device_secret.clone();
    assert_eq!(registered.log_in("482916", &secret).err(), Some(OpaqueError::NotVerified));
    let other = Secret::make(&mut registered.rng);
    assert_eq!(registered.log_in("482915", &other).err(), Some(OpaqueError::NotVerified));
}

#[test]
fn another_credential_id_gives_no_export_key() {
    let mut registered = register("482915");
    let secret = registered.device_secret.clone();
    registered.credential = Secret::make(&mut registered.rng);
    assert_eq!(registered.log_in("482915", &secret).err(), Some(OpaqueError::NotVerified));
}

#[test]
fn the_server_setup_survives_storage() {
    let mut registered = register("482915");
    let secret = registered.device_secret.clone();
    registered.setup = ServerSetup::from_bytes(&registered.setup.to_bytes()).unwrap();
    assert!(registered.log_in("482915", &secret).is_ok());
}

#[test]
fn costs_outside_the_range_are_refused_before_use() {
    let weak = Stretching { memory_kib: 1024, ..Stretching::default() };
    assert_eq!(weak.argon2().err(), Some(OpaqueError::Stretching));
    let huge = Stretching { memory_kib: u32::MAX, ..Stretching::default() };
    assert_eq!(huge.argon2().err(), Some(OpaqueError::Stretching));
}

#[test]
fn garbage_is_malformed() {
    let registered = register("482915");
    assert_eq!(
        registered.setup.registration_response(b"garbage", &registered.credential).err(),
        Some(OpaqueError::Malformed)
    );
    assert_eq!(record_from_upload(&[0; 10]).err(), Some(OpaqueError::Malformed));
}
