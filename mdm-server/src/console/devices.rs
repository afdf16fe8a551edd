//! Devices: the list, one device with what becomes of it, and the orders that can be given for it. How a device is said in
//! words is in [`view`] and [`steps`], also for the pages of people.

pub(super) mod list;
pub(super) mod order;
pub(super) mod reason;
pub(super) mod receipt;
pub(super) mod reset;
pub(super) mod show;
mod steps;
#[cfg(test)]
mod tests;
pub(super) mod view;
pub(super) mod wipe;
