//! Books of a benchmark's own: a database that is made, measured, checked and dropped.

use anyhow::{Context, ensure};
use clap::Args;
use ledger_store::{Checked, MongoStore, StoreConfig};

/// What every benchmark on MongoDB is told.
#[derive(Debug, Args)]
pub(crate) struct OnMongo {
    /// The address of a replica set; its mongod should have nothing else to do.
    #[arg(long = "mongo", env = "MONGODB_URI")]
    uri: String,
    /// What cargo adds.
    #[arg(long, hide = true)]
    bench: bool,
}

/// Measures in a new database, and checks the books afterwards. `name` tells apart the books of one process. The database is
/// dropped also where measuring failed.
pub(crate) async fn with_own_books(
    OnMongo { uri, .. }: &OnMongo,
    name: &str,
    measure: impl AsyncFnOnce(&MongoStore) -> anyhow::Result<()>,
) -> anyhow::Result<Checked> {
    let name = format!("passbook_bench_{}_{name}", std::process::id());
    let database = mongodb::Client::with_uri_str(uri).await?.database(&name);
    let measured = measure_and_check(StoreConfig::new(uri, &name), measure).await;
    let dropped = database.drop().await.context("the benchmark's database could not be dropped");
    measured.and_then(|checked| dropped.map(|()| checked))
}

async fn measure_and_check(
    config: StoreConfig,
    measure: impl AsyncFnOnce(&MongoStore) -> anyhow::Result<()>,
) -> anyhow::Result<Checked> {
    let store = MongoStore::connect(config).await?;
    store.initialize(false).await.context("the benchmark needs a replica set; `passbook store init` makes one")?;
    measure(&store).await?;
    let checked = store.check().await?;
    ensure!(checked.difference.is_none(), "the books are wrong: {:?}", checked.difference);
    Ok(checked)
}
