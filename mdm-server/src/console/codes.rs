//! `/codes`: activation codes for letters. Whoever has one can enrol a device, so both the page and the file ask for a
//! fresh second factor, and the journal notes the file.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use mdm_letters::Layout;
use serde::Deserialize;

use super::Console;
use super::download::{Encoding, Table, attachment, fits_cp932};
use super::failure::Failure;
use super::page::{Nav, Page};
use super::posted::Posted;
use super::render::render;
use super::viewer::Fresh;
use super::words::Language;
use crate::rights::Codes;
use crate::use_cases::letters::{self, Order};
use crate::use_cases::{Refusal, UseCaseError, codes};

/// Names that code page 932 does not have are shown so far.
const SHOWN: usize = 20;

#[derive(Template)]
#[template(path = "codes/export.html")]
struct CodesPage {
    page: Page,
    codes: usize,
    /// Names that would lose a character in code page 932.
    unfit: Vec<String>,
    unfit_total: usize,
    letters: Letters,
}

/// Whether letters can be made.
enum Letters {
    /// The server has no font for them.
    WithoutFont,
    /// So many people's names or departments the font cannot print as written; some of the names.
    Ready(usize, Vec<String>),
}

/// How many there are, and what a file of them is.
pub(super) async fn form(
    Fresh(viewer): Fresh<Codes>,
    State(console): State<Console>,
) -> Result<Response, Failure> {
    let people = codes::people_with_codes(&console.service).await;
    let people = people.map_err(|error| Failure::of(&viewer.visit, error))?;
    let unfit = people.iter().map(|account| account.current()).filter(|current| {
        let departments = current.departments.first().map_or("", |post| post.name.as_str());
        !fits_cp932(&current.name) || !fits_cp932(departments)
    });
    let mut unfit: Vec<String> = unfit.map(|current| current.name.clone()).collect();
    let unfit_total = unfit.len();
    unfit.truncate(SHOWN);
    let letters = match letters::lost(&console.service).await {
        Ok(lost) => {
            let names = lost.iter().take(SHOWN).map(|person| person.name.clone());
            Letters::Ready(lost.len(), names.collect())
        }
        Err(UseCaseError::Refused(Refusal::LetterFont(problem))) => {
            tracing::warn!(%problem, "letters cannot be made");
            Letters::WithoutFont
        }
        Err(error) => return Err(Failure::of(&viewer.visit, error)),
    };
    let page = viewer.page(Nav::Licenses, &console);
    Ok(render(&CodesPage { page, codes: people.len(), unfit, unfit_total, letters }))
}

/// What the letters are to be.
#[derive(Deserialize)]
pub(super) struct LettersForm {
    #[serde(default)]
    layout: String,
    #[serde(default)]
    language: String,
    #[serde(default)]
    substitutes: Option<String>,
}

/// The letters.
pub(super) async fn letters(
    Fresh(viewer): Fresh<Codes>,
    State(console): State<Console>,
    Posted(form): Posted<LettersForm>,
) -> Result<Response, Failure> {
    let malformed = || Failure::Malformed(viewer.visit.language);
    let layout = match form.layout.as_str() {
        "one" => Layout::One,
        "ten" => Layout::Ten,
        _ => return Err(malformed()),
    };
    let language = Language::by_tag(&form.language).ok_or_else(malformed)?;
    let order = Order { layout, language, batch: None, substitutes: form.substitutes.is_some() };
    let pdf = letters::print(&console.service, viewer.actor(), order).await;
    let pdf = pdf.map_err(|error| Failure::of(&viewer.visit, error))?;
    let page = viewer.visit.page(&console);
    Ok(attachment(&format!("letters-{}.pdf", page.day(&page.now)), "application/pdf", pdf.into()))
}

/// How the file is written.
#[derive(Deserialize)]
pub(super) struct ExportForm {
    #[serde(default)]
    encoding: String,
}

/// The file.
pub(super) async fn export(
    Fresh(viewer): Fresh<Codes>,
    State(console): State<Console>,
    Posted(form): Posted<ExportForm>,
) -> Result<Response, Failure> {
    let encoding = match form.encoding.as_str() {
        "utf-8" => Encoding::Utf8,
        "cp932" => Encoding::Cp932,
        _ => return Err(Failure::Malformed(viewer.visit.language)),
    };
    let opened = codes::export(&console.service, viewer.actor()).await;
    let opened = opened.map_err(|error| Failure::of(&viewer.visit, error))?;
    let page = viewer.page(Nav::Licenses, &console);
    let header = [
        "licenses-source",
        "licenses-number",
        "licenses-name",
        "licenses-department",
        "licenses-codes",
        "licenses-code-from",
        "licenses-code-until",
        "licenses-kana",
        "licenses-code-link",
        "letters-lost-code",
        "substitutes-printed-name",
        "substitutes-printed-kana",
        "substitutes-printed-department",
    ];
    let mut table = Table::new(&header.map(|key| page.say(key)));
    for code in &opened {
        let current = code.account.current();
        let department = current.departments.first().map_or("", |post| post.name.as_str());
        let kana = current.kana.as_deref().unwrap_or_default();
        let printed = [&current.name, kana, department]
            .map(|text| page.substitutes.printed(&code.account.source, text));
        table.row(&[
            code.account.source.as_str(),
            current.staff_number.as_str(),
            &current.name,
            department,
            &code.text,
            &page.time(&code.record.valid_from),
            &page.time(&code.record.expires_at),
            kana,
            &code.link,
            code.loss.as_ref().map_or("", |loss| loss.as_str()),
            &printed[0],
            &printed[1],
            &printed[2],
        ]);
    }
    Ok(table.download(&format!("codes-{}.csv", page.day(&page.now)), encoding))
}
