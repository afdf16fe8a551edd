//! What was said of a person before, and the last entries of the journal about them.

use jiff::Timestamp;
use mdm_core::account::Account;
use shared::ids::AccountId;

use super::view::post;
use crate::console::page::Page;
use crate::service::Service;
use crate::use_cases::UseCaseError;
use crate::use_cases::journal::search::{self, About, Filter, Found};

/// The most entries of the journal that are shown.
const ENTRIES: usize = 20;

/// What a roster said from a time on.
pub(super) struct Told {
    pub(super) from: Timestamp,
    pub(super) number: String,
    pub(super) name: String,
    pub(super) title: Option<String>,
    pub(super) posts: Vec<String>,
}

/// All that is kept of it, the newest first.
pub(super) fn told(account: &Account, page: &Page) -> Vec<Told> {
    let told = account.history.iter().rev().map(|dated| Told {
        from: dated.from,
        number: dated.value.staff_number.to_string(),
        name: dated.value.name.clone(),
        title: dated.value.title.clone(),
        posts: dated.value.departments.iter().map(|department| post(page, department)).collect(),
    });
    told.collect()
}

/// The last entries of the journal about a person. What is looked at has a bound, so there may be older ones.
pub(super) async fn entries(service: &Service, account: AccountId) -> Result<Found, UseCaseError> {
    let about = Filter { about: Some(About(*account.as_bytes())), ..Filter::default() };
    search::search(service, &about, None, ENTRIES).await
}
