//! The blocks of a page of Markdown: what the reader is told to type, and what is shown to be printed.
//!
//! A fence with `sh` is a command block. A word after it says how it is treated; the page as it is shown does not have it.

use anyhow::{Context, Result, bail, ensure};

/// One fenced block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    /// Where it begins, counted from 1.
    pub(crate) line: usize,
    pub(crate) text: String,
    pub(crate) kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `sh`: run to its end.
    Run,
    /// `sh background`: a server in a terminal of its own, until the page ends.
    Background,
    /// `sh docker` and the like: read, not run.
    Read(NotRun),
    /// `json`: what the command before it prints.
    Printed,
    /// Anything else is shown for reading.
    Shown,
}

/// Why a block cannot be run where the tests are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotRun {
    /// Takes a container engine. What the containers run is `cargo dev check compose`.
    Docker,
    /// Takes an account of AWS.
    Aws,
    /// Takes longer than all the tests together.
    Minutes,
    /// Takes a person: a debugger, or words to be replaced.
    Person,
}

impl NotRun {
    fn of(word: &str) -> Option<Self> {
        match word {
            "docker" => Some(Self::Docker),
            "aws" => Some(Self::Aws),
            "minutes" => Some(Self::Minutes),
            "person" => Some(Self::Person),
            _ => None,
        }
    }

    pub(crate) fn why(self) -> &'static str {
        match self {
            Self::Docker => "takes Docker",
            Self::Aws => "takes AWS",
            Self::Minutes => "takes minutes",
            Self::Person => "takes a person",
        }
    }
}

/// # Errors
/// A word that is none of these, a fence that is not closed, or a command that is indented where it would be overlooked.
pub(crate) fn blocks(markdown: &str) -> Result<Vec<Block>> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (line, text) in markdown.lines().enumerate().map(|(index, text)| (index + 1, text)) {
        match (text.strip_prefix("```"), open.as_mut()) {
            (Some(fence), None) => {
                let kind = kind(fence).with_context(|| format!("line {line}"))?;
                let follows_a_command = blocks.last().is_some_and(|block: &Block| block.kind == Kind::Run);
                ensure!(
                    kind != Kind::Printed || follows_a_command,
                    "line {line}: `json` is what the command before it prints, and none is run; say `text`"
                );
                open = Some(Block { line, text: String::new(), kind });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some(block)) => {
                block.text.push_str(text);
                block.text.push('\n');
            }
            (None, None) => {
                ensure!(
                    !is_indented_command(text) && !is_indented_fence(text),
                    "line {line}: what is indented is run by nothing: fence it at the left"
                );
            }
        }
    }
    match open {
        Some(block) => bail!("line {}: the fence is not closed", block.line),
        None => Ok(blocks),
    }
}

fn kind(fence: &str) -> Result<Kind> {
    match fence.split_whitespace().collect::<Vec<_>>()[..] {
        ["sh"] => Ok(Kind::Run),
        ["sh", "background"] => Ok(Kind::Background),
        ["sh", word] => {
            let known = "the words after `sh` are background, docker, aws, minutes and person";
            NotRun::of(word).map(Kind::Read).with_context(|| format!("`{word}`: {known}"))
        }
        ["json"] => Ok(Kind::Printed),
        ["sh", ..] => bail!("more than one word after `sh`"),
        ["bash" | "shell" | "console", ..] => bail!("a command block is fenced with `sh`"),
        _ => Ok(Kind::Shown),
    }
}

fn is_indented_fence(line: &str) -> bool {
    line.starts_with([' ', '\t', '>']) && line.trim_start_matches([' ', '\t', '>']).starts_with("```")
}

fn is_indented_command(line: &str) -> bool {
    let command = line.strip_prefix("    ").unwrap_or_default();
    ["cargo ", "curl ", "docker ", "target/release/"].iter().any(|word| command.starts_with(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(markdown: &str) -> Vec<Kind> {
        blocks(markdown).unwrap().iter().map(|block| block.kind).collect()
    }

    #[test]
    fn a_fence_says_what_is_done_with_the_block() {
        let page = "# X\n```sh\ncurl a \\\n  -d b\n```\ntext\n```json\n{}\n```\n```sh docker\nx\n```\n```yaml\ny\n```\n```\nz\n```\n";
        let expected = [Kind::Run, Kind::Printed, Kind::Read(NotRun::Docker), Kind::Shown, Kind::Shown];
        assert_eq!(kinds(page), expected);
        let first = Block { line: 2, text: "curl a \\\n  -d b\n".into(), kind: Kind::Run };
        assert_eq!(blocks(page).unwrap()[0], first);
    }

    #[test]
    fn what_would_be_overlooked_is_an_error() {
        for (page, why) in [
            ("```sh dokcer\n```\n", "line 1"),
            ("```console\n```\n", "line 1"),
            ("a\n```sh\n", "not closed"),
            ("a\n\n    cargo dev up\n", "line 3"),
            ("- a\n   ```sh\n   x\n   ```\n", "line 2"),
            ("```sh background docker\n```\n", "line 1"),
            ("```sh docker\nx\n```\n```json\n{}\n```\n", "line 4"),
        ] {
            let error = format!("{:#}", blocks(page).unwrap_err());
            assert!(error.contains(why), "{error}");
        }
    }
}
