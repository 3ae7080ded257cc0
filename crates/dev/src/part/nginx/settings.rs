//! What the templates of nginx/ are filled in with: nginx/settings.env, which a container takes too, and over it what this
//! stack and the person who starts it say. A name that settings.env does not know is a mistake.

use crate::workspace::Workspace;
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fs;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings(BTreeMap<String, String>);

impl Settings {
    /// Those of the repository, and over them `NAME=VALUE`s.
    pub(crate) fn of(workspace: &Workspace, said: &[String]) -> Result<Self> {
        let path = workspace.file("nginx/settings.env");
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut settings = Self::parse(&text);
        settings.say(said).map(|()| settings)
    }

    fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let pairs = lines.filter_map(|line| line.split_once('='));
        Self(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    /// What a person says is checked first of all, and has the last word.
    pub(crate) fn say(&mut self, said: &[String]) -> Result<()> {
        for (name, value) in said.iter().filter_map(|said| said.split_once('=')) {
            self.set(name, value)?;
        }
        Ok(())
    }

    /// Empty where there is none.
    pub(crate) fn value(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) -> Result<()> {
        let Some(known) = self.0.get_mut(name) else {
            let names: Vec<&str> = self.0.keys().map(String::as_str).collect();
            bail!("--nginx {name}: nginx/settings.env has no such value; it has {}", names.join(", "));
        };
        *known = value.into();
        Ok(())
    }

    pub(crate) fn fill_in(&self, template: &str) -> String {
        self.0.iter().fold(template.to_owned(), |text, (name, value)| text.replace(&format!("${{{name}}}"), value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_what_was_said_last_and_a_name_must_be_known() {
        let mut settings = Settings::parse("# A=no\nA=1\n\nB=listen 80;\nC=\n");
        settings.say(&["A=2".to_owned(), "C=x=y".to_owned()]).unwrap();
        assert_eq!(settings.fill_in("${A} ${B} ${C} $a ${D}"), "2 listen 80; x=y $a ${D}");
        let error = settings.say(&["D=1".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("--nginx D") && error.contains("A, B, C"), "{error}");
    }
}
