//! What a name stands for: a parameter, a resource or its attribute, a pseudo parameter.

use serde_json::Value;

use super::{Resolved, Scope};
use crate::template::problems::Unresolved;

/// The account of everything here.
pub(crate) const ACCOUNT: &str = "123456789012";

/// The ARN this runtime gives a function.
pub fn function_arn(region: &str, name: &str) -> String {
    format!("arn:aws:lambda:{region}:{ACCOUNT}:function:{name}")
}

/// Whether CloudFormation would put something else into a value: what stands in SSM or Secrets Manager.
pub(crate) fn has_dynamic_reference(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains("{{resolve:"),
        Value::Array(items) => items.iter().any(has_dynamic_reference),
        Value::Object(map) => map.values().any(has_dynamic_reference),
        _ => false,
    }
}

impl Scope<'_> {
    pub(super) fn reference(&self, path: &str, name: &str) -> Resolved {
        if name == "AWS::NoValue" {
            return Ok(None);
        }
        if let Some(value) = self.pseudo(name) {
            return Ok(Some(value));
        }
        if let Some(value) = self.parameters.get(name) {
            return value.clone().map(Some).map_err(Unresolved::reported);
        }
        if let Some(function) = self.names.get(name) {
            return Ok(Some(Value::from(function.name())));
        }
        if self.resources.contains_key(name) {
            return Ok(Some(Value::from(name)));
        }
        Err(Unresolved::mistake(path, format!("{name} is neither a parameter nor a resource of this template")))
    }

    fn pseudo(&self, name: &str) -> Option<Value> {
        let value = match name {
            "AWS::Region" => self.region.into(),
            "AWS::AccountId" => ACCOUNT.into(),
            "AWS::Partition" => "aws".into(),
            "AWS::URLSuffix" => "amazonaws.com".into(),
            "AWS::StackName" => "local".into(),
            "AWS::StackId" => format!("arn:aws:cloudformation:{}:{ACCOUNT}:stack/local/0", self.region).into(),
            "AWS::NotificationARNs" => Value::Array(vec![]),
            _ => return None,
        };
        Some(value)
    }

    pub(super) fn attribute(&self, path: &str, resource: &str, attribute: &str) -> Resolved {
        // SAM makes a function's URL a resource of its own, named after it.
        let owner = resource.strip_suffix("Url").and_then(|id| self.names.get(id));
        match (self.names.get(resource), owner, attribute) {
            (Some(names), _, "Arn") => Ok(Some(function_arn(self.region, names.name()).into())),
            (_, Some(names), "FunctionUrl") if self.base_url.is_some() => {
                Ok(Some(format!("{}/lambda-url/{}/", self.base_url.unwrap_or_default(), names.name()).into()))
            }
            _ if owner.is_none() && !self.resources.contains_key(resource) => {
                Err(Unresolved::mistake(path, format!("{resource} is not a resource of this template")))
            }
            _ => Err(Unresolved::only_on_aws(path, format!("{resource}.{attribute} exists only on AWS"))),
        }
    }
}
