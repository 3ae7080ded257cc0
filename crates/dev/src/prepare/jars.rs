//! Apache Kafka's jars: fetched by Maven with the exact versions of `parts/kafka/pom.xml`, then compared, all of them,
//! with the hashes of `parts/kafka/jars.sha256`.

use super::{download, hash};
use crate::say::Step;
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const POM: &str = include_str!("../../parts/kafka/pom.xml");
const PINS: &str = include_str!("../../parts/kafka/jars.sha256");
const VERSION: &str = "4.1.0";
/// About what they weigh, for the progress bar.
const BYTES: u64 = 44_178_001;

/// Named by the pins, so that changed pins are another directory.
pub(crate) fn directory(parts: &Path) -> PathBuf {
    let pin = hash::hex(PINS);
    parts.join(format!("kafka-{VERSION}-{}", pin.get(..8).unwrap_or_default()))
}

pub(crate) fn fetch(parts: &Path) -> Result<()> {
    let what = format!("Apache Kafka {VERSION}");
    let step = Step::begin_bytes("parts", &what, BYTES);
    let temp = download::begin(parts)?;
    let jars = temp.path().join("jars");
    let pom = temp.path().join("pom.xml");
    fs::write(&pom, POM)?;
    let mut maven = Command::new("mvn");
    maven.args(["--quiet", "--batch-mode", "dependency:copy-dependencies", "-DincludeScope=runtime"]);
    maven.arg(format!("-DoutputDirectory={}", jars.display())).arg("--file").arg(&pom);
    download::run(&mut maven, &jars, &step).context("cannot fetch Apache Kafka from Maven Central")?;
    step.doing(format!("{what}, checking"));
    verify(&jars, PINS)?;
    download::keep(&jars, &directory(parts))?;
    step.done(&what);
    Ok(())
}

/// Every pinned jar is there and is what it was, and no other file is.
fn verify(dir: &Path, pins: &str) -> Result<()> {
    let mut pinned: BTreeMap<&str, &str> =
        pins.lines().filter_map(|line| line.split_once("  ")).map(|(hash, name)| (name, hash)).collect();
    let mut doubts = Vec::new();
    for entry in fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let hash = hash::hex(fs::read(entry.path())?);
        match pinned.remove(name.as_str()) {
            Some(pin) if pin == hash => {}
            Some(pin) => doubts.push(format!("{name} is {hash}, not {pin}")),
            None => doubts.push(format!("{name} ({hash}) is not pinned")),
        }
    }
    doubts.extend(pinned.keys().map(|name| format!("{name} is missing")));
    if doubts.is_empty() { Ok(()) } else { bail!("the jars are not the pinned ones:\n  {}", doubts.join("\n  ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_a_missing_and_a_foreign_jar_are_each_named() {
        let dir = tempfile::tempdir().unwrap();
        for (name, content) in [("good.jar", "good"), ("changed.jar", "evil"), ("foreign.jar", "?")] {
            fs::write(dir.path().join(name), content).unwrap();
        }
        let hash = |content: &str| hash::hex(content);
        let pins = format!("{}  good.jar\n{}  changed.jar\n{}  gone.jar\n", hash("good"), hash("well"), hash("gone"));
        let error = verify(dir.path(), &pins).unwrap_err().to_string();
        for doubt in ["changed.jar is", "foreign.jar (", "gone.jar is missing"] {
            assert!(error.contains(doubt), "{error}");
        }
        assert!(!error.contains("good.jar"), "{error}");
    }

    #[test]
    fn the_pins_are_readable_and_hold_kafka_itself() {
        let pins: Vec<_> = PINS.lines().map(|line| line.split_once("  ").unwrap()).collect();
        assert!(pins.iter().all(|(hash, name)| hash.len() == 64 && name.ends_with(".jar")));
        assert!(pins.iter().any(|(_, name)| *name == format!("kafka_2.13-{VERSION}.jar")));
    }
}
