//! Deposits without a pause, and an account of what became of each.
//!
//! An answer is 202 (accepted: recorded for good), or it is not known whether the command was recorded: a 5xx, or no
//! answer at all. A 4xx, 429 apart, is a mistake of the test. Each command has a reference of its own, so afterwards every
//! accepted one must stand in its account's book under its id, and none that was sent may stand there twice.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde_json::Value;

use crate::{Client, deposit, wait_until};

/// Clients at once; each has an account of its own.
const CLIENTS: usize = 4;
pub const AMOUNT: i64 = 7;

#[derive(Debug)]
pub struct Load {
    accounts: Vec<String>,
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<Result<()>>>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    accepted: AtomicUsize,
    tallies: Mutex<Vec<Tally>>,
}

/// What one client was answered.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    pub account: String,
    pub accepted: Vec<Accepted>,
    /// How many commands were answered in a way that leaves open whether they were recorded.
    pub unknown: usize,
    /// The longest that any answer took.
    pub slowest: Duration,
}

/// A command that was answered 202.
#[derive(Debug, Clone)]
pub struct Accepted {
    pub id: String,
    /// What the client called it.
    reference: String,
}

impl Load {
    pub fn start(client: &Client, name: &str) -> Self {
        let accounts: Vec<_> = (0..CLIENTS).map(|number| format!("{name}-{number}")).collect();
        let shared = Arc::new(Shared::default());
        let clients = accounts.iter().map(|account| {
            let (client, account, shared) = (client.clone(), account.clone(), Arc::clone(&shared));
            thread::spawn(move || post_until_stopped(&client, account, &shared))
        });
        Self { clients: clients.collect(), accounts, shared }
    }

    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::Relaxed)
    }

    /// Waits until so many more were accepted.
    pub fn await_more(&self, more: usize, within: Duration) -> Result<()> {
        let goal = self.accepted() + more;
        wait_until(
            &format!("{more} more deposits are accepted"),
            within,
            || Ok((self.accepted() >= goal).then_some(())),
        )
    }

    pub fn accounts(&self) -> &[String] {
        &self.accounts
    }

    pub fn stop(mut self) -> Result<Vec<Tally>> {
        self.shared.stop.store(true, Ordering::Relaxed);
        for client in self.clients.drain(..) {
            client.join().map_err(|_| anyhow!("a client of the load panicked"))??;
        }
        Ok(std::mem::take(&mut *self.shared.tallies.lock().map_err(|_| anyhow!("a client panicked"))?))
    }
}

/// A load that nobody stopped ends with its test.
impl Drop for Load {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }
}

fn post_until_stopped(client: &Client, account: String, shared: &Shared) -> Result<()> {
    let mut command = deposit(&account, AMOUNT);
    let mut tally = Tally { account, ..Tally::default() };
    while !shared.stop.load(Ordering::Relaxed) {
        let reference = format!("number {}", tally.sent());
        command["reference"] = reference.as_str().into();
        let answer = client.post(&command);
        if let Ok(answer) = &answer {
            tally.slowest = tally.slowest.max(answer.took);
        }
        match answer {
            Ok(answer) if answer.status == 202 => {
                let accepted = answer.json(202)?;
                let id = accepted["id"].as_str().context("an accepted command has an id")?.to_owned();
                tally.accepted.push(Accepted { id, reference });
                shared.accepted.fetch_add(1, Ordering::Relaxed);
            }
            Ok(answer) if answer.status < 500 && answer.status != 429 => bail!("a good deposit was answered {answer}"),
            Ok(_) | Err(_) => {
                tally.unknown += 1;
                // A door that is shut at once would be knocked at thousands of times a second.
                thread::sleep(Duration::from_millis(20));
            }
        }
    }
    shared.tallies.lock().map_err(|_| anyhow!("a client panicked"))?.push(tally);
    Ok(())
}

impl Tally {
    fn sent(&self) -> usize {
        self.accepted.len() + self.unknown
    }

    /// Compares what was answered with what the account's book says: nothing accepted is lost, nothing stands twice,
    /// nothing is there that was not asked for.
    pub fn reconcile(&self, client: &Client) -> Result<()> {
        let account = &self.account;
        let book = client.book(account)?;
        let text = |entry: &Value, field: &str| entry[field].as_str().unwrap_or_default().to_owned();
        let by_reference: HashMap<_, _> =
            book.iter().map(|entry| (text(entry, "reference"), text(entry, "id"))).collect();
        ensure!(
            by_reference.len() == book.len(),
            "{account}: {} entries of {} commands",
            book.len(),
            by_reference.len()
        );
        for Accepted { id, reference } in &self.accepted {
            let found = by_reference.get(reference);
            ensure!(found == Some(id), "{account}: {reference} was accepted as {id}; the book has {found:?}");
        }
        let most = self.sent();
        ensure!(book.len() <= most, "{account}: {} entries, but only {most} were asked for", book.len());
        ensure!(book.iter().all(|entry| entry["status"] == "posted"), "{account}: not every deposit was posted");
        let balance = client.balance(account)?;
        let expected = AMOUNT * i64::try_from(book.len())?;
        ensure!(balance == expected, "{account}: balance {balance}, but {expected} by its entries");
        let sequences = book.iter().rev().map(|entry| entry["sequence"].as_u64());
        ensure!(sequences.eq((1..=book.len() as u64).map(Some)), "{account}: sequence numbers with gaps");
        Ok(())
    }
}
