//! From what somebody typed or chose to an audience: departments that there are, persons who are known.

use mdm_core::account::SourceName;
use mdm_core::document::{Audience, DepartmentName};

use crate::directory::{self, Snapshot};
use crate::service::Service;
use crate::use_cases::accounts::{Who, find};
use crate::use_cases::{Missing, Refusal, UseCaseError};

/// A department as somebody names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DepartmentWish {
    /// Whose, where several sources have one of that name.
    pub source: Option<SourceName>,
    /// Its name.
    pub name: String,
}

/// For whom a document shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Everybody.
    Organisation,
    /// These departments and what is below them.
    Departments(Vec<DepartmentWish>),
    /// These persons.
    Persons(Vec<Who>),
}

/// The audience that is meant. Names that nobody has are refused: they are typing errors.
pub async fn audience(service: &Service, wish: &Wish) -> Result<Audience, UseCaseError> {
    match wish {
        Wish::Organisation => Ok(Audience::Organisation),
        Wish::Departments(wishes) => {
            let directory = directory::current(service).await?;
            let named: Result<_, _> = wishes.iter().map(|wish| department(&directory, wish)).collect();
            Ok(Audience::Departments(named?))
        }
        Wish::Persons(wishes) => {
            let mut persons = Vec::with_capacity(wishes.len());
            for who in wishes {
                persons.push(find(service, who).await?.value.id);
            }
            Ok(Audience::Persons(persons))
        }
    }
}

fn department(directory: &Snapshot, wish: &DepartmentWish) -> Result<DepartmentName, UseCaseError> {
    let is_meant = |name: &DepartmentName| {
        name.name == wish.name && wish.source.as_ref().is_none_or(|source| *source == name.source)
    };
    let known = directory.audience_departments().into_iter().map(|department| department.name);
    let mut found: Vec<DepartmentName> = known.filter(is_meant).collect();
    match (found.pop(), found.is_empty()) {
        (Some(only), true) => Ok(only),
        (Some(_), false) => Err(Refusal::SeveralDepartments(wish.name.clone()).into()),
        (None, _) => Err(Missing::Department(wish.name.clone()).into()),
    }
}
