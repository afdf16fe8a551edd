//! Which statements replace the keys by which a device knows its server. Asking for them and storing what they say is the
//! shell's.

#[cfg(test)]
mod tests;

use shared::cose::{self, VerifyError};
use shared::signed::{MAX_PINS, PinUpdate};
use shared::wire::ServerKeys;

/// Why an update replaces nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PinUpdateError {
    /// Not signed by the command key or the recovery key of this device's server, for that server.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The device has this one, or one that came after it.
    #[error("the set of server keys is not newer than the one that this device has")]
    NotNewer,
    /// The command key replaces pins and no more.
    #[error("the command key has signed what only the recovery key may replace")]
    NotByThisKey,
    /// A device without pins would find no server, one with many would believe too many.
    #[error("the set of server keys is empty or too large")]
    Size,
}

/// What `known` becomes by a signed [`PinUpdate`].
///
/// The recovery key begins an epoch and may replace the keys that sign; the command key replaces the pins within the epoch
/// that the device is in.
pub fn replaced(known: &ServerKeys, signed: &[u8]) -> Result<ServerKeys, PinUpdateError> {
    let server = known.server_id();
    let (update, by_recovery) = match cose::verify::<PinUpdate>(signed, &server, &known.recovery) {
        Ok(update) => (update, true),
        Err(VerifyError::WrongKey) => (cose::verify::<PinUpdate>(signed, &server, &known.command)?, false),
        Err(error) => return Err(error.into()),
    };
    let (order, had) = (update.order, known.order);
    let is_newer = match by_recovery {
        true => order.epoch > had.epoch,
        false => order.epoch == had.epoch && order.counter > had.counter,
    };
    if !is_newer {
        return Err(PinUpdateError::NotNewer);
    }
    if !(1..=MAX_PINS).contains(&update.pins.len()) {
        return Err(PinUpdateError::Size);
    }
    let mut keys = ServerKeys { pins: update.pins, order, ..known.clone() };
    match update.keys {
        None => {}
        Some(_) if !by_recovery => return Err(PinUpdateError::NotByThisKey),
        Some(signing) => {
            (keys.command, keys.lease, keys.checkpoint) =
                (signing.command, signing.lease, signing.checkpoint);
        }
    }
    Ok(keys)
}
