//! What applying a plan would do to seats and devices as things stand now. Says before what [`super::apply`] says after;
//! nothing is decided by it. Pure.

use std::collections::HashSet;

use mdm_core::account::Account;
use mdm_core::batch::Batch;
use mdm_core::plan::{gives_back, newly_asks};
use shared::ids::AccountId;

use super::lines::{Index, UndoSeats};
use crate::directory::{Snapshot, Standing};

/// What applying a plan would do now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outlook {
    /// Lines that newly ask for a seat.
    pub asked: usize,
    /// Seats free before.
    pub free: usize,
    /// Seats that the plan gives back.
    pub freed: usize,
    /// Who waits already and would get a seat first.
    pub given_to_waiting: usize,
    /// How many of those who ask would get one.
    pub given: usize,
    /// Positions of the lines whose people would wait.
    pub would_wait: Vec<u32>,
    /// Devices that would be blocked.
    pub devices_to_block: usize,
}

/// Looks at all lines of a plan. Seats go to those who waited before, then in the order of the file.
pub fn outlook(batch: &Batch, index: &Index, directory: &Snapshot) -> Outlook {
    let mut pool = directory.pool().clone();
    let temporary = batch.temporary_until.is_some();
    let mut outlook = Outlook { free: pool.free_for(temporary) as usize, ..Outlook::default() };
    let waits: HashSet<AccountId> = directory.waiting().map(|row| row.person.account.id).collect();
    let (mut asking, mut gone) = (Vec::new(), HashSet::new());
    for (position, line) in index.lines() {
        let Some(id) = line.account else { continue };
        let row = directory.person(id);
        let account = row.as_ref().map(|row| &row.person.account);
        let frees = gives_back(line.word, line.wishes_seat, account);
        if frees {
            outlook.freed += 1;
            pool.take(account.is_some_and(Account::is_temporary));
        }
        let leaves = line.word == mdm_core::batch::PlanWord::Leave;
        if frees || leaves {
            let devices = row.iter().flat_map(|row| &row.devices);
            outlook.devices_to_block += devices.filter(|device| device.standing() == Standing::Live).count();
        }
        if leaves || account.is_some_and(|account| withdraws(line, account)) {
            gone.insert(id);
        } else if newly_asks(line.word, line.wishes_seat, account) && !waits.contains(&id) {
            asking.push(position);
        }
    }
    if let Some(seats) = index.undo() {
        return of_undo(outlook, seats);
    }
    let entitled = |account: &Account| account.may_work() && account.seat.is_none();
    let before = directory.waiting().map(|row| &row.person.account);
    for account in before.filter(|account| entitled(account) && !gone.contains(&account.id)) {
        let temporary = account.is_temporary();
        if pool.free_for(temporary) > 0 {
            pool.give(temporary);
            outlook.given_to_waiting += 1;
        }
    }
    outlook.asked = asking.len();
    outlook.given = asking.len().min(pool.free_for(temporary) as usize);
    outlook.would_wait = asking.split_off(outlook.given);
    outlook
}

/// Those who had a seat go before all others.
fn of_undo(outlook: Outlook, UndoSeats { claims, freed }: UndoSeats) -> Outlook {
    let available = outlook.free + freed;
    Outlook { asked: claims, freed, given: claims.min(available), ..outlook }
}

fn withdraws(line: super::lines::Indexed, account: &Account) -> bool {
    use mdm_core::batch::PlanWord::{Change, Move};
    matches!(line.word, Move | Change) && account.wishes_seat && !line.wishes_seat
}
