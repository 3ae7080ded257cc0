//! The words of the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

const EXIT_CODES: &str = "\
Exit codes:
  0  done, and nothing is wrong
  1  not done, or something is wrong; the reason is on standard error
  2  the arguments or the environment make no sense

Environment: KAFKA_BOOTSTRAP_SERVERS or MSK_CLUSTER_ARN, KAFKA_SECURITY_PROTOCOL, KAFKA_SASL_MECHANISM,
  KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD, KAFKA_SSL_CA_LOCATION, KAFKA_SSL_CERTIFICATE_LOCATION,
  KAFKA_SSL_KEY_LOCATION, AWS_REGION and the credentials of AWS, MONGODB_URI, MONGODB_DATABASE, RUST_LOG

Examples:
  passbook store init --mongo 'mongodb://127.0.0.1:27017/?replicaSet=rs0' --single-node-replica-set
  passbook topics create --brokers 127.0.0.1:9092 --mongo 'mongodb://127.0.0.1:27017/?replicaSet=rs0'
  passbook check
  passbook lag --json
  passbook msk describe --cluster-arn arn:aws:kafka:eu-west-1:123456789012:cluster/passbook/0b8a1c6e-3";

/// The operator's command line of Passbook, a bank ledger on Kafka and MongoDB.
#[derive(Debug, Parser)]
#[command(name = "passbook", version, after_help = EXIT_CODES, max_term_width = 120)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) places: Places,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Where the log and the books are. What is not given is taken from the environment.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Where things are")]
pub(crate) struct Places {
    /// Kafka's brokers as host:port, separated by commas [env: KAFKA_BOOTSTRAP_SERVERS]
    #[arg(long, global = true, value_name = "HOST:PORT,…")]
    pub(crate) brokers: Option<String>,
    /// An MSK cluster, whose brokers AWS is asked for [env: MSK_CLUSTER_ARN]
    #[arg(long, global = true, value_name = "ARN", conflicts_with = "brokers")]
    pub(crate) cluster_arn: Option<String>,
    /// MongoDB's connection string [env: MONGODB_URI]
    #[arg(long, global = true, value_name = "URI")]
    pub(crate) mongo: Option<String>,
    /// A file with the connection string, which may hold a password
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "mongo")]
    pub(crate) mongo_file: Option<PathBuf>,
    /// The database the books are in; `passbook` unless told [env: MONGODB_DATABASE]
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) database: Option<String>,
    /// How long Kafka may take for one request
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(crate) timeout: u64,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The topics: where commands, outcomes and generations stand
    #[command(subcommand)]
    Topics(Topics),
    /// The books in MongoDB
    #[command(subcommand)]
    Store(StoreCommand),
    /// Amazon MSK, where the log is on such a cluster
    #[command(subcommand)]
    Msk(MskCommand),
    /// Checks the books and the log against each other: debits equal credits, held is the sum of the open holds, every
    /// account's entries follow from each other, nothing is settled that the log does not have, and the topics are as the
    /// ledger's promises need them
    Check,
    /// Tells how many commands wait to be settled, for how long, and which partitions are stuck; one that is exits with 1
    Lag {
        /// {"partitions":[{"partition":0,"end":10,"settled":9,"lag":1,"oldest_ms":70,"state":"behind"}],"lag":1}
        #[arg(long)]
        json: bool,
        /// A partition whose oldest command has waited for longer, and of which nothing is settled while this command
        /// looks twice, is stuck
        #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=86_400))]
        stuck_after: u32,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Topics {
    /// Creates the topics and begins a generation of the log, in Kafka and in the books; a topic that is there and is not
    /// as the ledger's promises need it is named, with the command that mends it, and exits with 1
    Create {
        /// Of the command topic and the outcome topic; no more than this many batches are settled at once
        #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..))]
        partitions: u16,
        /// Copies of every record; with 3 or more, one broker may be away
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=15))]
        replication_factor: u16,
        /// Be content with topics that are there already
        #[arg(long)]
        if_missing: bool,
    },
    /// Shows the topics, their partitions and their settings; one that is not as it has to be exits with 1
    Describe {
        #[arg(long)]
        json: bool,
    },
    /// Deletes the commands and the outcomes for good; the books stay
    Delete {
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Creates the collections and their indexes; to do it again changes nothing
    Init {
        /// First make the server a replica set of one, where it was started with --replSet and is in no set yet
        #[arg(long)]
        single_node_replica_set: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum MskCommand {
    /// Shows the cluster, its brokers for each way of signing in, its nodes, and how the ledger's topics fare
    Describe {
        #[arg(long)]
        json: bool,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_words_are_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn topics_are_created_as_the_workshop_does_it() {
        let cli = Cli::try_parse_from(
            "passbook topics create --if-missing --brokers 127.0.0.1:9092 --mongo mongodb://h".split(' '),
        );
        let Command::Topics(Topics::Create { partitions: 8, replication_factor: 1, if_missing: true }) =
            cli.unwrap().command
        else {
            panic!("defaults")
        };
    }
}
