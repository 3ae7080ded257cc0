//! Creating, describing and deleting the topics, and saying how they have to be.

mod plan;

use std::io::{IsTerminal, Write, stdin, stdout};
use std::num::NonZeroU16;

use anyhow::{Context, bail, ensure};
use ledger::{Placement, Timestamp};
use ledger_log::{CreateTopics, Deviation, GenerationError, TopicDescription, Topics, TopicsError};
use ledger_store::Fence;

use crate::cli::Places;
use crate::exit::Usage;
use crate::lag::lag_of;
use crate::places::{COMMANDS, fences_of};
use crate::table::table;
use plan::{Found, Plan, plan};

pub(crate) async fn create(places: &Places, layout: CreateTopics, if_missing: bool) -> anyhow::Result<()> {
    let (store, topics) = places.store_and_topics().await?;
    let (ends, fences) = (topics.command_ends().await?, fences_of(&store).await?);
    let (placement, number_alone) = match topics.beginning().await {
        Ok(beginning) => (beginning.map(|beginning| beginning.placement), None),
        // Without a log, all that matters of the record is its number: the next generation is another.
        Err(TopicsError::Generation(error @ GenerationError::Unreadable { .. })) if ends.is_empty() => {
            (None, error.number_alone())
        }
        Err(error) => return Err(error.into()),
    };
    let found = Found { placement, number_alone, ends, fences };
    match plan(&found, if_missing)? {
        Plan::Begin(generation) => {
            let partitions = NonZeroU16::new(layout.partitions).context("a topic has at least one partition")?;
            let placement = Placement { generation, partitions };
            // In this order a step that fails leaves nothing that looks like a log: the next try begins another generation.
            // And the generation begins when the log before it is gone and its own is not there yet.
            let began_at = begin(&topics, placement, layout).await?;
            store.begin_generation(COMMANDS, layout.partitions, generation, began_at).await?;
            topics.create(layout).await?;
            if let Some(over) = over(&found.fences) {
                println!("{over}");
            }
            println!("generation {generation} of the log begins, with {} partitions", layout.partitions);
        }
        Plan::Adopt(placement) => {
            let Placement { generation, .. } = placement;
            store.begin_generation(COMMANDS, placement.partitions.get(), generation, None).await?;
            topics.create(of(placement, layout)).await?;
            println!("the topics are there already; the books begin at their beginning, generation {generation}");
        }
        Plan::Record(placement) => {
            topics.begin_generation(placement, layout.replication_factor).await?;
            topics.create(of(placement, layout)).await?;
            println!(
                "the topics are there already; the books say that they are of generation {}, which is recorded again",
                placement.generation
            );
        }
        Plan::Keep(placement) => {
            topics.create(of(placement, layout)).await?;
            let Placement { generation, partitions } = placement;
            println!("the topics are there already, generation {generation}, with {partitions} partitions");
        }
    }
    if let Some(unused) = found.unused() {
        println!("{unused}");
    }
    no_deviations(&topics.deviations().await?)
}

/// # Errors
/// In what topics are not as the ledger's promises need them, a line each.
pub(crate) fn no_deviations(deviations: &[Deviation]) -> anyhow::Result<()> {
    let lines: Vec<_> = deviations.iter().map(Deviation::to_string).collect();
    ensure!(lines.is_empty(), "{}", lines.join("\n"));
    Ok(())
}

/// How topics of a generation that has begun are laid out where they are missing.
fn of(placement: Placement, layout: CreateTopics) -> CreateTopics {
    CreateTopics { partitions: placement.partitions.get(), ..layout }
}

/// Records a generation, and says when that was, by the clock that will stamp its commands.
async fn begin(topics: &Topics, placement: Placement, layout: CreateTopics) -> anyhow::Result<Option<Timestamp>> {
    topics.begin_generation(placement, layout.replication_factor).await?;
    match topics.beginning().await? {
        Some(recorded) if recorded.placement == placement => Ok(recorded.began_at),
        _ => bail!(
            "generation {} was recorded, and another is read; is somebody else creating the topics?",
            placement.generation
        ),
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
    let deviations = topics.deviations().await?;
    if json {
        let all = serde_json::json!({ "generation": generation, "topics": described, "deviations": deviations });
        println!("{all}");
        return no_deviations(&deviations);
    }
    match generation {
        Some(generation) => println!("generation {generation}"),
        None => println!("no generation has begun; run `passbook topics create`"),
    }
    for topic in &described {
        println!("\n{}", describe_topic(topic));
    }
    no_deviations(&deviations)
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
