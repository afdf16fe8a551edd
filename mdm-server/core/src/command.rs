//! Commands to devices: block, unblock, wipe; and what becomes of a receipt.

use jiff::Timestamp;
use rand::{CryptoRng, RngCore};
use serde::{Deserialize, Serialize};
use shared::cose::{self, SignError, Signer, VerifyError};
use shared::crypto::hazmat::sha256;
use shared::ids::{CommandId, EnrolmentId};
use shared::signed::{Action, Command, ErasureStep, Order, Receipt};

use crate::audit::{Actor, AuditEvent, Happening, PersonalValue, Subject};
use crate::change::{Changeset, Record, Stored};
use crate::code::{CodeRecord, CodeState};
use crate::device::{BlockedBy, Device, DeviceState, StoredReceipt, Wipe};
use crate::quarantine::replay::Tombstone;
use crate::run::{CopySign, Runs};

#[cfg(test)]
mod tests;

/// Differing receipts of one device that are noted. The first says all; more would only fill the journal.
const MAX_FURTHER_RECEIPTS: u32 = 10;

/// A signed command, as it was and will be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandRecord {
    /// The key.
    pub id: CommandId,
    /// To whom.
    pub enrolment: EnrolmentId,
    /// Its place among the commands to this enrolment.
    pub order: Order,
    /// What it demands.
    pub action: Action,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// COSE_Sign1 of [`Command`].
    #[serde(with = "serde_bytes")]
    pub signed: Vec<u8>,
}

/// Why a command is not issued.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The enrolment is wiped; nothing follows a wipe.
    #[error("the device is already wiped")]
    AlreadyWiped,
    /// Its PIN is not registered yet: there is nothing to withhold.
    #[error(
        "the enrolment of the device is not complete, so there is nothing to block: reissue the code to end it"
    )]
    Enrolling,
    /// It is blocked already.
    #[error("the device is already blocked")]
    AlreadyBlocked,
    /// It is not blocked.
    #[error("the device is not blocked")]
    NotBlocked,
    /// Its account is suspended or closed.
    #[error("the account of the device is suspended or closed")]
    AccountMayNotWork,
    /// A command says why it was given.
    #[error("a reason of 1 to 500 characters is needed")]
    Reason,
    /// The command key did not sign.
    #[error(transparent)]
    Sign(#[from] SignError),
}

/// A command as the server signs it now: the stored bytes, unless the command key was replaced since. It stays the same
/// command, whose receipt names it.
pub fn as_signed_now(record: &CommandRecord, signer: &dyn Signer) -> Result<Vec<u8>, SignError> {
    let bound_to = record.enrolment.as_bytes();
    if cose::verify::<Command>(&record.signed, bound_to, signer.public_key()).is_ok() {
        return Ok(record.signed.clone());
    }
    let CommandRecord { id, order, action, issued_at, .. } = *record;
    cose::sign(&Command { id, order, action, issued_at }, bound_to, signer)
}

/// Who orders a command, why, and when.
#[derive(Debug, Clone)]
pub struct Instruction<'a> {
    /// Who.
    pub actor: Actor,
    /// Why, in words for the audit journal.
    pub reason: &'a str,
    /// When.
    pub now: Timestamp,
    /// The server's: [`crate::quarantine::ServerState::epoch`].
    pub epoch: u32,
}

/// A command that is to be committed, then sent.
#[derive(Debug)]
pub struct Issued {
    /// To be committed whole.
    pub changes: Changeset,
    /// To be sent when it is.
    pub signed: Vec<u8>,
}

