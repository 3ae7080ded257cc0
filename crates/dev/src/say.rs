//! What a person sees: one line a step, with a spinner or a bar while it goes on when a terminal looks on.

use indicatif::{ProgressBar, ProgressStyle};
use std::fmt::Display;
use std::io::{self, Write};
use std::time::{Duration, Instant};

/// A step under way; it becomes a line when it is done, and vanishes when it fails (the error then tells).
#[derive(Debug)]
pub(crate) struct Step {
    name: String,
    bar: ProgressBar,
    began: Instant,
}

impl Step {
    pub(crate) fn begin(name: &str, doing: impl Display) -> Self {
        let bar = ProgressBar::new_spinner().with_style(style("  {prefix:<13} {spinner} {msg}"));
        Self::shown(name, doing, bar)
    }

    /// A step that knows how many bytes it will see.
    pub(crate) fn begin_bytes(name: &str, doing: impl Display, bytes: u64) -> Self {
        let template = "  {prefix:<13} {bar:24} {bytes}/{total_bytes} {msg}";
        Self::shown(name, doing, ProgressBar::new(bytes).with_style(style(template)))
    }

    fn shown(name: &str, doing: impl Display, bar: ProgressBar) -> Self {
        bar.set_prefix(name.to_owned());
        bar.set_message(doing.to_string());
        bar.enable_steady_tick(Duration::from_millis(100));
        Self { name: name.to_owned(), bar, began: Instant::now() }
    }

    pub(crate) fn doing(&self, doing: impl Display) {
        self.bar.set_message(doing.to_string());
    }

    pub(crate) fn bytes(&self, seen: u64) {
        self.bar.set_position(seen);
    }

    pub(crate) fn done(self, result: impl Display) {
        self.bar.finish_and_clear();
        print(format_args!("  {:<13} {result}  ({})", self.name, seconds(self.began.elapsed())));
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

/// A finished step nobody had to wait for.
pub(crate) fn line(name: &str, text: impl Display) {
    print(format_args!("  {name:<13} {text}"));
}

/// A line for whoever still reads. That nobody does (a closed terminal, a `tee` that Ctrl-C ended) is no reason for a
/// running stack to end other than in order, as a panic of `println!` would make it.
pub(crate) fn print(text: impl Display) {
    let _nobody_reads = writeln!(io::stdout(), "{text}");
}

/// `1.3 s`; minutes from one on.
pub(crate) fn seconds(duration: Duration) -> String {
    let (whole, tenths) = (duration.as_secs(), duration.subsec_millis() / 100);
    if whole < 60 { format!("{whole}.{tenths} s") } else { format!("{} min {:02} s", whole / 60, whole % 60) }
}

/// `20,000`.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let grouped: Vec<&str> = digits.as_bytes().rchunks(3).rev().filter_map(|c| std::str::from_utf8(c).ok()).collect();
    grouped.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_read_well() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (20_000_000, "20,000,000")] {
            assert_eq!(thousands(number), text);
        }
        assert_eq!(seconds(Duration::from_millis(1_349)), "1.3 s");
        assert_eq!(seconds(Duration::from_secs(125)), "2 min 05 s");
    }
}
