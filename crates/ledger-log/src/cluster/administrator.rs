//! The client that creates, describes and deletes topics.
//!
//! rdkafka's admin client never looks at its events, and with IAM librdkafka's wish for a token is one of them: nobody
//! would hear it, and no call would ever be answered. But librdkafka takes a token unasked just as well, so the client is
//! given one before it is used. A token lasts a quarter of an hour; an operator's call at most ten minutes.

use std::ffi::{CString, c_char};
use std::ptr;
use std::time::Duration;

use rdkafka::admin::AdminClient;
use rdkafka::bindings::rd_kafka_oauthbearer_set_token;
use rdkafka::client::{Client, OAuthToken};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaRespErr;

use super::token::{self, TokenError};
use super::{ClientEvents, Cluster};

/// Why there is no client to administer with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AdministratorError {
    #[error(transparent)]
    Client(#[from] KafkaError),
    #[error(transparent)]
    Token(#[from] TokenError),
}

impl Cluster {
    /// Opens it. Needs no broker.
    pub(crate) async fn administrator(
        &self,
        patience: Duration,
    ) -> Result<AdminClient<ClientEvents>, AdministratorError> {
        let config = self.client_config("passbook-operator", patience);
        let administrator: AdminClient<ClientEvents> = config.create_with_context(self.events())?;
        if let Some(region) = self.security.iam_region() {
            let refused = |reason| TokenError { region: region.to_owned(), reason };
            give(administrator.inner(), token::make(region).await?).map_err(refused)?;
        }
        Ok(administrator)
    }
}

/// Hands a client its token; what librdkafka has against it, if anything.
#[expect(unsafe_code, reason = "rdkafka hands over a token only where it looks at events")]
fn give(client: &Client<ClientEvents>, token: OAuthToken) -> Result<(), String> {
    let text = |text: String| CString::new(text).map_err(|error| error.to_string());
    let (value, principal) = (text(token.token)?, text(token.principal_name)?);
    let mut complaint: [c_char; 256] = [0; 256];
    // SAFETY: the client lives for as long as the borrow; both texts end with a nul byte and are copied; there are no
    // extensions; the complaint is cut to the length that is told, its nul byte included.
    let code = unsafe {
        rd_kafka_oauthbearer_set_token(
            client.native_ptr(),
            value.as_ptr(),
            token.lifetime_ms,
            principal.as_ptr(),
            ptr::null_mut(),
            0,
            complaint.as_mut_ptr(),
            complaint.len(),
        )
    };
    if code == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
        return Ok(());
    }
    let complaint: Vec<u8> = complaint.iter().map(|byte| *byte as u8).take_while(|byte| *byte != 0).collect();
    Err(String::from_utf8_lossy(&complaint).into_owned())
}
