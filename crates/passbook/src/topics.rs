//! Creating, describing and deleting the topics.

mod plan;

use std::io::{IsTerminal, Write, stdin, stdout};

use anyhow::{Context, bail};
use ledger::{Generation, Timestamp};
use ledger_log::{CreateTopics, TopicDescription, Topics};
use ledger_store::Fence;

use crate::cli::Places;
use crate::exit::Usage;
use crate::lag::lag_of;
use crate::places::{COMMANDS, fences_of};
use crate::table::table;
use plan::{Found, Plan, plan};

pub(crate) async fn create(places: &Places, layout: CreateTopics, if_missing: bool) -> anyhow::Result<()> {
    let (store, topics) = (places.store().await?, places.topics().await?);
    let (generation, ends) = (topics.generation().await?, topics.command_ends().await?);
    let found = Found { generation, ends, fences: fences_of(&store).await? };
    match plan(&found, if_missing)? {
        Plan::Begin(generation) => {
            // In this order a step that fails leaves nothing that looks like a log: the next try begins another generation.
            // And the generation begins when the log before it is gone and its own is not there yet.
            let began_at = begin(&topics, generation, layout).await?;
            store.begin_generation(COMMANDS, layout.partitions, generation, began_at).await?;
            topics.create(layout).await?;
            if let Some(over) = over(&found.fences) {
                println!("{over}");
            }
            println!("generation {generation} of the log begins, with {} partitions", layout.partitions);
        }
        Plan::Adopt { generation, partitions } => {
            store.begin_generation(COMMANDS, partitions, generation, None).await?;
            topics.create(CreateTopics { partitions, ..layout }).await?;
            println!("the topics are there already; the books begin at their beginning, generation {generation}");
        }
        Plan::Record { generation, partitions } => {
            topics.begin_generation(generation, layout.replication_factor).await?;
            topics.create(CreateTopics { partitions, ..layout }).await?;
            println!(
                "the topics are there already; the books say that they are of generation {generation}, which is recorded again"
            );
        }
        Plan::Keep { generation, partitions } => {
            topics.create(CreateTopics { partitions, ..layout }).await?;
            println!("the topics are there already, generation {generation}, with {partitions} partitions");
        }
    }
    Ok(())
}

/// Records a generation, and says when that was, by the clock that will stamp its commands.
async fn begin(topics: &Topics, generation: Generation, layout: CreateTopics) -> anyhow::Result<Option<Timestamp>> {
    topics.begin_generation(generation, layout.replication_factor).await?;
    match topics.beginning().await? {
        Some(recorded) if recorded.generation == generation => Ok(recorded.began_at),
        _ => bail!("generation {generation} was recorded, and another is read; is somebody else creating the topics?"),
    }
}

/// What is to be said of a generation whose log is gone, where anything of it was settled.
fn over(fences: &[Fence]) -> Option<String> {
    let settled: u64 = fences.iter().map(|fence| fence.next_offset).sum();
    let generation = fences.iter().map(|fence| fence.generation).max()?;
    (settled > 0).then(|| {
        format!(
            "generation {generation} is over: {settled} of its commands are settled and stay so; any that were not are lost with its log"
        )
    })
}

pub(crate) async fn describe(places: &Places, json: bool) -> anyhow::Result<()> {
    let topics = places.topics().await?;
    let (generation, described) = (topics.generation().await?, topics.describe().await?);
    if json {
        println!("{}", serde_json::json!({ "generation": generation, "topics": described }));
        return Ok(());
    }
    match generation {
        Some(generation) => println!("generation {generation}"),
        None => println!("no generation has begun; run `passbook topics create`"),
    }
    for topic in &described {
        println!("\n{}", describe_topic(topic));
    }
    Ok(())
}

fn describe_topic(topic: &TopicDescription) -> String {
    if topic.partitions.is_empty() {
        return format!("{}: missing", topic.topic);
    }
    let rows: Vec<_> = topic
        .partitions
        .iter()
        .map(|found| [found.partition.into(), found.start, found.end].map(|number: u64| number.to_string()))
        .collect();
    let settings: Vec<_> = topic.settings.iter().map(|(name, value)| format!("  {name} = {value}")).collect();
    let parts = [topic.topic.clone(), settings.join("\n"), table(["partition", "start", "end"], &rows)];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
}

pub(crate) async fn delete(places: &Places, yes: bool) -> anyhow::Result<()> {
    let topics = places.topics().await?;
    let ends = topics.command_ends().await?;
    if !ends.is_empty() {
        let records: u64 = ends.iter().map(|end| end.end - end.start).sum();
        let fences = match places.store().await {
            Ok(store) => fences_of(&store).await,
            Err(error) => Err(error),
        };
        println!(
            "{COMMANDS} has {records} commands, and {} has their outcomes; they are lost for good.",
            ledger_log::OUTCOMES
        );
        match fences {
            Ok(fences) => println!("{} of them are not settled yet: they never will be.", lag_of(&ends, &fences).lag),
            Err(error) => println!("How many of them are not settled yet is not known: {error:#}."),
        }
        println!(
            "Stop `api` and the event source first, and start them again when the topics are created: an environment that has not heard of the next generation writes commands that are set aside, and an event source that holds records of this log goes on delivering them, for the settler to refuse."
        );
    }
    if !yes && !confirmed()? {
        bail!("nothing was deleted");
    }
    topics.delete().await?;
    println!("the topics are deleted; `passbook topics create` begins the next generation");
    Ok(())
}

fn confirmed() -> anyhow::Result<bool> {
    if !stdin().is_terminal() {
        return Err(Usage::new("nobody is there to be asked; add --yes to delete the topics").into());
    }
    print!("Delete the topics? Type yes: ");
    stdout().flush()?;
    let mut answer = String::new();
    stdin().read_line(&mut answer).context("no answer")?;
    Ok(answer.trim() == "yes")
}
