//! Waiting for an outcome while MongoDB comes and goes.

use std::time::Duration;

use backon::{ConstantBuilder, Retryable};
use ledger::TransactionId;
use ledger_store::{Lookup, MongoStore, Reading, StoreConfig};
use mongodb::bson::doc;
use mongodb::options::ClientOptions;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, timeout};

use crate::harness::{Books, OnMongo, uri};
use crate::log::{Log, command};

/// What stands between a store and the server; it can be cut, or fall silent with its connections open.
struct Wire {
    address: String,
    is_silent: watch::Sender<bool>,
    forwarding: JoinHandle<()>,
}

impl Wire {
    async fn lay(address: &str) -> Self {
        let server = ClientOptions::parse(uri()).await.unwrap().hosts.remove(0).to_string();
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (is_silent, silence) = watch::channel(false);
        let forwarding = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(forward(client, server.clone(), silence.clone()));
            }
        });
        Self { address, is_silent, forwarding }
    }

    /// Nobody answers at the address any more.
    async fn cut(self) -> String {
        self.forwarding.abort();
        assert!(self.forwarding.await.unwrap_err().is_cancelled());
        self.address
    }
}

async fn forward(mut client: TcpStream, server: String, mut silence: watch::Receiver<bool>) {
    let mut server = TcpStream::connect(server).await.unwrap();
    let falls_silent = async { drop(silence.wait_for(|is_silent| *is_silent).await) };
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => {}
        () = falls_silent => std::future::pending().await,
    }
}

async fn store_at(wire: &Wire) -> MongoStore {
    let uri = format!("mongodb://{}/?directConnection=true", wire.address);
    let mut config = StoreConfig::new(uri, format!("passbook_test_waiting_{}", std::process::id()));
    config.server_selection_timeout = Duration::from_millis(500);
    MongoStore::connect(config).await.unwrap()
}

fn never() -> TransactionId {
    "alice.000g000000000000".parse().unwrap()
}

fn within(millis: u64) -> Instant {
    Instant::now() + Duration::from_millis(millis)
}

#[tokio::test]
async fn an_outage_that_is_over_is_forgotten() {
    OnMongo::new().await.end().await;
    let wire = Wire::lay("127.0.0.1:0").await;
    let store = store_at(&wire).await;
    assert_eq!(store.await_outcome(&never(), within(50)).await.unwrap(), Lookup::Accepted);
    let address = wire.cut().await;
    assert!(store.await_outcome(&never(), within(1_500)).await.unwrap_err().is_unreachable());
    let wire = Wire::lay(&address).await;
    let every = ConstantBuilder::new().with_delay(Duration::from_millis(20)).with_max_times(500);
    let id = never();
    let found = (|| store.await_outcome(&id, within(50))).retry(every).await.unwrap();
    assert_eq!(found, Lookup::Accepted);
    wire.cut().await;
}

/// The driver itself would wait some ten seconds for an answer, until its heartbeat fails.
#[tokio::test]
async fn a_server_that_falls_silent_ends_every_wait() {
    OnMongo::new().await.end().await;
    let wire = Wire::lay("127.0.0.1:0").await;
    let store = store_at(&wire).await;
    assert_eq!(store.await_outcome(&never(), within(50)).await.unwrap(), Lookup::Accepted);
    wire.is_silent.send_replace(true);
    let waited = timeout(Duration::from_secs(20), store.await_outcome(&never(), within(60_000))).await;
    let error = waited.expect("the wait ends with the look that fails").unwrap_err();
    assert!(error.is_unreachable(), "{error}");
    let waits = (0..200).map(|_| async { store.await_outcome(&never(), within(60_000)).await });
    let waited = timeout(Duration::from_secs(1), futures::future::join_all(waits)).await;
    assert!(waited.expect("no wait begins").iter().all(Result::is_err));
    let read = timeout(Duration::from_secs(1), store.account(&never().account)).await;
    assert!(read.expect("nor is it asked anything else").is_err());
    wire.cut().await;
}

#[tokio::test]
async fn one_who_waits_in_vain_has_the_fences_read_ever_less_often() {
    let mongo = OnMongo::new().await;
    mongo.database.run_command(doc! { "profile": 2 }).await.unwrap();
    assert_eq!(mongo.store.await_outcome(&never(), within(1_000)).await.unwrap(), Lookup::Accepted);
    mongo.database.run_command(doc! { "profile": 0 }).await.unwrap();
    let looks = doc! { "op": "query", "command.find": "fences" };
    let looks = mongo.documents("system.profile").count_documents(looks).await.unwrap();
    assert!((1..=30).contains(&looks), "{looks} looks in the first second");
    mongo.end().await;
}

#[tokio::test]
async fn those_whose_commands_were_settled_at_once_are_answered_by_few_reads() {
    const WAITERS: usize = 100;
    let mongo = OnMongo::new().await;
    let mut log = Log::of(0);
    let records: Vec<_> = (0..WAITERS).map(|number| log.deposit(&format!("account-{number}"), 1)).collect();
    let ids: Vec<TransactionId> = records.iter().map(|record| command(record).id()).collect();
    let waits = ids.iter().map(|id| mongo.store.await_outcome(id, within(20_000)));
    let settles = async {
        mongo.database.run_command(doc! { "profile": 2 }).await.unwrap();
        mongo.store.settle(&records).await;
    };
    // Settling reads all accounts at once, too.
    let (found, ()) = futures::future::join(futures::future::join_all(waits), settles).await;
    mongo.database.run_command(doc! { "profile": 0 }).await.unwrap();
    for (id, found) in ids.iter().zip(found) {
        let Lookup::Settled(outcome) = found.unwrap() else { panic!("{id} is settled") };
        assert_eq!((&outcome.account, outcome.entry.position), (&id.account, id.position));
    }
    let reads = doc! { "op": "query", "command.find": "accounts" };
    let reads = mongo.documents("system.profile").count_documents(reads).await.unwrap();
    assert!((2..=8).contains(&reads), "{reads} reads for {WAITERS} who waited");
    mongo.drop().await;
}
