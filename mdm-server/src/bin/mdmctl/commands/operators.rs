//! `mdmctl operators`.

use mdm_server::api::types::{
    DeputyRequest, InvitationView, InviteRequest, OperatorView, RoleRequest, TokenMade,
};
use serde_json::json;

use crate::cli::{Operators, RoleArgument};
use crate::client::Client;
use crate::failure::Failure;
use crate::output::{answer, fields, table, time, word};

pub(super) fn run(client: &Client, command: &Operators, json: bool) -> Result<(), Failure> {
    let operator: OperatorView = match command {
        Operators::List => {
            let operators: Vec<OperatorView> = client.get(&["operators"], &[])?;
            return answer(json, &operators, |operators| list(operators));
        }
        Operators::Invite { name, role } => {
            let request = InviteRequest { name: name.clone(), role: (*role).into() };
            let made: InvitationView = client.post(&["operators"], &[], &request)?;
            return answer(json, &made, invitation);
        }
        Operators::Reinvite { operator } => {
            let made: InvitationView =
                client.post(&["operators", operator, "invitation"], &[], &json!({}))?;
            return answer(json, &made, invitation);
        }
        Operators::Token { operator, revoke: false } => {
            let made: TokenMade = client.post(&["operators", operator, "token"], &[], &json!({}))?;
            return answer(json, &made, |made| format!("{}\n", made.token));
        }
        Operators::Token { operator, revoke: true } => client.delete(&["operators", operator, "token"])?,
        Operators::Role { operator, role } => {
            client.put(&["operators", operator, "role"], &RoleRequest { role: (*role).into() })?
        }
        Operators::Deputy { operator, from: Some(from), until: Some(until), .. } => {
            let request = DeputyRequest { from: from.clone(), until: until.clone() };
            client.put(&["operators", operator, "deputy"], &request)?
        }
        Operators::Deputy { operator, .. } => client.delete(&["operators", operator, "deputy"])?,
        Operators::Disable { operator } => {
            client.post(&["operators", operator, "disable"], &[], &json!({}))?
        }
        Operators::Enable { operator } => client.post(&["operators", operator, "enable"], &[], &json!({}))?,
    };
    answer(json, &operator, |operator| list(std::slice::from_ref(operator)))
}

impl From<RoleArgument> for mdm_core::operator::Role {
    fn from(role: RoleArgument) -> Self {
        match role {
            RoleArgument::Owner => Self::Owner,
            RoleArgument::Operator => Self::Operator,
            RoleArgument::Helpdesk => Self::Helpdesk,
            RoleArgument::Auditor => Self::Auditor,
        }
    }
}

fn list(operators: &[OperatorView]) -> String {
    let row = |operator: &OperatorView| {
        vec![
            operator.name.clone(),
            word(operator.role),
            word(operator.state),
            if operator.has_token { "yes" } else { "no" }.to_owned(),
            time(operator.created_at),
            operator.id.to_string(),
        ]
    };
    let rows: Vec<Vec<String>> = operators.iter().map(row).collect();
    table(&["name", "role", "state", "token", "since", "id"], &rows)
}

fn invitation(made: &InvitationView) -> String {
    fields(&[
        ("operator", made.operator.name.clone()),
        ("role", word(made.operator.role)),
        ("link", made.link.clone()),
        ("open until", time(made.expires_at)),
        (
            "",
            "Whoever opens the link becomes this operator: hand it over in person, or encrypted.".to_owned(),
        ),
    ])
}
