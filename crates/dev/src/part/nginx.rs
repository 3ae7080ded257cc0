//! NGINX, the front door. Its configuration is the directory nginx/ of the repository, copied beside the stack's data
//! with the capitals of its templates filled in.

mod certificate;
mod settings;

pub(crate) use certificate::Certificate;
pub(crate) use settings::Settings;

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

/// Of settings.env.
const USUAL_BACK_END: &str = "127.0.0.1:9000";

/// What faces the clients.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Front<'a> {
    pub(crate) port: u16,
    /// Where HTTPS is spoken, too.
    pub(crate) tls: Option<u16>,
    /// `NAME=VALUE`s that have the last word.
    pub(crate) settings: &'a [String],
}

/// What stands behind NGINX.
#[derive(Debug, Clone)]
pub(crate) struct Behind {
    /// One a back end.
    ports: Vec<u16>,
    /// What comes before the request's own path there.
    path: &'static str,
    answers_within: &'static str,
}

impl Behind {
    pub(crate) fn lambda_local(ports: Vec<u16>) -> Self {
        Self { ports, path: "/lambda-url/api", answers_within: "15s" }
    }

    /// The gateway knows the path itself, and its answers wait for the compiler.
    pub(crate) fn gateway(port: u16) -> Self {
        Self { ports: vec![port], path: "", answers_within: "310s" }
    }
}

/// Writes the configuration of this stack.
pub(crate) fn prepare(workspace: &Workspace, dir: &StackDir, front: &Front<'_>, behind: &Behind) -> Result<()> {
    let certificate = front.tls.map(|_| Certificate::provide(dir)).transpose()?;
    let settings = settings(workspace, dir, front, behind, certificate.as_ref())?;
    let target = dir.nginx();
    fs::create_dir_all(&target).with_context(|| format!("cannot make {}", target.display()))?;
    for (name, template) in templates(&workspace.file("nginx"))? {
        fs::write(target.join(&name), settings.fill_in(&template)).with_context(|| format!("cannot write {name}"))?;
    }
    Ok(())
}

/// Those of the repository, over them what this stack says, and over that what a person says.
fn settings(
    workspace: &Workspace,
    dir: &StackDir,
    front: &Front<'_>,
    behind: &Behind,
    certificate: Option<&Certificate>,
) -> Result<Settings> {
    let mut settings = Settings::of(workspace, &[])?;
    for (name, value) in values(dir, front, behind, certificate, &settings) {
        settings.set(name, value)?;
    }
    settings.say(front.settings).map(|()| settings)
}

/// The templates' names, without `.template`, and texts.
fn templates(source: &Path) -> Result<Vec<(String, String)>> {
    let mut templates = Vec::new();
    for entry in fs::read_dir(source).with_context(|| format!("cannot read {}", source.display()))? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".template"));
        if let Some(name) = name {
            let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            templates.push((name.to_owned(), text));
        }
    }
    Ok(templates)
}

/// What this stack says over settings.env.
fn values(
    dir: &StackDir,
    front: &Front<'_>,
    behind: &Behind,
    certificate: Option<&Certificate>,
    usual: &Settings,
) -> Vec<(&'static str, String)> {
    let mut values = vec![
        ("WORKER_USER", user_statement()),
        ("WORKERS", "2".to_owned()),
        ("LISTEN", listen_statements(front, ports::has_ipv6())),
        ("API_SERVERS", server_statements(usual.value("API_SERVERS"), &behind.ports)),
        ("API_PATH", behind.path.to_owned()),
        ("API_TIMEOUT", behind.answers_within.to_owned()),
        ("ACCESS_LOG", quoted(&dir.log("access"))),
        // One person at one address is every client, and so is a benchmark.
        ("CLIENT_LIMITS", "off".to_owned()),
    ];
    if let Some(Certificate { certificate, key }) = certificate {
        values.push(("TLS", "include tls.conf;".to_owned()));
        values.extend(
            [("TLS_CERTIFICATE", certificate), ("TLS_KEY", key)].map(|(name, path)| (name, path.display().to_string())),
        );
    }
    values
}

