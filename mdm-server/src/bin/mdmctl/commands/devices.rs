//! `mdmctl devices`.

use mdm_server::api::types::{DeviceView, OrderRequest};

use super::all;
use crate::cli::{Devices, Order};
use crate::client::Client;
use crate::failure::Failure;
use crate::output::{answer, fields, maybe_time, one_line, table, time, word};

pub(super) fn run(client: &Client, command: &Devices, json: bool) -> Result<(), Failure> {
    let device: DeviceView = match command {
        Devices::List => {
            let devices: Vec<DeviceView> = all(client, &["devices"], &[])?;
            return answer(json, &devices, |devices| list(devices));
        }
        Devices::Show { id } => client.get(&["devices", &id.to_string()], &[])?,
        Devices::Block(order) => give(client, order, "block")?,
        Devices::Unblock(order) => give(client, order, "unblock")?,
        Devices::Wipe(order) => give(client, order, "wipe")?,
        Devices::ResetAttempts(order) => give(client, order, "reset-attempts")?,
    };
    answer(json, &device, show)
}

fn give(client: &Client, order: &Order, verb: &str) -> Result<DeviceView, Failure> {
    let request = OrderRequest { reason: order.reason.clone() };
    client.post(&["devices", &order.id.to_string(), verb], &[], &request)
}

fn list(devices: &[DeviceView]) -> String {
    let row = |device: &DeviceView| {
        vec![
            device.id.to_string(),
            device.staff_number.clone().unwrap_or_default(),
            device.name.clone().unwrap_or_default(),
            state(device),
            maybe_time(device.last_contact),
            maybe_time(device.may_be_open_until),
        ]
    };
    let rows: Vec<Vec<String>> = devices.iter().map(row).collect();
    let header = ["id", "number", "name", "state", "last contact", "may be open until"];
    format!("{} devices\n\n{}", rows.len(), table(&header, &rows))
}

/// A wipe in as many words as are true.
fn state(device: &DeviceView) -> String {
    match &device.wipe {
        None => word(device.state),
        Some(wipe) => {
            let sealed = if wipe.sealed_at.is_some() { "sealed" } else { "not sealed yet" };
            let erased = if wipe.erased_at.is_some() { "erased" } else { "erasure not confirmed" };
            format!("wiped: {sealed}, {erased}")
        }
    }
}

/// One device.
pub(super) fn show(device: &DeviceView) -> String {
    let mut said = vec![
        ("device", device.id.to_string()),
        ("account", device.account.to_string()),
        ("staff number", device.staff_number.clone().unwrap_or_default()),
        ("name", device.name.clone().unwrap_or_default()),
        ("state", state(device)),
        ("model", format!("{}, {}, app {}", device.model, device.platform, device.app_version)),
        ("key level", word(device.key_level)),
        ("enrolled", time(device.enrolled_at)),
        ("connected now", if device.connected { "yes" } else { "no" }.to_owned()),
        ("last contact", maybe_time(device.last_contact)),
        ("last unlock", maybe_time(device.last_unlock)),
        ("may be open until", maybe_time(device.may_be_open_until)),
        ("attempts left", device.attempts_left.map_or_else(|| "-".to_owned(), |left| left.to_string())),
    ];
    if let Some(copy) = &device.copy {
        said.push(("copy suspected", format!("{}, {}", time(copy.suspected_at), word(copy.sign))));
    }
    if let Some(wipe) = &device.wipe {
        said.push(("wipe ordered", time(wipe.ordered_at)));
        said.push(("sealed", maybe_time(wipe.sealed_at)));
        said.push(("erased", maybe_time(wipe.erased_at)));
        said.push(("receipt received", maybe_time(wipe.receipt_received_at)));
        said.push(("receipt SHA-256", wipe.receipt_sha256.clone().unwrap_or_else(|| "-".to_owned())));
        if wipe.further_receipts > 0 {
            said.push(("further receipts", wipe.further_receipts.to_string()));
        }
    }
    let mut text = fields(&said);
    if let Some(statement) = &device.statement {
        text.push_str(&format!("\n{}\n{}\n", one_line(&statement.ja), one_line(&statement.en)));
    }
    text
}
