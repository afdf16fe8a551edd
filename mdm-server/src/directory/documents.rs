//! Documents in the directory: lists, who may read them, and the departments that they can be published to.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use mdm_core::account::{Account, SourceName};
use mdm_core::document::{DepartmentName, Document, Manifest, ReadingRules, reading};
use shared::ids::DocumentId;

use super::Snapshot;

/// A department that documents can be published to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudienceDepartment {
    /// Which.
    pub name: DepartmentName,
    /// Who belongs to it or to what is below it, and has not left.
    pub people: usize,
}

impl Snapshot {
    pub(super) fn put_document(&mut self, document: Document) {
        self.documents.insert(document.id, Arc::new(document));
    }

    /// All published documents, the newest version first.
    pub fn documents(&self) -> Vec<&Document> {
        let mut published: Vec<&Document> = self.published().collect();
        published.sort_by_key(|document| std::cmp::Reverse((document.published_at, document.id)));
        published
    }

    /// How many are published.
    pub fn published_documents(&self) -> usize {
        self.published().count()
    }

    fn published(&self) -> impl Iterator<Item = &Document> {
        self.documents.values().map(Arc::as_ref).filter(|document| document.is_published())
    }

    /// One document, published or not.
    pub fn document(&self, id: DocumentId) -> Option<&Document> {
        self.documents.get(&id).map(Arc::as_ref)
    }

    /// What an account may read. `account` is as the store has it: with its history.
    pub fn manifest(&self, account: &Account, rules: &ReadingRules, now: Timestamp) -> Manifest {
        reading::manifest(self.published(), account, rules, now)
    }

    /// How many people may read a document by the posts they have now.
    pub fn readers(&self, document: &Document, rules: &ReadingRules, now: Timestamp) -> usize {
        let reads = |account: &Account| document.may_be_read_by(account, rules, now);
        self.listed.iter().filter(|person| reads(&person.account)).count()
    }

    /// All departments of people who have not left and those above them, by source and name.
    pub fn audience_departments(&self) -> Vec<AudienceDepartment> {
        let mut found: BTreeMap<(&SourceName, &str), usize> = BTreeMap::new();
        for person in self.listed.iter().filter(|person| person.account.may_work()) {
            let account = &person.account;
            let posts = account.current().departments.iter();
            let mut theirs: Vec<&str> = posts.flat_map(|post| with_those_above(&post.name)).collect();
            theirs.sort_unstable();
            theirs.dedup();
            for name in theirs {
                *found.entry((&account.source, name)).or_default() += 1;
            }
        }
        let department = |((source, name), people): ((&SourceName, &str), usize)| AudienceDepartment {
            name: DepartmentName { source: source.clone(), name: name.to_owned() },
            people,
        };
        found.into_iter().map(department).collect()
    }
}

/// 総務部 人事課: itself and 総務部.
fn with_those_above(name: &str) -> impl Iterator<Item = &str> {
    let above = name.match_indices(' ').map(|(at, _)| &name[..at]);
    above.filter(|above| !above.is_empty()).chain(std::iter::once(name))
}
