//! The Kafka under test looks at a token as closely as MSK does, or it would prove nothing: a token of AWS's own making
//! is taken, and one that differs from it in a single point is not.

use std::error::Error;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use aws_config::Region;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use libtest_mimic::Trial;
use rdkafka::ClientContext;
use rdkafka::client::OAuthToken;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use system_tests::secured_kafka::{ACCESS_KEY, REGION, SECRET, SecuredKafka, WayIn};
use system_tests::{Stack, wait_until};

use super::with_kafka;
use crate::shared::CALM;

pub(super) fn trials() -> Vec<Trial> {
    crate::trials!(&CALM, secured: a_token_is_refused_for_any_flaw)
}

/// What is done to a token, and what the broker is to say of it.
type Flaw = (fn(String) -> String, &'static str);

fn a_token_is_refused_for_any_flaw(stack: &Stack) -> Result<()> {
    with_kafka(stack, |kafka| {
        assert_eq!(sign_in(kafka, token(REGION, |url| url)?)?, None, "a token without a flaw");
        let flaws: [Flaw; 6] = [
            (
                |url| url.replace("Action=kafka-cluster%3AConnect", "Action=kafka-cluster%3ADescribeCluster"),
                "the action is",
            ),
            (|url| url.replace("X-Amz-Date=2", "X-Amz-Date=1"), "it has expired"),
            (|url| url.replace("X-Amz-Expires=900", "X-Amz-Expires=901"), "it is to last for"),
            (|url| url.replace("%2Fkafka-cluster%2Faws4_request", "%2Fs3%2Faws4_request"), "the credential is"),
            (|url| url.replace("X-Amz-Signature=", "X-Amz-Signature=0"), "the signature is wrong"),
            (|url| url.replace("&X-Amz-Signature=", "&X-Unsigned="), "the signature is wrong"),
        ];
        for (spoil, complaint) in flaws {
            let refused = sign_in(kafka, token(REGION, spoil)?)?.context(complaint)?;
            ensure!(refused.contains(complaint), "{complaint}: {refused}");
        }
        let elsewhere = sign_in(kafka, token("eu-north-1", |url| url)?)?.context("a token of another region")?;
        ensure!(elsewhere.contains("the host is kafka.eu-north-1.amazonaws.com"), "{elsewhere}");
        Ok(())
    })
}

/// A token signed as AWS signs it, and then spoilt.
fn token(region: &'static str, spoil: impl Fn(String) -> String) -> Result<OAuthToken> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let credentials = SharedCredentialsProvider::new(Credentials::new(ACCESS_KEY, SECRET, None, None, "test"));
    let signing =
        aws_msk_iam_sasl_signer::generate_auth_token_from_credentials_provider(Region::new(region), credentials);
    let (token, lifetime_ms) = runtime.block_on(signing)?;
    let token = URL_SAFE_NO_PAD.encode(spoil(String::from_utf8(URL_SAFE_NO_PAD.decode(token)?)?));
    Ok(OAuthToken { token, principal_name: "test".to_owned(), lifetime_ms })
}

/// Why the token was not taken; nothing when it was.
fn sign_in(kafka: &SecuredKafka, token: OAuthToken) -> Result<Option<String>> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", kafka.address(WayIn::Iam)).set("group.id", "tokens").set("log_level", "0");
    config.set("security.protocol", "SASL_SSL").set("sasl.mechanism", "OAUTHBEARER");
    config.set("ssl.ca.location", kafka.file("authority.pem"));
    let holder = Holder { token: Mutex::new(Some(token)), refused: Mutex::default() };
    let client: BaseConsumer<Holder> = config.create_with_context(holder)?;
    wait_until("the broker takes the token or refuses it", Duration::from_secs(30), || {
        drop(client.poll(Duration::ZERO));
        if let Some(refused) = client.context().refused.lock().ok().and_then(|mut refused| refused.take()) {
            return Ok(Some(Some(refused)));
        }
        client.fetch_metadata(None, Duration::from_millis(200))?;
        Ok(Some(None))
    })
}

/// Has a token, and hears why it is not taken.
struct Holder {
    token: Mutex<Option<OAuthToken>>,
    refused: Mutex<Option<String>>,
}

impl ClientContext for Holder {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn error(&self, _: KafkaError, reason: &str) {
        if let (true, Ok(mut refused)) = (reason.contains("SASL authentication error"), self.refused.lock()) {
            *refused = Some(reason.to_owned());
        }
    }

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        let token = self.token.lock().ok().and_then(|mut token| token.take());
        Ok(token.ok_or("it was given away already")?)
    }
}

impl ConsumerContext for Holder {}
