//! What can be said without confining the process of the tests. What is denied is tried by a phone, end to end.

use super::*;

#[test]
fn a_claim_to_be_confined_counts_for_nothing_where_nothing_is_denied() {
    for told in ["\"full\"", "{\"partial\":[\"signals\"]}", "{\"none\":\"refused\"}", "", "full"] {
        assert_eq!(inherited(told), None, "{told}");
    }
}

#[test]
fn threads_that_are_there_already_are_not_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    // The harness has a thread beside this one.
    let outcome = confine(&Plan::new(&Home::new(folder.path())));
    assert_eq!(outcome, Confinement::None(Unconfined::LateThreads));
}

#[test]
fn a_home_that_is_not_there_is_said() {
    let outcome = confine(&Plan::new(&Home::new("/nowhere/at/all")));
    assert_eq!(outcome, Confinement::None(Unconfined::NoHome));
}

#[cfg(target_os = "linux")]
#[test]
fn an_old_kernel_is_reported_with_what_it_leaves_open() {
    use ::landlock::ABI;
    let all = vec![Gap::Truncation, Gap::DeviceControl, Gap::Signals, Gap::AbstractSockets];
    assert_eq!(landlock::gaps(ABI::V1, false), all);
    assert_eq!(landlock::gaps(ABI::V4, false), all[1..]);
    assert_eq!(landlock::gaps(ABI::V5, false), all[2..]);
    assert_eq!(landlock::gaps(ABI::V6, false), []);
    assert_eq!(landlock::gaps(ABI::V6, true), [Gap::AbstractSockets]);
}
