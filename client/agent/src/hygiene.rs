//! What keeps the memory of a process with secrets from others: asked for once, at the start of a program.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// No core dump, not even by way of a program that the system hands dumps to; and no debugger of the same person's. A process
/// that takes over asks for it again.
pub fn keep_memory_private() -> std::io::Result<()> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}
