//! What a plan asks for before it takes effect, by how much it does.

use serde::{Deserialize, Serialize};

use super::{ApprovalError, Consent};
use crate::batch::PlanSummary;
use crate::operator::Role;

/// What the organisation has set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuardRules {
    /// Percent of a source's people. If more leave, their number is typed and somebody else approves.
    pub leavers_percent: u8,
    /// If something changes for more people than this, somebody else approves.
    pub approval_above: u32,
    /// Who approves.
    pub approvers: Approvers,
}

/// Who approves plans of others. Deputies do so as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Approvers {
    /// Owners and operators.
    Operators,
    /// Owners alone.
    Owners,
}

impl Approvers {
    /// Whether a role is among them.
    pub fn include(self, role: Role) -> bool {
        match role {
            Role::Owner => true,
            Role::Operator => self == Self::Operators,
            Role::Helpdesk | Role::Auditor => false,
        }
    }
}

/// What a plan asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guards {
    /// The number that must be typed: never to be told to who has to type it.
    pub leavers: Option<u32>,
    /// Whether somebody else must approve.
    pub approval: bool,
}

impl Guards {
    /// What a plan with these counts asks for.
    pub fn of(summary: &PlanSummary, rules: &GuardRules) -> Self {
        let share = u64::from(summary.present) * u64::from(rules.leavers_percent);
        let many_leave = u64::from(summary.leave) * 100 > share;
        Self {
            leavers: many_leave.then_some(summary.leave),
            approval: many_leave || summary.changes() > rules.approval_above,
        }
    }

    /// Whether the number that was typed is the one.
    pub fn are_met_by(self, consent: Consent) -> Result<(), ApprovalError> {
        match (self.leavers, consent.leavers) {
            (Some(_), None) => Err(ApprovalError::LeaversNotTyped),
            (Some(count), Some(typed)) if count != typed => Err(ApprovalError::LeaversDiffer),
            (Some(_), Some(_)) | (None, _) => Ok(()),
        }
    }
}
