//! One suite for all stores: what the traits promise, run on each backend, and the same for unlock records.
//!
//! A backend says how it is opened ([`Place`]); [`store_suite`] makes one test of each promise.

pub(crate) mod atomicity;
pub(crate) mod journal;
pub(crate) mod large;
pub(crate) mod model;
pub(crate) mod reopening;
pub(crate) mod samples;
pub(crate) mod scans;
pub(crate) mod unlock_records;
pub(crate) mod versions;

use std::sync::Arc;

use crate::traits::{Store, UnlockRecords};

/// Somewhere a store can be opened, closed (dropped) and opened again.
pub(crate) trait Place {
    /// The store with all that was acknowledged there before.
    fn open(&self) -> Arc<dyn Store>;
}

/// Somewhere unlock records can be kept, closed (dropped) and opened again.
pub(crate) trait Desk {
    /// The records with all that was acknowledged there before.
    fn open(&self) -> Arc<dyn UnlockRecords>;
    /// Every byte that is kept.
    fn bytes(&self) -> Vec<u8>;
}

/// The tests of unlock records; `$desk` makes an empty desk.
macro_rules! unlock_records_suite {
    ($desk:expr => $($test:ident),+ $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $test() {
            $crate::conformance::unlock_records::$test(&$desk).await;
        }
    )+};
    ($desk:expr) => {
        $crate::conformance::unlock_records_suite!($desk =>
            a_thousand_charges_at_once_give_no_more_than_the_limit,
            reopening_refills_nothing,
            only_a_verified_login_of_the_same_enrolment_gives_attempts_back,
            a_charge_gives_what_was_registered,
            a_registration_is_replaced_until_the_first_sign_in,
            a_pending_record_replaces_the_current_one_when_it_was_proved,
            a_pending_record_that_is_dropped_or_replaced_is_gone,
            a_reset_gives_all_attempts_back_over_a_restart,
            what_is_destroyed_is_gone_from_the_bytes,
            destroying_ends_charges_that_are_on_their_way,
            pages_are_used_again,
        );
    };
}
pub(crate) use unlock_records_suite;

/// The tests of a store; `$place` makes an empty place.
macro_rules! store_suite {
    ($place:expr => $($module:ident :: { $($test:ident),+ $(,)? }),+ $(,)?) => {$($(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $test() {
            $crate::conformance::$module::$test(&$place).await;
        }
    )+)+};
    ($place:expr) => {
        $crate::conformance::store_suite!($place =>
            versions::{
                a_write_needs_the_version_that_is_stored,
                a_version_never_comes_back,
                a_malformed_change_is_refused,
            },
            atomicity::{
                one_bad_write_refuses_the_whole_change,
                a_staff_number_belongs_to_one_open_account_of_a_source,
                two_accounts_may_exchange_their_staff_numbers,
                a_staff_number_goes_from_one_account_to_another_in_one_commit,
                a_device_key_belongs_to_one_device,
                name_token_and_invitation_belong_to_one_operator,
                of_two_commits_from_one_version_one_wins,
                a_change_beyond_the_limits_is_refused_by_name,
            },
            journal::{
                events_are_linked_in_the_order_of_commits,
                parallel_commits_leave_one_chain,
                an_empty_journal_has_its_head,
            },
            scans::{
                pages_hold_every_record_once_in_order,
                a_record_is_found_by_each_of_its_values,
                the_waiting_list_is_in_turn,
                days_of_use_are_in_the_order_of_the_calendar,
                usable_codes_are_in_order_of_expiry,
                queued_mail_is_in_order_of_its_time,
                commands_are_in_their_order,
                columns_are_those_of_their_source,
                substitutes_are_those_of_their_source,
                batches_come_newest_first,
                documents_are_in_the_order_they_were_published,
                notes_are_in_the_order_of_their_changes,
            },
            large::{
                a_large_change_is_seen_as_a_whole,
                a_conflict_in_a_large_change_leaves_nothing_of_it,
                a_commit_on_a_staged_record_wins,
                a_commit_on_a_moving_record_wins,
                large_changes_run_one_after_the_other,
                staff_numbers_move_within_a_large_change,
            },
            model::{random_changes_do_what_a_simple_map_does},
            reopening::{
                all_that_was_acknowledged_is_there_again,
                a_large_change_is_there_again,
                large_values_are_there_again,
            },
        );
    };
}
pub(crate) use store_suite;
