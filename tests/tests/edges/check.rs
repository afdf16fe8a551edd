//! The checker: cargo's metadata in, findings out. It reads no files, so that a test can hand it metadata with a
//! planted fault.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;

use cargo_metadata::{DependencyKind, Metadata, Node, Package, PackageId};
use spdx::{Expression, Licensee, ParseMode};

use crate::lists::{
    CORES, DEMO, EDGES, LICENSES, LICENSES_FOR, NOT_IN_CORES, NOT_IN_DEMO, NOWHERE, WINDOWS, WITH_WINDOWS,
    XTASK,
};

/// One thing that must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// A crate of the workspace that the table of edges does not know.
    UnknownCrate { name: String },
    /// An edge between crates of the workspace, or out of xtask, that the table does not have.
    Edge { from: String, to: String },
    /// A core whose normal or build dependencies lead to IO.
    CoreReaches { core: String, path: Vec<String> },
    /// A crate outside the app that would build windows, or a demo that would build what makes it slow.
    Heavy { name: String, path: Vec<String> },
    /// A package that is kept out of the whole graph.
    KeptOut { name: String, wanted_by: Vec<String> },
    /// A package whose license is absent, unreadable or not listed.
    License { name: String, license: String },
    /// A package from neither crates.io nor the workspace.
    Source { name: String, source: String },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownCrate { name } => write!(f, "{name} has no line in the table of crate edges"),
            Self::Edge { from, to } => write!(f, "{from} must not depend on {to}"),
            Self::CoreReaches { core, path } => {
                write!(f, "{core} is a core and reaches {}", path.join(" -> "))
            }
            Self::Heavy { name, path } => {
                write!(f, "{name} must build without {}", path.join(" -> "))
            }
            Self::KeptOut { name, wanted_by } => {
                write!(f, "{name} is kept out; wanted by {}", wanted_by.join(", "))
            }
            Self::License { name, license } => write!(f, "{name} is under {license}, which is not listed"),
            Self::Source { name, source } => write!(f, "{name} comes from {source}, not from crates.io"),
        }
    }
}

/// Everything that is wrong with the workspace and its dependencies on all platforms.
pub(crate) fn findings(metadata: &Metadata) -> Vec<Finding> {
    let graph = Graph::new(metadata);
    let mut findings = edges(metadata);
    for core in CORES {
        findings.extend(graph.core(core));
    }
    for member in metadata.workspace_packages() {
        if !WITH_WINDOWS.contains(&member.name.as_str()) {
            findings.extend(graph.heavy(&member.name, Walk::WithTests, &WINDOWS));
        }
    }
    findings.extend(graph.heavy(DEMO, Walk::Programs, &NOT_IN_DEMO));
    for package in &metadata.packages {
        findings.extend(graph.kept_out(package));
        findings.extend(license(package));
        findings.extend(source(metadata, package));
    }
    findings
}

/// Declared edges, also of tests and of features that are off.
fn edges(metadata: &Metadata) -> Vec<Finding> {
    let members = metadata.workspace_packages();
    let mut findings = Vec::new();
    for from in &members {
        let name = from.name.to_string();
        let Some((_, allowed)) = EDGES.iter().find(|(known, _)| *known == name) else {
            findings.push(Finding::UnknownCrate { name });
            continue;
        };
        for to in from.dependencies.iter().map(|dependency| dependency.name.as_str()) {
            let inside = members.iter().any(|member| member.name == to);
            let refused =
                if inside { !allowed.contains(&to) } else { name == "xtask" && !XTASK.contains(&to) };
            if refused {
                findings.push(Finding::Edge { from: name.clone(), to: to.to_owned() });
            }
        }
    }
    findings
}

fn license(package: &Package) -> Option<Finding> {
    let own = LICENSES_FOR.iter().filter(|(_, packages)| packages.contains(&package.name.as_str()));
    let ids = LICENSES.into_iter().chain(own.map(|(id, _)| *id));
    let listed: Vec<Licensee> = ids.map(|id| Licensee::parse(id).expect("the lists hold SPDX ids")).collect();
    let text = package.license.as_deref().unwrap_or("no license expression");
    // Lax, for the old `MIT/Apache-2.0`.
    let allowed = Expression::parse_mode(text, ParseMode::LAX)
        .is_ok_and(|expression| expression.evaluate(|wanted| listed.iter().any(|has| has.satisfies(wanted))));
    (!allowed).then(|| Finding::License { name: package.name.to_string(), license: text.to_owned() })
}

