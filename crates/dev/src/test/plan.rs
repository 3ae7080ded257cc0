//! What one run of `cargo dev test` does: which lints, which stores, and which runs of `cargo test`.

use super::TestArgs;
use super::needs::Need;
use std::collections::{BTreeMap, BTreeSet};

/// The trips of `--quick` through a whole stack: deposits, holds, what is refused, and the books at the end.
const TRIPS: &str = "money::";
/// What `--quick` leaves out: the two tests of the simulation that are measured in thousands.
const LONG: [&str; 2] = ["ten_thousand_seeds", "hundred_thousand_commands"];

/// What each package needs, by its name.
pub(super) type NeedsOf = BTreeMap<String, BTreeSet<Need>>;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) lints: Lints,
    pub(super) needs: BTreeSet<Need>,
    /// The arguments of each `cargo test`, after `--release`.
    pub(super) runs: Vec<Vec<String>>,
    /// Whether each of them has to find a test: where names are ours, and not a person's.
    pub(super) is_empty_a_failure: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Lints {
    None,
    /// Of the code alone; of these packages, or of all where there are none.
    Code(Vec<String>),
    /// Also what `cargo dev check` and `cargo dev docs` do.
    Everything,
}

impl Plan {
    pub(super) fn of(args: &TestArgs, needs_of: &NeedsOf) -> Self {
        let named = &args.packages;
        let of_all = || needs_of.values().flatten().copied().collect();
        let of_named = || named.iter().filter_map(|package| needs_of.get(package)).flatten().copied().collect();
        let lints = if args.quick || !named.is_empty() { Lints::Code(named.clone()) } else { Lints::Everything };
        Self {
            lints: if args.no_lints { Lints::None } else { lints },
            needs: if named.is_empty() { of_all() } else { of_named() },
            runs: if args.quick { quick() } else { vec![run(&packages(named), &args.cargo, &args.tests)] },
            is_empty_a_failure: args.quick,
        }
    }
}

/// `--workspace`, or `--package` for each.
pub(super) fn packages(named: &[String]) -> Vec<&str> {
    match named {
        [] => vec!["--workspace"],
        named => named.iter().flat_map(|package| ["--package", package]).collect(),
    }
}

/// In the workspace as a whole, since a package by itself would have its dependencies compiled with other features.
fn quick() -> Vec<Vec<String>> {
    let all = ["--workspace"];
    let not_long: Vec<&str> = LONG.iter().flat_map(|test| ["--skip", test]).collect();
    vec![
        run(&all, &["--lib", "--bins"], &not_long),
        run(&all, &["--test", "conformance"], &[]),
        run(&all, &["--test", "log"], &["conformance"]),
        run(&all, &["--test", "system"], &[TRIPS]),
    ]
}

/// `cargo` are words for cargo test, `tests` those for the programs that it runs.
fn run<'a, W: AsRef<str>>(packages: &[&'a str], cargo: &'a [W], tests: &'a [W]) -> Vec<String> {
    let words = packages.iter().copied().chain(["--no-fail-fast"]).chain(cargo.iter().map(AsRef::as_ref));
    let divided = (!tests.is_empty()).then_some("--").into_iter().chain(tests.iter().map(AsRef::as_ref));
    words.chain(divided).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: TestArgs,
    }

    fn parsed(words: &str) -> Result<TestArgs, clap::Error> {
        let words = ["cargo dev test"].into_iter().chain(words.split_whitespace());
        Line::try_parse_from(words).map(|line| line.args)
    }

    fn plan(words: &str) -> Plan {
        let args = parsed(words).unwrap();
        args.check().unwrap();
        let needs = [("ledger-store", Need::Mongod), ("ledger-log", Need::Kafka), ("system-tests", Need::Stack)];
        Plan::of(&args, &needs.map(|(package, need)| (package.to_owned(), BTreeSet::from([need]))).into())
    }

    fn runs(words: &str) -> Vec<String> {
        plan(words).runs.iter().map(|words| words.join(" ")).collect()
    }

    #[test]
    fn without_words_everything_is_tested() {
        let everything = plan("");
        assert_eq!(everything.lints, Lints::Everything);
        assert_eq!(everything.needs, [Need::Mongod, Need::Kafka, Need::Stack].into());
        assert_eq!(runs(""), ["--workspace --no-fail-fast"]);
        assert_eq!(plan("--no-lints").lints, Lints::None);
    }

    #[test]
    fn a_package_gets_its_lints_and_its_stores_and_no_more() {
        let two = plan("-p ledger --package ledger-store");
        assert_eq!(two.lints, Lints::Code(vec!["ledger".into(), "ledger-store".into()]));
        assert_eq!(two.needs, [Need::Mongod].into());
        assert_eq!(runs("-p ledger -p ledger-store"), ["--package ledger --package ledger-store --no-fail-fast"]);
        assert_eq!(plan("-p ledger").needs, [].into());
        assert_eq!(plan("--no-lints -p ledger").lints, Lints::None);
    }

    #[test]
    fn words_for_cargo_and_words_for_the_tests_are_passed_on() {
        assert_eq!(runs("-- kill"), ["--workspace --no-fail-fast -- kill"]);
        assert_eq!(runs("kill"), ["--workspace --no-fail-fast kill"]);
        assert_eq!(runs("-p ledger -- --nocapture"), ["--package ledger --no-fail-fast -- --nocapture"]);
        assert_eq!(runs("--test log -- a --skip b"), ["--workspace --no-fail-fast --test log -- a --skip b"]);
        assert_eq!(runs("-- -p"), ["--workspace --no-fail-fast -- -p"]);
    }

    #[test]
    fn a_word_of_ours_is_not_passed_on() {
        for words in ["--lib -p ledger", "--lib --package=ledger", "--lib --no-lints", "--lib --quick", "--workspace"] {
            assert!(parsed(words).is_ok_and(|args| args.check().is_err()), "{words}");
        }
        for words in ["--quick -p ledger", "--quick --lib", "--quick -- kill"] {
            assert!(parsed(words).is_err(), "{words}");
        }
    }

    #[test]
    fn quick_tests_each_kind_once_and_notices_when_it_finds_none() {
        let quick = plan("--quick");
        assert_eq!(quick.lints, Lints::Code(vec![]));
        assert_eq!(quick.runs.len(), 4);
        assert!(quick.is_empty_a_failure);
        assert!(runs("--quick").iter().all(|words| words.starts_with("--workspace ")), "{quick:?}");
    }
}
