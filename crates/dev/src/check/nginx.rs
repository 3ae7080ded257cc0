//! nginx/: `nginx -t` on the configuration as `up` renders it, by the command that `up` starts NGINX with.

use super::Check;
use crate::part::nginx;
use crate::ports::Ports;
use crate::prepare::machine;
use crate::workspace::{StackDir, Workspace};
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;
use std::process::Command;

pub(super) const CHECK: Check =
    Check { name: "nginx", needs: &[machine::NGINX, machine::OPENSSL], parts: &[], commands };

fn commands(workspace: &Workspace, place: &Path) -> Result<Vec<Command>> {
    let dir = StackDir::at(place.join("check-nginx"));
    fs::create_dir_all(dir.logs()).with_context(|| format!("cannot make {}", dir.logs().display()))?;
    let mut ports = Ports::for_stack(dir.root());
    let (port, tls, functions) = (ports.free()?, ports.free()?, ports.free()?);
    let front = nginx::Front { port, tls: Some(tls), settings: &[] };
    nginx::prepare(workspace, &dir, &front, &nginx::Behind::lambda_local(vec![functions]))?;
    let part = nginx::part(&dir, port)?;
    let mut test = Command::new(part.program);
    test.args(part.args).arg("-t");
    Ok(vec![test])
}
