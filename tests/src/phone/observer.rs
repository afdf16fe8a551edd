//! Prints what happens, a line each, so that whoever started the phone can wait for it.

use std::sync::{Mutex, PoisonError};

use client_agent::{DocumentsProgress, Event, NotesProgress, Observer};
use client_core::{EraseStep, Notice};

/// Ends the process, without any cleaning up, after this step of an erase (its name as in `status --json`): how tests lose
/// power where they want.
const ABORT_AFTER: &str = "TBK_PHONE_ABORT_AFTER";

/// Prints events.
pub(super) struct Printer {
    to_stdout: bool,
    /// How many documents were said to be there, and of how many.
    documents: Mutex<(usize, usize)>,
    abort_after: Option<EraseStep>,
}

impl Printer {
    fn make(to_stdout: bool) -> Self {
        let step = std::env::var(ABORT_AFTER).ok();
        let abort_after = step.map(|name| {
            serde_json::from_value(serde_json::Value::String(name))
                .unwrap_or_else(|_| panic!("{ABORT_AFTER} has to name a step of the erase"))
        });
        Self { to_stdout, documents: Mutex::default(), abort_after }
    }

    /// For commands whose output is the events.
    pub(super) fn to_stdout() -> Self {
        Self::make(true)
    }

    /// For commands whose output is something else.
    pub(super) fn to_stderr() -> Self {
        Self::make(false)
    }

    fn say(&self, line: &str) {
        if self.to_stdout {
            println!("{line}");
        } else {
            eprintln!("{line}");
        }
    }
}

impl Observer for Printer {
    fn event(&self, event: Event) {
        let line = match event {
            Event::Connected => "connected",
            Event::Disconnected => "disconnected",
            Event::Session(Notice::Unlocked) => "unlocked",
            Event::Session(Notice::Locked) => "locked",
            Event::Session(Notice::Blocked) => "blocked",
            Event::Session(Notice::Unblocked) => "unblocked",
            Event::Session(Notice::Wiping) => "wiping",
            Event::Session(Notice::PinsDelayed) => "the next PIN has to wait",
            Event::Erased => "erased",
            Event::ReceiptAcknowledged => "receipt acknowledged",
        };
        self.say(line);
    }

    fn documents(&self, progress: DocumentsProgress) {
        let now = (progress.there, progress.documents);
        let mut said = self.documents.lock().unwrap_or_else(PoisonError::into_inner);
        if *said != now {
            *said = now;
            self.say(&format!("documents {} of {}", now.0, now.1));
        }
    }

    fn notes(&self, progress: NotesProgress) {
        if self.to_stdout {
            let NotesProgress { notes, unsent, stuck, copies, coming } = progress;
            println!("notes: {notes}, unsent {unsent}, refused {stuck}, copies {copies}, coming {coming}");
        }
    }

    fn erase_step_done(&self, step: EraseStep) {
        if self.abort_after == Some(step) {
            std::process::abort();
        }
    }
}
