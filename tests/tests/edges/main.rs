//! The house rules that cargo's metadata can show: which crate may know which, cores without IO, no second TLS
//! library, licenses, sources. The lists stand in `lists`, the checker in `check`; the tests here run it on the
//! real workspace and on copies with a planted fault, each of which it must name.

mod cheap;
mod check;
mod lists;
mod plant;

use check::{Finding, Graph, Walk, findings};
use lists::{DEMO, EDGES, LICENSES, LICENSES_FOR, NOT_IN_DEMO, NOWHERE, WITH_WINDOWS};
use plant::{CRATES_IO, Plant, parse, real};

fn edge(from: &str, to: &str) -> Finding {
    Finding::Edge { from: from.to_owned(), to: to.to_owned() }
}

fn reaches(core: &str, path: &[&str]) -> Finding {
    Finding::CoreReaches { core: core.to_owned(), path: path.iter().map(|name| (*name).to_owned()).collect() }
}

fn kept_out(name: &str, by: &str) -> Finding {
    Finding::KeptOut { name: name.to_owned(), wanted_by: vec![by.to_owned()] }
}

#[test]
fn the_workspace_keeps_its_rules() {
    let findings = findings(&parse(real()));
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(findings.is_empty(), "\n{}", lines.join("\n"));
}

#[test]
fn the_checker_sees_the_whole_graph() {
    let metadata = parse(real());
    for (name, _) in EDGES {
        assert!(metadata.workspace_packages().iter().any(|package| package.name == name), "{name} is gone");
    }
    let graph = Graph::new(&metadata);
    for (from, to) in [
        ("mdm-store", "sled"),
        ("mdm-server", "mio"),
        ("client-agent", "quinn-proto"),
        ("client", "winit"),
        ("e2e-app", "i-slint-core"),
    ] {
        let reached = graph.reached_from(from, Walk::Programs);
        let path = reached.into_iter().find(|path| path.last().is_some_and(|last| last == to));
        assert!(path.is_some(), "{from} uses {to}, and the walk did not find it");
    }
}

#[test]
fn an_edge_against_the_layers_is_named() {
    for (from, to) in [
        ("shared", "mdm-core"),
        ("mdm-core", "client-core"),
        ("mdm-store", "vault"),
        ("vault", "mdm-core"),
        ("client-agent", "mdm-core"),
        ("mdm-server", "client-agent"),
        ("mdm-core", "e2e"),
        ("client-ui", "client-agent"),
        ("client", "mdm-core"),
        ("e2e", "client"),
        ("client", "e2e-app"),
        ("xtask", "shared"),
    ] {
        let found = Plant::new().edge(from, to).found();
        assert!(found.contains(&edge(from, to)), "{found:?}");
    }
}

#[test]
fn an_edge_against_the_layers_is_named_even_when_only_tests_use_it() {
    assert_eq!(Plant::new().dev_edge("mdm-core", "mdm-store").found(), [edge("mdm-core", "mdm-store")]);
}

#[test]
fn xtask_gains_nothing_beside_clap_and_anyhow() {
    assert_eq!(Plant::new().edge("xtask", "serde").found(), [edge("xtask", "serde")]);
}

#[test]
fn a_crate_without_a_place_in_the_table_is_named() {
    let found = Plant::new().package_of("mystery", None, Some("MIT")).member("mystery").found();
    assert_eq!(found, [Finding::UnknownCrate { name: "mystery".to_owned() }]);
}

#[test]
fn a_core_that_gains_tokio_is_named() {
    for core in lists::CORES {
        let found = Plant::new().edge(core, "tokio").found();
        assert!(found.contains(&reaches(core, &["tokio"])), "{found:?}");
    }
}

#[test]
fn a_core_that_reaches_io_through_others_is_named_with_the_way() {
    let found =
        Plant::new().package("helpful").edge("helpful", "sled").edge("client-core", "helpful").found();
    assert_eq!(found, [reaches("client-core", &["helpful", "sled"])]);
    let found = Plant::new().package("sqlx-core").edge("mdm-core", "sqlx-core").found();
    assert!(found.contains(&reaches("mdm-core", &["sqlx-core"])), "{found:?}");
    let found = Plant::new().package("slint").edge("client-core", "slint").found();
    assert!(found.contains(&reaches("client-core", &["slint"])), "{found:?}");
}