/// 利用停止: withholds the server's help until [`unblock`]. `codes` are those of the account: what this device asked for ends with
/// it, in one commit.
pub fn block(
    device: Stored<Device>,
    codes: Vec<Stored<CodeRecord>>,
    instruction: &Instruction<'_>,
    signer: &dyn Signer,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<Issued, CommandError> {
    block_as(device, codes, None, instruction, signer, rng)
}

/// The same, because of a batch or a seat in its grace: [`unblock_by`] takes it back, unless somebody else wants it blocked in
/// between.
pub fn block_by(
    device: Stored<Device>,
    codes: Vec<Stored<CodeRecord>>,
    by: BlockedBy,
    instruction: &Instruction<'_>,
    signer: &dyn Signer,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<Issued, CommandError> {
    block_as(device, codes, Some(by), instruction, signer, rng)
}

fn block_as(
    device: Stored<Device>,
    codes: Vec<Stored<CodeRecord>>,
    by: Option<BlockedBy>,
    instruction: &Instruction<'_>,
    signer: &dyn Signer,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<Issued, CommandError> {
    // What a batch has blocked its undo would open again, and what grace has the restored seat, lost or not: somebody may take it
    // out of their hands.
    let is_taken_over = by.is_none() && device.value.blocked_by.is_some();
    match device.value.state {
        DeviceState::Wiped(_) => Err(CommandError::AlreadyWiped),
        DeviceState::Enrolling => Err(CommandError::Enrolling),
        DeviceState::Blocked if !is_taken_over => Err(CommandError::AlreadyBlocked),
        DeviceState::Live | DeviceState::Blocked => withhold(device, codes, by, instruction, signer, rng),
    }
}

fn withhold(
    mut device: Stored<Device>,
    codes: Vec<Stored<CodeRecord>>,
    by: Option<BlockedBy>,
    instruction: &Instruction<'_>,
    signer: &dyn Signer,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<Issued, CommandError> {
    let enrolment = device.value.enrolment;
    device.value.blocked_by = by;
    let mut issued = issue(device, Action::Block, DeviceState::Blocked, instruction, signer, rng)?;
    end_codes(codes, |code| code.asked_by == Some(enrolment), &mut issued.changes);
    Ok(issued)
}

fn end_codes(
    codes: Vec<Stored<CodeRecord>>,
    is_meant: impl Fn(&CodeRecord) -> bool,
    changes: &mut Changeset,
) {
    for mut code in codes {
        if code.value.is_usable() && is_meant(&code.value) {
            code.value.end(CodeState::Replaced);
            changes.update(code.version, Record::Code(code.value));
        }
    }
}

/// Blocks a device of which an older copy, or a second one, has called: which of them is the real one cannot be told. `said` is
/// how often its vault was opened, by its own word. `None` if that is noted already and the device is blocked, or there is
/// nothing to withhold.
pub fn suspect_copy(
    mut device: Stored<Device>,
    codes: Vec<Stored<CodeRecord>>,
    sign: CopySign,
    said: u64,
    instruction: &Instruction<'_>,
    signer: &dyn Signer,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<Option<Issued>, CommandError> {
    let is_blocked = match device.value.state {
        DeviceState::Wiped(_) | DeviceState::Enrolling => return Ok(None),
        DeviceState::Blocked => true,
        DeviceState::Live => false,
    };
    if is_blocked && device.value.copy_suspected_at.is_some() {
        return Ok(None);
    }
    let actor = Actor::Device(device.value.enrolment);
    let event =
        AuditEvent::new(instruction.now, actor, Happening::CopySuspected, Subject::device(&device.value))
            .fact("sign", sign.as_str())
            .fact("opened-says", said)
            .fact("opened-known", device.value.vault_epoch);
    device.value.copy_suspected_at = Some(instruction.now);
    device.value.copy_sign = Some(sign);
    let mut issued = match is_blocked {
        false => withhold(device, codes, None, instruction, signer, rng)?,
        true => {
            let mut changes = Changeset::default();
            changes.update(device.version, Record::Device(device.value));
            Issued { changes, signed: Vec::new() }
        }
    };
    issued.changes.events.insert(0, event);
    Ok(Some(issued))
}

/// 停止解除. `account_may_work`: a device of somebody who left stays blocked.
pub fn unblock(
    mut device: Stored<Device>,
    account_may_work: bool,
    instruction: &Instruction<'_>,
    signer: &dyn Signer,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<Issued, CommandError> {
    match device.value.state {
        DeviceState::Wiped(_) => Err(CommandError::AlreadyWiped),
        DeviceState::Enrolling | DeviceState::Live => Err(CommandError::NotBlocked),
        DeviceState::Blocked if !account_may_work => Err(CommandError::AccountMayNotWork),
        DeviceState::Blocked => {
            // Whoever unblocks has judged it. The runs of a device that was suspected begin anew; those of another go on, or the
            // late hello of a process that is dead would be taken for the first.
            if device.value.copy_suspected_at.take().is_some() {
                device.value.runs = Runs::default();
            }
            device.value.copy_sign = None;
            device.value.blocked_by = None;
            issue(device, Action::Unblock, DeviceState::Live, instruction, signer, rng)
        }
    }
}

/// Whether a device is blocked by that and nothing else: nobody has wanted it blocked since, and no copy is suspected.
pub fn is_blocked_only_by(device: &Device, by: BlockedBy) -> bool {
    device.state == DeviceState::Blocked
        && device.blocked_by == Some(by)
        && device.copy_suspected_at.is_none()
}

/// 停止解除 of what an undone batch or the grace of a restored seat had blocked; `None` if anything else keeps the device blocked, or it is not.
pub fn unblock_by(
    device: Stored<Device>,
    by: BlockedBy,
    account_may_work: bool,
    instruction: &Instruction<'_>,
    signer: &dyn Signer,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<Option<Issued>, CommandError> {
    if !account_may_work || !is_blocked_only_by(&device.value, by) {
        return Ok(None);
    }
    unblock(device, account_may_work, instruction, signer, rng).map(Some)
}

/// 遠隔消去: the tombstone, the command, and the end of every code that could still touch the enrolment, in one commit.
/// The key file's page is destroyed after it, and only then is [`sealed`] committed.
pub fn wipe(
    device: Stored<Device>,
    codes: Vec<Stored<CodeRecord>>,
    instruction: &Instruction<'_>,
    signer: &dyn Signer,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<Issued, CommandError> {
    let given = Given::new(&device.value, instruction, rng);
    wipe_as(given, device, codes, instruction, signer, rng)
}

/// A wipe that was ordered and forgotten, ordered again: the same command at the same place, so that the receipt of a
/// device that has obeyed it already is understood.
pub fn wipe_again(
    device: Stored<Device>,
    codes: Vec<Stored<CodeRecord>>,
    tombstone: &Tombstone,
    instruction: &Instruction<'_>,
    signer: &dyn Signer,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<Issued, CommandError> {
    let given = Given { id: tombstone.command, order: tombstone.order, issued_at: tombstone.at };
    wipe_as(given, device, codes, instruction, signer, rng)
}

fn wipe_as(
    given: Given,
    device: Stored<Device>,
    codes: Vec<Stored<CodeRecord>>,
    instruction: &Instruction<'_>,
    signer: &dyn Signer,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<Issued, CommandError> {
    if device.value.wipe().is_some() {
        return Err(CommandError::AlreadyWiped);
    }
    let enrolment = device.value.enrolment;
    let tombstone = DeviceState::Wiped(Wipe {
        command: given.id,
        ordered_at: given.issued_at,
        sealed_at: None,
        receipt: None,
        further_receipts: 0,
    });
    let mut issued = issue_as(given, device, Action::Wipe, tombstone, instruction, signer, rng)?;
    let touches =
        |code: &CodeRecord| code.state == CodeState::Bound(enrolment) || code.asked_by == Some(enrolment);
    end_codes(codes, touches, &mut issued.changes);
    Ok(issued)
}

/// What names a command.
#[derive(Debug, Clone, Copy)]
struct Given {
    id: CommandId,
    order: Order,
    issued_at: Timestamp,
}

impl Given {
    /// The next to a device.
    fn new(device: &Device, instruction: &Instruction<'_>, rng: &mut (impl RngCore + CryptoRng)) -> Self {
        let last = device.last_command;
        let order = match last.epoch < instruction.epoch {
            true => Order { epoch: instruction.epoch, counter: 1 },
            false => Order { epoch: last.epoch, counter: last.counter + 1 },
        };
        Self { id: CommandId::make(instruction.now, rng), order, issued_at: instruction.now }
    }
}

fn issue(
    device: Stored<Device>,
    action: Action,
    state: DeviceState,
    instruction: &Instruction<'_>,
    signer: &dyn Signer,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<Issued, CommandError> {
    let given = Given::new(&device.value, instruction, rng);
    issue_as(given, device, action, state, instruction, signer, rng)
}

fn issue_as(
    given: Given,
    mut device: Stored<Device>,
    action: Action,
    state: DeviceState,
    instruction: &Instruction<'_>,
    signer: &dyn Signer,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<Issued, CommandError> {
    let reason = checked_reason(instruction.reason)?;
    let Given { id, order, issued_at } = given;
    let command = Command { id, order, action, issued_at };
    let enrolment = device.value.enrolment;
    let signed = cose::sign(&command, enrolment.as_bytes(), signer)?;

    device.value.last_command = device.value.last_command.max(order);
    device.value.state = state;
    if action != Action::Unblock {
        device.value.grant = None;
    }
    let subject = Subject { command: Some(id), ..Subject::device(&device.value) };
    let mut changes = Changeset::default();
    changes.insert(Record::Command(CommandRecord {
        id,
        enrolment,
        order,
        action,
        issued_at,
        signed: signed.clone(),
    }));
    changes.update(device.version, Record::Device(device.value));
    changes.note(
        AuditEvent::new(instruction.now, instruction.actor, happening(action), subject)
            .fact("order", format_args!("{}.{}", order.epoch, order.counter))
            .personal(PersonalValue::make("reason", reason, rng)),
    );
    Ok(Issued { changes, signed })
}

/// Why somebody did it, in 1 to 500 characters.
pub(crate) fn checked_reason(reason: &str) -> Result<&str, CommandError> {
    let reason = reason.trim();
    if reason.is_empty() || reason.chars().count() > 500 { Err(CommandError::Reason) } else { Ok(reason) }
}

fn happening(action: Action) -> Happening {
    match action {
        Action::Block => Happening::DeviceBlocked,
        Action::Unblock => Happening::DeviceUnblocked,
        Action::Wipe => Happening::DeviceWiped,
    }
}

/// 鍵破棄済: notes that the server's part of the key is destroyed. `None` if that is noted already or nothing was wiped.
pub fn sealed(mut device: Stored<Device>, now: Timestamp) -> Option<Changeset> {
    let subject = Subject::device(&device.value);
    let DeviceState::Wiped(wipe) = &mut device.value.state else { return None };
    if wipe.sealed_at.is_some() {
        return None;
    }
    wipe.sealed_at = Some(now);
    let subject = Subject { command: Some(wipe.command), ..subject };
    let mut changes = Changeset::default();
    changes.note(AuditEvent::new(now, Actor::Server, Happening::DeviceSealed, subject));
    changes.update(device.version, Record::Device(device.value));
    Some(changes)
}

/// Why a receipt is not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// The enrolment was never wiped.
    #[error("no wipe was ordered for this device")]
    NotWiped,
    /// It speaks of another command.
    #[error("the receipt is for another command")]
    OtherCommand,
    /// It does not say that keys and data are gone.
    #[error("the receipt does not name every step of the erase")]
    Incomplete,
    /// It is not this device's.
    #[error(transparent)]
    Verify(#[from] VerifyError),
}

/// 消去確認済: verifies a receipt. The same bytes again change nothing; other bytes, rightly signed, count as a possible
/// copy of the device.
pub fn receipt(
    mut device: Stored<Device>,
    bytes: &[u8],
    now: Timestamp,
) -> Result<Option<Changeset>, ReceiptError> {
    let receipt: Receipt = cose::verify(bytes, device.value.enrolment.as_bytes(), &device.value.key)?;
    let subject = Subject::device(&device.value);
    let actor = Actor::Device(device.value.enrolment);
    let DeviceState::Wiped(wipe) = &mut device.value.state else { return Err(ReceiptError::NotWiped) };
    if receipt.command != wipe.command {
        return Err(ReceiptError::OtherCommand);
    }
    if !ErasureStep::ALL.iter().all(|step| receipt.steps.contains(step)) {
        return Err(ReceiptError::Incomplete);
    }
    let subject = Subject { command: Some(wipe.command), ..subject };
    let what = match &wipe.receipt {
        Some(stored) if stored.bytes == bytes => return Ok(None),
        Some(_) if wipe.further_receipts >= MAX_FURTHER_RECEIPTS => return Ok(None),
        Some(_) => {
            wipe.further_receipts += 1;
            Happening::ReceiptAgain
        }
        None => {
            wipe.receipt =
                Some(StoredReceipt { bytes: bytes.to_vec(), received_at: now, erased_at: receipt.erased_at });
            Happening::DeviceErased
        }
    };
    let mut event = AuditEvent::new(now, actor, what, subject).fact("receipt-sha256", hex(&sha256(&[bytes])));
    if let Some(seen) = &receipt.checkpoint {
        event = event.fact("countersigned", format_args!("{}:{}", seen.sequence, hex(&seen.hash)));
    }
    let mut changes = Changeset::default();
    changes.note(event);
    changes.update(device.version, Record::Device(device.value));
    Ok(Some(changes))
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}
