//! `cargo dev docs`: does what README.md and the pages of `docs/` tell the reader to type, block by block, and compares what
//! is printed with what they show.
//!
//! A page is read as by somebody who types all of it from the top, on a stack begun for this: blocks of one page share
//! what they export and the files they leave, in a directory that looks like the repository. Only addresses are others:
//! `localhost:8080` is the port of that stack. A `cargo dev up` or `cargo dev watch` of a page starts it anew, as said there.
//! What cannot be run here, by the word after its `sh`, is held against the shell and against the programs' `--help`.

mod blocks;
mod session;

use crate::exit;
use crate::exit::Interrupted;
use crate::prepare::{self, Pinned, build, machine};
use crate::say;
use crate::steps::{self, Finished};
use crate::workbench::Workbench;
use crate::workspace::Workspace;
use anyhow::{Context, Result};
use blocks::{Block, Kind};
use clap::Args;
use session::Session;
use std::fs;
use std::process::ExitCode;
use std::time::Instant;

pub(crate) const PARTS: [Pinned; 4] = [Pinned::Mongod, Pinned::Kafka, Pinned::CargoLambda, Pinned::Rie];
pub(crate) const NEEDS: [machine::Need; 5] =
    [machine::NGINX, machine::AB, machine::WRK, machine::CURL, machine::OPENSSL];

#[derive(Debug, Args)]
pub(crate) struct DocsArgs {
    /// Pages, for example docs/events.md; README.md, events/README.md and all of docs/ unless some are named
    #[arg(value_name = "PAGE")]
    pages: Vec<String>,
}

pub(crate) fn run(workspace: &Workspace, args: &DocsArgs) -> Result<ExitCode> {
    let pages = if args.pages.is_empty() { pages(workspace)? } else { args.pages.clone() };
    pages.iter().try_for_each(|page| read(workspace, page).map(drop))?;
    let mut needs = prepare::needs(workspace, &PARTS);
    needs.extend(NEEDS);
    needs.extend(machine::BUILDING);
    machine::provide(&needs)?;
    prepare::parts(workspace, &PARTS)?;
    build::release(workspace)?;
    let mut bench = Workbench::new()?;
    let done = step(workspace, &pages, &mut bench);
    let done = steps::conclude(bench, done.map(|done| vec![done]))?;
    Ok(exit::when(steps::all_good(&done)))
}

/// Every page that tells the reader to type something here; README.md first, which begins with an empty stack.
pub(crate) fn pages(workspace: &Workspace) -> Result<Vec<String>> {
    let folder = workspace.file("docs");
    let entries = fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut pages = Vec::new();
    for entry in entries {
        let name = entry?.file_name().to_string_lossy().into_owned();
        pages.extend(name.ends_with(".md").then(|| format!("docs/{name}")));
    }
    pages.sort();
    pages.splice(0..0, ["README.md".to_owned(), "events/README.md".to_owned()]);
    Ok(pages)
}

/// All of these pages, also after one has failed. Whatever comes in between, the stack is stopped.
pub(crate) fn step(workspace: &Workspace, pages: &[String], bench: &mut Workbench) -> Result<Finished> {
    println!("\n== docs");
    let began = Instant::now();
    let mut session = Session::begin(workspace, bench)?;
    let tried = try_pages(workspace, pages, &mut session);
    if let Err(error) = session.end() {
        bench.kill_what_works_here();
        println!("  docs          the stack did not stop, and was killed: {error:#}");
        return tried.map(|_| Finished { name: "docs", good: false, took: began.elapsed() });
    }
    Ok(Finished { name: "docs", good: tried?, took: began.elapsed() })
}

fn try_pages(workspace: &Workspace, pages: &[String], session: &mut Session<'_>) -> Result<bool> {
    let mut good = true;
    for page in pages {
        match try_page(workspace, page, session) {
            Err(error) if error.is::<Interrupted>() => return Err(error),
            Err(error) => {
                println!("  FAILED        {page}: {error:#}");
                good = false;
            }
            Ok(page) => good &= page,
        }
    }
    Ok(good)
}

fn read(workspace: &Workspace, page: &str) -> Result<Vec<Block>> {
    let path = workspace.file(page);
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    blocks::blocks(&text).with_context(|| page.to_owned())
}

fn try_page(workspace: &Workspace, page: &str, session: &mut Session<'_>) -> Result<bool> {
    let blocks = read(workspace, page)?;
    if blocks.iter().any(|block| matches!(block.kind, Kind::Run | Kind::Background)) {
        session.turn_to_page()?;
    }
    let mut good = true;
    for (index, block) in blocks.iter().enumerate() {
        let shown = blocks.get(index + 1).filter(|next| next.kind == Kind::Printed).map(|next| next.text.as_str());
        good &= try_block(page, block, shown, session)?;
    }
    Ok(good)
}

fn try_block(page: &str, block: &Block, shown: Option<&str>, session: &mut Session<'_>) -> Result<bool> {
    let place = format!("{page}:{}", block.line);
    let (done, failure) = match block.kind {
        Kind::Run => ("as it says".to_owned(), session.run(&block.text, shown)?),
        Kind::Background => ("goes on".to_owned(), session.run_in_background(&block.text)?),
        Kind::Read(not_run) => (not_run.why().to_owned(), session.read(&block.text)?),
        Kind::Printed | Kind::Shown => return Ok(true),
    };
    let first = block.text.lines().next().unwrap_or_default();
    match &failure {
        None => say::line(&done, format!("{place}  {first}")),
        Some(why) => println!("  DIFFERS       {place}\n{}\n{why}\n", block.text.trim_end()),
    }
    Ok(failure.is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_can_be_read_and_readme_begins() {
        let workspace = Workspace::here().unwrap();
        let pages = pages(&workspace).unwrap();
        assert_eq!(pages[0], "README.md");
        assert!(pages.len() >= 6, "{pages:?}");
        for page in &pages {
            read(&workspace, page).unwrap();
        }
        let shown = read(&workspace, "README.md").unwrap().iter().filter(|block| block.kind == Kind::Printed).count();
        assert!(shown >= 5, "README.md shows what its commands print");
    }
}
