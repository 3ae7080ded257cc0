use std::fmt;
use std::str::FromStr;

/// A trace a request belongs to, as W3C Trace Context writes it: `00-<32 hex>-<16 hex>-<2 hex>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traceparent(Box<str>);

/// Text that is not a `traceparent`. Such a header is to be ignored, not refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a traceparent is 00-<32 hex>-<16 hex>-<2 hex> in lower case, its ids not all zeros")]
pub struct InvalidTraceparent;

impl Traceparent {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Traceparent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Traceparent {
    type Err = InvalidTraceparent;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_hex = |part: &str, width: usize| {
            part.len() == width && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        let is_id = |part: &str, width: usize| is_hex(part, width) && part.bytes().any(|byte| byte != b'0');
        match text.split('-').collect::<Vec<_>>().as_slice() {
            ["00", trace, parent, flags] if is_id(trace, 32) && is_id(parent, 16) && is_hex(flags, 2) => {
                Ok(Self(text.into()))
            }
            _ => Err(InvalidTraceparent),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_traceparent_of_version_0_is_carried() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(good.parse::<Traceparent>().unwrap().as_str(), good);
        for bad in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\n",
        ] {
            assert_eq!(bad.parse::<Traceparent>(), Err(InvalidTraceparent), "{bad:?}");
        }
    }
}
