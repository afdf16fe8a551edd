//! Fuzz targets: one function for every decoder of bytes that come from outside, each with what must hold of whatever
//! it reads. No fuzzer here: `cargo xtask test` replays the corpora in `corpus/`, `cargo xtask fuzz TARGET` looks for
//! new inputs with libFuzzer, whose package `libfuzzer/` stands outside the workspace.
//!
//! A target panics when something does not hold. Besides, [`Target::check`] bounds what an input may make us allocate.

mod encodings;
mod phone;
pub mod seeds;
mod server;
mod sheets;
mod statements;
mod texts;
mod wire;

use std::alloc::System;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

pub use stats_alloc::StatsAlloc;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region};

/// Counts what is allocated, in programs that make it their global allocator.
pub static COUNTING: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// One decoder, or several that read the same bytes.
pub struct Target {
    /// Names the corpus, the libFuzzer program and the test.
    pub name: &'static str,
    run: fn(&[u8]),
    allowance: Allowance,
}

/// How many bytes an input may make us allocate, one after the other or at once.
#[derive(Debug, Clone, Copy)]
struct Allowance {
    /// Whatever the input is.
    flat: usize,
    /// For each byte of it.
    per_byte: usize,
}

/// CBOR and JSON: a byte can become a map entry of its own, and each is decoded, encoded and decoded again.
const STRUCTURED: Allowance = Allowance { flat: 1024 * 1024, per_byte: 2_000 };
/// Texts.
const TEXT: Allowance = Allowance { flat: 64 * 1024, per_byte: 200 };
/// Files of the phone: their readers set aside what the longest may have.
const FILES: Allowance = Allowance { flat: 2 * 1024 * 1024, per_byte: 2_000 };
/// Workbooks unfold: a byte of the archive may be a thousand of XML, each read up to three times.
const WORKBOOKS: Allowance = Allowance { flat: 64 * 1024 * 1024, per_byte: 40_000 };
/// Argon2id works in 19 MiB or more.
const STRETCHED: Allowance = Allowance { flat: 256 * 1024 * 1024, per_byte: 200 };

macro_rules! targets {
    ($($module:ident::$name:ident allocates $allowance:ident;)*) => {
        /// Every target, by name.
        pub const TARGETS: &[Target] = &[
            $(Target { name: stringify!($name), run: $module::$name, allowance: $allowance },)*
        ];
    };
}

targets! {
    wire::wire_frame allocates STRUCTURED;
    wire::wire_body allocates STRUCTURED;
    wire::policy allocates STRUCTURED;
    statements::statement allocates STRUCTURED;
    statements::statement_payload allocates STRUCTURED;
    statements::public_key allocates TEXT;
    texts::activation_code allocates TEXT;
    texts::enrolment_link allocates TEXT;
    texts::id allocates TEXT;
    texts::name allocates TEXT;
    wire::opaque_server allocates TEXT;
    wire::opaque_client allocates STRETCHED;
    sheets::staff_sheet allocates FILES;
    sheets::workbook allocates WORKBOOKS;
    phone::key_slot allocates STRUCTURED;
    phone::durable_lease allocates FILES;
    phone::device_state allocates FILES;
    phone::wipe_intent allocates FILES;
    phone::gone allocates FILES;
    phone::grant_slot allocates FILES;
    phone::vault_bytes allocates STRUCTURED;
    server::key_file allocates FILES;
    server::api_body allocates STRUCTURED;
    server::api_query allocates STRUCTURED;
    server::journal_export allocates FILES;
    server::config allocates STRUCTURED;
    server::backup_manifest allocates STRUCTURED;
    server::backup_rows allocates FILES;
    server::console_form allocates STRUCTURED;
}

impl Target {
    /// The target with this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        TARGETS.iter().find(|target| target.name == name)
    }

    /// Runs the target on one input.
    ///
    /// # Panics
    /// When something does not hold of what was read, or too much was allocated to read it.
    pub fn check(&self, bytes: &[u8]) {
        let region = Region::new(COUNTING);
        (self.run)(bytes);
        let allocated = region.change().bytes_allocated;
        let allowed = self.allowance.flat + self.allowance.per_byte * bytes.len();
        assert!(
            allocated <= allowed,
            "{} bytes made us allocate {allocated}, more than {allowed}",
            bytes.len()
        );
    }

    /// The same, and what the input was read as: nothing, if every decoder refused it.
    ///
    /// # Panics
    /// As [`Target::check`].
    pub fn reads(&self, bytes: &[u8]) -> BTreeSet<&'static str> {
        drop(encodings::take_read());
        self.check(bytes);
        encodings::take_read()
    }

    /// The folder of its committed inputs.
    pub fn corpus(&self) -> PathBuf {
        corpora().join(self.name)
    }
}

/// The folder of all corpora.
pub fn corpora() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}
