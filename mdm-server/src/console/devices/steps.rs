//! What became of a device, step by step, for `.steps`: each step says what is so and since when, and what is not known.

use mdm_core::command::CommandRecord;
use mdm_core::device::{Device, DeviceState, Wipe};
use shared::signed::Action;

use super::view::open_until;
use crate::console::page::Page;

/// One step.
pub(super) struct Step {
    /// Class of the list's item.
    pub(super) class: &'static str,
    /// What.
    pub(super) title: String,
    /// Since when, or what it waits for.
    pub(super) text: String,
}

const DONE: &str = "is-done";
const OPEN: &str = "is-open";
const AHEAD: &str = "is-ahead";

/// The steps of a device that is blocked or wiped; none for one that is in use.
pub(super) fn of(device: &Device, commands: &[CommandRecord], page: &Page) -> Vec<Step> {
    match &device.state {
        DeviceState::Enrolling | DeviceState::Live => Vec::new(),
        DeviceState::Blocked => vec![
            blocked(commands, page),
            told(device, commands, page),
            Step {
                class: AHEAD,
                title: page.say("devices-step-wipe"),
                text: page.say("devices-step-wipe-not"),
            },
        ],
        DeviceState::Wiped(wipe) => {
            let mut steps = Vec::new();
            if commands.iter().rev().find(|command| command.action != Action::Wipe).is_some_and(is_block) {
                steps.push(blocked(commands, page));
            }
            steps.extend([ordered(wipe, page), sealed(wipe, page), erased(wipe, device, page)]);
            steps
        }
    }
}

fn is_block(command: &CommandRecord) -> bool {
    command.action == Action::Block
}

fn blocked(commands: &[CommandRecord], page: &Page) -> Step {
    let at = commands.iter().rev().find(|command| is_block(command)).map(|command| command.issued_at);
    let text =
        at.map_or_else(String::new, |at| page.say1("devices-step-block-at", "at", page.time_in_text(&at)));
    Step { class: DONE, title: page.say("devices-step-block"), text }
}

/// Whether the device has heard of its block: until then it may stay open by itself.
fn told(device: &Device, commands: &[CommandRecord], page: &Page) -> Step {
    let order = commands.iter().rev().find(|command| is_block(command)).map(|command| command.order);
    let heard = order.is_some_and(|order| device.last_applied.is_some_and(|applied| applied >= order));
    let (class, text) =
        if heard { (DONE, "devices-step-told-done") } else { (OPEN, "devices-step-told-open") };
    Step { class, title: page.say("devices-step-told"), text: page.say(text) }
}

fn ordered(wipe: &Wipe, page: &Page) -> Step {
    let at = page.time_in_text(&wipe.ordered_at);
    Step {
        class: DONE,
        title: page.say("devices-step-wipe"),
        text: page.say1("devices-step-wipe-at", "at", at),
    }
}

fn sealed(wipe: &Wipe, page: &Page) -> Step {
    match &wipe.sealed_at {
        Some(at) => Step {
            class: DONE,
            title: page.say("devices-step-sealed"),
            text: page.say1("devices-step-sealed-at", "at", page.time_in_text(at)),
        },
        None => Step {
            class: OPEN,
            title: page.say("devices-step-seal"),
            text: page.say("devices-step-seal-open"),
        },
    }
}

fn erased(wipe: &Wipe, device: &Device, page: &Page) -> Step {
    match &wipe.receipt {
        Some(receipt) => Step {
            class: DONE,
            title: page.say("devices-step-erased"),
            text: page.say2(
                "devices-step-erased-at",
                "received",
                page.time_in_text(&receipt.received_at),
                "erased",
                page.time_in_text(&receipt.erased_at),
            ),
        },
        None => Step {
            class: OPEN,
            title: page.say("devices-step-unconfirmed"),
            text: page.say1("devices-step-unconfirmed-text", "open", open_until(device, page)),
        },
    }
}
