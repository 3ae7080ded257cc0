//! What is wrong with something that was sent.

use std::fmt;

use crate::reason::cut;

/// What is wrong, and with which field, header or parameter. Both are cut ([`crate::reason`]), since either may be made of
/// what was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct FieldFault {
    /// Nothing where what was sent is at fault as a whole.
    pub field: Option<String>,
    pub detail: String,
}

impl FieldFault {
    pub fn new(field: &str, detail: impl fmt::Display) -> Self {
        Self { field: Some(cut(field.to_owned())), detail: cut(format!("{field}: {detail}")) }
    }

    pub(crate) fn whole(detail: impl fmt::Display) -> Self {
        Self { field: None, detail: cut(detail.to_string()) }
    }
}
