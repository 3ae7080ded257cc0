//! `FunctionUrlConfig`: a function's URL.

use crate::template::fields::Fields;
use crate::template::resolve::Scope;

/// A function URL's configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UrlSpec {
    /// Cross-origin rules; when given they override the function's own headers.
    pub cors: Option<Cors>,
    /// `InvokeMode: RESPONSE_STREAM`: an answer may be as large as a streamed one.
    pub streams: bool,
}

/// `FunctionUrlConfig.Cors`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cors {
    /// `AllowOrigins`.
    pub origins: Vec<String>,
    /// `AllowMethods`.
    pub methods: Vec<String>,
    /// `AllowHeaders`.
    pub headers: Vec<String>,
    /// `ExposeHeaders`.
    pub expose: Vec<String>,
    /// `AllowCredentials`.
    pub credentials: bool,
    /// `MaxAge`, in seconds.
    pub max_age_s: u32,
}

pub(super) fn read(fields: &mut Fields<'_>, scope: &Scope<'_>) -> Option<UrlSpec> {
    let mut config = fields.map("FunctionUrlConfig")?;
    let iam = config.word_if_known("AuthType", &[("NONE", false), ("AWS_IAM", true)]);
    if iam != Some(false) && config.has("AuthType") {
        scope.findings.not_supported(&config.path("AuthType"), "AWS_IAM is not enforced: every caller is let in");
    }
    let streams = config.word("InvokeMode", &[("BUFFERED", false), ("RESPONSE_STREAM", true)]) == Some(true);
    if streams {
        scope.findings.not_supported(&config.path("InvokeMode"), "streamed responses reach the caller in one piece");
    }
    let cors = config.map("Cors").map(read_cors);
    config.finish(&[], &[]);
    Some(UrlSpec { cors, streams })
}

fn read_cors(mut fields: Fields<'_>) -> Cors {
    let cors = Cors {
        origins: fields.texts("AllowOrigins").unwrap_or_default(),
        methods: fields.texts("AllowMethods").unwrap_or_default(),
        headers: fields.texts("AllowHeaders").unwrap_or_default(),
        expose: fields.texts("ExposeHeaders").unwrap_or_default(),
        credentials: fields.flag("AllowCredentials").unwrap_or_default(),
        max_age_s: u32::try_from(fields.integer("MaxAge", 0..=86_400).unwrap_or(0)).unwrap_or(0),
    };
    fields.finish(&[], &[]);
    cors
}
