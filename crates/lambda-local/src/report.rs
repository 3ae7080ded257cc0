//! Lambda's own lines in a function's log: START, END and REPORT.

use std::fmt::Write as _;
use std::time::Duration;

/// The line before an invocation.
pub(crate) fn start(request_id: &str) -> String {
    format!("START RequestId: {request_id} Version: $LATEST\n")
}

/// The lines after it. `outcome` is empty for a success.
pub(crate) fn end(request_id: &str, took: Duration, init: Option<Duration>, memory_mb: u32, outcome: &str) -> String {
    let mut lines = String::with_capacity(256);
    let billed = took.as_micros().div_ceil(1_000);
    let _ = write!(
        lines,
        "END RequestId: {request_id}\nREPORT RequestId: {request_id}\tDuration: {} ms\tBilled Duration: {billed} ms\t\
         Memory Size: {memory_mb} MB",
        Millis(took),
    );
    if let Some(init) = init {
        let _ = write!(lines, "\tInit Duration: {} ms", Millis(init));
    }
    if !outcome.is_empty() {
        let _ = write!(lines, "\tStatus: {outcome}");
    }
    lines.push('\n');
    lines
}

/// Milliseconds with two decimals.
struct Millis(Duration);

impl std::fmt::Display for Millis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let hundredths = self.0.as_micros() / 10;
        write!(f, "{}.{:02}", hundredths / 100, hundredths % 100)
    }
}

/// Seconds with two decimals, as in "Task timed out after 3.00 seconds".
pub(crate) fn seconds(duration: Duration) -> String {
    let hundredths = duration.as_millis() / 10;
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_reads_as_on_aws() {
        let lines = end("id", Duration::from_micros(12_345), Some(Duration::from_millis(7)), 128, "timeout");
        assert_eq!(
            lines,
            "END RequestId: id\nREPORT RequestId: id\tDuration: 12.34 ms\tBilled Duration: 13 ms\tMemory Size: 128 MB\t\
             Init Duration: 7.00 ms\tStatus: timeout\n"
        );
        assert_eq!(seconds(Duration::from_millis(3_000)), "3.00");
    }
}
