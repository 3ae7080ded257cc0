use http::Uri;

/// The first value of a query parameter, decoded. (`lambda_http`'s own accessor knows only requests that came from Lambda.)
pub(crate) fn parameter(uri: &Uri, name: &str) -> Option<String> {
    form_urlencoded::parse(uri.query()?.as_bytes())
        .find(|(found, _)| found == name)
        .map(|(_, value)| value.into_owned())
}
