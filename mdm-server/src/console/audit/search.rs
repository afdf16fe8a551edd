//! `/audit`: the newest entries that somebody asks for, and the ways to more of them.

use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use jiff::civil::Date;
use mdm_core::audit::Happening;
use serde::Deserialize;
use serde::de::IntoDeserializer as _;
use serde::de::value::Error as Unknown;
use shared::cose::Signer as _;
use shared::ids::{AccountId, OperatorId};

use super::row::Row;
use super::{note_reader, words};
use crate::console::actors::Actors;
use crate::console::choice::Choice;
use crate::console::failure::Failure;
use crate::console::page::{Nav, Page};
use crate::console::pager::ROWS;
use crate::console::render::render_with;
use crate::console::viewer::Viewer;
use crate::console::{Console, refusals};
use crate::directory;
use crate::rights::Audit;
use crate::use_cases::UseCaseError;
use crate::use_cases::accounts::{self, Who};
use crate::use_cases::journal::search::{About, By, Filter, search};
use crate::use_cases::statement::office_zone;

/// What is asked for, as typed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(in crate::console) struct Asked {
    #[serde(default)]
    from: String,
    #[serde(default)]
    to: String,
    #[serde(default)]
    what: String,
    #[serde(default)]
    by: String,
    #[serde(default)]
    about: String,
    #[serde(default)]
    before: Option<u64>,
}

/// What is wrong with it, beside the field.
#[derive(Default)]
struct Problems {
    from: Option<String>,
    to: Option<String>,
    about: Option<String>,
}

impl Problems {
    fn any(&self) -> bool {
        self.from.is_some() || self.to.is_some() || self.about.is_some()
    }
}

impl Asked {
    /// As a query; with `before`, what is older.
    fn query(&self, before: Option<u64>) -> String {
        let Self { from, to, what, by, about, .. } = self;
        let pairs = [("from", from), ("to", to), ("what", what), ("by", by), ("about", about)];
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(pairs.into_iter().filter(|(_, value)| !value.is_empty()));
        if let Some(before) = before {
            query.append_pair("before", &before.to_string());
        }
        query.finish()
    }

    /// As a filter, or what is wrong. What no form of ours sends is passed over.
    async fn filter(
        &self,
        viewer: &Viewer<Audit>,
        console: &Console,
    ) -> Result<Result<Filter, Problems>, UseCaseError> {
        let language = viewer.visit.language;
        let mut problems = Problems::default();
        let wrong = || language.say("audit-day-wrong", &[]);
        let from = day(&self.from, false).unwrap_or_else(|| {
            problems.from = Some(wrong());
            None
        });
        let before = day(&self.to, true).unwrap_or_else(|| {
            problems.to = Some(wrong());
            None
        });
        let about = match about(console, &self.about).await {
            Ok(about) => about,
            Err(error @ (UseCaseError::Refused(_) | UseCaseError::NotFound(_))) => {
                problems.about = Some(refusals::text(language, &error));
                None
            }
            Err(error) => return Err(error),
        };
        if problems.any() {
            return Ok(Err(problems));
        }
        Ok(Ok(Filter { from, before, what: happening(&self.what), by: by(&self.by), about }))
    }
}

/// The beginning of a day in the office's zone, or its end. `None` if it is no day; of nothing, nothing.
fn day(typed: &str, end: bool) -> Option<Option<Timestamp>> {
    let typed = typed.trim();
    if typed.is_empty() {
        return Some(None);
    }
    let day: Date = typed.parse().ok()?;
    let day = if end { day.tomorrow().ok()? } else { day };
    Some(Some(day.to_zoned(office_zone()).ok()?.timestamp()))
}

/// By its name in the journal.
fn happening(name: &str) -> Option<Happening> {
    Happening::deserialize(name.into_deserializer()).map_err(|_: Unknown| ()).ok()
}

const KINDS_OF_ACTORS: [(&str, By, &str); 4] = [
    ("server", By::Server, "audit-by-server"),
    ("devices", By::Devices, "audit-by-device"),
    ("codes", By::Codes, "audit-by-code"),
    ("visitors", By::Visitors, "audit-by-visitor"),
];

fn by(name: &str) -> Option<By> {
    let kind = KINDS_OF_ACTORS.iter().find(|(value, ..)| *value == name).map(|(_, by, _)| *by);
    kind.or_else(|| name.parse::<OperatorId>().ok().map(By::Operator))
}

/// An id of any kind, or a staff number.
async fn about(console: &Console, typed: &str) -> Result<Option<About>, UseCaseError> {
    let typed = typed.trim();
    if typed.is_empty() {
        return Ok(None);
    }
    if let (36, Ok(id)) = (typed.len(), typed.parse::<AccountId>()) {
        return Ok(Some(About(*id.as_bytes())));
    }
    let account = accounts::find(&console.service, &Who::parse(typed, None)?).await?;
    Ok(Some(About(*account.value.id.as_bytes())))
}

