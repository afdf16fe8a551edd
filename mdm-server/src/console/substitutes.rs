//! `/substitutes`: what stands for private-use characters, source by source. The page of a plan has the same fields for the
//! characters of its file and sends them here.

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use mdm_core::account::SourceName;
use mdm_core::substitute::{Changes, CodePoint, MAX_CHARACTERS, Substitute, SubstituteError};
use shared::ids::BatchId;

use super::failure::Failure;
use super::notice::Notice;
use super::page::{Nav, Page};
use super::posted::Posted;
use super::render::render_with;
use super::viewer::Viewer;
use super::{Console, refusals};
use crate::directory;
use crate::rights::{Manage, Read, Right};
use crate::use_cases::{UseCaseError, substitutes};

/// Longest text that a field takes: variation selectors are characters of their own.
const FIELD_LENGTH: usize = 2 * MAX_CHARACTERS;

/// A character and what stands for it, as a field of a form.
pub(super) struct SubstituteField {
    /// Its code point, which is the field's name.
    pub(super) code: String,
    /// The character itself, which only some computers can show.
    pub(super) character: char,
    /// What stands for it; empty if nothing does.
    pub(super) text: String,
    /// Whether it was refused.
    pub(super) wrong: bool,
    /// The most that can be typed.
    pub(super) longest: usize,
}

impl SubstituteField {
    /// As the tables say.
    pub(super) fn of(page: &Page, source: &SourceName, code: CodePoint) -> Self {
        let text = page.substitutes.find(source, code).map_or("", Substitute::as_str);
        Self::typed(code, text)
    }

    fn typed(code: CodePoint, text: &str) -> Self {
        Self {
            code: code.to_string(),
            character: code.character(),
            text: text.to_owned(),
            wrong: !text.trim().is_empty() && Substitute::new(text).is_err(),
            longest: FIELD_LENGTH,
        }
    }
}

/// The characters of one source.
struct Group {
    source: String,
    fields: Vec<SubstituteField>,
}

/// What a form sends: `source`, `batch` where it is that of a plan, code points with their texts, and `new-code` with
/// `new-text`.
type Form = BTreeMap<String, String>;

#[derive(Template)]
#[template(path = "substitutes.html")]
struct SubstitutesPage {
    page: Page,
    groups: Vec<Group>,
    sources: Vec<String>,
    typed: Form,
    problem: Option<String>,
}

impl SubstitutesPage {
    fn typed(&self, name: &str) -> &str {
        self.typed.get(name).map_or("", String::as_str)
    }

    fn longest(&self) -> usize {
        FIELD_LENGTH
    }
}

/// All of them.
pub(super) async fn show(viewer: Viewer<Read>, State(console): State<Console>) -> Result<Response, Failure> {
    answer(&viewer, &console, Form::new(), None).await
}

async fn answer<R: Right>(
    viewer: &Viewer<R>,
    console: &Console,
    typed: Form,
    problem: Option<String>,
) -> Result<Response, Failure> {
    let failed = |error| Failure::of(&viewer.visit, error);
    let tables = substitutes::all(&console.service).await.map_err(failed)?;
    let directory = directory::current(&console.service).await.map_err(|error| failed(error.into()))?;
    let mut groups: BTreeMap<&SourceName, BTreeMap<CodePoint, String>> = BTreeMap::new();
    for table in &tables {
        let texts = table.entries.iter().map(|(code, text)| (*code, text.as_str().to_owned()));
        groups.entry(&table.source).or_default().extend(texts);
    }
    let source = SourceName::new(typed.get("source").map_or("", String::as_str)).ok();
    if let Some(source) = &source {
        // What was typed stays in its field.
        let texts = typed.iter().filter_map(|(name, text)| Some((name.parse().ok()?, text.clone())));
        groups.entry(source).or_default().extend(texts);
    }
    let sources: BTreeSet<&SourceName> =
        directory.sources().into_iter().chain(groups.keys().copied()).collect();
    let shown = SubstitutesPage {
        page: viewer.page(Nav::Batches, console),
        sources: sources.into_iter().map(ToString::to_string).collect(),
        groups: groups
            .into_iter()
            .filter(|(_, texts)| !texts.is_empty())
            .map(|(source, texts)| Group {
                source: source.to_string(),
                fields: texts.iter().map(|(code, text)| SubstituteField::typed(*code, text)).collect(),
            })
            .collect(),
        typed,
        problem,
    };
    let status = if shown.problem.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    Ok(render_with(status, &shown))
}

/// Sets what the form says; a text that is empty is taken away.
pub(super) async fn change(
    viewer: Viewer<Manage>,
    State(console): State<Console>,
    Posted(form): Posted<Form>,
) -> Result<Response, Failure> {
    let language = viewer.visit.language;
    let source = form.get("source").and_then(|name| SourceName::new(name).ok());
    let source = source.ok_or(Failure::Malformed(language))?;
    let done = match wanted(&form) {
        Ok(wanted) => substitutes::change(&console.service, &source, &wanted, viewer.actor()).await,
        Err(error) => Err(UseCaseError::from(error)),
    };
    match done {
        Ok(()) => {
            let batch = form.get("batch").and_then(|id| id.parse::<BatchId>().ok());
            let onward = batch.map_or("/substitutes".to_owned(), |id| format!("/batches/{id}#substitutes"));
            viewer.notify(&console, Notice::done("substitutes-done").with("source", source.to_string()));
            Ok(Redirect::to(&onward).into_response())
        }
        Err(error) => {
            let problem = refusals::text(language, &error);
            answer(&viewer, &console, form, Some(problem)).await
        }
    }
}

