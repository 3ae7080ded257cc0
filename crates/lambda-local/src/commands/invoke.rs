//! `lambda-local invoke`

use std::io::{IsTerminal as _, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use lambda_local::event_source::{Invoked, Invoker};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The function's name.
    function: String,
    /// The event: a JSON file, or - for standard input.
    event: PathBuf,
    /// Where to invoke it; the variable is that of AWS's SDKs.
    #[arg(
        long,
        env = "AWS_ENDPOINT_URL_LAMBDA",
        default_value = "http://127.0.0.1:9000",
        value_name = "http://HOST:PORT"
    )]
    endpoint: String,
    /// A client context, as mobile SDKs send it: a JSON file in ASCII.
    #[arg(long, value_name = "FILE")]
    client_context: Option<PathBuf>,
    /// How long to wait for the answer.
    #[arg(long, default_value_t = 900)]
    timeout_s: u64,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<i32> {
    let event = read(&args.event)?;
    let mut invoker = Invoker::endpoint(&args.endpoint, &args.function, Duration::from_secs(args.timeout_s))?;
    if let Some(path) = &args.client_context {
        invoker = invoker.with_client_context(&read_context(path)?);
    }
    match invoker.invoke(event).await {
        Invoked::Answer(answer) => {
            let mut output = std::io::stdout();
            output.write_all(&answer)?;
            if output.is_terminal() || !answer.ends_with(b"\n") {
                writeln!(output)?;
            }
            Ok(0)
        }
        Invoked::FunctionError(error) => {
            println!("{error}");
            eprintln!("lambda-local: the function {} failed", args.function);
            Ok(1)
        }
        Invoked::NotReached(reason) => {
            bail!("{} cannot be invoked at {} (--endpoint): {reason}", args.function, args.endpoint)
        }
    }
}

/// The event, checked before it travels.
fn read(path: &Path) -> anyhow::Result<Bytes> {
    let mut event = vec![];
    if path == Path::new("-") {
        std::io::stdin().read_to_end(&mut event).context("cannot read standard input")?;
    } else {
        event = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    }
    serde_json::from_slice::<serde::de::IgnoredAny>(&event)
        .with_context(|| format!("{} is not JSON", path.display()))?;
    Ok(event.into())
}

/// A context on one line, as a header can carry it. Breaks between lines are never part of a JSON text.
fn read_context(path: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str::<serde::de::IgnoredAny>(&text).with_context(|| format!("{} is not JSON", path.display()))?;
    if !text.is_ascii() {
        bail!("{} is not ASCII, and functions get it in a header: write \\u00fc for ü", path.display());
    }
    Ok(text.lines().map(str::trim).collect())
}
