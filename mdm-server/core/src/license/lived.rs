//! The days that the server lived, by which notice and grace are counted.

use jiff::civil::Date;

use crate::change::{Changeset, Record, Stored};
use crate::quarantine::ServerState;

/// Days that are remembered: more than the longest notice or grace takes.
const REMEMBERED: usize = 400;

/// Notes that the server lives today. `None` if that is noted. No event: nobody has decided anything, and of a day that went by the
/// journal says enough by what happened on it.
pub fn live(mut state: Stored<ServerState>, today: Date) -> Option<Changeset> {
    let lived = &mut state.value.lived;
    let place = lived.binary_search(&today).err()?;
    lived.insert(place, today);
    let surplus = lived.len().saturating_sub(REMEMBERED);
    lived.drain(..surplus);
    // A clock that stands before all that is remembered.
    lived.binary_search(&today).ok()?;
    let mut changes = Changeset::default();
    changes.update(state.version, Record::Server(state.value));
    Some(changes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::Version;
    use jiff::civil::date;

    fn lived(state: &ServerState, today: Date) -> Option<ServerState> {
        let changes = live(Stored { version: Version(1), value: state.clone() }, today)?;
        match changes.writes.into_iter().next().unwrap().record.unwrap() {
            Record::Server(state) => Some(state),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_day_is_noted_once_whatever_the_clock_does() {
        let mut state = ServerState::default();
        for day in [date(2026, 4, 1), date(2027, 4, 1), date(2026, 4, 2)] {
            state = lived(&state, day).unwrap();
            assert_eq!(lived(&state, day), None);
        }
        assert_eq!(state.lived, [date(2026, 4, 1), date(2026, 4, 2), date(2027, 4, 1)]);
    }

    #[test]
    fn the_newest_days_are_remembered_and_none_before_them_is_noted() {
        let mut state = ServerState::default();
        let mut day = date(2026, 4, 1);
        for _ in 0..=REMEMBERED {
            state = lived(&state, day).unwrap();
            day = day.tomorrow().unwrap();
        }
        assert_eq!((state.lived.len(), state.lived[0]), (REMEMBERED, date(2026, 4, 2)));
        assert_eq!(lived(&state, date(2026, 4, 1)), None);
    }
}
