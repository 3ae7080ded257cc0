//! compose.yaml and the Dockerfile: the schema of the Compose specification, hadolint, and then what neither knows. First
//! whether what the two files name is there and fits together (`belongs.py`); then the stack of compose.yaml itself,
//! started without Docker from the command lines, variables, health checks and secrets as they stand there, until a
//! deposit has gone in through NGINX and come out settled (`trial.py`). So a flag, a port, a variable or a file that is
//! renamed on one side alone fails. Images cannot be pulled everywhere; what only a container engine does is not seen.

use super::Check;
use crate::prepare::{self, Pinned, build, machine, python_environments};
use crate::workspace::Workspace;
use anyhow::Result;
use std::path::Path;
use std::process::Command;

pub(super) const CHECK: Check = Check {
    name: "compose",
    needs: &[machine::NGINX, machine::CURL],
    parts: &[Pinned::ComposeTools, Pinned::Mongod, Pinned::Kafka],
    commands,
};

fn commands(workspace: &Workspace, _place: &Path) -> Result<Vec<Command>> {
    let tools = prepare::path(workspace, Pinned::ComposeTools);
    let script = |name: &str| {
        let file = workspace.file("crates/dev/src/check/compose").join(name);
        let mut script = python_environments::script(&tools, &file);
        script.arg(workspace.root());
        script
    };
    let mut schema = python_environments::program(&tools, "check-jsonschema");
    schema.args(["--builtin-schema", "vendor.compose-spec"]).arg(workspace.file("compose.yaml"));
    // A program of its own, which came in a package.
    let mut hadolint = Command::new(tools.join("bin/hadolint"));
    hadolint.arg(workspace.file("Dockerfile"));
    let mut built = build::command(workspace);
    built.arg("--quiet");
    let mut trial = script("trial.py");
    trial.arg(workspace.binaries()).arg(prepare::path(workspace, Pinned::Mongod));
    trial.arg(prepare::path(workspace, Pinned::Kafka)).arg(machine::program("nginx")?);
    Ok(vec![schema, hadolint, script("belongs.py"), built, trial])
}
