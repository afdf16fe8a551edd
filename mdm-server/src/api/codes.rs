//! `/codes` and `/accounts/…/code`: activation codes for letters. Showing them is noted in the journal.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use mdm_letters::Layout;

use super::accounts::source;
use super::auth::May;
use super::extract::{Asked, Named};
use super::types::{
    AccountQuery, CodeRow, ExportFormat, ExportQuery, LanguageWord, LayoutWord, LettersQuery, Reissued,
};
use super::{Api, ApiError};
use crate::console::words::Language;
use crate::rights::Codes;
use crate::use_cases::accounts::Who;
use crate::use_cases::codes;
use crate::use_cases::letters::{self, Order};
use crate::use_cases::substitutes;

pub(super) async fn export(
    may: May<Codes>,
    State(api): State<Api>,
    Asked(query): Asked<ExportQuery>,
) -> Result<Response, ApiError> {
    let opened = codes::export(&api.service, may.actor()).await?;
    let tables = substitutes::tables(&api.service).await?;
    let rows: Vec<CodeRow> = opened.iter().map(|code| CodeRow::new(code, &tables)).collect();
    Ok(match query.format {
        ExportFormat::Json => Json(rows).into_response(),
        ExportFormat::Csv => {
            let text = super::csv::codes(&rows).map_err(|error| {
                tracing::error!(%error, "codes could not be written as CSV");
                ApiError::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "internal",
                    "the codes could not be written as CSV",
                )
            })?;
            ([(CONTENT_TYPE, "text/csv; charset=utf-8")], text).into_response()
        }
    })
}

pub(super) async fn letters(
    may: May<Codes>,
    State(api): State<Api>,
    Asked(query): Asked<LettersQuery>,
) -> Result<Response, ApiError> {
    let order = Order {
        layout: match query.layout {
            LayoutWord::One => Layout::One,
            LayoutWord::Ten => Layout::Ten,
        },
        language: match query.language {
            LanguageWord::Ja => Language::Japanese,
            LanguageWord::En => Language::English,
        },
        batch: query.batch,
        substitutes: query.substitutes,
    };
    let pdf = letters::print(&api.service, may.actor(), order).await?;
    Ok(([(CONTENT_TYPE, "application/pdf")], pdf).into_response())
}

pub(super) async fn reissue(
    may: May<Codes>,
    State(api): State<Api>,
    Named(account): Named<String>,
    Asked(query): Asked<AccountQuery>,
) -> Result<Response, ApiError> {
    let who = Who::parse(&account, source(query.source.as_deref())?)?;
    let code = codes::reissue(&api.service, &who, may.actor()).await?;
    let tables = substitutes::tables(&api.service).await?;
    let body = Json(Reissued { code: CodeRow::new(&code, &tables) });
    Ok((StatusCode::CREATED, body).into_response())
}
