//! Identifiers: one newtype each over UUIDv7 (RFC 9562), so that no id is taken for another.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use rand::RngCore;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A text that is no id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an id: expected 36 characters like 0192f0c1-2345-7abc-8def-0123456789ab")]
pub struct ParseIdError;

fn make_uuid(now: Timestamp, rng: &mut impl RngCore) -> Uuid {
    let mut random = [0; 10];
    rng.fill_bytes(&mut random);
    let millis = u64::try_from(now.as_millisecond()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A fresh id: 48 bits of `now` in milliseconds, then 74 random bits.
            pub fn make(now: Timestamp, rng: &mut impl RngCore) -> Self {
                Self(make_uuid(now, rng))
            }

            /// The id with exactly these 16 bytes.
            pub fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }

            /// The 16 bytes, big-endian, so that byte order is order of making.
            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0.hyphenated())
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self).map_err(|_| ParseIdError)
            }
        }
    };
}

id!(
    /// One person, whatever their staff number or name becomes.
    AccountId
);
id!(
    /// One pairing of an account with a device key. Everything the server sends is bound to it.
    EnrolmentId
);
id!(
    /// One signed command to one enrolment.
    CommandId
);
id!(
    /// One uploaded personnel batch.
    BatchId
);
id!(
    /// One person or program that may use the API.
    OperatorId
);
id!(
    /// One document, in all its versions.
    DocumentId
);
id!(
    /// One note or photo of an account, in all its revisions. Made by the device.
    NoteId
);
id!(
    /// One mail to one person.
    MailId
);
id!(
    /// One run of the app on a device.
    RunId
);

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn ids_sort_by_the_time_they_were_made() {
        let mut rng = rand::rngs::StdRng::seed_from_u64(1);
        let early = AccountId::make(Timestamp::from_second(1_800_000_000).unwrap(), &mut rng);
        let late = AccountId::make(Timestamp::from_second(1_800_000_001).unwrap(), &mut rng);
        assert!(early < late);
        assert_eq!(early.to_string().parse(), Ok(early));
        assert_eq!("phone".parse::<AccountId>(), Err(ParseIdError));
    }
}
