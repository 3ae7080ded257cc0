//! What a function is called: by whoever invokes it, and by the mappings of the template itself.

use super::FunctionSpec;

impl FunctionSpec {
    /// Every name it answers to, the one it runs under last.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        [Some(self.logical_id.as_str()), self.function_name.as_deref(), Some(self.name.as_str())].into_iter().flatten()
    }
}

/// `name`, `name:alias`, `account:function:name` and `arn:aws:lambda:region:account:function:name:alias` are one name.
pub(crate) fn plain_name(name: &str) -> &str {
    let tail = name.split_once("function:").map_or(name, |(_, tail)| tail);
    tail.split_once(':').map_or(tail, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_function_name_is_one_name() {
        for name in ["f", "f:live", "123456789012:function:f", "arn:aws:lambda:eu-west-1:123456789012:function:f:7"] {
            assert_eq!(plain_name(name), "f");
        }
    }
}
