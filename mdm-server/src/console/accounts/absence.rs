//! 休職・育休 of one person.

use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use jiff::civil::Date;
use mdm_core::absence::Absence;
use serde::Deserialize;
use shared::ids::AccountId;

use crate::console::Console;
use crate::console::devices::order::id;
use crate::console::failure::Failure;
use crate::console::notice::Notice;
use crate::console::posted::Posted;
use crate::console::refusals;
use crate::console::viewer::Viewer;
use crate::rights::Manage;
use crate::use_cases::UseCaseError;
use crate::use_cases::accounts::{Who, absence};

/// Days as a browser writes them; `remove`: the first day of one that was noted by mistake.
#[derive(Deserialize)]
pub(in crate::console) struct AbsenceForm {
    #[serde(default)]
    from: String,
    #[serde(default)]
    until: String,
    #[serde(default)]
    remove: String,
}

enum Asked {
    Note(Absence),
    Remove(Date),
}

impl AbsenceForm {
    fn read(&self) -> Result<Asked, jiff::Error> {
        if !self.remove.is_empty() {
            return Ok(Asked::Remove(self.remove.parse()?));
        }
        let until = if self.until.is_empty() { None } else { Some(self.until.parse()?) };
        Ok(Asked::Note(Absence { from: self.from.parse()?, until }))
    }
}

/// Notes one, gives one an end, or removes one. What is wrong is said on the person's page.
pub(in crate::console) async fn change(
    viewer: Viewer<Manage>,
    State(console): State<Console>,
    Path(account): Path<String>,
    Posted(form): Posted<AbsenceForm>,
) -> Result<Response, Failure> {
    let id: AccountId = id(&account, &viewer.visit)?;
    let (service, who, actor) = (&console.service, Who::Id(id), viewer.actor());
    let changed = match form.read() {
        Ok(Asked::Note(noted)) => absence::note(service, &who, noted, actor).await,
        Ok(Asked::Remove(from)) => absence::remove(service, &who, from, actor).await,
        Err(_) => {
            viewer.notify(&console, Notice::refused("accounts-absence-no-day"));
            return Ok(Redirect::to(&format!("/accounts/{id}#absence")).into_response());
        }
    };
    match changed {
        Ok(_) => viewer.notify(&console, Notice::done("accounts-absence-done")),
        Err(error @ UseCaseError::Refused(_)) => {
            let why = refusals::text(viewer.visit.language, &error);
            viewer.notify(&console, Notice::refused("accounts-absence-refused").with("why", why));
        }
        Err(error) => return Err(Failure::of(&viewer.visit, error)),
    }
    Ok(Redirect::to(&format!("/accounts/{id}#absence")).into_response())
}
