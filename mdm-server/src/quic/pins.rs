//! The exchange of [`shared::wire::ALPN_PINS`], for devices that know none of the server's keys any more: they are given
//! the signed updates that tell them. Everybody may have these; nothing is looked up, read from the store or written.

use quinn::Connection;
use shared::wire::{PinsAnswer, PinsRequest};
use tokio::time::timeout;

use super::exchange::{Exchange, ExchangeError};
use super::limits::Limits;
use super::{PATIENCE, close};
use crate::service::Service;

/// Serves one question on a connection.
pub(super) async fn serve(service: &Service, limits: &Limits, connection: Connection) {
    if !limits.admits_question_for_pins(connection.remote_address().ip()) {
        connection.close(close::TOO_MANY, b"too many questions from this address");
        return;
    }
    let Ok(Ok(stream)) = timeout(PATIENCE, connection.accept_bi()).await else { return };
    let mut exchange = Exchange::new(stream);
    let result = answer(service, &mut exchange).await;
    exchange.finish(result).await;
    connection.close(close::DONE, b"");
}

async fn answer(service: &Service, exchange: &mut Exchange) -> Result<(), ExchangeError> {
    let PinsRequest {} = exchange.receive().await?;
    exchange.send(&PinsAnswer { updates: service.keyring.pin_updates() }).await
}
