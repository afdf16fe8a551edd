//! `mdmctl batch`.

use std::fs::File;
use std::io::{Read, Write as _};
use std::path::Path;

use mdm_core::batch::{LikeLeave, LostZeros, PlanSummary};
use mdm_core::identity::Whose;
use mdm_server::api::types::{
    AppliedView, ApplyRequest, ApproveRequest, AssignedView, BatchView, CancelRequest, DecideRequest,
    DecidedRow, DifferenceView, DifferentView, ItemView, KindWord, MAX_UPLOAD, MailCancelled, MailQueued,
    MailRequest, MailResults, MailWord, PlanView, ScheduleRequest, UndoRequest,
};
use serde::Serialize;
use serde_json::json;
use shared::ids::BatchId;

use super::all;
use super::codes::new_private;
use crate::cli::{Batch, BatchMail, Mode};
use crate::client::Client;
use crate::failure::{self, Failure};
use crate::output::{answer, fields, maybe_time, table, time, word};

pub(super) fn run(client: &Client, command: &Batch, json: bool) -> Result<(), Failure> {
    match command {
        Batch::Upload {
            file,
            source,
            mode,
            encoding,
            delimiter,
            columns,
            pad_numbers_to,
            at,
            temporary_until,
        } => {
            let columns = super::columns::said(columns)?;
            let padding = pad_numbers_to.map(|width| width.to_string());
            let declared = [
                ("encoding", encoding.as_deref()),
                ("delimiter", delimiter.as_deref()),
                ("columns", columns.as_deref()),
                ("pad_numbers_to", padding.as_deref()),
                ("effective_at", at.as_deref()),
                ("temporary_until", temporary_until.as_deref()),
            ];
            let batch: BatchView = upload(client, file, source, *mode, &declared)?;
            answer(json, &batch, |batch| format!("{}\n{}", counts(batch), next_step(batch)))
        }
        Batch::Show { id, all: unchanged_too } => {
            let id = id.to_string();
            let batch: BatchView = client.get(&["batches", &id], &[])?;
            let items: Vec<ItemView> = all(client, &["batches", &id, "items"], &[])?;
            answer(json, &Shown { batch, items }, |shown| {
                format!("{}\n{}", counts(&shown.batch), lines(&shown.items, *unchanged_too))
            })
        }
        Batch::Compare { older, newer } => compare(client, *older, *newer, json),
        Batch::Rejected { id, file, language } => rejected(client, *id, file, language),
        Batch::Mend { id, file, encoding } => {
            let (bytes, name) = (read_file(file)?, name_of(file));
            let mut query = vec![("file_name", name.as_str())];
            query.extend(encoding.as_deref().map(|encoding| ("encoding", encoding)));
            let batch: BatchView = client.upload(&["batches", &id.to_string(), "mended"], &query, &bytes)?;
            answer(json, &batch, |batch| format!("{}\n{}", counts(batch), next_step(batch)))
        }
        Batch::Decide { id, same, another } => {
            let said = |rows: &[u32], whose| -> Vec<DecidedRow> {
                rows.iter().map(|row| DecidedRow { row: *row, whose }).collect()
            };
            let rows = [said(same, Whose::Same), said(another, Whose::Another)].concat();
            let request = DecideRequest { rows };
            let batch: BatchView = client.post(&["batches", &id.to_string(), "decided"], &[], &request)?;
            answer(json, &batch, |batch| format!("{}\n{}", counts(batch), next_step(batch)))
        }
        Batch::Approve { id, plan, leavers, emergency } => {
            let request = ApproveRequest {
                plan_digest: plan.clone(),
                confirm_leavers: *leavers,
                emergency_reason: emergency.clone(),
            };
            let batch: BatchView = client.post(&["batches", &id.to_string(), "approve"], &[], &request)?;
            answer(json, &batch, counts)
        }
        Batch::Schedule { id, at, leavers } => {
            let request = ScheduleRequest { effective_at: at.clone(), confirm_leavers: *leavers };
            let batch: BatchView = client.post(&["batches", &id.to_string(), "schedule"], &[], &request)?;
            answer(json, &batch, |batch| format!("{}{}", counts(batch), awaits(batch)))
        }
        Batch::Apply { id, leavers } => {
            let request = ApplyRequest { confirm_leavers: *leavers };
            let done: AppliedView = client.post(&["batches", &id.to_string(), "apply"], &[], &request)?;
            answer(json, &done, applied)
        }
        Batch::Cancel { id, reason } => {
            let request = CancelRequest { reason: reason.clone() };
            let batch: BatchView = client.post(&["batches", &id.to_string(), "cancel"], &[], &request)?;
            answer(json, &batch, counts)
        }
        Batch::Acknowledge { id } => {
            let batch: BatchView =
                client.post(&["batches", &id.to_string(), "acknowledge"], &[], &json!({}))?;
            answer(json, &batch, counts)
        }
        Batch::Mail(command) => mail(client, command, json),
        Batch::Undo { id, only, department } => {
            let request = UndoRequest { staff_numbers: only.clone(), departments: department.clone() };
            let batch: BatchView = client.post(&["batches", &id.to_string(), "undo"], &[], &request)?;
            answer(json, &batch, |batch| format!("{}\n{}", counts(batch), next_step(batch)))
        }
    }
}

