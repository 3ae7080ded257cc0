//! What the machine itself must provide, by Debian's packages. What is missing is installed when that is safe (as root,
//! with apt-get), and otherwise named together with the command that installs it.

use crate::say::Step;
use anyhow::{Context, Result, bail};
use nix::unistd::geteuid;
use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// One thing the machine must have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Need {
    what: &'static str,
    package: &'static str,
    found: fn() -> bool,
}

impl PartialEq for Need {
    fn eq(&self, other: &Self) -> bool {
        self.package == other.package
    }
}

pub(crate) const NGINX: Need = Need { what: "nginx, the front door", package: "nginx", found: || has_program("nginx") };
pub(crate) const AB: Need =
    Need { what: "ab, which makes the load", package: "apache2-utils", found: || has_program("ab") };
pub(crate) const WRK: Need = Need { what: "wrk, which makes more load", package: "wrk", found: || has_program("wrk") };
pub(crate) const NODE: Need =
    Need { what: "Node, which Passbook is measured against", package: "nodejs", found: || has_program("node") };
pub(crate) const NPM: Need =
    Need { what: "npm, which fetches what that takes", package: "npm", found: || has_program("npm") };
pub(crate) const OPENSSL: Need =
    Need { what: "openssl, which makes a certificate", package: "openssl", found: || has_program("openssl") };
pub(crate) const CURL: Need =
    Need { what: "curl, to do what the README says", package: "curl", found: || has_program("curl") };
pub(crate) const JAVA: Need =
    Need { what: "Java 17 or newer, for Apache Kafka", package: "default-jdk-headless", found: has_java_17 };
pub(crate) const JAVAC: Need = Need {
    what: "javac, for what a test gives Apache Kafka",
    package: "default-jdk-headless",
    found: || has_program("javac"),
};
pub(crate) const MAVEN: Need =
    Need { what: "Maven, which fetches Apache Kafka", package: "maven", found: || has_program("mvn") };
pub(crate) const PIP: Need = Need { what: "pip, which fetches the parts", package: "python3-pip", found: has_pip };
const COMPILER: Need = Need {
    what: "a C and C++ compiler",
    package: "build-essential",
    found: || has_program("c++") && has_program("make"),
};
const CMAKE: Need = Need { what: "cmake", package: "cmake", found: || has_program("cmake") };
const PERL: Need = Need { what: "Perl, which configures OpenSSL", package: "perl", found: || has_program("perl") };
/// What compiling librdkafka takes.
pub(crate) const BUILDING: [Need; 5] = [
    COMPILER,
    CMAKE,
    Need { what: "pkg-config", package: "pkg-config", found: || has_program("pkg-config") },
    Need { what: "zlib's headers", package: "zlib1g-dev", found: || has_library("zlib") },
    Need { what: "OpenSSL's headers", package: "libssl-dev", found: || has_library("openssl") },
];

/// What it takes when OpenSSL and zlib are compiled too.
pub(crate) const PACKAGING: [Need; 3] = [COMPILER, CMAKE, PERL];

/// Makes sure of all of them, or says what to type.
pub(crate) fn provide(needs: &[Need]) -> Result<()> {
    let missing = missing(needs);
    if missing.is_empty() {
        return Ok(());
    }
    if !geteuid().is_root() || !has_program("apt-get") {
        bail!("{}", advice(&missing));
    }
    install(&missing)?;
    let still = self::missing(&missing);
    if still.is_empty() { Ok(()) } else { bail!("installed, and yet: {}", advice(&still)) }
}

fn missing(needs: &[Need]) -> Vec<Need> {
    let mut missing: Vec<Need> = Vec::new();
    for need in needs {
        if !missing.contains(need) && !(need.found)() {
            missing.push(*need);
        }
    }
    missing
}

