//! Keeps a poller alive: one that dies (a panic, an error its consumer cannot recover from, a consumer that cannot be made) is
//! started again, after a wait that grows. Nothing is lost by it: what was in flight is not committed, and is read again.
//!
//! Bounds: waits from [`Keeper::first_wait`] to [`LONGEST_WAIT`], with some of it random; one that lived for longer than the
//! longest wait begins anew with the first.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use backon::{BackoffBuilder as _, ExponentialBuilder};
use futures::FutureExt as _;

use super::progress::Progress;
use super::stop::{Signal, Stop};

const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// How pollers are kept alive.
pub(super) struct Keeper {
    pub(super) topic: String,
    pub(super) progress: Arc<Progress>,
    pub(super) stop: Signal,
    /// The wait after a first death.
    pub(super) first_wait: Duration,
}

impl Keeper {
    /// Runs one poller after the other, until told to stop. With each comes what must not end on this thread, since its end
    /// waits (for brokers, say).
    pub(super) async fn keep<C, P, E>(mut self, mut start: impl FnMut() -> Result<(C, P), E>)
    where
        C: Send + 'static,
        P: Future<Output = Result<(), E>>,
        E: std::error::Error,
    {
        let mut waits = self.waits();
        while self.stop.now() == Stop::No {
            let began = Instant::now();
            let why = match start() {
                Ok((client, poller)) => {
                    let outcome = AssertUnwindSafe(poller).catch_unwind().await;
                    let _ = tokio::task::spawn_blocking(move || drop(client)).await;
                    match outcome {
                        Ok(Ok(())) => break,
                        Ok(Err(error)) => error.to_string(),
                        Err(panic) => format!("panicked: {}", words(&*panic)),
                    }
                }
                Err(error) => error.to_string(),
            };
            self.progress.died();
            if began.elapsed() > LONGEST_WAIT {
                waits = self.waits();
            }
            let wait = waits.next().unwrap_or(LONGEST_WAIT);
            let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            tracing::error!(topic = self.topic, why, wait_ms, "a poller died and is started again after a wait");
            let _ = tokio::time::timeout(wait, self.stop.comes_to(Stop::Finish)).await;
        }
        self.progress.stopped();
    }

    fn waits(&self) -> impl Iterator<Item = Duration> + use<> {
        let waits = ExponentialBuilder::default().with_min_delay(self.first_wait).with_max_delay(LONGEST_WAIT);
        waits.with_jitter().without_max_times().build()
    }
}

/// What a panic says.
fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without words")
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::super::stop;
    use super::*;

    #[tokio::test]
    async fn a_poller_that_dies_is_started_again_until_told_to_stop() {
        let (ask, stop) = stop::channel();
        let progress = Arc::new(Progress::default());
        let keeper = Keeper {
            topic: "t".to_owned(),
            progress: Arc::clone(&progress),
            stop,
            first_wait: Duration::from_millis(1),
        };
        let (mut starts, ended) = (0, Arc::new(AtomicUsize::new(0)));
        let (seen, gone) = (Arc::clone(&progress), Arc::clone(&ended));
        keeper
            .keep(move || {
                starts += 1;
                let (number, ask, progress) = (starts, ask.clone(), Arc::clone(&seen));
                if number == 3 {
                    return Err(io::Error::other("no client"));
                }
                let client = Dropped(Arc::clone(&gone));
                let poller = async move {
                    assert_eq!((progress.deaths(), progress.has_joined()), (number - 1, false));
                    assert_eq!(progress.state(), if number == 1 { "joining" } else { "restarting" });
                    progress.joined();
                    assert_eq!(progress.state(), "polling");
                    match number {
                        1 => panic!("at once"),
                        2 => Err(io::Error::other("fenced")),
                        _ => {
                            ask.send_replace(Stop::Finish);
                            Ok(())
                        }
                    }
                };
                Ok((client, poller))
            })
            .await;
        assert_eq!((progress.deaths(), progress.state()), (3, "stopped"));
        assert_eq!(ended.load(Ordering::Relaxed), 3, "every client that there was");
    }

    struct Dropped(Arc<AtomicUsize>);

    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_panic_is_told_in_its_words() {
        let panic = |panic: fn()| words(&*std::panic::catch_unwind(panic).unwrap_err()).to_owned();
        assert_eq!(panic(|| panic!("as it is")), "as it is");
        assert_eq!(panic(|| panic!("{}", 1)), "1");
        assert_eq!(panic(|| std::panic::panic_any(1)), "without words");
    }
}
