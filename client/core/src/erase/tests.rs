//! The erase against a disk in memory: whatever step it is killed after, whatever fails, it ends, and never signs early.

use super::*;
use crate::session::tests::Server;
use proptest::prelude::*;
use shared::signed::Order;

/// What an erase can find on a phone; true = still there.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Disk {
    intent: bool,
    keys: bool,
    data: bool,
    receipt: Option<u32>,
    acked: bool,
    identity: bool,
    receipts_signed: u32,
    sent: Vec<u32>,
}

impl Disk {
    fn in_use() -> Self {
        let (receipt, sent) = (None, Vec::new());
        Self {
            intent: false,
            keys: true,
            data: true,
            receipt,
            acked: false,
            identity: true,
            receipts_signed: 0,
            sent,
        }
    }

    /// Does a step; with `fault` the step fails and changes nothing.
    fn execute(&mut self, step: EraseStep, fault: bool) -> bool {
        use EraseStep as S;
        if fault {
            return false;
        }
        match step {
            S::WriteIntent => self.intent = true,
            S::CloseVault => {}
            S::DestroyKeys => self.keys = false,
            S::CheckKeysGone => return !self.keys,
            S::RemoveData => self.data = false,
            S::StoreReceipt => {
                assert!(!self.keys && !self.data, "a receipt is signed only when all is gone");
                self.receipts_signed += 1;
                self.receipt = Some(self.receipts_signed);
            }
            S::SendReceipt => {
                assert!(self.identity, "a receipt is sent by the device key");
                self.sent.push(self.receipt.expect("a receipt is stored before it is sent"));
            }
            S::StoreAcked => self.acked = true,
            S::DeleteIdentity => (self.identity, self.receipt) = (false, None),
            S::DeleteIntent => self.intent = false,
        }
        true
    }

    fn findings(&self) -> Findings {
        Findings { receipt_stored: self.receipt.is_some(), acked: self.acked }
    }

    fn is_erased(&self) -> bool {
        !(self.keys || self.data || self.identity || self.intent || self.receipt.is_some()) && self.acked
    }
}

fn wipe() -> WipeAuthorised {
    Server::make(1).wipe(Order { epoch: 0, counter: 1 })
}

/// Runs until it ends or `steps` steps are done. `fault` says which of the steps fail.
fn run(erasure: &mut Erasure, disk: &mut Disk, steps: usize, mut fault: impl FnMut(usize) -> bool) -> bool {
    for n in 0..steps {
        match erasure.next() {
            Next::Finished => return true,
            Next::Do(step) | Next::Retry(step) => {
                let succeeded = disk.execute(step, fault(n));
                erasure.done(succeeded);
            }
        }
    }
    erasure.next() == Next::Finished
}

#[test]
fn the_steps_are_done_in_the_order_of_the_list() {
    let (mut erasure, mut disk) = (Erasure::begin(&wipe()), Disk::in_use());
    for step in EraseStep::ALL {
        assert_eq!(erasure.next(), Next::Do(step));
        let succeeded = disk.execute(step, false);
        erasure.done(succeeded);
    }
    assert_eq!(erasure.next(), Next::Finished);
    assert!(disk.is_erased());
}

#[test]
fn killed_after_any_step_it_ends_at_the_next_start_with_one_receipt() {
    for killed_after in 1..EraseStep::ALL.len() {
        let mut disk = Disk::in_use();
        assert!(!run(&mut Erasure::begin(&wipe()), &mut disk, killed_after, |_| false));
        assert!(disk.intent, "killed after {killed_after}");
        let mut resumed = Erasure::resume(&wipe(), disk.findings());
        assert!(run(&mut resumed, &mut disk, 20, |_| false), "killed after {killed_after}");
        assert!(disk.is_erased());
        disk.sent.dedup();
        assert_eq!(disk.sent.len(), 1, "every receipt sent is the same one");
    }
}

#[test]
fn a_failed_intent_does_not_stop_the_erase() {
    let (mut erasure, mut disk) = (Erasure::begin(&wipe()), Disk::in_use());
    assert!(run(&mut erasure, &mut disk, 20, |n| n == 0));
    assert!(disk.is_erased());
}

#[test]
fn keys_that_still_load_are_destroyed_again_before_a_receipt() {
    let (mut erasure, mut disk) = (Erasure::begin(&wipe()), Disk::in_use());
    assert!(!run(&mut erasure, &mut disk, 5, |n| n == 2));
    assert_eq!(erasure.next(), Next::Retry(EraseStep::DestroyKeys));
    assert!(run(&mut erasure, &mut disk, 20, |_| false));
    assert!(disk.is_erased());
}

proptest! {
    #[test]
    fn whatever_fails_and_whenever_it_is_killed_it_ends_once_the_faults_do(
        faults in prop::collection::vec(any::<bool>(), 0..40),
        kills in prop::collection::vec(1_usize..12, 0..6),
    ) {
        let mut disk = Disk::in_use();
        let mut erasure = Erasure::begin(&wipe());
        let mut faults = faults.into_iter();
        for steps in kills {
            let ended = run(&mut erasure, &mut disk, steps, |_| faults.next().unwrap_or(false));
            if ended || !disk.intent {
                break;
            }
            erasure = Erasure::resume(&wipe(), disk.findings());
        }
        if disk.is_erased() {
            return Ok(());
        }
        prop_assert!(run(&mut erasure, &mut disk, 200, |_| faults.next().unwrap_or(false)));
        prop_assert!(disk.is_erased());
    }
}
