//! `mdmctl licenses`.

use mdm_server::api::types::{
    DayView, EndingView, LicenseStatus, NeedView, NoticedSeat, PoolRequest, ReclaimRequest, Reclaimed,
    ReclaimedSeat, RestoreRequest,
};

use crate::cli::{Licenses, Pool};
use crate::client::Client;
use crate::failure::Failure;
use crate::output::{answer, fields, maybe_time, table};

pub(super) fn run(client: &Client, command: &Licenses, json: bool) -> Result<(), Failure> {
    let current: LicenseStatus = match command {
        Licenses::Status => client.get(&["licenses"], &[])?,
        Licenses::Pool(Pool::Set { seats, reserve }) => {
            client.put(&["licenses", "pool"], &PoolRequest { size: *seats, reserved: *reserve })?
        }
        Licenses::Reclaim { never_signed_in, no_sign_in, term_ended, at_most, notice, grace, dry_run } => {
            let request = ReclaimRequest {
                never_signed_in_days: *never_signed_in,
                no_sign_in_days: *no_sign_in,
                term_ended_days: *term_ended,
                at_most: *at_most,
                notice_days: *notice,
                grace_days: *grace,
                dry_run: *dry_run,
            };
            let done: Reclaimed = client.post(&["licenses", "reclaim"], &[], &request)?;
            return answer(json, &done, reclaimed);
        }
        Licenses::Ending { until } => {
            let query: Vec<_> = until.iter().map(|day| ("until", day.as_str())).collect();
            let people: Vec<EndingView> = client.get(&["licenses", "ending"], &query)?;
            return answer(json, &people, |people| ending(people));
        }
        Licenses::Needs => {
            let plans: Vec<NeedView> = client.get(&["licenses", "needs"], &[])?;
            return answer(json, &plans, |plans| needs(plans));
        }
        Licenses::Use { from, to } => {
            let named = [("from", from), ("to", to)];
            let given = named.iter().filter_map(|(name, day)| day.map(|day| (*name, day.to_string())));
            let given: Vec<(&str, String)> = given.collect();
            let query: Vec<_> = given.iter().map(|(name, day)| (*name, day.as_str())).collect();
            let days: Vec<DayView> = client.get(&["licenses", "days"], &query)?;
            return answer(json, &days, |days| used(days));
        }
        Licenses::Noticed => {
            let seats: Vec<NoticedSeat> = client.get(&["licenses", "noticed"], &[])?;
            return answer(json, &seats, |seats| noticed(seats));
        }
        Licenses::Restore { account, source } => {
            let request = RestoreRequest { account: account.clone(), source: source.clone() };
            let done: ReclaimedSeat = client.post(&["licenses", "restore"], &[], &request)?;
            return answer(json, &done, |seat| format!("{} {} keeps the seat", seat.staff_number, seat.name));
        }
    };
    answer(json, &current, status)
}

fn status(status: &LicenseStatus) -> String {
    fields(&[
        ("pool", status.pool.to_string()),
        ("reserved", status.reserved.to_string()),
        ("assigned", status.assigned.to_string()),
        ("of them temporary", status.temporary.to_string()),
        ("free", status.free.to_string()),
        ("waiting", status.waiting.to_string()),
        ("never signed in", status.never_signed_in.to_string()),
        ("notice given", status.noticed.to_string()),
        ("held before they are taken", status.held.to_string()),
    ])
}

fn ending(people: &[EndingView]) -> String {
    let row = |one: &EndingView| {
        let seat = if one.has_seat { "yes" } else { "no" };
        let said = one.new_file.clone().unwrap_or_default();
        let last = one.term_ends.to_string();
        vec![one.source.clone(), one.staff_number.clone(), one.name.clone(), last, seat.to_owned(), said]
    };
    let rows: Vec<Vec<String>> = people.iter().map(row).collect();
    table(&["source", "number", "name", "term ends", "seat", "new file"], &rows)
}

fn needs(plans: &[NeedView]) -> String {
    let row = |need: &NeedView| {
        let counts = [need.asked, need.freed, need.free, need.missing].map(|count| count.to_string());
        let mut cells = vec![need.source.clone(), maybe_time(need.effective_at)];
        cells.extend(counts);
        cells
    };
    let rows: Vec<Vec<String>> = plans.iter().map(row).collect();
    table(&["plan of", "takes effect", "asked", "freed", "free", "missing"], &rows)
}

fn used(days: &[DayView]) -> String {
    let row = |day: &DayView| {
        let counts = [day.pool, day.reserved, day.assigned, day.waiting, day.never_signed_in];
        let mut cells = vec![day.day.to_string()];
        cells.extend(counts.map(|count| count.to_string()));
        cells
    };
    let rows: Vec<Vec<String>> = days.iter().map(row).collect();
    table(&["day", "pool", "reserved", "assigned", "waiting", "never signed in"], &rows)
}

fn noticed(seats: &[NoticedSeat]) -> String {
    let row = |seat: &NoticedSeat| {
        let held_on = seat.held_on.map(|day| day.to_string()).unwrap_or_default();
        let (given_on, not_before) = (seat.given_on.to_string(), seat.not_before.to_string());
        let why = seat.why.name().to_owned();
        vec![seat.staff_number.clone(), seat.name.clone(), why, given_on, held_on, not_before]
    };
    let rows: Vec<Vec<String>> = seats.iter().map(row).collect();
    table(&["number", "name", "why", "notice of", "held since", "taken at the earliest"], &rows)
}

fn reclaimed(done: &Reclaimed) -> String {
    let (taken, given) = match done.dry_run {
        true => ("seats that would be taken back", "of which the waiting list would get"),
        false => ("seats taken back", "given to the waiting list"),
    };
    let mut text =
        fields(&[(taken, done.reclaimed.len().to_string()), (given, done.given_to.len().to_string())]);
    let lists = [
        ("\nNotice given to:\n", &done.noticed),
        ("\nFrom:\n", &done.reclaimed),
        ("\nTo, with a code that waits to be exported:\n", &done.given_to),
    ];
    for (title, seats) in lists {
        if !seats.is_empty() {
            let row = |seat: &ReclaimedSeat| {
                vec![seat.staff_number.clone(), seat.name.clone(), seat.account.to_string()]
            };
            let rows: Vec<Vec<String>> = seats.iter().map(row).collect();
            text.push_str(title);
            text.push_str(&table(&["number", "name", "account"], &rows));
        }
    }
    text
}
