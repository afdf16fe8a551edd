//! Who did something, by name.

use std::collections::HashMap;

use mdm_core::audit::Actor;
use mdm_core::operator::Operator;
use shared::ids::OperatorId;

use super::words::Language;
use crate::service::Service;
use crate::use_cases::UseCaseError;

/// The names of all operators, disabled ones as well.
pub(super) struct Actors {
    operators: Vec<Operator>,
    names: HashMap<OperatorId, String>,
}

impl Actors {
    /// Looks them up; there are few.
    pub(super) async fn load(service: &Service) -> Result<Self, UseCaseError> {
        let operators: Vec<_> =
            service.store.operators().await?.into_iter().map(|stored| stored.value).collect();
        let names = operators.iter().map(|operator| (operator.id, operator.name.to_string())).collect();
        Ok(Self { operators, names })
    }

    /// All of them, the oldest first.
    pub(super) fn operators(&self) -> &[Operator] {
        &self.operators
    }

    /// Who it was.
    pub(super) fn name(&self, actor: Actor, language: Language) -> String {
        match actor {
            Actor::Operator(id) => self.names.get(&id).cloned().unwrap_or_else(|| id.to_string()),
            Actor::Device(_) => language.say("audit-by-device", &[]),
            Actor::Code => language.say("audit-by-code", &[]),
            Actor::LossCode => language.say("audit-by-loss-code", &[]),
            Actor::Visitor => language.say("audit-by-visitor", &[]),
            Actor::Server => language.say("audit-by-server", &[]),
        }
    }
}
