//! NGINX by itself, run as its container image runs it: every template of nginx/ is filled in, envsubst's way, with what
//! nginx/settings.env says and what a test says over it.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::kept::Kept;
use crate::{Client, root, wait_until};

#[derive(Debug)]
pub struct Nginx {
    /// Before the directory: it ends before its files go.
    _nginx: Kept,
    directory: TempDir,
    address: SocketAddr,
}

impl Nginx {
    /// In front of these back ends, with `NAME=VALUE`s over settings.env.
    pub fn start(back_ends: &[SocketAddr], said: &[(&str, &str)]) -> Result<Self> {
        let address = free_address()?;
        let directory = tempfile::Builder::new().prefix("passbook-nginx-").tempdir()?;
        let mut settings = settings()?;
        let servers = server_statements(&settings, back_ends)?;
        let own = [
            ("LISTEN", format!("listen {address};")),
            ("API_SERVERS", servers),
            // One, so that what is tested is not left to which of them takes a connection.
            ("WORKERS", "1".to_owned()),
            ("ACCESS_LOG", directory.path().join("access.log").display().to_string()),
        ];
        for (name, value) in own.into_iter().chain(said.iter().map(|(name, value)| (*name, (*value).to_owned()))) {
            ensure!(settings.contains_key(name), "nginx/settings.env has no {name}");
            settings.insert(name.to_owned(), value.replace("{address}", &address.to_string()));
        }
        fill_in_all(&settings, directory.path())?;
        check(directory.path())?;
        let mut nginx = Command::new(program());
        nginx.args(words(directory.path())).args(["-g", "daemon off;"]);
        let kept = Kept::start(&nginx, &directory.path().join("error.log"))?;
        let nginx = Self { _nginx: kept, directory, address };
        wait_until("NGINX listens", Duration::from_secs(20), || Ok(TcpStream::connect(address).ok()))
            .with_context(|| nginx.error_log())?;
        Ok(nginx)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn client(&self) -> Client {
        Client::new(&format!("http://{}", self.address))
    }

    pub fn access_log(&self) -> PathBuf {
        self.directory.path().join("access.log")
    }

    pub fn error_log(&self) -> String {
        fs::read_to_string(self.directory.path().join("error.log")).unwrap_or_default()
    }
}

/// An address of this machine at which nobody listens.
pub fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

fn settings() -> Result<BTreeMap<String, String>> {
    let text = fs::read_to_string(root().join("nginx/settings.env")).context("nginx/settings.env")?;
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let pair = |line: &str| {
        let (name, value) = line.split_once('=').with_context(|| format!("settings.env: {line}"))?;
        ensure!(!value.contains('$'), "settings.env: Compose would read the $ of {name} as a variable of its own");
        Ok((name.to_owned(), value.to_owned()))
    };
    lines.map(pair).collect()
}

/// One a back end, each as settings.env has it for one.
fn server_statements(settings: &BTreeMap<String, String>, back_ends: &[SocketAddr]) -> Result<String> {
    const PLACE: &str = "127.0.0.1:9000";
    let one = settings.get("API_SERVERS").filter(|one| one.contains(PLACE));
    let one = one.with_context(|| format!("settings.env: API_SERVERS no longer speaks of {PLACE}"))?;
    let all: Vec<_> = back_ends.iter().map(|address| one.replace(PLACE, &address.to_string())).collect();
    Ok(all.join(" "))
}

fn fill_in_all(settings: &BTreeMap<String, String>, to: &Path) -> Result<()> {
    for entry in fs::read_dir(root().join("nginx"))? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".template"));
        if let Some(name) = name {
            let template = fs::read_to_string(&path)?;
            let filled =
                settings.iter().fold(template, |text, (name, value)| text.replace(&format!("${{{name}}}"), value));
            fs::write(to.join(name), filled)?;
        }
    }
    Ok(())
}

/// `nginx -t`, whose words say what is wrong.
fn check(directory: &Path) -> Result<()> {
    let output = Command::new(program()).arg("-t").args(words(directory)).output().context("cannot run nginx")?;
    ensure!(output.status.success(), "nginx -t: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

fn words(directory: &Path) -> [&str; 6] {
    ["-e", "stderr", "-p", directory.to_str().unwrap_or_default(), "-c", "nginx.conf"]
}

/// Debian keeps servers in /usr/sbin, which is not on everybody's PATH.
fn program() -> PathBuf {
    let usual = PathBuf::from("/usr/sbin/nginx");
    if usual.exists() { usual } else { PathBuf::from("nginx") }
}
