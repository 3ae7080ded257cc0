//! A certificate for `localhost` that nobody has signed but itself, made by the openssl program and kept beside the
//! stack's data, so that whoever trusts it has to do so once. It is made anew when it is about to expire.

use crate::prepare::machine;
use crate::workspace::StackDir;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

/// The longest that Apple's programs accept; others accept more.
const DAYS: &str = "825";
/// A stack may run for a while.
const STILL_GOOD_FOR_SECONDS: &str = "604800";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Certificate {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Certificate {
    /// Where it is, once it is there.
    pub(crate) fn of(dir: &StackDir) -> Self {
        Self { certificate: dir.tls().join("localhost.crt"), key: dir.tls().join("localhost.key") }
    }

    pub(crate) fn provide(dir: &StackDir) -> Result<Self> {
        let certificate = Self::of(dir);
        fs::create_dir_all(dir.tls()).with_context(|| format!("cannot make {}", dir.tls().display()))?;
        if !certificate.is_good()? {
            certificate.make()?;
        }
        Ok(certificate)
    }

    fn is_good(&self) -> Result<bool> {
        if !self.certificate.exists() || !self.key.exists() {
            return Ok(false);
        }
        let mut check = openssl(&["x509", "-noout", "-checkend", STILL_GOOD_FOR_SECONDS])?;
        Ok(run(check.arg("-in").arg(&self.certificate))?.status.success())
    }

    fn make(&self) -> Result<()> {
        let words = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", DAYS];
        let names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1"];
        // Whoever trusts it trusts this one certificate, and none that its key would sign.
        let alone = ["-addext", "basicConstraints=critical,CA:FALSE"];
        let mut make = openssl(&words)?;
        let made = run(make.args(names).args(alone).arg("-keyout").arg(&self.key).arg("-out").arg(&self.certificate))?;
        if !made.status.success() {
            bail!("openssl could not make a certificate: {}", String::from_utf8_lossy(&made.stderr).trim());
        }
        Ok(())
    }
}

fn openssl(words: &[&str]) -> Result<Command> {
    let mut openssl = Command::new(machine::program("openssl")?);
    openssl.args(words);
    Ok(openssl)
}

fn run(openssl: &mut Command) -> Result<Output> {
    openssl.output().context("cannot run openssl")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_made_once_and_again_when_it_is_spoilt() {
        let temp = tempfile::tempdir().unwrap();
        let dir = StackDir::at(temp.path().to_owned());
        let read = || fs::read_to_string(Certificate::of(&dir).certificate).unwrap();
        Certificate::provide(&dir).unwrap();
        let first = read();
        Certificate::provide(&dir).unwrap();
        assert_eq!(read(), first);
        fs::write(Certificate::of(&dir).certificate, "spoilt").unwrap();
        Certificate::provide(&dir).unwrap();
        assert_ne!(read(), "spoilt");
    }
}
