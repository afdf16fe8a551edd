//! A large file in and out: against AES-256-GCM alone, against SQLCipher, and against the disk alone.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use vault::CHUNK_LEN;

use crate::aes::Aes;
use crate::data;
use crate::ours::Ours;
use crate::rounds::{Clock, Slice, interleaved};
use crate::rows::Rows;
use crate::sqlcipher::{Journal, SqlCipher};

const DISK: &str = "plain file, written and synced";
const AES: &str = "AES-256-GCM alone, in memory";
const NAME: &str = "photo.tif";
/// The second says where the time of the first goes: what is left is the disk.
const CLOCKS: [(Clock, &str); 2] = [(Clock::Wall, ""), (Clock::Processor, ", processor time")];

/// Rows of one large file.
pub(crate) fn measure(of: &Path, rounds: usize, megabytes: usize, rows: &mut Rows) -> Result<()> {
    let file = data::file(megabytes);
    let rounds = rounds.min(5);
    let folder = |name: &str| -> Result<_> {
        let folder = of.join(format!("file-{name}"));
        fs::create_dir_all(&folder)?;
        Ok(folder)
    };
    let ours = Ours::open(&folder("ours")?)?;
    let mut wal = SqlCipher::open(&folder("wal")?, Journal::Wal)?;
    let mut rollback = SqlCipher::open(&folder("rollback")?, Journal::Rollback)?;
    println!("a file of {megabytes} MB; {}", wal.version()?);
    let plain = folder("plain")?.join(NAME);
    let mut aes = Aes::new(&file)?;

    for (clock, counted) in CLOCKS {
        let mut slices: Vec<Slice<'_>> = vec![
            Box::new(|_| ours.put_file(NAME, &mut file.as_slice()).map(|()| 1)),
            Box::new(|_| aes.seal(&file).map(|()| 1)),
            Box::new(|_| write(&plain, &file).map(|()| 1)),
            Box::new(|_| wal.put_file(NAME, file.len(), &mut file.as_slice()).map(|()| 1)),
            Box::new(|_| rollback.put_file(NAME, file.len(), &mut file.as_slice()).map(|()| 1)),
        ];
        let times = interleaved(clock, rounds, &mut slices)?;
        drop(slices);
        report(&format!("{megabytes} MB file in{counted}"), megabytes, &times, rows);
    }

    let mut whole = Vec::with_capacity(file.len());
    ours.get_file(NAME, &mut whole)?;
    ensure!(whole == file, "another file came out");
    let expected = file.len() as u64;
    let (mut buffer, mut other_buffer) = (vec![0; CHUNK_LEN], vec![0; CHUNK_LEN]);
    for (clock, counted) in CLOCKS {
        let mut slices: Vec<Slice<'_>> = vec![
            Box::new(|_| all(ours.get_file(NAME, &mut std::io::sink())?, expected)),
            Box::new(|_| aes.open().map(|()| 1)),
            Box::new(|_| all(read(&plain)?, expected)),
            Box::new(|_| all(wal.get_file(NAME, &mut buffer, &mut std::io::sink())?, expected)),
            Box::new(|_| all(rollback.get_file(NAME, &mut other_buffer, &mut std::io::sink())?, expected)),
        ];
        let times = interleaved(clock, rounds, &mut slices)?;
        drop(slices);
        report(&format!("{megabytes} MB file out{counted}"), megabytes, &times, rows);
    }
    Ok(())
}

fn all(read: u64, expected: u64) -> Result<u32> {
    ensure!(read == expected, "{read} bytes of {expected} came out");
    Ok(1)
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = File::create(path)?;
    for chunk in bytes.chunks(CHUNK_LEN) {
        file.write_all(chunk)?;
    }
    Ok(file.sync_data()?)
}

fn read(path: &Path) -> Result<u64> {
    let mut file = File::open(path)?;
    let mut buffer = vec![0; CHUNK_LEN];
    let mut bytes = 0;
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(bytes),
            length => bytes += length as u64,
        }
    }
}

/// In the order of the slices: ours, AES, disk, SQLCipher's two ways.
fn report(figure: &str, megabytes: usize, times: &[Duration], rows: &mut Rows) {
    let [ours, aes, disk, wal, rollback] = times else { return };
    let speed = |time: &Duration| megabytes as f64 / time.as_secs_f64();
    let (sqlcipher, name) =
        if wal <= rollback { (wal, "SQLCipher, WAL") } else { (rollback, "SQLCipher, rollback journal") };
    for (peer, theirs) in [(AES, aes), (DISK, disk), (name, sqlcipher)] {
        rows.larger(figure, "MB/s", speed(ours), peer, speed(theirs));
    }
}
