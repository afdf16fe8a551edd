//! Searches the memory of this process for secrets, from inside. What is searched for arrives in two halves whose XOR it is,
//! and is never put together here: the search does not find itself.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::FileExt as _;

use anyhow::{Context, ensure};
use data_encoding::HEXLOWER as HEX;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// Bytes that are looked at together.
const BLOCK: usize = 1024 * 1024;

/// Something secret, in two halves of its length.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Needle(Vec<u8>, Vec<u8>);

impl Needle {
    /// As it is on the command line: two halves in hexadecimal digits, with a colon between them.
    pub(super) fn parse(text: &str) -> anyhow::Result<Self> {
        let (first, second) = text.split_once(':').context("two halves with a colon between them")?;
        let (first, second) = (HEX.decode(first.as_bytes())?, HEX.decode(second.as_bytes())?);
        ensure!(
            first.len() == second.len() && first.len() >= 8,
            "two halves of one length, at least 8 bytes"
        );
        Ok(Self(first, second))
    }

    fn byte(&self, at: usize) -> u8 {
        self.0[at] ^ self.1[at]
    }

    fn begins(&self, bytes: &[u8]) -> bool {
        bytes.len() >= self.0.len() && (0..self.0.len()).all(|at| bytes[at] == self.byte(at))
    }

    /// The secret itself, where a test wants it to be found.
    fn whole(&self) -> Vec<u8> {
        (0..self.0.len()).map(|at| self.byte(at)).collect()
    }
}

/// The memory of this process. Opened before the process loses the right to.
pub(super) struct Memory {
    maps: File,
    memory: File,
}

impl Memory {
    pub(super) fn open() -> std::io::Result<Self> {
        Ok(Self { maps: File::open("/proc/self/maps")?, memory: File::open("/proc/self/mem")? })
    }

    /// Where each of them is: the names of the regions, as often as it is found there. With `planted`, they are put
    /// together for as long as this runs.
    pub(super) fn scan(&self, needles: &[Needle], planted: bool) -> anyhow::Result<Vec<Vec<String>>> {
        let kept: Vec<Zeroizing<Vec<u8>>> =
            needles.iter().filter(|_| planted).map(|needle| Zeroizing::new(needle.whole())).collect();
        let overlap = needles.iter().map(|needle| needle.0.len()).max().unwrap_or(0);
        let mut buffer = Zeroizing::new(vec![0; BLOCK + overlap]);
        let mut found = vec![Vec::new(); needles.len()];
        let mut searched = 0_u64;
        for region in self.regions()? {
            let mut at = region.from;
            while at < region.to {
                let length = usize::try_from(region.to - at)?.min(buffer.len());
                // What lies in the buffer now is a copy of what was searched before.
                let own = buffer.as_ptr() as u64;
                let is_own = at < own + buffer.len() as u64 && own < at + length as u64;
                if is_own && at < own {
                    let before = usize::try_from(own - at)?;
                    searched += self.search(at, &mut buffer[..before], needles, &region.name, &mut found);
                    at = own;
                } else if is_own {
                    at = own + buffer.len() as u64;
                } else {
                    searched += self.search(at, &mut buffer[..length], needles, &region.name, &mut found);
                    at += BLOCK.min(length) as u64;
                }
            }
        }
        drop(kept);
        ensure!(searched > BLOCK as u64, "only {searched} bytes of the memory could be read");
        Ok(found)
    }

    /// Reads memory at `at` and notes what begins in its first [`BLOCK`] bytes. Gives how many were read.
    fn search(
        &self,
        at: u64,
        bytes: &mut [u8],
        needles: &[Needle],
        name: &str,
        found: &mut [Vec<String>],
    ) -> u64 {
        // Some of it went away meanwhile, or is a device's.
        if self.memory.read_exact_at(bytes, at).is_err() {
            return 0;
        }
        let mut first = [false; 256];
        needles.iter().for_each(|needle| first[usize::from(needle.byte(0))] = true);
        for begin in 0..bytes.len().min(BLOCK) {
            if first[usize::from(bytes[begin])] {
                for (needle, places) in needles.iter().zip(&mut *found) {
                    if needle.begins(&bytes[begin..]) {
                        places.push(format!("{name} {:x}", at + begin as u64));
                    }
                }
            }
        }
        bytes.len() as u64
    }

    /// What can be read and written: no secret is in a file of code.
    fn regions(&self) -> anyhow::Result<Vec<Region>> {
        let mut text = String::new();
        let mut maps = &self.maps;
        maps.seek(SeekFrom::Start(0))?;
        maps.read_to_string(&mut text)?;
        let regions = text.lines().filter_map(|line| {
            let mut words = line.split_whitespace();
            let (from, to) = words.next()?.split_once('-')?;
            let writable = words.next()?.starts_with("rw");
            let name = words.nth(3).unwrap_or("anonymous").to_owned();
            let (from, to) = (u64::from_str_radix(from, 16).ok()?, u64::from_str_radix(to, 16).ok()?);
            writable.then_some(Region { from, to, name })
        });
        Ok(regions.collect())
    }
}

struct Region {
    from: u64,
    to: u64,
    name: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_memory_is_found_and_the_halves_of_what_is_not_are_not() {
        let memory = Memory::open().unwrap();
        let half = |seed: u8| (0..32).map(|i| (i * 7) ^ seed).collect::<Vec<u8>>();
        let needle = Needle(half(3).iter().map(|byte| byte.wrapping_mul(91)).collect(), half(170));
        assert_eq!(memory.scan(std::slice::from_ref(&needle), false).unwrap(), [Vec::<String>::new()]);
        let there = needle.whole();
        let found = memory.scan(std::slice::from_ref(&needle), false).unwrap();
        assert_eq!(found[0].len(), 1, "{found:?}");
        drop(there);
        assert!(!memory.scan(&[needle], true).unwrap()[0].is_empty());
    }
}
