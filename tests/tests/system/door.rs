//! What must not come in: every mistake is answered with a problem that names the field, and leaves nothing in the log.

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use system_tests::kafka::COMMANDS;
use system_tests::logs::Expected;
use system_tests::{Answer, Client, Stack};

use crate::shared::CALM;

pub(crate) fn trials() -> Vec<Trial> {
    crate::trials!(
        &CALM,
        door: mistakes_name_their_field_and_leave_the_log_alone, health_and_readiness_are_told,
        what_never_comes_to_the_door_is_a_problem_too
    )
}

pub(crate) const EXPECTED: [Expected; 1] = [Expected {
    log: "nginx",
    says: "client intended to send too large body",
    why: "the body of 10 MB; NGINX calls it an error of ours that a client sends too much",
}];

const JSON: &str = "application/json";

/// One request that must be refused.
struct Case {
    what: &'static str,
    method: &'static str,
    path: &'static str,
    media_type: &'static str,
    /// One more.
    header: Option<(&'static str, &'static str)>,
    body: Vec<u8>,
    status: u16,
    /// The field the problem must name; nothing where the request as a whole is at fault.
    field: Option<&'static str>,
}

fn body(what: &'static str, body: impl Into<Vec<u8>>, field: impl Into<Option<&'static str>>) -> Case {
    let (body, field) = (body.into(), field.into());
    Case { what, method: "POST", path: "/transaction", media_type: JSON, header: None, body, status: 400, field }
}

/// A deposit with one field replaced or added by `field`, as it would stand in JSON.
fn deposit_with(what: &'static str, name: &'static str, value: &str) -> Case {
    let given = [("type", "\"deposit\""), ("account", "\"bad\""), ("amount", "100"), ("currency", "\"EUR\"")];
    let kept = given.into_iter().filter(|(known, _)| *known != name).chain([(name, value)]);
    let fields: Vec<_> = kept.map(|(name, value)| format!("\"{name}\":{value}")).collect();
    body(what, format!("{{{}}}", fields.join(",")), name)
}

fn request(
    what: &'static str,
    method: &'static str,
    path: &'static str,
    status: u16,
    field: Option<&'static str>,
) -> Case {
    Case { what, method, path, media_type: JSON, header: None, body: Vec::new(), status, field }
}

const DEPOSIT: &str = r#"{"type":"deposit","account":"bad","amount":100,"currency":"EUR"}"#;

/// A good deposit under a bad key.
fn keyed(what: &'static str, key: &'static str) -> Case {
    Case { header: Some(("Idempotency-Key", key)), ..body(what, DEPOSIT, "Idempotency-Key") }
}