fn advice(missing: &[Need]) -> String {
    let whats: Vec<String> = missing.iter().map(|need| format!("\n  - {}", need.what)).collect();
    format!(
        "this machine lacks{}\nOn Debian or Ubuntu this installs it:\n  sudo apt-get update && sudo apt-get install -y {}",
        whats.concat(),
        packages(missing).join(" ")
    )
}

fn packages(missing: &[Need]) -> Vec<&'static str> {
    missing.iter().map(|need| need.package).collect()
}

fn install(missing: &[Need]) -> Result<()> {
    let packages = packages(missing);
    let step = Step::begin("packages", format!("apt-get install {}", packages.join(" ")));
    apt(&["update"])?;
    apt(&[&["install", "-y", "--no-install-recommends"], packages.as_slice()].concat())?;
    if packages.contains(&NGINX.package) {
        stop_service("nginx");
    }
    step.done(packages.join(" "));
    Ok(())
}

/// Debian starts a server that it installs, now and at every boot; here only its program is wanted.
fn stop_service(name: &str) {
    if Path::new("/run/systemd/system").exists() && !succeeds("systemctl", &["disable", "--now", name]) {
        println!("  packages      {name} was installed as a service too; `systemctl disable --now {name}` ends it");
    }
}

fn apt(args: &[&str]) -> Result<()> {
    let mut command = Command::new("apt-get");
    command.args(args).env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
    let output = command.output().context("cannot run apt-get")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("apt-get {} failed: {}", args.join(" "), said.trim());
    }
    Ok(())
}

/// Where a program is. Debian keeps servers in /usr/sbin, which is not on everybody's PATH.
pub(crate) fn program(name: &str) -> Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let also = ["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from);
    let found = env::split_paths(&path).chain(also).map(|dir| dir.join(name)).find(|file| is_executable(file));
    found.with_context(|| format!("no program `{name}` on this machine"))
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

fn has_program(name: &str) -> bool {
    program(name).is_ok()
}

fn succeeds(program: &str, args: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn has_library(name: &str) -> bool {
    succeeds("pkg-config", &["--exists", name])
}

fn has_pip() -> bool {
    succeeds("python3", &["-m", "pip", "--version"])
}

fn has_java_17() -> bool {
    let output = Command::new("java").arg("-version").stdin(Stdio::null()).output();
    output.is_ok_and(|output| java_major(&String::from_utf8_lossy(&output.stderr)).is_some_and(|major| major >= 17))
}

/// `openjdk version "17.0.15" 2025-04-15`; old ones say `1.8.0`.
fn java_major(said: &str) -> Option<u32> {
    let version = said.split('"').nth(1)?;
    version.split(['.', '-', '+']).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Need = Need { what: "a shell", package: "dash", found: || has_program("sh") };
    const NOT_HERE: Need = Need { what: "a unicorn", package: "unicorn", found: || has_program("no-such-unicorn") };

    #[test]
    fn only_what_is_missing_is_named_once_with_the_command() {
        let missing = missing(&[HERE, NOT_HERE, NOT_HERE]);
        assert_eq!(missing, [NOT_HERE]);
        let advice = advice(&missing);
        assert!(advice.contains("a unicorn") && advice.contains("apt-get install -y unicorn"), "{advice}");
    }

    #[test]
    fn the_workflow_installs_what_is_needed() {
        let workflow = include_str!("../../../../.github/workflows/ci.yml");
        for need in BUILDING.iter().chain([&NGINX, &AB, &WRK]) {
            assert!(workflow.split_whitespace().any(|word| word == need.package), "{}", need.package);
        }
    }

    #[test]
    fn java_versions_are_read_as_they_are_printed() {
        for (said, major) in [
            ("openjdk version \"17.0.15\" 2025-04-15\nOpenJDK", Some(17)),
            ("openjdk version \"21\" 2023-09-19", Some(21)),
            ("java version \"1.8.0_402\"", Some(1)),
            ("command not found", None),
        ] {
            assert_eq!(java_major(said), major, "{said}");
        }
    }
}