#[test]
fn a_core_may_use_a_runtime_in_its_tests() {
    assert_eq!(Plant::new().dev_edge("mdm-core", "tokio").found(), []);
}

fn heavy(name: &str, path: &[&str]) -> Finding {
    Finding::Heavy { name: name.to_owned(), path: path.iter().map(|name| (*name).to_owned()).collect() }
}

#[test]
fn a_window_outside_the_app_is_named() {
    let found = Plant::new().edge("client-agent", "slint").found();
    assert!(found.contains(&heavy("client-agent", &["slint"])), "{found:?}");
    assert!(found.contains(&heavy("e2e", &["client-agent", "slint"])), "and all that lies above: {found:?}");
    let found = Plant::new().dev_edge("vault", "winit").found();
    assert_eq!(found, [heavy("vault", &["winit"])], "for tests, too");
    for name in WITH_WINDOWS {
        assert_eq!(Plant::new().edge(name, "slint").found(), [], "{name} has windows");
    }
}

#[test]
fn what_would_make_the_demo_slow_is_named() {
    for name in NOT_IN_DEMO {
        let found = Plant::new().package(name).edge("mdm-server", name).found();
        assert!(found.contains(&heavy(DEMO, &["mdm-server", name])), "{found:?}");
    }
}

#[test]
fn a_license_judged_for_one_package_is_named_at_another() {
    for (id, packages) in LICENSES_FOR {
        let found = Plant::new().package_of("odd", Some(CRATES_IO), Some(id)).found();
        assert_eq!(found, [Finding::License { name: "odd".to_owned(), license: id.to_owned() }]);
        assert_eq!(Plant::new().package_of(packages[0], Some(CRATES_IO), Some(id)).found(), []);
    }
}

#[test]
fn openssl_and_aws_lc_are_named_wherever_they_come_in() {
    for name in NOWHERE {
        let found = Plant::new().package(name).edge("rustls", name).found();
        assert_eq!(found, [kept_out(name, "rustls")]);
        let found = Plant::new().package(name).dev_edge("e2e", name).found();
        assert_eq!(found, [kept_out(name, "e2e")]);
    }
}

#[test]
fn an_unlisted_license_is_named() {
    for license in ["GPL-3.0-only", "MIT AND GPL-3.0-only", "AGPL-3.0-or-later OR SSPL-1.0", "Tasty-1.0", ""]
    {
        let found = Plant::new().package_of("odd", Some(CRATES_IO), Some(license)).found();
        assert_eq!(found, [Finding::License { name: "odd".to_owned(), license: license.to_owned() }]);
    }
    let found = Plant::new().package_of("odd", Some(CRATES_IO), None).found();
    assert!(matches!(&found[..], [Finding::License { name, .. }] if name == "odd"), "{found:?}");
}

#[test]
fn a_choice_that_has_a_listed_license_passes() {
    for license in ["GPL-3.0-only OR MIT", "(MIT OR GPL-2.0-only) AND ISC", "MIT/Apache-2.0"] {
        assert_eq!(Plant::new().package_of("even", Some(CRATES_IO), Some(license)).found(), []);
    }
}

#[test]
fn every_listed_license_is_in_use() {
    let metadata = parse(real());
    let under = |id: &str, name: &str| {
        let mut named = metadata.packages.iter().filter(|package| name.is_empty() || package.name == name);
        named.any(|package| package.license.as_deref().unwrap_or("").contains(id))
    };
    for id in LICENSES {
        assert!(under(id, ""), "{id} can leave the list");
    }
    for (id, packages) in LICENSES_FOR {
        for name in packages {
            assert!(under(id, name), "{name} can leave the list of {id}");
        }
    }
}

#[test]
fn a_package_from_elsewhere_than_crates_io_is_named() {
    let git = "git+https://git.example/odd?rev=1#1";
    let found = Plant::new().package_of("odd", Some(git), Some("MIT")).edge("e2e", "odd").found();
    assert_eq!(found, [Finding::Source { name: "odd".to_owned(), source: git.to_owned() }]);
    let found = Plant::new().package_of("odd", None, Some("MIT")).edge("e2e", "odd").found();
    assert!(matches!(&found[..], [Finding::Source { name, .. }] if name == "odd"), "{found:?}");
}