fn cases() -> Vec<Case> {
    let long = format!("\"{}\"", "a".repeat(65));
    let wordy = format!("\"{}\"", "a".repeat(257));
    let mut broken = deposit_with("", "reference", "\"?\"").body;
    let place = broken.iter().position(|byte| *byte == b'?').unwrap_or_default();
    broken[place] = 0xff;
    vec![
        body("empty body", "", None),
        body("white space", "  \n", None),
        body("not JSON", "amount=100", None),
        body("cut short", &DEPOSIT[..40], None),
        body("a list", format!("[{DEPOSIT}]"), None),
        body("null", "null", None),
        body("two objects", format!("{DEPOSIT}{DEPOSIT}"), None),
        body("broken UTF-8", broken, None),
        body("nested without end", "[".repeat(10_000), None),
        deposit_with("amount as text", "amount", "\"100\""),
        deposit_with("amount as a list", "amount", "[100]"),
        deposit_with("amount as an object", "amount", "{}"),
        deposit_with("amount null", "amount", "null"),
        deposit_with("amount negative", "amount", "-1"),
        deposit_with("amount zero", "amount", "0"),
        deposit_with("amount minus zero", "amount", "-0"),
        deposit_with("amount fractional", "amount", "1.5"),
        deposit_with("amount fractional but whole", "amount", "1.0"),
        deposit_with("amount one too large", "amount", "9007199254740992"),
        deposit_with("amount of more than 64 bits", "amount", "9223372036854775808"),
        deposit_with("amount huge", "amount", "1e30"),
        deposit_with("amount that no JSON reader takes", "amount", &"9".repeat(400)),
        deposit_with("currency unknown", "currency", "\"EUX\""),
        deposit_with("currency in small letters", "currency", "\"eur\""),
        deposit_with("currency empty", "currency", "\"\""),
        deposit_with("currency as a number", "currency", "978"),
        deposit_with("currency of nothing", "currency", "\"XXX\""),
        deposit_with("currency for tests", "currency", "\"XTS\""),
        deposit_with("gold", "currency", "\"XAU\""),
        deposit_with("currency that is withdrawn", "currency", "\"HRK\""),
        deposit_with("type unknown", "type", "\"gift\""),
        deposit_with("type as a number", "type", "1"),
        deposit_with("type null", "type", "null"),
        deposit_with("account with a space", "account", "\"no spaces\""),
        deposit_with("account empty", "account", "\"\""),
        deposit_with("account of the bank itself", "account", "\"@world.EUR.0\""),
        deposit_with("account with a dot", "account", "\"a.b\""),
        deposit_with("account too long", "account", &long),
        deposit_with("account as a list", "account", "[\"a\"]"),
        deposit_with("reference too long", "reference", &wordy),
        deposit_with("reference with a control character", "reference", "\"a\\u0000b\""),
        deposit_with("unknown field", "colour", "\"red\""),
        deposit_with("field of another type", "request", "\"bad.000g000000000000\""),
        body("duplicate key", DEPOSIT.replace('}', ",\"amount\":200}"), "amount"),
        body("duplicate key, the same value", DEPOSIT.replace('}', ",\"account\":\"bad\"}"), "account"),
        body("no amount", r#"{"type":"deposit","account":"bad","currency":"EUR"}"#, "amount"),
        body("no account", r#"{"type":"deposit","amount":1,"currency":"EUR"}"#, "account"),
        body("no currency", r#"{"type":"deposit","account":"bad","amount":1}"#, "currency"),
        body("no type", r#"{"account":"bad","amount":1,"currency":"EUR"}"#, "type"),
        body("release of nothing", r#"{"type":"release","account":"bad"}"#, "request"),
        body("release of what is no id", r#"{"type":"release","account":"bad","request":"it"}"#, "request"),
        body(
            "release of another's",
            r#"{"type":"release","account":"bad","request":"bob.000g000000000000"}"#,
            "request",
        ),
        body(
            "hold of no time",
            r#"{"type":"withdrawal_request","account":"bad","amount":1,"currency":"EUR","expires_in_seconds":0}"#,
            "expires_in_seconds",
        ),
        Case { status: 413, ..body("10 MB", vec![b' '; 10_000_000], None) },
        Case { status: 413, ..body("more than a command ever needs", vec![b' '; 70_000], None) },
        Case { status: 415, media_type: "text/plain", ..body("not said to be JSON", DEPOSIT, "Content-Type") },
        Case {
            status: 415,
            media_type: "application/x-www-form-urlencoded",
            ..body("a form", DEPOSIT, "Content-Type")
        },
        Case {
            status: 415,
            header: Some(("Content-Encoding", "gzip")),
            ..body("compressed", b"\x1f\x8b\x08\0".to_vec(), "Content-Encoding")
        },
        keyed("key that is not ASCII", "caf\u{e9}"),
        keyed("key that is empty", "\"\""),
        keyed("key whose quote does not end", "\"k"),
        keyed("two keys", "k1,k2"),
        Case { path: "/transaction?page=1", ..body("query where there is none", DEPOSIT, "page") },
        request("reading where one writes", "GET", "/transaction", 405, None),
        request("deleting a transaction", "DELETE", "/transactions/bad.000g000000000000", 405, None),
        request("putting a command", "PUT", "/transaction", 405, None),
        request("writing an account", "POST", "/accounts/bad", 405, None),
        request("unknown path", "GET", "/nowhere", 404, None),
        request("unknown path below", "GET", "/accounts/bad/secrets", 404, None),
        request("the root", "POST", "/", 404, None),
        request("unknown account", "GET", "/accounts/bad", 404, None),
        request("wait that is no number", "GET", "/transactions/bad.000g000000000000?wait=soon", 400, Some("wait")),
        request("limit that is no number", "GET", "/accounts/bad/transactions?limit=x", 400, Some("limit")),
        request("limit of nothing", "GET", "/accounts/bad/transactions?limit=0", 400, Some("limit")),
        request("unknown parameter", "GET", "/accounts/bad/transactions?page=2", 400, Some("page")),
        request("parameter in capitals", "GET", "/accounts/bad/transactions?Limit=2", 400, Some("Limit")),
        request("parameter twice", "GET", "/accounts/bad/transactions?limit=2&limit=2", 400, Some("limit")),
        request("parameter of another address", "GET", "/accounts/bad?wait=2", 400, Some("wait")),
        request("cursor of nowhere", "GET", "/accounts/bad/transactions?cursor=x", 400, Some("cursor")),
    ]
}

fn mistakes_name_their_field_and_leave_the_log_alone(stack: &Stack) -> Result<()> {
    let log = stack.kafka()?;
    let before = log.ends(COMMANDS)?;
    let client = stack.client();
    let wrong: Vec<_> =
        cases().iter().filter_map(|case| case.check(&client).err()).map(|error| format!("{error:#}")).collect();
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(log.ends(COMMANDS)?, before, "nothing reached the log");
    Ok(())
}

impl Case {
    fn check(&self, client: &Client) -> Result<()> {
        let headers: Vec<_> = [("Content-Type", self.media_type)].into_iter().chain(self.header).collect();
        let answer = client.send(self.method, self.path, &headers, &self.body).context(self.what)?;
        self.check_answer(&answer).with_context(|| format!("{}: {answer}", self.what))
    }

    fn check_answer(&self, answer: &Answer) -> Result<()> {
        let problem = answer.problem(self.status)?;
        let field = problem["field"].as_str();
        ensure!(field == self.field, "it names {field:?}, not {:?}", self.field);
        ensure!(self.status != 405 || answer.header("Allow").is_some(), "a 405 says what is allowed");
        Ok(())
    }
}

fn health_and_readiness_are_told(stack: &Stack) -> Result<()> {
    for path in ["/health", "/ready"] {
        stack.client().get(path)?.json(200)?;
    }
    Ok(())
}

/// Refused by NGINX or by the runtime before the function is asked; and what needs no more than it has is answered.
fn what_never_comes_to_the_door_is_a_problem_too(stack: &Stack) -> Result<()> {
    let many: String = (0..101).map(|number| format!("X-{number}: 1\r\n")).collect();
    for (what, line, headers, status) in [
        ("no host", "GET /health HTTP/1.0", "", 200),
        ("no host, and no such address", "OPTIONS / HTTP/1.0", "", 404),
        ("a host that is none", "GET /health HTTP/1.1", "Host: x{y}\r\n", 400),
        ("a control character in a header", "GET /health HTTP/1.1", "Host: h\r\nX-A: a\u{1}b\r\n", 400),
        ("a backtick that is not encoded", "GET /transactions/a`b HTTP/1.1", "Host: h\r\n", 400),
        ("too many headers", "GET /health HTTP/1.1", &*format!("Host: h\r\n{many}"), 431),
    ] {
        let answer = stack.client().raw(&format!("{line}\r\nConnection: close\r\n{headers}\r\n"))?;
        if status == 200 {
            answer.json(status).context(what)?;
        } else {
            answer.problem(status).context(what)?;
        }
    }
    Ok(())
}
