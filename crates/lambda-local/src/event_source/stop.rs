//! How a poller is asked to end.

use tokio::sync::watch;

/// What a poller is asked for, more urgent each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stop {
    /// Nothing: it polls.
    No,
    /// To let what runs finish, and to end.
    Finish,
    /// To end now.
    GiveUp,
}

/// Hears what is asked. Who would ask may be dropped without a word: then nobody waits for what runs.
#[derive(Clone, Debug)]
pub(super) struct Signal(watch::Receiver<Stop>);

/// Who asks, and who hears it.
pub(super) fn channel() -> (watch::Sender<Stop>, Signal) {
    let (sender, receiver) = watch::channel(Stop::No);
    (sender, Signal(receiver))
}

impl Signal {
    pub(super) fn now(&self) -> Stop {
        if self.0.has_changed().is_err() { Stop::GiveUp } else { *self.0.borrow() }
    }

    /// Waits until at least that much is asked.
    pub(super) async fn comes_to(&mut self, stop: Stop) {
        // A channel that is closed says the same.
        let _ = self.0.wait_for(|asked| *asked >= stop).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_is_dropped_without_a_word_asks_to_give_up() {
        for said in [Stop::No, Stop::Finish] {
            let (sender, mut asked) = channel();
            sender.send_replace(said);
            assert_eq!(asked.now(), said);
            drop(sender);
            assert_eq!(asked.now(), Stop::GiveUp);
            asked.comes_to(Stop::GiveUp).await;
        }
    }
}
