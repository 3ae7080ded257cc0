//! The token that a client signs in to MSK with, made of the function's own AWS credentials.

use std::error::Error;
use std::time::Duration;

use aws_config::Region;
use rdkafka::client::OAuthToken;

const TOKEN_TIMEOUT: Duration = Duration::from_secs(10);

/// Makes a token. Called by librdkafka on a thread of its own, so it brings its own runtime; a token lasts a quarter of
/// an hour.
pub(super) fn generate(region: &str) -> Result<OAuthToken, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let region = Region::new(region.to_owned());
    let (token, lifetime_ms) = runtime.block_on(async {
        tokio::time::timeout(TOKEN_TIMEOUT, aws_msk_iam_sasl_signer::generate_auth_token(region)).await
    })??;
    Ok(OAuthToken { token, principal_name: "passbook".to_owned(), lifetime_ms })
}
