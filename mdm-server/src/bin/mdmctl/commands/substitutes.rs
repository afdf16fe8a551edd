//! `mdmctl substitutes`.

use std::collections::BTreeMap;

use mdm_server::api::types::{SubstituteView, SubstitutesRequest};

use crate::cli::Substitutes;
use crate::client::Client;
use crate::failure::Failure;
use crate::output::{answer, table};

pub(super) fn run(client: &Client, command: &Substitutes, json: bool) -> Result<(), Failure> {
    let (source, code_point, text) = match command {
        Substitutes::List => {
            let all: Vec<SubstituteView> = client.get(&["substitutes"], &[])?;
            return answer(json, &all, |all| list(all));
        }
        Substitutes::Set { source, code_point, text } => (source, code_point, Some(text.clone())),
        Substitutes::Remove { source, code_point } => (source, code_point, None),
    };
    let request = SubstitutesRequest {
        source: source.clone(),
        substitutes: BTreeMap::from([(code_point.clone(), text)]),
    };
    let of_source: Vec<SubstituteView> = client.put(&["substitutes"], &request)?;
    answer(json, &of_source, |of_source| list(of_source))
}

fn list(substitutes: &[SubstituteView]) -> String {
    let row = |one: &SubstituteView| vec![one.source.clone(), one.code_point.clone(), one.substitute.clone()];
    let rows: Vec<Vec<String>> = substitutes.iter().map(row).collect();
    table(&["source", "character", "stands for it"], &rows)
}
