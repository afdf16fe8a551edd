//! The reading traits. A record is read on the caller's thread; a page on one where blocking is allowed.

use std::ops::ControlFlow;
use std::sync::Arc;

use jiff::civil::Date;
use mdm_core::account::{Account, Roster, SourceName, StaffNumber};
use mdm_core::assignment::Assignments;
use mdm_core::audit::Entry;
use mdm_core::batch::{Batch, PlanChunk, UploadPart};
use mdm_core::change::{Key, Stored, Version};
use mdm_core::code::{CodeIndex, CodeRecord};
use mdm_core::command::CommandRecord;
use mdm_core::device::Device;
use mdm_core::document::Document;
use mdm_core::license::{DayOfUse, Pool, WaitingEntry};
use mdm_core::loss::{LossIndex, LossRecord};
use mdm_core::mail::MailItem;
use mdm_core::note::{Note, Shelf};
use mdm_core::operator::{InvitationHash, Operator, OperatorName, TokenHash};
use mdm_core::quarantine::ServerState;
use mdm_core::substitute::Substitutes;
use mdm_core::undo::BeforeChunk;
use serde::de::DeserializeOwned;
use shared::cose::PublicKey;
use shared::ids::{AccountId, BatchId, CommandId, DocumentId, EnrolmentId, NoteId, OperatorId};
use shared::signed::JournalHead;

use super::engine::{Engine, EngineError, Range};
use super::{KeyedStore, Shared, encode, layers, layout};
use crate::MAX_PAGE;
use crate::error::{IoProblem, ReadError};
use crate::traits::{
    Accounts, AssignmentTables, Audit, Batches, Codes, Commands, Devices, Documents, Licenses, Losses, Mails,
    Notes, Operators, Read, Rosters, Server, SubstituteTables, UsableAfter, WaitingAfter,
};

/// Where the rows of a page come from.
enum Rows {
    /// The values are the records.
    Records(Range),
    /// The values are the keys of the records.
    Index(Range),
}

impl<E: Engine> Shared<E> {
    fn get<T: DeserializeOwned>(&self, what: &str, key: &[u8]) -> Result<Option<Stored<T>>, ReadError> {
        let bytes = layers::read(&self.layers).get(&self.engine, key)?;
        Ok(bytes.map(|bytes| encode::decode(what, &bytes)).transpose()?)
    }

    fn get_by<T: DeserializeOwned>(&self, what: &str, entry: &[u8]) -> Result<Option<Stored<T>>, ReadError> {
        let layers = layers::read(&self.layers);
        let Some(key) = layers.get(&self.engine, entry)? else { return Ok(None) };
        let bytes = layers.get(&self.engine, &key)?.ok_or_else(|| dangling(what))?;
        Ok(Some(encode::decode(what, &bytes)?))
    }

    fn values(&self, what: &str, rows: &Rows, limit: usize) -> Result<Vec<Vec<u8>>, EngineError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let layers = layers::read(&self.layers);
        let mut values = Vec::new();
        let (Rows::Records(range) | Rows::Index(range)) = rows;
        layers.scan(&self.engine, range, |_, value| {
            values.push(match rows {
                Rows::Records(_) => value.to_vec(),
                Rows::Index(_) => layers.get(&self.engine, value)?.ok_or_else(|| dangling(what))?,
            });
            Ok(if values.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        Ok(values)
    }
}

fn dangling(what: &str) -> EngineError {
    EngineError::Damaged(format!("index entry of a missing {what}"))
}

impl<E: Engine> KeyedStore<E> {
    fn one<T: DeserializeOwned + Send + 'static>(
        &self,
        what: &'static str,
        key: Key,
    ) -> Read<'_, Option<Stored<T>>> {
        Box::pin(async move { self.shared.get(what, &layout::record(&key)) })
    }

