//! localstack/ready.sh: run with AWS's own command line in the place of `awslocal`, in front of moto's server; then every
//! value it asked for is held against template.yaml. See `replay.py`.

use super::Check;
use crate::prepare::{self, Pinned, python_environments};
use crate::workspace::Workspace;
use anyhow::Result;
use std::path::Path;
use std::process::Command;

pub(super) const CHECK: Check = Check { name: "localstack", needs: &[], parts: &[Pinned::LocalstackTools], commands };

fn commands(workspace: &Workspace, _place: &Path) -> Result<Vec<Command>> {
    let tools = prepare::path(workspace, Pinned::LocalstackTools);
    let mut replay = python_environments::script(&tools, &workspace.file("crates/dev/src/check/localstack/replay.py"));
    replay.arg(workspace.file("template.yaml")).arg(workspace.file("localstack/ready.sh"));
    Ok(vec![replay])
}
