//! The journal to take along: all of it for the offline check, what is filtered for a spreadsheet, and the checkpoint.
//! Files are sent part by part: a journal need not fit into memory.

use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream::{Stream, unfold};
use mdm_core::audit::Entry;

use super::row::Row;
use super::search::{Asked, filter_of};
use crate::api::types::{CheckpointView, EntryView};
use crate::console::Console;
use crate::console::actors::Actors;
use crate::console::download::{Table, attachment, begin_utf8};
use crate::console::failure::Failure;
use crate::console::viewer::Viewer;
use crate::console::words::Language;
use crate::directory::{self, Snapshot};
use crate::rights::Audit;
use crate::service::Service;
use crate::use_cases::UseCaseError;
use crate::use_cases::journal::search::{Filter, Read};
use crate::use_cases::journal::{self, Export, Form};
use crate::use_cases::statement::office_zone;

/// What writes the parts of a file.
trait Writer: Send + 'static {
    fn begin(&mut self) -> Vec<u8>;
    fn part(&mut self, entries: Vec<Read>) -> Result<Vec<u8>, serde_json::Error>;
    fn end(&mut self, export: &Export) -> Result<Vec<u8>, serde_json::Error>;
}

/// How far a file is.
enum Place {
    Begin,
    Entries,
    Over,
}

/// The parts of a file. One that fails ends the file, so that no browser takes it for whole.
fn parts(
    service: Arc<Service>,
    export: Export,
    writer: impl Writer,
) -> impl Stream<Item = Result<Bytes, axum::BoxError>> {
    unfold((service, export, writer, Place::Begin), |(service, mut export, mut writer, state)| async move {
        let (part, state) = match state {
            Place::Begin => (Ok(writer.begin()), Place::Entries),
            Place::Entries => match export.next(&service).await {
                Ok(Some(entries)) => (writer.part(entries).map_err(axum::BoxError::from), Place::Entries),
                Ok(None) => (writer.end(&export).map_err(axum::BoxError::from), Place::Over),
                Err(error) => (Err(error.into()), Place::Over),
            },
            Place::Over => return None,
        };
        if let Err(error) = &part {
            tracing::error!(%error, "an export of the journal broke off");
        }
        let state = if part.is_err() { Place::Over } else { state };
        Some((part.map(Bytes::from), (service, export, writer, state)))
    })
}

fn failed(viewer: &Viewer<Audit>) -> impl Fn(UseCaseError) -> Failure {
    let visit = viewer.visit.clone();
    move |error| Failure::of(&visit, error)
}

/// As `mdmctl audit export` writes it.
struct JsonLines;

fn json_line(value: &impl serde::Serialize) -> Result<Vec<u8>, serde_json::Error> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    Ok(line)
}

impl Writer for JsonLines {
    fn begin(&mut self) -> Vec<u8> {
        Vec::new()
    }

    fn part(&mut self, entries: Vec<Read>) -> Result<Vec<u8>, serde_json::Error> {
        let lines = entries.iter().map(|read: &Read| {
            let entry: &Entry = &read.entry;
            json_line(&EntryView::from(entry))
        });
        Ok(lines.collect::<Result<Vec<_>, _>>()?.concat())
    }

    fn end(&mut self, export: &Export) -> Result<Vec<u8>, serde_json::Error> {
        json_line(&CheckpointView::from(&export.checkpoint))
    }
}

/// All entries and the checkpoint: what `mdmctl audit verify` verifies.
pub(in crate::console) async fn journal(
    viewer: Viewer<Audit>,
    State(console): State<Console>,
) -> Result<Response, Failure> {
    let export = Export::begin(&console.service, Form::JsonLines, Filter::default(), viewer.actor()).await;
    let export = export.map_err(failed(&viewer))?;
    let name = format!("journal-{}.jsonl", export.checkpoint.checkpoint.head.sequence);
    let body = Body::from_stream(parts(console.service.clone(), export, JsonLines));
    Ok(attachment(&name, "application/jsonl", body))
}

/// A row an entry.
struct Rows {
    language: Language,
    actors: Actors,
    directory: Arc<Snapshot>,
}

const HEADER: [&str; 10] = [
    "audit-sequence",
    "audit-at",
    "audit-by",
    "audit-what",
    "audit-personal-name",
    "audit-about",
    "audit-device",
    "audit-batch",
    "audit-facts",
    "audit-hash",
];

impl Writer for Rows {
    fn begin(&mut self) -> Vec<u8> {
        begin_utf8(Table::new(&HEADER.map(|key| self.language.say(key, &[]))))
    }

    fn part(&mut self, entries: Vec<Read>) -> Result<Vec<u8>, serde_json::Error> {
        let mut table = Table::without_header();
        for read in entries {
            let row = Row::new(read, self.language, &self.actors, &self.directory);
            table.row(&cells(row));
        }
        Ok(table.text().into_bytes())
    }

    fn end(&mut self, _: &Export) -> Result<Vec<u8>, serde_json::Error> {
        Ok(Vec::new())
    }
}

fn cells(row: Row) -> [String; 10] {
    let Row { sequence, hash, said } = row;
    let Some(said) = said else {
        let mut cells = [const { String::new() }; 10];
        cells[0] = sequence.to_string();
        cells[9] = hash;
        return cells;
    };
    let text = |id: Option<String>| id.unwrap_or_default();
    let details = said.details.iter().map(|detail| format!("{}: {}", detail.name, detail.value));
    let (name, number) = said.account.map(|about| (about.name, about.number)).unwrap_or_default();
    [
        sequence.to_string(),
        said.at.to_zoned(office_zone()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        said.by,
        said.what,
        name,
        number,
        text(said.device.or(said.by_device).map(|id| id.to_string())),
        text(said.batch.map(|id| id.to_string())),
        details.collect::<Vec<_>>().join("; "),
        hash,
    ]
}

/// The entries that are asked for, as a table.
pub(in crate::console) async fn table(
    viewer: Viewer<Audit>,
    State(console): State<Console>,
    Query(asked): Query<Asked>,
) -> Result<Response, Failure> {
    let failed = failed(&viewer);
    let service = &console.service;
    let filter = filter_of(&viewer, &console, &asked).await.map_err(&failed)?;
    let filter = filter.ok_or(Failure::Malformed(viewer.visit.language))?;
    let rows = Rows {
        language: viewer.visit.language,
        actors: Actors::load(service).await.map_err(&failed)?,
        directory: directory::current(service).await.map_err(|error| failed(error.into()))?,
    };
    let export = Export::begin(service, Form::Table, filter, viewer.actor()).await.map_err(&failed)?;
    let body = Body::from_stream(parts(service.clone(), export, rows));
    Ok(attachment("journal.csv", "text/csv; charset=utf-8", body))
}

/// The head of the journal, signed now.
pub(in crate::console) async fn checkpoint(
    viewer: Viewer<Audit>,
    State(console): State<Console>,
) -> Result<Response, Failure> {
    let signed = journal::checkpoint(&console.service).await.map_err(failed(&viewer))?;
    let name = format!("checkpoint-{}.json", signed.checkpoint.head.sequence);
    let body = Json(CheckpointView::from(&signed)).into_response().into_body();
    Ok(attachment(&name, "application/json", body))
}
