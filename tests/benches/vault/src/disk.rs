//! The disk alone: what an acknowledged write costs whoever makes it. Of a figure that is missed it says how much is the disk's.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use anyhow::Result;

use crate::data;

/// A file that grows at its end.
pub(crate) struct Disk(File);

impl Disk {
    pub(crate) fn make(of: &Path) -> Result<Self> {
        Ok(Self(File::create(of.join("disk-alone"))?))
    }

    /// Appends the bytes of so many records in one write, and returns when they are on the disk.
    pub(crate) fn append(&mut self, records: usize) -> Result<u32> {
        self.0.write_all(&data::value(1).repeat(records))?;
        self.0.sync_data()?;
        Ok(1)
    }
}