/// Happenings of one group.
struct Group {
    said: String,
    choices: Vec<Choice>,
}

fn happenings(page: &Page, chosen: &str) -> Vec<Group> {
    let choice = |what: &Happening| {
        // The journal's own name, which serde knows.
        let value = serde_json::to_value(what).ok();
        let value = value.as_ref().and_then(|value| value.as_str()).unwrap_or_default().to_owned();
        Choice { chosen: value == chosen, text: words::what(page.language, *what), value }
    };
    let group = |(key, all): &(&str, &[Happening])| Group {
        said: page.say(key),
        choices: all.iter().map(choice).collect(),
    };
    words::GROUPS.iter().map(group).collect()
}

fn actors(page: &Page, actors: &Actors, chosen: &str) -> Vec<Choice> {
    let kinds = KINDS_OF_ACTORS.iter().map(|(value, _, key)| ((*value).to_owned(), page.say(key)));
    let operators =
        actors.operators().iter().map(|operator| (operator.id.to_string(), operator.name.to_string()));
    let choice = |(value, text): (String, String)| Choice { chosen: value == chosen, value, text };
    operators.chain(kinds).map(choice).collect()
}

#[derive(Template)]
#[template(path = "audit/search.html")]
struct SearchPage {
    page: Page,
    asked: Asked,
    problems: Problems,
    happenings: Vec<Group>,
    actors: Vec<Choice>,
    rows: Vec<Row>,
    /// Where older entries are.
    older: Option<String>,
    /// Whether that is a search that met its bound.
    unfinished: bool,
    looked_at: u64,
    table: String,
    fingerprint: String,
}

impl SearchPage {
    fn is_filtered(&self) -> bool {
        !self.asked.query(None).is_empty()
    }
}

/// The entries.
pub(in crate::console) async fn show(
    viewer: Viewer<Audit>,
    State(console): State<Console>,
    Query(asked): Query<Asked>,
) -> Result<Response, Failure> {
    let visit = viewer.visit.clone();
    page(viewer, &console, asked).await.map_err(|error| Failure::of(&visit, error))
}

async fn page(viewer: Viewer<Audit>, console: &Console, asked: Asked) -> Result<Response, UseCaseError> {
    note_reader(&viewer, console).await?;
    let service = &console.service;
    let filter = asked.filter(&viewer, console).await?;
    let found = match &filter {
        Ok(filter) => Some(search(service, filter, asked.before, ROWS).await?),
        Err(_) => None,
    };
    let (names, directory) = (Actors::load(service).await?, directory::current(service).await?);
    let page = viewer.page(Nav::Audit, console);
    let rest = found.as_ref().and_then(|found| found.rest);
    let unfinished = rest.is_some() && found.as_ref().is_some_and(|found| found.entries.len() < ROWS);
    let looked_at = found.as_ref().map_or(0, |found| found.looked_at);
    let entries = found.map(|found| found.entries).unwrap_or_default();
    let key = service.keyring.checkpoint.public_key().clone();
    let status = if filter.is_err() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let shown = SearchPage {
        happenings: happenings(&page, &asked.what),
        actors: actors(&page, &names, &asked.by),
        rows: entries.into_iter().map(|read| Row::new(read, page.language, &names, &directory)).collect(),
        older: rest.map(|rest| format!("/audit?{}", asked.query(Some(rest)))),
        table: format!("/audit/entries.csv?{}", asked.query(None)),
        fingerprint: data_encoding::HEXLOWER.encode(&key.fingerprint()),
        problems: filter.err().unwrap_or_default(),
        unfinished,
        looked_at,
        page,
        asked,
    };
    Ok(render_with(status, &shown))
}

/// The filter that a file is asked for with; nothing if it could not be read.
pub(super) async fn filter_of(
    viewer: &Viewer<Audit>,
    console: &Console,
    asked: &Asked,
) -> Result<Option<Filter>, UseCaseError> {
    Ok(asked.filter(viewer, console).await?.ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::april;

    #[test]
    fn a_day_begins_and_ends_in_the_offices_zone() {
        assert_eq!(day("2027-04-01", false), Some(Some(april())));
        assert_eq!(day("2027-03-31", true), Some(Some(april())));
        assert_eq!(day("", true), Some(None));
        assert_eq!(day("4/1", false), None);
    }

    #[test]
    fn happenings_are_named_as_in_the_journal() {
        assert_eq!(happening("device-wiped"), Some(Happening::DeviceWiped));
        assert_eq!(happening("DeviceWiped"), None);
        assert_eq!(happening(""), None);
    }
}
