//! `/batches/{id}/undo`: for whom a batch is to be undone. What that would do is a plan like another.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use jiff::Timestamp;
use mdm_core::apply::UNDO_WINDOW;
use mdm_core::batch::Batch;
use mdm_core::undo::may_undo;
use serde::Deserialize;

use super::{failed, named};
use crate::console::failure::Failure;
use crate::console::page::{Nav, Page};
use crate::console::posted::Posted;
use crate::console::render::render_with;
use crate::console::typed::staff_numbers;
use crate::console::viewer::Viewer;
use crate::console::{Console, refusals};
use crate::rights::Manage;
use crate::use_cases::UseCaseError;
use crate::use_cases::batches::undo::{Chosen, departments, plan_undo};

/// A department and how many of its people the batch changed.
struct Department {
    name: String,
    people: usize,
}

#[derive(Template)]
#[template(path = "batches/undo.html")]
struct UndoPage {
    page: Page,
    batch: Batch,
    /// Until when it can be undone.
    until: Timestamp,
    departments: Vec<Department>,
    filled: UndoForm,
    problem: Option<String>,
}

/// What the form sends.
#[derive(Debug, Default, Deserialize)]
pub(in crate::console) struct UndoForm {
    #[serde(default)]
    scope: String,
    #[serde(default)]
    department: String,
    #[serde(default)]
    numbers: String,
}

impl UndoForm {
    /// Who is meant; `None` where the form does not say it.
    fn chosen(&self) -> Option<Chosen> {
        match self.scope.as_str() {
            "all" => Some(Chosen::default()),
            "department" if !self.department.is_empty() => {
                Some(Chosen { departments: vec![self.department.clone()], ..Chosen::default() })
            }
            "people" => {
                let numbers = staff_numbers(&self.numbers).ok().filter(|numbers| !numbers.is_empty())?;
                Some(Chosen { numbers, ..Chosen::default() })
            }
            _ => None,
        }
    }
}

async fn show(
    viewer: &Viewer<Manage>,
    console: &Console,
    batch: Batch,
    filled: UndoForm,
    problem: Option<String>,
) -> Result<Response, Failure> {
    let failed = failed(&viewer.visit);
    let page = viewer.page(Nav::Batches, console);
    let at = may_undo(&batch, page.now).map_err(|error| failed(error.into()))?;
    let departments: BTreeMap<String, usize> =
        departments(&console.service, batch.id).await.map_err(&failed)?;
    let status = if problem.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let departments = departments.into_iter().map(|(name, people)| Department { name, people }).collect();
    let until = at.checked_add(UNDO_WINDOW).unwrap_or(at);
    Ok(render_with(status, &UndoPage { page, batch, until, departments, filled, problem }))
}

/// Asks for whom.
pub(in crate::console) async fn form(
    viewer: Viewer<Manage>,
    State(console): State<Console>,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let batch = named(&viewer, &console, &id).await?;
    show(&viewer, &console, batch, UndoForm::default(), None).await
}

/// Plans it and shows the plan.
pub(in crate::console) async fn plan(
    viewer: Viewer<Manage>,
    State(console): State<Console>,
    Path(id): Path<String>,
    Posted(form): Posted<UndoForm>,
) -> Result<Response, Failure> {
    let language = viewer.visit.language;
    let batch = named(&viewer, &console, &id).await?;
    let Some(chosen) = form.chosen() else {
        let problem = language.say("batches-undo-choose", &[]);
        return show(&viewer, &console, batch, form, Some(problem)).await;
    };
    match plan_undo(&console.service, batch.id, &chosen, viewer.actor()).await {
        Ok(undo) => Ok(Redirect::to(&format!("/batches/{}", undo.id)).into_response()),
        Err(error @ (UseCaseError::NotFound(_) | UseCaseError::Refused(_))) => {
            let problem = refusals::text(language, &error);
            show(&viewer, &console, batch, form, Some(problem)).await
        }
        Err(error) => Err(failed::<UseCaseError>(&viewer.visit)(error)),
    }
}
