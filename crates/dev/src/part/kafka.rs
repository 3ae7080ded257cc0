//! Apache Kafka: a cluster of one on the machine's Java, broker and controller in one process.

use super::{Part, Probe, Stop, args, loopback};
use crate::prepare::machine;
use anyhow::{Context, Result, bail};
use std::ffi::OsString;
use std::fs;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

pub(crate) const NAME: &str = "kafka";

const SERVER_PROPERTIES: &str = include_str!("../../parts/kafka/server.properties");
const LOGGING: &str = include_str!("../../parts/kafka/log4j2.properties");

/// Where its jars are, where it keeps its data, where it listens.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) jars: PathBuf,
    pub(crate) dir: PathBuf,
    pub(crate) broker: u16,
    pub(crate) controller: u16,
}

impl Place {
    fn data(&self) -> PathBuf {
        data(&self.dir)
    }

    fn properties(&self) -> PathBuf {
        self.dir.join("server.properties")
    }

    fn class_path(&self) -> OsString {
        self.jars.join("*").into_os_string()
    }

    fn java(&self, options: &[&str]) -> Vec<OsString> {
        let mut logging = OsString::from("-Dlog4j2.configurationFile=");
        logging.push(self.dir.join("log4j2.properties"));
        let mut all = args(options.iter().copied());
        all.extend([logging, OsString::from("-cp"), self.class_path()]);
        all
    }
}

/// Whether an Apache Kafka has been given this directory: it may hold commands that are accepted and not settled.
pub(crate) fn has_log(dir: &Path) -> bool {
    is_formatted(&data(dir))
}

fn data(dir: &Path) -> PathBuf {
    dir.join("data")
}

fn is_formatted(data: &Path) -> bool {
    data.join("meta.properties").exists()
}

/// Writes the configuration and, once in the life of the data, formats the storage.
pub(crate) fn prepare(place: &Place) -> Result<()> {
    fs::create_dir_all(&place.dir).with_context(|| format!("cannot make {}", place.dir.display()))?;
    fs::write(place.properties(), render(SERVER_PROPERTIES, place))?;
    fs::write(place.dir.join("log4j2.properties"), LOGGING)?;
    if is_formatted(&place.data()) {
        return Ok(());
    }
    format_storage(place)
}

fn render(template: &str, place: &Place) -> String {
    template
        .replace("${BROKER}", &place.broker.to_string())
        .replace("${CONTROLLER}", &place.controller.to_string())
        .replace("${DATA}", &place.data().display().to_string())
}

fn format_storage(place: &Place) -> Result<()> {
    let mut command = Command::new(machine::program("java")?);
    command.args(place.java(&["-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]));
    command.args([
        "kafka.tools.StorageTool",
        "format",
        "--standalone",
        "--ignore-formatted",
        "-t",
        &cluster_id()?,
        "-c",
    ]);
    // A Ctrl-C is for this program, which ends in order.
    let output = command.arg(place.properties()).process_group(0).output().context("cannot run java")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("Kafka could not format its storage in {}: {}", place.data().display(), said.trim());
    }
    Ok(())
}

/// 22 characters of unpadded base 64, which is how Kafka writes sixteen bytes; the last one holds only two bits.
fn cluster_id() -> Result<String> {
    const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut random = [0u8; 21];
    fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut random)).context("/dev/urandom")?;
    let letters = random.iter().map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()]));
    Ok(letters.chain(['A']).collect())
}

pub(crate) fn part(place: &Place) -> Result<Part> {
    // Only the first of Java's two compilers: half the start, half of its CPU time, and a broker for one machine.
    let mut args = place.java(&[
        "-Xms128m",
        "-Xmx256m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-XX:+ExitOnOutOfMemoryError",
    ]);
    args.extend([OsString::from("kafka.Kafka"), place.properties().into_os_string()]);
    Ok(Part {
        name: NAME,
        program: machine::program("java")?,
        args,
        env: Vec::new(),
        dir: Some(place.dir.clone()),
        address: address(place.broker),
        ready: Probe::Port(loopback(place.broker)),
        // After a kill it reads its segments again before it listens.
        ready_within: Duration::from_secs(180),
        stop: Stop::terminate(30),
        forgets: false,
    })
}

pub(crate) fn address(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_has_nothing_left_to_fill_in() {
        let place =
            Place { jars: PathBuf::from("/jars"), dir: PathBuf::from("/stack/kafka"), broker: 1092, controller: 1093 };
        let text = render(SERVER_PROPERTIES, &place);
        let settings: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert!(settings.iter().all(|line| !line.contains("${")), "{text}");
        assert!(settings.contains(&"listeners=PLAINTEXT://127.0.0.1:1092,CONTROLLER://127.0.0.1:1093"));
        assert!(settings.contains(&"log.dirs=/stack/kafka/data"));
    }

    #[test]
    fn a_cluster_id_is_sixteen_bytes_of_base_64() {
        let id = cluster_id().unwrap();
        assert_eq!(id.len(), 22);
        assert!(id.ends_with('A') && id != cluster_id().unwrap());
    }
}
