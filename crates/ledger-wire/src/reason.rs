//! Reasons that are made of what somebody sent. They are cut, for they go where there is a bound: a record of outcomes, an
//! entry in a log, an answer.

/// The most characters of a reason. Written as JSON it has at most six times as many bytes.
pub const LONGEST_REASON: usize = 500;
/// Stands at the end of what was cut.
const CUT: char = '…';

/// The reason, at most [`LONGEST_REASON`] characters of it, the last of them `…` where there were more.
pub fn cut(mut reason: String) -> String {
    // A character has a byte at least.
    if reason.len() <= LONGEST_REASON {
        return reason;
    }
    let mut ends = reason.char_indices().map(|(at, _)| at);
    if let (Some(end), Some(_)) = (ends.nth(LONGEST_REASON - 1), ends.next()) {
        reason.truncate(end);
        reason.push(CUT);
    }
    reason
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_has_five_hundred_characters_at_most() {
        for short in ["", "why", &"é".repeat(500)] {
            assert_eq!(cut(short.to_owned()), short);
        }
        for (letter, count) in [("a", 501), ("é", 501), ("😀", 1_000_000)] {
            assert_eq!(cut(letter.repeat(count)), letter.repeat(499) + "…");
        }
    }
}
