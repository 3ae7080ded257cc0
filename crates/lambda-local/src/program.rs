//! Where the program of a function is, and whether this machine can run it: found out for all functions before any is
//! started.
//!
//! Looked at are, in this order: in the folder of the programs (`--binaries`) a program of one of the function's names, the
//! `bootstrap` in a folder of one of them, as `cargo lambda build` and `sam build` leave it, and the `bootstrap` where
//! `CodeUri` points. The names are the binary's; where the template does not name one, what the function is called, and
//! the package at `CodeUri` with its only binary. The first that is there is taken. One that cannot be run is a problem,
//! not passed over: what runs does not depend on what is broken.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::template::{CodeUri, FunctionSpec};

mod elf;
mod interpreters;
mod package;

/// The folders that programs are looked for in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Folders<'a> {
    /// Where they are built.
    pub(crate) binaries: &'a Path,
    /// What `CodeUri` is relative to: the template's folder.
    pub(crate) template: &'a Path,
}

/// Why a function cannot be run.
#[derive(Debug)]
pub struct NoProgram {
    function: String,
    why: Why,
}

#[derive(Debug)]
enum Why {
    /// Nothing is at any of these places; of the code's own there may be more to say.
    Nowhere(Vec<PathBuf>, Option<String>),
    /// It is there and cannot be run.
    Unfit(PathBuf, String),
}

impl fmt::Display for NoProgram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.function)?;
        match &self.why {
            Why::Nowhere(places, more) => {
                let places: Vec<String> = places.iter().map(|place| place.display().to_string()).collect();
                write!(f, "there is none of {}", places.join(", "))?;
                more.iter().try_for_each(|more| write!(f, "; {more}"))
            }
            Why::Unfit(program, why) => write!(f, "{} {why}", program.display()),
        }
    }
}

/// The program of a function, its path absolute.
///
/// # Errors
/// There is none, or this machine cannot run it.
pub(crate) fn find(spec: &FunctionSpec, folders: Folders<'_>) -> Result<PathBuf, NoProgram> {
    let (places, more) = places(spec, folders);
    let no_program = |why| NoProgram { function: spec.name.clone(), why };
    let Some(program) = places.iter().find(|place| place.is_file()) else {
        return Err(no_program(Why::Nowhere(places, more)));
    };
    match unfit(program, spec) {
        Some(why) => Err(no_program(Why::Unfit(program.clone(), why))),
        None => Ok(std::path::absolute(program).unwrap_or_else(|_| program.clone())),
    }
}

/// Where to look, in order, and what else there is to say about where the code is.
fn places(spec: &FunctionSpec, folders: Folders<'_>) -> (Vec<PathBuf>, Option<String>) {
    let code = match &spec.code_uri {
        Some(CodeUri::Path(path)) => Some(folders.template.join(path)),
        Some(CodeUri::InS3) | None => None,
    };
    let mut names = vec![spec.name.clone()];
    if spec.binary.is_none() {
        names.extend(code.iter().flat_map(|code| package::names(code)));
    }
    let mut places: Vec<PathBuf> = names.iter().map(|name| folders.binaries.join(name)).collect();
    names.push(spec.logical_id.clone());
    places.extend(names.iter().map(|name| folders.binaries.join(name).join(BOOTSTRAP)));
    let more = match code {
        Some(code) if code.is_file() && code.ends_with(BOOTSTRAP) => {
            places.push(tidy(&code));
            None
        }
        Some(code) if code.is_dir() || code.extension().is_none() => {
            places.push(tidy(&code.join(BOOTSTRAP)));
            None
        }
        Some(code) => Some(format!("{} is {}, which is not unpacked here", tidy(&code).display(), kind_of_file(&code))),
        None if spec.code_uri.is_some() => Some("CodeUri is in S3, from which nothing is fetched".to_owned()),
        None => None,
    };
    let mut seen = BTreeSet::new();
    places.retain(|place| seen.insert(place.clone()));
    (places, more)
}

/// The name of a program in a package.
const BOOTSTRAP: &str = "bootstrap";

/// Without the `.` in the middle that a `CodeUri: .` leaves.
fn tidy(path: &Path) -> PathBuf {
    path.components().collect()
}

fn kind_of_file(code: &Path) -> &'static str {
    if code.extension().is_some_and(|extension| extension == "zip") { "a zip" } else { "no folder" }
}

/// Why this machine cannot run a program, after its own name.
fn unfit(program: &Path, spec: &FunctionSpec) -> Option<String> {
    let executable = program.metadata().is_ok_and(|file| file.permissions().mode() & 0o111 != 0);
    if !executable {
        return Some(format!("is not executable: chmod +x {}", program.display()));
    }
    // What cannot be read may still run.
    let head = head(program).ok()?;
    if head.starts_with(b"#!") {
        return None;
    }
    let Some(machine) = elf::machine(&head) else {
        return Some("is neither an ELF program nor a script that begins with #!".to_owned());
    };
    let here = elf::Machine::of_this_one();
    if here.is_none_or(|here| here.runs(machine)) || interpreters::take(&head) {
        return None;
    }
    let here = here.map(|here| here.to_string()).unwrap_or_default();
    let architecture = spec.architecture.as_deref().unwrap_or("x86_64");
    Some(format!(
        "is built for {machine}, and this machine is {here}: build it for this machine (the template's Architectures, \
         {architecture}, says what AWS runs it on)"
    ))
}

/// The first bytes of a file, as many as say what it is.
fn head(program: &Path) -> io::Result<Vec<u8>> {
    let mut head = vec![];
    File::open(program)?.take(interpreters::MOST_BYTES).read_to_end(&mut head)?;
    Ok(head)
}
