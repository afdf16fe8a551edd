//! Every form and query of the console, read as its page reads it and without a session: for the fuzz targets, since these bytes
//! come from browsers. Who may send them, and what is done then, is not here.

use std::any::type_name;

use serde::de::DeserializeOwned;

use super::{
    accounts, audit, batches, codes, devices, invitation, licenses, lost, operators, pager, posted,
    quarantine, sign_in,
};

/// What is sent, and to whom it is understandable.
#[derive(Debug, Clone, Copy)]
pub struct Reader {
    /// The type that it becomes.
    pub name: fn() -> &'static str,
    /// Whether the page understands a body.
    pub understands: fn(&[u8]) -> bool,
    /// Whether the body has the token of a session, which is not the page's.
    pub has_token: bool,
}

/// A form of a signed-in viewer: its token apart, then the rest.
const fn form<T: DeserializeOwned>() -> Reader {
    let understands = |body: &[u8]| serde_urlencoded::from_str::<T>(&posted::parted(body).1).is_ok();
    Reader { name: type_name::<T>, understands, has_token: true }
}

/// A form of a visitor, or the query of an address.
const fn query<T: DeserializeOwned>() -> Reader {
    let understands = |body: &[u8]| serde_urlencoded::from_bytes::<T>(body).is_ok();
    Reader { name: type_name::<T>, understands, has_token: false }
}

/// Readers of all of them.
pub const READERS: &[Reader] = &[
    query::<sign_in::SignInForm>(),
    query::<sign_in::Onward>(),
    form::<sign_in::ConfirmForm>(),
    query::<invitation::AcceptForm>(),
    form::<operators::InviteForm>(),
    form::<operators::RoleForm>(),
    form::<codes::ExportForm>(),
    form::<licenses::reclaim::ReclaimForm>(),
    form::<licenses::pool::PoolForm>(),
    form::<licenses::waiting::WaitForm>(),
    form::<quarantine::ConfirmForm>(),
    form::<batches::apply::ApplyForm>(),
    form::<devices::order::OrderForm>(),
    form::<devices::wipe::WipeForm>(),
    form::<()>(),
    query::<devices::order::Onward>(),
    query::<devices::list::Asked>(),
    query::<accounts::list::Asked>(),
    query::<audit::search::Asked>(),
    query::<lost::Asked>(),
    query::<pager::Turned>(),
    query::<licenses::reclaim::ReclaimQuery>(),
    query::<licenses::unused::UnusedQuery>(),
    query::<licenses::waiting::WaitingQuery>(),
    query::<batches::upload::NewQuery>(),
    query::<batches::plan::PlanQuery>(),
    form::<codes::LettersForm>(),
    form::<batches::undo::UndoForm>(),
    form::<batches::approve::ApproveForm>(),
    form::<batches::cancel::CancelForm>(),
    query::<lost::report::ReportForm>(),
    query::<batches::difference::DifferenceQuery>(),
];
