//! `mdmctl documents`.

use std::fs::File;
use std::path::Path;

use mdm_core::document::Level;
use mdm_server::api::types::{AudienceWord, DepartmentWord, DocumentRequest, DocumentView};
use serde_json::json;

use super::all;
use crate::cli::{Documents, Publish};
use crate::client::Client;
use crate::failure::{self, Failure};
use crate::output::{answer, fields, table, time};

pub(super) fn run(client: &Client, command: &Documents, json: bool) -> Result<(), Failure> {
    let document: DocumentView = match command {
        Documents::List => {
            let documents: Vec<DocumentView> = all(client, &["documents"], &[])?;
            return answer(json, &documents, |documents| list(documents));
        }
        Documents::Publish(publish) => send(client, publish)?,
        Documents::Unpublish { id } => {
            client.post(&["documents", &id.to_string(), "unpublish"], &[], &json!({}))?
        }
    };
    answer(json, &document, show)
}

fn send(client: &Client, publish: &Publish) -> Result<DocumentView, Failure> {
    let file = File::open(&publish.file).map_err(|error| failure::file(&publish.file, "read", &error))?;
    let about = file.metadata().map_err(|error| failure::file(&publish.file, "read", &error))?;
    if !about.is_file() {
        let file = publish.file.display();
        return Err(Failure::Usage(format!("{file} is no file whose size is known: save it as one first")));
    }
    let size = about.len();
    let request = DocumentRequest {
        title: publish.title.clone().unwrap_or_else(|| stem(&publish.file)),
        folder: publish.folder.clone(),
        media_type: Some(media_type(publish)),
        level: Level::try_from(publish.level).map_err(|error| Failure::Usage(format!("--level: {error}")))?,
        audience: audience(publish),
        notice: publish.notice,
        size: Some(size),
    };
    match publish.replace {
        None => client.upload_document(&["documents"], false, &request, (file, size)),
        Some(id) => client.upload_document(&["documents", &id.to_string()], true, &request, (file, size)),
    }
}

/// The command line lets exactly one of the three through.
fn audience(publish: &Publish) -> AudienceWord {
    if !publish.department.is_empty() {
        let word = |name: &String| DepartmentWord { source: publish.source.clone(), name: name.clone() };
        AudienceWord::Departments { departments: publish.department.iter().map(word).collect() }
    } else if !publish.person.is_empty() {
        AudienceWord::Persons { persons: publish.person.clone(), source: publish.source.clone() }
    } else {
        AudienceWord::Organisation
    }
}

fn stem(file: &Path) -> String {
    file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

/// What was said, or what the name's ending says.
fn media_type(publish: &Publish) -> String {
    if let Some(said) = &publish.media_type {
        return said.clone();
    }
    let ending = publish.file.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    match ending.as_deref() {
        Some("pdf") => "application/pdf",
        Some("txt") => "text/plain",
        Some("csv") => "text/csv",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("docx") => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        Some("xlsx") => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        Some("pptx") => "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        _ => "application/octet-stream",
    }
    .to_owned()
}

fn to(audience: &AudienceWord) -> String {
    match audience {
        AudienceWord::Organisation => "organisation".to_owned(),
        AudienceWord::Departments { departments } => {
            departments.iter().map(|word| word.name.as_str()).collect::<Vec<_>>().join(", ")
        }
        AudienceWord::Persons { persons, .. } => format!("{} persons", persons.len()),
    }
}

fn list(documents: &[DocumentView]) -> String {
    let row = |document: &DocumentView| {
        vec![
            document.id.to_string(),
            document.version.to_string(),
            if document.notice { "notice" } else { "document" }.to_owned(),
            document.title.clone(),
            document.folder.clone(),
            u8::from(document.level).to_string(),
            to(&document.audience),
            document.readers.to_string(),
            document.size.to_string(),
        ]
    };
    let rows: Vec<Vec<String>> = documents.iter().map(row).collect();
    let header = ["id", "version", "kind", "title", "folder", "level", "published to", "readers", "bytes"];
    format!("{} documents\n\n{}", rows.len(), table(&header, &rows))
}

fn show(document: &DocumentView) -> String {
    let mut said = vec![
        ("document", document.id.to_string()),
        ("version", document.version.to_string()),
        ("title", document.title.clone()),
        ("folder", document.folder.clone()),
        ("level", u8::from(document.level).to_string()),
        ("published to", to(&document.audience)),
        ("readers", document.readers.to_string()),
        ("bytes", document.size.to_string()),
        ("kind", if document.notice { "notice".to_owned() } else { document.media_type.clone() }),
        ("sha256", document.sha256.clone()),
        ("published", time(document.published_at)),
    ];
    said.extend(document.unpublished_at.map(|at| ("unpublished", time(at))));
    fields(&said)
}
