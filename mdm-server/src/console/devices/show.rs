//! One device: where it stands, step by step, what it says of itself, and every command it was given.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use data_encoding::HEXLOWER;
use jiff::{SignedDuration, Timestamp};
use mdm_core::audit::Happening;
use mdm_core::command::CommandRecord;
use mdm_core::device::{Device, StoredReceipt, Wipe};
use mdm_core::run::CopySign;
use shared::crypto::hazmat::sha256;
use shared::ids::EnrolmentId;
use shared::signed::Action;

use super::order::{find, id, owner};
use super::steps::{self, Step};
use super::view::DeviceView;
use crate::console::Console;
use crate::console::accounts::view::PersonView;
use crate::console::failure::Failure;
use crate::console::page::{Nav, Page};
use crate::console::render::render;
use crate::console::viewer::Viewer;
use crate::rights::Read;
use crate::use_cases::UseCaseError;
use crate::use_cases::journal::search::{self, About, Filter};

const A_SECOND: SignedDuration = SignedDuration::from_secs(1);

#[derive(Template)]
#[template(path = "devices/show.html")]
struct DevicePage {
    page: Page,
    device: DeviceView,
    person: PersonView,
    steps: Vec<Step>,
    commands: Vec<CommandRow>,
    /// SHA-256 of the receipt, if it has come.
    receipt: Option<String>,
    /// The entry of the journal that notes it.
    place: Option<u64>,
    /// Receipts that came later and differ.
    further_receipts: u32,
    /// Key of the words for what shows that there are two of it.
    copied: Option<&'static str>,
    /// Something is awaited, so the page reloads itself where no script runs.
    waits: bool,
}

/// One command.
struct CommandRow {
    number: u32,
    action: &'static str,
    issued_at: Timestamp,
    applied: &'static str,
}

/// The page.
pub(in crate::console) async fn show(
    viewer: Viewer<Read>,
    State(console): State<Console>,
    Path(device): Path<String>,
) -> Result<Response, Failure> {
    let id: EnrolmentId = id(&device, &viewer.visit)?;
    let known = find(&console, &viewer, id).await?;
    let commands = console.service.store.commands_of(id).await;
    let commands = commands.map_err(|error| Failure::of(&viewer.visit, UseCaseError::from(error)))?;
    let commands: Vec<CommandRecord> = commands.into_iter().map(|stored| stored.value).collect();
    let page = viewer.page(Nav::Devices, &console);
    let wipe = known.device.wipe();
    let receipt = wipe.and_then(|wipe| wipe.receipt.as_ref());
    let place = match receipt {
        Some(receipt) => {
            noted(&console, id, receipt).await.map_err(|error| Failure::of(&viewer.visit, error))?
        }
        None => None,
    };
    let last = commands.last().map(|command| is_applied(command, &known.device));
    Ok(render(&DevicePage {
        person: owner(&known, &viewer, &page)?,
        steps: steps::of(&known.device, &commands, &page),
        commands: commands.iter().map(|command| row(command, &known.device)).collect(),
        receipt: receipt.map(|receipt| HEXLOWER.encode(&sha256(&[&receipt.bytes]))),
        place,
        further_receipts: wipe.map_or(0, |wipe| wipe.further_receipts),
        copied: copied(&known.device),
        waits: last == Some(false),
        device: DeviceView::new(&known, &page),
        page,
    }))
}

/// Why there may be two of it. What was noted before signs were told apart was of an older copy.
fn copied(device: &Device) -> Option<&'static str> {
    device.copy_suspected_at?;
    Some(match device.copy_sign {
        None | Some(CopySign::Behind) => "devices-copy-behind",
        Some(CopySign::BothLive) => "devices-copy-both-live",
        Some(CopySign::Forked) => "devices-copy-forked",
    })
}

/// Where the journal notes that the receipt came. Looked for where its time stands, so that a long journal costs nothing.
async fn noted(
    console: &Console,
    device: EnrolmentId,
    receipt: &StoredReceipt,
) -> Result<Option<u64>, UseCaseError> {
    let filter = Filter {
        // The journal has milliseconds, the device's record more.
        from: receipt.received_at.checked_sub(A_SECOND).ok(),
        before: receipt.received_at.checked_add(A_SECOND).ok(),
        what: Some(Happening::DeviceErased),
        about: Some(About(*device.as_bytes())),
        ..Filter::default()
    };
    let found = search::search(&console.service, &filter, None, 1).await?;
    Ok(found.entries.first().map(|read| read.entry.sequence))
}

fn row(command: &CommandRecord, device: &Device) -> CommandRow {
    CommandRow {
        number: command.order.counter,
        action: match command.action {
            Action::Block => "devices-command-block",
            Action::Unblock => "devices-command-unblock",
            Action::Wipe => "devices-command-wipe",
        },
        issued_at: command.issued_at,
        applied: match (command.action, is_applied(command, device)) {
            (Action::Wipe, true) => "devices-command-receipt",
            (_, true) => "devices-command-applied",
            (_, false) if device.wipe().is_some_and(|wipe| wipe.command != command.id) => {
                "devices-command-overtaken"
            }
            (_, false) => "devices-command-not-yet",
        },
    }
}

/// Whether the device has said that it obeyed. Of a wipe only the receipt says so.
fn is_applied(command: &CommandRecord, device: &Device) -> bool {
    match command.action {
        Action::Wipe => matches!(device.wipe(), Some(Wipe { receipt: Some(_), .. })),
        Action::Block | Action::Unblock => device.last_applied.is_some_and(|last| last >= command.order),
    }
}