fn wanted(form: &Form) -> Result<Changes, SubstituteError> {
    let substitute = |text: &str| match text.trim() {
        "" => Ok(None),
        text => Substitute::new(text).map(Some),
    };
    let mut wanted = Changes::new();
    for (name, text) in form {
        if let Ok(code) = name.parse::<CodePoint>() {
            wanted.insert(code, substitute(text)?);
        }
    }
    let (code, text) = (form.get("new-code"), form.get("new-text"));
    if let (Some(code), Some(text)) = (code.filter(|code| !code.trim().is_empty()), text) {
        wanted.insert(code.parse::<CodePoint>()?, Some(Substitute::new(text)?));
    }
    Ok(wanted)
}

#[cfg(test)]
mod tests {
    use mdm_core::audit::{Actor, Happening};
    use mdm_core::batch::Mode;
    use mdm_core::operator::Role;

    use super::*;
    use crate::console::browser::Browser;
    use crate::testing::World;
    use crate::use_cases::licenses;

    const STAFF: &str = "職員番号,氏名,所属,利用\n001,\u{E000}橋太郎,総務課,○\n002,佐藤\u{E001}子,総務課,○\n";
    const MARKED: &str = "<abbr title=\"外字 U+E000 の代わりの文字\">髙</abbr>橋太郎";

    #[tokio::test]
    async fn what_is_entered_on_a_plan_is_shown_marked_and_exported_beside_what_was_written() {
        let world = World::new();
        let console = Console::new(world.service.clone());
        licenses::set_pool(&world.service, 5, Actor::Server).await.unwrap();
        let owner = Browser::signed_in(&world, &console, Role::Owner).await;
        let auditor = Browser::signed_in(&world, &console, Role::Auditor).await;
        let batch = world.apply(STAFF, Mode::Roster).await;
        let plan = format!("/batches/{batch}");
        let text = owner.get(&plan).await.text();
        assert!(text.contains("2人の氏名か所属に") && text.contains("name=\"U+E000\""), "{text}");
        assert!(!auditor.get(&plan).await.text().contains("name=\"U+E000\""));

        let id = batch.to_string();
        let fields = [("source", "知事部局"), ("batch", &id), ("U+E000", "髙"), ("U+E001", "")];
        assert_eq!(auditor.post("/substitutes", &fields).await.status, StatusCode::FORBIDDEN);
        assert_eq!(owner.post("/substitutes", &fields).await.location, format!("{plan}#substitutes"));
        let text = owner.get(&plan).await.text();
        assert!(text.contains(MARKED) && text.contains("1人の氏名か所属に"), "{text}");
        assert!(owner.get("/accounts").await.text().contains(MARKED));
        let person = owner.get(&format!("/accounts/{}", world.account("001").await.id)).await.text();
        assert!(person.contains(MARKED) && person.contains("<title>髙橋太郎"), "{person}");
        assert!(owner.get("/substitutes").await.text().contains("value=\"髙\""));
        assert_eq!(world.account("001").await.current().name, "\u{E000}橋太郎", "stored as written");

        let csv = owner.post("/codes", &[("encoding", "utf-8")]).await.text();
        assert!(
            csv.contains("\u{E000}橋太郎") && csv.contains("髙橋太郎") && csv.contains("氏名(印字用)"),
            "{csv}"
        );
        let said: Vec<_> = world.journal().await.iter().map(|entry| entry.body().unwrap().what).collect();
        assert_eq!(said.iter().filter(|what| **what == Happening::SubstituteSet).count(), 1);
    }

    #[tokio::test]
    async fn what_cannot_stand_for_a_character_stays_in_its_field_and_changes_nothing() {
        let world = World::new();
        let console = Console::new(world.service.clone());
        let owner = Browser::signed_in(&world, &console, Role::Owner).await;
        for wrong in ["一二三四五", "\u{E005}"] {
            let fields = [("source", "知事部局"), ("U+E000", "髙"), ("U+E001", wrong)];
            let answer = owner.post("/substitutes", &fields).await;
            assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
            let text = answer.text();
            assert!(text.contains(&format!("value=\"{wrong}\"")) && text.contains("value=\"髙\""), "{text}");
        }
        let fields = [("source", "知事部局"), ("new-code", "9AD9"), ("new-text", "髙")];
        assert_eq!(owner.post("/substitutes", &fields).await.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(substitutes::all(&world.service).await.unwrap(), []);

        let fields = [("source", "知事部局"), ("new-code", "e000"), ("new-text", "髙")];
        assert_eq!(owner.post("/substitutes", &fields).await.location, "/substitutes");
        assert_eq!(substitutes::all(&world.service).await.unwrap().len(), 1);
        let fields = [("source", "知事部局"), ("U+E000", "")];
        assert_eq!(owner.post("/substitutes", &fields).await.location, "/substitutes");
        assert_eq!(substitutes::all(&world.service).await.unwrap(), []);
    }
}
