//! The real metadata with a fault planted in it, as cargo would print it for a workspace that had the fault.

#![expect(clippy::unwrap_used, reason = "only tests call this; a panic is their failure")]

use std::path::Path;
use std::sync::OnceLock;

use cargo_metadata::{Metadata, MetadataCommand};
use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::check::{Finding, findings};

pub(crate) const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// What `cargo metadata` says of this workspace for all platforms.
pub(crate) fn real() -> &'static str {
    static OUTPUT: OnceLock<String> = OnceLock::new();
    OUTPUT.get_or_init(|| {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        let options = vec!["--locked".to_owned()];
        let mut command =
            MetadataCommand::new().manifest_path(manifest).other_options(options).cargo_command();
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    })
}

/// The metadata as the checker takes it.
pub(crate) fn parse(text: &str) -> Metadata {
    MetadataCommand::parse(text).unwrap()
}

/// Metadata under edit.
pub(crate) struct Plant(Value);

/// The real metadata without the bulk that the checker does not read, since it is parsed for every fault.
fn slim() -> &'static Value {
    static SLIM: OnceLock<Value> = OnceLock::new();
    SLIM.get_or_init(|| {
        let mut value: Value = serde_json::from_str(real()).unwrap();
        let members = value["workspace_members"].as_array().unwrap().clone();
        for package in value["packages"].as_array_mut().unwrap() {
            package["targets"] = json!([]);
            package["features"] = json!({});
            if !members.contains(&package["id"]) {
                package["dependencies"] = json!([]);
            }
        }
        value
    })
}

fn findings_of(value: &Value) -> Vec<Finding> {
    findings(&Metadata::deserialize(value).unwrap())
}

impl Plant {
    pub(crate) fn new() -> Self {
        Self(slim().clone())
    }

    /// Adds a package from crates.io under a listed license, without dependencies.
    pub(crate) fn package(self, name: &str) -> Self {
        self.package_of(name, Some(CRATES_IO), Some("MIT"))
    }

    /// Adds a package; no source means a folder of this machine.
    pub(crate) fn package_of(mut self, name: &str, source: Option<&str>, license: Option<&str>) -> Self {
        let id = format!("planted#{name}@1.0.0");
        let mut package = self.packages().iter().find(|package| package["name"] == "cfg-if").unwrap().clone();
        package["name"] = json!(name);
        package["id"] = json!(id);
        package["source"] = json!(source);
        package["license"] = json!(license);
        package["dependencies"] = json!([]);
        self.packages().push(package);
        self.nodes().push(json!({ "id": id, "deps": [], "dependencies": [], "features": [] }));
        self
    }

    /// Adds a normal dependency between two packages of the graph.
    pub(crate) fn edge(self, from: &str, to: &str) -> Self {
        self.edge_of(from, to, None)
    }

    /// Adds a dependency for tests only.
    pub(crate) fn dev_edge(self, from: &str, to: &str) -> Self {
        self.edge_of(from, to, Some("dev"))
    }

    fn edge_of(mut self, from: &str, to: &str, kind: Option<&str>) -> Self {
        let (from_id, to_id) = (self.id(from), self.id(to));
        let node = self.nodes().iter_mut().find(|node| node["id"] == from_id).unwrap();
        node["deps"].as_array_mut().unwrap().push(json!({
            "name": to, "pkg": to_id, "dep_kinds": [{ "kind": kind, "target": null }],
        }));
        node["dependencies"].as_array_mut().unwrap().push(to_id);
        let package = self.packages().iter_mut().find(|package| package["id"] == from_id).unwrap();
        package["dependencies"].as_array_mut().unwrap().push(json!({
            "name": to, "source": null, "req": "*", "kind": kind, "rename": null, "optional": false,
            "uses_default_features": true, "features": [], "target": null, "registry": null,
        }));
        self
    }

    /// Makes a package of the graph a crate of the workspace.
    pub(crate) fn member(mut self, name: &str) -> Self {
        let id = self.id(name);
        self.0["workspace_members"].as_array_mut().unwrap().push(id);
        self
    }

    /// What the checker reports that it does not report of the real workspace.
    pub(crate) fn found(self) -> Vec<Finding> {
        static BEFORE: OnceLock<Vec<Finding>> = OnceLock::new();
        let before = BEFORE.get_or_init(|| findings_of(slim()));
        let after = findings_of(&self.0);
        after.into_iter().filter(|finding| !before.contains(finding)).collect()
    }

    fn id(&mut self, name: &str) -> Value {
        let package = self.packages().iter().find(|package| package["name"] == name);
        package.unwrap_or_else(|| panic!("no package {name} in the graph"))["id"].clone()
    }

    fn packages(&mut self) -> &mut Vec<Value> {
        self.0["packages"].as_array_mut().unwrap()
    }

    fn nodes(&mut self) -> &mut Vec<Value> {
        self.0["resolve"]["nodes"].as_array_mut().unwrap()
    }
}
