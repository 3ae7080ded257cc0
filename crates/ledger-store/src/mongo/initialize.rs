//! What an operator does once: the replica set, the collections, the indexes. To do it again changes nothing.

use std::time::Duration;

use backon::{ConstantBuilder, Retryable};
use mongodb::bson::{Document, doc};
use mongodb::options::IndexOptions;
use mongodb::{Client, Database, IndexModel};

use super::{MongoStore, client_options};
use crate::error::{StoreError, code};
use crate::shape::{COLLECTIONS, DEAD_LETTERS, KEYS, PAGES};

const ALREADY_INITIALIZED: i32 = 23;
const NAMESPACE_EXISTS: i32 = 48;
/// Looked for 600 times: a primary is there 50 ms after the replica set was initiated, seldom later than seconds.
const PRIMARY_INTERVAL: Duration = Duration::from_millis(50);
const PRIMARY_LOOKS: usize = 600;

impl MongoStore {
    /// Creates what is missing. With `single_node_replica_set`, first makes the server a replica set of one where it
    /// was started as a member of a set that has not been initiated.
    ///
    /// # Errors
    /// When MongoDB is away, refuses, or has no replica set and is not to be made one.
    pub async fn initialize(&self, single_node_replica_set: bool) -> Result<(), StoreError> {
        if single_node_replica_set {
            self.initiate_replica_set().await?;
        }
        for name in COLLECTIONS {
            self.create_collection(name).await?;
        }
        for (collection, index) in indexes() {
            self.books.collection(collection).create_index(index).await?;
        }
        Ok(())
    }

    async fn create_collection(&self, name: &str) -> Result<(), StoreError> {
        match self.books.database.create_collection(name).await {
            Err(error) if code(&error) == Some(NAMESPACE_EXISTS) => Ok(()),
            created => Ok(created?),
        }
    }

    /// Speaks to the one server directly: as long as there is no replica set, there is no primary to select.
    async fn initiate_replica_set(&self) -> Result<(), StoreError> {
        let mut options = client_options(&self.books.config).await?;
        let [address] = options.hosts.as_slice() else {
            return Err(StoreError::Setup("a replica set of one node has one address".to_owned()));
        };
        let address = address.to_string();
        options.direct_connection = Some(true);
        options.repl_set_name = None;
        let client = Client::with_options(options)?;
        let admin = client.database("admin");
        let hello = admin.run_command(doc! { "hello": 1 }).await?;
        if !hello.contains_key("setName") {
            if !hello.contains_key("isreplicaset") {
                let problem = "mongod was started without --replSet; transactions need a replica set";
                return Err(StoreError::Setup(problem.to_owned()));
            }
            initiate(&admin, &address).await?;
        }
        await_primary(&admin).await
    }
}

async fn initiate(admin: &Database, address: &str) -> Result<(), StoreError> {
    let started_with = admin.run_command(doc! { "getCmdLineOpts": 1 }).await?;
    let name = replica_set_name(&started_with).unwrap_or("rs0");
    let set = doc! { "_id": name, "members": [{ "_id": 0, "host": address }] };
    match admin.run_command(doc! { "replSetInitiate": set }).await {
        Err(error) if code(&error) == Some(ALREADY_INITIALIZED) => Ok(()),
        initiated => initiated.map(drop).map_err(StoreError::from),
    }
}

fn replica_set_name(started_with: &Document) -> Option<&str> {
    let replication = started_with.get_document("parsed").ok()?.get_document("replication").ok()?;
    let name = replication.get_str("replSet").or_else(|_| replication.get_str("replSetName")).ok()?;
    name.split('/').next()
}

async fn await_primary(admin: &Database) -> Result<(), StoreError> {
    let is_primary = || async {
        let hello = admin.run_command(doc! { "hello": 1 }).await?;
        if hello.get_bool("isWritablePrimary").unwrap_or(false) {
            return Ok(());
        }
        Err(StoreError::Setup("the replica set has no primary yet".to_owned()))
    };
    is_primary.retry(ConstantBuilder::new().with_delay(PRIMARY_INTERVAL).with_max_times(PRIMARY_LOOKS)).await
}

fn indexes() -> [(&'static str, IndexModel); 5] {
    let index = |field: &str, options| IndexModel::builder().keys(doc! { field: 1 }).options(options).build();
    let sparse = IndexOptions::builder().sparse(true).build();
    let swept = IndexOptions::builder().expire_after(Duration::ZERO).build();
    [
        (PAGES, index("first", IndexOptions::default())),
        (PAGES, index("others", sparse.clone())),
        (PAGES, index("holds", sparse.clone())),
        (DEAD_LETTERS, index("accepted_as", sparse)),
        (KEYS, index("swept_at", swept)),
    ]
}