fn mail(client: &Client, command: &BatchMail, json: bool) -> Result<(), Failure> {
    match command {
        BatchMail::Send { id, only } => {
            let done: MailQueued =
                client.post(&["batches", &id.to_string(), "mail"], &[], &mail_request(only))?;
            answer(json, &done, |done| {
                fields(&[
                    ("queued", done.queued.to_string()),
                    ("queued or sent before", done.already.to_string()),
                    ("no address", done.no_address.to_string()),
                ])
            })
        }
        BatchMail::Cancel { id, only } => {
            let path = ["batches", &id.to_string(), "mail", "cancel"];
            let done: MailCancelled = client.post(&path, &[], &mail_request(only))?;
            answer(json, &done, |done| fields(&[("called off", done.cancelled.to_string())]))
        }
        BatchMail::List { id, failed } => {
            let mut found: MailResults = client.get(&["batches", &id.to_string(), "mail"], &[])?;
            found.items.retain(|item| !failed || item.state == MailWord::Failed);
            answer(json, &found, |found| {
                let rows = found.items.iter().map(|item| {
                    let why = item.why.clone().unwrap_or_default();
                    vec![
                        item.staff_number.clone(),
                        item.name.clone(),
                        word(item.state),
                        maybe_time(item.at),
                        why,
                    ]
                });
                table(&["staff number", "name", "mail", "at", "why"], &rows.collect::<Vec<_>>())
            })
        }
    }
}

fn mail_request(only: &[String]) -> MailRequest {
    MailRequest { staff_numbers: (!only.is_empty()).then(|| only.to_vec()) }
}

fn compare(client: &Client, older: BatchId, newer: BatchId, json: bool) -> Result<(), Failure> {
    let (id, older) = (newer.to_string(), older.to_string());
    let path = ["batches", &id, "difference"];
    let mut whole: DifferenceView = client.get(&path, &[("older", &older)])?;
    while let Some(after) = whole.next.take() {
        let more: DifferenceView = client.get(&path, &[("older", &older), ("after", &after)])?;
        whole.people.extend(more.people);
        whole.next = more.next;
    }
    answer(json, &whole, differences)
}

fn differences(found: &DifferenceView) -> String {
    let DifferenceView { same, new, gone, changed, unknown_older, unknown_newer, .. } = found;
    let mut text =
        format!("same {same}, only in the newer {new}, only in the older {gone}, changed {changed}\n");
    let rows: Vec<Vec<String>> = found.people.iter().map(difference).collect();
    if !rows.is_empty() {
        text += &table(&["number", "name", "older", "department", "newer", "department"], &rows);
    }
    if unknown_older + unknown_newer > 0 {
        text += &format!(
            "Rejected rows about nobody who is known are not compared: {unknown_older} in the older plan, {unknown_newer} in \
             the newer.\n"
        );
    }
    text
}

