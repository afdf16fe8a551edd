//! An activation code for another device of the same account, asked for by this one while its vault is open.

use std::sync::Arc;

use jiff::Timestamp;
use shared::activation_code::{ActivationCode, ParseCodeError};
use shared::wire::{SecondDevice, SecondDeviceCode};

use crate::agent::Agent;
use crate::error::AgentError;
use crate::link::ExchangeError;

/// What enrols the other device.
pub struct SecondDeviceInvitation {
    /// To be typed there.
    pub code: ActivationCode,
    /// Until when.
    pub expires_at: Timestamp,
    /// `host:port` of the server.
    pub server: String,
}

/// Why there is no code.
#[derive(Debug, thiserror::Error)]
pub enum SecondDeviceError {
    /// There is no connection.
    #[error("a code for another device is given only while the server can be reached: try again when it can")]
    NotConnected,
    /// The server's code is none.
    #[error("the server sent a code that is none: {0}")]
    Code(#[from] ParseCodeError),
    /// Anything else.
    #[error(transparent)]
    Agent(#[from] AgentError),
}

impl Agent {
    /// Asks for a code. While it can be used, asking again gives the same.
    pub async fn second_device(self: &Arc<Self>) -> Result<SecondDeviceInvitation, SecondDeviceError> {
        let connection = self.connection().ok_or(SecondDeviceError::NotConnected)?;
        let mut exchange = self.content(&connection).await?;
        exchange.send(&SecondDevice {}).await.map_err(AgentError::from)?;
        exchange.finish();
        let answer: SecondDeviceCode = match exchange.expect().await {
            Err(ExchangeError::Command(command)) => {
                self.blocking(move |agent| agent.obey(&command)).await??;
                return Err(AgentError::Wiped.into());
            }
            answer => answer.map_err(AgentError::from)?,
        };
        let code = ActivationCode::parse(&answer.code)?;
        let server = self.inner().device.as_ref().map(|device| device.server.clone());
        let server = server.ok_or(AgentError::Unenrolled)?;
        Ok(SecondDeviceInvitation { code, expires_at: answer.expires_at, server })
    }
}
