//! Who calls, and whether they may: the proof that a handler asks for in its arguments.

use std::marker::PhantomData;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use mdm_core::audit::Actor;
use mdm_core::operator::Operator;

use super::{Api, ApiError};
use crate::rights::Right;
use crate::service::Service;
use crate::use_cases::operators::token_hash;
use crate::use_cases::sign_in::throttle::network;

/// Wrong tokens that one source may show in a minute before it is told to wait.
const WRONG_TOKENS_A_MINUTE: NonZeroU32 = NonZeroU32::new(20).expect("20 is not 0");
/// Sources counted before old ones are forgotten.
const SOURCES: usize = 10_000;
/// No token has more characters.
const TOKEN_MAX: usize = 128;

/// Proof that the caller showed the token of an operator whose role may do it. There is no other way to get one than from
/// a request.
pub(super) struct May<R> {
    operator: Operator,
    right: PhantomData<R>,
}

impl<R> May<R> {
    /// Who calls.
    pub(super) fn operator(&self) -> &Operator {
        &self.operator
    }

    /// Who calls, for the journal.
    pub(super) fn actor(&self) -> Actor {
        Actor::Operator(self.operator.id)
    }
}

impl<R: Right> FromRequestParts<Api> for May<R> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let operator = match authenticate(parts, &api.service).await? {
            Some(operator) => operator,
            None => return Err(api.wrong_tokens.count(source(parts))),
        };
        if !operator.may(R::ACT, api.service.clock.now()) {
            api.service.refusals.note(&api.service, &operator, R::ACT).await;
            return Err(ApiError::new(
                StatusCode::FORBIDDEN,
                "forbidden",
                format!("the role {:?} may not do this ({:?}): ask somebody who may", operator.role, R::ACT),
            ));
        }
        Ok(Self { operator, right: PhantomData })
    }
}

async fn authenticate(parts: &Parts, service: &Service) -> Result<Option<Operator>, ApiError> {
    let shown = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some((scheme, token)) = shown.and_then(|value| value.split_once(' ')) else { return Ok(None) };
    let token = token.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() || token.len() > TOKEN_MAX {
        return Ok(None);
    }
    let operator = service.store.operator_by_token(token_hash(token)).await;
    let operator = operator.map_err(|error| ApiError::from(crate::use_cases::UseCaseError::from(error)))?;
    Ok(operator.map(|stored| stored.value).filter(Operator::is_enabled))
}

/// Where a request comes from.
fn source(parts: &Parts) -> IpAddr {
    let address = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    address.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), network)
}

/// Counts wrong tokens. A right one is always heard: 256 random bits are not guessed, and the helpdesk behind the same
/// address must be able to block a phone.
pub(super) struct WrongTokens(DefaultKeyedRateLimiter<IpAddr>);

impl Default for WrongTokens {
    fn default() -> Self {
        Self(RateLimiter::keyed(Quota::per_minute(WRONG_TOKENS_A_MINUTE)))
    }
}

impl WrongTokens {
    fn count(&self, source: IpAddr) -> ApiError {
        if self.0.len() > SOURCES {
            self.0.retain_recent();
        }
        match self.0.check_key(&source) {
            Ok(()) => ApiError::unauthorised(),
            Err(_) => ApiError::too_many_wrong_tokens(),
        }
    }
}