    fn one_by<T: DeserializeOwned + Send + 'static>(
        &self,
        what: &'static str,
        entry: Vec<u8>,
    ) -> Read<'_, Option<Stored<T>>> {
        Box::pin(async move { self.shared.get_by(what, &entry) })
    }

    fn page<T: DeserializeOwned + Send + 'static>(
        &self,
        what: &'static str,
        rows: Rows,
        limit: usize,
    ) -> Read<'_, Vec<Stored<T>>> {
        self.values_then(what, rows, limit, move |bytes| encode::decode(what, bytes))
    }

    fn values_then<T: Send + 'static>(
        &self,
        what: &'static str,
        rows: Rows,
        limit: usize,
        decode: impl Fn(&[u8]) -> Result<T, EngineError> + Send + 'static,
    ) -> Read<'_, Vec<T>> {
        let shared = Arc::clone(&self.shared);
        let work = move || {
            let values = shared.values(what, &rows, limit)?;
            Ok(values.iter().map(|bytes| decode(bytes)).collect::<Result<_, _>>()?)
        };
        Box::pin(async move {
            match tokio::runtime::Handle::try_current() {
                Ok(runtime) => runtime
                    .spawn_blocking(work)
                    .await
                    .unwrap_or_else(|error| Err(ReadError::Io(IoProblem::new(error)))),
                Err(_) => work(),
            }
        })
    }
}

impl<E: Engine> Accounts for KeyedStore<E> {
    fn account(&self, id: AccountId) -> Read<'_, Option<Stored<Account>>> {
        self.one("account", Key::Account(id))
    }

    fn account_by_staff_number(
        &self,
        source: &SourceName,
        number: &StaffNumber,
    ) -> Read<'_, Option<Stored<Account>>> {
        self.one_by("account", layout::account_by_number(source, number))
    }

    fn accounts(&self, after: Option<AccountId>, limit: usize) -> Read<'_, Vec<Stored<Account>>> {
        let after = after.map(|id| layout::record(&Key::Account(id)));
        let range = layout::within_after(vec![layout::ACCOUNT], after);
        self.page("account", Rows::Records(range), limit.min(MAX_PAGE))
    }

    fn accounts_of_source(
        &self,
        source: &SourceName,
        after: Option<AccountId>,
        limit: usize,
    ) -> Read<'_, Vec<Stored<Account>>> {
        let after = after.map(|id| layout::account_by_source(source, id));
        let range = layout::within_after(layout::accounts_of_source(source), after);
        self.page("account", Rows::Index(range), limit.min(MAX_PAGE))
    }
}

impl<E: Engine> Licenses for KeyedStore<E> {
    fn pool(&self) -> Read<'_, Stored<Pool>> {
        Box::pin(async move {
            let pool = self.shared.get("pool", &layout::record(&Key::Pool))?;
            Ok(pool.unwrap_or(Stored { version: Version(0), value: Pool::default() }))
        })
    }

    fn waiting_entry(&self, account: AccountId) -> Read<'_, Option<Stored<WaitingEntry>>> {
        self.one("waiting entry", Key::Waiting(account))
    }

    fn waiting_list(&self, after: Option<WaitingAfter>, limit: usize) -> Read<'_, Vec<Stored<WaitingEntry>>> {
        let after = after.map(|(since, place, account)| layout::waiting_turn(since, place, account));
        let range = layout::within_after(layout::waiting_list(), after);
        self.page("waiting entry", Rows::Index(range), limit.min(MAX_PAGE))
    }

    fn days_of_use(&self, after: Option<Date>, limit: usize) -> Read<'_, Vec<Stored<DayOfUse>>> {
        let after = after.map(|day| layout::record(&Key::DayOfUse(day)));
        let range = layout::within_after(vec![layout::DAY_OF_USE], after);
        self.page("day of use", Rows::Records(range), limit.min(MAX_PAGE))
    }
}

impl<E: Engine> Devices for KeyedStore<E> {
    fn device(&self, enrolment: EnrolmentId) -> Read<'_, Option<Stored<Device>>> {
        self.one("device", Key::Device(enrolment))
    }

    fn device_by_key(&self, key: &PublicKey) -> Read<'_, Option<Stored<Device>>> {
        self.one_by("device", layout::device_by_key(key))
    }

    fn devices_of_account(&self, account: AccountId) -> Read<'_, Vec<Stored<Device>>> {
        let range = layout::within(layout::devices_of_account(account));
        self.page("device", Rows::Index(range), usize::MAX)
    }

    fn devices(&self, after: Option<EnrolmentId>, limit: usize) -> Read<'_, Vec<Stored<Device>>> {
        let after = after.map(|id| layout::record(&Key::Device(id)));
        let range = layout::within_after(vec![layout::DEVICE], after);
        self.page("device", Rows::Records(range), limit.min(MAX_PAGE))
    }
}

