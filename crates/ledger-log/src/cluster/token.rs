//! The token that a client signs in to MSK with, made of the process's own AWS credentials. It lasts a quarter of an hour.

use std::error::Error;
use std::time::Duration;

use aws_config::Region;
use rdkafka::client::OAuthToken;

const TOKEN_TIMEOUT: Duration = Duration::from_secs(10);

/// Why there is no token to sign in with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "no token can be made to sign in with IAM in {region} ({reason}); set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run it with a role"
)]
pub struct TokenError {
    pub region: String,
    pub reason: String,
}

pub(super) async fn make(region: &str) -> Result<OAuthToken, TokenError> {
    let fail = |reason: String| TokenError { region: region.to_owned(), reason };
    let making = aws_msk_iam_sasl_signer::generate_auth_token(Region::new(region.to_owned()));
    match tokio::time::timeout(TOKEN_TIMEOUT, making).await {
        Ok(Ok((token, lifetime_ms))) => Ok(OAuthToken { token, principal_name: "passbook".to_owned(), lifetime_ms }),
        Ok(Err(error)) => Err(fail(error.to_string())),
        Err(_) => Err(fail(format!("none within {} s", TOKEN_TIMEOUT.as_secs()))),
    }
}

/// As [`make`], for librdkafka, which calls on a thread of its own; so it brings its own runtime.
pub(super) fn make_blocking(region: &str) -> Result<OAuthToken, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(make(region))?)
}
