//! `lambda-local record`

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use lambda_local::event_source::recording::{self, Stretch};
use lambda_local::template::{Inputs, KafkaSource, Needed, Template};

use super::{BrokerArgs, TemplateArgs};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    template: TemplateArgs,
    #[command(flatten)]
    brokers: BrokerArgs,
    /// The topic, one that an event source of the template reads; needed where they read several.
    #[arg(long)]
    topic: Option<String>,
    /// The partition.
    #[arg(long, value_parser = clap::value_parser!(i32).range(0..))]
    partition: i32,
    /// The offset of the first record.
    #[arg(long, value_name = "OFFSET", value_parser = clap::value_parser!(i64).range(0..))]
    from: i64,
    /// How many records; fewer where the log ends, or where an event of 6 MB is full.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    count: u16,
    /// The file to write; standard output unless one is named.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write over a file that is there.
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<i32> {
    let inputs = Inputs { needed: Needed::EventSources, ..args.template.inputs()? };
    let template = args.template.read(&inputs)?;
    let (function, source) = source(&template, args.topic.as_deref())?;
    let stretch = Stretch { partition: args.partition, from: args.from, count: args.count.into() };
    let recorded = recording::record(function, source, &args.brokers.options(), stretch)?;
    match &args.output {
        Some(path) => write(path, &recorded.event, args.force)?,
        None => write_line(std::io::stdout(), &recorded.event)?,
    }
    let (topic, last) = (&source.topic, recorded.last_offset);
    eprintln!("{} records of {topic}-{}, offsets {} to {last}", recorded.records, args.partition, args.from);
    Ok(0)
}

/// The event source that reads a topic, with its function.
fn source<'t>(template: &'t Template, topic: Option<&str>) -> anyhow::Result<(&'t str, &'t KafkaSource)> {
    let all = || template.functions.iter().flat_map(|f| f.kafka.iter().map(move |source| (f.name.as_str(), source)));
    let mut topics: Vec<&str> = all().map(|(_, source)| source.topic.as_str()).collect();
    topics.sort_unstable();
    topics.dedup();
    let topic = match (topic, topics.as_slice()) {
        (_, []) => bail!("the template has no Kafka event source"),
        (Some(topic), _) => topic,
        (None, [only]) => *only,
        (None, several) => bail!("the template's event sources read {}: choose with --topic", several.join(", ")),
    };
    let found = all().find(|(_, source)| source.topic == topic);
    found.with_context(|| format!("no event source of the template reads {topic}; they read {}", topics.join(", ")))
}

fn write(path: &Path, event: &[u8], force: bool) -> anyhow::Result<()> {
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).create_new(!force).truncate(true).open(path);
    match file {
        Ok(file) => write_line(file, event).with_context(|| format!("cannot write {}", path.display())),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            bail!("{} is there already; name another file, or add --force to write over it", path.display())
        }
        Err(error) => Err(error).with_context(|| format!("cannot write {}", path.display())),
    }
}

fn write_line(mut to: impl std::io::Write, event: &[u8]) -> anyhow::Result<()> {
    to.write_all(event)?;
    Ok(to.write_all(b"\n")?)
}
