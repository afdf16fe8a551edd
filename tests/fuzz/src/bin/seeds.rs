//! Writes the corpora's seeds: what the real encoders make, and small mutations of it. Inputs that a fuzzer has found stay.
//!
//! `cargo run -p e2e-fuzz --bin seeds`, after a format has changed.

use std::fs;
use std::io;

use e2e_fuzz::Target;
use e2e_fuzz::seeds::{self, Seed};

fn main() -> io::Result<()> {
    for (target, seeds) in seeds::all() {
        let folder = Target::named(target).expect("seeds are of a target").corpus();
        fs::create_dir_all(&folder)?;
        for Seed { name, bytes } in seeds {
            fs::write(folder.join(name), bytes)?;
        }
    }
    Ok(())
}
