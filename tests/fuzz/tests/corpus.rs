//! Every committed input through its target. An input that once made a target fail has a name that says how.

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use e2e_fuzz::{COUNTING, StatsAlloc, TARGETS, Target, corpora};
use libtest_mimic::{Arguments, Failed, Trial};
use mdm_server::console::forms::READERS;
use shared::wire::Kind;
use vault::raw::Part;

/// What an input allocates is bounded, so it is counted.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<std::alloc::System> = COUNTING;

fn main() {
    let mut arguments = Arguments::from_args();
    // The count is of the whole process.
    arguments.test_threads = Some(1);
    let mut tests: Vec<Trial> =
        TARGETS.iter().map(|target| Trial::test(target.name, || replay(target))).collect();
    tests.push(Trial::test("every_corpus_belongs_to_a_target", every_corpus_belongs_to_a_target));
    tests.push(Trial::test("every_target_has_a_libfuzzer_program", every_target_has_a_libfuzzer_program));
    tests.push(Trial::test("what_is_allocated_is_counted", what_is_allocated_is_counted));
    libtest_mimic::run(&arguments, tests).exit();
}

/// As how many different things the inputs of a corpus have to be read, where it is more than one. An input that is refused
/// shows only the refusal.
const READ_AS: &[(&str, usize)] = &[
    ("wire_frame", Kind::ALL.len()),
    ("wire_body", Kind::ALL.len()),
    ("statement", 4),
    ("statement_payload", 4),
    ("public_key", 2),
    ("id", 5),
    ("name", 6),
    ("opaque_server", 3),
    ("staff_sheet", 12),
    ("workbook", 4),
    ("key_slot", 2),
    ("vault_bytes", Part::ALL.len()),
    ("api_body", 23),
    ("api_query", 7),
    ("journal_export", 2),
    ("config", 2),
    ("console_form", READERS.len()),
];

fn replay(target: &Target) -> Result<(), Failed> {
    let inputs = files(&target.corpus())?;
    if inputs.is_empty() {
        return Err(format!("no inputs in {}", target.corpus().display()).into());
    }
    let mut read = BTreeSet::new();
    for path in inputs {
        let bytes = fs::read(&path)?;
        match catch_unwind(AssertUnwindSafe(|| target.reads(&bytes))) {
            Ok(as_what) => read.extend(as_what),
            Err(panic) => {
                let said = panic.downcast_ref::<String>().map(String::as_str);
                let said = said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panics");
                return Err(format!("{}: {said}", path.display()).into());
            }
        }
    }
    let wanted = READ_AS.iter().find(|(name, _)| *name == target.name).map_or(1, |(_, wanted)| *wanted);
    if read.len() < wanted {
        return Err(
            format!("{wanted} things should be read from this corpus, and only these are: {read:?}").into()
        );
    }
    Ok(())
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, Failed> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    paths.sort();
    Ok(paths)
}

fn every_corpus_belongs_to_a_target() -> Result<(), Failed> {
    for folder in files(&corpora())? {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if Target::named(&name).is_none() {
            return Err(format!("{} is no target's corpus", folder.display()).into());
        }
    }
    Ok(())
}

fn every_target_has_a_libfuzzer_program() -> Result<(), Failed> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("libfuzzer");
    let manifest = fs::read_to_string(package.join("Cargo.toml"))?;
    let named: BTreeSet<&str> = manifest
        .split("[[bin]]")
        .skip(1)
        .filter_map(|table| table.split_once("name = \"")?.1.split_once('"').map(|(name, _)| name))
        .collect();
    let wanted: BTreeSet<&str> = TARGETS.iter().map(|target| target.name).collect();
    if named != wanted {
        return Err(format!("libfuzzer/Cargo.toml has {named:?}, the targets are {wanted:?}").into());
    }
    for target in TARGETS {
        let program = fs::read_to_string(package.join(format!("targets/{}.rs", target.name)))?;
        if !program.contains(&format!("\"{}\"", target.name)) {
            return Err(format!("targets/{}.rs runs another target", target.name).into());
        }
    }
    Ok(())
}

fn what_is_allocated_is_counted() -> Result<(), Failed> {
    let before = COUNTING.stats().bytes_allocated;
    let bytes = std::hint::black_box(vec![0_u8; 4_096]);
    let counted = COUNTING.stats().bytes_allocated - before;
    if counted >= bytes.len() { Ok(()) } else { Err(format!("{counted} bytes were counted").into()) }
}
