//! An Apache Kafka that asks who is there: a listener for every way of signing in, all but one encrypted.
//!
//! It runs on the Java and the jars that a stack's own Kafka runs on. Its certificates are made anew each time, and its
//! users are the one of each [`WayIn`]. For IAM it has `tests/kafka/IamTokenVerifier.java`, which checks a token as MSK
//! does, the signature included.

mod certificates;

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::kept::Kept;
use crate::logs::{self, Expected};
use crate::{Stack, root, wait_until};

pub const REGION: &str = "eu-west-1";
pub const ACCESS_KEY: &str = "AKIDEXAMPLE";
pub const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
pub const USERNAME: &str = "passbook";
pub const PASSWORD: &str = "correct-horse";

const UP_WITHIN: Duration = Duration::from_secs(90);
const LISTENERS: [&str; 7] = ["CONTROLLER", "OPEN", "PLAIN", "SCRAM256", "SCRAM512", "IAM", "CERTIFICATE"];
const JAVA_OPTIONS: [&str; 3] = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];

/// How a client shows who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WayIn {
    Plain,
    Scram256,
    Scram512,
    Iam,
    Certificate,
}

#[derive(Debug)]
pub struct SecuredKafka {
    /// Before the directory: it ends before its files go.
    kafka: Kept,
    dir: TempDir,
    ports: [u16; LISTENERS.len()],
}

impl SecuredKafka {
    pub fn start(stack: &Stack) -> Result<Self> {
        // Kept to look at unless the tests come to their end, which is `finish`.
        let dir = tempfile::Builder::new().prefix("passbook-secured-").disable_cleanup(true).tempdir()?;
        let java = Java::of(stack, dir.path())?;
        let ports = free_ports()?;
        certificates::write(dir.path())?;
        fs::create_dir(dir.path().join("logs"))?;
        let properties = dir.path().join("server.properties");
        fs::write(&properties, properties_of(dir.path(), &ports)?)?;
        java.compile_verifier()?;
        java.format_storage(&properties)?;
        let mut kafka = java.command();
        for (name, value) in [("region", REGION), ("access.key", ACCESS_KEY), ("secret", SECRET)] {
            kafka.arg(format!("-Diam.{name}={value}"));
        }
        kafka.arg("kafka.Kafka").arg(&properties);
        let kafka = Kept::start(&kafka, &dir.path().join("logs/kafka.log"))?;
        let secured = Self { kafka, dir, ports };
        wait_until("the secured Kafka listens", UP_WITHIN, || {
            let said = || fs::read_to_string(secured.log()).unwrap_or_default();
            let open = LISTENERS.iter().all(|name| TcpStream::connect(secured.listener(name)).is_ok());
            ensure!(open, "not all listeners are open; it says: {}", said());
            Ok(Some(()))
        })?;
        Ok(secured)
    }

    /// Down, with its log looked through for what it should not say.
    pub fn finish(self, expected: &[Expected]) -> Result<()> {
        let Self { kafka, dir, .. } = self;
        drop(kafka);
        logs::scan(&dir.path().join("logs"), expected)?;
        Ok(dir.close()?)
    }

    /// Where everybody is let in.
    pub fn open(&self) -> String {
        self.listener("OPEN")
    }

    pub fn address(&self, way: WayIn) -> String {
        self.listener(match way {
            WayIn::Plain => "PLAIN",
            WayIn::Scram256 => "SCRAM256",
            WayIn::Scram512 => "SCRAM512",
            WayIn::Iam => "IAM",
            WayIn::Certificate => "CERTIFICATE",
        })
    }

    /// A file of the certificates: `authority.pem`, `client.pem`, `client.key`.
    pub fn file(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    fn listener(&self, name: &str) -> String {
        let port = LISTENERS.iter().position(|known| *known == name).map(|at| self.ports[at]);
        format!("127.0.0.1:{}", port.unwrap_or_default())
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("logs/kafka.log")
    }
}

/// All at once, so that they differ.
fn free_ports() -> Result<[u16; LISTENERS.len()]> {
    let mut held = Vec::new();
    let mut ports = [0; LISTENERS.len()];
    for port in &mut ports {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        *port = listener.local_addr()?.port();
        held.push(listener);
    }
    Ok(ports)
}

fn properties_of(dir: &Path, ports: &[u16; LISTENERS.len()]) -> Result<String> {
    let template = fs::read_to_string(root().join("tests/kafka/server.properties"))?;
    let ports = LISTENERS.iter().zip(ports).map(|(name, port)| (*name, port.to_string()));
    let others =
        [("DIR", dir.display().to_string()), ("USERNAME", USERNAME.to_owned()), ("PASSWORD", PASSWORD.to_owned())];
    let fill = |text: String, (name, value): (&str, String)| text.replace(&format!("${{{name}}}"), &value);
    Ok(ports.chain(others).fold(template, fill))
}

/// The Java of a stack's Kafka, with its jars, and a directory for one class more.
struct Java<'a> {
    program: PathBuf,
    jars: String,
    dir: &'a Path,
}

impl<'a> Java<'a> {
    fn of(stack: &Stack, dir: &'a Path) -> Result<Self> {
        let pid = stack.status()?.part("kafka")?.running()?;
        let line = fs::read(format!("/proc/{pid}/cmdline"))?;
        let words: Vec<_> =
            line.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        let jars = words.iter().skip_while(|word| *word != "-cp").nth(1).context("the stack's Kafka names no jars")?;
        let program = fs::read_link(format!("/proc/{pid}/exe"))?;
        Ok(Self { program, jars: jars.clone(), dir })
    }

    fn command(&self) -> Command {
        let mut java = Command::new(&self.program);
        let logging = root().join("crates/dev/parts/kafka/log4j2.properties");
        java.args(JAVA_OPTIONS).arg(format!("-Dlog4j2.configurationFile={}", logging.display()));
        java.arg("-cp").arg(format!("{}:{}", self.jars, self.dir.display()));
        java
    }

    fn compile_verifier(&self) -> Result<()> {
        let mut javac = Command::new("javac");
        javac
            .args(["--release", "17", "-cp", &self.jars, "-d"])
            .arg(self.dir)
            .arg(root().join("tests/kafka/IamTokenVerifier.java"));
        run(javac)
    }

    fn format_storage(&self, properties: &Path) -> Result<()> {
        let mut format = self.command();
        format.args(["kafka.tools.StorageTool", "format", "--standalone", "-t", "AAAAAAAAAAAAAAAAAAAAAA", "-c"]);
        format.arg(properties);
        for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-512"] {
            format.args(["--add-scram", &format!("{mechanism}=[name={USERNAME},password={PASSWORD}]")]);
        }
        run(format)
    }
}

fn run(mut command: Command) -> Result<()> {
    let name = command.get_program().display().to_string();
    let output = command.output().with_context(|| format!("cannot run {name} (Debian: default-jdk-headless)"))?;
    let said = [output.stdout, output.stderr].concat();
    ensure!(output.status.success(), "{name}: {}\n{}", output.status, String::from_utf8_lossy(&said));
    Ok(())
}
