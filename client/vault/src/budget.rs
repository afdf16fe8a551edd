//! How often the keys of one key epoch may seal. Random nonces bear 2²⁸ seals under a key; all keys of an epoch are counted
//! together, and the next epoch begins before that many are made.

/// Seals of one key epoch.
pub(crate) const LIMIT: u64 = 1 << 28;
/// Seals that one reservation on disk is good for.
pub(crate) const BLOCK: u64 = 1 << 16;
const LEN: usize = 12;

/// A count that is reserved on disk in blocks before it is used, so that a crash loses a part of a block, never a seal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SealBudget {
    pub(crate) epoch: u32,
    used: u64,
    reserved: u64,
    limit: u64,
}

/// What has to be written of a reservation, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reservation {
    /// Nothing.
    None,
    /// With the seals it does not concern: it is for later ones.
    Along,
    /// Durably before the seals are made.
    Before,
}

impl SealBudget {
    pub(crate) fn new(epoch: u32) -> Self {
        Self { epoch, used: 0, reserved: 0, limit: LIMIT }
    }

    /// `epoch (4) ‖ reserved (8)`, big-endian.
    pub(crate) fn to_bytes(self) -> [u8; LEN] {
        let mut bytes = [0; LEN];
        bytes[..4].copy_from_slice(&self.epoch.to_be_bytes());
        bytes[4..].copy_from_slice(&self.reserved.to_be_bytes());
        bytes
    }

    /// What was reserved counts as used. Epochs begin with 1.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let (epoch, reserved) = bytes.split_first_chunk::<4>()?;
        let (epoch, reserved) = (u32::from_be_bytes(*epoch), u64::from_be_bytes(reserved.try_into().ok()?));
        (epoch > 0).then_some(Self { epoch, used: reserved, reserved, limit: LIMIT })
    }

    /// Spends `seals` of the epoch that [`Self::epoch`] is then, which may be the next one. `None` after the last: no epoch
    /// begins twice.
    pub(crate) fn spend(&mut self, seals: u64) -> Option<Reservation> {
        if self.used.saturating_add(seals) > self.limit {
            *self = Self { limit: self.limit, ..Self::new(self.epoch.checked_add(1)?) };
        }
        self.used += seals;
        let reservation = match self.reserved.saturating_sub(self.used) {
            _ if self.used > self.reserved => Reservation::Before,
            left if left < BLOCK / 2 && self.reserved < self.limit => Reservation::Along,
            _ => return Some(Reservation::None),
        };
        self.reserved = (self.used + BLOCK).min(self.limit);
        Some(reservation)
    }

    #[cfg(test)]
    pub(crate) fn limit_to(&mut self, limit: u64) {
        self.limit = limit;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seals_are_reserved_before_use_and_the_next_block_ahead_of_need() {
        let mut budget = SealBudget::new(1);
        assert_eq!(budget.spend(2), Some(Reservation::Before));
        assert_eq!(budget.reserved, 2 + BLOCK);
        assert_eq!(budget.spend(2), Some(Reservation::None));
        assert_eq!(budget.spend(BLOCK / 2), Some(Reservation::Along));
        let mut after_crash = SealBudget::parse(&budget.to_bytes()).unwrap();
        assert_eq!(after_crash.used, budget.reserved, "what was reserved is not used again");
        assert_eq!(after_crash.spend(1), Some(Reservation::Before));
    }

    #[test]
    fn an_epoch_ends_before_its_seals_are_spent() {
        let mut budget = SealBudget { used: LIMIT - 3, reserved: LIMIT, ..SealBudget::new(7) };
        assert_eq!(budget.spend(3), Some(Reservation::None));
        assert_eq!((budget.epoch, budget.used), (7, LIMIT));
        assert_eq!(budget.spend(1), Some(Reservation::Before));
        assert_eq!((budget.epoch, budget.used), (8, 1));
    }

    #[test]
    fn no_epoch_begins_after_the_last() {
        let mut budget = SealBudget { used: LIMIT, reserved: LIMIT, ..SealBudget::new(u32::MAX) };
        assert_eq!(budget.spend(1), None);
        assert_eq!(budget.spend(1), None, "and none begins again");
        assert_eq!(budget.epoch, u32::MAX);
    }

    #[test]
    fn a_reservation_of_another_length_or_of_epoch_0_is_none() {
        assert!(SealBudget::parse(&SealBudget::new(1).to_bytes()).is_some());
        assert_eq!(SealBudget::parse(&[1; 11]), None);
        assert_eq!(SealBudget::parse(&[1; 13]), None);
        assert_eq!(SealBudget::parse(&SealBudget::new(0).to_bytes()), None);
    }
}
