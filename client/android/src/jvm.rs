//! The thin layer over Android's Java VM: calls, and no decisions. It compiles anywhere and runs only on Android.

mod keystore;
mod system;

use jni::errors::Error;
use jni::{Env, JavaVM};

use crate::keystore::Fault;

pub use keystore::AndroidKeystore;
pub use system::System;

/// Frees what one call had of Java's objects when it ends: threads of a runtime stay attached for long.
const LOCAL_OBJECTS: usize = 16;

/// Runs `act` with the VM on this thread. What Java throws is the error.
fn with<T>(vm: &JavaVM, act: impl FnOnce(&mut Env<'_>) -> jni::errors::Result<T>) -> Result<T, Fault> {
    let done = vm.attach_current_thread(|env| env.with_local_frame(LOCAL_OBJECTS, act));
    done.map_err(|error| fault(&error))
}

/// A secure element that is not there, or does not have this kind of key, has an exception of its own.
fn fault(error: &Error) -> Fault {
    match error {
        Error::CaughtJavaException { name, .. } if name.ends_with("StrongBoxUnavailableException") => {
            Fault::NoSuchPlace
        }
        // Without the message: what it says is up to the maker of the phone.
        Error::CaughtJavaException { name, .. } => Fault::Refused(name.clone()),
        other => Fault::Refused(other.to_string()),
    }
}
