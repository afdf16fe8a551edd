//! Which pages are measured: every page of the console, read from its source so that none is forgotten, and some of them
//! as people ask for them.

use anyhow::{Context as _, Result, ensure};

use super::fixture::Ids;

const SOURCE: &str = include_str!("../../../mdm-server/src/console.rs");
/// What answers a GET and is no page.
const NO_PAGES: [(&str, &str); 5] = [
    ("/audit/journal.jsonl", "a download as long as the journal"),
    ("/audit/entries.csv", "a download as long as the journal"),
    ("/live", "a stream that does not end"),
    ("/language/{tag}", "a redirect"),
    ("/assets/", "files that are kept by the browser"),
];
/// Pages that ask for a fresh second factor: measured first, while the sign-in is one.
const FRESH: [&str; 3] = ["/accounts/{account}/code", "/devices/{device}/wipe", "/operators"];
/// Pages for those who are not signed in.
const OPEN: [&str; 3] = ["/sign-in", "/lost/report", "/invitation/{code}"];
/// What people ask for, beside the page as it first comes.
const ASKED: [(&str, &str); 12] = [
    ("/accounts, a part of a kana", "/accounts?q=%E3%81%9F%E3%81%AA%E3%81%8B"),
    ("/accounts, nobody found", "/accounts?q=%E7%8E%89%E6%89%8B%E7%AE%B1"),
    ("/accounts, a number without its zeros", "/accounts?q=12"),
    ("/accounts, seats that nobody used", "/accounts?seat=unused"),
    ("/accounts, far behind", "/accounts?page=150"),
    ("/lost, a part of a name", "/lost?q=%E7%94%B0"),
    ("/devices, wiped and not confirmed", "/devices?state=unconfirmed"),
    ("/devices, of some people", "/devices?q=%E3%82%BF"),
    ("/batches/{id}, far behind", "/batches/{id}?page=100"),
    ("/licenses/unused, all", "/licenses/unused?days=0"),
    ("/licenses/reclaim, all unused", "/licenses/reclaim?days=0"),
    ("/licenses/waiting, far behind", "/licenses/waiting?page=10"),
];

/// Who looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Visitor {
    Owner,
    Nobody,
}

/// One page.
#[derive(Debug)]
pub(super) struct Page {
    /// For the rows.
    pub(super) name: String,
    pub(super) path: String,
    pub(super) visitor: Visitor,
}

/// All pages, filled with what there is in the fixture.
pub(super) fn all(ids: &Ids) -> Result<Vec<Page>> {
    let routes = routes()?;
    let asked = ASKED.iter().map(|(name, path)| (*name, *path));
    let mut pages = Vec::new();
    for (name, route) in routes.iter().map(|route| (*route, *route)).chain(asked) {
        let visitor = if OPEN.contains(&route) { Visitor::Nobody } else { Visitor::Owner };
        pages.push(Page { name: name.to_owned(), path: filled(route, ids)?, visitor });
    }
    pages.sort_by_key(|page| !FRESH.iter().any(|fresh| page.name.starts_with(fresh)));
    Ok(pages)
}

fn routes() -> Result<Vec<&'static str>> {
    let mut routes = Vec::new();
    for statement in SOURCE.split(".route(").skip(1) {
        let path = statement.split('"').nth(1).context("a route without a path")?;
        let handlers = statement.split("\n        .").next().unwrap_or(statement);
        if handlers.contains("get(") && !NO_PAGES.iter().any(|(other, _)| path.starts_with(other)) {
            routes.push(path);
        }
    }
    ensure!(routes.len() > 20, "the routes are not found in the console's source");
    Ok(routes)
}

fn filled(route: &str, ids: &Ids) -> Result<String> {
    let device = match route {
        "/devices/{device}/unblock" => ids.blocked,
        "/devices/{device}/receipt" => ids.erased,
        _ => ids.live,
    };
    let id = if route.starts_with("/operators") { ids.operator.to_string() } else { ids.planned.to_string() };
    let path = route
        .replace("{account}", &ids.person.to_string())
        .replace("{device}", &device.to_string())
        .replace("{code}", &ids.invitation)
        .replace("{id}", &id);
    ensure!(!path.contains('{'), "the bench does not know what to put into {route}");
    Ok(path)
}

#[cfg(test)]
mod tests {
    use shared::ids::{AccountId, BatchId, EnrolmentId, OperatorId};

    use super::*;

    #[test]
    fn every_page_of_the_console_is_measured() {
        let device = |byte| EnrolmentId::from_bytes([byte; 16]);
        let ids = Ids {
            person: AccountId::from_bytes([1; 16]),
            live: device(2),
            blocked: device(3),
            erased: device(4),
            planned: BatchId::from_bytes([5; 16]),
            operator: OperatorId::from_bytes([6; 16]),
            invitation: "CODE".to_owned(),
        };
        let pages = all(&ids).unwrap();
        let at = |path: &str| pages.iter().position(|page| page.path == path).unwrap();
        assert_eq!(pages[at("/sign-in")].visitor, Visitor::Nobody);
        assert!(at(&format!("/devices/{}/wipe", ids.live)) < at("/"));
        at(&format!("/devices/{}/receipt", ids.erased));
        assert!(pages.iter().all(|page| !page.path.starts_with("/assets/") && page.path != "/live"));
    }
}
