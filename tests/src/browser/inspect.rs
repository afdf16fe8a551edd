//! How a page must be: accessible, laid out, and what it looks like.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use data_encoding::BASE64;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Browser;

/// Least width and height of a control in CSS pixels.
const LEAST_CONTROL: u32 = 44;
/// Highest picture: below that a page goes on with more of the same rows.
const TALLEST: f64 = 2_400.0;
const GEOMETRY: &str = include_str!("geometry.js");
/// Runs axe and gives its violations, reduced to what a message needs.
const RUN_AXE: &str = r#"
const done = arguments[arguments.length - 1];
axe.run(document, { resultTypes: ["violations"] }).then(
  result => done({ checked: result.passes.length, violations: result.violations.map(found => ({
    rule: found.id, impact: found.impact, help: found.help, nodes: found.nodes.map(node => node.html),
  })) }),
  error => done({ failed: String(error) }));
"#;

/// A rule of accessibility that a page breaks.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Violation {
    /// The rule's name in axe.
    pub rule: String,
    /// minor, moderate, serious or critical.
    pub impact: String,
    /// What should be.
    pub help: String,
    /// The HTML of the elements that break it.
    pub nodes: Vec<String>,
}

impl Violation {
    /// Whether somebody is kept from using the page.
    pub fn is_serious(&self) -> bool {
        matches!(self.impact.as_str(), "serious" | "critical")
    }
}

/// What axe answers.
#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Checked { checked: u32, violations: Vec<Violation> },
    Failed { failed: String },
}

impl Browser {
    /// Checks the page with axe-core.
    ///
    /// # Errors
    /// When axe-core is not installed or does not run.
    pub fn axe(&self) -> Result<Vec<Violation>> {
        ensure!(self.options.javascript, "axe is a script and needs a page that may run some");
        self.script(&fs::read_to_string(axe_source()?)?, vec![]).context("loading axe")?;
        let answer = self.wait(self.client.execute_async(RUN_AXE, vec![])).context("running axe")?;
        match serde_json::from_value(answer.clone()).with_context(|| answer.to_string())? {
            Answer::Checked { checked: 0, .. } => bail!("axe found nothing to check"),
            Answer::Checked { violations, .. } => Ok(violations),
            Answer::Failed { failed } => bail!("axe failed: {failed}"),
        }
    }

    /// What is wrong with the page's layout, in words: wider than the window, controls too small or over each other,
    /// text cut off.
    ///
    /// # Errors
    /// When the page cannot be asked.
    pub fn layout_faults(&self) -> Result<Vec<String>> {
        let faults = self.script(GEOMETRY, vec![json!(self.options.width), json!(LEAST_CONTROL)])?;
        Ok(serde_json::from_value(faults)?)
    }

    /// Writes a picture of the whole page, as wide as the window, as PNG; of a page beyond all measure its beginning.
    ///
    /// # Errors
    /// When the picture cannot be taken or written.
    pub fn picture(&self, file: &Path) -> Result<()> {
        let metrics = self.cdp("Page.getLayoutMetrics", json!({}))?;
        let height = metrics["cssContentSize"]["height"].as_f64().context("the page's height")?;
        let height = height.max(f64::from(self.options.height)).min(TALLEST);
        let clip = json!({ "x": 0, "y": 0, "width": self.options.width, "height": height, "scale": 1 });
        let taken = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
        let answer = self.cdp("Page.captureScreenshot", taken)?;
        let Value::String(data) = &answer["data"] else { bail!("no picture in the answer") };
        let bytes = BASE64.decode(data.as_bytes())?;
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(file, bytes).with_context(|| file.display().to_string())
    }
}

/// Where `cargo xtask test` installs axe-core.
fn axe_source() -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let source = root.join("target/browser/node_modules/axe-core/axe.min.js");
    ensure!(
        source.is_file(),
        "{} is missing: `cargo xtask tools` installs axe-core by npm",
        source.display()
    );
    Ok(source)
}
