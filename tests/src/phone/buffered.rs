//! A buffered reader that leaves nothing of what it read behind: PINs and contents go through it.

use std::io::{BufRead, Read};
use std::os::unix::net::UnixStream;

use zeroize::{Zeroize as _, Zeroizing};

const LENGTH: usize = 64 * 1024;

/// Reads from a stream. What was consumed is overwritten with the next read, and all of it at the end.
pub(super) struct Buffered<'a> {
    stream: &'a UnixStream,
    buffer: Zeroizing<Vec<u8>>,
    at: usize,
    end: usize,
}

impl<'a> Buffered<'a> {
    pub(super) fn new(stream: &'a UnixStream) -> Self {
        Self { stream, buffer: Zeroizing::new(vec![0; LENGTH]), at: 0, end: 0 }
    }
}

impl BufRead for Buffered<'_> {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        if self.at == self.end {
            self.buffer[..self.end].zeroize();
            (self.at, self.end) = (0, 0);
            self.end = self.stream.read(&mut self.buffer)?;
        }
        Ok(&self.buffer[self.at..self.end])
    }

    fn consume(&mut self, amount: usize) {
        self.at = (self.at + amount).min(self.end);
    }
}

impl Read for Buffered<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        let n = {
            let there = self.fill_buf()?;
            let n = there.len().min(bytes.len());
            bytes[..n].copy_from_slice(&there[..n]);
            n
        };
        self.consume(n);
        Ok(n)
    }
}
