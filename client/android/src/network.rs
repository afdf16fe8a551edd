//! When a new try to connect is worth it at once: another network is there than before.

/// Watches which network the system uses.
#[derive(Debug, Default)]
pub struct NetworkWatch {
    last: Option<u64>,
}

impl NetworkWatch {
    /// Takes the handle of the network in use, none if there is none; whether to connect now, instead of after the pause that
    /// failures have led to. A network that went away is no reason: the connection finds that out, and may outlive a short gap.
    pub fn seen(&mut self, network: Option<u64>) -> bool {
        let Some(network) = network else { return false };
        self.last.replace(network) != Some(network)
    }
}
