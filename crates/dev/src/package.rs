//! `cargo dev package`: the packages that go to AWS, as `cargo lambda build` makes them, for both kinds of processor from
//! any machine: Zig compiles and links for the other one.
//!
//! They lie in `target/packages/ARCHITECTURE/FUNCTION/bootstrap.zip`, with `SHA256SUMS` beside the functions, which
//! `sha256sum --check` reads. What is deployed has OpenSSL and zlib compiled in (Cargo.toml, `workspace.metadata.lambda`).

use crate::exit;
use crate::prepare::{self, Pinned, build, hash, machine, python_environments};
use crate::say::thousands;
use crate::workbench::Workbench;
use crate::workspace::{FUNCTIONS, Workspace};
use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const PARTS: [Pinned; 2] = [Pinned::CargoLambda, Pinned::Zig];

/// A kind of processor, by AWS's name for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Architecture {
    #[value(name = "arm64")]
    Arm64,
    #[value(name = "x86_64")]
    X86_64,
}

impl Architecture {
    fn name(self) -> &'static str {
        match self {
            Self::Arm64 => "arm64",
            Self::X86_64 => "x86_64",
        }
    }

    /// rustc's name for it, which is a folder of cargo's.
    fn target(self) -> &'static str {
        match self {
            Self::Arm64 => "aarch64-unknown-linux-gnu",
            Self::X86_64 => "x86_64-unknown-linux-gnu",
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct PackageArgs {
    /// For this kind of processor alone, the one template.yaml says or the other
    #[arg(long, value_name = "ARCHITECTURE")]
    arch: Option<Architecture>,
}

/// One package that was made.
#[derive(Debug, PartialEq, Eq)]
struct Package {
    arch: Architecture,
    /// Below the folder of its architecture.
    file: String,
    zipped: u64,
    unzipped: u64,
    sha256: String,
}

pub(crate) fn run(workspace: &Workspace, args: &PackageArgs) -> Result<ExitCode> {
    let mut needs = prepare::needs(workspace, &PARTS);
    needs.extend(machine::PACKAGING);
    machine::provide(&needs)?;
    prepare::parts(workspace, &PARTS)?;
    let mut bench = Workbench::new()?;
    let made = make_all(workspace, args, &mut bench);
    bench.finish(false)?;
    let Some(packages) = made? else { return Ok(exit::when(false)) };
    print(&packages, &place(workspace));
    Ok(exit::when(true))
}

/// Nothing when a build failed, which has said why.
fn make_all(workspace: &Workspace, args: &PackageArgs, bench: &mut Workbench) -> Result<Option<Vec<Package>>> {
    let mut packages = Vec::new();
    for arch in args.arch.map_or_else(|| Architecture::value_variants().to_vec(), |arch| vec![arch]) {
        println!(
            "  package       {}: the first time compiles everything, OpenSSL too: a quarter of an hour",
            arch.name()
        );
        let mut child = bench.spawn(&mut cargo_lambda(workspace, arch)?)?;
        if !bench.await_child(&mut child)?.success() {
            return Ok(None);
        }
        let made: Vec<Package> =
            FUNCTIONS.iter().map(|function| package(workspace, arch, function)).collect::<Result<_>>()?;
        write_sums(&made, &place(workspace).join(arch.name()))?;
        packages.extend(made);
    }
    Ok(Some(packages))
}

fn place(workspace: &Workspace) -> PathBuf {
    workspace.target().join("packages")
}

fn cargo_lambda(workspace: &Workspace, arch: Architecture) -> Result<Command> {
    let mut command = Command::new(prepare::path(workspace, Pinned::CargoLambda));
    command.args(["lambda", "build", "--release", "--output-format", "zip"]);
    command.arg(format!("--{}", arch.name()).replace('_', "-"));
    command.arg("--lambda-dir").arg(place(workspace).join(arch.name()));
    command.args(FUNCTIONS.iter().flat_map(|name| ["--bin", name]));
    command.current_dir(workspace.root()).env(build::TARGET, workspace.target());
    build::forget_this_package(&mut command);
    let zig = python_environments::interpreter(&prepare::path(workspace, Pinned::Zig));
    command.env("CARGO_ZIGBUILD_PYTHON_PATH", zig).env("PATH", path_with_this_cargo()?);
    // cargo has set it for this program (.cargo/config.toml) and will for its compilers; cargo-zigbuild 0.23 panics at it.
    command.env_remove("C_INCLUDE_PATH");
    // A person's CFLAGS are for this machine, and the package is for another. Cargo sets those that librdkafka needs.
    command.env_remove("CFLAGS");
    Ok(command)
}

/// cargo lambda runs the cargo it finds.
fn path_with_this_cargo() -> Result<OsString> {
    let path = env::var_os("PATH").unwrap_or_default();
    let cargo = env::var_os("CARGO").map(PathBuf::from);
    let folder = cargo.as_deref().and_then(Path::parent).map(Path::to_owned);
    env::join_paths(folder.into_iter().chain(env::split_paths(&path))).context("PATH")
}

fn package(workspace: &Workspace, arch: Architecture, function: &str) -> Result<Package> {
    let file = format!("{function}/bootstrap.zip");
    let path = place(workspace).join(arch.name()).join(&file);
    let zip = fs::read(&path).with_context(|| format!("cargo lambda left no {}", path.display()))?;
    let program = workspace.target().join(arch.target()).join("release").join(function);
    let unzipped = fs::metadata(&program).with_context(|| program.display().to_string())?.len();
    Ok(Package { arch, file, zipped: zip.len() as u64, unzipped, sha256: hash::hex(&zip) })
}

/// As `sha256sum` writes it.
fn write_sums(packages: &[Package], place: &Path) -> Result<()> {
    let lines: String = packages.iter().map(|package| format!("{}  {}\n", package.sha256, package.file)).collect();
    let path = place.join("SHA256SUMS");
    fs::write(&path, lines).with_context(|| format!("cannot write {}", path.display()))
}

fn print(packages: &[Package], place: &Path) {
    println!("\n{:<32} {:>12} {:>12}  SHA-256", "PACKAGE", "ZIPPED KB", "UNZIPPED KB");
    for Package { arch, file, zipped, unzipped, sha256 } in packages {
        let file = format!("{}/{file}", arch.name());
        println!("{file:<32} {:>12} {:>12}  {sha256}", kilobytes(*zipped), kilobytes(*unzipped));
    }
    println!("\nin {}", place.display());
}

fn kilobytes(bytes: u64) -> String {
    thousands(bytes.div_ceil(1_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_written_as_sha256sum_reads_them() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("api")).unwrap();
        fs::write(dir.path().join("api/bootstrap.zip"), "zip").unwrap();
        let (arch, file) = (Architecture::Arm64, "api/bootstrap.zip".to_owned());
        let package = Package { arch, file, zipped: 3, unzipped: 3, sha256: hash::hex("zip") };
        write_sums(&[package], dir.path()).unwrap();
        let mut check = Command::new("sha256sum");
        check.args(["--check", "--strict", "--quiet", "SHA256SUMS"]).current_dir(dir.path());
        assert!(check.status().unwrap().success());
    }

    #[test]
    fn the_template_names_a_kind_of_processor_that_is_packaged() {
        let template = include_str!("../../../template.yaml");
        let named = template.split_once("Architectures: [").and_then(|(_, rest)| rest.split_once(']')).unwrap().0;
        assert!(Architecture::value_variants().iter().any(|arch| arch.name() == named), "{named}");
    }
}
