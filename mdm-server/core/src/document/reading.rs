//! Who may read what, and what a device is told of it.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use shared::wire::{DocumentEntry, ManifestVersion};

use super::{Audience, Document, Level};
use crate::account::Account;

/// What the organisation allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadingRules {
    /// How long the documents of a department stay readable for somebody who has moved away from it.
    pub handover: SignedDuration,
    /// The highest level that goes to phones.
    pub highest: Level,
}

/// What one account may read, in the order in which it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Another one whenever the entries are, and the same otherwise.
    pub version: ManifestVersion,
    /// By folder, then title.
    pub entries: Vec<DocumentEntry>,
}

/// The posts that count for somebody now: those they have, and those they left less than the handover ago. What they left
/// before they last came back is not among them: they have been away since.
fn posts(account: &Account, handover: SignedDuration, now: Timestamp) -> BTreeSet<&str> {
    let mut posts = BTreeSet::new();
    posts.extend(account.current().departments.iter().map(|post| post.name.as_str()));
    let here_since = account.returned_at.unwrap_or(account.created_at);
    for (before, after) in account.history.iter().zip(account.history.iter().skip(1)) {
        let left_at = after.from;
        if left_at > here_since && now.duration_since(left_at) < handover {
            posts.extend(before.value.departments.iter().map(|post| post.name.as_str()));
        }
    }
    posts
}

impl Audience {
    /// Whether somebody who counts as belonging to these posts is meant.
    fn means(&self, account: &Account, posts: &BTreeSet<&str>) -> bool {
        match self {
            Self::Organisation => true,
            Self::Departments(departments) => departments
                .iter()
                .any(|department| posts.iter().any(|post| department.has(&account.source, post))),
            Self::Persons(persons) => persons.contains(&account.id),
        }
    }
}

impl Document {
    /// Whether an account may read it: published, not above the highest level, meant for them, and they may work at all.
    pub fn may_be_read_by(&self, account: &Account, rules: &ReadingRules, now: Timestamp) -> bool {
        self.is_readable(account, &posts(account, rules.handover, now), rules)
    }

    fn is_readable(&self, account: &Account, posts: &BTreeSet<&str>, rules: &ReadingRules) -> bool {
        self.is_published()
            && account.may_work()
            && self.label.level <= rules.highest
            && self.label.audience.means(account, posts)
    }

    fn entry(&self) -> DocumentEntry {
        DocumentEntry {
            id: self.id,
            version: self.version,
            title: self.label.title.to_string(),
            folder: self.label.folder.as_str().to_owned(),
            media_type: self.label.media_type.as_str().to_owned(),
            size: self.content.size,
            hash: self.content.hash,
            level: self.label.level.into(),
            notice: self.label.notice.then_some(self.published_at),
        }
    }
}

/// What an account may read now.
pub fn manifest<'a>(
    documents: impl IntoIterator<Item = &'a Document>,
    account: &Account,
    rules: &ReadingRules,
    now: Timestamp,
) -> Manifest {
    let posts = posts(account, rules.handover, now);
    let readable = documents.into_iter().filter(|document| document.is_readable(account, &posts, rules));
    let mut entries: Vec<DocumentEntry> = readable.map(Document::entry).collect();
    entries.sort_by(|one, other| {
        (&one.folder, &one.title, one.id).cmp(&(&other.folder, &other.title, other.id))
    });
    Manifest { version: ManifestVersion::of(&entries), entries }
}
