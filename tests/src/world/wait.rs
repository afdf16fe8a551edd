//! Waiting for a condition, never for a time.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// After this, what is waited for does not come. Far beyond what the slowest machine needs.
pub const DEADLINE: Duration = Duration::from_secs(90);
const PAUSE: Duration = Duration::from_millis(20);

/// Asks again until `condition` gives something.
///
/// # Errors
/// When it does not before [`DEADLINE`], naming `what`.
pub fn until<T>(what: &str, condition: impl FnMut() -> Option<T>) -> Result<T> {
    match within(DEADLINE, condition) {
        Some(found) => Ok(found),
        None => bail!("waited {} s in vain: {what}", DEADLINE.as_secs()),
    }
}

/// Asks again until `condition` gives something, or gives up without a word. For what need not come.
pub fn within<T>(limit: Duration, mut condition: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        if let Some(found) = condition() {
            return Some(found);
        }
        if start.elapsed() > limit {
            return None;
        }
        std::thread::sleep(PAUSE);
    }
}
