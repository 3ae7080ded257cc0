//! template.yaml: cfn-lint, then SAM CLI, whose `--lint` knows the schema of every resource and whose plain validation does
//! what CloudFormation does with a SAM template first, which the schema does not tell: transform it.

use super::Check;
use crate::prepare::{self, Pinned, python_environments};
use crate::workspace::Workspace;
use anyhow::Result;
use std::path::Path;
use std::process::Command;

pub(super) const CHECK: Check = Check { name: "template", needs: &[], parts: &[Pinned::TemplateTools], commands };

fn commands(workspace: &Workspace, place: &Path) -> Result<Vec<Command>> {
    let tools = prepare::path(workspace, Pinned::TemplateTools);
    let template = workspace.file("template.yaml");
    let sam = |words: &[&str]| {
        let mut sam = python_environments::program(&tools, "sam");
        sam.args(["validate", "--region", "eu-west-1", "--template"]).arg(&template).args(words);
        // It asks nobody anything, and leaves nothing in the home directory.
        sam.env("SAM_CLI_TELEMETRY", "0").env("__SAM_CLI_APP_DIR", place.join("sam"));
        sam
    };
    let mut lint = python_environments::program(&tools, "cfn-lint");
    lint.arg(&template);
    Ok(vec![lint, sam(&["--lint"]), sam(&[])])
}