/// As root, workers would change to `nobody`, who may not reach a home directory. They serve no files.
fn user_statement() -> String {
    if geteuid().is_root() { "user root;".to_owned() } else { String::new() }
}

/// `localhost` is ::1 first on many machines, so both are listened at. A burst of new connections waits in the kernel.
fn listen_statements(front: &Front<'_>, ipv6: bool) -> String {
    let addresses = if ipv6 { &["127.0.0.1", "[::1]"][..] } else { &["127.0.0.1"] };
    let ports = [Some((front.port, "")), front.tls.map(|port| (port, " ssl"))];
    let of_port =
        |(port, ssl)| addresses.iter().map(move |address| format!("listen {address}:{port}{ssl} backlog=4096;"));
    ports.into_iter().flatten().flat_map(of_port).collect::<Vec<_>>().join("\n    ")
}

/// One a back end, each as settings.env has it for one.
fn server_statements(one: &str, ports: &[u16]) -> String {
    let server = |port: &u16| one.replace(USUAL_BACK_END, &loopback(*port).to_string());
    ports.iter().map(server).collect::<Vec<_>>().join("\n    ")
}

fn quoted(path: &Path) -> String {
    format!("\"{}\"", path.display())
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

    fn rendered(ports: &[u16]) -> Vec<(String, String)> {
        let workspace = Workspace::here().unwrap();
        let dir = StackDir::at(PathBuf::from("/a stack"));
        let front = Front { port: 8080, tls: Some(8443), settings: &["BODY_LIMIT=2m".to_owned()] };
        let (behind, certificate) = (Behind::lambda_local(ports.to_vec()), Certificate::of(&dir));
        let settings = settings(&workspace, &dir, &front, &behind, Some(&certificate)).unwrap();
        let templates = templates(&workspace.file("nginx")).unwrap().into_iter();
        templates.map(|(name, text)| (name, settings.fill_in(&text))).collect()
    }

    /// Comments explain the capitals; statements must have none left.
    fn statements(text: &str) -> Vec<&str> {
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
    }

    #[test]
    fn every_capital_is_filled_in() {
        let all = rendered(&[9000]);
        assert_eq!(all.len(), 7, "api, limits, nginx, passbook, problems, proxy, tls");
        for (name, text) in all {
            assert!(statements(&text).iter().all(|line| !line.contains("${")), "{name}: {text}");
        }
    }

    #[test]
    fn requests_go_to_the_function_urls_with_their_path_untouched() {
        let all = rendered(&[9001, 9002]);
        let of = |file: &str| all.iter().find(|(name, _)| name == file).map(|(_, text)| statements(text)).unwrap();
        assert!(of("api.conf").contains(&"proxy_pass http://api/lambda-url/api$request_uri;"));
        let text = of("passbook.conf");
        for statement in [
            "server 127.0.0.1:9001 max_fails=10 fail_timeout=1s;",
            "server 127.0.0.1:9002 max_fails=10 fail_timeout=1s;",
            "access_log \"/a stack/logs/access.log\" passbook buffer=64k flush=1s;",
            "client_max_body_size 2m;",
            "include tls.conf;",
        ] {
            assert!(text.contains(&statement), "{statement}");
        }
    }

    #[test]
    fn both_loopbacks_are_listened_at_where_there_are_two() {
        let front = |tls| Front { port: 1, tls, settings: &[] };
        assert_eq!(listen_statements(&front(None), false), "listen 127.0.0.1:1 backlog=4096;");
        let all = listen_statements(&front(Some(2)), true);
        assert!(
            all.contains("listen [::1]:1 backlog=4096;") && all.contains("listen [::1]:2 ssl backlog=4096;"),
            "{all}"
        );
    }
}
