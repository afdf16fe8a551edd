//! When notes are sent.

use super::*;

#[test]
fn a_note_is_sent_after_a_pause_and_without_one_after_a_while() {
    let start = Instant::now();
    let mut edits = Edits::default();
    assert_eq!(edits.pause(start), Duration::ZERO, "nothing was written");
    edits.written(start);
    assert_eq!(edits.pause(start), QUIET);
    assert_eq!(edits.pause(start + QUIET), Duration::ZERO);
    let mut now = start;
    while now < start + WITHOUT_A_PAUSE {
        edits.written(now);
        assert!(!edits.pause(now).is_zero());
        now += QUIET / 2;
    }
    edits.written(now);
    assert_eq!(edits.pause(now), Duration::ZERO, "who never pauses is sent, too");
    edits.written(now + 2 * QUIET);
    assert_eq!(edits.pause(now + 2 * QUIET), QUIET, "after a pause it counts anew");
}
