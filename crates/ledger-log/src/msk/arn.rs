use std::fmt;
use std::str::FromStr;

/// The name of an MSK cluster: `arn:aws:kafka:<region>:<account>:cluster/<name>/<id>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterArn {
    text: String,
    region: String,
}

/// A text that does not name an MSK cluster.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} does not name an MSK cluster: {problem}")]
pub struct NotAClusterArn {
    pub text: String,
    pub problem: &'static str,
}

impl NotAClusterArn {
    pub(crate) const FIX: &'static str = "write it as arn:aws:kafka:<region>:<account>:cluster/<name>/<id>";
}

impl ClusterArn {
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Where AWS is asked about it, and where a token for it is made.
    pub fn region(&self) -> &str {
        &self.region
    }
}

impl FromStr for ClusterArn {
    type Err = NotAClusterArn;

    fn from_str(text: &str) -> Result<Self, NotAClusterArn> {
        let refuse = |problem| Err(NotAClusterArn { text: text.to_owned(), problem });
        let ["arn", partition, service, region, account, resource] = text.split(':').collect::<Vec<_>>()[..] else {
            return refuse("it is not an ARN of six parts between colons");
        };
        if !partition.starts_with("aws") || service != "kafka" {
            return refuse("it is an ARN of something else than Amazon MSK");
        }
        if region.is_empty() {
            return refuse("it names no region");
        }
        if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
            return refuse("its account is not a number of twelve digits");
        }
        match resource.split('/').collect::<Vec<_>>()[..] {
            ["cluster", name, id] if !name.is_empty() && !id.is_empty() => {
                Ok(Self { text: text.to_owned(), region: region.to_owned() })
            }
            _ => refuse("it names something else than a cluster"),
        }
    }
}

impl fmt::Display for ClusterArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_region_is_read_from_it() {
        for (text, region) in [
            ("arn:aws:kafka:eu-west-1:123456789012:cluster/passbook/0b8a1c6e-3", "eu-west-1"),
            ("arn:aws-cn:kafka:cn-north-1:123456789012:cluster/p/0b8a1c6e-s1", "cn-north-1"),
        ] {
            let arn: ClusterArn = text.parse().unwrap();
            assert_eq!((arn.as_str(), arn.region()), (text, region));
        }
    }

    #[test]
    fn what_is_wrong_with_it_is_said() {
        for (text, problem) in [
            ("passbook", "six parts"),
            ("arn:aws:s3:::bucket", "else than Amazon MSK"),
            ("arn:aws:kafka::123456789012:cluster/p/1", "no region"),
            ("arn:aws:kafka:eu-west-1:1234:cluster/p/1", "twelve digits"),
            ("arn:aws:kafka:eu-west-1:123456789012:topic/p/1/t", "else than a cluster"),
            ("arn:aws:kafka:eu-west-1:123456789012:cluster/p", "else than a cluster"),
        ] {
            let error = text.parse::<ClusterArn>().unwrap_err().to_string();
            assert!(error.contains(text) && error.contains(problem), "{error}");
        }
    }
}
