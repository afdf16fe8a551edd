//! Reading what the server knows of itself.

use mdm_core::change::Stored;
use mdm_core::quarantine::ServerState;

use super::Read;

/// The server's own state.
pub trait Server: Send + Sync {
    /// It; `None` while nothing has ever changed it.
    fn server_state(&self) -> Read<'_, Option<Stored<ServerState>>>;
}
