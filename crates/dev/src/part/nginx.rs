//! NGINX, the front door. Its configuration is the directory nginx/ of the repository, copied beside the stack's data
//! with the capitals of its templates filled in.

use super::{Part, Probe, Stop, args, loopback, with_path};
use crate::ports;
use crate::prepare::machine;
use crate::workspace::{StackDir, Workspace};
use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use nix::unistd::geteuid;
use std::fs;
use std::path::Path;
use std::time::Duration;

pub(crate) const NAME: &str = "nginx";
/// QUIT: no new connection, what is being answered is answered.
pub(crate) const STOP: Stop = Stop { signal: Signal::SIGQUIT, grace: Duration::from_secs(15) };

/// What stands behind NGINX.
#[derive(Debug, Clone)]
pub(crate) struct Behind {
    pub(crate) port: u16,
    /// What comes before the request's own path there.
    pub(crate) path: &'static str,
    pub(crate) answers_within: &'static str,
}

impl Behind {
    pub(crate) fn lambda_local(port: u16) -> Self {
        Self { port, path: "/lambda-url/api", answers_within: "15s" }
    }

    /// The gateway knows the path itself, and its answers wait for the compiler.
    pub(crate) fn gateway(port: u16) -> Self {
        Self { port, path: "", answers_within: "310s" }
    }
}

/// Writes the configuration of this stack.
pub(crate) fn prepare(workspace: &Workspace, dir: &StackDir, port: u16, behind: &Behind) -> Result<()> {
    let target = dir.nginx();
    fs::create_dir_all(target.join("temp")).with_context(|| format!("cannot make {}", target.display()))?;
    let values = values(dir, port, behind);
    let source = workspace.file("nginx");
    for entry in fs::read_dir(&source).with_context(|| format!("cannot read {}", source.display()))? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        match name.strip_suffix(".template") {
            Some(name) => fs::write(target.join(name), fill_in(&text, &values))?,
            None => fs::write(target.join(name), text)?,
        }
    }
    Ok(())
}

type Values = [(&'static str, String); 7];

fn values(dir: &StackDir, port: u16, behind: &Behind) -> Values {
    [
        ("USER", user_statement()),
        ("WORKERS", "2".to_owned()),
        ("LISTEN", listen_statements(port, ports::has_ipv6())),
        ("API", loopback(behind.port).to_string()),
        ("API_PATH", behind.path.to_owned()),
        ("API_TIMEOUT", behind.answers_within.to_owned()),
        ("ACCESS_LOG", quoted(&dir.log("access"))),
    ]
}

/// As root, workers would change to `nobody`, who may not reach a home directory. They serve no files.
fn user_statement() -> String {
    if geteuid().is_root() { "user root;".to_owned() } else { String::new() }
}

/// `localhost` is ::1 first on many machines, so both are listened at. A burst of new connections waits in the kernel.
fn listen_statements(port: u16, ipv6: bool) -> String {
    let v4 = format!("listen 127.0.0.1:{port} backlog=4096;");
    if ipv6 { format!("{v4}\n    listen [::1]:{port} backlog=4096;") } else { v4 }
}

fn quoted(path: &Path) -> String {
    format!("\"{}\"", path.display())
}

fn fill_in(template: &str, values: &Values) -> String {
    values.iter().fold(template.to_owned(), |text, (name, value)| text.replace(&format!("${{{name}}}"), value))
}

pub(crate) fn part(dir: &StackDir, port: u16) -> Result<Part> {
    let args = args(["-e", "stderr", "-c", "nginx.conf", "-g", "daemon off;"]);
    Ok(Part {
        name: NAME,
        program: machine::program("nginx")?,
        args: with_path(args, "-p", &dir.nginx()),
        env: Vec::new(),
        dir: None,
        address: url(port),
        ready: Probe::Port(loopback(port)),
        ready_within: Duration::from_secs(10),
        stop: STOP,
        forgets: false,
    })
}

pub(crate) fn url(port: u16) -> String {
    format!("http://localhost:{port}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn rendered(name: &str) -> String {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../nginx").join(name);
        let dir = StackDir::at(PathBuf::from("/a stack"));
        fill_in(&fs::read_to_string(root).unwrap(), &values(&dir, 8080, &Behind::lambda_local(9000)))
    }

    /// Comments explain the capitals; statements must have none left.
    fn statements(text: &str) -> Vec<&str> {
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
    }

    #[test]
    fn every_capital_is_filled_in() {
        for name in ["nginx.conf.template", "passbook.conf.template"] {
            let text = rendered(name);
            assert!(statements(&text).iter().all(|line| !line.contains("${")), "{name}: {text}");
        }
    }

    #[test]
    fn requests_go_to_the_function_url_with_their_path_untouched() {
        let text = rendered("passbook.conf.template");
        let text = statements(&text);
        assert!(text.contains(&"proxy_pass http://api/lambda-url/api$request_uri;"));
        assert!(text.contains(&"server 127.0.0.1:9000 max_fails=0;"));
        assert!(text.contains(&"access_log \"/a stack/logs/access.log\" passbook buffer=64k flush=1s;"));
    }

    #[test]
    fn both_loopbacks_are_listened_at_where_there_are_two() {
        assert_eq!(listen_statements(1, false), "listen 127.0.0.1:1 backlog=4096;");
        assert!(listen_statements(1, true).contains("listen [::1]:1 backlog=4096;"));
    }
}
