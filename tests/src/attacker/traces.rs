//! What a wipe has to destroy at the server, read from a copy before it is destroyed.

use std::path::Path;

use anyhow::bail;
use mdm_store::{Charge, key_file};
use shared::ids::EnrolmentId;

/// What a wipe has to destroy at the server: the OPAQUE record and the credential id of an enrolment.
pub struct UnlockSecrets {
    /// The record.
    pub record: Vec<u8>,
    /// The credential id.
    pub credential: Vec<u8>,
}

/// Reads them out of a copy of a key file; the copy is charged an attempt.
pub async fn unlock_secrets(copied_key_file: &Path, enrolment: EnrolmentId) -> anyhow::Result<UnlockSecrets> {
    let records = key_file::open(copied_key_file)?;
    match records.charge(enrolment).await? {
        Charge::Charged(charged) => Ok(UnlockSecrets {
            record: charged.record.expose().to_vec(),
            credential: charged.credential.expose().to_vec(),
        }),
        Charge::Exhausted => bail!("no attempts are left in the copy"),
        Charge::Missing => bail!("the copy has no record of {enrolment}"),
    }
}