fn source(metadata: &Metadata, package: &Package) -> Option<Finding> {
    let source = match &package.source {
        Some(source) if source.is_crates_io() => return None,
        Some(source) => source.repr.clone(),
        None if metadata.workspace_members.contains(&package.id) => return None,
        None => package.manifest_path.to_string(),
    };
    Some(Finding::Source { name: package.name.to_string(), source })
}

/// Whether a name is one of the list or of its family.
fn listed(list: &[&str], name: &str) -> bool {
    list.iter()
        .any(|entry| name.strip_prefix(entry).is_some_and(|rest| rest.is_empty() || rest.starts_with('-')))
}

/// Which edges are followed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Walk {
    /// What a crate's programs and libraries are built from.
    Programs,
    /// The same and what its tests are built from.
    WithTests,
}

/// The resolved graph.
pub(crate) struct Graph<'a> {
    names: HashMap<&'a PackageId, &'a str>,
    nodes: HashMap<&'a PackageId, &'a Node>,
}

impl<'a> Graph<'a> {
    pub(crate) fn new(metadata: &'a Metadata) -> Self {
        let resolve = metadata.resolve.as_ref().expect("cargo metadata without --no-deps resolves");
        Self {
            names: metadata.packages.iter().map(|package| (&package.id, package.name.as_str())).collect(),
            nodes: resolve.nodes.iter().map(|node| (&node.id, node)).collect(),
        }
    }

    /// The shortest way from a crate to each package that its normal and build dependencies lead to, or also those of
    /// its own tests.
    pub(crate) fn reached_from(&self, name: &str, walk: Walk) -> Vec<Vec<String>> {
        let start = self.names.iter().find(|(_, known)| **known == name).map(|(id, _)| *id);
        let mut queue: VecDeque<(&PackageId, Vec<String>)> =
            start.map(|id| (id, Vec::new())).into_iter().collect();
        let mut seen: HashSet<&PackageId> = start.into_iter().collect();
        let mut paths = Vec::new();
        while let Some((id, path)) = queue.pop_front() {
            for dependency in &self.nodes[id].deps {
                let only_tests =
                    dependency.dep_kinds.iter().all(|kind| kind.kind == DependencyKind::Development);
                let followed = walk == Walk::WithTests && Some(id) == start;
                if (only_tests && !followed) || !seen.insert(&dependency.pkg) {
                    continue;
                }
                let mut path = path.clone();
                path.push(self.names[&dependency.pkg].to_owned());
                paths.push(path.clone());
                queue.push_back((&dependency.pkg, path));
            }
        }
        paths
    }

    fn core(&self, core: &str) -> Vec<Finding> {
        let forbidden = |path: &Vec<String>| path.last().is_some_and(|name| listed(&NOT_IN_CORES, name));
        let paths = self.reached_from(core, Walk::Programs).into_iter().filter(forbidden);
        paths.map(|path| Finding::CoreReaches { core: core.to_owned(), path }).collect()
    }

    /// The first way alone: beyond it the whole tree of the toolkit would follow.
    fn heavy(&self, name: &str, walk: Walk, families: &[&str]) -> Option<Finding> {
        let heavy = |path: &Vec<String>| path.last().is_some_and(|last| listed(families, last));
        let path = self.reached_from(name, walk).into_iter().find(heavy)?;
        Some(Finding::Heavy { name: name.to_owned(), path })
    }

    fn kept_out(&self, package: &Package) -> Option<Finding> {
        if !listed(&NOWHERE, &package.name) {
            return None;
        }
        let wants = |node: &&&Node| node.deps.iter().any(|dependency| dependency.pkg == package.id);
        let mut wanted_by: Vec<String> =
            self.nodes.values().filter(wants).map(|node| self.names[&node.id].to_owned()).collect();
        wanted_by.sort();
        Some(Finding::KeptOut { name: package.name.to_string(), wanted_by })
    }
}
