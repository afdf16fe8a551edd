//! What was said of a person before, and the last entries of the journal about them.

use jiff::Timestamp;
use mdm_core::account::Account;
use shared::ids::AccountId;

use super::view::post;
use crate::console::actors::Actors;
use crate::console::audit::words::what;
use crate::console::page::Page;
use crate::console::printed::Printed;
use crate::console::words::Language;
use crate::service::Service;
use crate::use_cases::UseCaseError;
use crate::use_cases::journal::search::{self, About, Filter};

/// The most entries of the journal that are shown.
const ENTRIES: usize = 20;

/// What a roster said from a time on.
pub(super) struct Told {
    pub(super) from: Timestamp,
    pub(super) number: String,
    pub(super) name: Printed,
    pub(super) title: Option<String>,
    pub(super) posts: Vec<Printed>,
}

/// All that is kept of it, the newest first.
pub(super) fn told(account: &Account, page: &Page) -> Vec<Told> {
    let told = account.history.iter().rev().map(|dated| Told {
        from: dated.from,
        number: dated.value.staff_number.to_string(),
        name: page.printed(&account.source, &dated.value.name),
        title: dated.value.title.clone(),
        posts: dated
            .value
            .departments
            .iter()
            .map(|department| post(page, &account.source, department))
            .collect(),
    });
    told.collect()
}

/// An entry of the journal.
pub(super) struct Noted {
    pub(super) at: Timestamp,
    pub(super) what: String,
    pub(super) by: String,
}

/// The last entries of the journal about a person, the newest first. What is looked at has a bound, so there may be
/// older ones.
pub(super) async fn noted(
    service: &Service,
    account: AccountId,
    language: Language,
) -> Result<Vec<Noted>, UseCaseError> {
    let about = Filter { about: Some(About(*account.as_bytes())), ..Filter::default() };
    let found = search::search(service, &about, None, ENTRIES).await?;
    let actors = Actors::load(service).await?;
    let bodies = found.entries.into_iter().filter_map(|read| read.body);
    let noted = bodies.map(|body| Noted {
        at: body.at,
        what: what(language, body.what),
        by: actors.name(body.actor, language),
    });
    Ok(noted.collect())
}
