use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

/// Between two looks at a condition.
const PAUSE: Duration = Duration::from_millis(50);

/// Asks until there is an answer. An error counts as "not yet"; the last one is told when the time is over.
pub fn wait_until<T>(what: &str, within: Duration, mut attempt: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let deadline = Instant::now() + within;
    loop {
        let last = match attempt() {
            Ok(Some(answer)) => return Ok(answer),
            Ok(None) => None,
            Err(error) => Some(error),
        };
        if Instant::now() >= deadline {
            let late = anyhow!("waited {} s in vain: {what}", within.as_secs());
            return Err(
                last.map_or(late, |error| error.context(format!("waited {} s in vain: {what}", within.as_secs())))
            );
        }
        thread::sleep(PAUSE);
    }
}
