//! From the arguments and the environment to the log and the books.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use ledger_log::{Cluster, ClusterArn, LogConfig, Topics};
use ledger_store::{Fence, MongoStore, StoreConfig};
use variables::Variables;

use crate::cli;
use crate::exit::Usage;

/// The log's name in the fences.
pub(crate) const COMMANDS: &str = ledger_log::COMMANDS;
const CLUSTER_ARN: &str = "MSK_CLUSTER_ARN";

impl cli::Places {
    /// The log alone.
    pub(crate) async fn topics(&self) -> anyhow::Result<Topics> {
        self.open_topics(&self.read(LogConfig::read)?).await
    }

    /// The books and the log; what is wrong with either is said at once.
    pub(crate) async fn store_and_topics(&self) -> anyhow::Result<(MongoStore, Topics)> {
        let (log, store) = self.read(|variables| {
            let (log, store) = (LogConfig::read(variables), StoreConfig::read(variables));
            Some((log?, store?))
        })?;
        Ok((open_store(store).await?, self.open_topics(&log).await?))
    }

    async fn open_topics(&self, config: &LogConfig) -> anyhow::Result<Topics> {
        Ok(Cluster::find(config).await?.topics(Duration::from_secs(self.timeout)))
    }

    pub(crate) fn msk_cluster(&self) -> anyhow::Result<ClusterArn> {
        let Some(arn) = self.look_up(CLUSTER_ARN).filter(|arn| !arn.trim().is_empty()) else {
            return Err(Usage::new(format!("which cluster? Give --cluster-arn, or set {CLUSTER_ARN}")).into());
        };
        Ok(arn.trim().parse().map_err(Usage::new)?)
    }

    /// The same places, with the brokers those of this cluster.
    pub(crate) fn on(&self, cluster: &ClusterArn) -> Self {
        Self { brokers: None, cluster_arn: Some(cluster.to_string()), ..self.clone() }
    }

    /// The books alone.
    pub(crate) async fn store(&self) -> anyhow::Result<MongoStore> {
        open_store(self.read(StoreConfig::read)?).await
    }

    fn read<T>(&self, read: impl FnOnce(&mut Variables<'_>) -> Option<T>) -> anyhow::Result<T> {
        let in_file = self.mongo_file.as_deref().map(read_line).transpose()?;
        let look_up = |name: &str| in_file.clone().filter(|_| name == "MONGODB_URI").or_else(|| self.look_up(name));
        Ok(variables::read_from(look_up, read).map_err(Usage::new)?)
    }

    fn look_up(&self, name: &str) -> Option<String> {
        let given = match name {
            // What is given by hand wins over the other in the environment.
            "KAFKA_BOOTSTRAP_SERVERS" if self.cluster_arn.is_some() => return None,
            CLUSTER_ARN if self.brokers.is_some() => return None,
            "KAFKA_BOOTSTRAP_SERVERS" => &self.brokers,
            CLUSTER_ARN => &self.cluster_arn,
            "MONGODB_URI" => &self.mongo,
            "MONGODB_DATABASE" => &self.database,
            _ => &None,
        };
        given.clone().or_else(|| std::env::var(name).ok())
    }
}

async fn open_store(config: StoreConfig) -> anyhow::Result<MongoStore> {
    MongoStore::connect(config).await.context("MONGODB_URI")
}

/// What a file holds but for the newline at its end.
fn read_line(file: &Path) -> anyhow::Result<String> {
    let text =
        fs::read_to_string(file).map_err(|error| Usage::new(format!("--mongo-file {}: {error}", file.display())))?;
    Ok(text.trim_end().to_owned())
}

/// How far the command topic's partitions have been settled.
pub(crate) async fn fences_of(store: &MongoStore) -> anyhow::Result<Vec<Fence>> {
    let fences = store.fences().await?;
    Ok(fences.into_iter().filter(|fence| fence.topic == COMMANDS).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_in_a_file_is_read_without_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("uri");
        fs::write(&file, "mongodb://u:p@h/\n").unwrap();
        assert_eq!(read_line(&file).unwrap(), "mongodb://u:p@h/");
        let missing = read_line(&folder.path().join("none")).unwrap_err();
        assert!(missing.is::<Usage>() && missing.to_string().starts_with("--mongo-file "), "{missing}");
    }
}
