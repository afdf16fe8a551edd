//! Every page that somebody can reach by links, found by following them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use e2e::web::{Answer, Web};

/// So many pages of one kind are opened: people and devices are in several states.
const OF_A_KIND: usize = 6;

/// What forms lead to that only look something up: no link does.
const ASKED: [&str; 6] = [
    "/",
    "/lost?q=0",
    "/accounts?q=0",
    "/licenses/pool?size=200",
    "/licenses/reclaim?days=0&at_most=3",
    "/licenses/unused?days=0",
];

/// A page and how it was answered.
pub(crate) struct Found {
    /// Path and query.
    pub(crate) path: String,
    pub(crate) answer: Answer,
}

/// What a session reaches.
pub(crate) struct Crawl {
    pub(crate) pages: Vec<Found>,
}

impl Crawl {
    /// Follows all links from the first page, and from what can be asked for.
    pub(crate) fn of(web: &Web) -> Self {
        let mut ahead = VecDeque::from(ASKED.map(str::to_owned));
        let mut seen: BTreeSet<String> = ahead.iter().cloned().collect();
        let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
        let mut pages = Vec::new();
        while let Some(path) = ahead.pop_front() {
            let count = kinds.entry(kind(&path)).or_default();
            *count += 1;
            if *count > OF_A_KIND {
                continue;
            }
            let answer = web.get(&path).unwrap();
            for link in links(&answer.body) {
                if seen.insert(link.clone()) {
                    ahead.push_back(link);
                }
            }
            pages.push(Found { path, answer });
        }
        Self { pages }
    }

    /// The kinds of pages: ids are one kind, and values of queries.
    pub(crate) fn kinds(&self) -> BTreeSet<String> {
        self.pages.iter().map(|found| kind(&found.path)).collect()
    }

    /// Where the forms of all pages send what changes something.
    pub(crate) fn forms(&self) -> BTreeSet<String> {
        self.pages.iter().flat_map(|found| forms(&found.path, &found.answer.body)).collect()
    }
}

/// A path with ids as `{id}` and its query's names alone.
pub(crate) fn kind(path: &str) -> String {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let part = |part: &str| if is_id(part) { "{id}".to_owned() } else { part.to_owned() };
    let path: Vec<String> = path.split('/').map(part).collect();
    let mut names: Vec<&str> =
        query.split('&').filter_map(|pair| pair.split_once('=')).map(|(name, _)| name).collect();
    names.sort_unstable();
    if names.is_empty() { path.join("/") } else { format!("{}?{}", path.join("/"), names.join("&")) }
}

fn is_id(part: &str) -> bool {
    part.len() >= 32 && part.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

/// The places of this console that a page leads to; not languages, which change nothing but a cookie.
fn links(body: &str) -> Vec<String> {
    let hrefs = body.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    let hrefs = hrefs.map(|href| href.replace("&amp;", "&").replace("&#38;", "&"));
    let here = |href: &String| {
        href.starts_with('/') && !href.starts_with("/assets/") && !href.starts_with("/language/")
    };
    hrefs.map(|href| href.split('#').next().unwrap_or_default().to_owned()).filter(here).collect()
}

/// The targets of the forms of a page that are sent by POST.
fn forms(path: &str, body: &str) -> Vec<String> {
    let tags = body.split("<form").skip(1).filter_map(|rest| rest.split('>').next());
    let posts = tags.filter(|tag| tag.contains("method=\"post\""));
    let own = path.split('?').next().unwrap_or_default();
    let target = |tag: &str| {
        let action = tag.split_once("action=\"").and_then(|(_, rest)| rest.split('"').next());
        action.filter(|action| !action.is_empty()).unwrap_or(own).to_owned()
    };
    posts.map(target).collect()
}
