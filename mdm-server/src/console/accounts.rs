//! People: the list, one page per person that answers a helpdesk call, and what can be had done for one. How a person is
//! said in words is in [`view`], also for the pages of devices.

pub(super) mod absence;
pub(super) mod code;
mod history;
pub(super) mod list;
pub(super) mod seat;
pub(super) mod show;
#[cfg(test)]
mod tests;
pub(super) mod view;
