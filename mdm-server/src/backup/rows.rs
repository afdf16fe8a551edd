//! The database in a backup: every row, length before bytes.
//!
//! | | |
//! |---|---|
//! | 12 bytes | `tbk-rows/1\r\n` |
//! | each row | length of the key (u32, big-endian), length of the value (u32), key, value |
//! | end | `ff ff ff ff`, number of rows (u64), nothing after it |

use std::io::{self, Read, Write};

const MAGIC: &[u8; 12] = b"tbk-rows/1\r\n";
const END: u32 = u32::MAX;
/// No key is longer.
const MAX_KEY: u32 = 4 * 1024;
/// No value is longer.
const MAX_VALUE: u32 = mdm_store::MAX_VALUE as u32 + 4 * 1024;

/// A key and its value.
pub(super) type Row = (Vec<u8>, Vec<u8>);

/// Writes rows.
pub(super) struct RowsWriter<W> {
    inner: W,
    count: u64,
}

impl<W: Write> RowsWriter<W> {
    pub(super) fn begin(mut inner: W) -> io::Result<Self> {
        inner.write_all(MAGIC)?;
        Ok(Self { inner, count: 0 })
    }

    pub(super) fn row(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        let length = |bytes: &[u8], most: u32| {
            let length = u32::try_from(bytes.len()).ok().filter(|length| *length <= most);
            length.ok_or_else(|| io::Error::other("a row of the database is longer than rows are"))
        };
        self.inner.write_all(&length(key, MAX_KEY)?.to_be_bytes())?;
        self.inner.write_all(&length(value, MAX_VALUE)?.to_be_bytes())?;
        self.inner.write_all(key)?;
        self.inner.write_all(value)?;
        self.count += 1;
        Ok(())
    }

    /// Ends the file; how many rows there are, and what was written to.
    pub(super) fn end(mut self) -> io::Result<(u64, W)> {
        self.inner.write_all(&END.to_be_bytes())?;
        self.inner.write_all(&self.count.to_be_bytes())?;
        Ok((self.count, self.inner))
    }
}

/// Why a file of rows cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RowsError {
    /// The disk.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It does not begin as one.
    #[error("it does not begin like the rows of a database")]
    Magic,
    /// A length beyond what rows have.
    #[error("row {0} is longer than rows are")]
    TooLong(u64),
    /// Rows are missing, or something follows them.
    #[error("it does not end after its {0} rows")]
    End(u64),
}

/// Reads rows. Nothing comes after an error.
pub(super) struct RowsReader<R> {
    inner: R,
    count: u64,
    begun: bool,
    ended: bool,
}

impl<R: Read> RowsReader<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, count: 0, begun: false, ended: false }
    }

    fn number(&mut self) -> io::Result<u32> {
        let mut bytes = [0; 4];
        self.inner.read_exact(&mut bytes)?;
        Ok(u32::from_be_bytes(bytes))
    }

    fn bytes(&mut self, length: u32) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length as usize];
        self.inner.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn read(&mut self) -> Result<Option<Row>, RowsError> {
        if !self.begun {
            let mut magic = [0; MAGIC.len()];
            self.inner.read_exact(&mut magic)?;
            if magic != *MAGIC {
                return Err(RowsError::Magic);
            }
            self.begun = true;
        }
        let key = self.number()?;
        if key == END {
            let mut count = [0; 8];
            self.inner.read_exact(&mut count)?;
            let follows = self.inner.read(&mut [0])? > 0;
            return if u64::from_be_bytes(count) == self.count && !follows {
                Ok(None)
            } else {
                Err(RowsError::End(self.count))
            };
        }
        let value = self.number()?;
        if key > MAX_KEY || value > MAX_VALUE {
            return Err(RowsError::TooLong(self.count));
        }
        let row = (self.bytes(key)?, self.bytes(value)?);
        self.count += 1;
        Ok(Some(row))
    }
}

impl<R: Read> Iterator for RowsReader<R> {
    type Item = Result<Row, RowsError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let row = self.read().transpose();
        self.ended = !matches!(row, Some(Ok(_)));
        row
    }
}

/// Reads a file of rows, and writes what was read.
pub fn rewritten(bytes: &[u8]) -> Result<Vec<u8>, RowsError> {
    let mut writer = RowsWriter::begin(Vec::with_capacity(bytes.len()))?;
    for row in RowsReader::new(bytes) {
        let (key, value) = row?;
        writer.row(&key, &value)?;
    }
    Ok(writer.end()?.1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(rows: &[Row]) -> Vec<u8> {
        let mut writer = RowsWriter::begin(Vec::new()).unwrap();
        rows.iter().for_each(|(key, value)| writer.row(key, value).unwrap());
        let (count, bytes) = writer.end().unwrap();
        assert_eq!(count, rows.len() as u64);
        bytes
    }

    fn read(bytes: &[u8]) -> Result<Vec<Row>, RowsError> {
        RowsReader::new(bytes).collect()
    }

    proptest! {
        #[test]
        fn rows_read_back_and_every_cut_is_found(
            rows: Vec<(Vec<u8>, Vec<u8>)>, cut: prop::sample::Index, more: u8,
        ) {
            let bytes = written(&rows);
            prop_assert_eq!(read(&bytes).unwrap(), rows);
            prop_assert!(read(&bytes[..cut.index(bytes.len())]).is_err());
            prop_assert!(read(&[bytes.as_slice(), &[more]].concat()).is_err());
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes: Vec<u8>) {
            let _ = read(&bytes);
            let _ = read(&[MAGIC.as_slice(), &bytes].concat());
        }
    }

    #[test]
    fn a_length_is_judged_before_it_is_believed() {
        let long = [MAGIC.as_slice(), &1_u32.to_be_bytes(), &(MAX_VALUE + 1).to_be_bytes()].concat();
        assert!(matches!(read(&long), Err(RowsError::TooLong(0))));
    }
}
