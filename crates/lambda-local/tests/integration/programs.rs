//! Where the program of a function is, and whether this machine can run it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::support::{Program, example, json, request, run};

/// Two functions, `One` without a name of its binary, `Two` with one.
fn template(one: &str, two: &str) -> String {
    format!(
        "Globals: {{Function: {{Runtime: provided.al2023}}}}\nResources:\n  One:\n    Type: AWS::Serverless::Function\n    \
         Properties: {{{one}}}\n  Two:\n    Type: AWS::Serverless::Function\n    Metadata: {{BuildProperties: {{Binary: \
         second}}}}\n    Properties: {{{two}}}\n"
    )
}

/// A folder with a template, and `bin` for programs.
fn place(template: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("bin")).unwrap();
    fs::write(folder.path().join("template.yaml"), template).unwrap();
    folder
}

fn link(folder: &Path, at: &str) {
    let at = folder.join(at);
    fs::create_dir_all(at.parent().unwrap()).unwrap();
    symlink(example(), at).unwrap();
}

fn words(folder: &Path) -> Vec<String> {
    let words = ["start", "--listen", "127.0.0.1:0", "--template"].map(str::to_owned);
    let rest = [folder.join("template.yaml"), "--binaries".into(), folder.join("bin")];
    words.into_iter().chain(rest.map(|word| word.to_str().unwrap().to_owned())).collect()
}

fn started(folder: &Path) -> Program {
    let words = words(folder);
    run(&words.iter().map(String::as_str).collect::<Vec<_>>())
}

/// What it says when it does not start.
fn refused(folder: &Path) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_lambda-local")).args(words(folder)).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

async fn answers(program: &Program, function: &str, event: &str) -> serde_json::Value {
    let url = format!("{}/2015-03-31/functions/{function}/invocations", program.url);
    json(request("POST", &url, &[], event.as_bytes()).await.1)
}

#[test]
fn all_functions_and_all_places_are_told_at_once() {
    let folder = place(&template("CodeUri: one", "CodeUri: s3://bucket/key"));
    fs::create_dir(folder.path().join("one")).unwrap();
    fs::write(folder.path().join("one/Cargo.toml"), "[package]\nname = 'package-one'\n").unwrap();
    let said = refused(folder.path());
    for place in ["bin/One", "bin/One/bootstrap", "bin/package-one", "bin/package-one/bootstrap", "one/bootstrap"] {
        assert!(said.contains(place), "{place}: {said}");
    }
    for place in ["One: ", "second: ", "bin/second", "bin/second/bootstrap", "bin/Two/bootstrap", "--binaries"] {
        assert!(said.contains(place), "{place}: {said}");
    }
    assert!(said.contains("S3"), "{said}");
}

#[tokio::test]
async fn a_program_is_found_by_its_package_and_where_the_code_is() {
    let folder = place(&template("CodeUri: one", "CodeUri: ./packages/two"));
    fs::create_dir(folder.path().join("one")).unwrap();
    fs::write(folder.path().join("one/Cargo.toml"), "[package]\nname = 'package-one'\n").unwrap();
    link(folder.path(), "bin/package-one");
    link(folder.path(), "packages/two/bootstrap");
    let program = started(folder.path());
    assert_eq!(answers(&program, "One", "{\"n\":1}").await["n"], 1);
    assert_eq!(answers(&program, "Two", "{\"n\":2}").await["n"], 2);
}

#[tokio::test]
async fn a_program_is_found_by_the_only_binary_of_its_package() {
    let folder = place(&template("CodeUri: one", ""));
    fs::create_dir(folder.path().join("one")).unwrap();
    let manifest = "[package]\nname = 'package-one'\n[[bin]]\nname = 'the-binary'\npath = 'x.rs'\n";
    fs::write(folder.path().join("one/Cargo.toml"), manifest).unwrap();
    link(folder.path(), "bin/the-binary/bootstrap");
    link(folder.path(), "bin/second");
    let program = started(folder.path());
    assert_eq!(answers(&program, "One", "{\"n\":1}").await["n"], 1);
}

#[tokio::test]
async fn the_working_folder_is_that_of_the_package() {
    let folder = place(&template("CodeUri: one", ""));
    link(folder.path(), "one/bootstrap");
    link(folder.path(), "bin/second");
    let program = started(folder.path());
    let real = |path: &str| folder.path().join(path).canonicalize().unwrap();
    for (function, expected) in [("One", real("one")), ("Two", real("bin"))] {
        let told = answers(&program, function, "{\"do\":\"folder\"}").await;
        assert_eq!(Path::new(told.as_str().unwrap()), expected, "{function}");
        let variables = answers(&program, function, "{\"do\":\"environment\"}").await;
        let task_root = Path::new(variables["LAMBDA_TASK_ROOT"].as_str().unwrap()).canonicalize().unwrap();
        assert_eq!(task_root, expected, "{function}");
    }
}

#[test]
fn a_zip_is_said_to_be_one() {
    let folder = place(&template("CodeUri: one.zip", ""));
    fs::write(folder.path().join("one.zip"), b"PK\x03\x04").unwrap();
    let said = refused(folder.path());
    assert!(said.contains("one.zip is a zip, which is not unpacked here"), "{said}");
}

#[test]
fn what_this_machine_cannot_run_is_said_before_anything_starts() {
    let folder = place(&template("Architectures: [arm64]", ""));
    let (one, two) = (folder.path().join("bin/One"), folder.path().join("bin/second"));
    let mut program = fs::read(example()).unwrap();
    let (machine, other): (u16, &str) = if cfg!(target_arch = "x86_64") { (183, "arm64") } else { (62, "x86_64") };
    program[18..20].copy_from_slice(&machine.to_le_bytes());
    fs::write(&one, &program[..4096]).unwrap();
    fs::set_permissions(&one, fs::Permissions::from_mode(0o755)).unwrap();
    fs::copy(example(), &two).unwrap();
    fs::set_permissions(&two, fs::Permissions::from_mode(0o644)).unwrap();
    let said = refused(folder.path());
    let ours = if cfg!(target_arch = "x86_64") { "x86_64" } else { "arm64" };
    assert!(said.contains(&format!("bin/One is built for {other}, and this machine is {ours}")), "{said}");
    assert!(said.contains("Architectures"), "{said}");
    assert!(said.contains("bin/second is not executable: chmod +x"), "{said}");
    fs::write(&two, "PK\x03\x04").unwrap();
    fs::set_permissions(&two, fs::Permissions::from_mode(0o755)).unwrap();
    let said = refused(folder.path());
    assert!(said.contains("bin/second is neither an ELF program nor a script"), "{said}");
}
