//! What somebody does with a page: reads, fills, clicks. Each waits until the page has what it needs.

use std::cell::RefCell;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use fantoccini::elements::{Element, ElementRef};
use fantoccini::error::{CmdError, ErrorStatus};
use serde_json::{Value, json};

use super::Browser;
use crate::world::wait;

/// After this, what a page lacks does not come: no page of ours takes a tenth of it.
const PATIENCE: Duration = Duration::from_secs(40);
/// Gives the elements of a kind that have a name and can be seen.
const FIND: &str = include_str!("find.js");
/// The key of an element's id in WebDriver's JSON (W3C WebDriver, section 12.2).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Why something was not done.
enum Undone {
    /// It may be done when the page has changed.
    NotYet(String),
    /// It went wrong.
    Failed(anyhow::Error),
}

impl From<CmdError> for Undone {
    fn from(error: CmdError) -> Self {
        // The page changed between finding and using, or covers or has not shown the element yet.
        let not_yet = matches!(
            &error,
            CmdError::Standard(standard) if matches!(
                standard.error,
                ErrorStatus::StaleElementReference
                    | ErrorStatus::ElementNotInteractable
                    | ErrorStatus::ElementClickIntercepted
                    | ErrorStatus::NoSuchElement
            )
        );
        if not_yet { Self::NotYet(error.to_string()) } else { Self::Failed(error.into()) }
    }
}

impl Browser {
    /// Waits until the page shows some words.
    ///
    /// # Errors
    /// When it does not, with what it shows.
    pub fn see(&self, words: &str) -> Result<()> {
        self.see_that(&format!("the words {words:?}"), |text| text.contains(words))
    }

    /// Waits until the page shows some words no more.
    ///
    /// # Errors
    /// When it goes on showing them.
    pub fn see_gone(&self, words: &str) -> Result<()> {
        self.see_that(&format!("the words {words:?} gone"), |text| !text.contains(words))
    }

    /// Waits until the text of the page is as `holds` wants it.
    ///
    /// # Errors
    /// When it does not come to be, with what the page shows.
    pub fn see_that(&self, what: &str, holds: impl Fn(&str) -> bool) -> Result<()> {
        // While a page is being left, there may be none to ask.
        match wait::within(PATIENCE, || self.text().is_ok_and(|text| holds(&text)).then_some(())) {
            Some(()) => Ok(()),
            None => bail!("waited in vain for {what}\n{}", self.described()),
        }
    }

    /// Whether a button or link of this name is there now.
    ///
    /// # Errors
    /// When the page cannot be asked.
    pub fn offers(&self, name: &str) -> Result<bool> {
        Ok(!self.elements("exact", name)?.is_empty())
    }

    /// Clicks the one button, link or summary with this name, and waits for the page that it leads to.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub fn click(&self, name: &str) -> Result<()> {
        self.on("button", name, |element| self.wait(element.click()))
    }

    /// Types into the field with this label, instead of what is there.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub fn fill(&self, label: &str, text: &str) -> Result<()> {
        self.on("field", label, |element| {
            self.wait(async {
                element.clear().await?;
                element.send_keys(text).await
            })
        })
    }

    /// Picks a file in the field with this label.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub fn attach(&self, label: &str, file: &Path) -> Result<()> {
        let file = file.to_str().context("a path in UTF-8")?;
        self.on("field", label, |element| self.wait(element.send_keys(file)))
    }

    /// Picks from the list with this label.
    ///
    /// # Errors
    /// When there is no such list or no such choice.
    pub fn choose(&self, label: &str, choice: &str) -> Result<()> {
        self.on("field", label, |element| self.wait(element.select_by_label(choice)))
    }

    /// Ticks the box or picks the choice with this label.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub fn tick(&self, label: &str) -> Result<()> {
        self.on("tick", label, |element| self.wait(element.click()))
    }

    fn on(&self, kind: &str, name: &str, act: impl Fn(&Element) -> Result<(), CmdError>) -> Result<()> {
        let reason = RefCell::new(String::new());
        let done = wait::within(PATIENCE, || match self.attempt(kind, name, &act) {
            Ok(()) => Some(Ok(())),
            Err(Undone::NotYet(why)) => {
                reason.replace(why);
                None
            }
            Err(Undone::Failed(error)) => Some(Err(error)),
        });
        let done = done.unwrap_or_else(|| Err(anyhow::anyhow!("{}", reason.take())));
        done.with_context(|| format!("the {kind} {name:?}\n{}", self.described()))
    }

    fn attempt(
        &self,
        kind: &str,
        name: &str,
        act: impl Fn(&Element) -> Result<(), CmdError>,
    ) -> Result<(), Undone> {
        let mut found = self.elements(kind, name).map_err(|error| Undone::NotYet(error.to_string()))?;
        match (found.pop(), found.len()) {
            (Some(element), 0) => Ok(act(&element)?),
            (None, _) => Err(Undone::NotYet("there is none".to_owned())),
            (Some(_), more) => Err(Undone::NotYet(format!("there are {}", more + 1))),
        }
    }

    fn elements(&self, kind: &str, name: &str) -> Result<Vec<Element>> {
        let found = self.script(FIND, vec![json!(kind), json!(name)])?;
        let found: Vec<Value> = serde_json::from_value(found)?;
        let element = |value: &Value| {
            let id = value[ELEMENT].as_str().with_context(|| format!("{value} is no element"))?;
            ensure!(!id.is_empty(), "an element without an id");
            Ok(Element::from_element_id(self.client.clone(), ElementRef::from(id.to_owned())))
        };
        found.iter().map(element).collect()
    }
}
