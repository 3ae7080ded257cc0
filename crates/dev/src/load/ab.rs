//! ApacheBench: its command line, and what it prints.

use anyhow::{Context, Result};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) requests: u32,
    pub(crate) concurrency: u32,
    pub(crate) keep_alive: bool,
}

impl Run {
    /// `-n 1000 -c 150 -p post-data.json -T application/json http://localhost:8080/transaction`
    pub(crate) fn words(&self, url: &str) -> Vec<String> {
        let mut words = vec!["-n".to_owned(), self.requests.to_string(), "-c".to_owned(), self.concurrency.to_string()];
        words.extend(self.keep_alive.then(|| "-k".to_owned()));
        words.extend(["-p", "post-data.json", "-T", "application/json"].map(str::to_owned));
        words.push(format!("{url}/transaction"));
        words
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) complete: u64,
    pub(crate) failed: u64,
    pub(crate) non_2xx: u64,
    pub(crate) per_second: u64,
    pub(crate) p50_ms: u64,
    pub(crate) p99_ms: u64,
}

impl Counted {
    /// An answer that is not 2xx mostly counts as failed too, for its length.
    pub(crate) fn good(&self) -> u64 {
        self.complete.saturating_sub(self.failed.max(self.non_2xx))
    }
}

pub(crate) fn parse(said: &str) -> Result<Counted> {
    let number = |label: &str| labelled(said, label).with_context(|| format!("ab printed no `{label}`:\n{said}"));
    Ok(Counted {
        complete: number("Complete requests:")?,
        failed: number("Failed requests:")?,
        // Printed only when there are any.
        non_2xx: labelled(said, "Non-2xx responses:").unwrap_or(0),
        per_second: number("Requests per second:")?,
        p50_ms: number("50%")?,
        p99_ms: number("99%")?,
    })
}

/// The whole part of the number after a label.
fn labelled(said: &str, label: &str) -> Option<u64> {
    let rest = said.lines().find_map(|line| line.trim_start().strip_prefix(label))?;
    rest.split_whitespace().next()?.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "
Server Software:        nginx
Concurrency Level:      150
Time taken for tests:   0.204 seconds
Complete requests:      1000
Failed requests:        3
   (Connect: 0, Receive: 0, Length: 3, Exceptions: 0)
Non-2xx responses:      2
Requests per second:    4899.32 [#/sec] (mean)
Time per request:       30.616 [ms] (mean)

Percentage of the requests served within a certain time (ms)
  50%     28
  66%     31
  99%     47
 100%     52 (longest request)
";

    #[test]
    fn what_ab_prints_is_read() {
        let counted = parse(SAID).unwrap();
        let expected = Counted { complete: 1000, failed: 3, non_2xx: 2, per_second: 4899, p50_ms: 28, p99_ms: 47 };
        assert_eq!((counted, counted.good()), (expected, 997));
    }

    #[test]
    fn without_the_line_every_answer_was_2xx() {
        let quiet: String =
            SAID.lines().filter(|line| !line.starts_with("Non-2xx")).map(|l| format!("{l}\n")).collect();
        assert_eq!(parse(&quiet).unwrap().non_2xx, 0);
        assert!(parse("apr_socket_recv: Connection reset by peer (104)").is_err());
    }

    #[test]
    fn the_first_run_is_the_command_line_everybody_knows() {
        let run = Run { requests: 1000, concurrency: 150, keep_alive: false };
        let words = run.words("http://localhost:8080").join(" ");
        let known = "-n 1000 -c 150 -p post-data.json -T application/json http://localhost:8080/transaction";
        assert_eq!(words, known);
    }
}
