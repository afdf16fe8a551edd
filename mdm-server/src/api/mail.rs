//! `/batches/…/mail`: activation codes by mail. Asking for it is noted in the journal as an export of codes is.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use mdm_core::account::{Account, StaffNumber};
use mdm_core::mail::MailState;
use shared::ids::BatchId;

use super::auth::May;
use super::batches::must_see_lines;
use super::extract::{MaybeJson, Named};
use super::types::{MailCancelled, MailQueued, MailRequest, MailResults, MailView, MailWord};
use super::{Api, ApiError};
use crate::rights::Codes;
use crate::use_cases::mail::{self, Queued, Standing};
use crate::use_cases::{UseCaseError, batches};

pub(super) async fn queue(
    may: May<Codes>,
    State(api): State<Api>,
    Named(id): Named<BatchId>,
    MaybeJson(request): MaybeJson<MailRequest>,
) -> Result<(StatusCode, Json<MailQueued>), ApiError> {
    let batch = batches::show(&api.service, id).await?;
    must_see_lines(&may, &api, &batch).await?;
    let chosen = chosen(request)?;
    let Queued { queued, already, no_address } =
        mail::queue(&api.service, id, chosen.as_ref(), may.actor()).await?;
    Ok((StatusCode::ACCEPTED, Json(MailQueued { queued, already, no_address })))
}

pub(super) async fn cancel(
    may: May<Codes>,
    State(api): State<Api>,
    Named(id): Named<BatchId>,
    MaybeJson(request): MaybeJson<MailRequest>,
) -> Result<Json<MailCancelled>, ApiError> {
    let batch = batches::show(&api.service, id).await?;
    must_see_lines(&may, &api, &batch).await?;
    let chosen = chosen(request)?;
    let cancelled = mail::cancel(&api.service, id, chosen.as_ref(), may.actor()).await?;
    Ok(Json(MailCancelled { cancelled }))
}

fn chosen(request: MailRequest) -> Result<Option<BTreeSet<StaffNumber>>, UseCaseError> {
    let Some(numbers) = request.staff_numbers else { return Ok(None) };
    let numbers = numbers.iter().map(|number| StaffNumber::new(number));
    Ok(Some(numbers.collect::<Result<_, _>>()?))
}

pub(super) async fn results(
    may: May<Codes>,
    State(api): State<Api>,
    Named(id): Named<BatchId>,
) -> Result<Json<MailResults>, ApiError> {
    let batch = batches::show(&api.service, id).await?;
    must_see_lines(&may, &api, &batch).await?;
    let found = mail::results(&api.service, id).await?;
    let items: Vec<MailView> = found.iter().map(|(account, standing)| view(account, standing)).collect();
    let count = |state| items.iter().filter(|item| item.state == state).count();
    Ok(Json(MailResults {
        queued: count(MailWord::Queued),
        sent: count(MailWord::Sent),
        failed: count(MailWord::Failed),
        no_address: count(MailWord::NoAddress),
        items,
    }))
}

fn view(account: &Account, standing: &Standing) -> MailView {
    let current = account.current();
    let (state, at, tries, why) = match standing {
        Standing::NotAsked => (MailWord::NotAsked, None, None, None),
        Standing::NoAddress => (MailWord::NoAddress, None, None, None),
        Standing::Asked(MailState::Queued { not_before, tries, obstacle }) => {
            let why = obstacle.map(|obstacle| obstacle.name().to_owned());
            (MailWord::Queued, Some(*not_before), Some(*tries), why)
        }
        Standing::Asked(MailState::Sent { at }) => (MailWord::Sent, Some(*at), None, None),
        Standing::Asked(MailState::Failed { at, why }) => {
            (MailWord::Failed, Some(*at), None, Some(why.name().to_owned()))
        }
        Standing::Asked(MailState::Cancelled { at }) => (MailWord::Cancelled, Some(*at), None, None),
    };
    MailView {
        account: account.id,
        staff_number: current.staff_number.to_string(),
        name: current.name.clone(),
        state,
        at,
        tries,
        why,
    }
}
