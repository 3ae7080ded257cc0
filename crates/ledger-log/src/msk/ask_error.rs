//! Why AWS did not tell what it was asked, sorted by what is to be done about it.

use std::error::Error;
use std::iter::successors;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_kafka::config::http::HttpResponse;
use aws_sdk_kafka::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};

use super::ClusterArn;

/// A call of the API, and what a policy has to allow for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) name: &'static str,
    pub(super) allow: &'static str,
}

/// Why AWS did not tell what it was asked about a cluster.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("AWS did not answer {call} about {arn}: {reason}; {fix}")]
pub struct AskError {
    pub call: &'static str,
    pub arn: String,
    pub obstacle: Obstacle,
    /// As AWS or its SDK says it.
    pub reason: String,
    pub fix: String,
}

/// What stood in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// The process has no credentials.
    NoCredentials,
    /// It has some, and AWS does not take them.
    CredentialsRefused,
    /// AWS knows who asks, and nothing allows it.
    NotAllowed,
    /// No such cluster, or no such topic.
    NotThere,
    /// No answer, or not in time.
    NotReached,
    /// Anything else, in AWS's words.
    Refused,
}

impl AskError {
    pub(super) fn of<E>(call: Call, arn: &ClusterArn, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let (obstacle, reason) = judge(error);
        Self::new(call, arn, obstacle, reason)
    }

    pub(super) fn refused(call: Call, arn: &ClusterArn, reason: String) -> Self {
        Self::new(call, arn, Obstacle::Refused, reason)
    }

    fn new(call: Call, arn: &ClusterArn, obstacle: Obstacle, reason: String) -> Self {
        let fix = obstacle.fix(call, arn);
        Self { call: call.name, arn: arn.to_string(), obstacle, reason, fix }
    }
}

impl Obstacle {
    fn fix(self, call: Call, arn: &ClusterArn) -> String {
        let region = arn.region();
        match self {
            Self::NoCredentials => {
                "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run it with a role".to_owned()
            }
            Self::CredentialsRefused => {
                "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or the profile, and the clock"
                    .to_owned()
            }
            Self::NotAllowed => format!("allow {}", call.allow),
            Self::NotThere => {
                format!("check the ARN, its region {region} and its account, and whose credentials these are")
            }
            Self::NotReached => format!("check the ARN's region {region}, and that this network leads to AWS"),
            Self::Refused => "see what AWS says".to_owned(),
        }
    }

    /// By the code of the error, which AWS documents for each service and for all of them.
    fn of_code(code: &str) -> Option<Self> {
        match code {
            "UnrecognizedClientException"
            | "InvalidClientTokenId"
            | "InvalidSignatureException"
            | "SignatureDoesNotMatch"
            | "IncompleteSignature"
            | "IncompleteSignatureException"
            | "ExpiredTokenException"
            | "RequestExpired"
            | "MissingAuthenticationToken" => Some(Self::CredentialsRefused),
            "ForbiddenException" | "UnauthorizedException" | "AccessDeniedException" | "NotAuthorized" => {
                Some(Self::NotAllowed)
            }
            "NotFoundException" => Some(Self::NotThere),
            _ => None,
        }
    }

    fn of_status(status: u16) -> Self {
        match status {
            401 | 403 => Self::NotAllowed,
            404 => Self::NotThere,
            _ => Self::Refused,
        }
    }
}

fn judge<E>(error: &SdkError<E, HttpResponse>) -> (Obstacle, String)
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    if let SdkError::ServiceError(answer) = error {
        let (code, message) = (error.code().unwrap_or("no code"), error.message().unwrap_or("no message"));
        let obstacle = Obstacle::of_code(code).unwrap_or_else(|| Obstacle::of_status(answer.raw().status().as_u16()));
        return (obstacle, format!("{message} ({code})"));
    }
    if let Some(missing) = causes(error).find_map(|cause| cause.downcast_ref::<CredentialsError>()) {
        return (Obstacle::NoCredentials, format!("there are no AWS credentials, {missing}"));
    }
    let obstacle = match error {
        SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) => Obstacle::NotReached,
        _ => Obstacle::Refused,
    };
    (obstacle, DisplayErrorContext(error).to_string())
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    successors(Some(error), |error: &&'a (dyn Error + 'static)| (*error).source())
}
