//! What cargo calls the program of a package.

use std::path::Path;

use serde::Deserialize;

/// Of a `Cargo.toml` what is needed.
#[derive(Deserialize)]
struct Manifest {
    package: Option<Named>,
    #[serde(default)]
    bin: Vec<Named>,
}

#[derive(Deserialize)]
struct Named {
    name: Option<String>,
}

/// The names under which cargo may leave the program of the package in a folder: the package's, and its only binary's.
/// None where there is no package, or no manifest that can be read.
pub(super) fn names(folder: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
    of_manifest(&text)
}

fn of_manifest(text: &str) -> Vec<String> {
    let Ok(Manifest { package, bin }) = toml::from_str(text) else { return vec![] };
    let only = <[Named; 1]>::try_from(bin).ok().and_then(|[only]| only.name);
    only.into_iter().chain(package.and_then(|package| package.name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_names_its_program() {
        for (manifest, names) in [
            ("[package]\nname = 'p'\nversion = { workspace = true }\n[dependencies]\nx = '1'\n", &["p"][..]),
            ("[package]\nname = 'p'\n[[bin]]\nname = 'b'\npath = 'src/b.rs'\n", &["b", "p"]),
            ("[package]\nname = 'p'\n[[bin]]\nname = 'b'\n[[bin]]\nname = 'c'\n", &["p"]),
            ("[workspace]\nmembers = ['a']\n", &[]),
            ("[package\n", &[]),
            ("", &[]),
        ] {
            assert_eq!(of_manifest(manifest), names, "{manifest}");
        }
    }
}
