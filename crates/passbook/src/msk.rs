//! What AWS and the cluster itself tell of an MSK cluster.
//!
//! The cluster must be told, or there is nothing to print. The rest is told as far as it can be learnt: what cannot is
//! named with the reason, and the exit code is 1. Topics are asked of AWS first, which also answers outside the cluster's
//! network; where it does not (serverless clusters, Kafka before 3.6), the brokers are asked.

mod print;

use anyhow::bail;
use ledger_log::{AskError, ClusterArn, ClusterDescription, MskCluster, Node, TopicHealth, WayIn};
use serde::Serialize;

use crate::cli::Places;

/// All that is known. What is not known is null, and said in `unknown`.
#[derive(Debug, Serialize)]
struct Described {
    cluster: ClusterDescription,
    ways_in: Option<Vec<WayIn>>,
    nodes: Option<Vec<Node>>,
    topics: Option<Topics>,
    unknown: Vec<Unknown>,
}

#[derive(Debug, Serialize)]
struct Topics {
    told_by: Teller,
    topics: Vec<TopicHealth>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Teller {
    Aws,
    Brokers,
}

#[derive(Debug, Serialize)]
struct Unknown {
    what: &'static str,
    why: String,
}

pub(crate) async fn describe(places: &Places, json: bool) -> anyhow::Result<()> {
    let arn = places.msk_cluster()?;
    let described = ask(&places.on(&arn), &arn).await?;
    if json {
        println!("{}", serde_json::to_string(&described)?);
    } else {
        println!("{}", print::text(&described));
    }
    if described.unknown.is_empty() {
        return Ok(());
    }
    let unknown: Vec<_> =
        described.unknown.iter().map(|unknown| format!("{}: {}", unknown.what, unknown.why)).collect();
    bail!("not all of it could be learnt\n{}", unknown.join("\n"))
}

async fn ask(places: &Places, arn: &ClusterArn) -> anyhow::Result<Described> {
    let msk = MskCluster::new(arn).await;
    let cluster = msk.describe().await?;
    let mut unknown = Vec::new();
    let ways_in = known("brokers", msk.ways_in().await, &mut unknown);
    // Those of a serverless cluster are AWS's own business.
    let nodes =
        if cluster.brokers.is_some() { known("nodes", msk.nodes().await, &mut unknown) } else { Some(Vec::new()) };
    let topics = ask_topics(places, &msk, &cluster).await.map_err(|why| unknown.push(why)).ok();
    Ok(Described { cluster, ways_in, nodes, topics, unknown })
}

fn known<T>(what: &'static str, told: Result<T, AskError>, unknown: &mut Vec<Unknown>) -> Option<T> {
    told.map_err(|error| unknown.push(Unknown { what, why: error.to_string() })).ok()
}

async fn ask_topics(places: &Places, msk: &MskCluster, cluster: &ClusterDescription) -> Result<Topics, Unknown> {
    let aws = if cluster.brokers.is_some() {
        msk.topics_health().await.map_err(|error| error.to_string())
    } else {
        Err("AWS tells nothing about the topics of a serverless cluster".to_owned())
    };
    let aws = match aws {
        Ok(topics) => return Ok(Topics { told_by: Teller::Aws, topics }),
        Err(why) => why,
    };
    match ask_brokers(places).await {
        Ok(topics) => Ok(Topics { told_by: Teller::Brokers, topics }),
        Err(brokers) => Err(Unknown { what: "topics", why: format!("{aws}; and of the brokers: {brokers:#}") }),
    }
}

async fn ask_brokers(places: &Places) -> anyhow::Result<Vec<TopicHealth>> {
    Ok(places.topics().await?.health().await?)
}