impl<E: Engine> Documents for KeyedStore<E> {
    fn document(&self, id: DocumentId) -> Read<'_, Option<Stored<Document>>> {
        self.one("document", Key::Document(id))
    }

    fn documents(&self, after: Option<DocumentId>, limit: usize) -> Read<'_, Vec<Stored<Document>>> {
        let after = after.map(|id| layout::record(&Key::Document(id)));
        let range = layout::within_after(vec![layout::DOCUMENT], after);
        self.page("document", Rows::Records(range), limit.min(MAX_PAGE))
    }
}

impl<E: Engine> Notes for KeyedStore<E> {
    fn note(&self, account: AccountId, id: NoteId) -> Read<'_, Option<Stored<Note>>> {
        self.one("note", Key::Note(account, id))
    }

    fn shelf(&self, account: AccountId) -> Read<'_, Option<Stored<Shelf>>> {
        self.one("shelf", Key::Shelf(account))
    }

    fn notes_changed(&self, account: AccountId, after: u64, limit: usize) -> Read<'_, Vec<Stored<Note>>> {
        let after = layout::note_by_change(account, after);
        let range = layout::within_after(layout::notes_of_account(account), Some(after));
        self.page("note", Rows::Index(range), limit.min(MAX_PAGE))
    }

    fn notes(&self, after: Option<(AccountId, NoteId)>, limit: usize) -> Read<'_, Vec<Stored<Note>>> {
        let after = after.map(|(account, id)| layout::record(&Key::Note(account, id)));
        let range = layout::within_after(vec![layout::NOTE], after);
        self.page("note", Rows::Records(range), limit.min(MAX_PAGE))
    }
}

impl<E: Engine> Commands for KeyedStore<E> {
    fn command(&self, id: CommandId) -> Read<'_, Option<Stored<CommandRecord>>> {
        self.one("command", Key::Command(id))
    }

    fn commands_of(&self, enrolment: EnrolmentId) -> Read<'_, Vec<Stored<CommandRecord>>> {
        let range = layout::within(layout::commands_of(enrolment));
        self.page("command", Rows::Index(range), usize::MAX)
    }
}

impl<E: Engine> Codes for KeyedStore<E> {
    fn code(&self, index: CodeIndex) -> Read<'_, Option<Stored<CodeRecord>>> {
        self.one("activation code", Key::Code(index))
    }

    fn codes_of_account(&self, account: AccountId) -> Read<'_, Vec<Stored<CodeRecord>>> {
        let range = layout::within(layout::codes_of_account(account));
        self.page("activation code", Rows::Index(range), usize::MAX)
    }

    fn usable_codes(&self, after: Option<UsableAfter>, limit: usize) -> Read<'_, Vec<Stored<CodeRecord>>> {
        let after = after.map(|(expires_at, index)| layout::usable_code(expires_at, index));
        let range = layout::within_after(layout::usable_codes(), after);
        self.page("activation code", Rows::Index(range), limit.min(MAX_PAGE))
    }
}

impl<E: Engine> Losses for KeyedStore<E> {
    fn loss_of(&self, account: AccountId) -> Read<'_, Option<Stored<LossRecord>>> {
        self.one("loss code", Key::Loss(account))
    }

    fn loss(&self, index: LossIndex) -> Read<'_, Option<Stored<LossRecord>>> {
        self.one_by("loss code", layout::loss_by_index(index))
    }
}

impl<E: Engine> Mails for KeyedStore<E> {
    fn mail(&self, code: CodeIndex) -> Read<'_, Option<Stored<MailItem>>> {
        self.one("mail", Key::Mail(code))
    }

    fn queued_mail(&self, limit: usize) -> Read<'_, Vec<Stored<MailItem>>> {
        let range = layout::within(layout::queued_mail());
        self.page("mail", Rows::Index(range), limit.min(MAX_PAGE))
    }

    fn mail_of_batch(
        &self,
        batch: BatchId,
        after: Option<CodeIndex>,
        limit: usize,
    ) -> Read<'_, Vec<Stored<MailItem>>> {
        let after = after.map(|code| layout::mail_of_batch_with(batch, code));
        let range = layout::within_after(layout::mail_of_batch(batch), after);
        self.page("mail", Rows::Index(range), limit.min(MAX_PAGE))
    }
}