fn difference(one: &DifferentView) -> Vec<String> {
    let person = one.newer.as_ref().or(one.older.as_ref());
    let said = |take: fn(&ItemView) -> Option<String>| person.and_then(take).unwrap_or_default();
    let kind = |side: &Option<ItemView>| side.as_ref().map(|item| word(item.kind)).unwrap_or_default();
    let post =
        |side: &Option<ItemView>| side.as_ref().and_then(|item| item.department.clone()).unwrap_or_default();
    vec![
        said(|item| item.staff_number.clone()),
        said(|item| item.name.clone()),
        kind(&one.older),
        post(&one.older),
        kind(&one.newer),
        post(&one.newer),
    ]
}

/// The file is made first: what has names in it is not put where others may read.
fn rejected(client: &Client, id: BatchId, path: &Path, language: &str) -> Result<(), Failure> {
    let mut file = new_private(path)?;
    let bytes = client
        .get_for_bytes(&["batches", &id.to_string(), "rejected"], &[("language", language)])
        .inspect_err(|_| {
            // Empty, and made here.
            let _ = std::fs::remove_file(path);
        })?;
    let written = file.write_all(&bytes).and_then(|()| file.sync_all());
    written.map_err(|error| failure::file(path, "write", &error))?;
    eprintln!(
        "mdmctl: the rejected rows are in {}: mend the cells and bring it back with `mdmctl batch mend {id} FILE`, or, once the \
         batch is in force, upload it with --mode upsert",
        path.display()
    );
    Ok(())
}

#[derive(Serialize)]
struct Shown {
    batch: BatchView,
    items: Vec<ItemView>,
}

