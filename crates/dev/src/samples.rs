//! The sample invocations of `events/`: what lies there, which function each is for, and the answer written beside it.
//!
//! `http/deposit.json` is an event, `http/deposit.answer.json` the answer to it, in which `…` stands for what differs from
//! run to run. An answer of `errorType` and `errorMessage` is the function's failure. A client context is no event of its
//! own: it goes with [`WITH_CONTEXT`]. Nothing else lies there, so nothing lies there that is not replayed.

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each folder with the function that its events are for, in the order of replaying: `http` reads an account that `kafka`
/// has settled.
const FOLDERS: [(&str, &str); 3] = [("kafka", "settler"), ("http", "api"), (CONTEXTS, "api")];
const CONTEXTS: &str = "contexts";
/// The event that client contexts go with.
const WITH_CONTEXT: &str = "http/health.json";

const EVENT: &str = ".json";
const ANSWER: &str = ".answer.json";

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sample {
    /// As it is named below `events/`, for example `http/deposit.json`.
    pub(crate) name: String,
    pub(crate) function: &'static str,
    pub(crate) event: PathBuf,
    pub(crate) client_context: Option<PathBuf>,
    pub(crate) answer: Value,
}

impl Sample {
    /// Whether the answer is that the function fails.
    pub(crate) fn is_a_failure(&self) -> bool {
        self.answer.get("errorType").is_some() && self.answer.get("errorMessage").is_some()
    }
}

/// Every sample below `events`.
///
/// # Errors
/// Something lies there that is no sample, or only half of one.
pub(crate) fn all(events: &Path) -> Result<Vec<Sample>> {
    check_folders(events)?;
    let mut samples = Vec::new();
    for (folder, function) in FOLDERS {
        for name in names(&events.join(folder))? {
            samples.push(sample(events, folder, function, &name).with_context(|| format!("{folder}/{name}{EVENT}"))?);
        }
    }
    Ok(samples)
}

fn check_folders(events: &Path) -> Result<()> {
    for found in listed(events)? {
        let is_known = found == "README.md" || FOLDERS.iter().any(|(folder, _)| found == *folder);
        ensure!(is_known, "{} is replayed by nothing: events lie in its folders", events.join(found).display());
    }
    Ok(())
}

/// The names of a folder's samples, each an event and an answer.
fn names(folder: &Path) -> Result<BTreeSet<String>> {
    let (mut events, mut answers) = (BTreeSet::new(), BTreeSet::new());
    for file in listed(folder)? {
        if let Some(name) = file.strip_suffix(ANSWER) {
            answers.insert(name.to_owned());
        } else if let Some(name) = file.strip_suffix(EVENT) {
            events.insert(name.to_owned());
        } else {
            bail!("{} is replayed by nothing: it is neither *{EVENT} nor *{ANSWER}", folder.join(file).display());
        }
    }
    if let Some(name) = events.difference(&answers).next() {
        bail!("{name}{EVENT} has no answer: write it to {}", folder.join(format!("{name}{ANSWER}")).display());
    }
    if let Some(name) = answers.difference(&events).next() {
        bail!("{name}{ANSWER} answers nothing: there is no {}", folder.join(format!("{name}{EVENT}")).display());
    }
    Ok(events)
}

fn listed(folder: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}

fn sample(events: &Path, folder: &str, function: &'static str, name: &str) -> Result<Sample> {
    let file = events.join(folder).join(format!("{name}{EVENT}"));
    let answer = fs::read_to_string(events.join(folder).join(format!("{name}{ANSWER}")))?;
    let answer = serde_json::from_str(&answer).context("its answer is not JSON")?;
    let name = format!("{folder}/{name}{EVENT}");
    let (event, client_context) =
        if folder == CONTEXTS { (events.join(WITH_CONTEXT), Some(file)) } else { (file, None) };
    Ok(Sample { name, function, event, client_context, answer })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder of events with these files, all of them empty objects.
    fn events(files: &[&str]) -> tempfile::TempDir {
        let temp = tempfile::tempdir().unwrap();
        for (folder, _) in FOLDERS {
            fs::create_dir(temp.path().join(folder)).unwrap();
        }
        for file in files {
            fs::write(temp.path().join(file), "{}").unwrap();
        }
        temp
    }

    #[test]
    fn an_event_and_the_answer_beside_it_are_a_sample() {
        let temp = events(&["http/a.json", "http/a.answer.json", "kafka/b.json", "kafka/b.answer.json", "README.md"]);
        let samples = all(temp.path()).unwrap();
        let found: Vec<_> = samples.iter().map(|sample| (sample.name.as_str(), sample.function)).collect();
        assert_eq!(found, [("kafka/b.json", "settler"), ("http/a.json", "api")]);
    }

    #[test]
    fn a_client_context_goes_with_an_event() {
        let temp = events(&["contexts/c.json", "contexts/c.answer.json"]);
        let [sample]: [Sample; 1] = all(temp.path()).unwrap().try_into().unwrap();
        assert_eq!(sample.event, temp.path().join(WITH_CONTEXT));
        assert_eq!(sample.client_context, Some(temp.path().join("contexts/c.json")));
    }

    #[test]
    fn whatever_is_not_replayed_or_has_no_answer_is_an_error() {
        for (files, why) in [
            (&["http/a.json"][..], "a.json has no answer"),
            (&["http/a.answer.json"], "a.answer.json answers nothing"),
            (&["http/a.txt"], "a.txt is replayed by nothing"),
            (&["a.json"], "a.json is replayed by nothing"),
        ] {
            let error = all(events(files).path()).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn every_file_of_this_repository_is_replayed() {
        let samples = all(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events")).unwrap();
        for (folder, _) in FOLDERS {
            assert!(samples.iter().any(|sample| sample.name.starts_with(folder)), "nothing in {folder}");
        }
        assert!(samples.iter().all(|sample| sample.event.is_file()));
    }
}