impl<E: Engine> Batches for KeyedStore<E> {
    fn batch(&self, id: BatchId) -> Read<'_, Option<Stored<Batch>>> {
        self.one("batch", Key::Batch(id))
    }

    fn plan_chunk(&self, batch: BatchId, number: u32) -> Read<'_, Option<Stored<PlanChunk>>> {
        self.one("part of a plan", Key::PlanChunk(batch, number))
    }

    fn before_chunk(&self, batch: BatchId, number: u32) -> Read<'_, Option<Stored<BeforeChunk>>> {
        self.one("part of what was before a batch", Key::BeforeChunk(batch, number))
    }

    fn upload_part(&self, batch: BatchId, number: u32) -> Read<'_, Option<Stored<UploadPart>>> {
        self.one("part of an upload", Key::UploadPart(batch, number))
    }

    fn batches(&self, before: Option<BatchId>, limit: usize) -> Read<'_, Vec<Stored<Batch>>> {
        let mut range = layout::within(vec![layout::BATCH]);
        range.reverse = true;
        if let Some(before) = before {
            range.end = layout::record(&Key::Batch(before));
        }
        self.page("batch", Rows::Records(range), limit.min(MAX_PAGE))
    }
}

impl<E: Engine> Operators for KeyedStore<E> {
    fn operator(&self, id: OperatorId) -> Read<'_, Option<Stored<Operator>>> {
        self.one("operator", Key::Operator(id))
    }

    fn operator_by_token(&self, token: TokenHash) -> Read<'_, Option<Stored<Operator>>> {
        self.one_by("operator", layout::operator_by_token(token))
    }

    fn operator_by_name(&self, name: &OperatorName) -> Read<'_, Option<Stored<Operator>>> {
        self.one_by("operator", layout::operator_by_name(name))
    }

    fn operator_by_invitation(&self, invitation: InvitationHash) -> Read<'_, Option<Stored<Operator>>> {
        self.one_by("operator", layout::operator_by_invitation(invitation))
    }

    fn operators(&self) -> Read<'_, Vec<Stored<Operator>>> {
        self.page("operator", Rows::Records(layout::within(vec![layout::OPERATOR])), usize::MAX)
    }
}

impl<E: Engine> Rosters for KeyedStore<E> {
    fn roster(&self, source: &SourceName) -> Read<'_, Option<Stored<Roster>>> {
        self.one("roster", Key::Roster(source.clone()))
    }

    fn rosters(&self) -> Read<'_, Vec<Stored<Roster>>> {
        self.page("roster", Rows::Records(layout::within(vec![layout::ROSTER])), usize::MAX)
    }
}

impl<E: Engine> AssignmentTables for KeyedStore<E> {
    fn assignments_of(&self, source: &SourceName) -> Read<'_, Option<Stored<Assignments>>> {
        self.one("columns", Key::Assignments(source.clone()))
    }

    fn assignments(&self) -> Read<'_, Vec<Stored<Assignments>>> {
        self.page("columns", Rows::Records(layout::within(vec![layout::ASSIGNMENTS])), usize::MAX)
    }
}

impl<E: Engine> SubstituteTables for KeyedStore<E> {
    fn substitutes_of(&self, source: &SourceName) -> Read<'_, Option<Stored<Substitutes>>> {
        self.one("substitutes", Key::Substitutes(source.clone()))
    }

    fn substitutes(&self) -> Read<'_, Vec<Stored<Substitutes>>> {
        self.page("substitutes", Rows::Records(layout::within(vec![layout::SUBSTITUTES])), usize::MAX)
    }
}

impl<E: Engine> Server for KeyedStore<E> {
    fn server_state(&self) -> Read<'_, Option<Stored<ServerState>>> {
        self.one("state of the server", Key::Server)
    }
}

impl<E: Engine> Audit for KeyedStore<E> {
    fn journal_head(&self) -> Read<'_, JournalHead> {
        Box::pin(async move {
            let bytes = layers::read(&self.shared.layers).get(&self.shared.engine, layout::META_HEAD)?;
            Ok(encode::from_cbor("head of the audit journal", &bytes.unwrap_or_default())?)
        })
    }

    fn journal_entries(&self, after: u64, limit: usize) -> Read<'_, Vec<Entry>> {
        let mut range = layout::within(vec![layout::journal(0)[0]]);
        range.start = layout::journal(after.saturating_add(1));
        self.values_then("journal entry", Rows::Records(range), limit.min(MAX_PAGE), |bytes| {
            encode::from_cbor("journal entry", bytes)
        })
    }
}