fn upload(
    client: &Client,
    file: &Path,
    source: &str,
    mode: Mode,
    declared: &[(&'static str, Option<&str>)],
) -> Result<BatchView, Failure> {
    let bytes = read_file(file)?;
    let mode = match mode {
        Mode::Roster => "roster",
        Mode::Upsert => "upsert",
        Mode::Remove => "remove",
    };
    let name = name_of(file);
    let mut query = vec![("source", source), ("mode", mode), ("file_name", &name)];
    query.extend(declared.iter().filter_map(|(name, value)| Some((*name, (*value)?))));
    client.upload(&["batches"], &query, &bytes)
}

fn name_of(file: &Path) -> String {
    file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The file's bytes, if they are not more than the server takes.
fn read_file(path: &Path) -> Result<Vec<u8>, Failure> {
    let too_large = |bytes: u64| {
        Failure::Usage(format!(
            "{} has {bytes} bytes, the limit is {MAX_UPLOAD} (50 MiB): remove columns that are not needed, or upload it \
             in parts with --mode upsert",
            path.display()
        ))
    };
    let file = File::open(path).map_err(|error| failure::file(path, "read", &error))?;
    let metadata = file.metadata().map_err(|error| failure::file(path, "read", &error))?;
    if metadata.len() > MAX_UPLOAD as u64 {
        return Err(too_large(metadata.len()));
    }
    let mut bytes = Vec::new();
    let read = file.take(MAX_UPLOAD as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|error| failure::file(path, "read", &error))?;
    if bytes.len() > MAX_UPLOAD { Err(too_large(bytes.len() as u64)) } else { Ok(bytes) }
}

fn next_step(batch: &BatchView) -> String {
    let id = batch.id;
    let apply = match (batch.lost_zeros, &batch.plan) {
        (Some(LostZeros { rows, length: None }), _) => format!(
            "{rows} staff numbers differ from known ones by zeros in front, so it is not applied. Write the known \
             numbers in the file and upload it again; whoever has left needs a row of their own that says so."
        ),
        (Some(LostZeros { rows, length: Some(length) }), _) => format!(
            "{rows} staff numbers lost their zeros in front, so it is not applied. Upload the file again with \
             --pad-numbers-to {length}, or mend the file."
        ),
        (None, Some(plan)) if plan.needs_approval => {
            format!(
                "Somebody else approves it: mdmctl batch approve {id} --plan {}{}",
                plan.digest,
                leavers_option(plan)
            )
        }
        (None, plan) => format!(
            "Apply it: mdmctl batch apply {id}{}",
            plan.as_ref().map(leavers_option).unwrap_or_default()
        ),
    };
    let rejected = match batch.rejected_kept {
        0 => String::new(),
        _ => format!("Rejected rows as a file to be mended: mdmctl batch rejected {id} FILE\n"),
    };
    format!("Nothing has changed yet. Look at it: mdmctl batch show {id}\n{rejected}{apply}")
}

fn leavers_option(plan: &PlanView) -> &'static str {
    if plan.asks_leavers { " --leavers NUMBER" } else { "" }
}

fn awaits(batch: &BatchView) -> &'static str {
    match &batch.plan {
        Some(plan) if plan.needs_approval => {
            "It takes effect at that time once somebody else has approved it.\n"
        }
        _ => "",
    }
}

fn counts(batch: &BatchView) -> String {
    let mut said = standing(batch);
    if let Some(summary) = &batch.summary {
        said.extend(summed(batch, summary));
        if batch.undoes.is_some() {
            said.push(("give a seat back", summary.seats_back.to_string()));
            said.push(("not undone", summary.not_undone.to_string()));
        }
    }
    if !batch.unused_columns.is_empty() {
        said.push(("not used", batch.unused_columns.join(", ")));
    }
    if !batch.assigned_columns.is_empty() {
        let one = |column: &AssignedView| match &column.otherwise {
            Some(otherwise) => format!("{} is {} (not {otherwise})", column.header, column.is),
            None => format!("{} is {}", column.header, column.is),
        };
        let all: Vec<String> = batch.assigned_columns.iter().map(one).collect();
        said.push(("as was said", all.join(", ")));
    }
    if batch.layout != "own" && batch.undoes.is_none() {
        said.push(("layout", batch.layout.clone()));
    }
    if !batch.unused_sheets.is_empty() {
        said.push(("sheets not read", batch.unused_sheets.join(", ")));
    }
    if batch.private_use_total > 0 {
        let first: Vec<String> = batch
            .private_use
            .iter()
            .take(5)
            .map(|found| format!("{} in row {}", found.code, found.row))
            .collect();
        said.push(("gaiji", format!("{}: {}", batch.private_use_total, first.join(", "))));
    }
    if !batch.like_leave.is_empty() {
        let one =
            |found: &LikeLeave| format!("{} ({} rows, from row {})", found.said, found.rows, found.first);
        let all: Vec<String> = batch.like_leave.iter().map(one).collect();
        said.push(("not taken as leaving", all.join(", ")));
    }
    if batch.normalised_rows.total > 0 {
        let total = batch.normalised_rows.total;
        said.push(("normalised", format!("{total} staff numbers are kept otherwise than they were written")));
    }
    fields(&said)
}

fn standing(batch: &BatchView) -> Vec<(&'static str, String)> {
    let mut said = vec![
        ("batch", batch.id.to_string()),
        ("source", format!("{} ({})", batch.source, word(batch.mode))),
        ("state", format!("{} {}", word(batch.state), batch.applied_at.map(time).unwrap_or_default())),
        ("uploaded", time(batch.uploaded_at)),
    ];
    if let Some(plan) = &batch.plan {
        said.push(("plan", plan.digest.clone()));
    }
    if let Some(at) = batch.effective_at {
        said.push(("effective at", time(at)));
    }
    if let Some(late) = batch.late_by_seconds {
        said.push(("late by", format!("{} minutes", late / 60)));
    }
    if let Some(approval) = &batch.approval {
        said.push(("approved", format!("{} as {}", time(approval.at), approval.capacity)));
    } else if batch.plan.as_ref().is_some_and(|plan| plan.needs_approval) {
        said.push(("approved", "not yet: somebody else than the author approves it".to_owned()));
    }
    if let Some(held) = &batch.held {
        said.push(("not applied", format!("{} at {}: upload the file again", held.why, time(held.at))));
    }
    if let Some(newer) = batch.replaced_by {
        said.push(("replaced by", newer.to_string()));
    }
    if let Some(at) = batch.lines_deleted_at {
        said.push(("lines deleted", time(at)));
    }
    said
}

fn summed(batch: &BatchView, summary: &PlanSummary) -> Vec<(&'static str, String)> {
    vec![
        match batch.undoes {
            Some(of) => ("undo of", of.to_string()),
            None => ("file", format!("{}, {}, {} rows", batch.encoding, batch.delimiter, summary.rows)),
        },
        ("join", summary.join.to_string()),
        ("move", summary.moved.to_string()),
        ("change", summary.change.to_string()),
        ("return", summary.returned.to_string()),
        ("leave", leavers(summary)),
        ("unchanged", summary.unchanged.to_string()),
        ("rejected", summary.rejected.to_string()),
        (
            "seats",
            format!(
                "{} wished, {} given back, {} free before",
                summary.seats_wished, summary.seats_freed, summary.seats_free
            ),
        ),
    ]
}

fn leavers(summary: &PlanSummary) -> String {
    if summary.leavers_held_back {
        "held back: a row's staff number cannot be read, so nobody can be said to be absent".to_owned()
    } else {
        summary.leave.to_string()
    }
}

fn lines(items: &[ItemView], unchanged_too: bool) -> String {
    let shown = items.iter().filter(|item| unchanged_too || item.kind != KindWord::Unchanged);
    let rows: Vec<Vec<String>> = shown.map(line).collect();
    if rows.is_empty() {
        return "Nobody changes.\n".to_owned();
    }
    table(&["row", "kind", "number", "name", "department", "seat", "remark"], &rows)
}

fn line(item: &ItemView) -> Vec<String> {
    let mut remarks: Vec<String> =
        item.rejections.iter().map(|rejection| rejection.message.clone()).collect();
    remarks.extend(item.not_undone.map(|why| why.to_string()));
    remarks.extend(item.number_of.map(|account| format!("has the number that account {account} had")));
    let wish = item.wishes_seat.map(|wishes| if wishes { "yes" } else { "no" });
    vec![
        item.row.map(|row| row.to_string()).unwrap_or_default(),
        word(item.kind),
        item.staff_number.clone().unwrap_or_default(),
        item.name.clone().unwrap_or_default(),
        item.department.clone().unwrap_or_default(),
        wish.unwrap_or_default().to_owned(),
        remarks.join("; "),
    ]
}

fn applied(done: &AppliedView) -> String {
    let summary = done.batch.summary.clone().unwrap_or_default();
    let mut text = fields(&[
        ("batch", done.batch.id.to_string()),
        ("applied at", maybe_time(done.batch.applied_at)),
        ("joined", summary.join.to_string()),
        ("left", summary.leave.to_string()),
        ("rejected rows", summary.rejected.to_string()),
        ("seats given", done.seats_given.to_string()),
        ("seats freed", done.seats_freed.to_string()),
        ("now waiting", done.waiting.to_string()),
        ("devices to block", done.devices_to_block.to_string()),
        ("devices to unblock", done.devices_to_unblock.to_string()),
    ]);
    if !done.seats_kept.is_empty() {
        text.push_str("\nThese no longer wish a seat but have signed in and keep it:\n");
        done.seats_kept.iter().for_each(|account| text.push_str(&format!("{account}\n")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_beyond_the_limit_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large.csv");
        File::create(&path).unwrap().set_len(200 * 1024 * 1024).unwrap();
        let error = read_file(&path).unwrap_err();
        assert!(error.to_string().contains("209715200 bytes, the limit is 52428800"), "{error}");
        assert_eq!(error.status(), 2);
    }
}
