//! Books of a benchmark's own: a database that is made, measured, checked and dropped.

use anyhow::{Context, ensure};
use ledger_store::{Checked, MongoStore, StoreConfig};

/// Measures in a new database, and checks the books afterwards. `name` tells apart the books of one process. The database is
/// dropped also where measuring failed.
pub(crate) async fn with_own_books(
    mongo: &str,
    name: &str,
    measure: impl AsyncFnOnce(&MongoStore) -> anyhow::Result<()>,
) -> anyhow::Result<Checked> {
    let name = format!("passbook_bench_{}_{name}", std::process::id());
    let database = mongodb::Client::with_uri_str(mongo).await?.database(&name);
    let measured = measure_and_check(StoreConfig::new(mongo, &name), measure).await;
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
